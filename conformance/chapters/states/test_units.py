"""SPEC.md, chapter 1: values and units."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.chapters.states.ways import WAYS
from conformance.checks import check_close, check_same, check_same_unit, raises
from conformance.drawing.strategies import finite, real
from conformance.protocol.implementation import Value

each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def leaf(implementation, unit, seed=0, shape=(3,)):
    return Value(finite(abs(seed), shape, real(implementation.precision)), unit)


@pytest.mark.clauses("UNIT-1")
@each_way
@pytest.mark.parametrize(
    ("unit", "written", "factor"),
    [
        ("V", "mV", 1e-3),
        ("ms^-1", "Hz", 1e-3),
        ("mV V^-1", "GV MV^-1", 1e6),
    ],
)
def test_scales_are_converted(implementation, way, unit, written, factor):
    slot = way(implementation, leaf(implementation, unit))
    value = leaf(implementation, written, seed=1)
    slot.write(value)
    got, numbers = slot.read(), value.array.astype(float) * factor
    check_same_unit(got.unit, unit, f"unit after writing {written}")
    assert got.array.dtype == value.array.dtype
    tolerance = 2 * np.finfo(value.array.dtype).eps * np.abs(numbers)
    check_close(got.array, numbers, tolerance, f"writing {written} into {unit}")


COHERENT = {
    "V": "kg m^2 s^-3 A^-1",
    "A": "V ohm^-1",
    "ohm": "kg m^2 s^-3 A^-2",
    "S": "kg^-1 m^-2 s^3 A^2",
    "F": "kg^-1 m^-2 s^4 A^2",
    "Hz": "s^-1",
    "s": "V F A^-1",
    "m": "cm^3 10^6 m^-2",
    "kg": "V A s^3 m^-2",
}
"""Each symbol's unit, made of others."""

PREFIXES = {"p": -12, "n": -9, "u": -6, "m": -3, "c": -2, "k": 3, "M": 6, "G": 9}


def conversions():
    """Unit of a state, unit of what is written, and the power of ten between them."""
    for symbol, others in COHERENT.items():
        name = symbol.removeprefix("k")
        offset = 3 if symbol == "kg" else 0
        yield symbol, others, 0
        for prefix, power in PREFIXES.items():
            yield symbol, f"{prefix}{name}", power - offset
        yield f"m{name}", f"u{name}", -3
        yield f"{symbol}^-1", f"n{name}^-1", 9 + offset
        yield f"{symbol}^2", f"c{name}^2", -4 - 2 * offset
        yield f"{symbol}^-3", f"k{name}^-3", -9 + 3 * offset
        # Ratios, which are no bare numbers.
        yield f"m{name} {name}^-1", f"u{name} m{name}^-1", 0
        yield f"G{name} {name}^-1", "10^3", -6
    yield "g", "kg", 3
    yield "10^-3 V", "10 uV", -2
    yield "10^2 mV", "kV 10^-1", 3
    yield "uF cm^-2", "F m^-2", 2
    yield "S cm^-2", "mS mm^-2", -1
    yield "ohm cm", "Mohm um", 2
    yield "nA", "pF mV us^-1", 0
    yield "mV", "cm^2 mg A^-1 s^-3", -7
    # Powers of two digits, and a symbol twice.
    yield "m^12", "cm^12", -24
    yield "s^-10", "ms^-10", 30
    yield "10^-12 V^2", "uV uV", 0
    yield "mV mV", "V uV", 0
    yield "nA nA s^-1", "nA A ms^-1 10^-12", 0


@pytest.mark.clauses("UNIT-1")
@pytest.mark.parametrize("method", ["write", "set"])
def test_every_symbol_and_prefix(implementation, method):
    """With powers, in products and in ratios: all as leaves of one tree, written at once."""
    rows = [*conversions()]
    tree = {f"x{i}": leaf(implementation, unit, i) for i, (unit, _, _) in enumerate(rows)}
    state = implementation.make("tree", tree)
    check_same(implementation.read(state), tree, "read of a tree of all units")
    other_tree = {
        f"x{i}": leaf(implementation, unit, -i - 1) for i, (_, unit, _) in enumerate(rows)
    }
    getattr(implementation, method)(state, other_tree)
    got = implementation.read(state)
    for i, (unit, other, power) in enumerate(rows):
        one, numbers = got[f"x{i}"], other_tree[f"x{i}"].array * 10.0**power
        check_same_unit(one.unit, unit, f"unit after writing {other} into {unit}")
        tolerance = 4 * np.finfo(one.array.dtype).eps * np.abs(numbers)
        check_close(one.array, numbers, tolerance, f"writing {other} into {unit}")


