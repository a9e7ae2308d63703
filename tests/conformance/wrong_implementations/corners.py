"""Wrong states that are right but for a corner: an empty update, a path below a list, a copy."""

from __future__ import annotations

import numpy as np

from conformance.adapters.reference import to_reference
from conformance.protocol.implementation import Value
from reference import (
    AddressTypeError,
    ETraceGroupState,
    ETraceState,
    ETraceTreeState,
    StateNameError,
    StructureError,
    ValueTypeError,
)
from reference.states import containers, leaves
from reference.values import split

from .state_bases import Histories, States, of, tree
from .wrong import Wrong

REFUSED = ("corner", "something", "something else")
"""What errors of these implementations say."""


# Values


class SingleTakesLists(States):
    def write(self, state, value):
        if type(state) is ETraceState and isinstance(value, list | tuple | range):
            unit = state._root.unit and state._root.unit.name
            value = Value(np.array(value, state._root.array.dtype), unit)
        super().write(state, value)


class TakesPythonNumbers:
    """Where they have the state's shape."""

    def _conform(self, leaf, shape, value, subject):
        if shape == () and type(value) in (int, float, complex, bool):
            return np.array(value, leaf.array.dtype)
        return super()._conform(leaf, shape, value, subject)


class BareZeros:
    def _conform(self, leaf, shape, value, subject):
        array, unit = split(value, subject)
        if unit is None and leaf.unit is not None and array.shape == shape and not array.any():
            return array.astype(leaf.array.dtype)
        return super()._conform(leaf, shape, value, subject)


class RescalesBeforeItCasts:
    def _conform(self, leaf, shape, value, subject):
        array, unit = split(value, subject)
        if unit and leaf.unit and unit.dimension == leaf.unit.dimension:
            leaves.rescale(array, unit.scale - leaf.unit.scale, subject)
        return super()._conform(leaf, shape, value, subject)


class IntegerRatios:
    """5 mV/V as an integer is 0."""

    def _conform(self, leaf, shape, value, subject):
        array, unit = split(value, subject)
        if unit and unit.is_ratio and leaf.unit is None and leaf.array.dtype.kind in "iu":
            value = (array * 10.0**unit.scale).astype(array.dtype)
        return super()._conform(leaf, shape, value, subject)


class ComplexOverflow:
    def _conform(self, leaf, shape, value, subject):
        array, unit = split(value, subject)
        power = unit.scale - leaf.unit.scale if unit and leaf.unit else 0
        alike = power and unit.dimension == leaf.unit.dimension
        if alike and array.dtype.kind == "c" == leaf.array.dtype.kind and array.shape == shape:
            with np.errstate(over="ignore", invalid="ignore"):
                wide = array.astype(complex) * 10.0**power
                return wide.astype(leaf.array.dtype)
        return super()._conform(leaf, shape, value, subject)


# Memory and copies


class SubtreesAreShared(States):
    def get(self, state, address):
        value = super().get(state, address)
        if isinstance(value, Value):
            return value
        node = containers.node(state._root, state._resolve(address))
        return containers.map_leaves(self._share, node)

    def _share(self, path, leaf):
        leaf.array.flags.writeable = True
        return Value(leaf.array, leaf.unit and leaf.unit.name)


class AddedLeavesAreShared(States):
    def add_leaf(self, state, path, value):
        super().add_leaf(state, path, value)
        at = (path,) if isinstance(path, str) else path
        object.__setattr__(containers.node(state._root, at), "array", value.array)


class HistoriesAreShared(Histories):
    def history(self, state):
        values = super().history(state)
        if not isinstance(values, Value):
            return values
        state._root.past.flags.writeable = True
        return Value(state._root.past, values.unit)


class FollowsItsOriginal(Histories):
    """A copy that is made when it is first written."""

    def copy(self, state, how):
        twin = super().copy(state, how)
        twin.original = state
        return twin

    def _up_to_date(self, state):
        original = state.__dict__.get("original")
        if original is not None:
            state._root = original._root
        return state

    def read(self, state):
        return super().read(self._up_to_date(state))

    def get(self, state, address):
        return super().get(self._up_to_date(state), address)

    def history(self, state):
        return super().history(self._up_to_date(state))

    def write(self, state, value):
        state.__dict__.pop("original", None)
        super().write(state, value)

    def add_leaf(self, state, path, value):
        state.__dict__.pop("original", None)
        super().add_leaf(state, path, value)


