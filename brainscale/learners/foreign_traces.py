"""JAX's own transformations around a learner: they know of no states, and are refused.

What a step writes within one of them stays behind in the states as a tracer of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import brainstate
from brainstate import TraceContextError
from brainstate._state import TRACE_CONTEXT
from jax.core import Trace
from jax.extend.core import take_current_trace

from ..errors import StructureError

__all__ = ["check_transformations"]


def check_transformations(state: brainstate.State) -> None:
    """Refuse to go on in a trace of JAX that brainstate has not made, and a learner is not made in.

    Parameters
    ----------
    state : State
        One of the learner's, as old as it.

    Raises
    ------
    StructureError
    """
    with take_current_trace() as current:
        pass
    if not _is_known(current, state):
        raise StructureError(
            "a learner is called inside a transformation of JAX (jax.jit, grad, checkpoint, vmap, "
            "lax.scan, lax.cond, ...), which does not know of states: take the one of "
            "brainstate.transform (jit, grad, checkpoint, vmap, for_loop, cond, ...)"
        )


def _is_known(trace: Trace, state: brainstate.State) -> bool:
    """Whether brainstate has made a trace, or a state is of the trace as its values are."""
    if not TRACE_CONTEXT.state_stack:
        try:
            state.check_valid_trace(lambda: "")
        except TraceContextError:
            return False
        return True
    made = _find_trace(TRACE_CONTEXT.state_stack)
    # A map's is not to be had.
    return made is None or made is trace


def _find_trace(stacks: Sequence[object]) -> Trace | None:
    """Find the trace of which a function of brainstate's makes variables of states, if it does."""
    makers = (getattr(stack, "_jax_trace_new_arg", None) for stack in reversed(stacks))
    # A stack that makes none notes what is read and written, in the trace around it.
    make_variable = next((maker for maker in makers if maker is not None), None)
    cells = getattr(make_variable, "__closure__", None) or ()
    contents = [cell.cell_contents for cell in cells]
    return next((content for content in contents if isinstance(content, Trace)), None)
