"""Read arguments: whether they are values, and their numbers in a unit and a shape."""

from __future__ import annotations

import numbers
import reprlib
from collections.abc import Collection
from typing import Any

import numpy as np

from ..errors import (
    BrainscaleError,
    DtypeError,
    InputError,
    ParameterError,
    ShapeError,
    ValueTypeError,
)
from .units import Quantity, Unit, power_between, times_power_of_ten, unit

#: NumPy's letters for boolean, integer, unsigned, floating point and complex.
KINDS = "biufc"


def is_integer(key: Any) -> bool:
    """Whether `key` is an integer of Python or NumPy; a boolean is none."""
    return isinstance(key, int | np.integer) and not isinstance(key, bool)


def is_real(value: Any) -> bool:
    """Whether `value` is a real number of Python or NumPy; a boolean is none."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def check_finite(
    array: np.ndarray, subject: str, error: type[BrainscaleError], unit_name: str = ""
) -> None:
    """Raise `error`, with the first number that is not finite, where there is one."""
    if not np.all(np.isfinite(array)):
        raise error(
            subject, f"{array[~np.isfinite(array)][0]} {unit_name}".strip(), "finite numbers"
        )


def check_names(names: Collection[str], known_names: Collection[str]) -> None:
    """Raise ParameterError where a parameter's name is not among `known_names`."""
    for name in names:
        if name not in known_names:
            needs = f"one of {[*known_names]}"
            raise ParameterError(f"parameter {name!r}", "an unknown name", needs)


def split(value: Any, subject: str) -> tuple[np.ndarray, Unit | None]:
    """Split a value into its array and its unit (STATE-4, UNIT-6 to UNIT-8, GIF-23, CABLE-12).

    Parameters
    ----------
    value : ndarray, NumPy scalar or Quantity
    subject : str
        What the message is about.

    Returns
    -------
    tuple of an array and a unit or None

    Raises
    ------
    ValueTypeError
        `value` is something else, or an array of objects, text or dates.
    """
    array, unit = (value.array, value.unit) if isinstance(value, Quantity) else (value, None)
    needs = "an array of boolean, integer, floating point or complex numbers"
    is_masked = isinstance(array, np.ma.MaskedArray)  # some of its numbers are none
    if is_masked or not isinstance(array, np.ndarray | np.generic):
        raise ValueTypeError(
            subject, f"{reprlib.repr(value)} of type {type(value).__name__}", needs
        )
    if array.dtype.kind not in KINDS:
        raise ValueTypeError(subject, f"an array of dtype {array.dtype}", needs)
    array = np.asarray(array)
    return array.astype(array.dtype.newbyteorder("="), copy=False), unit


def read_number(
    value: Any, unit_name: str | None, shape: tuple[int, ...], subject: str
) -> np.ndarray:
    """Read a value in a unit as a plain float64 array, broadcast to a shape.

    Parameters
    ----------
    value : Quantity, ndarray, NumPy scalar, float or int
    unit_name : str or None
        None is the absence of a unit.
    shape : tuple of int
    subject : str
        What the message is about.

    Returns
    -------
    (*shape) array of float64

    Raises
    ------
    ValueTypeError, UnitError, DtypeError, ShapeError
        In this order (ERR-3).
    """
    if type(value) in (float, int):
        value = np.float64(value)
    array, own_unit = split(value, subject)
    power = power_between(own_unit, None if unit_name is None else unit(unit_name), subject)
    if array.dtype.kind not in "iuf":
        raise DtypeError(subject, f"the dtype {array.dtype}", "real numbers")
    try:
        array = np.broadcast_to(array, shape)
    except ValueError:
        needs = f"a shape that broadcasts to {shape}"
        raise ShapeError(subject, f"the shape {array.shape}", needs) from None
    return times_power_of_ten(array.astype(np.float64), power)


def read_positive(value: Any, unit_name: str, subject: str) -> float:
    """Read one positive, finite number: a step's length (GIF-19), a surrogate's scale (GIF-15).

    Raises
    ------
    ValueTypeError, UnitError, DtypeError, ShapeError, ParameterError
        In this order (ERR-3).
    """
    number = float(read_number(value, unit_name, (), subject))
    if not (np.isfinite(number) and number > 0):
        raise ParameterError(subject, f"{number} {unit_name}", "a positive and finite number")
    return number


def read_plain(
    value: Any, shape: tuple[int | None, ...], subject: str, kinds: str = "iuf"
) -> np.ndarray:
    """Read bare, finite numbers of a shape, in which None is any length (NET-6).

    Raises
    ------
    ValueTypeError, UnitError, DtypeError, ShapeError, InputError
        In this order (ERR-3).
    """
    array = read_bare(value, shape, subject, kinds)
    check_finite(array, subject, InputError)
    return array.astype(np.float64)


def read_bare(
    value: Any, shape: tuple[int | None, ...], subject: str, kinds: str = "iuf"
) -> np.ndarray:
    """Read bare numbers, which may be NaN or infinite, of a shape in which None is any length.

    Raises
    ------
    ValueTypeError, UnitError, DtypeError, ShapeError
        In this order (ERR-3).
    """
    array, own_unit = split(value, subject)
    power_between(own_unit, None, subject)
    if array.dtype.kind not in kinds:
        needs = "integers" if kinds == "iu" else "real numbers"
        raise DtypeError(subject, f"the dtype {array.dtype}", needs)
    fits = array.ndim == len(shape) and all(
        needed in (None, length) for length, needed in zip(array.shape, shape, strict=True)
    )
    if not fits:
        needs = f"the shape ({', '.join('any' if n is None else str(n) for n in shape)})"
        raise ShapeError(subject, f"the shape {array.shape}", needs)
    return array
