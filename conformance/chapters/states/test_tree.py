"""SPEC.md, chapter 4: tree states."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from conformance.chapters.states.tree_checks import at, check_order
from conformance.checks import check_refusal, check_same, raises
from conformance.drawing.strategies import leaves, replace_leaves, trees
from conformance.protocol.implementation import Value

CELL = {
    "V": Value(np.array([1, 2], np.float32), "mV"),
    "soma": {"V": Value(np.array([3], np.float32), "mV"), "n": Value(np.array([4], np.int32))},
    "I": [Value(np.array([5, 6], np.float32), "nA"), Value(np.array(True))],
    "b": (Value(np.array([[7]], np.float16), "mV V^-1"),),
}
PATHS = [("V",), ("soma", "V"), ("soma", "n"), ("I", 0), ("I", 1), ("b", 0)]
"""The leaves of `CELL`, in leaf order."""


@pytest.fixture
def cell(implementation):
    return implementation.make("tree", CELL, state_name="h")


def other(value, seed=1):
    """A value of the same kind with other numbers."""
    return Value(
        np.array(~value.array if value.array.dtype == bool else value.array + seed), value.unit
    )


@pytest.mark.clauses("TREE-1")
def test_leaves_keep_what_they_are(implementation, cell):
    check_same(implementation.read(cell), CELL, "read of a tree of mixed leaves")
    big = {"n": Value(np.array([2**24 + 1], np.int32)), "x": Value(np.array([0.5], np.float16))}
    state = implementation.make("tree", big)
    check_same(implementation.read(state), big, "an integer beside a float")
    check_same(implementation.get(state, "n"), big["n"], "an integer beside a float, by name")


@pytest.mark.clauses("TREE-2")
@hypothesis.given(data=st.data())
def test_leaf_order_is_that_given(implementation, data):
    check_order(implementation, data.draw(trees(implementation.precision)))


@pytest.mark.clauses("TREE-3")
@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
def test_common_shape(implementation, shape):
    leaf = Value(np.zeros(shape, np.float32), "mV")
    state = implementation.make("tree", {"a": leaf, "b": [leaf, leaf]})
    assert tuple(implementation.varshape(state)) == shape


@pytest.mark.clauses("TREE-3")
@pytest.mark.parametrize("shapes", [((2,), (3,)), ((), (1,)), ((3,), (3, 1))])
def test_no_common_shape(implementation, shapes):
    tree = [Value(np.zeros(shape, np.float32)) for shape in shapes]
    state = implementation.make("tree", tree)
    caught = raises("NoCommonShapeError", implementation.varshape, state)
    assert "leaf" in str(caught), f"the message must say to ask each leaf, says {caught}"


LEAF = CELL["V"]


@pytest.mark.clauses("TREE-4")
@pytest.mark.parametrize(
    ("error", "tree"),
    [
        ("StructureError", LEAF),
        ("StructureError", None),
        ("StructureError", {}),
        ("StructureError", []),
        ("StructureError", ()),
        ("StructureError", {"a": LEAF, "b": {}}),
        ("StructureError", {"a": LEAF, "b": [()]}),
        ("StructureError", {1: LEAF}),
        ("StructureError", {"a": {None: LEAF}}),
        ("StructureError", {("a",): LEAF}),
        ("ValueTypeError", {"a": None}),
        ("ValueTypeError", {"a": LEAF, "b": 1.0}),
        ("ValueTypeError", [LEAF, "text"]),
        ("ValueTypeError", (LEAF, [LEAF, {"c": True}])),
    ],
)
def test_what_is_no_tree(implementation, error, tree):
    raises(error, implementation.make, "tree", tree)


@pytest.mark.clauses("TREE-5")
def test_get_by_index(implementation, cell):
    for index, path in enumerate(PATHS):
        for address in (index, index - len(PATHS), np.int64(index), np.int32(index - len(PATHS))):
            check_same(implementation.get(cell, address), at(CELL, path), f"get({address!r})")


@pytest.mark.clauses("TREE-6")
@pytest.mark.parametrize("path", [*PATHS, ("soma",), ("I",), ("b",)])
def test_get_by_path(implementation, cell, path):
    check_same(implementation.get(cell, path), at(CELL, path), f"get({path})")


@pytest.mark.clauses("TREE-6")
def test_get_by_a_path_that_begins_with_a_position(implementation):
    state = implementation.make("tree", (LEAF, {"a": [LEAF, other(LEAF)]}))
    check_same(implementation.get(state, (1, "a", 1)), other(LEAF), "get((1, 'a', 1))")
    check_same(implementation.get(state, (0,)), LEAF, "get((0,))")


@pytest.mark.clauses("TREE-7")
@pytest.mark.parametrize(
    ("name", "path"), [("V", ("V",)), ("n", ("soma", "n")), ("soma", ("soma",)), ("1", ("I", 1))]
)
def test_get_by_name(implementation, cell, name, path):
    check_same(implementation.get(cell, name), at(CELL, path), f"get({name!r})")


@pytest.mark.clauses("TREE-7")
def test_names_of_any_alphabet(implementation):
    keys = ("V_θ", "été", "細胞", "Ω", "é", "e", "ß", "ss", "𝛼", "a b", "")
    leaves = {key: Value(np.array([k], np.int32)) for k, key in enumerate(keys)}
    state = implementation.make("tree", {"μ": leaves})
    check_same(
        implementation.read(state), {"μ": leaves}, "read of a tree with keys of any alphabet"
    )
    for key in keys:
        check_same(implementation.get(state, key), leaves[key], f"get({key!r})")
        implementation.set(state, {("μ", key): leaves["e"]})
        check_same(implementation.get(state, key), leaves["e"], f"get({key!r}) after a set")


@pytest.mark.clauses("TREE-7")
def test_a_key_of_the_root_comes_first(implementation):
    tree = {"a": {"V": other(LEAF)}, "V": LEAF}
    state = implementation.make("tree", tree)
    check_same(
        implementation.get(state, "V"), LEAF, "get('V') of a tree with V at the root and below"
    )


@pytest.mark.clauses("TREE-7")
def test_an_ambiguous_name_is_refused(implementation):
    tree = {"soma": {"V": LEAF, "n": LEAF}, "axon": {"V": LEAF}}
    state = implementation.make("tree", tree)
    caught = raises("StateNameError", implementation.get, state, "V")
    for section in ("soma", "axon"):
        assert section in str(caught), f"the message must give the paths, says {caught}"
    check_refusal(implementation, state, "StateNameError", "set", {"V": other(LEAF)})


@pytest.mark.clauses("TREE-8")
@pytest.mark.parametrize(
    "named",
    [
        {"V": ("V",)},
        {0: ("V",), -1: ("b", 0)},
        {np.int64(1): ("soma", "V")},
        {"n": ("soma", "n"), ("I", 1): ("I", 1)},
        {("soma", "V"): ("soma", "V"), "1": ("I", 1), 5: ("b", 0)},
    ],
)
def test_set_some(implementation, cell, named):
    new = {path: other(at(CELL, path)) for path in named.values()}
    implementation.set(cell, {address: new[path] for address, path in named.items()})
    check_same(
        implementation.read(cell), replace_leaves(CELL, new), f"read after set of {list(named)}"
    )


@pytest.mark.clauses("TREE-8")
@pytest.mark.parametrize(
    ("updates", "paths"),
    [
        (lambda new: {"soma": {"n": new["soma", "n"]}}, [("soma", "n")]),
        (lambda new: {("soma",): {"V": new["soma", "V"], "n": new["soma", "n"]}}, PATHS[1:3]),
        (lambda new: {"I": [new["I", 0], new["I", 1]]}, PATHS[3:5]),
        (lambda new: {"b": [new["b", 0]], "V": new["V",]}, [("b", 0), ("V",)]),
        (lambda new: {"soma": {}}, []),
        (lambda new: {}, []),
    ],
)
def test_set_below_a_container(implementation, cell, updates, paths):
    new = {path: other(at(CELL, path)) for path in PATHS}
    implementation.set(cell, updates(new))
    new_tree = replace_leaves(CELL, {path: new[path] for path in paths})
    check_same(implementation.read(cell), new_tree, f"read after set below {paths}")


@pytest.mark.clauses("TREE-8")
@pytest.mark.parametrize(
    "bad",
    [
        {"soma": LEAF},
        {"soma": [LEAF, LEAF]},
        {"soma": {"nose": LEAF}},
        {"I": LEAF},
        {"I": [CELL["I"][0]]},
        {"I": {0: CELL["I"][0]}},
        {"V": [LEAF]},
        {"V": {"a": LEAF}},
        {"V": ()},
    ],
)
def test_set_of_another_structure(implementation, cell, bad):
    check_refusal(implementation, cell, "StructureError", "set", bad)
    check_refusal(
        implementation, cell, "StructureError", "set", {2: other(CELL["soma"]["n"]), **bad}
    )


@pytest.mark.clauses("TREE-9")
@pytest.mark.parametrize("container", [list, tuple])
def test_set_all(implementation, cell, container):
    new = {path: other(at(CELL, path)) for path in PATHS}
    implementation.set(cell, container(new.values()))
    check_same(
        implementation.read(cell),
        replace_leaves(CELL, new),
        f"read after set of a {container.__name__}",
    )


@pytest.mark.clauses("TREE-9")
@pytest.mark.parametrize("count", [0, 1, 5, 7])
def test_set_another_number(implementation, cell, count):
    entries = [other(at(CELL, PATHS[i % len(PATHS)])) for i in range(count)]
    check_refusal(implementation, cell, "StructureError", "set", entries)


@pytest.mark.clauses("TREE-10")
@pytest.mark.parametrize("method", ["set", "write"])
@pytest.mark.parametrize(
    ("error", "path", "bad"),
    [
        ("ShapeError", ("soma", "V"), Value(np.ones(2, np.float32), "mV")),
        ("UnitError", ("soma", "V"), Value(np.ones(1, np.float32), "nA")),
        ("UnitError", ("I", 0), Value(np.ones(2, np.float32))),
        ("UnitError", ("b", 0), Value(np.ones((1, 1), np.float16))),
        ("DtypeError", ("soma", "n"), Value(np.ones(1, np.float32))),
        ("DtypeError", ("b", 0), Value(np.ones((1, 1), np.float32), "mV V^-1")),
        ("ValueTypeError", ("I", 1), True),
        ("ValueTypeError", ("V",), None),
    ],
)
def test_one_bad_leaf_refuses_all(implementation, cell, method, error, path, bad):
    new = {p: other(at(CELL, p)) for p in PATHS} | {path: bad}
    check_refusal(
        implementation, cell, error, method, new if method == "set" else replace_leaves(CELL, new)
    )


@pytest.mark.clauses("TREE-11")
@pytest.mark.parametrize(
    "pair",
    [
        {0: LEAF, "V": LEAF},
        {"V": LEAF, ("V",): LEAF},
        {2: CELL["soma"]["n"], "n": CELL["soma"]["n"]},
        {5: CELL["b"][0], -1: CELL["b"][0]},
        {"soma": {"V": CELL["soma"]["V"]}, ("soma", "V"): CELL["soma"]["V"]},
        {"I": CELL["I"], "1": CELL["I"][1]},
    ],
)
def test_named_twice(implementation, cell, pair):
    check_refusal(implementation, cell, "DuplicateError", "set", pair)


BAD_ADDRESSES = [
    ("StateIndexError", 6),
    ("StateIndexError", -7),
    ("StateIndexError", np.int64(6)),
    ("StateNameError", "nose"),
    ("StateNameError", "v"),
    ("StateNameError", ("nose",)),
    ("StateNameError", ("soma", "nose")),
    ("StateNameError", ("I", 2)),
    ("StateNameError", ("I", -1)),
    ("StateNameError", ("V", "deeper")),
    ("AddressTypeError", True),
    ("AddressTypeError", 1.0),
    ("AddressTypeError", None),
    ("AddressTypeError", ("soma", None)),
    ("AddressTypeError", ("I", 0.0)),
    ("AddressTypeError", ("I", True)),
]


@pytest.mark.clauses("TREE-12")
@pytest.mark.parametrize(("error", "address"), BAD_ADDRESSES)
def test_get_at_a_bad_address(implementation, cell, error, address):
    raises(error, implementation.get, cell, address)


@pytest.mark.clauses("TREE-12")
@pytest.mark.parametrize(("error", "address"), BAD_ADDRESSES)
def test_set_at_a_bad_address(implementation, cell, error, address):
    check_refusal(implementation, cell, error, "set", {address: LEAF})
    check_refusal(implementation, cell, error, "set", {"V": other(LEAF), address: LEAF})


@pytest.mark.clauses("TREE-13")
def test_write_in_another_order(implementation, cell):
    new = {path: other(at(CELL, path)) for path in PATHS}
    tree = replace_leaves(CELL, new)
    implementation.write(cell, dict(reversed(tree.items())))
    check_same(implementation.read(cell), tree, "read after writing the keys in another order")
    check_same(
        implementation.get(cell, 0), new["V",], "leaf 0 after writing the keys in another order"
    )


@pytest.mark.clauses("TREE-13")
@pytest.mark.parametrize(
    "tree",
    [
        LEAF,
        None,
        [LEAF],
        {"V": LEAF},
        {**CELL, "more": LEAF},
        {**CELL, "V": [LEAF]},
        {**CELL, "I": tuple(CELL["I"])},
        {**CELL, "I": CELL["I"][:1]},
        {**CELL, "I": [*CELL["I"], LEAF]},
        {**CELL, "soma": LEAF},
        {**CELL, "soma": {"V": CELL["soma"]["V"], "m": CELL["soma"]["n"]}},
    ],
)
def test_write_of_another_structure(implementation, cell, tree):
    check_refusal(implementation, cell, "StructureError", "write", tree)


@pytest.mark.clauses("TREE-14")
@pytest.mark.parametrize(
    ("address", "path"), [("aa", ("aa",)), (("aa",), ("aa",)), (("soma", "aa"), ("soma", "aa"))]
)
def test_add_leaf(implementation, cell, address, path):
    new = Value(np.array([[1, 2]], np.int8), "pA")
    implementation.add_leaf(cell, address, new)
    new_tree = {**CELL, "soma": dict(CELL["soma"])}
    at(new_tree, path[:-1])[path[-1]] = new
    check_same(implementation.read(cell), new_tree, f"read after add_leaf({address!r})")
    assert implementation.num_state(cell) == len(PATHS) + 1
    for index, leaf in enumerate(leaves(new_tree).values()):
        check_same(
            implementation.get(cell, index), leaf, f"get({index}) after add_leaf({address!r})"
        )
    implementation.set(cell, {address: other(new)})
    check_same(
        implementation.get(cell, address), other(new), "get of the added leaf after writing it"
    )


@pytest.mark.clauses("TREE-15")
@pytest.mark.parametrize(
    ("error", "path", "value"),
    [
        ("DuplicateError", "V", LEAF),
        ("DuplicateError", "soma", LEAF),
        ("DuplicateError", ("soma", "V"), LEAF),
        ("StateNameError", ("nose", "V"), LEAF),
        ("StateNameError", ("soma", "x", "y"), LEAF),
        ("StructureError", ("I", 2), LEAF),
        ("StructureError", ("V", "x"), LEAF),
        ("ValueTypeError", "x", None),
        ("ValueTypeError", ("soma", "x"), 1.0),
    ],
)
def test_add_a_bad_leaf(implementation, cell, error, path, value):
    check_refusal(implementation, cell, error, "add_leaf", path, value)
    assert implementation.num_state(cell) == len(PATHS)
