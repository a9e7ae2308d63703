"""Wrong values and states: each breaks one clause of SPEC.md, chapters 1 and 2."""

from __future__ import annotations

import numpy as np

from conformance.protocol.implementation import Value
from conformance.translation.values import to_reference
from reference import ETraceGroupState, ETraceState, ETraceTreeState, Quantity
from reference.errors import BrainscaleError
from reference.states import leaves
from reference.values import split

from .state_bases import READING, States, of
from .wrong import Wrong


class NoRescaling:
    def _conform(self, leaf, shape, value, subject):
        array, unit = split(value, subject)
        if unit and leaf.unit and unit.dimension == leaf.unit.dimension:
            value = Quantity(array, leaf.unit)
        return super()._conform(leaf, shape, value, subject)


class RescalesTheWrongWay:
    def _conform(self, leaf, shape, value, subject):
        array, unit = split(value, subject)
        if unit and leaf.unit and array.dtype.kind == "f" and unit.dimension == leaf.unit.dimension:
            value = Quantity(
                array * array.dtype.type(10.0) ** (leaf.unit.scale - unit.scale), leaf.unit
            )
        return super()._conform(leaf, shape, value, subject)


class TakesAnyDimension:
    def _conform(self, leaf, shape, value, subject):
        array, unit = split(value, subject)
        if unit and leaf.unit and unit.dimension != leaf.unit.dimension:
            value = Quantity(array, leaf.unit)
        return super()._conform(leaf, shape, value, subject)


class DropsTheUnit:
    def _conform(self, leaf, shape, value, subject):
        array, unit = split(value, subject)
        if unit and leaf.unit is None and not unit.is_ratio:
            value = array
        return super()._conform(leaf, shape, value, subject)


class TakesBareNumbers:
    def _conform(self, leaf, shape, value, subject):
        array, unit = split(value, subject)
        if unit is None and leaf.unit is not None:
            value = Quantity(array, leaf.unit)
        return super()._conform(leaf, shape, value, subject)


class RatioAsItIs:
    def _conform(self, leaf, shape, value, subject):
        array, unit = split(value, subject)
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
        array, unit = split(value, subject)
        try:
            array = np.broadcast_to(array, shape)
        except ValueError:
            return super()._conform(leaf, shape, value, subject)
        return super()._conform(
            leaf, shape, array if unit is None else Quantity(array, unit), subject
        )


class Flattens:
    def _conform(self, leaf, shape, value, subject):
        array, unit = split(value, subject)
        if array.size == np.prod(shape):
            array = array.reshape(shape)
        return super()._conform(
            leaf, shape, array if unit is None else Quantity(array, unit), subject
        )


class CastsAnyDtype:
    def _conform(self, leaf, shape, value, subject):
        array, unit = split(value, subject)
        with np.errstate(all="ignore"):
            cast = array.astype(leaf.array.dtype) if array.dtype.itemsize < 8 else array
        cast = cast if unit == leaf.unit else array
        return super()._conform(
            leaf, shape, cast if unit is None else Quantity(cast, unit), subject
        )


class TakesTheDtypeWritten:
    def _conform(self, leaf, shape, value, subject):
        super()._conform(leaf, shape, value, subject)
        array, unit = split(value, subject)
        same = unit == leaf.unit
        return array.copy() if same else super()._conform(leaf, shape, value, subject)


class RescalesIntegers:
    def _conform(self, leaf, shape, value, subject):
        array, unit = split(value, subject)
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
        array_of_value, unit = split(value, subject)
        if (
            array_of_value.dtype == leaf.array.dtype
            and array_of_value.shape == leaf.array.shape
            and unit == leaf.unit
        ):
            self._mine = array_of_value
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


WRONG_STATES = [
    Wrong("no_rescaling", of(NoRescaling), ("UNIT-1", "STATE-6", "STATE-7")),
    Wrong("rescales_the_wrong_way", of(RescalesTheWrongWay), ("UNIT-1", "STATE-6", "STATE-7")),
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
    Wrong("ratio_as_it_is", of(RatioAsItIs), ("UNIT-4", "STATE-7")),
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
]
"""The first clause is the one that is broken; the others fail with it."""