class CopiesHaveNoName(States):
    def copy(self, state, how):
        twin = super().copy(state, how)
        twin.name = None
        return twin


class ReadsItsMemoryAndWritesInPlace(States):
    """One who keeps what was read before a refused write sees nothing of what that did."""

    def make(self, kind, value, **options):
        state = super().make(kind, value, **options)
        containers.map_leaves(lambda _, leaf: leaf.array.setflags(write=True), state._root)
        return state

    def read(self, state):
        return containers.map_leaves(
            lambda _, leaf: Value(leaf.array, leaf.unit and leaf.unit.name), state._root
        )

    def set(self, state, updates):
        if type(state) is ETraceGroupState and isinstance(updates, dict):
            for address, value in updates.items():
                new = state._conform(state._root, state.varshape, to_reference(value), "member")
                state._root.array[..., state._resolve(address)] = new
            return
        super().set(state, updates)


# Trees


def _no_path_without_steps(self, address):
    if isinstance(address, tuple) and not address:
        raise StateNameError(*REFUSED)
    return ETraceTreeState._resolve(self, address)


def _no_numpy_positions(self, address):
    if isinstance(address, tuple) and any(isinstance(key, np.integer) for key in address):
        raise AddressTypeError(*REFUSED)
    return ETraceTreeState._resolve(self, address)


def _decimal_positions(self, address):
    if isinstance(address, tuple):
        address = tuple(int(k) if isinstance(k, str) and k.isdigit() else k for k in address)
    return ETraceTreeState._resolve(self, address)


def _names_of_containers(self, address):
    try:
        return ETraceTreeState._resolve(self, address)
    except StateNameError:
        for path, _ in containers.leaves(self._root):
            if isinstance(address, str) and address in path:
                return path[: path.index(address) + 1]
        raise


class TakesNamedTuples(States):
    def make(self, kind, value, **options):
        return super().make(kind, self._plain(value) if kind == "tree" else value, **options)

    def _plain(self, value):
        if isinstance(value, tuple):
            return tuple(map(self._plain, value))
        if isinstance(value, list):
            return [*map(self._plain, value)]
        if type(value) is dict:
            return {key: self._plain(entry) for key, entry in value.items()}
        return value


class FollowsInnerKeys(States):
    """A whole write brings its own order of keys, further down."""

    def write(self, state, value):
        super().write(state, value)
        if isinstance(state, ETraceTreeState):
            state._root = containers.rebuild(
                state._root, [self._like(x, value[k]) for k, x in containers.entries(state._root)]
            )

    def _like(self, node, value):
        if not containers.is_tree(node):
            return node
        entries = [self._like(node[k], x) for k, x in containers.entries(value)]
        return containers.rebuild(value, entries)


class AddsToWhatItWasMadeOf(States):
    """Adding a leaf forgets what was written."""

    def make(self, kind, value, **options):
        state = super().make(kind, value, **options)
        state.first = state._root
        return state

    def add_leaf(self, state, path, value):
        now, state._root = state._root, state.first
        try:
            super().add_leaf(state, path, value)
        except Exception:
            state._root = now
            raise
        state.first = state._root


class AddsNothingBelowLists(States):
    def add_leaf(self, state, path, value):
        if isinstance(path, tuple) and any(isinstance(key, int) for key in path[:-1]):
            raise StructureError(*REFUSED)
        super().add_leaf(state, path, value)


class AppendsToLists(States):
    def add_leaf(self, state, path, value):
        if type(state._root) is list:
            state._root = [*state._root, state._new_leaf((), to_reference(value))]
        else:
            super().add_leaf(state, path, value)


# Histories


class NothingCounts(Histories):
    """An update that names nothing adds an entry."""

    def set(self, state, updates):
        super().set(state, updates)
        if isinstance(updates, dict) and all(entry == {} for entry in updates.values()):
            state._root = containers.map_leaves(lambda _, x: state._record(x, x.array), state._root)


class EqualWritesDoNotCount:
    def _store(self, arrays):
        at = {path: containers.node(self._root, path).array for path in arrays}
        if not all(np.array_equal(at[path], arrays[path]) for path in arrays):
            super()._store(arrays)


class AddingCounts(Histories):
    def add_leaf(self, state, path, value):
        state._root = containers.map_leaves(lambda _, x: state._record(x, x.array), state._root)
        super().add_leaf(state, path, value)


