"""SPEC.md, chapter 4: trees deeper than a handful of containers, and lists of more than ten."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from conformance.chapters.states.tree_checks import at, check_order
from conformance.checks import check_same
from conformance.drawing.strategies import DEEP, LEAF, LONG, fill, leaves, real, replace_leaves
from conformance.protocol.implementation import Value

LARGE = pytest.mark.parametrize("structure", [DEEP, LONG], ids=["deep", "long"])


@pytest.mark.clauses("TREE-2")
@LARGE
def test_leaf_order_of_large_trees(implementation, structure):
    """Deeper than six containers; of lists of more than ten entries."""
    check_order(implementation, count_leaves(implementation, structure))


def count_leaves(implementation, structure):
    """Make a tree of a structure, whose leaves count from 0 in leaf order."""
    numbers = itertools.count()
    dtype = real(implementation.precision)
    return fill(structure, lambda: Value(np.full(2, next(numbers) + 1 / 3, dtype), "mV"))


@pytest.mark.clauses("TREE-6", "TREE-8")
@LARGE
def test_paths_of_large_trees(implementation, structure):
    """Each leaf, and each container on the way to one; then all leaves are written by path."""
    tree = count_leaves(implementation, structure)
    state = implementation.make("tree", tree)
    leaves_by_path = leaves(tree)
    for way in {path[:i] for path in leaves_by_path for i in range(len(path) + 1)}:
        check_same(implementation.get(state, way), at(tree, way), f"get({way})")
    new = {path: Value(-leaf.array, leaf.unit) for path, leaf in leaves_by_path.items()}
    implementation.set(state, new)
    check_same(implementation.read(state), replace_leaves(tree, new), "read after set of all paths")


@pytest.mark.clauses("TREE-7")
def test_positions_beyond_ten_are_names(implementation):
    tree = {"l": count_leaves(implementation, [LEAF] * 13)}
    state = implementation.make("tree", tree)
    for i in range(13):
        check_same(
            implementation.get(state, str(i)), tree["l"][i], f"get({str(i)!r}) of a list of 13"
        )


@pytest.mark.clauses("TREE-9")
def test_set_all_of_a_long_tree(implementation):
    tree = count_leaves(implementation, LONG)
    state = implementation.make("tree", tree)
    new = {path: Value(-leaf.array, leaf.unit) for path, leaf in leaves(tree).items()}
    implementation.set(state, [*new.values()])
    check_same(implementation.read(state), replace_leaves(tree, new), "read after set of a list")


@pytest.mark.clauses("TREE-14")
def test_add_leaf_deep_down(implementation):
    tree = count_leaves(implementation, DEEP)
    state = implementation.make("tree", tree)
    leaf = Value(np.ones(3, real(implementation.precision)), "nA")
    path = ("b", "e", 0, "a", 0, "z", "a")
    implementation.add_leaf(state, path, leaf)
    at(tree, path[:-1])["a"] = leaf
    check_same(implementation.read(state), tree, f"read after add_leaf({path})")
    check_same(implementation.get(state, 2), leaf, f"get(2) after add_leaf({path})")
