"""Wrong histories, errors and adapters: each breaks a clause of SPEC.md, chapters 5, 8 and 10."""

from __future__ import annotations

import numpy as np

from conformance.adapters.reference import Reference
from conformance.protocol.implementation import Value
from reference import Quantity
from reference.errors import BrainscaleError
from reference.states import containers, leaves
from reference.values import split

from .state_bases import HISTORY, Histories, States, history, of
from .wrong import Wrong


class NewestFirst:
    @property
    def history(self):
        return containers.map_leaves(
            lambda _, leaf: self._read(leaf, leaf.past[::-1]), self._checked_root()
        )

    def _checked_root(self):
        super().history  # noqa: B018
        return self._root


class OffByOne:
    def _record(self, leaf, array):
        new = super()._record(leaf, array)
        past = np.concatenate([new.past[1:], array[np.newaxis]]) if len(new.past) else new.past
        return leaves.Leaf(new.array, new.unit, leaves.private(past))


class BeginsWithZeros:
    def _new_leaf(self, path, value):
        leaf = super()._new_leaf(path, value)
        return leaves.Leaf(leaf.array, leaf.unit, leaves.private(np.zeros_like(leaf.past)))


class Unbounded:
    def _record(self, leaf, array):
        past = [leaf.past, leaf.array[np.newaxis]] if len(leaf.past) else [leaf.past]
        return leaves.Leaf(leaves.private(array), leaf.unit, leaves.private(np.concatenate(past)))


class RecordsRefusedWrites:
    def _write(self, updates):
        try:
            super()._write(updates)
        except BrainscaleError:
            self._root = containers.map_leaves(lambda _, x: self._record(x, x.array), self._root)
            raise


class RecordsReads(Histories):
    def read(self, state):
        state._root = containers.map_leaves(lambda _, x: state._record(x, x.array), state._root)
        return super().read(state)


class RecordsWholeWritesOnly(Histories):
    def set(self, state, updates):
        before = state._root
        super().set(state, updates)
        state._root = containers.map_leaves(
            lambda path, leaf: leaves.Leaf(
                leaf.array, leaf.unit, containers.node(before, path).past
            ),
            state._root,
        )


class HistoryWithoutUnits(Histories):
    def history(self, state):
        def bare(tree):
            if isinstance(tree, Value):
                return Value(tree.array)
            if isinstance(tree, dict):
                return {key: bare(entry) for key, entry in tree.items()}
            return type(tree)(map(bare, tree))

        return bare(super().history(state))


class LoopRecordsOnce(Histories):
    def write_all(self, state, values):
        self.write(state, values[-1])


class CopyForgets(Histories):
    def copy(self, state, how):
        twin = super().copy(state, how)
        if state._depth:
            twin._root = containers.map_leaves(
                lambda p, x: twin._new_leaf(p, x_value(x)), twin._root
            )
        return twin


def x_value(leaf):
    return leaf.array if leaf.unit is None else Quantity(leaf.array, leaf.unit)


class AddedLeafBeginsWithZeros(Histories):
    def add_leaf(self, state, path, value):
        super().add_leaf(state, path, value)
        path = (path,) if isinstance(path, str) else path
        state._root = containers.map_leaves(
            lambda p, x: leaves.Leaf(x.array, x.unit, np.zeros_like(x.past)) if p == path else x,
            state._root,
        )


class TakesAnyLength(Histories):
    def make(self, kind, value, *, history=0, **options):
        good = isinstance(history, (int, np.integer)) and history >= 0
        return super().make(kind, value, history=int(history) if good else 0, **options)


class ErrorsOfTheirOwn(States):
    """The right names, but no kin of Python's own errors."""

    def set(self, state, updates):
        try:
            super().set(state, updates)
        except BrainscaleError as error:
            raise type(type(error).__name__, (Exception,), {})(str(error)) from None


class SaysNothing(States):
    def set(self, state, updates):
        try:
            super().set(state, updates)
        except BrainscaleError as error:
            raise type(error)("state", "bad input", "better input") from None


class ShapeFirst:
    def _conform(self, leaf, shape, value, subject):
        array, unit = split(value, subject)
        right = array if unit is None else Quantity(array, unit)
        if array.shape != shape:
            super()._conform(
                leaf,
                shape,
                x_value(leaves.Leaf(np.zeros(array.shape, leaf.array.dtype), leaf.unit, leaf.past)),
                subject,
            )
        return super()._conform(leaf, shape, right, subject)


class NoName(Reference):
    capabilities = frozenset({"states", "telepathy"})


class NoHistoryMethod(Histories):
    history = None


WRONG_HISTORIES = [
    Wrong("takes_any_length", TakesAnyLength, ("HIST-1", "ERR-1", "ERR-2")),
    Wrong("newest_first", history(NewestFirst), ("HIST-2", *HISTORY)),
    Wrong("history_off_by_one", history(OffByOne), ("HIST-2", *HISTORY)),
    Wrong(
        "history_begins_with_zeros",
        history(BeginsWithZeros),
        ("HIST-2", "HIST-3", "HIST-4", "HIST-8"),
    ),
    Wrong("records_refused_writes", history(RecordsRefusedWrites), ("HIST-3",)),
    Wrong("records_reads", RecordsReads, ("HIST-3", "HIST-2")),
    Wrong("records_whole_writes_only", RecordsWholeWritesOnly, ("HIST-3", "HIST-4", "HIST-8")),
    Wrong("history_without_units", HistoryWithoutUnits, ("HIST-4", *HISTORY)),
    Wrong("unbounded_history", history(Unbounded), ("HIST-5", *HISTORY)),
    Wrong("loop_records_once", LoopRecordsOnce, ("HIST-6",)),
    Wrong("copy_forgets", CopyForgets, ("HIST-7",)),
    Wrong("added_leaf_begins_with_zeros", AddedLeafBeginsWithZeros, ("HIST-8", "HIST-3")),
    Wrong("errors_of_their_own", ErrorsOfTheirOwn, ("ERR-1", "ERR-2")),
    Wrong("says_nothing", SaysNothing, ("ERR-2", "ERR-1")),
    Wrong("shape_first", of(ShapeFirst), ("ERR-3",)),
    Wrong("unknown_capability", NoName, ("CONF-1",)),
    Wrong(
        "missing_method",
        NoHistoryMethod,
        ("CONF-2", "CONF-3", "STATE-10", *HISTORY, "ERR-1", "ERR-2", "STATE-13"),
    ),
]
"""The first clause is the one that is broken; the others fail with it."""
