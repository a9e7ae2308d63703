"""Ways from a learner's step to later ones past the learner: its traces have none of them.

Within a function whose gradient is taken, what is made of a step's result may come back through a
plain state that later steps read, or through the hidden state of another module; and parameters may
be others for the next step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import brainstate
from brainstate._state import TRACE_CONTEXT

from ..engine.watches import watch_derivatives
from ..errors import HiddenPathError, ParameterUseError
from .gradient_scope import is_in_gradient, list_left
from .identities import Identity, identify, is_same_leaves, list_leaves

__all__ = ["PlainStates", "check_parameters", "watch_states"]

Holdings = tuple[tuple[str, brainstate.State, list[Identity]], ...]
"""States, with their names and which leaves they held."""


class PlainStates(NamedTuple):
    """The states of a step that are not hidden, with what they held after it."""

    params: Holdings = ()
    """The parameters on which traces depend."""
    read: Holdings = ()
    """Those that the step leaves as they are, parameters apart."""
    written: Holdings = ()
    """Those that it writes."""

    @classmethod
    def of(
        cls,
        name_of: Callable[[brainstate.State], str],
        params: Iterable[brainstate.State],
        read: Iterable[brainstate.State],
        written: Iterable[brainstate.State],
    ) -> PlainStates:
        """Keep what these states hold now."""

        def keep(states: Iterable[brainstate.State]) -> Holdings:
            return tuple((name_of(s), s, identify(list_leaves(s))) for s in states)

        return cls(keep(params), keep(read), keep(written))

    def renew(self) -> PlainStates:
        """Keep what the same states hold now."""
        return PlainStates(
            *(tuple((name, s, identify(list_leaves(s))) for name, s, _ in each) for each in self)
        )

    def find_left(self) -> list[brainstate.State]:
        """Find the states that hold what the step wrote."""
        return [s for _, s, leaves in self.written if is_same_leaves(list_leaves(s), leaves)]

    def drop_overwritten(self) -> PlainStates:
        """Keep of what the step wrote only what the states still hold."""
        left = {id(state) for state in self.find_left()}
        return self._replace(written=tuple(entry for entry in self.written if id(entry[1]) in left))

    def find_overwritten(self) -> list[brainstate.State]:
        """Find the states that the step wrote, and another after it."""
        return [s for _, s, leaves in self.written if not is_same_leaves(list_leaves(s), leaves)]


def check_parameters(plain: PlainStates) -> None:
    """Refuse parameters that are no longer what a step used, where a gradient is taken around.

    Raises
    ------
    ParameterUseError
    """
    if not is_in_gradient():
        return
    for name, state in _find_changed(plain.params):
        raise ParameterUseError(
            f"{name} is written after a step of the learner within a function whose gradient is "
            "taken: the traces are of what it was, and no derivative goes from one to the other. "
            "Write it outside of that function, with a gradient for each step or chunk, or learn "
            "by BPTT",
            got=state,
        )


def watch_states(plain: PlainStates, hidden: Iterable[brainstate.State]) -> None:
    """Refuse a derivative that a function whose gradient is taken leaves in states for later steps.

    Parameters
    ----------
    plain : PlainStates
        Of the last step.
    hidden : iterable of State
        Those that the traces are of.

    Raises
    ------
    HiddenPathError
        When derivatives are made.
    """
    if not is_in_gradient():
        return
    values = {name: s.value for name, s in _find_changed((*plain.read, *plain.written))}
    known = {id(state) for state in hidden} | list_left(TRACE_CONTEXT.state_stack[-1])
    for state in _list_written():
        # Another learner has traces of what its own steps leave.
        if isinstance(state, brainstate.HiddenState) and id(state) not in known:
            values[f"{state.name or 'a HiddenState'}, which is not of the model,"] = state.value

    names = list(values)

    def check(*is_derived: bool) -> None:
        for name, is_of_state in zip(names, is_derived, strict=True):
            if is_of_state:
                raise HiddenPathError(
                    f"{name} is written past the learner's step, within a function whose gradient "
                    "is taken, with what the gradient is by, and later steps read it: no trace "
                    "has that path. Write it in the model's update, or let its module be a part of "
                    "the model; or stop the gradient of what is written (jax.lax.stop_gradient)"
                )

    if values:
        watch_derivatives(check, *values.values())


def _list_written() -> list[brainstate.State]:
    """List the states that the function that is being traced has written."""
    top = TRACE_CONTEXT.state_stack[-1]
    pairs = zip(top.states, top.been_writen, strict=True)
    return [state for state, is_written in pairs if is_written]


def _find_changed(holdings: Holdings) -> list[tuple[str, brainstate.State]]:
    """Find the states that the function has written since they held this, with their names."""
    written = {id(state) for state in _list_written()}
    changed = [h for h in holdings if not is_same_leaves(list_leaves(h[1]), h[2])]
    return [(name, state) for name, state, _ in changed if id(state) in written]
