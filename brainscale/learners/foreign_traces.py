"""JAX's own transformations around a learner: they know of no states, and are refused.

What a step writes within one of them stays behind in the states as a tracer of it.
"""

from __future__ import annotations

import brainstate
from brainstate import TraceContextError
from brainstate._state import TRACE_CONTEXT
from jax.core import Trace
from jax.extend.core import take_current_trace

from ..errors import StructureError

__all__ = ["TouchedStates", "check_transformations"]


class TouchedStates(brainstate.StateTraceStack):
    """What is read and written within it, in the trace around it: no transformation's."""


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
    stacks = [s for s in TRACE_CONTEXT.state_stack if not isinstance(s, TouchedStates)]
    if not stacks:
        try:
            state.check_valid_trace(lambda: "")
        except TraceContextError:
            return False
        return True
    made = _find_trace(stacks[-1])
    # A map's is not to be had.
    return made is None or made is trace


def _find_trace(stack: object) -> Trace | None:
    """Find the trace of which a function of brainstate's makes variables of states, if it does."""
    make_variable = getattr(stack, "_jax_trace_new_arg", None)
    cells = getattr(make_variable, "__closure__", None) or ()
    contents = [cell.cell_contents for cell in cells]
    return next((content for content in contents if isinstance(content, Trace)), None)
