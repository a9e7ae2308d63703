"""Wrong state classes: each breaks one clause of SPEC.md, chapters 1 to 5 and 8.

Each is a few lines on top of the reference's adapter; `test_suite_rejects.py` runs them all.
"""

from __future__ import annotations

import numpy as np

from conformance.adapters.reference import Reference, to_reference
from conformance.implementation import Value
from reference import (
    ETraceGroupState,
    ETraceState,
    ETraceTreeState,
    Quantity,
    StateNameError,
    StructureError,
    leaves,
    trees,
)
from reference.errors import BrainscaleError
from wrong import Wrong


class States(Reference):
    """The reference, as far as states go."""

    capabilities = frozenset({"states"})


class Histories(Reference):
    """The reference, as far as states and their history go."""

    capabilities = frozenset({"states", "history"})


class Plain:
    """Adds nothing."""


def of(mixin, base=States):
    """An adapter whose states of every kind have the methods of a mixin."""
    kinds = {"single": ETraceState, "group": ETraceGroupState, "tree": ETraceTreeState}
    return type(mixin.__name__, (base,), {k: _derived(kinds[k], mixin) for k in kinds})


def _derived(kind, mixin, methods=()):
    """A class of states that pickle finds by its name."""
    name = f"{kind.__name__}{len(globals())}"
    globals()[name] = type(name, (mixin, kind), {**dict(methods), "__module__": __name__})
    return globals()[name]


# Values and units.


class NoRescaling:
    def _conform(self, leaf, shape, value, subject):
        array, unit = leaves.split(value, subject)
        if unit and leaf.unit and unit.dimension == leaf.unit.dimension:
            value = Quantity(array, leaf.unit)
        return super()._conform(leaf, shape, value, subject)


class RescalesTheWrongWay:
    def _conform(self, leaf, shape, value, subject):
        array, unit = leaves.split(value, subject)
        if unit and leaf.unit and array.dtype.kind == "f" and unit.dimension == leaf.unit.dimension:
            value = Quantity(
                array * array.dtype.type(10.0) ** (leaf.unit.scale - unit.scale), leaf.unit
            )
        return super()._conform(leaf, shape, value, subject)


class TakesAnyDimension:
    def _conform(self, leaf, shape, value, subject):
        array, unit = leaves.split(value, subject)
        if unit and leaf.unit and unit.dimension != leaf.unit.dimension:
            value = Quantity(array, leaf.unit)
        return super()._conform(leaf, shape, value, subject)


class DropsTheUnit:
    def _conform(self, leaf, shape, value, subject):
        array, unit = leaves.split(value, subject)
        if unit and leaf.unit is None and not unit.is_ratio:
            value = array
        return super()._conform(leaf, shape, value, subject)


class TakesBareNumbers:
    def _conform(self, leaf, shape, value, subject):
        array, unit = leaves.split(value, subject)
        if unit is None and leaf.unit is not None:
            value = Quantity(array, leaf.unit)
        return super()._conform(leaf, shape, value, subject)


class RatioAsItIs:
    def _conform(self, leaf, shape, value, subject):
        array, unit = leaves.split(value, subject)
        if unit and unit.is_ratio and leaf.unit is None:
            value = array
        return super()._conform(leaf, shape, value, subject)


class RatioAThousandTimesWrong:
    def _read(self, leaf, array):
        if leaf.unit and leaf.unit.is_ratio and array.dtype.kind == "f":
            array = array * array.dtype.type(1000)
        return super()._read(leaf, array)


class ReadsInSI(States):
    def read(self, state):
        value = super().read(state)
        return Value(value.array, "V") if getattr(value, "unit", None) == "mV" else value


# States.


class GroupIsNotAState(States):
    def kinds(self, state):
        return super().kinds(state) - ({"single"} if len(super().kinds(state)) > 1 else set())


class CountsElements(States):
    def num_state(self, state):
        if type(state) is ETraceState:
            return max(1, state.value.array.size if hasattr(state.value, "array") else 1)
        return super().num_state(state)


class LosesTheSignOfZero:
    def _read(self, leaf, array):
        return super()._read(
            leaf, array + array.dtype.type(0) if array.dtype.kind == "f" else array
        )


