"""SPEC.md, chapter 2: what holds for states of every kind."""

from __future__ import annotations

import copy

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from conformance.chapters.states.ways import WAYS
from conformance.checks import check_same, names_of, raises
from conformance.drawing.layouts import LAYOUTS, lay_out
from conformance.drawing.numbered import FEW
from conformance.drawing.strategies import DTYPES, fresh, groups, numbers, real, trees, values
from conformance.protocol.implementation import Value

each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
DRAW = {"single": values, "group": groups, "tree": trees}
each_kind = pytest.mark.parametrize("kind", DRAW)


def make(implementation, kind, data, **options):
    """A state and the value it was made with."""
    value = data.draw(DRAW[kind](implementation.precision))
    return implementation.make(kind, value, **options), value


@pytest.mark.clauses("STATE-1")
@pytest.mark.parametrize(
    ("kind", "kinds"),
    [("single", {"single"}), ("group", {"single", "group"}), ("tree", {"single", "tree"})],
)
def test_kinds(implementation, kind, kinds):
    value = Value(np.zeros(2, real(implementation.precision)))
    state = implementation.make(kind, {"a": value} if kind == "tree" else value)
    assert implementation.kinds(state) == kinds, f"a {kind} state must be of the kinds {kinds}"


@pytest.mark.clauses("STATE-2")
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3), (0,), (4, 0), (11, 1, 12), (1200,)])
def test_single_state_counts_one(implementation, shape):
    state = implementation.make("single", Value(np.zeros(shape, np.float32), "mV"))
    assert implementation.num_state(state) == 1
    assert tuple(implementation.varshape(state)) == shape


@pytest.mark.clauses("STATE-3")
@each_kind
@hypothesis.given(data=st.data())
def test_reads_what_it_was_made_with(implementation, kind, data):
    state, value = make(implementation, kind, data)
    check_same(implementation.read(state), value, f"read of a {kind} state")
    check_same(implementation.read(state), value, f"second read of a {kind} state")


@pytest.mark.clauses("STATE-3")
@each_way
@pytest.mark.parametrize("dtype", ["float16", "float32", "own-precision"])
def test_special_numbers_are_kept(implementation, way, dtype):
    """Those below the smallest normal number, too."""
    dtype = real(implementation.precision) if dtype == "own-precision" else dtype
    least, most = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    special = [np.nan, np.inf, -np.inf, 0.0, -0.0, most, least, -3 * least]
    special = np.array(special, dtype)
    slot = way(implementation, Value(special, "mV"))
    check_same(slot.read(), Value(special, "mV"), f"read of a state of {special}")
    slot.write(Value(special[::-1], "mV"))
    check_same(slot.read(), Value(special[::-1], "mV"), f"read after writing {special[::-1]}")


@pytest.mark.clauses("STATE-3")
@each_way
@FEW
@hypothesis.given(data=st.data(), seed=st.integers(0, 2**32))
def test_reads_what_was_written(implementation, way, data, seed):
    value = data.draw(values(implementation.precision))
    slot = way(implementation, value)
    value = fresh(value, seed)
    slot.write(value)
    check_same(slot.read(), value, f"read after a {slot.method}")


@pytest.mark.clauses("STATE-3")
@each_way
@pytest.mark.parametrize("layout", LAYOUTS)
def test_numbers_are_where_they_are_in_memory(implementation, way, layout):
    """In whatever order of axes and bytes; of more than a thousand numbers, each."""
    dtype = real(implementation.precision)
    first, second = (numbers(seed, (3, 20, 30), dtype) for seed in (1, 2))
    slot = way(implementation, Value(lay_out(first, layout), "mV"))
    check_same(slot.read(), Value(first, "mV"), f"read of a state made with an array, {layout}")
    slot.write(Value(lay_out(second, layout), "mV"))
    check_same(slot.read(), Value(second, "mV"), f"read after writing an array, {layout}")


BAD = [
    "text",
    None,
    1.0,
    True,
    1 + 2j,
    object(),
    b"bytes",
    Value(np.array(["1.0", "2.0", "3.0"])),
    Value(np.array([1.0, None, 3.0], dtype=object)),
    Value(np.array(["2020-01-01"] * 3, dtype="datetime64[D]")),
]


@pytest.mark.clauses("STATE-4")
@each_way
@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_value_is_refused(implementation, way, bad):
    slot = way(implementation, Value(np.zeros(3, np.float32)))
    slot.refuses("ValueTypeError", bad)


@pytest.mark.clauses("STATE-4")
@pytest.mark.parametrize("bad", [*BAD, [1.0, 2.0], {"a": 1.0}])
def test_what_is_no_value_makes_no_state(implementation, bad):
    raises("ValueTypeError", implementation.make, "single", bad)
    raises("ValueTypeError", implementation.make, "group", bad)


@pytest.mark.clauses("STATE-4")
def test_a_state_is_no_value(implementation):
    value = Value(np.zeros(3, np.float32))
    state, other = (implementation.make("single", value) for _ in range(2))
    raises("ValueTypeError", implementation.make, "single", other)
    raises("ValueTypeError", implementation.write, state, other)
    check_same(implementation.read(state), value, "read after a refused state")


