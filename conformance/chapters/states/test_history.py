"""SPEC.md, chapter 5: history."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.checks import check_same, raises
from conformance.drawing.strategies import real
from conformance.protocol.implementation import Value

K = 3
each_way_to_write = pytest.mark.parametrize("way", ["whole", "by-entries"])
STRUCTURES = {
    "single": lambda leaf: leaf((2,), "mV"),
    "group": lambda leaf: leaf((2, 3), "mV"),
    "tree": lambda leaf: {"z": leaf((2,), "mV"), "a": [leaf((), "nA"), leaf((1, 2), None)]},
}
each_kind = pytest.mark.parametrize("kind", STRUCTURES)


def value(implementation, kind, number):
    """A value of a kind, all of whose elements are one number and a third.

    A third is no number of less precision than the implementation's.
    """
    dtype = real(implementation.precision)
    return STRUCTURES[kind](lambda shape, unit: Value(np.full(shape, number + 1 / 3, dtype), unit))


def past(implementation, kind, numbers):
    """A history: the values of these numbers, behind each other on a leading axis."""
    dtype = real(implementation.precision)

    def leaf(shape, unit):
        return Value(np.stack([np.full(shape, n + 1 / 3, dtype) for n in numbers]), unit)

    return STRUCTURES[kind](leaf)


def make_written(implementation, kind, numbers, history=K):
    """Make a state with the first number, and write the others to it."""
    state = implementation.make(
        kind, value(implementation, kind, numbers[0]), state_name="h", history=history
    )
    for number in numbers[1:]:
        implementation.write(state, value(implementation, kind, number))
    return state


@pytest.mark.clauses("HIST-1")
@each_kind
@pytest.mark.parametrize("history", [-1, 1.0, True, None, "3", np.float64(2)])
def test_bad_length(implementation, kind, history):
    raises(
        "ParameterError",
        implementation.make,
        kind,
        value(implementation, kind, 0),
        history=history,
    )


@pytest.mark.clauses("HIST-1")
@each_kind
def test_none_by_default(implementation, kind):
    state = make_written(implementation, kind, [0, 1], history=0)
    raises("HistoryError", implementation.history, state)
    state = implementation.make(kind, value(implementation, kind, 0))
    raises("HistoryError", implementation.history, state)


@pytest.mark.clauses("HIST-2")
@pytest.mark.parametrize(
    ("kind", "history"),
    [
        *(("single", 1), ("group", 1), ("tree", np.int64(3)), ("single", np.int8(3))),
        *(("group", 12), ("tree", np.uint8(12)), ("single", 70)),
    ],
)
def test_order(implementation, kind, history):
    """The values before the last writes, oldest first; the first one before all others."""
    state = implementation.make(kind, value(implementation, kind, 1), history=history)
    K = int(history)
    for number in range(1, 2 * K + 2):
        if number > 1:
            implementation.write(state, value(implementation, kind, number))
        if number not in (1, 2, K, K + 1, 2 * K + 1):
            continue
        numbers = [max(1, number - age) for age in range(K, 0, -1)]
        check_same(
            implementation.history(state),
            past(implementation, kind, numbers),
            f"history={history} after {number - 1} writes",
        )
        check_same(implementation.read(state), value(implementation, kind, number), "its value")


@pytest.mark.clauses("HIST-3")
def test_partial_writes_count(implementation):
    dtype = real(implementation.precision)
    group = implementation.make("group", Value(np.zeros((2, 3), dtype), "mV"), history=K)
    implementation.set(group, {1: Value(np.full(2, 5, dtype), "mV")})
    implementation.set(group, [Value(np.full(2, 6, dtype), "mV")] * 3)
    six, seven = (Value(np.full(2, number, dtype), "mV") for number in (6, 7))
    implementation.set(group, {0: seven, -1: six})
    history = np.zeros((K, 2, 3), dtype)
    history[1, :, 1], history[2] = 5, 6
    check_same(
        implementation.history(group), Value(history, "mV"), "history of a group after three sets"
    )

    a, b = (Value(np.full(1, number, dtype)) for number in (0, 5))
    tree = implementation.make("tree", {"y": a, "x": a}, history=K)
    implementation.set(tree, {"x": b})
    implementation.set(tree, [b, b])
    implementation.set(tree, {"x": a, "y": a})
    rows = {"y": [[0], [0], [5]], "x": [[0], [5], [5]]}
    history = {name: Value(np.array(row, dtype)) for name, row in rows.items()}
    check_same(implementation.history(tree), history, "history of a tree after three sets")


@pytest.mark.clauses("HIST-3")
@each_kind
def test_refused_writes_and_reads_do_not_count(implementation, kind):
    state = make_written(implementation, kind, [1, 2, 3])
    before = implementation.history(state)
    bad = Value(np.zeros((7, 7), np.float32), "s")
    for _ in range(2):
        with pytest.raises(Exception):  # noqa: B017, PT011
            implementation.write(state, bad)
        if kind != "single":
            good = implementation.get(state, 1)
            with pytest.raises(Exception):  # noqa: B017, PT011
                implementation.set(state, {1: good, 0: bad})
        implementation.read(state)
        implementation.history(state)
    check_same(implementation.history(state), before, "history after refused writes and reads")


@pytest.mark.clauses("HIST-4")
def test_units_and_dtypes(implementation):
    tree = {
        "n": Value(np.array([2**24 + 1], np.int32)),
        "r": Value(np.array([0.5], np.float16), "mV V^-1"),
        "f": Value(np.array(True)),
        "c": Value(np.array([1 + 2j, -0.5j], np.complex64), "nA"),
    }
    state = implementation.make("tree", tree, history=2)
    implementation.set(state, {"f": Value(np.array(False))})
    history = {name: Value(np.stack([leaf.array] * 2), leaf.unit) for name, leaf in tree.items()}
    check_same(implementation.history(state), history, "history of a tree of mixed leaves")


@pytest.mark.clauses("HIST-5")
@each_kind
def test_bounded(implementation, kind):
    count = {"single": 300}.get(kind, 12)
    state = make_written(implementation, kind, range(count + 1), history=2)
    history = past(implementation, kind, [count - 2, count - 1])
    check_same(implementation.history(state), history, f"after {count} writes")


@pytest.mark.clauses("HIST-2")
def test_a_long_history_of_many_numbers(implementation):
    """Of more than a thousand values, and of values of more than a thousand numbers."""
    dtype, rng = real(implementation.precision), np.random.default_rng(1)
    for shape, K in (((2,), 1030), ((40, 30), 3)):
        values = rng.normal(size=(K + 2, *shape)).astype(dtype)
        state = implementation.make("single", Value(values[0], "mV"), history=K)
        for number in values[1:4]:
            implementation.write(state, Value(number, "mV"))
        got = implementation.history(state)
        history = np.concatenate([np.stack([values[0]] * (K - 2)), values[1:3]])
        check_same(
            got, Value(history, "mV"), f"history of {K} values of shape {shape} after 3 writes"
        )


@pytest.mark.clauses("HIST-2")
@each_way_to_write
def test_whole_numbers_of_every_digit(implementation, way):
    """Integers of which no floating-point number has all digits."""
    dtype = f"int{implementation.precision}"
    big = 2 ** (implementation.precision - 2) + 1
    rows = [np.arange(big + k, big + k + 3).astype(dtype) for k in (0, 10, 20)]
    state = implementation.make("group", Value(rows[0]), history=2)
    for row in rows[1:]:
        if way == "whole":
            implementation.write(state, Value(row))
        else:
            implementation.set(state, [Value(np.array(x)) for x in row])
    history = Value(np.stack(rows[:2]))
    check_same(implementation.history(state), history, f"history of {dtype} after two writes")


@pytest.mark.clauses("HIST-6")
@each_kind
@pytest.mark.parametrize(("before", "writes"), [(0, 1), (1, 2), (2, 300)])
def test_compiled_loop(implementation, kind, before, writes):
    state = make_written(implementation, kind, range(before + 1))
    numbers = range(before + 1, before + 1 + writes)
    implementation.write_all(state, [value(implementation, kind, number) for number in numbers])
    last = before + writes
    check_same(implementation.read(state), value(implementation, kind, last), "value after a loop")
    history = past(implementation, kind, [max(0, last - age) for age in range(K, 0, -1)])
    check_same(implementation.history(state), history, f"history after {writes} writes")


@pytest.mark.clauses("HIST-7")
@each_kind
@pytest.mark.parametrize("how", ["copy", "deepcopy", "pickle"])
def test_copies(implementation, kind, how):
    state = make_written(implementation, kind, [0, 1, 2])
    twin = implementation.copy(state, how)
    history = past(implementation, kind, [0, 0, 1])
    check_same(implementation.history(twin), history, f"history of a {how}")
    implementation.write(twin, value(implementation, kind, 9))
    check_same(
        implementation.history(state), history, f"history of the original after writing its {how}"
    )
    check_same(
        implementation.history(twin), past(implementation, kind, [0, 1, 2]), f"history of the {how}"
    )


@pytest.mark.clauses("HIST-8")
def test_added_leaf(implementation):
    dtype = real(implementation.precision)
    a, b, c = (Value(np.full(2, number, dtype), "mV") for number in (1, 2, 3))
    state = implementation.make("tree", {"z": a}, history=2)
    implementation.set(state, {"z": b})
    implementation.add_leaf(state, "a", c)
    rows = {"z": [1, 1], "a": [3, 3]}
    history = {k: Value(np.array([[n, n] for n in row], dtype), "mV") for k, row in rows.items()}
    check_same(implementation.history(state), history, "history after add_leaf")
    implementation.set(state, {"a": a})
    rows = {"z": [1, 2], "a": [3, 3]}
    history = {k: Value(np.array([[n, n] for n in row], dtype), "mV") for k, row in rows.items()}
    check_same(implementation.history(state), history, "history after add_leaf and a write")
