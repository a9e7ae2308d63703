"""What a function whose gradient is taken does with hidden states before and after a step.

A step inside `brainstate.transform.grad` has derivatives of its own alone: what the function made
of hidden states before the step, or writes to them after it, is in none, nor in the traces.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import brainstate
import jax
from brainstate._state import TRACE_CONTEXT

from .errors import HiddenPathError

__all__ = ["StepCount", "note_step", "refuse_used_before"]

_MEND = (
    "do it in the model's update or in step_fn of etrace_grad, which have it in their derivatives, "
    "or outside of the function whose gradient is taken (with reset_traces, if it begins anew)"
)


class StepCount(brainstate.ShortTermState):
    """How many steps a learner has made since its traces were zero.

    It is read when the trace of a function that makes a step ends, and then sees whether hidden
    states are as the step left them.
    """

    @property
    def value(self) -> Any:
        """The number."""
        stacks = _stacks_of_gradient()
        if stacks:
            for name, state, leaves in getattr(stacks[-1], "left_by_learner", {}).values():
                if leaves is not None and _is_other(state, leaves):
                    raise HiddenPathError(
                        f"{name} is written after the learner's step, within a function whose "
                        f"gradient is taken, past the traces: {_MEND}",
                        got=state,
                    )
        return brainstate.State.value.fget(self)

    @value.setter
    def value(self, value: Any) -> None:
        brainstate.State.value.fset(self, value)


def refuse_used_before(hidden: Iterable[tuple[str, brainstate.State]]) -> None:
    """Refuse hidden states that the function whose gradient is taken used before the step.

    Raises
    ------
    HiddenPathError
    """
    for stack in reversed(_stacks_of_gradient()):
        used = {id(state) for state in stack.states} - set(getattr(stack, "left_by_learner", ()))
        for name, state in hidden:
            if id(state) in used:
                raise HiddenPathError(
                    f"{name} is read or written before the learner's step, within a function whose "
                    f"gradient is taken, and is not in it: {_MEND}",
                    got=state,
                )


def note_step(hidden: Iterable[tuple[str, brainstate.State]]) -> None:
    """Remember what hidden states hold, after a step or when all begins anew."""
    for name, state in hidden:
        leaves = jax.tree.leaves(vars(state)["_value"])
        for stack in _stacks_of_gradient():
            if not hasattr(stack, "left_by_learner"):
                stack.left_by_learner = {}
            # A loop gives its own results to states when it is over.
            is_innermost = stack is TRACE_CONTEXT.state_stack[-1]
            stack.left_by_learner[id(state)] = (name, state, leaves if is_innermost else None)


def _is_other(state: brainstate.State, leaves: list[Any]) -> bool:
    now = jax.tree.leaves(vars(state)["_value"])
    return len(now) != len(leaves) or any(a is not b for a, b in zip(now, leaves, strict=True))


def _stacks_of_gradient() -> list[Any]:
    """The traces of the outermost gradient and of what is in it, up to a `vmap`.

    A `vmap` reads all states that it maps.
    """
    names = [stack.name or "" for stack in TRACE_CONTEXT.state_stack]
    if "gradient" not in names:
        return []
    first = names.index("gradient")
    mapped = [i + 1 for i, name in enumerate(names) if "map" in name and i >= first]
    return TRACE_CONTEXT.state_stack[max([first, *mapped]) :]