@pytest.mark.clauses("STATE-5")
@each_way
@pytest.mark.parametrize("shape", [(), (1,), (2,), (4,), (1, 3), (3, 1), (3, 3), (0,), (1200,)])
def test_another_shape_is_refused(implementation, way, shape):
    slot = way(implementation, Value(np.zeros(3, np.float32), "mV"))
    slot.refuses("ShapeError", Value(np.ones(shape, np.float32), "mV"))


SAFE = [("float32", "float16"), ("float32", "int8"), ("int32", "int8"), ("float16", "bool")]
SAFE += [("complex64", "float32")]
UNSAFE = [("float16", "float32"), ("int32", "float32"), ("float32", "int32"), ("int8", "int32")]
UNSAFE += [("float32", "complex64"), ("bool", "int32"), ("int32", "complex64"), ("bool", "float32")]


@pytest.mark.clauses("STATE-6")
@each_way
@pytest.mark.parametrize(("dtype", "other"), SAFE)
def test_a_safe_dtype_is_cast(implementation, way, dtype, other):
    slot = way(implementation, Value(np.zeros(3, dtype), "mV"))
    array = numbers(7, (3,), other)
    slot.write(Value(array, "mV"))
    check_same(slot.read(), Value(array.astype(dtype), "mV"), f"{other} into {dtype}")


DIGITS = {
    32: [("int32", "uint16"), ("float32", "int16")],
    64: [("float64", "int32"), ("int64", "uint32")],
}
"""Casts that lose nothing, unless they go by another dtype."""


@pytest.mark.clauses("STATE-6")
@each_way
def test_a_cast_keeps_every_digit(implementation, way):
    for dtype, other in DIGITS[implementation.precision]:
        slot = way(implementation, Value(np.zeros(1100, dtype), "mV"))
        array = numbers(8, (1100,), other)
        slot.write(Value(array, "mV"))
        check_same(slot.read(), Value(array.astype(dtype), "mV"), f"{other} into {dtype}")


@pytest.mark.clauses("STATE-6")
@each_way
@pytest.mark.parametrize(("dtype", "other"), UNSAFE)
def test_an_unsafe_dtype_is_refused(implementation, way, dtype, other):
    slot = way(implementation, Value(np.zeros(3, dtype), "mV"))
    slot.refuses("DtypeError", Value(np.ones(3, other), "mV"))


@pytest.mark.clauses("STATE-6")
@each_way
def test_a_wider_dtype_is_refused(implementation, way):
    dtype, other = (
        ("float32", "float64") if implementation.precision == 64 else ("float16", "float32")
    )
    slot = way(implementation, Value(np.zeros(3, dtype), "mV"))
    slot.refuses("DtypeError", Value(np.ones(3, other), "mV"))


@pytest.mark.clauses("STATE-7")
@each_way
@pytest.mark.parametrize("written", ["V", "uV"])
def test_an_integer_is_not_rescaled(implementation, way, written):
    slot = way(implementation, Value(np.zeros(3, np.int32), "mV"))
    slot.refuses("DtypeError", Value(np.array([1000, 2000, 3000], np.int32), written))


@pytest.mark.clauses("STATE-7")
@each_way
def test_rescaling_does_not_overflow(implementation, way):
    slot = way(implementation, Value(np.zeros(3, np.float16), "mV"))
    slot.refuses("DtypeError", Value(np.full(3, 100, np.float16), "V"))
    slot.write(Value(np.full(3, np.inf, np.float16), "V"))
    check_same(slot.read(), Value(np.full(3, np.inf, np.float16), "mV"), "an infinity in V, in mV")


WIDE = {
    "int64": (np.int64(2**40), "int32"),
    "float64": (np.float64(1e300), "float32"),
    "complex128": (np.complex128(1e300j), "complex64"),
}


@pytest.mark.clauses("STATE-8")
@pytest.mark.parametrize("dtype", WIDE)
def test_what_does_not_fit_32_bits_makes_no_other_state(implementation, dtype):
    """Kept as it is, or refused: never 2**40 as 0, nor 1e300 as infinity."""
    value = Value(np.full(3, WIDE[dtype][0]))
    try:
        state = implementation.make("single", value)
    except Exception as exception:
        caught = exception
    else:
        check_same(implementation.read(state), value, f"read of a state of {value.array}")
        return
    assert "DtypeError" in names_of(caught), f"making a state of {value.array} raised {caught!r}"


@pytest.mark.clauses("STATE-8")
@each_way
@pytest.mark.parametrize("dtype", WIDE)
def test_what_does_not_fit_32_bits_is_not_written(implementation, way, dtype):
    number, narrow = WIDE[dtype]
    way(implementation, Value(np.ones(3, narrow))).refuses("DtypeError", Value(np.full(3, number)))