@pytest.mark.clauses("UNIT-2")
def test_every_symbol_is_of_its_own_dimension(implementation):
    """Each refuses all others, and its own inverse and square."""
    state = implementation.make(
        "tree", {symbol: leaf(implementation, symbol) for symbol in COHERENT}
    )
    before = implementation.read(state)
    for symbol in COHERENT:
        others = [f"m{other.removeprefix('k')}" for other in COHERENT if other != symbol]
        others += [f"{symbol}^-1", f"{symbol}^2", f"{symbol} s^-1"]
        for other in others:
            updates = {symbol: leaf(implementation, other, 1)}
            raises("UnitError", implementation.set, state, updates)
    check_same(implementation.read(state), before, "read after refused units")


@pytest.mark.clauses("UNIT-4")
@pytest.mark.parametrize(
    ("ratio", "power"),
    [("kohm Mohm^-1", -3), ("10^2", 2), ("ms s^-1", -3), ("S Gohm", 9), ("mHz ms", -6)],
)
def test_every_ratio_becomes_a_plain_number(implementation, ratio, power):
    state = implementation.make("single", leaf(implementation, None))
    value = leaf(implementation, ratio, seed=1)
    implementation.write(state, value)
    got, numbers = implementation.read(state), value.array.astype(float) * 10.0**power
    check_same_unit(got.unit, None, f"unit after writing {ratio} into a bare state")
    check_close(got.array, numbers, 4 * np.finfo(value.array.dtype).eps * np.abs(numbers), ratio)


@pytest.mark.clauses("UNIT-2", "STATE-9", "ERR-1")
@each_way
@pytest.mark.parametrize(
    ("unit", "written"),
    [
        ("mV", "nA"),
        ("mV", "mV^2"),
        ("mV", "mV mV"),
        ("m^12", "m"),
        ("mV", "mV V^-1"),
        ("ms", "ms^-1"),
        (None, "mV"),
        (None, "ms^-1"),
    ],
)
def test_another_dimension_is_refused(implementation, way, unit, written):
    slot = way(implementation, leaf(implementation, unit))
    slot.refuses("UnitError", leaf(implementation, written, seed=1))


@pytest.mark.clauses("UNIT-3")
@each_way
@pytest.mark.parametrize("unit", ["mV", "ms^-1", "mV V^-1", "mV mV", "m^12"])
def test_a_bare_value_is_refused(implementation, way, unit):
    slot = way(implementation, leaf(implementation, unit))
    slot.refuses("UnitError", leaf(implementation, None, seed=1))


@pytest.mark.clauses("UNIT-4")
@each_way
def test_a_ratio_becomes_a_plain_number(implementation, way):
    slot = way(implementation, leaf(implementation, None))
    value = leaf(implementation, "mV V^-1", seed=1)
    slot.write(value)
    got, numbers = slot.read(), value.array.astype(float) / 1000
    check_same_unit(got.unit, None, "unit after writing mV/V into a bare state")
    check_close(got.array, numbers, 2 * np.finfo(value.array.dtype).eps * np.abs(numbers), "5 mV/V")


@pytest.mark.clauses("UNIT-5")
@each_way
@pytest.mark.parametrize("unit", [None, "mV", "ms^-1", "mV V^-1", "uF cm^-2", "mV mV", "m^12"])
def test_the_unit_is_kept(implementation, way, unit):
    value = leaf(implementation, unit)
    slot = way(implementation, value)
    check_same(slot.read(), value, f"read of a state made in {unit}")
    value = leaf(implementation, unit, seed=1)
    slot.write(value)
    check_same(slot.read(), value, f"read after writing {unit}")
