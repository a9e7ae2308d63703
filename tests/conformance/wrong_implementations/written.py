"""Wrong states and histories: of units, numbers, names and counts that are seldom tried."""

from __future__ import annotations

import re

import numpy as np

from conformance.protocol.implementation import Value
from reference import StructureError

from .state_bases import HISTORY, READING, Histories, States
from .unvaried_states import REFUSED, mapped
from .wrong import Wrong


def taking(base, change):
    """The adapter that takes values for what a function makes of them."""

    class Taking(base):
        def make(self, kind, value, **options):
            return super().make(kind, mapped(change, value), **options)

        def write(self, state, value):
            super().write(state, mapped(change, value))

        def set(self, state, updates):
            super().set(state, mapped(change, updates))

    return Taking


def of_units(change):
    """A value whose unit's name is replaced."""
    return lambda x: Value(x.array, change(x.unit) if isinstance(x.unit, str) else x.unit)


def of_one_digit(unit):
    return re.sub(r"\^(-?\d)\d+", r"^\1", unit)


def without_repetition(unit):
    return " ".join(dict.fromkeys(unit.split(" ")))


def without_subnormals(value):
    array = value.array
    if isinstance(array, np.ma.MaskedArray) or array.dtype.kind != "f":
        return value
    small = np.abs(array) < np.finfo(array.dtype).tiny
    zero = np.copysign(np.zeros((), array.dtype), array)
    return Value(np.where(small, zero, array), value.unit) if small.any() else value


class NamesOfAscii(States):
    """Names and keys of other letters are refused."""

    def make(self, kind, value, **options):
        names = options.get("names")
        names = names if isinstance(names, tuple | list) else ()
        if not all(map(str.isascii, [*self.keys(value), *map(str, names)])):
            raise StructureError(*REFUSED)
        return super().make(kind, value, **options)

    def keys(self, tree):
        if type(tree) is dict:
            yield from (key for key in tree if isinstance(key, str))
        if type(tree) in (dict, list, tuple):
            for entry in tree.values() if type(tree) is dict else tree:
                yield from self.keys(entry)


class LoopsOfThree(Histories):
    """A loop of fewer than three writes writes the last value once more."""

    def write_all(self, state, values):
        values = [*values]
        super().write_all(state, values if len(values) > 2 else values + values[-1:])


class PartsCountTwice(Histories):
    """A write of two parts or more adds two entries."""

    def set(self, state, updates):
        super().set(state, updates)
        if type(updates) is dict and len(updates) > 1 and self.keeps(state):
            super().write(state, self.read(state))

    def keeps(self, state):
        try:
            self.history(state)
        except Exception:
            return False
        return True


def turned(value):
    """A history that begins one entry too late, where it is a long one."""
    return Value(np.roll(value.array, 1, axis=0), value.unit) if len(value.array) > 64 else value


def without_imaginary_part(value):
    whole = value.array.dtype.kind != "c"
    return value if whole else Value(value.array.real.astype(value.array.dtype), value.unit)


def telling(change):
    """The adapter whose histories are what a function makes of them."""

    class Telling(Histories):
        def history(self, state):
            return mapped(change, super().history(state))

    return Telling


UNITS = ("UNIT-2", "UNIT-3", "UNIT-5", "STATE-9", "ERR-1", "ERR-2", *READING)

WRONG_WRITTEN = [
    Wrong("exponents_of_one_digit", taking(States, of_units(of_one_digit)), ("UNIT-1", *UNITS)),
    Wrong(
        "a_symbol_twice_counts_once",
        taking(States, of_units(without_repetition)),
        ("UNIT-1", *UNITS),
    ),
    Wrong("subnormals_are_zero", taking(States, without_subnormals), ("STATE-3", *READING)),
    Wrong("names_of_ascii", NamesOfAscii, ("GROUP-4", "TREE-7")),
    Wrong("loops_of_three_writes", LoopsOfThree, ("HIST-6",)),
    Wrong("parts_count_twice", PartsCountTwice, ("HIST-3", *HISTORY)),
    Wrong("long_rings_are_turned", telling(turned), ("HIST-2", *HISTORY)),
    Wrong("histories_are_real", telling(without_imaginary_part), ("HIST-4", *HISTORY)),
]
"""The first clause is the one that is broken; the others fail with it."""