class HistoryInTheWrittenScale(Histories):
    def write(self, state, value):
        super().write(state, value)
        state.scale = getattr(value, "unit", None)

    def history(self, state):
        values = super().history(state)
        written = state.__dict__.get("scale")
        return Value(values.array, written) if written and isinstance(values, Value) else values


# Errors


class ShapesOfAllBeforeTheRest(States):
    def set(self, state, updates):
        if isinstance(state, ETraceTreeState) and isinstance(updates, dict):
            for path, value in state._match_updates(to_reference(updates)):
                split(value, state._subject(path))
            for path, value in state._match_updates(to_reference(updates)):
                leaf = containers.node(state._root, path)
                state._conform(leaf, split(value, "leaf")[0].shape, value, "leaf")
        super().set(state, updates)


class TypesBeforeAddresses(States):
    def set(self, state, updates):
        entries = updates.values() if isinstance(updates, dict) else updates
        for value in entries:
            if isinstance(value, str):
                raise ValueTypeError(*REFUSED)
        super().set(state, updates)


WRONG_CORNERS = [
    Wrong("a_list_is_a_value", SingleTakesLists, ("STATE-4",)),
    Wrong("a_python_number_is_a_value", of(TakesPythonNumbers), ("STATE-4", "TREE-10")),
    Wrong("a_bare_zero_has_any_unit", of(BareZeros), ("UNIT-3", "ERR-1", "ERR-2")),
    Wrong("rescales_before_it_casts", of(RescalesBeforeItCasts), ("STATE-6", "UNIT-1")),
    Wrong("ratios_of_integers", of(IntegerRatios), ("STATE-7", "UNIT-4")),
    Wrong("complex_numbers_overflow", of(ComplexOverflow), ("STATE-7",)),
    Wrong("subtrees_are_shared", SubtreesAreShared, ("STATE-10",)),
    Wrong("added_leaves_are_shared", AddedLeavesAreShared, ("STATE-10",)),
    Wrong("histories_are_shared", HistoriesAreShared, ("STATE-10",)),
    Wrong("copies_follow_their_original", FollowsItsOriginal, ("STATE-12", "HIST-7")),
    Wrong("copies_have_no_name", CopiesHaveNoName, ("STATE-12",)),
    Wrong(
        "reads_its_memory",
        ReadsItsMemoryAndWritesInPlace,
        (
            "STATE-9",
            "STATE-10",
            "STATE-12",
            "GROUP-8",
            "GROUP-9",
            "GROUP-10",
            "ERR-1",
            "ERR-2",
            "ERR-3",
        ),
    ),
    Wrong(
        "no_path_without_steps",
        tree(_resolve=_no_path_without_steps),
        ("TREE-6", "STATE-10", "TREE-8", "TREE-11"),
    ),
    Wrong("no_numpy_positions", tree(_resolve=_no_numpy_positions), ("TREE-6",)),
    Wrong("positions_in_decimal", tree(_resolve=_decimal_positions), ("TREE-12",)),
    Wrong("containers_have_names", tree(_resolve=_names_of_containers), ("TREE-7",)),
    Wrong("takes_named_tuples", TakesNamedTuples, ("TREE-4",)),
    Wrong("keeps_the_written_order_below", FollowsInnerKeys, ("TREE-13", "TREE-2")),
    Wrong("adds_to_what_it_was_made_of", AddsToWhatItWasMadeOf, ("TREE-14",)),
    Wrong("adds_nothing_below_lists", AddsNothingBelowLists, ("TREE-14", "TREE-15")),
    Wrong("appends_to_lists", AppendsToLists, ("TREE-15",)),
    Wrong("nothing_counts", NothingCounts, ("HIST-3",)),
    Wrong("equal_writes_do_not_count", of(EqualWritesDoNotCount, Histories), ("HIST-3",)),
    Wrong("adding_counts", AddingCounts, ("HIST-3", "HIST-8")),
    Wrong("history_in_the_written_scale", HistoryInTheWrittenScale, ("HIST-4",)),
    Wrong("shapes_of_all_before_the_rest", ShapesOfAllBeforeTheRest, ("ERR-3", "ERR-1", "ERR-2")),
    Wrong("types_before_addresses", TypesBeforeAddresses, ("ERR-3",)),
]
"""The first clause is the one that is broken; the others fail with it."""