class NaNBecomesZero:
    def _read(self, leaf, array):
        if array.dtype.kind == "f":
            array = np.where(np.isnan(array), array.dtype.type(0), array)
        return super()._read(leaf, array)


class TakesPythonNumbers:
    def _conform(self, leaf, shape, value, subject):
        if isinstance(value, (bool, int, float)):
            value = np.full(shape, value, leaf.array.dtype)
        return super()._conform(leaf, shape, value, subject)


class Broadcasts:
    def _conform(self, leaf, shape, value, subject):
        array, unit = leaves.split(value, subject)
        try:
            array = np.broadcast_to(array, shape)
        except ValueError:
            return super()._conform(leaf, shape, value, subject)
        return super()._conform(
            leaf, shape, array if unit is None else Quantity(array, unit), subject
        )


class Flattens:
    def _conform(self, leaf, shape, value, subject):
        array, unit = leaves.split(value, subject)
        if array.size == np.prod(shape):
            array = array.reshape(shape)
        return super()._conform(
            leaf, shape, array if unit is None else Quantity(array, unit), subject
        )


class CastsAnyDtype:
    def _conform(self, leaf, shape, value, subject):
        array, unit = leaves.split(value, subject)
        with np.errstate(all="ignore"):
            cast = array.astype(leaf.array.dtype) if array.dtype.itemsize < 8 else array
        cast = cast if unit == leaf.unit else array
        return super()._conform(
            leaf, shape, cast if unit is None else Quantity(cast, unit), subject
        )


class TakesTheDtypeWritten:
    def _conform(self, leaf, shape, value, subject):
        super()._conform(leaf, shape, value, subject)
        array, unit = leaves.split(value, subject)
        same = unit == leaf.unit
        return array.copy() if same else super()._conform(leaf, shape, value, subject)


class RescalesIntegers:
    def _conform(self, leaf, shape, value, subject):
        array, unit = leaves.split(value, subject)
        if unit and array.dtype.kind == "i" and leaf.array.dtype.kind == "i" and leaf.unit:
            value = Quantity(array, leaf.unit) if unit.dimension == leaf.unit.dimension else value
        return super()._conform(leaf, shape, value, subject)


class RescalesToInfinity:
    def _conform(self, leaf, shape, value, subject):
        try:
            return super()._conform(leaf, shape, value, subject)
        except BrainscaleError as error:
            if "exceeds" not in str(error):
                raise
            return np.full(shape, np.inf, leaf.array.dtype)


class NarrowsSilently(States):
    def make(self, kind, value, **options):
        return super().make(kind, narrowed(value), **options)


def narrowed(tree):
    if isinstance(tree, Value) and tree.array.dtype in (np.int64, np.float64, np.complex128):
        big = np.abs(tree.array).max(initial=0) > 1e30 or np.array_equal(
            tree.array, tree.array * 0 + 2**40
        )
        with np.errstate(all="ignore"):
            narrow = {"i": "int32", "f": "float32", "c": "complex64"}[tree.array.dtype.kind]
            return (
                Value(tree.array.astype(narrow), tree.unit)
                if big and np.isfinite(tree.array).all()
                else tree
            )
    return tree


class WritesHalf(States):
    """A whole tree is written leaf by leaf."""

    def write(self, state, value):
        native = to_reference(value)
        if not isinstance(state, ETraceTreeState):
            state.value = native
            return
        for update in state._match(native):
            state._write([update])


class SharesTheWritersMemory:
    def _record(self, leaf, array):
        new = super()._record(leaf, array)
        return leaves.Leaf(self.__dict__.get("_mine", new.array), new.unit, new.past)

    def _conform(self, leaf, shape, value, subject):
        array = super()._conform(leaf, shape, value, subject)
        given, unit = leaves.split(value, subject)
        if (
            given.dtype == leaf.array.dtype
            and given.shape == leaf.array.shape
            and unit == leaf.unit
        ):
            self._mine = given
        else:
            self.__dict__.pop("_mine", None)
        return array


