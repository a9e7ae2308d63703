"""What the suite draws from: layouts hold the same numbers, and ids can be typed."""

from __future__ import annotations

import re

import numpy as np
import pytest

from conformance.drawing.layouts import LAYOUTS, lay_out
from conformance.drawing.sharing import remember
from conformance.ids import words
from conformance.protocol.implementation import Value


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 2)])
def test_layouts_are_copies_of_the_same_numbers(layout, shape):
    array = np.arange(np.prod(shape)).reshape(shape).astype("f4")
    got = lay_out(array, layout)
    np.testing.assert_array_equal(got, array)
    assert isinstance(got, np.ndarray)
    assert not np.shares_memory(got, array)


def test_layouts_differ():
    array = np.arange(6.0).reshape(2, 3)
    kinds = {
        (x.strides, x.dtype.byteorder, x.flags.writeable)
        for x in (lay_out(array, number) for number in range(len(LAYOUTS)))
    }
    assert len(kinds) == len(LAYOUTS)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("UnitError", "unit-error"),
        ("mV V^-1", "mv-v-per-1"),
        ((), "empty"),
        ("", "empty"),
        (-0.5, "minus-0-5"),
        (Value(np.zeros((2, 3), np.float32), "mV"), "float32-2x3-mv"),
        ({"a b": 1}, "a-b"),
        (np.int64, "int64"),
    ],
)
def test_ids_are_words(value, wanted):
    assert words(value) == wanted
    assert re.fullmatch(r"[a-z0-9_]+(-[a-z0-9_]+)*", words(value))


def test_a_record_is_made_once_for_each_implementation():
    made = []

    @remember
    def record(implementation, number):
        made.append((implementation, number))
        return number

    # Neither need be hashable.
    one, other = [], []
    assert [record(one, 1), record(one, 1), record(other, 1), record(one, 2)] == [1, 1, 1, 2]
    assert len(made) == 3
