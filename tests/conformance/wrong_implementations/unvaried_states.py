"""Wrong states and histories that are right for small arrays in C order, in mV and nA."""

from __future__ import annotations

import re

import numpy as np

from conformance.protocol.implementation import Value
from reference import ETraceGroupState, ETraceTreeState, StateNameError, StructureError, UnitError
from reference.states import containers, leaves
from reference.values import is_integer, split

from .state_bases import HISTORY, READING, Histories, States, group, of, tree
from .wrong import Wrong

REFUSED = ("something unvaried", "something", "something else")
"""What errors of these implementations say."""


def mapped(function, value):
    """A tree, or updates, with each value of numbers replaced."""
    if isinstance(value, Value):
        numbers = isinstance(value.array, np.ndarray) and value.array.dtype.kind in "biufc"
        return function(value) if numbers else value
    if type(value) is dict:
        return {key: mapped(function, entry) for key, entry in value.items()}
    if type(value) in (list, tuple):
        return type(value)(mapped(function, entry) for entry in value)
    return value


class Taking(States):
    """Values are taken for others."""

    def make(self, kind, value, **options):
        return super().make(kind, mapped(self.taken, value), **options)

    def write(self, state, value):
        super().write(state, mapped(self.taken, value))

    def set(self, state, updates):
        super().set(state, mapped(self.taken, updates))


def taking(change):
    """An adapter that takes arrays for what a function makes of them."""

    def taken(self, value):
        return Value(change(value.array), value.unit)

    return type(change.__name__, (Taking,), {"taken": taken})


def fortran_taken_for_c(array):
    flags = array.flags
    return array.ravel("K").reshape(array.shape) if flags.fnc else array


def base_for_a_part(array):
    base = array.base
    whole = isinstance(base, np.ndarray) and base.dtype == array.dtype and base.size > array.size
    return base.ravel()[: array.size].reshape(array.shape) if whole else array


def strides_without_sign(array):
    return array[tuple(slice(None, None, -1 if s < 0 else 1) for s in array.strides)]


def bytes_as_they_lie(array):
    return array if array.dtype.isnative else array.view(array.dtype.newbyteorder("="))


def large_in_single_precision(array):
    single = array.size > 1000 and array.dtype == np.float64
    with np.errstate(over="ignore"):
        return array.astype(np.float32).astype(float) if single else array


FACTOR = re.compile(r"([pnumckMG]?)(V|A|ohm|S|F|Hz|s|m|g|10)(?:\^(-?\d+))?")
POWERS = {"p": -12, "n": -9, "u": -6, "m": -3, "c": -2, "k": 3, "M": 6, "G": 9, "": 0}


def renaming(change):
    """An adapter that takes each factor (prefix, symbol, power) of a unit for another."""

    def taken(self, value):
        if value.unit is None:
            return value
        factors = (FACTOR.fullmatch(factor).groups() for factor in value.unit.split())
        named = [change(prefix, symbol, int(power or 1)) for prefix, symbol, power in factors]
        return Value(value.array, " ".join(name for name in named if name) or None)

    return type(change.__name__, (Taking,), {"taken": taken})


def siemens_are_ohms(prefix, symbol, power):
    return f"{prefix}{'ohm' if symbol == 'S' else symbol}^{power}"


def farads_are_siemens(prefix, symbol, power):
    return f"{prefix}{'S' if symbol == 'F' else symbol}^{power}"


def grams_are_kilograms(prefix, symbol, power):
    return f"{prefix}{symbol}^{power}" + (f" 10^{3 * power}" if symbol == "g" else "")


def giga_is_mega(prefix, symbol, power):
    return f"{'M' if prefix == 'G' else prefix}{symbol}^{power}"


def tens_are_ones(prefix, symbol, power):
    return None if symbol == "10" else f"{prefix}{symbol}^{power}"


def a_prefix_counts_once(prefix, symbol, power):
    if symbol == "g":
        return f"{prefix}g^{power}"
    return f"10^{POWERS[prefix]} {symbol}^{power}" if prefix else f"{symbol}^{power}"


class OneRatio:
    """mV/V is the one ratio that becomes a plain number."""

    def _conform(self, leaf, shape, value, subject):
        _, unit = split(value, subject)
        if unit and unit.is_ratio and leaf.unit is None and unit.name != "mV V^-1":
            raise UnitError(*REFUSED)
        return super()._conform(leaf, shape, value, subject)


class CastsBySinglePrecision:
    def _conform(self, leaf, shape, value, subject):
        array, unit = split(value, subject)
        numbers = super()._conform(leaf, shape, value, subject)
        whole = array.dtype.kind in "iu" and leaf.array.dtype == np.float64 and unit == leaf.unit
        return array.astype(np.float32).astype(float) if whole else numbers


# Groups


def _sorted_names(self, names):
    checked = ETraceGroupState._check_names(self, names)
    return tuple(sorted(checked)) if names is None else checked


def _last_digit(self, address):
    index = ETraceGroupState._resolve(self, address)
    return index if isinstance(address, str) or index < 10 else index % 10


def _one_byte(self, address):
    index = ETraceGroupState._resolve(self, address)
    return index if isinstance(address, str) else index % 256


def _list_by_text(self, updates):
    positions = ETraceGroupState._positions(self, updates)
    if isinstance(updates, list | tuple):
        return dict(zip(sorted(positions, key=str), positions.values(), strict=True))
    return positions


# Trees


def _paths_by_text(self, address):
    paths = [path for path, _ in containers.leaves(self._root)]
    if is_integer(address) and type(self._root) is list and 0 <= address < len(paths):
        return sorted(paths, key=lambda path: str(path[0]))[address]
    return ETraceTreeState._resolve(self, address)