class SharesTheReadersMemory:
    def _read(self, leaf, array):
        if array is not leaf.array or leaf.unit is None:
            return super()._read(leaf, array)
        array.flags.writeable = True
        return Quantity(array, leaf.unit)


class OneForAll(States):
    """States made from one value are one state."""

    made: tuple = (None, None)

    def make(self, kind, value, **options):
        if kind == "single" and self.made[0] is value:
            return self.made[1]
        self.made = (value, super().make(kind, value, **options))
        return self.made[1]


class CopyIsTheSame(States):
    def copy(self, state, how):
        return state if how == "copy" else super().copy(state, how)


class PickleDropsTheNames(States):
    def copy(self, state, how):
        twin = super().copy(state, how)
        if how == "pickle" and isinstance(twin, ETraceGroupState):
            twin.names = tuple(str(i) for i in range(twin.num_state))
        return twin


# Groups.


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


def group(**methods):
    """An adapter whose group state differs in some methods."""
    return type("Groups", (States,), {"group": _derived(ETraceGroupState, Plain, methods)})


def _no_negative(self, address):
    position = ETraceGroupState._resolve(self, address)
    return 0 if trees.is_integer(address) and address < 0 else position


def _takes_booleans(self, address):
    return ETraceGroupState._resolve(self, int(address) if isinstance(address, bool) else address)


def _ignores_out_of_range(self, address):
    if trees.is_integer(address) and address >= self.num_state:
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


# Trees.


def tree(**methods):
    """An adapter whose tree state differs in some methods."""
    return type("Trees", (States,), {"tree": _derived(ETraceTreeState, Plain, methods)})


def _sorted(tree):
    if isinstance(tree, dict):
        return {key: _sorted(tree[key]) for key in sorted(tree)}
    return type(tree)(map(_sorted, tree)) if isinstance(tree, (list, tuple)) else tree


def _sorted_make(self, value):
    return _sorted(ETraceTreeState._make(self, value))


def _sorted_index(self, address):
    if trees.is_integer(address):
        return trees.resolve(_sorted(self._root), address, self._subject())
    return ETraceTreeState._resolve(self, address)


def _one_dtype(self, value):
    root = ETraceTreeState._make(self, value)
    dtype = np.result_type(*(leaf.array.dtype for _, leaf in trees.leaves(root)))
    return trees.map_leaves(
        lambda _, x: leaves.Leaf(x.array.astype(dtype), x.unit, x.past.astype(dtype)), root
    )


def _containers_counted(self):
    return len(self._root)


def _first_shape(self):
    return next(trees.leaves(self._root))[1].array.shape


def _takes_empty_containers(self, value):
    kept = value or {"empty": np.zeros(1)} if isinstance(value, (dict, list, tuple)) else value
    return ETraceTreeState._make(self, kept)


def _negative_from_zero(self, address):
    if trees.is_integer(address) and -self.num_state <= address < 0:
        address = -1 - address
    return ETraceTreeState._resolve(self, address)


def _leaves_only(self, address):
    path = ETraceTreeState._resolve(self, address)
    if trees.is_tree(trees.node(self._root, path)) and isinstance(address, tuple):
        raise StateNameError(self._subject(), repr(path), "a leaf")
    return path


def _first_of_a_name(self, address):
    if isinstance(address, str) and address not in self._root:
        for path, _ in trees.leaves(self._root):
            if str(path[-1]) == address:
                return path
    return ETraceTreeState._resolve(self, address)


def _deepest_name(self, address):
    if isinstance(address, str):
        below = [p for p, _ in trees.leaves(self._root) if len(p) > 1 and p[-1] == address]
        if len(below) == 1:
            return below[0]
    return ETraceTreeState._resolve(self, address)


def _tree_last_wins(self, updates):
    if not isinstance(updates, dict):
        return ETraceTreeState._match_updates(self, updates)
    found = {}
    for address, value in updates.items():
        found.update(ETraceTreeState._match_updates(self, {address: value}))
    return list(found.items())


def _tree_truncates(self, updates):
    if isinstance(updates, (list, tuple)):
        updates = dict(enumerate(updates[: self.num_state]))
    return ETraceTreeState._match_updates(self, updates)


