"""The tree state (SPEC.md, chapter 4)."""

from __future__ import annotations

import collections

import numpy as np
import pytest

from reference import (
    AddressTypeError,
    DtypeError,
    DuplicateError,
    ETraceTreeState,
    NoCommonShapeError,
    Quantity,
    ShapeError,
    StateIndexError,
    StateNameError,
    StructureError,
    UnitError,
    ValueTypeError,
)

from .plain_states import PATHS, neuron_tree, plain, states


def test_tree_is_read_as_given():
    tree = ETraceTreeState(neuron_tree())
    expected = neuron_tree()
    expected["dendrites"][0]["V"].array = np.asarray(expected["dendrites"][0]["V"].array)
    assert plain(tree.value) == plain(expected)
    assert tree.num_state == 6
    assert plain(tree.get_value(())) == plain(tree.value)


def test_tree_addresses():
    tree = ETraceTreeState(neuron_tree())
    for i, path in enumerate(PATHS):
        for address in (i, i - 6, np.int16(i)):
            assert plain(tree.get_value(address)) == plain(tree.get_value(path))
    assert plain(tree.get_value(PATHS[4])) == plain(np.ones((2, 1)))
    assert plain(tree.get_value(("dendrites", np.int64(1), 1))) == plain(np.ones((2, 1)))
    assert plain(tree.get_value("n")) == plain(neuron_tree()["soma"]["n"])
    assert plain(tree.get_value("1")) == plain(np.ones((2, 1)))
    assert type(tree.get_value(("dendrites", 1))) is tuple
    assert list(tree.get_value("soma")) == ["V", "n"]


def test_a_name_is_first_a_key_of_the_root():
    tree = ETraceTreeState({"x": {"V": np.zeros(1)}, "V": {"x": np.ones(2)}})
    assert list(tree.get_value("V")) == ["x"]
    assert list(tree.get_value("x")) == ["V"]


def test_tree_order_is_insertion_order():
    tree = ETraceTreeState({"b": np.zeros(1), "a": {"z": np.ones(1), "c": np.full(1, 2.0)}})
    assert [float(tree.get_value(i)[0]) for i in range(3)] == [0, 1, 2]
    tree.value = {"a": {"c": np.full(1, 5.0), "z": np.full(1, 4.0)}, "b": np.full(1, 3.0)}
    assert [float(tree.get_value(i)[0]) for i in range(3)] == [3, 4, 5]
    assert list(tree.value) == ["b", "a"]
    assert list(tree.value["a"]) == ["z", "c"]


def test_common_shape():
    assert ETraceTreeState({"a": np.zeros((2, 3)), "b": [np.ones((2, 3), int)]}).varshape == (2, 3)
    with pytest.raises(NoCommonShapeError, match="ask each leaf"):
        _ = ETraceTreeState(neuron_tree()).varshape


@pytest.mark.parametrize(
    "value",
    [
        np.zeros(3),
        None,
        {},
        [],
        {"a": ()},
        {"a": [{}]},
        {1: np.zeros(1)},
        {("a",): np.zeros(1)},
        {"a": {np.zeros(1).tobytes()}},
        collections.OrderedDict(a=np.zeros(1)),
        [collections.namedtuple("Pair", "a b")(np.zeros(1), np.zeros(1))],
        {"a": None, "b": {}},
    ],
)
def test_no_trees(value):
    with pytest.raises(StructureError):
        ETraceTreeState(value)


@pytest.mark.parametrize("leaf", [None, 1.0, "x", b"x", np.array([None]), object(), lambda: 0])
def test_no_leaves(leaf):
    with pytest.raises(ValueTypeError, match="'a', 0"):
        ETraceTreeState({"a": [leaf]})


@pytest.mark.parametrize(
    ("address", "error"),
    [
        (6, StateIndexError),
        (-7, StateIndexError),
        ("x", StateNameError),
        ("V", StateNameError),
        (("x",), StateNameError),
        (("soma", 0), StateNameError),
        (("dendrites", "0"), StateNameError),
        (("dendrites", -1), StateNameError),
        (("dendrites", 2), StateNameError),
        (("ratio", 0), StateNameError),
        (True, AddressTypeError),
        (1.0, AddressTypeError),
        (None, AddressTypeError),
        (("soma", None), AddressTypeError),
        (("dendrites", True), AddressTypeError),
        ((("soma", "V"),), AddressTypeError),
    ],
)
def test_bad_tree_addresses(address, error):
    tree = states()[2]
    for call in (tree.get_value, lambda address: tree.set_value({address: np.zeros(2)})):
        with pytest.raises(error) as caught:
            call(address)
        assert "'t'" in str(caught.value)
    for address in (slice(0, 1), [0], np.array(0)):
        with pytest.raises(AddressTypeError):
            tree.get_value(address)


def test_an_ambiguous_name_shows_its_paths():
    with pytest.raises(StateNameError) as caught:
        states()[2].get_value("V")
    assert str(("soma", "V")) in str(caught.value)
    assert str(("dendrites", 0, "V")) in str(caught.value)


