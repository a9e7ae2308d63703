"""SPEC.md, chapter 3: group states."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from conformance.checks import check_refusal, check_same, raises
from conformance.drawing.numbered import FEW
from conformance.drawing.strategies import fresh, groups, real
from conformance.protocol.implementation import Value

NAMES = ("soma", "axon", "dendrite")


def member(value, index):
    return Value(value.array[..., index], value.unit)


def zeros(implementation, shape=(2, 3), unit="mV"):
    return Value(np.zeros(shape, real(implementation.precision)), unit)


@pytest.fixture
def group(implementation):
    """A group of three named states of a population of two, in mV."""
    return implementation.make("group", zeros(implementation), state_name="h", names=NAMES)


@pytest.mark.clauses("GROUP-1")
@pytest.mark.parametrize("shape", [(1,), (6,), (10, 6), (2, 3, 4), (0, 3), (12, 12), (3, 1200)])
def test_counts(implementation, shape):
    state = implementation.make("group", Value(np.zeros(shape, np.float32), "mV"))
    assert implementation.num_state(state) == shape[-1]
    assert tuple(implementation.varshape(state)) == shape[:-1]


@pytest.mark.clauses("GROUP-2")
@pytest.mark.parametrize("shape", [(), (0,), (3, 0)])
def test_no_last_axis(implementation, shape):
    raises("ShapeError", implementation.make, "group", Value(np.zeros(shape, np.float32), "mV"))


@pytest.mark.clauses("GROUP-3")
@hypothesis.given(data=st.data())
def test_get_by_index(implementation, data):
    n = data.draw(st.sampled_from([3, 12]))
    value = data.draw(groups(implementation.precision, n))
    state = implementation.make("group", value)
    for index in range(-n, n):
        address = (index, np.int64(index), np.int8(index))[index % 3]
        check_same(implementation.get(state, address), member(value, index), f"get({address!r})")
    check_same(implementation.get(state, np.uint8(2)), member(value, 2), "get(np.uint8(2))")


@pytest.mark.clauses("GROUP-4")
@pytest.mark.parametrize("names", [None, NAMES, list(NAMES), ("2", "0", "1")])
def test_get_by_name(implementation, names):
    value = Value(np.arange(6, dtype=np.float32).reshape(2, 3), "mV")
    options = {} if names is None else {"names": names}
    state = implementation.make("group", value, **options)
    for index, name in enumerate(names or ("0", "1", "2")):
        check_same(implementation.get(state, name), member(value, index), f"get({name!r})")


MANY = ("z", "10", "9", "b", "a", "k11", "k2", "11", "k1", "B", "1", "k10")
"""More than ten, in no order that sorting finds."""

FOREIGN = ("V_θ", "été", "細胞", "Ω", "é", "e", "ß", "ss", "μ", "𝛼", "a b", "")
"""Text of any alphabet, with spaces and without a letter."""


@pytest.mark.clauses("GROUP-4")
@pytest.mark.parametrize("names", [None, MANY, FOREIGN], ids=["by-default", "given", "foreign"])
def test_more_than_ten_names(implementation, names):
    value = Value(np.arange(24, dtype=np.float32).reshape(2, 12), "mV")
    options = {} if names is None else {"names": names}
    state = implementation.make("group", value, **options)
    for index, name in enumerate(names or map(str, range(12))):
        check_same(implementation.get(state, name), member(value, index), f"get({name!r})")


@pytest.mark.clauses("GROUP-3")
def test_more_than_a_thousand(implementation):
    value = Value(np.arange(1200, dtype=real(implementation.precision)), "mV")
    state = implementation.make("group", value)
    for index in (0, 10, 255, 256, 1023, 1024, 1199, -1200, np.int16(-1), np.int16(1100)):
        check_same(
            implementation.get(state, index), member(value, index), f"get({index!r}) of 1200"
        )


@pytest.mark.clauses("GROUP-6", "GROUP-7")
def test_set_more_than_ten(implementation):
    """Some of them by name and by index, and all in a list."""
    dtype = real(implementation.precision)
    value = Value(np.arange(24, dtype=dtype).reshape(2, 12), "mV")
    state = implementation.make("group", value, names=MANY)
    array = value.array.copy()
    updates = {}
    for index, address in ((11, "k10"), (1, "10"), (10, 10), (2, -10), (9, np.int64(9))):
        array[:, index] = -index - 1 / 3
        updates[address] = Value(array[:, index].copy(), "mV")
    implementation.set(state, updates)
    check_same(implementation.read(state), Value(array, "mV"), f"read after set of {[*updates]}")
    implementation.set(state, [member(value, index) for index in range(12)])
    check_same(implementation.read(state), value, "read after set of a list of twelve")


@pytest.mark.clauses("GROUP-5")
@pytest.mark.parametrize("names", [("a",), ("a", "b", "c", "d"), (0, 1, 2), "abc", 3, (None,) * 3])
def test_bad_names(implementation, names):
    value = zeros(implementation)
    raises("StructureError", implementation.make, "group", value, names=names)


@pytest.mark.clauses("GROUP-5")
def test_name_given_twice(implementation):
    value = zeros(implementation)
    raises("DuplicateError", implementation.make, "group", value, names=("a", "b", "a"))


@pytest.mark.clauses("GROUP-6")
@pytest.mark.parametrize(
    "named", [(0,), (-1,), (1, -3), ("axon",), ("axon", 0), (0, 1, "dendrite")]
)
@FEW
@hypothesis.given(data=st.data(), seed=st.integers(0, 2**32))
def test_set_some(implementation, named, data, seed):
    value = data.draw(groups(implementation.precision))
    state = implementation.make("group", value, names=NAMES)
    array = value.array.copy()
    updates = {}
    for i, address in enumerate(named):
        index = NAMES.index(address) if isinstance(address, str) else address
        new = fresh(member(value, index), seed + i)
        updates[address], array[..., index] = new, new.array
    implementation.set(state, updates)
    check_same(implementation.read(state), Value(array, value.unit), f"read after set of {named}")


@pytest.mark.clauses("GROUP-6")
def test_set_by_numpy_integer(implementation, group):
    new = zeros(implementation, (2,))
    new = Value(new.array + 5, "mV")
    implementation.set(group, {np.int64(-1): new})
    check_same(implementation.get(group, 2), new, "get after set({np.int64(-1): …})")
    check_same(implementation.get(group, 1), zeros(implementation, (2,)), "its neighbour")


@pytest.mark.clauses("GROUP-6")
def test_set_nothing(implementation, group):
    before = implementation.read(group)
    implementation.set(group, {})
    check_same(implementation.read(group), before, "read after set({})")


@pytest.mark.clauses("GROUP-7")
@pytest.mark.parametrize("container", [list, tuple])
@hypothesis.given(data=st.data(), seed=st.integers(0, 2**32))
def test_set_all(implementation, container, data, seed):
    value = data.draw(groups(implementation.precision))
    state = implementation.make("group", value)
    new = fresh(value, seed)
    implementation.set(state, container(member(new, index) for index in range(3)))
    check_same(implementation.read(state), new, f"read after set of a {container.__name__}")


@pytest.mark.clauses("GROUP-7")
@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_set_another_number(implementation, group, count):
    entries = [zeros(implementation, (2,))] * count
    check_refusal(implementation, group, "StructureError", "set", entries)


@pytest.mark.clauses("GROUP-8")
@pytest.mark.parametrize("container", [dict, list])
@pytest.mark.parametrize(
    ("error", "bad"),
    [
        ("ShapeError", Value(np.ones(3, np.float32), "mV")),
        ("ShapeError", Value(np.ones((), np.float32), "mV")),
        ("ShapeError", Value(np.ones((2, 3), np.float32), "mV")),
        ("UnitError", Value(np.ones(2, np.float32), "nA")),
        ("UnitError", Value(np.ones(2, np.float32))),
        ("DtypeError", Value(np.ones(2, np.complex64), "mV")),
        ("ValueTypeError", None),
        ("ValueTypeError", "text"),
    ],
)
def test_one_bad_entry_refuses_all(implementation, group, container, error, bad):
    good = Value(np.full(2, 5, np.float32), "mV")
    entries = [good, bad, good]
    updates = entries if container is list else dict(enumerate(entries))
    check_refusal(implementation, group, error, "set", updates)


@pytest.mark.clauses("GROUP-9")
@pytest.mark.parametrize(
    "pair", [(0, "soma"), (0, -3), ("axon", -2), (2, "dendrite"), (0, np.int8(-3))]
)
def test_named_twice(implementation, group, pair):
    updates = {address: zeros(implementation, (2,)) for address in pair}
    check_refusal(implementation, group, "DuplicateError", "set", updates)


@pytest.mark.clauses("GROUP-9")
def test_named_twice_by_default_name(implementation):
    state = implementation.make("group", zeros(implementation))
    updates = {0: zeros(implementation, (2,)), "0": zeros(implementation, (2,))}
    check_refusal(implementation, state, "DuplicateError", "set", updates)


BAD_ADDRESSES = [
    ("StateIndexError", 3),
    ("StateIndexError", -4),
    ("StateIndexError", np.int64(3)),
    ("StateIndexError", 10**6),
    ("StateNameError", "nose"),
    ("StateNameError", "0"),
    ("StateNameError", ""),
    ("AddressTypeError", True),
    ("AddressTypeError", np.bool_(False)),
    ("AddressTypeError", 0.0),
    ("AddressTypeError", None),
    ("AddressTypeError", ("soma",)),
]


@pytest.mark.clauses("GROUP-10")
@pytest.mark.parametrize(("error", "address"), [*BAD_ADDRESSES, ("AddressTypeError", slice(0, 1))])
def test_get_at_a_bad_address(implementation, group, error, address):
    raises(error, implementation.get, group, address)


@pytest.mark.clauses("GROUP-10")
@pytest.mark.parametrize(("error", "address"), BAD_ADDRESSES)
def test_set_at_a_bad_address(implementation, group, error, address):
    new = Value(np.full(2, 5, real(implementation.precision)), "mV")
    check_refusal(implementation, group, error, "set", {address: new})
    check_refusal(implementation, group, error, "set", {2: new, address: new})
