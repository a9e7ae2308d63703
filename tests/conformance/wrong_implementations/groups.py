"""Wrong group states: each breaks one clause of SPEC.md, chapter 3."""

from __future__ import annotations

import numpy as np

from conformance.protocol.implementation import Value
from reference import ETraceGroupState, Quantity
from reference.states import leaves
from reference.values import is_integer

from .state_bases import States, group
from .wrong import Wrong


class CountsTheFirstAxis(States):
    def num_state(self, state):
        if isinstance(state, ETraceGroupState):
            return len(state.value.array if isinstance(state.value, Quantity) else state.value)
        return super().num_state(state)


class VarshapeWithTheLastAxis(States):
    def varshape(self, state):
        if isinstance(state, ETraceGroupState):
            return (*state.varshape, state.num_state)
        return super().varshape(state)


class EmptyGroups(States):
    def make(self, kind, value, **options):
        empty = isinstance(value, Value) and value.array.shape[-1:] == (0,)
        return super().make("single" if empty and kind == "group" else kind, value, **options)


def _no_negative(self, address):
    position = ETraceGroupState._resolve(self, address)
    return 0 if is_integer(address) and address < 0 else position


def _takes_booleans(self, address):
    return ETraceGroupState._resolve(self, int(address) if isinstance(address, bool) else address)


def _ignores_out_of_range(self, address):
    if is_integer(address) and address >= self.num_state:
        address = self.num_state - 1
    return ETraceGroupState._resolve(self, address)


def _python_integers_only(self, address):
    if isinstance(address, np.integer):
        address = str(address)
    return ETraceGroupState._resolve(self, address)


def _bare_key_error(self, address):
    if isinstance(address, str) and address not in self.names:
        raise KeyError(address)
    return ETraceGroupState._resolve(self, address)


def _ignores_names(self, names):
    ETraceGroupState._check_names(self, names)
    return tuple(str(i) for i in range(self.num_state))


def _takes_equal_names(self, names):
    return ETraceGroupState._check_names(
        self, None if names is None or len(set(names)) < len(names) else names
    )


def _truncates(self, updates):
    if isinstance(updates, (list, tuple)):
        updates = dict(enumerate(updates[: self.num_state]))
    return ETraceGroupState._positions(self, updates)


def _last_wins(self, updates):
    if isinstance(updates, dict):
        return {self._resolve(address): value for address, value in updates.items()}
    return ETraceGroupState._positions(self, updates)


def _one_by_one(self, updates):
    for position, value in self._positions(updates).items():
        ETraceGroupState.set_value(self, {position: value})


def _zeroes_the_others(self, updates):
    positions = self._positions(updates)
    ETraceGroupState.set_value(self, updates)
    if positions:
        array = self._root.array.copy()
        array[..., [i for i in range(self.num_state) if i not in positions]] = 0
        self._root = leaves.Leaf(leaves.private(array), self._root.unit, self._root.past)


def _backwards(self, updates):
    if isinstance(updates, (list, tuple)):
        updates = updates[::-1]
    return ETraceGroupState._positions(self, updates)


WRONG_GROUPS = [
    Wrong("counts_the_first_axis", CountsTheFirstAxis, ("GROUP-1",)),
    Wrong("varshape_with_the_last_axis", VarshapeWithTheLastAxis, ("GROUP-1",)),
    Wrong("empty_groups", EmptyGroups, ("GROUP-2",)),
    Wrong(
        "negative_index_is_zero", group(_resolve=_no_negative), ("GROUP-3", "GROUP-6", "GROUP-9")
    ),
    Wrong(
        "refuses_numpy_integers",
        group(_resolve=_python_integers_only),
        ("GROUP-3", "GROUP-6", "GROUP-9", "GROUP-10"),
    ),
    Wrong(
        "ignores_names",
        group(_check_names=_ignores_names),
        ("GROUP-4", "STATE-12", "GROUP-6", "GROUP-9", "GROUP-10", "ERR-1", "ERR-2", "ERR-3"),
    ),
    Wrong("takes_equal_names", group(_check_names=_takes_equal_names), ("GROUP-5",)),
    Wrong("zeroes_the_others", group(set_value=_zeroes_the_others), ("GROUP-6",)),
    Wrong(
        "truncates_a_long_list",
        group(_positions=_truncates),
        ("GROUP-7", "ERR-1", "ERR-2", "ERR-3"),
    ),
    Wrong("writes_a_list_backwards", group(_positions=_backwards), ("GROUP-7",)),
    Wrong("writes_one_by_one", group(set_value=_one_by_one), ("GROUP-8", "STATE-9")),
    Wrong("last_of_two_wins", group(_positions=_last_wins), ("GROUP-9", "ERR-1", "ERR-2", "ERR-3")),
    Wrong("true_is_an_index", group(_resolve=_takes_booleans), ("GROUP-10",)),
    Wrong(
        "clamps_an_index",
        group(_resolve=_ignores_out_of_range),
        ("GROUP-10", "ERR-1", "ERR-2", "ERR-3"),
    ),
    Wrong(
        "bare_key_error", group(_resolve=_bare_key_error), ("GROUP-10", "ERR-1", "ERR-2", "ERR-3")
    ),
]
"""The first clause is the one that is broken; the others fail with it."""
