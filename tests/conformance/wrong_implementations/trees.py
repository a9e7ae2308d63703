"""Wrong tree states: each breaks one clause of SPEC.md, chapter 4."""

from __future__ import annotations

import numpy as np

from reference import ETraceTreeState, StateNameError, StructureError
from reference.states import containers, leaves
from reference.values import is_integer

from .state_bases import READING, States, tree
from .wrong import Wrong


def _sorted(tree):
    if isinstance(tree, dict):
        return {key: _sorted(tree[key]) for key in sorted(tree)}
    return type(tree)(map(_sorted, tree)) if isinstance(tree, (list, tuple)) else tree


def _sorted_make(self, value):
    return _sorted(ETraceTreeState._make(self, value))


def _sorted_index(self, address):
    if is_integer(address):
        return containers.resolve(_sorted(self._root), address, self._subject())
    return ETraceTreeState._resolve(self, address)


def _one_dtype(self, value):
    root = ETraceTreeState._make(self, value)
    dtype = np.result_type(*(leaf.array.dtype for _, leaf in containers.leaves(root)))
    return containers.map_leaves(
        lambda _, x: leaves.Leaf(x.array.astype(dtype), x.unit, x.past.astype(dtype)), root
    )


def _containers_counted(self):
    return len(self._root)


def _first_shape(self):
    return next(containers.leaves(self._root))[1].array.shape


def _takes_empty_containers(self, value):
    kept = value or {"empty": np.zeros(1)} if isinstance(value, (dict, list, tuple)) else value
    return ETraceTreeState._make(self, kept)


def _negative_from_zero(self, address):
    if is_integer(address) and -self.num_state <= address < 0:
        address = -1 - address
    return ETraceTreeState._resolve(self, address)


def _leaves_only(self, address):
    path = ETraceTreeState._resolve(self, address)
    if containers.is_tree(containers.node(self._root, path)) and isinstance(address, tuple):
        raise StateNameError(self._subject(), repr(path), "a leaf")
    return path


def _first_of_a_name(self, address):
    if isinstance(address, str) and address not in self._root:
        for path, _ in containers.leaves(self._root):
            if str(path[-1]) == address:
                return path
    return ETraceTreeState._resolve(self, address)


def _deepest_name(self, address):
    if isinstance(address, str):
        below = [p for p, _ in containers.leaves(self._root) if len(p) > 1 and p[-1] == address]
        if len(below) == 1:
            return below[0]
    return ETraceTreeState._resolve(self, address)


def _tree_last_wins(self, updates):
    if not isinstance(updates, dict):
        return ETraceTreeState._match_updates(self, updates)
    leaves = {}
    for address, value in updates.items():
        leaves.update(ETraceTreeState._match_updates(self, {address: value}))
    return list(leaves.items())


def _tree_truncates(self, updates):
    if isinstance(updates, (list, tuple)):
        updates = dict(enumerate(updates[: self.num_state]))
    return ETraceTreeState._match_updates(self, updates)


def _whole_subtrees_only(self, updates):
    if isinstance(updates, dict):
        for address, value in updates.items():
            node = containers.node(self._root, self._resolve(address))
            if isinstance(node, dict) and isinstance(value, dict) and value.keys() != node.keys():
                raise StructureError(self._subject(), "some keys", "all keys")
    return ETraceTreeState._match_updates(self, updates)


def _takes_missing_keys(self, value):
    if isinstance(value, dict) and value and value.keys() < self._root.keys():
        return ETraceTreeState._match_updates(self, value)
    return ETraceTreeState._match(self, value)


def _leaf_by_leaf(self, updates):
    for update in updates:
        ETraceTreeState._write(self, [update])


def _clamps_indices(self, address):
    if is_integer(address):
        address = max(-self.num_state, min(address, self.num_state - 1))
    return ETraceTreeState._resolve(self, address)


def _adds_in_front(self, path, value):
    ETraceTreeState.add_leaf(self, path, value)
    if isinstance(path, str):
        self._root = {path: self._root[path], **self._root}


def _replaces_a_leaf(self, path, value):
    if isinstance(path, str) and path in self._root:
        self._root = {**self._root, path: self._new_leaf((path,), value)}
        return
    ETraceTreeState.add_leaf(self, path, value)


class TreeKeepsTheWrittenOrder(States):
    """A whole write brings its own order of keys."""

    def write(self, state, value):
        super().write(state, value)
        if isinstance(state, ETraceTreeState) and isinstance(value, dict):
            state._root = {key: state._root[key] for key in value}


WRONG_TREES = [
    Wrong("one_dtype_for_all_leaves", tree(_make=_one_dtype), ("TREE-1", *READING)),
    Wrong("sorts_the_keys", tree(_make=_sorted_make), ("TREE-1", *READING)),
    Wrong(
        "sorts_the_leaves",
        tree(_resolve=_sorted_index),
        ("TREE-2", "TREE-5", "TREE-8", "TREE-9", "TREE-11", "TREE-13", "TREE-14"),
    ),
    Wrong(
        "counts_containers",
        tree(num_state=property(_containers_counted)),
        ("TREE-2", "STATE-10", "STATE-12", "TREE-9", "TREE-14", "TREE-15"),
    ),
    Wrong(
        "shape_of_the_first_leaf",
        tree(varshape=property(_first_shape)),
        ("TREE-3", "ERR-1", "ERR-2"),
    ),
    Wrong("takes_empty_containers", tree(_make=_takes_empty_containers), ("TREE-4",)),
    Wrong(
        "counts_backwards_from_zero",
        tree(_resolve=_negative_from_zero),
        ("TREE-5", "TREE-8", "TREE-11", "ERR-3"),
    ),
    Wrong(
        "paths_of_leaves_only",
        tree(_resolve=_leaves_only),
        ("TREE-6", "STATE-10", "TREE-8", "TREE-11"),
    ),
    Wrong("first_of_a_name", tree(_resolve=_first_of_a_name), ("TREE-7",)),
    Wrong("deepest_of_a_name", tree(_resolve=_deepest_name), ("TREE-7", "TREE-8", "TREE-11")),
    Wrong("whole_subtrees_only", tree(_match_updates=_whole_subtrees_only), ("TREE-8", "TREE-11")),
    Wrong("truncates_a_list_of_leaves", tree(_match_updates=_tree_truncates), ("TREE-9", "ERR-3")),
    Wrong("writes_leaf_by_leaf", tree(_write=_leaf_by_leaf), ("TREE-10", "STATE-9")),
    Wrong(
        "last_of_two_leaves_wins",
        tree(_match_updates=_tree_last_wins),
        ("TREE-11", "ERR-1", "ERR-2", "ERR-3"),
    ),
    Wrong(
        "clamps_a_leaf_index",
        tree(_resolve=_clamps_indices),
        ("TREE-12", "ERR-1", "ERR-2", "ERR-3"),
    ),
    Wrong("takes_missing_keys", tree(_match=_takes_missing_keys), ("TREE-13", "ERR-1", "ERR-2")),
    Wrong("keeps_the_written_order", TreeKeepsTheWrittenOrder, ("TREE-13",)),
    Wrong("adds_a_leaf_in_front", tree(add_leaf=_adds_in_front), ("TREE-14", "STATE-12")),
    Wrong("replaces_a_leaf", tree(add_leaf=_replaces_a_leaf), ("TREE-15",)),
]
"""The first clause is the one that is broken; the others fail with it."""
