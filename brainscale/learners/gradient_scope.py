"""What a function whose gradient is taken does with hidden states before a step.

A step inside `brainstate.transform.grad` has derivatives of its own alone: what the function made
of hidden states before the step is in none, nor in the traces.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import brainstate
from brainstate._state import TRACE_CONTEXT

from ..engine.single_step import Surroundings, check_begin
from ..errors import HiddenPathError

__all__ = ["check_unused", "find_surroundings", "note_step"]

_GRADIENTS = ("gradient", "vjp")
"""How brainstate names the traces of functions whose gradient is taken."""

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


def note_step(hidden: Iterable[tuple[str, brainstate.State]], *, is_step: bool) -> None:
    """Remember that hidden states are what a step has left, or what was begun anew."""
    hidden = list(hidden)
    for stack in _list_stacks():
        if not hasattr(stack, "left_by_learner"):
            stack.left_by_learner = set()
        stack.left_by_learner |= {id(state) for _, state in hidden}
        if is_step:
            stack.has_steps = True
        else:
            check_begin({name: state.value for name, state in hidden}, None, is_first=True)


def find_surroundings() -> Surroundings:
    """Find where a step stands that is about to be made."""
    stacks = TRACE_CONTEXT.state_stack
    # A function that is compiled before may be called in a loop of a gradient's function.
    is_in_loop = bool(stacks) and stacks[-1].name not in _GRADIENTS
    within = _list_stacks()
    has_steps = any(getattr(stack, "has_steps", False) for stack in within)
    return Surroundings(is_in_loop, is_first=bool(within) and not is_in_loop and not has_steps)


def _list_stacks() -> list[Any]:
    """List the traces of the outermost gradient and of what is in it, up to a `vmap`.

    A `vmap` reads all states that it maps.
    """
    names = [stack.name or "" for stack in TRACE_CONTEXT.state_stack]
    first = next((i for i, name in enumerate(names) if name in _GRADIENTS), None)
    if first is None:
        return []
    inside_maps = [i + 1 for i, name in enumerate(names) if "map" in name and i >= first]
    return TRACE_CONTEXT.state_stack[max([first, *inside_maps]) :]
