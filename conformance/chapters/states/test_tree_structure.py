"""SPEC.md, chapter 4: the corners of paths, names and containers."""

from __future__ import annotations

import collections
from typing import NamedTuple

import numpy as np
import pytest

from conformance.checks import check_refusal, check_same, raises
from conformance.protocol.implementation import Value


def leaf(number, shape=(2,)):
    return Value(np.full(shape, number, np.float32), "mV")


class Pair(NamedTuple):
    a: Value
    b: Value


LEAF = leaf(0)


def cell():
    """Named containers below a list, and a name that is a container's and no leaf's."""
    return {
        "z": leaf(0),
        "sections": [{"inner": {"V": leaf(1), "n": leaf(2)}}, (leaf(3), leaf(4))],
        "a": leaf(5),
    }


@pytest.fixture
def state(implementation):
    return implementation.make("tree", cell(), state_name="h")


@pytest.mark.clauses("TREE-4")
@pytest.mark.parametrize(
    "tree",
    [
        {LEAF},
        frozenset({LEAF}),
        collections.OrderedDict(a=LEAF),
        collections.deque([LEAF]),
        Pair(LEAF, LEAF),
        {"a": LEAF, "b": collections.OrderedDict(c=LEAF)},
        {"a": [Pair(LEAF, LEAF)]},
        {"a": LEAF, True: LEAF},
        {"a": LEAF, b"b": LEAF},
    ],
)
def test_a_container_of_another_type(implementation, tree):
    raises("StructureError", implementation.make, "tree", tree)


@pytest.mark.clauses("TREE-6")
def test_the_path_without_steps_is_the_root(implementation, state):
    check_same(implementation.get(state, ()), cell(), "get(())")


@pytest.mark.clauses("TREE-8")
def test_set_at_the_root(implementation, state):
    implementation.set(state, {(): {"a": leaf(7)}})
    check_same(
        implementation.read(state), {**cell(), "a": leaf(7)}, "read after set of {(): {'a': …}}"
    )


@pytest.mark.clauses("TREE-11")
def test_the_root_names_every_leaf(implementation, state):
    updates = {(): {"a": leaf(7)}, "a": leaf(7)}
    check_refusal(implementation, state, "DuplicateError", "set", updates)


@pytest.mark.clauses("TREE-6")
@pytest.mark.parametrize("integer", [np.int64, np.uint8])
def test_a_position_may_be_a_numpy_integer(implementation, state, integer):
    path = ("sections", integer(1), integer(0))
    check_same(implementation.get(state, path), leaf(3), f"get({path})")
    implementation.set(state, {path: leaf(7)})
    check_same(implementation.get(state, 3), leaf(7), f"get(3) after a set at {path}")


@pytest.mark.clauses("TREE-12")
@pytest.mark.parametrize(
    "path", [("sections", "0", "inner"), ("sections", "1", 0), (0,), ("sections", 0, 0), (-1,)]
)
def test_a_path_has_positions_in_lists_and_keys_in_dicts(implementation, state, path):
    """Neither a position in decimal nor the position of a dict's key is a step of a path."""
    raises("StateNameError", implementation.get, state, path)
    check_refusal(implementation, state, "StateNameError", "set", {path: LEAF})


@pytest.mark.clauses("TREE-7")
@pytest.mark.parametrize("name", ["inner", "0 ", "sections/0", "z.a"])
def test_only_leaves_and_keys_of_the_root_have_names(implementation, state, name):
    raises("StateNameError", implementation.get, state, name)
    check_refusal(implementation, state, "StateNameError", "set", {name: LEAF})


@pytest.mark.clauses("TREE-7")
@pytest.mark.parametrize("root", [list, tuple])
def test_names_below_a_root_without_keys(implementation, root):
    state = implementation.make("tree", root([leaf(0), {"V": leaf(1)}, leaf(2)]))
    for name, number in (("0", 0), ("V", 1), ("2", 2)):
        check_same(
            implementation.get(state, name), leaf(number), f"get({name!r}) of a {root.__name__}"
        )
    raises("StateNameError", implementation.get, state, "1")


@pytest.mark.clauses("TREE-13")
def test_write_of_another_container_further_down(implementation, state):
    other = cell()
    other["sections"][1] = list(other["sections"][1])
    check_refusal(implementation, state, "StructureError", "write", other)
    other["sections"] = tuple(cell()["sections"])
    check_refusal(implementation, state, "StructureError", "write", other)


@pytest.mark.clauses("TREE-13")
def test_write_in_another_order_further_down(implementation, state):
    new = cell()
    new["sections"][0] = {"inner": {"n": leaf(8), "V": leaf(9)}}
    implementation.write(state, dict(reversed(new.items())))
    new_tree = cell()
    new_tree["sections"][0] = {"inner": {"V": leaf(9), "n": leaf(8)}}
    check_same(
        implementation.read(state), new_tree, "read after writing inner keys in another order"
    )
    check_same(
        implementation.get(state, 1), leaf(9), "get(1) after writing inner keys in another order"
    )


@pytest.mark.clauses("TREE-14")
def test_add_leaf_keeps_what_was_written(implementation, state):
    implementation.set(state, {"a": leaf(7), "V": leaf(8)})
    implementation.add_leaf(state, "b", leaf(9))
    new_tree = {**cell(), "a": leaf(7), "b": leaf(9)}
    new_tree["sections"][0]["inner"]["V"] = leaf(8)
    check_same(implementation.read(state), new_tree, "read after set and add_leaf")


@pytest.mark.clauses("TREE-14")
@pytest.mark.parametrize(
    ("path", "index"), [(("sections", 0, "b"), 3), (("sections", 0, "inner", "b"), 3)]
)
def test_add_leaf_below_a_list(implementation, state, path, index):
    implementation.add_leaf(state, path, leaf(9, (1,)))
    new_tree = cell()
    inside = new_tree["sections"][0]
    (inside["inner"] if len(path) == 4 else inside)["b"] = leaf(9, (1,))
    check_same(implementation.read(state), new_tree, f"read after add_leaf({path})")
    check_same(
        implementation.get(state, index), leaf(9, (1,)), f"get({index}) after add_leaf({path})"
    )


@pytest.mark.clauses("TREE-15")
@pytest.mark.parametrize(("root", "path"), [(list, "b"), (tuple, ("b",)), (list, (1,))])
def test_add_leaf_to_a_root_without_keys(implementation, root, path):
    state = implementation.make("tree", root([LEAF]))
    check_refusal(implementation, state, "StructureError", "add_leaf", path, LEAF)


@pytest.mark.clauses("TREE-15")
@pytest.mark.parametrize(
    ("error", "path"),
    [
        ("DuplicateError", ()),
        ("DuplicateError", ("sections", 0, "inner")),
        ("DuplicateError", ("sections", 1)),
        ("StateNameError", ("sections", 2, "x")),
        ("StateNameError", ("z", "x", "y")),
        ("StructureError", ("sections", 2)),
        ("StructureError", ("sections", 1, "x")),
        ("StructureError", ("sections", 0, 1)),
    ],
)
def test_add_leaf_at_a_bad_path(implementation, state, error, path):
    check_refusal(implementation, state, error, "add_leaf", path, LEAF)
    assert implementation.num_state(state) == 6, f"num_state after a refused add_leaf({path})"
