"""What a function whose gradient is taken does with hidden states before a step.

A step inside `brainstate.transform.grad` has derivatives of its own alone: what the function made
of hidden states before the step is in none, nor in the traces.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import brainstate
from brainstate._state import TRACE_CONTEXT

from ..errors import HiddenPathError

__all__ = ["check_unused", "note_step"]

_MEND = (
    "do it in the model's update or in step_fn of etrace_grad, which have it in their derivatives, "
    "or outside of the function whose gradient is taken (with reset_traces, if it begins anew)"
)


def check_unused(hidden: Iterable[tuple[str, brainstate.State]]) -> None:
    """Refuse hidden states that the function whose gradient is taken used before the step.

    Raises
    ------
    HiddenPathError
    """
    for stack in reversed(_list_stacks()):
        ids = {id(state) for state in stack.states} - set(getattr(stack, "left_by_learner", ()))
        for name, state in hidden:
            if id(state) in ids:
                raise HiddenPathError(
                    f"{name} is read or written before the learner's step, within a function whose "
                    f"gradient is taken, and is not in it: {_MEND}",
                    got=state,
                )


def note_step(hidden: Iterable[tuple[str, brainstate.State]]) -> None:
    """Remember that hidden states are a step's, or begin anew."""
    for stack in _list_stacks():
        if not hasattr(stack, "left_by_learner"):
            stack.left_by_learner = set()
        stack.left_by_learner |= {id(state) for _, state in hidden}


def _list_stacks() -> list[Any]:
    """List the traces of the outermost gradient and of what is in it, up to a `vmap`.

    A `vmap` reads all states that it maps.
    """
    names = [stack.name or "" for stack in TRACE_CONTEXT.state_stack]
    if "gradient" not in names:
        return []
    first = names.index("gradient")
    inside_maps = [i + 1 for i, name in enumerate(names) if "map" in name and i >= first]
    return TRACE_CONTEXT.state_stack[max([first, *inside_maps]) :]
