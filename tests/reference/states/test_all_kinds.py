"""What binds all three kinds of state (SPEC.md, chapters 1, 2, 5 and 8)."""

from __future__ import annotations

import builtins
import copy
import pickle

import numpy as np
import pytest

import reference
from reference import (
    BrainscaleError,
    DtypeError,
    ETraceGroupState,
    ETraceState,
    ETraceTreeState,
    HistoryError,
    ParameterError,
    Quantity,
    ShapeError,
    StateNameError,
    StructureError,
    UnitError,
    ValueTypeError,
)

from .plain_states import plain, states

DTYPES = "?bhilqBHILQefdgFDG"


def test_kinds():
    assert issubclass(ETraceGroupState, ETraceState)
    assert issubclass(ETraceTreeState, ETraceState)
    assert not issubclass(ETraceGroupState, ETraceTreeState)
    assert not issubclass(ETraceTreeState, ETraceGroupState)


# Values


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0), (2, 1, 2)])
def test_a_value_reads_as_written(dtype, shape):
    value = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    state = ETraceState(value)
    assert state.num_state == 1
    assert state.varshape == shape
    assert plain(state.value) == plain(value)
    state.value = 1 - value if dtype != "?" else ~value
    assert plain(state.value) == plain(np.asarray(1 - value if dtype != "?" else ~value, dtype))


def test_bits_are_kept():
    bits = np.array([0x7FF0000000000001, 0xFFF8000000000003, 1 << 63, 1, 0x7FF << 52], np.uint64)
    value = bits.view(np.float64)
    state = ETraceState(np.zeros(5))
    state.value = value
    assert state.value.view(np.uint64).tolist() == bits.tolist()
    assert plain(ETraceState(np.asfortranarray(np.eye(3))).value) == plain(np.eye(3))


@pytest.mark.parametrize(
    "value",
    [1, 1.0, True, None, "1", b"1", [1.0], np.array(["1"]), np.array([None]), np.array(0, "M8[s]")],
)
def test_no_values(value):
    state, group, tree = states()
    for call in (
        lambda: ETraceState(value),
        lambda: ETraceGroupState(value),
        lambda: setattr(state, "value", value),
        lambda: setattr(group, "value", value),
        lambda: group.set_value({0: value}),
    ):
        with pytest.raises(ValueTypeError):
            call()
    expected = StructureError if isinstance(value, list) else ValueTypeError
    with pytest.raises(expected):
        tree.set_value({("soma", "n"): value})


def test_a_masked_array_is_no_value():
    masked = np.ma.masked_array([1.0, 2.0], [True, False])
    for value in (masked, Quantity(masked, "mV")):
        with pytest.raises(ValueTypeError):
            ETraceState(value)


def test_a_state_is_no_value():
    with pytest.raises(ValueTypeError):
        ETraceState(ETraceState(np.zeros(2)))
    with pytest.raises(ValueTypeError):
        ETraceTreeState({"a": ETraceState(np.zeros(2))})


@pytest.mark.parametrize("written", DTYPES)
@pytest.mark.parametrize("kept", DTYPES)
def test_dtypes_are_cast_where_safe(kept, written):
    state, value = ETraceState(np.zeros(2, kept)), np.ones(2, written)
    if np.can_cast(written, kept, "safe"):
        state.value = value
        assert plain(state.value) == plain(np.ones(2, kept))
    else:
        with pytest.raises(DtypeError):
            state.value = value


@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (3, 1), (1, 3), (0,)])
def test_another_shape(shape):
    state = ETraceState(np.zeros(3))
    with pytest.raises(ShapeError, match=r"\(3,\)"):
        state.value = np.zeros(shape)


# Units


@pytest.mark.parametrize(
    ("unit", "number", "written", "read"),
    [
        ("mV", 1.0, "V", 1000.0),
        ("V", 1.0, "mV", 0.001),
        ("nA", 3.0, "mA", 3e6),
        ("ms^-1", 7.0, "Hz", 0.007),
        ("mV", 2.0, "10^-3 kg m^2 s^-3 A^-1", 2.0),
        ("mV V^-1", 5.0, "V V^-1", 5000.0),
        (None, 5.0, "mV V^-1", 0.005),
    ],
)
def test_another_scale(unit, number, written, read):
    state = ETraceState(Quantity(np.zeros(1), unit) if unit else np.zeros(1))
    state.value = Quantity(np.full(1, number), written)
    expected = Quantity(np.full(1, read), unit) if unit else np.full(1, read)
    assert plain(state.value) == plain(expected)


