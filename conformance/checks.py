"""Assertions. Each says the call, what it got, what was expected, and how far apart."""

from __future__ import annotations

import copy
import reprlib
from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.distances import record
from conformance.errors import ERRORS
from conformance.messages import states
from conformance.protocol.implementation import Value
from conformance.tolerances import tolerances_in_test
from reference import unit


def raises(error: str, call: Callable[..., Any], *arguments: Any, **options: Any) -> Exception:
    """Assert that a call raises an error of a name, and return the exception."""
    shown_call = _describe_call(call, arguments, options)
    try:
        result = call(*arguments, **options)
    except Exception as exception:
        raised = exception
    else:
        raise AssertionError(f"{shown_call} must raise {error}, returned {_SHORT.repr(result)}")
    assert error in names_of(raised), f"{shown_call} must raise {error}, raised {raised!r}"
    return raised


def names_of(error: Exception) -> list[str]:
    """The names of an error's classes, by one of which it counts as an error of SPEC.md."""
    return [kind.__name__ for kind in type(error).__mro__]


def check_refusal(adapter: Any, state: Any, error: str, method: str, *arguments: Any) -> Exception:
    """Assert that a call on a state raises an error and leaves the state as it was (STATE-9)."""
    before = copy.deepcopy(adapter.read(state))  # lest it be the state's own memory
    caught = raises(error, getattr(adapter, method), state, *arguments)
    check_same(adapter.read(state), before, f"read after a refused {method}{arguments}")
    return caught


def check_class(raised: Exception, error: str) -> None:
    """Assert that an error is of its builtin class and of the base of all errors (ERR-1)."""
    base = ERRORS[error].__bases__[-1]
    assert isinstance(raised, base), f"{error} must be a {base.__name__}, is {names_of(raised)}"
    names = names_of(raised)
    assert "BrainscaleError" in names, f"{error} must be a BrainscaleError, is {names}"


def check_message(error: Exception, *facts: Any) -> None:
    """Assert that a message states facts, in whatever words (ERR-2).

    Parameters
    ----------
    error : Exception
    *facts
        Names, numbers, shapes, units and dtypes, as `messages.states` knows them.
    """
    for fact in facts:
        assert states(str(error), fact), f"the message must state {fact}: {error}"


def check_same(got: Any, expected: Any, call: str) -> None:
    """Assert equal containers in equal order, and leaves of equal shape, dtype, unit and bits."""
    if isinstance(expected, Value):
        _same_leaf(got, expected, call)
    elif isinstance(expected, dict):
        assert type(got) is dict, f"{call}: got {got!r}, expected a dict"
        keys, expected_keys = list(got), list(expected)
        assert keys == expected_keys, f"{call}: got the keys {keys}, expected {expected_keys}"
        for key in expected:
            check_same(got[key], expected[key], f"{call}[{key!r}]")
    else:
        kind, count = type(expected), len(expected)
        assert type(got) is kind, f"{call}: got {got!r}, expected a {kind.__name__}"
        assert len(got) == count, f"{call}: got {len(got)} entries, expected {count}"
        for i, entry in enumerate(expected):
            check_same(got[i], entry, f"{call}[{i}]")


def _same_leaf(got: Any, expected: Value, call: str) -> None:
    assert isinstance(got, Value), f"{call}: got {got!r}, expected {expected!r}"
    check_same_unit(got.unit, expected.unit, call)
    array, native = _native(got.array), _native(expected.array)
    assert array.shape == native.shape, f"{call}: got shape {array.shape}, not {native.shape}"
    assert array.dtype == native.dtype, f"{call}: got dtype {array.dtype}, not {native.dtype}"
    assert _bits(array) == _bits(native), f"{call}: got {array!r}, expected {native!r}"


def _native(array: Any) -> np.ndarray:
    """The array in the machine's order of bytes, which is no part of a dtype."""
    array = np.asarray(array)
    return array.astype(array.dtype.newbyteorder("="))


def _bits(array: np.ndarray) -> bytes:
    """The array's bytes, all NaNs alike."""
    if array.dtype.kind in "fc":
        array = np.where(np.isnan(array), np.array(np.nan, array.dtype), array)
    return array.tobytes()


def check_same_unit(got: str | None, expected: str | None, call: str) -> None:
    """Assert that two names are of one unit, or both None."""
    equal = got == expected if None in (got, expected) else unit(got) == unit(expected)
    assert equal, f"{call}: got the unit {got}, expected {expected}"


def check_boolean(got: Any, shape: tuple[int, ...], call: str) -> None:
    """Assert that spikes are an array of booleans of a shape; without axes, a NumPy scalar too."""
    is_right = isinstance(got, np.ndarray | np.generic) and got.dtype == bool
    assert is_right, f"{call}: spikes are {_describe_type(got)}, expected an array of booleans"
    assert got.shape == shape, f"{call}: spikes have shape {got.shape}, expected {shape}"


def check_value(got: Any, shape: tuple[int, ...], unit_name: str, call: str) -> None:
    """Assert that something is a `Value` of floating-point numbers, in any scale of a unit."""
    assert isinstance(got, Value), f"{call}: got {_describe_type(got)}, expected a Value"
    array = got.array
    is_right = isinstance(array, np.ndarray | np.generic) and array.dtype.kind == "f"
    assert is_right, (
        f"{call}: got {_describe_type(array)}, expected an array of floating-point numbers"
    )
    assert array.shape == shape, f"{call}: got shape {array.shape}, expected {shape}"
    is_same_dimension = (
        got.unit is not None and unit(got.unit).dimension == unit(unit_name).dimension
    )
    assert is_same_dimension, (
        f"{call}: got the unit {got.unit}, expected {unit_name} or another scale of it"
    )


def _describe_type(got: Any) -> str:
    """Name the type of something, and its dtype."""
    dtype = getattr(got, "dtype", None)
    return type(got).__name__ + ("" if dtype is None else f" of dtype {dtype}")


def check_close(got: Any, expected: Any, tolerance: Any, call: str) -> None:
    """Assert that numbers are within a tolerance, and NaN only where NaN is expected."""
    got, expected, tolerance = np.broadcast_arrays(
        np.asarray(got, dtype=float), np.asarray(expected, dtype=float), tolerance
    )
    tolerance = tolerances_in_test(64).widen(tolerance, expected)
    nan = np.isnan(expected)
    assert np.array_equal(np.isnan(got), nan), f"{call}: got {got}, expected {expected}"
    apart = np.where(nan | (got == expected), 0.0, np.abs(got - expected))
    record(apart, tolerance)
    excess = apart - tolerance
    if np.any(excess > 0):
        worst = np.unravel_index(np.argmax(excess), excess.shape)
        raise AssertionError(
            f"{call}: at {tuple(map(int, worst))} got {float(got[worst])!r}, "
            f"expected {float(expected[worst])!r}: {apart[worst]:.3g} apart, "
            f"allowed are {tolerance[worst]:.3g}"
        )


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 200


def _describe_call(call: Callable[..., Any], arguments: tuple, options: dict[str, Any]) -> str:
    named = (f"{key}={_SHORT.repr(value)}" for key, value in options.items())
    inside = [*map(_SHORT.repr, arguments), *named]
    return f"{getattr(call, '__name__', call)}({', '.join(inside)})"
