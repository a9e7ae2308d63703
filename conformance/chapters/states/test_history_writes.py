"""SPEC.md, chapter 5: which writes count, and what of them is kept."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.checks import check_same, raises
from conformance.drawing.strategies import real
from conformance.protocol.implementation import Value


def full(implementation, number, shape=(2,), unit="mV"):
    return Value(np.full(shape, number, real(implementation.precision)), unit)


def rows(implementation, *numbers):
    dtype = real(implementation.precision)
    return Value(np.stack([np.full(2, number, dtype) for number in numbers]), "mV")


@pytest.mark.clauses("HIST-1")
@pytest.mark.parametrize("history", [np.True_, [3], np.array([3]), 2**0.5, -(2**40)])
def test_bad_length(implementation, history):
    make = implementation.make
    raises("ParameterError", make, "single", full(implementation, 0), history=history)


@pytest.mark.clauses("HIST-3")
@pytest.mark.parametrize("updates", [{}, {"n": {}}, {("n", "m"): {}, "n": {}}, {(): {}}])
def test_an_update_that_names_nothing_does_not_count(implementation, updates):
    zero, one = full(implementation, 0), full(implementation, 1)
    tree = {"V": zero, "n": {"x": zero, "m": {"y": zero}}}
    state = implementation.make("tree", tree, history=2)
    implementation.set(state, {"V": one})
    before = implementation.history(state)
    implementation.set(state, updates)
    check_same(implementation.history(state), before, f"history after set({updates})")


@pytest.mark.clauses("HIST-3")
def test_an_empty_update_of_a_group_does_not_count(implementation):
    state = implementation.make("group", full(implementation, 0, (2, 3)), history=2)
    implementation.write(state, full(implementation, 1, (2, 3)))
    before = implementation.history(state)
    implementation.set(state, {})
    check_same(implementation.history(state), before, "history after set({})")


@pytest.mark.clauses("HIST-3")
@pytest.mark.parametrize("kind", ["single", "group", "tree"])
def test_a_write_of_equal_numbers_counts(implementation, kind):
    def value(number):
        whole = full(implementation, number)
        return {"V": whole} if kind == "tree" else whole

    state = implementation.make(kind, value(1), history=3)
    for number in (2, 2, 2):
        implementation.write(state, value(number))
    got, history = implementation.history(state), rows(implementation, 1, 2, 2)
    check_same(
        got, {"V": history} if kind == "tree" else history, "history after writes of 2, 2, 2 on 1"
    )


@pytest.mark.clauses("HIST-3")
def test_adding_a_leaf_does_not_count(implementation):
    state = implementation.make("tree", {"z": full(implementation, 1)}, history=2)
    implementation.set(state, {"z": full(implementation, 2)})
    implementation.set(state, {"z": full(implementation, 3)})
    implementation.add_leaf(state, "a", full(implementation, 5))
    history = {"z": rows(implementation, 1, 2), "a": rows(implementation, 5, 5)}
    check_same(implementation.history(state), history, "history after two writes and add_leaf")


@pytest.mark.clauses("HIST-4")
@pytest.mark.parametrize("way", ["write", "set"])
@pytest.mark.parametrize("kind", ["group", "tree"])
def test_what_was_written_in_another_scale_is_kept_in_the_state_s(implementation, kind, way):
    zero = full(implementation, 0)
    state = implementation.make(kind, {"V": zero} if kind == "tree" else zero, history=2)
    for number in (1, 2, 3):
        shape = () if (kind, way) == ("group", "set") else (2,)
        part = full(implementation, number, shape, "V")
        updates = {"V": part} if kind == "tree" else {0: part, 1: part} if way == "set" else part
        getattr(implementation, way)(state, updates)
    got, history = implementation.history(state), rows(implementation, 1000, 2000)
    check_same(got, {"V": history} if kind == "tree" else history, "history in mV of 1, 2 and 3 V")


@pytest.mark.clauses("HIST-4")
def test_what_was_written_in_another_dtype_is_kept_in_the_state_s(implementation):
    state = implementation.make("single", Value(np.zeros(2, np.float32), "mV"), history=2)
    for number in (1, 2):
        implementation.write(state, Value(np.full(2, number, np.int8), "V"))
    history = Value(np.array([[0, 0], [1000, 1000]], np.float32), "mV")
    check_same(
        implementation.history(state), history, "history of float32 in mV written in int8 in V"
    )