@pytest.mark.parametrize(
    ("unit", "written"),
    [("mV", "nA"), ("mV", None), ("mV V^-1", None), (None, "mV"), ("mV", "mV V^-1"), ("mV", "V^2")],
)
def test_another_dimension(unit, written):
    state = ETraceState(Quantity(np.zeros(1), unit) if unit else np.zeros(1))
    with pytest.raises(UnitError):
        state.value = Quantity(np.ones(1), written) if written else np.ones(1)


@pytest.mark.parametrize("dtype", "?bilq")
def test_integers_are_not_rescaled(dtype):
    state = ETraceState(Quantity(np.zeros(2, dtype), "mV"))
    state.value = Quantity(np.ones(2, dtype), "mV")
    with pytest.raises(DtypeError):
        state.value = Quantity(np.ones(2, dtype), "V")
    assert plain(state.value) == plain(Quantity(np.ones(2, dtype), "mV"))


@pytest.mark.parametrize(
    ("dtype", "fits", "exceeds"), [("e", 60.0, 66.0), ("f", 3e35, 4e35), ("d", 1e305, 2e305)]
)
def test_rescaling_stays_finite(dtype, fits, exceeds):
    state = ETraceState(Quantity(np.zeros(2, dtype), "mV"))
    state.value = Quantity(np.array([fits, np.inf], dtype), "V")
    assert np.isfinite(state.value.array).tolist() == [True, False]
    with pytest.raises(DtypeError):
        state.value = Quantity(np.array([exceeds, 0], dtype), "V")


def test_rescaling_in_the_state_s_dtype():
    state = ETraceState(Quantity(np.zeros(1), "mV"))
    state.value = Quantity(np.array([0.1], np.float32), "V")
    assert state.value.array[0] == float(np.float32(0.1)) * 1000
    half = ETraceState(Quantity(np.zeros(1, np.float16), "mV"))
    half.value = Quantity(np.array([0.01], np.float16), "kV")  # 10^6 is no float16
    np.testing.assert_allclose(half.value.array, 1e4, rtol=1e-3)
    two = ETraceState(Quantity(np.zeros(1, np.complex64), "mV"))
    two.value = Quantity(np.array([complex(np.inf, 2)], np.complex64), "V")
    assert two.value.array[0] == complex(np.inf, 2000)


# Independence


def scribble(value):
    """Change every array and container in place."""
    if type(value) is dict:
        for entry in value.values():
            scribble(entry)
        value.clear()
    elif type(value) in (list, tuple):
        for entry in value:
            scribble(entry)
        if type(value) is list:
            value.clear()
    else:
        array = value.array if isinstance(value, Quantity) else value
        if isinstance(array, np.ndarray):
            array[...] = np.ones((), array.dtype) * 77 if array.dtype != bool else True
            array.shape = (array.size,)


@pytest.mark.parametrize("kind", range(3))
def test_states_share_no_memory_with_their_user(kind):
    state = states(history=2)[kind]
    before, past = plain(state.value), plain(state.history)
    scribble(state.value)
    scribble(state.history)
    if kind > 0:
        scribble(state.get_value(0))
        scribble(state.get_value(-1))
    assert (plain(state.value), plain(state.history)) == (before, past)
    value = state.value
    made = type(state)(value)
    scribble(value)
    assert plain(made.value) == before
    value = state.value
    made.value = value
    scribble(value)
    assert plain(made.value) == before


def test_partial_writes_share_no_memory():
    group, entry = ETraceGroupState(np.zeros((2, 3))), np.ones(2)
    group.set_value({0: entry})
    entry[:] = 5
    assert group.value[:, 0].tolist() == [1, 1]
    tree, entry = ETraceTreeState({"a": np.zeros(2)}), np.ones(2)
    tree.set_value([entry])
    tree.add_leaf("b", entry)
    entry[:] = 5
    assert tree.value["a"].tolist() == tree.value["b"].tolist() == [1, 1]


HOW = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda s: pickle.loads(pickle.dumps(s)),
}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("kind", range(3))
def test_copies(kind, how):
    state = states(history=2)[kind]
    state.value = state.value
    other = HOW[how](state)
    assert type(other) is type(state)
    for name in ("value", "history"):
        assert plain(getattr(other, name)) == plain(getattr(state, name))
    assert other.name == state.name
    assert getattr(other, "names", None) == getattr(state, "names", None)
    before, past = plain(state.value), plain(state.history)
    write(other)
    assert (plain(state.value), plain(state.history)) == (before, past)
    after, past = plain(other.value), plain(other.history)
    state.value = state.value
    assert (plain(other.value), plain(other.history)) == (after, past)


