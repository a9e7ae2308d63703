"""SPEC.md, chapter 1: values and units."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.checks import close, same, same_unit
from conformance.implementation import Value
from conformance.strategies import finite, real
from conformance.ways import WAYS

each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def leaf(implementation, unit, seed=0, shape=(3,)):
    return Value(finite(seed, shape, real(implementation.precision)), unit)


@pytest.mark.clauses("UNIT-1")
@each_way
@pytest.mark.parametrize(
    ("unit", "written", "factor"),
    [
        ("mV", "V", 1e3),
        ("V", "mV", 1e-3),
        ("nA", "A", 1e9),
        ("ms^-1", "Hz", 1e-3),
        ("mV V^-1", "uV V^-1", 1e-3),
        ("mV", "nA Mohm", 1.0),
    ],
)
def test_scales_are_converted(implementation, way, unit, written, factor):
    slot = way(implementation, leaf(implementation, unit))
    value = leaf(implementation, written, seed=1)
    slot.write(value)
    got, wanted = slot.read(), value.array.astype(float) * factor
    same_unit(got.unit, unit, f"unit after writing {written}")
    assert got.array.dtype == value.array.dtype
    tolerance = 2 * np.finfo(value.array.dtype).eps * np.abs(wanted)
    close(got.array, wanted, tolerance, f"writing {written} into {unit}")


@pytest.mark.clauses("UNIT-2", "STATE-9", "ERR-1")
@each_way
@pytest.mark.parametrize(
    ("unit", "written"),
    [
        ("mV", "nA"),
        ("mV", "mV^2"),
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
@pytest.mark.parametrize("unit", ["mV", "ms^-1", "mV V^-1"])
def test_a_bare_value_is_refused(implementation, way, unit):
    slot = way(implementation, leaf(implementation, unit))
    slot.refuses("UnitError", leaf(implementation, None, seed=1))


@pytest.mark.clauses("UNIT-4")
@each_way
def test_a_ratio_becomes_a_plain_number(implementation, way):
    slot = way(implementation, leaf(implementation, None))
    value = leaf(implementation, "mV V^-1", seed=1)
    slot.write(value)
    got, wanted = slot.read(), value.array.astype(float) / 1000
    same_unit(got.unit, None, "unit after writing mV/V into a bare state")
    close(got.array, wanted, 2 * np.finfo(value.array.dtype).eps * np.abs(wanted), "5 mV/V")


@pytest.mark.clauses("UNIT-5")
@each_way
@pytest.mark.parametrize("unit", [None, "mV", "V", "Mohm", "ms^-1", "mV V^-1", "uF cm^-2"])
def test_the_unit_is_kept(implementation, way, unit):
    value = leaf(implementation, unit)
    slot = way(implementation, value)
    same(slot.read(), value, f"read of a state made in {unit}")
    value = leaf(implementation, unit, seed=1)
    slot.write(value)
    same(slot.read(), value, f"read after writing {unit}")
