"""Names of states that are not the model's, such as an accumulator in `step_fn`."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Collection
from typing import Any

import brainstate

__all__ = ["OutsideStates"]


class OutsideStates:
    """Names by which states that have no path are told apart: of which object, not of which class.

    The first of a name has it, and each other one a number, too. No name is given twice, even if
    the state is no more: a compiled function may know it.
    """

    def __init__(self) -> None:
        self._names: dict[int, tuple[weakref.ref[brainstate.State], str]] = {}
        self._used: set[str] = set()

    def __deepcopy__(self, memo: Any) -> OutsideStates:
        # A copy of a learner has the same states outside of it.
        return self

    def find_name(self, state: brainstate.State, name: str, taken: Collection[str]) -> str:
        """Find the name of a state: this one, or, if it is another's or taken, with a number."""
        known, chosen = self._names.get(id(state), (None, ""))
        if known is None or known() is not state:
            numbered = (f"{name} ({i})" for i in itertools.count(2))
            free: Callable[[str], bool] = lambda n: n not in self._used and n not in taken  # noqa: E731
            chosen = name if free(name) else next(filter(free, numbered))
            self._used.add(chosen)
            self._names[id(state)] = weakref.ref(state), chosen
        return chosen

    def find_states(self) -> dict[str, brainstate.State]:
        """Find the states that there are, by name."""
        pairs = [(name, ref()) for ref, name in self._names.values()]
        return {name: state for name, state in pairs if state is not None}
