"""What a function whose gradient is taken does with hidden states before a step.

A step inside `brainstate.transform.grad` has derivatives of its own alone: what the function made
of hidden states before the step is in none, nor in the traces.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import brainstate
from brainstate._state import TRACE_CONTEXT

from ..engine.keys import StateId
from ..engine.surroundings import Surroundings
from ..engine.watches import check_begin
from ..errors import HiddenPathError

__all__ = ["Past", "is_begun", "is_in_gradient", "list_left", "note_step"]

_GRADIENTS = ("gradient", "vjp")
"""How brainstate names the traces of functions whose gradient is taken."""

_RUN_ONCE = (*_GRADIENTS, "jit", "checkpoint")
"""Those of functions that run once where they are called; so do mapped ones."""

_MEND = (
    "do it in the model's update or in step_fn of etrace_grad, which have it in their derivatives, "
    "or outside of the function whose gradient is taken (with reset_traces, if it begins anew)"
)


class Past:
    """What the traces around a step have met when the step begins.

    It is made before the step is traced, which is a look at all of its states. Whoever makes it
    reads the learner's traces: a `vmap` reads all that it maps in the order in which the step does,
    so that what is met before the traces is met by another than the step.

    Parameters
    ----------
    traces : iterable of State
        The learner's.
    """

    def __init__(self, traces: Iterable[brainstate.State]) -> None:
        stacks = TRACE_CONTEXT.state_stack
        top = stacks[-1] if stacks else None
        self._is_gradient = top is None or top.name in _GRADIENTS
        pairs = () if top is None else zip(top.states, top.been_writen, strict=True)
        self._written = {id(state) for state, is_written in pairs if is_written}
        around, within = _split_stacks()
        self._used: set[int] = set()
        self._written_within: set[int] = set()
        for stack in within:
            self._used |= _list_ids_used(stack, stack.states)
            pairs = zip(stack.states, stack.been_writen, strict=True)
            self._written_within |= {id(state) for state, is_written in pairs if is_written}
        ids = {id(trace) for trace in traces if trace.value is not None}
        for stack in around:
            places = [i for i, state in enumerate(stack.states) if id(state) in ids]
            self._used |= _list_ids_used(stack, stack.states[: min(places, default=0)])
        has_steps = any(getattr(stack, "has_steps", False) for stack in within)
        self._stacks = [*around, *within]
        self._is_first = bool(within) and self._is_gradient and not has_steps

    def list_used(self, states: Iterable[brainstate.State]) -> list[brainstate.State]:
        """List those states that the function whose gradient is taken used before the step."""
        return [state for state in states if id(state) in self._used]

    def list_put(
        self, states: Iterable[brainstate.State], overwritten: Iterable[brainstate.State]
    ) -> list[brainstate.State]:
        """List those states that the function has used, or overwritten since an earlier step."""
        ids = self._used | ({id(state) for state in overwritten} & self._written_within)
        return [state for state in states if id(state) in ids]

    def check_unused(self, states: Iterable[tuple[str, brainstate.State]]) -> None:
        """Refuse states, given with their names, that were used before the step.

        Raises
        ------
        HiddenPathError
        """
        self.refuse(pair for pair in states if id(pair[1]) in self._used)

    def refuse(self, states: Iterable[tuple[str, brainstate.State]]) -> None:
        """Refuse all of these states, given with their names.

        Raises
        ------
        HiddenPathError
        """
        for name, state in states:
            raise HiddenPathError(
                f"{name} is read or written before the learner's step, within a function whose "
                f"gradient is taken, and is not in it: {_MEND}",
                got=state,
            )

    def find_surroundings(
        self,
        count: brainstate.State,
        others: Iterable[brainstate.State] = (),
        left: Iterable[brainstate.State] = (),
    ) -> Surroundings:
        """Find where the step stands.

        Parameters
        ----------
        count : State
            How many steps the traces are of.
        others : iterable of State
            Those that it writes, and that are not hidden.
        left : iterable of State
            States that hold what an earlier step has left in them.
        """
        ids = {id(state) for state in others} - {id(state) for state in left}
        made = ids if self._is_gradient else ids & self._written
        earlier = ids - made
        # A function that is compiled before may be called in a loop of a gradient's function.
        return Surroundings(
            is_in_loop=not self._is_gradient,
            is_first=self._is_first,
            is_in_gradient=is_in_gradient,
            is_begun=is_begun(count, self._stacks),
            made=frozenset(map(StateId, made)),
            earlier=frozenset(map(StateId, earlier)),
        )


def is_in_gradient() -> bool:
    """Whether a function is traced whose gradient is taken."""
    return any((stack.name or "") in _GRADIENTS for stack in TRACE_CONTEXT.state_stack)


def is_begun(count: brainstate.State, stacks: Iterable[Any]) -> bool:
    """Whether a learner's traces, by its count, were begun anew in one of these traces."""
    return any(id(count) in getattr(stack, "begun_counts", ()) for stack in stacks)


def note_step(
    hidden: Iterable[tuple[str, brainstate.State]],
    others: Iterable[brainstate.State],
    *,
    is_step: bool,
    begun: brainstate.State | None,
) -> None:
    """Remember that hidden states and others are what a step has left, or what was begun anew."""
    hidden, others = list(hidden), list(others)
    within = _split_stacks()[1]
    certain = within[_find_certain(within) :]
    for stack in within:
        if not hasattr(stack, "left_by_learner"):
            stack.left_by_learner = set()
        stack.left_by_learner |= {id(state) for state in (*(s for _, s in hidden), *others)}
        if begun is not None and any(stack is one for one in certain):
            # By learner: what one begins anew says nothing of another.
            stack.begun_counts = getattr(stack, "begun_counts", set()) | {id(begun)}
        if is_step:
            stack.has_steps = True
        else:
            check_begin({name: state.value for name, state in hidden}, None, is_first=True)


def _find_certain(stacks: list[Any]) -> int:
    """Find from which trace on those within it run once, whenever it runs: no branch, no loop."""
    names = [stack.name or "" for stack in stacks]
    places = [i for i, name in enumerate(names) if name not in _RUN_ONCE and "map" not in name]
    return max(places, default=0)


def _list_ids_used(stack: Any, states: Iterable[brainstate.State]) -> set[int]:
    """List the identities of those of a trace's states that no step of a learner has left."""
    return {id(state) for state in states} - list_left(stack)


def list_left(stack: Any) -> set[int]:
    """List the identities of the states that a step of any learner has left in a trace."""
    return set(getattr(stack, "left_by_learner", ()))


def _split_stacks() -> tuple[list[Any], list[Any]]:
    """List the traces of the outermost gradient and of what is in it, around a `vmap` and in it.

    A `vmap` reads all states that it maps.
    """
    stacks = TRACE_CONTEXT.state_stack
    names = [stack.name or "" for stack in stacks]
    first = next((i for i, name in enumerate(names) if name in _GRADIENTS), None)
    if first is None:
        return [], []
    inside = max([first, *(i + 1 for i, name in enumerate(names) if "map" in name and i >= first)])
    return stacks[first : max(first, inside - 1)], stacks[inside:]
