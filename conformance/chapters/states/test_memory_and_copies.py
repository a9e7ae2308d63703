"""SPEC.md, chapters 2 and 5: whose memory it is, and what a copy is. STATE-10, STATE-12, HIST-7."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from conformance.chapters.states.test_states import _spoil as spoil
from conformance.checks import check_same, raises
from conformance.drawing.strategies import real
from conformance.protocol.implementation import Value

HOWS = pytest.mark.parametrize("how", ["copy", "deepcopy", "pickle"])


def full(implementation, number, shape=(2,), unit="mV"):
    return Value(np.full(shape, number, real(implementation.precision)), unit)


def value(implementation, kind, number):
    """A value of a kind, all of whose elements are one number."""
    leaf = full(implementation, number, (2, 3))
    return {"z": leaf, "a": {"y": leaf, "b": [leaf]}} if kind == "tree" else leaf


each_kind = pytest.mark.parametrize("kind", ["single", "group", "tree"])


@pytest.mark.clauses("STATE-10")
@pytest.mark.parametrize("address", ["a", ("a", "b"), ("a", "y"), 0, ()])
def test_a_subtree_is_not_shared_with_the_reader(implementation, address):
    before = value(implementation, "tree", 1)
    state = implementation.make("tree", before)
    spoil(implementation.get(state, address))
    check_same(
        implementation.read(state), before, f"read after changing what get({address!r}) returned"
    )


@pytest.mark.clauses("STATE-10")
@pytest.mark.parametrize("address", ["more", ("a", "more")])
def test_an_added_leaf_is_not_shared_with_the_writer(implementation, address):
    state = implementation.make("tree", value(implementation, "tree", 1))
    leaf = full(implementation, 2.0)
    implementation.add_leaf(state, address, leaf)
    leaf.array[:] = 7
    check_same(
        implementation.get(state, address),
        full(implementation, 2.0),
        f"get({address!r}) after changing the array it was added from",
    )


@pytest.mark.clauses("STATE-10")
@pytest.mark.parametrize("kind", ["group", "tree"])
def test_entries_of_a_list_are_not_shared_with_the_writer(implementation, kind):
    state = implementation.make(kind, value(implementation, kind, 1))
    shape = (2,) if kind == "group" else (2, 3)
    entries = [full(implementation, 2.0, shape) for _ in range(3)]
    implementation.set(state, entries)
    for entry in entries:
        entry.array[...] = 7
    check_same(
        implementation.read(state), value(implementation, kind, 2), "read after changing a list"
    )


@pytest.mark.clauses("STATE-10")
def test_the_containers_of_a_tree_are_not_shared_with_the_writer(implementation):
    tree = value(implementation, "tree", 1)
    state = implementation.make("tree", tree)
    tree["more"] = tree["z"]
    tree["a"]["b"].append(tree["z"])
    check_same(
        implementation.read(state),
        value(implementation, "tree", 1),
        "read after adding to the containers of the tree it was made of",
    )


@pytest.mark.clauses("STATE-10")
@pytest.mark.needs("history")
@each_kind
def test_a_history_is_not_shared_with_the_reader(implementation, kind):
    state = implementation.make(kind, value(implementation, kind, 1), history=2)
    history = copy.deepcopy(implementation.history(state))
    spoil(implementation.history(state))
    check_same(implementation.history(state), history, "history after changing what was read of it")


@pytest.mark.clauses("STATE-12")
@HOWS
@each_kind
def test_a_copy_does_not_follow_its_original(implementation, kind, how):
    state = implementation.make(kind, value(implementation, kind, 1))
    twin = implementation.copy(state, how)
    implementation.write(state, value(implementation, kind, 2))
    if kind != "single":
        part = full(implementation, 3, (2,) if kind == "group" else (2, 3))
        implementation.set(state, {0: part})
    check_same(
        implementation.read(twin),
        value(implementation, kind, 1),
        f"read of a {how} after writing its original",
    )


@pytest.mark.clauses("STATE-12")
@HOWS
def test_a_copy_of_a_tree_has_its_own_leaves(implementation, how):
    """Adding a leaf to the one adds none to the other."""
    before = value(implementation, "tree", 1)
    state = implementation.make("tree", before)
    twin, third = implementation.copy(state, how), implementation.copy(state, how)
    implementation.add_leaf(twin, "more", full(implementation, 5))
    implementation.add_leaf(state, ("a", "more"), full(implementation, 6))
    check_same(
        implementation.read(third), before, f"read of a {how} after adding leaves to the others"
    )
    new_tree = {**before, "more": full(implementation, 5)}
    check_same(implementation.read(twin), new_tree, f"read of a {how} after adding a leaf")
    assert implementation.num_state(twin) == 4, f"num_state of a {how} after adding a leaf"


@pytest.mark.clauses("STATE-12")
@HOWS
@each_kind
def test_a_copy_has_its_original_s_name(implementation, kind, how):
    """By which its errors call it (ERR-2)."""
    state = implementation.make(kind, value(implementation, kind, 1), state_name="potential")
    twin = implementation.copy(state, how)
    text = {"z": "text", "a": {"y": "text", "b": ["text"]}} if kind == "tree" else "text"
    caught = raises("ValueTypeError", implementation.write, twin, text)
    assert "potential" in str(caught), f"the message of a {how} must name the state, says {caught}"


@pytest.mark.clauses("HIST-7")
@HOWS
@each_kind
def test_a_copy_s_history_does_not_follow_its_original(implementation, kind, how):
    state = implementation.make(kind, value(implementation, kind, 0), history=2)
    implementation.write(state, value(implementation, kind, 1))
    twin = implementation.copy(state, how)
    before = implementation.history(twin)
    implementation.write(state, value(implementation, kind, 2))
    check_same(
        implementation.history(twin), before, f"history of a {how} after writing its original"
    )