def write(state):
    """Write something new."""
    if isinstance(state, ETraceGroupState):
        state.set_value({0: Quantity(np.full(2, 55.0), "mV")})
    elif isinstance(state, ETraceTreeState):
        state.set_value({0: Quantity(np.full(2, 55.0), "mV")})
        state.add_leaf("new", np.zeros(1))
    else:
        state.value = Quantity(np.full(3, 55.0), "mV")


# History


@pytest.mark.parametrize("K", [1, 2, 5])
def test_history_is_what_was_read_before_each_write(K):
    rng = np.random.default_rng(K)
    for state in states(history=K):
        read = [plain_leaves(state.value)] * K
        for i in range(9):
            read.append(plain_leaves(state.value))
            if i % 3 == 2 and type(state) is not ETraceState:
                state.set_value({0: Quantity(rng.random(2), "mV")})
            elif isinstance(state, ETraceTreeState):
                state.set_value({1: rng.integers(0, 9, 2).astype(np.int32)})
            else:
                state.value = Quantity(rng.random(state.value.array.shape), "mV")
            now = plain_leaves(state.value)
            for n, (numbers, dtype, unit) in enumerate(plain_leaves(state.history)):
                assert numbers == [entry[n][0] for entry in read[-K:]]
                assert (dtype, unit) == now[n][1:]


def plain_leaves(value):
    """(numbers, dtype, unit) of each leaf."""
    if type(value) is dict:
        value = list(value.values())
    if type(value) in (list, tuple):
        return [leaf for entry in value for leaf in plain_leaves(entry)]
    array, unit = (value.array, value.unit) if isinstance(value, Quantity) else (value, None)
    return [(array.tolist(), array.dtype, unit)]


@pytest.mark.parametrize("history", [-1, 1.0, True, None, "1", np.float64(1), np.True_])
def test_bad_history(history):
    with pytest.raises(ParameterError, match="'h'"):
        ETraceState(np.zeros(1), name="h", history=history)


def test_no_history():
    for state in states():
        with pytest.raises(HistoryError):
            _ = state.history
    assert ETraceState(np.zeros(1), history=np.int64(2)).history.shape == (2, 1)


# Errors

TABLE = """
    ValueTypeError TypeError; UnitError TypeError; ShapeError ValueError; DtypeError TypeError;
    StructureError ValueError; DuplicateError ValueError; StateIndexError IndexError;
    StateNameError KeyError; AddressTypeError TypeError; NoCommonShapeError ValueError;
    HistoryError ValueError; ParameterError ValueError; InputError ValueError
"""


def test_errors_are_the_table():
    rows = [row.split() for row in TABLE.split(";")]
    assert len(rows) == 13
    for name, base in rows:
        error = getattr(reference, name)
        assert error.__bases__ == (BrainscaleError, getattr(builtins, base))
        raised = error("state 'h'", "this", "that")
        assert str(raised) == "state 'h': got this; needs that"
        assert (raised.subject, raised.got, raised.needs) == ("state 'h'", "this", "that")
        assert str(pickle.loads(pickle.dumps(raised))) == str(raised)


def test_the_first_broken_clause_is_reported():
    state = ETraceState(Quantity(np.zeros(3), "mV"))
    for value, error in (
        (Quantity(np.full((2, 2), None), "nA"), ValueTypeError),
        (Quantity(np.zeros((2, 2), complex), "nA"), UnitError),
        (np.zeros((2, 2), complex), UnitError),
        (Quantity(np.zeros((2, 2), complex), "V"), DtypeError),
        (Quantity(np.full((2, 2), 1e308), "V"), DtypeError),
        (Quantity(np.zeros((2, 2)), "V"), ShapeError),
    ):
        with pytest.raises(error):
            state.value = value
    with pytest.raises(StructureError):
        ETraceGroupState(None, names=[1])
    with pytest.raises(StructureError):
        states()[2].set_value({0: None, 1: {}})
    with pytest.raises(StateNameError):
        states()[2].set_value({0: None, "x": None})


def test_a_state_has_the_machines_order_of_bytes():
    swapped = np.arange(3.0).astype(np.dtype(np.float64).newbyteorder("S"))
    state = ETraceState(swapped, history=1)
    assert state.value.dtype.isnative
    assert state.history.dtype.isnative
    np.testing.assert_array_equal(state.value, [0.0, 1.0, 2.0])