def test_tree_writes():
    tree = ETraceTreeState(neuron_tree())
    rest = {path: plain(tree.get_value(path)) for path in PATHS}
    tree.set_value(
        {
            "soma": {"n": np.array([7, 8], np.int16)},
            ("dendrites", 1): [np.array([False, True]), np.zeros((2, 1), np.float32)],
            -1: Quantity(np.array([1.0]), "V V^-1"),
        }
    )
    assert plain(tree.get_value("n")) == plain(np.array([7, 8], np.int32))
    assert plain(tree.get_value(3)) == plain(np.array([False, True]))
    assert plain(tree.get_value(4)) == plain(np.zeros((2, 1)))
    assert plain(tree.get_value("ratio")) == plain(Quantity(np.array([1000.0]), "mV V^-1"))
    for path in PATHS[:1] + PATHS[2:3]:
        assert plain(tree.get_value(path)) == rest[path]
    tree.set_value([tree.get_value(i) for i in range(6)])
    tree.set_value({"soma": {}})
    tree.set_value({(): {"soma": {"n": np.array([0, 0], np.int8)}}})
    assert tree.get_value("n").tolist() == [0, 0]


SOMA_V, SOMA_N = Quantity(np.zeros(2), "mV"), np.zeros(2, np.int32)


@pytest.mark.parametrize(
    ("updates", "error"),
    [
        ({0: SOMA_V, ("soma", "V"): SOMA_V}, DuplicateError),
        ({"soma": {"n": SOMA_N}, "n": SOMA_N}, DuplicateError),
        ({0: SOMA_V, -6: SOMA_V}, DuplicateError),
        ({"soma": {"n": SOMA_N, "x": SOMA_N}}, StructureError),
        ({"soma": SOMA_V}, StructureError),
        ({"soma": [SOMA_V, SOMA_N]}, StructureError),
        ({("dendrites", 1): [np.array([True, True])]}, StructureError),
        ({("dendrites", 1): {0: np.array([True, True])}}, StructureError),
        ({0: SOMA_V, 1: {}}, StructureError),
        ({0: SOMA_V, 1: [SOMA_N]}, StructureError),
        ([SOMA_V] * 5, StructureError),
        ([SOMA_V, SOMA_N], StructureError),
        (SOMA_V, StructureError),
        ({0: SOMA_V, 1: np.zeros(2)}, DtypeError),
        ({0: SOMA_V, 1: SOMA_V}, UnitError),
        ({0: SOMA_V, "n": np.zeros(3, np.int32)}, ShapeError),
        ({0: SOMA_V, "n": None}, ValueTypeError),
        ({0: SOMA_V, "x": SOMA_N}, StateNameError),
        ({0: SOMA_V, 6: SOMA_N}, StateIndexError),
    ],
)
def test_refused_tree_writes_change_nothing(updates, error):
    tree = states(history=2)[2]
    before = plain(tree.value), plain(tree.history)
    with pytest.raises(error, match="'t'"):
        tree.set_value(updates)
    assert (plain(tree.value), plain(tree.history)) == before


def test_whole_tree_has_the_same_structure():
    tree = ETraceTreeState({"a": [np.zeros(1)], "b": (np.zeros(1), np.zeros(1))})
    a, b, x = [np.ones(1)], (np.ones(1), np.ones(1)), np.ones(1)
    for other in (
        {"a": a},
        {"a": a, "b": b, "c": x},
        {"a": tuple(a), "b": b},
        {"a": a, "b": list(b)},
        {"a": a, "b": (*b, x)},
        {"a": x, "b": b},
        {"a": [a], "b": b},
        [a, b],
        x,
        None,
        collections.OrderedDict(a=a, b=b),
    ):
        with pytest.raises(StructureError):
            tree.value = other
    assert not any(tree.get_value(i).any() for i in range(3))
    tree.value = {"b": b, "a": a}
    assert all(tree.get_value(i).all() for i in range(3))


def test_add_leaf():
    tree = ETraceTreeState({"a": {"x": np.zeros(1)}, "b": [np.ones(1)]}, history=2)
    tree.set_value({"x": np.full(1, 5.0)})
    tree.add_leaf(("a", "y"), Quantity(np.full(2, 3), "nA"))
    tree.add_leaf("c", np.float32(4))
    assert tree.num_state == 4
    assert list(tree.value) == ["a", "b", "c"]
    assert list(tree.value["a"]) == ["x", "y"]
    assert plain(tree.get_value(1)) == plain(Quantity(np.full(2, 3), "nA"))
    assert tree.history["a"]["y"].array.tolist() == [[3, 3], [3, 3]]
    assert tree.history["a"]["x"].tolist() == [[0], [0]]
    tree.set_value({"y": Quantity(np.full(2, 6), "nA")})
    assert tree.history["a"]["y"].array.tolist() == [[3, 3], [3, 3]]
    assert tree.history["a"]["x"].tolist() == [[0], [5]]


@pytest.mark.parametrize(
    ("path", "value", "error"),
    [
        ("soma", np.zeros(1), DuplicateError),
        (("dendrites", 0, "V"), np.zeros(1), DuplicateError),
        ((), np.zeros(1), DuplicateError),
        (("x", "y"), np.zeros(1), StateNameError),
        (("ratio", "y"), np.zeros(1), StructureError),
        (("dendrites", 2), np.zeros(1), StructureError),
        (("dendrites", "x"), np.zeros(1), StructureError),
        (("soma", 1), np.zeros(1), StructureError),
        ("x", {}, StructureError),
        ("x", {"y": np.zeros(1)}, StructureError),
        ("x", [np.zeros(1)], StructureError),
        ("x", None, ValueTypeError),
        ("x", 1.0, ValueTypeError),
        (1, np.zeros(1), AddressTypeError),
        (("soma", None), np.zeros(1), AddressTypeError),
        (("soma", True), np.zeros(1), AddressTypeError),
    ],
)
def test_refused_leaves_change_nothing(path, value, error):
    tree = states(history=1)[2]
    before = plain(tree.value), plain(tree.history)
    with pytest.raises(error, match="'t'"):
        tree.add_leaf(path, value)
    assert (plain(tree.value), plain(tree.history)) == before
