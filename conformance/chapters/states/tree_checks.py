"""What tests of trees share."""

from __future__ import annotations

from typing import Any

from conformance.checks import same
from conformance.drawing.strategies import fresh, leaves, replaced


def at(tree: Any, path: tuple[Any, ...]) -> Any:
    """What a tree has at a path."""
    for key in path:
        tree = tree[key]
    return tree


def check_order(implementation: Any, tree: Any) -> None:
    """Each leaf is at its index, before and after a write of the whole tree."""
    state = implementation.make("tree", tree)
    found = leaves(tree)
    assert implementation.num_state(state) == len(found)
    for index, (path, leaf) in enumerate(found.items()):
        same(implementation.get(state, index), leaf, f"get({index}), which is {path}")
    implementation.write(state, replaced(tree, {path: fresh(x, 5) for path, x in found.items()}))
    for index, leaf in enumerate(found.values()):
        same(implementation.get(state, index), fresh(leaf, 5), f"get({index}) after a write")
