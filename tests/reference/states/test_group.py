"""The group state (SPEC.md, chapter 3)."""

from __future__ import annotations

import numpy as np
import pytest

from reference import (
    AddressTypeError,
    DtypeError,
    DuplicateError,
    ETraceGroupState,
    Quantity,
    ShapeError,
    StateIndexError,
    StateNameError,
    StructureError,
    UnitError,
    ValueTypeError,
)

from .plain_states import plain, states


def test_group():
    value = Quantity(np.arange(6.0).reshape(2, 3), "mV")
    group = ETraceGroupState(value)
    assert (group.num_state, group.varshape, group.names) == (3, (2,), ("0", "1", "2"))
    for i in range(3):
        expected = plain(Quantity(value.array[:, i].copy(), "mV"))
        for address in (i, i - 3, np.int8(i), np.uint64(i), str(i)):
            assert plain(group.get_value(address)) == expected
    group.set_value({-1: Quantity(np.array([1.0, 2.0]), "V"), "0": Quantity(np.zeros(2), "mV")})
    assert group.value.array.tolist() == [[0, 1, 1000], [0, 4, 2000]]
    group.set_value([Quantity(np.full(2, i), "mV") for i in (7, 8, 9)])
    assert group.value.array.tolist() == [[7, 8, 9], [7, 8, 9]]
    group.set_value({})
    assert group.value.array.tolist() == [[7, 8, 9], [7, 8, 9]]


def test_group_of_one_neuron():
    group = ETraceGroupState(np.arange(3), names=("x", "0", "1"))
    assert group.varshape == ()
    assert plain(group.get_value("0")) == plain(np.array(1))
    assert plain(group.get_value(0)) == plain(np.array(0))
    group.set_value({"x": np.int64(9)})
    assert group.value.tolist() == [9, 1, 2]


@pytest.mark.parametrize("shape", [(), (0,), (3, 0)])
def test_group_without_states(shape):
    with pytest.raises(ShapeError):
        ETraceGroupState(np.zeros(shape))


@pytest.mark.parametrize(
    ("names", "error"),
    [
        (["a", "b"], StructureError),
        (["a", "b", "c", "d"], StructureError),
        (["a", "b", 1], StructureError),
        ("abc", StructureError),
        ({"a", "b", "c"}, StructureError),
        (["a", "b", "a"], DuplicateError),
    ],
)
def test_bad_names(names, error):
    with pytest.raises(error, match="'h'"):
        ETraceGroupState(np.zeros(3), names=names, name="h")


@pytest.mark.parametrize(
    ("address", "error"),
    [
        (3, StateIndexError),
        (-4, StateIndexError),
        (np.int64(3), StateIndexError),
        ("d", StateNameError),
        ("0", StateNameError),
        (True, AddressTypeError),
        (np.True_, AddressTypeError),
        (1.0, AddressTypeError),
        (None, AddressTypeError),
        (("a",), AddressTypeError),
    ],
)
def test_bad_group_addresses(address, error):
    group = states()[1]
    for call in (group.get_value, lambda address: group.set_value({address: np.zeros(2)})):
        with pytest.raises(error) as caught:
            call(address)
        assert "'g'" in str(caught.value)
        assert repr(address) in str(caught.value)
    for address in (slice(0, 1), [0], np.array([0, 1])):
        with pytest.raises(AddressTypeError):
            group.get_value(address)


MV = Quantity(np.full(2, 9.0), "mV")


@pytest.mark.parametrize(
    ("updates", "error"),
    [
        ({0: MV, "a": MV}, DuplicateError),
        ({0: MV, -3: MV}, DuplicateError),
        ([MV, MV], StructureError),
        ((MV,) * 4, StructureError),
        (MV, StructureError),
        (np.zeros((2, 3)), StructureError),
        ({0: MV, 1: Quantity(np.ones(2), "nA")}, UnitError),
        ({0: MV, 1: np.ones(2)}, UnitError),
        ({0: MV, 1: Quantity(np.ones(2, complex), "mV")}, DtypeError),
        ({0: MV, 1: Quantity(np.ones((2, 1)), "mV")}, ShapeError),
        ({0: MV, 1: Quantity(np.float64(1.0), "mV")}, ShapeError),
        ({0: MV, 1: None}, ValueTypeError),
        ([MV, MV, 1.0], ValueTypeError),
        ({0: MV, "d": MV}, StateNameError),
    ],
)
def test_refused_group_writes_change_nothing(updates, error):
    group = states(history=2)[1]
    before = plain(group.value), plain(group.history)
    with pytest.raises(error, match="'g'"):
        group.set_value(updates)
    assert (plain(group.value), plain(group.history)) == before