@pytest.mark.clauses("STATE-9")
@each_way
def test_a_refused_write_changes_nothing(implementation, way):
    first_value = Value(np.arange(3, dtype=np.float32), "mV")
    slot = way(implementation, first_value)
    before = copy.deepcopy(implementation.read(slot.state))
    good = Value(np.full(3, 7, np.float32), "mV")
    for bad in (
        "text",
        Value(good.array),
        Value(good.array[:2], "mV"),
        Value(good.array * 1j, "mV"),
    ):
        with pytest.raises(Exception):  # noqa: B017, PT011
            slot.write(bad)
        check_same(
            implementation.read(slot.state), before, f"read after a refused {slot.method} of {bad}"
        )


@pytest.mark.clauses("STATE-9")
@pytest.mark.parametrize("kind", ["group", "tree"])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_a_write_is_all_or_nothing(implementation, kind, last, whole):
    """One good part and one bad, in either order, written one way or the other."""
    part = Value(np.arange(2, dtype=np.float32), "mV")
    good, bad = Value(part.array + 5, "mV"), Value(part.array + 5, "nA")
    entries = [good, bad] if last else [bad, good]
    if kind == "group":
        state = implementation.make("group", Value(np.zeros((2, 2), np.float32), "mV"))
        method, argument = "set", entries if whole else dict(enumerate(entries))
    else:
        state = implementation.make("tree", {"a": part, "b": part})
        method, argument = "write" if whole else "set", dict(zip("ab", entries, strict=True))
    before = copy.deepcopy(implementation.read(state))
    with pytest.raises(Exception):  # noqa: B017, PT011
        getattr(implementation, method)(state, argument)
    check_same(implementation.read(state), before, f"read after a refused {method}({argument})")


@pytest.mark.clauses("STATE-10")
@each_way
def test_memory_is_not_shared_with_the_writer(implementation, way):
    dtype = real(implementation.precision)
    first, second = np.ones(3, dtype), np.full(3, 2.0, dtype)
    slot = way(implementation, Value(first, "mV"))
    first[:] = 7
    check_same(
        slot.read(), Value(np.ones(3, dtype), "mV"), "read after changing what it was made of"
    )
    slot.write(Value(second, "mV"))
    second[:] = 7
    check_same(
        slot.read(), Value(np.full(3, 2.0, dtype), "mV"), "read after changing what was written"
    )


@pytest.mark.clauses("STATE-10")
@each_way
def test_memory_is_not_shared_with_the_reader(implementation, way):
    value = Value(np.ones(3, real(implementation.precision)), "mV")
    slot = way(implementation, value)
    for got in (slot.read(), implementation.read(slot.state)):
        _spoil(got)
    check_same(slot.read(), value, "read after changing what was read")


def _spoil(tree):
    """Change a tree in place wherever it lets itself be changed."""
    if isinstance(tree, Value):
        if tree.array.flags.writeable:
            tree.array[...] = 7
        return
    for entry in list(tree.values() if isinstance(tree, dict) else tree):
        _spoil(entry)
    if not isinstance(tree, tuple):
        tree.clear()


@pytest.mark.clauses("STATE-11")
@each_way
@FEW
@hypothesis.given(data=st.data(), seed=st.integers(0, 2**32))
def test_states_are_independent(implementation, way, data, seed):
    value = data.draw(values(implementation.precision))
    new = fresh(value, seed)
    hypothesis.assume(value.array.size and not np.array_equal(new.array, value.array))
    one, other = way(implementation, value), way(implementation, value)
    one.write(new)
    check_same(other.read(), value, "read of a state after writing its twin")


@pytest.mark.clauses("STATE-12")
@each_kind
@pytest.mark.parametrize("how", ["copy", "deepcopy", "pickle"])
@FEW
@hypothesis.given(data=st.data())
def test_copies(implementation, kind, how, data):
    options = {"names": ("soma", "axon", "dendrite")} if kind == "group" else {}
    state, value = make(implementation, kind, data, state_name="h", **options)
    twin = implementation.copy(state, how)
    check_same(implementation.read(twin), value, f"read of a {how}")
    assert implementation.kinds(twin) == implementation.kinds(state)
    if kind == "group":
        check_same(
            implementation.get(twin, "axon"), implementation.get(state, 1), f"name in a {how}"
        )
    implementation.write(twin, renewed(value))
    check_same(implementation.read(twin), renewed(value), f"write to a {how}")
    check_same(implementation.read(state), value, f"read of the original after writing its {how}")


def renewed(tree):
    """The same tree with other numbers."""
    if isinstance(tree, Value):
        return fresh(tree, 11)
    if isinstance(tree, dict):
        return {key: renewed(entry) for key, entry in tree.items()}
    return type(tree)(renewed(entry) for entry in tree)


@pytest.mark.clauses("STATE-3")
@pytest.mark.parametrize("precision", [32, 64])
def test_every_dtype_is_kept(implementation, precision):
    """Those of the implementation's own precision; a wider one may be narrowed."""
    if precision > implementation.precision:
        precision = 32
    for dtype in DTYPES[precision]:
        value = Value(numbers(3, (2, 3), dtype), "mV")
        state = implementation.make("single", value)
        check_same(implementation.read(state), value, f"read of a state of dtype {dtype}")
