"""The ways to write one leaf: the whole state or a part of it, in a state of each kind.

A law of written values holds for each of them, so the tests of chapters 1 and 2 are
run once for each way.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.checks import check_same, raises
from conformance.protocol.implementation import Value


@dataclasses.dataclass
class Slot:
    """A leaf in a state, and one way to write it."""

    adapter: Any
    state: Any
    #: Makes the argument of the adapter's method from a leaf.
    argument: Callable[[Any], Any]
    method: str
    read: Callable[[], Value]

    def write(self, leaf: Any) -> None:
        getattr(self.adapter, self.method)(self.state, self.argument(leaf))

    def refuses(self, error: str, leaf: Any) -> Exception:
        """The error of a refused write, which must leave the whole state as it was (STATE-9)."""
        before = copy.deepcopy(self.adapter.read(self.state))  # lest it be the state's memory
        argument = self.argument(leaf)
        exception = raises(error, getattr(self.adapter, self.method), self.state, argument)
        check_same(self.adapter.read(self.state), before, f"read after a refused {self.method}")
        return exception


def double(leaf: Any) -> Any:
    """Make the value of a group whose two states are both this leaf; anything else unchanged."""
    if not isinstance(leaf, Value):
        return leaf
    return Value(np.stack([leaf.array, leaf.array], axis=-1), leaf.unit)


def first(group: Value) -> Value:
    """The first state of a group."""
    return Value(group.array[..., 0], group.unit)


_OTHER = Value(np.arange(2, dtype=np.int32))


def single(adapter: Any, leaf: Value) -> Slot:
    state = adapter.make("single", leaf, state_name="h")
    return Slot(adapter, state, lambda x: x, "write", lambda: adapter.read(state))


def group(adapter: Any, leaf: Value) -> Slot:
    state = adapter.make("group", double(leaf), state_name="h")
    return Slot(adapter, state, double, "write", lambda: first(adapter.read(state)))


def group_member(adapter: Any, leaf: Value) -> Slot:
    state = adapter.make("group", double(leaf), state_name="h")
    return Slot(adapter, state, lambda x: {1: x}, "set", lambda: adapter.get(state, 1))


def tree(adapter: Any, leaf: Value) -> Slot:
    state = adapter.make("tree", {"x": leaf, "n": {"a": _OTHER}}, state_name="h")
    return Slot(
        adapter,
        state,
        lambda x: {"x": x, "n": {"a": _OTHER}},
        "write",
        lambda: adapter.read(state)["x"],
    )


def tree_leaf(adapter: Any, leaf: Value) -> Slot:
    state = adapter.make("tree", {"b": _OTHER, "n": {"x": leaf}}, state_name="h")
    return Slot(
        adapter, state, lambda x: {("n", "x"): x}, "set", lambda: adapter.get(state, ("n", "x"))
    )


WAYS = {way.__name__: way for way in (single, group, group_member, tree, tree_leaf)}
