"""Reading what is given: whether it is a value, and its numbers in the unit and shape needed."""

from __future__ import annotations

import reprlib
from typing import Any

import numpy as np

from ..errors import DtypeError, InputError, ParameterError, ShapeError, ValueTypeError
from .units import Quantity, Unit, power_between, times_power_of_ten, unit

#: NumPy's letters for boolean, integer, unsigned, floating point and complex.
KINDS = "biufc"


def is_integer(key: Any) -> bool:
    """Whether `key` is an integer of Python or NumPy; a boolean is none."""
    return isinstance(key, int | np.integer) and not isinstance(key, bool)


def split(value: Any, subject: str) -> tuple[np.ndarray, Unit | None]:
    """The array and the unit of a value (STATE-4). Copies nothing but a foreign byte order.

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
    masked = isinstance(array, np.ma.MaskedArray)  # some of its numbers are none
    if masked or not isinstance(array, np.ndarray | np.generic):
        raise ValueTypeError(
            subject, f"{reprlib.repr(value)} of type {type(value).__name__}", needs
        )
    if array.dtype.kind not in KINDS:
        raise ValueTypeError(subject, f"an array of dtype {array.dtype}", needs)
    array = np.asarray(array)
    return array.astype(array.dtype.newbyteorder("="), copy=False), unit


def read_number(value: Any, needed: str | None, shape: tuple[int, ...], subject: str) -> np.ndarray:
    """A value in a unit as a plain float64 array that broadcasts to a shape.

    Parameters
    ----------
    value : Quantity, ndarray, NumPy scalar, float or int
    needed : str or None
        The unit's name.
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
    array, given = split(value, subject)
    power = power_between(given, None if needed is None else unit(needed), subject)
    if array.dtype.kind not in "iuf":
        raise DtypeError(subject, f"the dtype {array.dtype}", "real numbers")
    try:
        array = np.broadcast_to(array, shape)
    except ValueError:
        needs = f"a shape that broadcasts to {shape}"
        raise ShapeError(subject, f"the shape {array.shape}", needs) from None
    return times_power_of_ten(array.astype(np.float64), power)


def read_positive(value: Any, needed: str, subject: str) -> float:
    """The length of a step (GIF-19) or the surrogate's scale (GIF-15), checked."""
    number = float(read_number(value, needed, (), subject))
    if not (np.isfinite(number) and number > 0):
        raise ParameterError(subject, f"{number} {needed}", "a positive and finite number")
    return number


def read_plain(
    value: Any, shape: tuple[int | None, ...], subject: str, kinds: str = "iuf"
) -> np.ndarray:
    """Bare, finite numbers of a shape as a new float64 array; None in a shape is any length.

    Raises
    ------
    ValueTypeError, UnitError, DtypeError, ShapeError, InputError
        In this order (ERR-3).
    """
    array, unit = split(value, subject)
    power_between(unit, None, subject)
    if array.dtype.kind not in kinds:
        raise DtypeError(subject, f"the dtype {array.dtype}", "real numbers")
    fits = array.ndim == len(shape) and all(
        wanted in (None, length) for length, wanted in zip(array.shape, shape, strict=True)
    )
    if not fits:
        needs = f"the shape ({', '.join('any' if n is None else str(n) for n in shape)})"
        raise ShapeError(subject, f"the shape {array.shape}", needs)
    if not np.all(np.isfinite(array)):
        raise InputError(subject, f"{array[~np.isfinite(array)][0]}", "finite numbers")
    return array.astype(np.float64)
