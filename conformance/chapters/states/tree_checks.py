"""Checks that tests of trees share."""

from __future__ import annotations

from typing import Any

from conformance.checks import check_same
from conformance.drawing.strategies import fresh, leaves, replace_leaves


def at(tree: Any, path: tuple[Any, ...]) -> Any:
    """The entry of a tree at a path."""
    for key in path:
        tree = tree[key]
    return tree


def check_order(implementation: Any, tree: Any) -> None:
    """Each leaf is at its index, before and after a write of the whole tree."""
    state = implementation.make("tree", tree)
    leaves_by_path = leaves(tree)
    assert implementation.num_state(state) == len(leaves_by_path)
    for index, (path, leaf) in enumerate(leaves_by_path.items()):
        check_same(implementation.get(state, index), leaf, f"get({index}), which is {path}")
    implementation.write(
        state, replace_leaves(tree, {path: fresh(x, 5) for path, x in leaves_by_path.items()})
    )
    for index, leaf in enumerate(leaves_by_path.values()):
        check_same(implementation.get(state, index), fresh(leaf, 5), f"get({index}) after a write")
