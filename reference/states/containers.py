"""Trees, paths and addresses: SPEC.md, chapter 4.

A tree is a dict with text keys, a list or a tuple of trees and leaves. Nothing here changes a tree:
what would be changed is built anew, so copies of a state may share theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import (
    AddressTypeError,
    DuplicateError,
    StateIndexError,
    StateNameError,
    StructureError,
)
from ..values import is_integer

Path = tuple[str | int, ...]


def is_tree(value: Any) -> bool:
    """Whether `value` is a container of the types that trees have."""
    return type(value) in (dict, list, tuple)


def is_container(value: Any) -> bool:
    """Whether `value` has entries, be it of a tree or not. Arrays and text are leaves."""
    return isinstance(value, Collection) and not isinstance(
        value, str | bytes | bytearray | memoryview | np.ndarray
    )


def entries(tree: Any) -> list[tuple[str | int, Any]]:
    """The keys or positions of a container, each with its entry, in order."""
    return list(tree.items() if isinstance(tree, Mapping) else enumerate(tree))


def rebuild(tree: Any, values: list) -> Any:
    """Make a container of the type and keys of `tree` with other entries."""
    return dict(zip(tree, values, strict=True)) if type(tree) is dict else type(tree)(values)


def leaves(tree: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Each leaf with its path, in leaf order: depth first, dicts as they were filled (TREE-2)."""
    if not is_tree(tree):
        yield path, tree
        return
    for key, entry in entries(tree):
        yield from leaves(entry, (*path, key))


def map_leaves(function: Callable[[Path, Any], Any], tree: Any, path: Path = ()) -> Any:
    """Make a tree of the same structure, each leaf replaced by `function(path, leaf)`."""
    if not is_tree(tree):
        return function(path, tree)
    return rebuild(tree, [map_leaves(function, v, (*path, key)) for key, v in entries(tree)])


def check(tree: Any, subject: str, path: Path = ()) -> None:
    """Refuse with StructureError what is no tree (TREE-4). Leaves are not checked."""
    where = f"{subject}, path {path!r}"
    needs = "a dict with text keys, a list or a tuple, with at least one entry"
    if not is_tree(tree):
        if path == () or is_container(tree):
            raise StructureError(where, f"something of type {type(tree).__name__}", needs)
        return
    if not tree:
        raise StructureError(where, f"an empty {type(tree).__name__}", needs)
    for key, entry in entries(tree):
        if type(tree) is dict and not isinstance(key, str):
            raise StructureError(where, f"the key {key!r}", needs)
        check(entry, subject, (*path, key))


def has(tree: Any, path: Path) -> bool:
    """Whether `path` leads to a leaf or a container of `tree`."""
    for key in path:
        children = dict(entries(tree)) if is_tree(tree) else {}
        if key not in children:
            return False
        tree = children[key]
    return True


def node(tree: Any, path: Path) -> Any:
    """The leaf or container that `path` leads to."""
    for key in path:
        tree = tree[key]
    return tree


def resolve(tree: Any, address: Any, subject: str) -> Path:
    """The path that an address stands for (TREE-5 to TREE-7, TREE-12).

    Parameters
    ----------
    tree : tree
    address : int, str or tuple of those
    subject : str
        What the message is about.

    Returns
    -------
    tuple of str and int

    Raises
    ------
    AddressTypeError
        `address` is something else.
    StateIndexError
        No leaf has that index.
    StateNameError
        No entry has that name or path, or several leaves have that name.
    """
    subject = f"{subject}, address {address!r}"
    if is_integer(address):
        return _by_index(tree, address, subject)
    if isinstance(address, str):
        return _by_name(tree, address, subject)
    path = as_path(address, subject)
    if not has(tree, path):
        paths = ", ".join(repr(path) for path, _ in leaves(tree))
        raise StateNameError(subject, "an unknown path", f"the path of a leaf, {paths}, or to one")
    return path


def as_path(address: Any, subject: str) -> Path:
    """Read a path as a tuple of text and integers, or raise AddressTypeError."""
    if not isinstance(address, tuple):
        needs = "an index, a name or a path (a tuple of names and positions)"
        raise AddressTypeError(subject, f"an address of type {type(address).__name__}", needs)
    for key in address:
        if not (is_integer(key) or isinstance(key, str)):
            needs = "a path of names and positions"
            raise AddressTypeError(subject, f"{key!r} of type {type(key).__name__}", needs)
    return tuple(int(key) if is_integer(key) else str(key) for key in address)