def _whole_subtrees_only(self, updates):
    if isinstance(updates, dict):
        for address, value in updates.items():
            node = trees.node(self._root, self._resolve(address))
            if isinstance(node, dict) and isinstance(value, dict) and value.keys() != node.keys():
                raise StructureError(self._subject(), "some keys", "all keys")
    return ETraceTreeState._match_updates(self, updates)


def _takes_missing_keys(self, value):
    if isinstance(value, dict) and value and value.keys() < self._root.keys():
        return ETraceTreeState._match_updates(self, value)
    return ETraceTreeState._match(self, value)


def _leaf_by_leaf(self, updates):
    for update in updates:
        ETraceTreeState._write(self, [update])


def _clamps_indices(self, address):
    if trees.is_integer(address):
        address = max(-self.num_state, min(address, self.num_state - 1))
    return ETraceTreeState._resolve(self, address)


def _adds_in_front(self, path, value):
    ETraceTreeState.add_leaf(self, path, value)
    if isinstance(path, str):
        self._root = {path: self._root[path], **self._root}


def _replaces_a_leaf(self, path, value):
    if isinstance(path, str) and path in self._root:
        self._root = {**self._root, path: self._new_leaf((path,), value)}
        return
    ETraceTreeState.add_leaf(self, path, value)


class TreeKeepsTheWrittenOrder(States):
    """A whole write brings its own order of keys."""

    def write(self, state, value):
        super().write(state, value)
        if isinstance(state, ETraceTreeState) and isinstance(value, dict):
            state._root = {key: state._root[key] for key in value}


# History.


