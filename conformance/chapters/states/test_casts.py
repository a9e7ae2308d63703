"""Casts and changes of scale together: UNIT-1, UNIT-4, STATE-4, STATE-6, STATE-7."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.chapters.states.ways import WAYS, group, group_member, single, tree_leaf
from conformance.checks import check_close, check_same_unit
from conformance.drawing.strategies import real
from conformance.protocol.implementation import Value

each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@pytest.mark.clauses("STATE-6")
@each_way
@pytest.mark.parametrize("written", ["float16", "int8", "int16"])
def test_a_narrow_dtype_is_cast_before_it_is_rescaled(implementation, way, written):
    """100 V are 100 000 mV, which the dtype they are written in cannot hold."""
    slot = way(implementation, Value(np.zeros(3, np.float32), "mV"))
    slot.write(Value(np.array([100, -100, 1], written), "V"))
    got = slot.read()
    check_same_unit(got.unit, "mV", f"unit after writing {written} in V")
    assert got.array.dtype == np.float32, f"dtype after writing {written}: {got.array.dtype}"
    millivolts = np.array([1e5, -1e5, 1e3])
    check_close(
        got.array, millivolts, 2e-7 * np.abs(millivolts), f"100 V as {written} into float32 in mV"
    )


@pytest.mark.clauses("STATE-7")
@each_way
def test_an_integer_ratio_does_not_become_a_plain_integer(implementation, way):
    slot = way(implementation, Value(np.zeros(3, np.int32)))
    slot.refuses("DtypeError", Value(np.array([5, 1000, 2000], np.int32), "mV V^-1"))


@pytest.mark.clauses("STATE-7")
@each_way
def test_rescaling_does_not_overflow_at_the_own_precision(implementation, way):
    dtype = real(implementation.precision)
    huge = np.array([1, np.finfo(dtype).max / 10, 1], dtype)
    slot = way(implementation, Value(np.zeros(3, dtype), "mV"))
    slot.refuses("DtypeError", Value(huge, "V"))
    slot = way(implementation, Value(np.zeros(3, dtype)))
    slot.refuses("DtypeError", Value(huge, "V mV^-1"))


@pytest.mark.clauses("STATE-7")
@each_way
@pytest.mark.parametrize("factor", [1, 1j])
def test_rescaling_a_complex_number_does_not_overflow(implementation, way, factor):
    slot = way(implementation, Value(np.zeros(3, np.complex64), "mV"))
    slot.refuses("DtypeError", Value(np.full(3, 1e38 * factor, np.complex64), "V"))


@pytest.mark.clauses("UNIT-3")
@each_way
def test_a_bare_zero_is_refused(implementation, way):
    """Zero is zero in every unit; a bare one is bare nevertheless."""
    dtype = real(implementation.precision)
    slot = way(implementation, Value(np.ones(3, dtype), "mV"))
    slot.refuses("UnitError", Value(np.zeros(3, dtype)))


LISTS = [[1.0, 2.0, 3.0], [1, 2, 3], (1.0, 2.0, 3.0), {"a": 1.0}, range(3)]


@pytest.mark.clauses("STATE-4")
@pytest.mark.parametrize("bad", LISTS)
@pytest.mark.parametrize("way", [single, group, group_member])
def test_a_container_is_no_value(implementation, way, bad):
    """As a leaf of a tree it is of another structure (TREE-8, TREE-13)."""
    way(implementation, Value(np.zeros(3, np.float32))).refuses("ValueTypeError", bad)


@pytest.mark.clauses("STATE-4")
@pytest.mark.parametrize("bad", [1, 1.0, 1j, True])
@pytest.mark.parametrize("way", [single, group_member, tree_leaf])
def test_a_python_number_is_no_value(implementation, way, bad):
    """Not even where the state has no axis and its dtype."""
    dtype = {int: "int32", float: real(implementation.precision), complex: "complex64"}
    slot = way(implementation, Value(np.zeros((), dtype.get(type(bad), bool))))
    slot.refuses("ValueTypeError", bad)