def _by_index(tree: Any, index: int, subject: str) -> Path:
    paths = [path for path, _ in leaves(tree)]
    n = len(paths)
    if not -n <= index < n:
        raise StateIndexError(subject, f"the index {index}", f"an index from {-n} to {n - 1}")
    return paths[index]


def _by_name(tree: Any, name: str, subject: str) -> Path:
    if type(tree) is dict and name in tree:
        return (name,)
    paths = [path for path, _ in leaves(tree)]
    matches = [path for path in paths if str(path[-1]) == name]
    if not matches:
        names = ", ".join(repr(str(path[-1])) for path in paths)
        raise StateNameError(subject, f"the unknown name {name!r}", f"one of {names}, or a path")
    if len(matches) > 1:
        choices = ", ".join(map(repr, matches))
        raise StateNameError(
            subject, f"a name that {len(matches)} leaves end in", f"one of {choices}"
        )
    return matches[0]


def match(
    tree: Any, value: Any, subject: str, *, is_whole: bool, path: Path = ()
) -> list[tuple[Path, Any]]:
    """Pair each leaf of `tree` with the value that is written to it (TREE-8, TREE-13).

    Parameters
    ----------
    tree : tree or leaf
        What is written to, a part of the state at `path`.
    value : tree or leaf
        What is written.
    subject : str
        What the message is about.
    is_whole : bool
        Whether `value` must have every container and key of `tree`. If not, a mapping from some
        of the keys of a dict in `tree` will do, and a tuple in the place of a list.

    Returns
    -------
    list of (path, value of a leaf)

    Raises
    ------
    StructureError
        The structures differ.
    """
    where = f"{subject}, path {path!r}"
    if not is_tree(tree):
        if is_container(value):
            raise StructureError(
                where, f"something of type {type(value).__name__}", "a value: this is a leaf"
            )
        return [(path, value)]
    is_partial = type(tree) is dict and not is_whole
    is_same_type = type(value) is type(tree)
    fits = is_same_type if is_whole else isinstance(value, Mapping if is_partial else list | tuple)
    if not fits:
        needs = f"a {type(tree).__name__}"
        raise StructureError(where, f"something of type {type(value).__name__}", needs)
    # Keys as a dict has them, so that `True` is 1.
    keys, children = dict(entries(tree)).keys(), dict(entries(value))
    if not children.keys() <= keys or not (is_partial or children.keys() == keys):
        needs = f"{'some' if is_partial else 'each'} of the entries {list(keys)}"
        raise StructureError(where, f"the entries {list(children)}", needs)
    pairs = []
    for key in [key for key in keys if key in children]:
        pairs += match(tree[key], children[key], subject, is_whole=is_whole, path=(*path, key))
    return pairs


def insert(tree: Any, path: Path, leaf: Any, subject: str) -> Any:
    """Make the tree with one more leaf, as the last entry of a dict (TREE-14, TREE-15).

    Raises
    ------
    DuplicateError
        The path exists.
    StateNameError
        Its parent does not exist.
    StructureError
        Its parent is no dict, the last key no text, or `leaf` a container.
    """
    subject = f"{subject}, path {path!r}"
    if has(tree, path):
        raise DuplicateError(subject, "a path that exists", "a new one")
    if not has(tree, path[:-1]):
        raise StateNameError(subject, f"the unknown parent {path[:-1]!r}", "a parent that exists")
    if type(node(tree, path[:-1])) is not dict or not isinstance(path[-1], str):
        raise StructureError(subject, "a place outside any dict", "a text key of a dict")
    if is_container(leaf):
        raise StructureError(subject, f"something of type {type(leaf).__name__}", "one leaf")
    return _put(tree, path, leaf)


def _put(tree: Any, path: Path, leaf: Any) -> Any:
    if len(path) == 1:
        return {**tree, path[0]: leaf}
    keys = [key for key, _ in entries(tree)]
    return rebuild(tree, [_put(tree[k], path[1:], leaf) if k == path[0] else tree[k] for k in keys])
