"""The structure of a tree of leaves: its containers, its paths and its order.

JAX sorts the keys of a dict when it takes a tree apart, and what it puts together again has them
sorted. A tree state promises the order in which its tree was given (TREE-1, TREE-2), so it keeps
that order here, in a `Layout`, and puts its value together by it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import (
    AddressTypeError,
    DuplicateError,
    StateIndexError,
    StateNameError,
    StructureError,
)

Key = str | int
Path = tuple[Key, ...]


@dataclasses.dataclass(frozen=True)
class Layout:
    """A tree without its leaves.

    Parameters
    ----------
    container : type
        `dict`, `list` or `tuple`; None for a leaf.
    keys : tuple
        The container's keys or positions, in the order given.
    children : tuple of Layout
        What is at each key.
    """

    container: type | None
    keys: tuple[Key, ...] = ()
    children: tuple[Layout, ...] = ()

    def paths(self, above: Path = ()) -> Iterator[Path]:
        """Give the paths of the leaves below, in leaf order."""
        if self.container is None:
            yield above
        for key, child in zip(self.keys, self.children, strict=True):
            yield from child.paths((*above, key))

    def child(self, key: Any) -> Layout | None:
        """Find what is at a key, None where there is no such key."""
        # True == 1 and 1.0 == 1, but neither is a position.
        if type(key) is not (str if self.container is dict else int) or key not in self.keys:
            return None
        return self.children[self.keys.index(key)]

    def at(self, path: Path) -> Layout | None:
        """Find what is at a path, None where there is nothing."""
        node: Layout | None = self
        for key in path:
            node = node and node.child(key)
        return node

    def build(self, leaf_at: Callable[[Path], Any], above: Path = ()) -> Any:
        """Build the tree of this layout with `leaf_at(path)` as its leaves."""
        if self.container is None:
            return leaf_at(above)
        entries = [
            child.build(leaf_at, (*above, key))
            for key, child in zip(self.keys, self.children, strict=True)
        ]
        if self.container is dict:
            return dict(zip(self.keys, entries, strict=True))
        return self.container(entries)

    def with_leaf(self, path: Path) -> Layout:
        """Make this layout with one more leaf at the end of the dict above it (TREE-14)."""
        if not path:
            return Layout(None)
        key, rest = path[0], path[1:]
        if not rest:
            return Layout(dict, (*self.keys, key), (*self.children, Layout(None)))
        children = tuple(
            child.with_leaf(rest) if k == key else child
            for k, child in zip(self.keys, self.children, strict=True)
        )
        return dataclasses.replace(self, children=children)


def lookup(tree: Any, path: Path) -> Any:
    """Look up what a tree holds at a path that it has."""
    for key in path:
        tree = tree[key]
    return tree


def layout_of(tree: Any, where: str, *, root: bool = True) -> Layout:
    """Read the layout of a tree as it was given (TREE-4)."""
    container = type(tree)
    if container not in (dict, list, tuple):
        if root or isinstance(tree, (Mapping, list, tuple)):
            raise StructureError(
                f"{where} needs a dict, a list or a tuple, got {container.__name__}",
                got=container,
                needs=(dict, list, tuple),
            )
        return Layout(None)
    if not tree:
        raise StructureError(f"{where} has an empty {container.__name__}; it needs an entry")
    keys = tuple(tree) if container is dict else tuple(range(len(tree)))
    for key in keys:
        if container is dict and type(key) is not str:
            raise StructureError(f"{where} needs dict keys that are text, got {key!r}", got=key)
    children = tuple(layout_of(tree[k], f"{where}{[k]}", root=False) for k in keys)
    return Layout(container, keys, children)


def check_same(layout: Layout, tree: Any, where: str) -> None:
    """Refuse a tree that does not have this layout, whatever the order of its keys (TREE-13)."""
    if layout.container is None:
        if isinstance(tree, (Mapping, list, tuple)):
            raise StructureError(
                f"{where} is one leaf, got a {type(tree).__name__}", got=type(tree), needs="leaf"
            )
        return
    if type(tree) is not layout.container:
        raise StructureError(
            f"{where} is a {layout.container.__name__}, got a {type(tree).__name__}",
            got=type(tree),
            needs=layout.container,
        )
    got = set(tree) if layout.container is dict else set(range(len(tree)))
    if got != set(layout.keys):
        raise StructureError(
            f"{where} has the entries {list(layout.keys)}, got {sorted(got, key=str)}",
            got=got,
            needs=layout.keys,
        )
    for key, child in zip(layout.keys, layout.children, strict=True):
        check_same(child, tree[key], f"{where}{[key]}")


def as_index(address: Any, count: int, where: str) -> int:
    """Check an index, and count it from 0, whether Python's or NumPy's, negative or not."""
    index = int(address)
    if not -count <= index < count:
        raise StateIndexError(
            f"{where} has {count} states, got index {index}; it needs {-count} to {count - 1}",
            got=index,
            needs=count,
        )
    return index % count


def is_index(address: Any) -> bool:
    """Whether an address is an integer: a boolean is none."""
    return isinstance(address, (int, np.integer)) and not isinstance(address, (bool, np.bool_))


def check_address(address: Any, where: str, *, path: bool) -> None:
    """Refuse an address of a type that names nothing (GROUP-10, TREE-12)."""
    steps = address if path and isinstance(address, tuple) else (address,)
    if not all(isinstance(step, str) or is_index(step) for step in steps):
        kinds = "an index, a name or a path" if path else "an index or a name"
        raise AddressTypeError(f"{where} is addressed by {kinds}, got {address!r}", got=address)


def resolve(layout: Layout, address: Any, where: str) -> Path:
    """Find the path that an index, a name or a path stands for (TREE-5 to TREE-7, TREE-12)."""
    check_address(address, where, path=True)
    paths = list(layout.paths())
    if is_index(address):
        return paths[as_index(address, len(paths), where)]
    if isinstance(address, str):
        if layout.child(address) is not None:
            return (address,)
        matches = [path for path in paths if str(path[-1]) == address]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise StateNameError(
                f"{where} has several leaves named {address!r}: {matches}; give a path",
                got=address,
                needs=matches,
            )
    else:
        path = tuple(int(step) if is_index(step) else str(step) for step in address)
        if layout.at(path) is not None:
            return path
    raise StateNameError(f"{where} has no {address!r}; it has {paths}", got=address, needs=paths)


def resolve_updates(
    layout: Layout, updates: Mapping[Any, Any] | Sequence[Any], where: str
) -> dict[Path, Any]:
    """Find what an update writes to which leaf (TREE-8, TREE-9, TREE-11)."""
    if isinstance(updates, (list, tuple)):
        paths = list(layout.paths())
        if len(updates) != len(paths):
            raise StructureError(
                f"{where} has {len(paths)} leaves, got {len(updates)} values",
                got=len(updates),
                needs=len(paths),
            )
        updates = dict(zip(paths, updates, strict=True))
    if not isinstance(updates, Mapping):
        raise StructureError(
            f"{where} needs a mapping from addresses or a list of all leaves, "
            f"got {type(updates).__name__}",
            got=type(updates),
        )
    leaves: dict[Path, Any] = {}
    for address, value in updates.items():
        path = resolve(layout, address, where)
        node = layout.at(path)
        assert node is not None  # What an address is resolved to is there.
        for leaf_path, leaf in _walk(node, path, value, where):
            if leaf_path in leaves:
                raise DuplicateError(f"{where} is given {leaf_path} twice", got=leaf_path)
            leaves[leaf_path] = leaf
    return leaves


def _walk(layout: Layout, path: Path, value: Any, where: str) -> Iterator[tuple[Path, Any]]:
    """Walk the leaves that a value writes at and below a path."""
    here = f"{where}{list(path)}"
    if layout.container is None:
        check_same(layout, value, here)
        yield path, value
    elif layout.container is dict:
        if not isinstance(value, Mapping):
            raise StructureError(f"{here} is a dict, got a {type(value).__name__}", got=type(value))
        for key, entry in value.items():
            child = layout.child(key)
            if child is None:
                raise StructureError(
                    f"{here} has no {key!r}; it has {list(layout.keys)}", got=key, needs=layout.keys
                )
            yield from _walk(child, (*path, key), entry, where)
    else:
        if not isinstance(value, (list, tuple)) or len(value) != len(layout.keys):
            raise StructureError(
                f"{here} has {len(layout.keys)} entries, got {_describe(value)}",
                got=value,
                needs=len(layout.keys),
            )
        for key, child, entry in zip(layout.keys, layout.children, value, strict=True):
            yield from _walk(child, (*path, key), entry, where)


def _describe(value: Any) -> str:
    kind = type(value).__name__
    return f"a {kind} of {len(value)}" if isinstance(value, (list, tuple)) else f"a {kind}"