def _five_steps(self, address):
    if isinstance(address, tuple) and len(address) > 5:
        raise StateNameError(*REFUSED)
    return ETraceTreeState._resolve(self, address)


def _one_digit(self, address):
    if isinstance(address, str) and address.isdigit() and len(address) > 1:
        raise StateNameError(*REFUSED)
    return ETraceTreeState._resolve(self, address)


def _leaves_by_text(self, updates):
    if isinstance(updates, list) and len(updates) == self.num_state:
        order = sorted(range(len(updates)), key=str)
        updates = [updates[order.index(i)] for i in range(len(updates))]
    return ETraceTreeState._match_updates(self, updates)


class AddsNothingDeep(States):
    def add_leaf(self, state, path, value):
        if isinstance(path, tuple) and len(path) > 5:
            raise StructureError(*REFUSED)
        super().add_leaf(state, path, value)


# Histories


class Kept(Histories):
    """A history that is not kept as it should be."""

    def history(self, state):
        return mapped(lambda x: Value(self.kept(state, x.array), x.unit), super().history(state))


class InSinglePrecision(Kept):
    def kept(self, state, past):
        return past.astype(np.float32).astype(float) if past.dtype == np.float64 else past


class AsFloatingPoint(Kept):
    def kept(self, state, past):
        return past.astype(float).astype(past.dtype) if past.dtype.kind == "i" else past


class OfTen(Kept):
    """What is older than ten writes is forgotten."""

    def kept(self, state, past):
        return np.concatenate([np.repeat(past[-10:-9], max(len(past) - 10, 0), 0), past[-10:]])


class OfALargeValueIsThin(Kept):
    """Of more than a thousand numbers, the first thousand are kept."""

    def kept(self, state, past):
        flat = past.reshape(len(past), -1).copy()
        flat[:, 1000:] = 0
        return flat.reshape(past.shape)


class CountsInOneByte(Histories):
    """The 256th write is not recorded."""

    def write(self, state, value):
        state.count = state.__dict__.get("count", 0) + 1
        root = state._root
        super().write(state, value)
        if state.count > 255:
            kept = iter([leaf.past for _, leaf in containers.leaves(root)])
            state._root = containers.map_leaves(
                lambda _, leaf: leaves.Leaf(leaf.array, leaf.unit, next(kept)), state._root
            )


class LoopsOfAHundred(Histories):
    def write_all(self, state, values):
        super().write_all(state, [*values[:100], *values[-1:]] if len(values) > 100 else values)


UNITS = ("UNIT-2", "UNIT-4", "UNIT-5", *READING)

WRONG_UNVARIED_STATES = [
    Wrong("fortran_taken_for_c", taking(fortran_taken_for_c), ("STATE-3", *READING)),
    Wrong("base_for_a_part", taking(base_for_a_part), ("STATE-3", *READING)),
    Wrong("strides_without_sign", taking(strides_without_sign), ("STATE-3", *READING)),
    Wrong("bytes_as_they_lie", taking(bytes_as_they_lie), ("STATE-3", *READING)),
    Wrong("large_in_single_precision", taking(large_in_single_precision), ("STATE-3", "STATE-6")),
    Wrong("siemens_are_ohms", renaming(siemens_are_ohms), ("UNIT-1", *UNITS)),
    Wrong("farads_are_siemens", renaming(farads_are_siemens), ("UNIT-1", *UNITS)),
    Wrong("grams_are_kilograms", renaming(grams_are_kilograms), ("UNIT-1", *UNITS)),
    Wrong("giga_is_mega", renaming(giga_is_mega), ("UNIT-1", *UNITS)),
    Wrong("tens_are_ones", renaming(tens_are_ones), ("UNIT-1", *UNITS)),
    Wrong("a_prefix_counts_once", renaming(a_prefix_counts_once), ("UNIT-1", *UNITS)),
    Wrong("one_ratio", of(OneRatio), ("UNIT-4",)),
    Wrong("casts_by_single_precision", of(CastsBySinglePrecision), ("STATE-6",)),
    Wrong("default_names_sorted", group(_check_names=_sorted_names), ("GROUP-4",)),
    Wrong("last_digit_of_an_index", group(_resolve=_last_digit), ("GROUP-3", "GROUP-6")),
    Wrong("indices_of_one_byte", group(_resolve=_one_byte), ("GROUP-3",)),
    Wrong("lists_by_text", group(_positions=_list_by_text), ("GROUP-7", "GROUP-6")),
    Wrong("leaves_by_text", tree(_resolve=_paths_by_text), ("TREE-2",)),
    Wrong("paths_of_five_steps", tree(_resolve=_five_steps), ("TREE-6", "TREE-8", "TREE-14")),
    Wrong("positions_of_one_digit", tree(_resolve=_one_digit), ("TREE-7",)),
    Wrong("long_lists_by_text", tree(_match_updates=_leaves_by_text), ("TREE-9",)),
    Wrong("adds_nothing_deep", AddsNothingDeep, ("TREE-14",)),
    Wrong("history_of_single_precision", InSinglePrecision, ("HIST-2", *HISTORY)),
    Wrong("history_as_floating_point", AsFloatingPoint, ("HIST-2",)),
    Wrong("history_of_ten", OfTen, ("HIST-2",)),
    Wrong("history_of_a_thousand_numbers", OfALargeValueIsThin, ("HIST-2",)),
    Wrong("writes_counted_in_one_byte", CountsInOneByte, ("HIST-5", "HIST-6")),
    Wrong("loops_of_a_hundred", LoopsOfAHundred, ("HIST-6",)),
]
"""The first clause is the one that is broken; the others fail with it."""