class NewestFirst:
    @property
    def history(self):
        return trees.map_leaves(
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
            self._root = trees.map_leaves(lambda _, x: self._record(x, x.array), self._root)
            raise


class RecordsReads(Histories):
    def read(self, state):
        state._root = trees.map_leaves(lambda _, x: state._record(x, x.array), state._root)
        return super().read(state)


class RecordsWholeWritesOnly(Histories):
    def set(self, state, updates):
        before = state._root
        super().set(state, updates)
        state._root = trees.map_leaves(
            lambda path, leaf: leaves.Leaf(leaf.array, leaf.unit, trees.node(before, path).past),
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
            twin._root = trees.map_leaves(lambda p, x: twin._new_leaf(p, x_value(x)), twin._root)
        return twin


def x_value(leaf):
    return leaf.array if leaf.unit is None else Quantity(leaf.array, leaf.unit)


class AddedLeafBeginsWithZeros(Histories):
    def add_leaf(self, state, path, value):
        super().add_leaf(state, path, value)
        path = (path,) if isinstance(path, str) else path
        state._root = trees.map_leaves(
            lambda p, x: leaves.Leaf(x.array, x.unit, np.zeros_like(x.past)) if p == path else x,
            state._root,
        )


class TakesAnyLength(Histories):
    def make(self, kind, value, *, history=0, **options):
        good = isinstance(history, (int, np.integer)) and history >= 0
        return super().make(kind, value, history=int(history) if good else 0, **options)


# Errors.


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
        array, unit = leaves.split(value, subject)
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


def history(mixin):
    """An adapter whose states of every kind record their history otherwise."""
    return of(mixin, Histories)


READING = (
    *("UNIT-1", "UNIT-4", "UNIT-5"),
    *(f"STATE-{i}" for i in (3, 6, 7, 8, 10, 11, 12)),
    *("GROUP-3", "GROUP-4", "GROUP-6", "GROUP-7"),
    *(f"TREE-{i}" for i in (1, 2, 5, 6, 7, 8, 9, 10, 11, 13, 14)),
    *("ERR-1", "ERR-2"),
)
"""What fails where what is read is not what was written."""

HISTORY = tuple(f"HIST-{i}" for i in range(1, 9))
"""What fails where a history is not right."""

WRONG_STATES = [
    Wrong("no_rescaling", of(NoRescaling), ("UNIT-1", "STATE-7")),
    Wrong("rescales_the_wrong_way", of(RescalesTheWrongWay), ("UNIT-1", "STATE-7")),
    Wrong(
        "takes_any_dimension",
        of(TakesAnyDimension),
        ("UNIT-2", "STATE-9", "GROUP-8", "TREE-10", "ERR-1", "ERR-2", "ERR-3"),
    ),
    Wrong("drops_the_unit", of(DropsTheUnit), ("UNIT-2", "STATE-9", "ERR-1")),
    Wrong(
        "takes_bare_numbers",
        of(TakesBareNumbers),
        ("UNIT-3", "STATE-9", "GROUP-8", "TREE-10", "ERR-1", "ERR-2"),
    ),
    Wrong("ratio_as_it_is", of(RatioAsItIs), ("UNIT-4",)),
    Wrong("ratio_a_thousand_times_wrong", of(RatioAThousandTimesWrong), ("UNIT-5", *READING)),
    Wrong("reads_in_si", ReadsInSI, ("UNIT-5", *READING)),
    Wrong("group_is_not_a_state", GroupIsNotAState, ("STATE-1",)),
    Wrong("counts_elements", CountsElements, ("STATE-2",)),
    Wrong("loses_the_sign_of_zero", of(LosesTheSignOfZero), ("STATE-3", *READING)),
    Wrong("nan_becomes_zero", of(NaNBecomesZero), ("STATE-3", *READING)),
    Wrong("takes_python_numbers", of(TakesPythonNumbers), ("STATE-4", "TREE-10")),
    Wrong("broadcasts", of(Broadcasts), ("STATE-5", "GROUP-8")),
    Wrong("flattens", of(Flattens), ("STATE-5", "ERR-1", "ERR-2")),
    Wrong("casts_any_dtype", of(CastsAnyDtype), ("STATE-6", "TREE-10", "ERR-1", "ERR-2")),
    Wrong("takes_the_dtype_written", of(TakesTheDtypeWritten), ("STATE-6",)),
    Wrong("rescales_integers", of(RescalesIntegers), ("STATE-7",)),
    Wrong("rescales_to_infinity", of(RescalesToInfinity), ("STATE-7",)),
    Wrong("narrows_silently", NarrowsSilently, ("STATE-8", *READING)),
    Wrong("writes_half", WritesHalf, ("STATE-9", "TREE-10")),
    Wrong("shares_the_writers_memory", of(SharesTheWritersMemory), ("STATE-10", *READING)),
    Wrong("shares_the_readers_memory", of(SharesTheReadersMemory), ("STATE-10",)),
    Wrong("one_for_all", OneForAll, ("STATE-11",)),
    Wrong("copy_is_the_same", CopyIsTheSame, ("STATE-12",)),
    Wrong("pickle_drops_the_names", PickleDropsTheNames, ("STATE-12",)),
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
        ("GROUP-4", "STATE-12", "GROUP-6", "GROUP-9", "GROUP-10", "ERR-1", "ERR-2"),
    ),
    Wrong("takes_equal_names", group(_check_names=_takes_equal_names), ("GROUP-5",)),
    Wrong("zeroes_the_others", group(set_value=_zeroes_the_others), ("GROUP-6",)),
    Wrong("truncates_a_long_list", group(_positions=_truncates), ("GROUP-7", "ERR-1", "ERR-2")),
    Wrong("writes_a_list_backwards", group(_positions=_backwards), ("GROUP-7",)),
    Wrong("writes_one_by_one", group(set_value=_one_by_one), ("GROUP-8", "STATE-9")),
    Wrong("last_of_two_wins", group(_positions=_last_wins), ("GROUP-9", "ERR-1", "ERR-2")),
    Wrong("true_is_an_index", group(_resolve=_takes_booleans), ("GROUP-10",)),
    Wrong("clamps_an_index", group(_resolve=_ignores_out_of_range), ("GROUP-10", "ERR-1", "ERR-2")),
    Wrong("bare_key_error", group(_resolve=_bare_key_error), ("GROUP-10", "ERR-1", "ERR-2")),
    Wrong("one_dtype_for_all_leaves", tree(_make=_one_dtype), ("TREE-1", *READING)),
    Wrong("sorts_the_keys", tree(_make=_sorted_make), ("TREE-1", *READING)),
    Wrong(
        "sorts_the_leaves",
        tree(_resolve=_sorted_index),
        ("TREE-2", "TREE-5", "TREE-8", "TREE-9", "TREE-11", "TREE-13", "TREE-14"),
    ),
    Wrong(
        "counts_containers",
        tree(num_state=property(_containers_counted)),
        ("TREE-2", "TREE-9", "TREE-14", "TREE-15"),
    ),
    Wrong(
        "shape_of_the_first_leaf",
        tree(varshape=property(_first_shape)),
        ("TREE-3", "ERR-1", "ERR-2"),
    ),
    Wrong("takes_empty_containers", tree(_make=_takes_empty_containers), ("TREE-4",)),
    Wrong(
        "counts_backwards_from_zero",
        tree(_resolve=_negative_from_zero),
        ("TREE-5", "TREE-8", "TREE-11"),
    ),
    Wrong("paths_of_leaves_only", tree(_resolve=_leaves_only), ("TREE-6", "TREE-8")),
    Wrong("first_of_a_name", tree(_resolve=_first_of_a_name), ("TREE-7",)),
    Wrong("deepest_of_a_name", tree(_resolve=_deepest_name), ("TREE-7", "TREE-8", "TREE-11")),
    Wrong("whole_subtrees_only", tree(_match_updates=_whole_subtrees_only), ("TREE-8", "TREE-11")),
    Wrong("truncates_a_list_of_leaves", tree(_match_updates=_tree_truncates), ("TREE-9",)),
    Wrong("writes_leaf_by_leaf", tree(_write=_leaf_by_leaf), ("TREE-10", "STATE-9")),
    Wrong(
        "last_of_two_leaves_wins",
        tree(_match_updates=_tree_last_wins),
        ("TREE-11", "ERR-1", "ERR-2"),
    ),
    Wrong("clamps_a_leaf_index", tree(_resolve=_clamps_indices), ("TREE-12", "ERR-1", "ERR-2")),
    Wrong("takes_missing_keys", tree(_match=_takes_missing_keys), ("TREE-13", "ERR-1", "ERR-2")),
    Wrong("keeps_the_written_order", TreeKeepsTheWrittenOrder, ("TREE-13",)),
    Wrong("adds_a_leaf_in_front", tree(add_leaf=_adds_in_front), ("TREE-14",)),
    Wrong("replaces_a_leaf", tree(add_leaf=_replaces_a_leaf), ("TREE-15",)),
    Wrong("takes_any_length", TakesAnyLength, ("HIST-1", "ERR-1", "ERR-2")),
    Wrong("newest_first", history(NewestFirst), ("HIST-2", *HISTORY)),
    Wrong("history_off_by_one", history(OffByOne), ("HIST-2", *HISTORY)),
    Wrong("history_begins_with_zeros", history(BeginsWithZeros), ("HIST-2", "HIST-4", "HIST-8")),
    Wrong("records_refused_writes", history(RecordsRefusedWrites), ("HIST-3",)),
    Wrong("records_reads", RecordsReads, ("HIST-3",)),
    Wrong("records_whole_writes_only", RecordsWholeWritesOnly, ("HIST-3", "HIST-8")),
    Wrong("history_without_units", HistoryWithoutUnits, ("HIST-4", *HISTORY)),
    Wrong("unbounded_history", history(Unbounded), ("HIST-5", *HISTORY)),
    Wrong("loop_records_once", LoopRecordsOnce, ("HIST-6",)),
    Wrong("copy_forgets", CopyForgets, ("HIST-7",)),
    Wrong("added_leaf_begins_with_zeros", AddedLeafBeginsWithZeros, ("HIST-8",)),
    Wrong("errors_of_their_own", ErrorsOfTheirOwn, ("ERR-1", "ERR-2")),
    Wrong("says_nothing", SaysNothing, ("ERR-2", "ERR-1")),
    Wrong("shape_first", of(ShapeFirst), ("ERR-3",)),
    Wrong("unknown_capability", NoName, ("CONF-1",)),
    Wrong("missing_method", NoHistoryMethod, ("CONF-2", *HISTORY, "ERR-1", "ERR-2")),
]
"""The first clause is the one that is broken; the others fail with it."""
