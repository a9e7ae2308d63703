"""One variable of a state: its numbers, unit and past, and which values it accepts."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..errors import DtypeError, ShapeError
from ..values import Quantity, Unit, power_between, split, times_power_of_ten


@dataclasses.dataclass(frozen=True, eq=False)
class Leaf:
    """A variable. Nothing in it ever changes, so copies of a state may share it (HIST-7).

    Parameters
    ----------
    array : (*shape) array
        The numbers, private and read-only.
    unit : Unit or None
        Their unit; None where the value is bare.
    past : (K, *shape) array
        The numbers before the last K writes, oldest first; private and read-only.
    """

    array: np.ndarray
    unit: Unit | None
    past: np.ndarray


def private(array: np.ndarray) -> np.ndarray:
    """Copy an array, read-only (STATE-10, STATE-11)."""
    copy = np.array(array, order="C")
    copy.flags.writeable = False
    return copy


def new_leaf(value: Any, depth: int, subject: str) -> Leaf:
    """Make a leaf from its first value, which fills its past (HIST-2, HIST-8).

    An axis of it may have the length 0 (STATE-13).

    Parameters
    ----------
    value : ndarray, NumPy scalar or Quantity
    depth : int
        The number K of past values kept.
    subject : str
        What the message is about.

    Returns
    -------
    Leaf

    Raises
    ------
    ValueTypeError
        `value` is no value.
    """
    array, unit = split(value, subject)
    return Leaf(private(array), unit, private(np.broadcast_to(array, (depth, *array.shape))))


def conform(value: Any, leaf: Leaf, shape: tuple[int, ...], subject: str) -> np.ndarray:
    """The numbers that `leaf` holds once `value` is written to it (UNIT-1, STATE-5, ERR-3).

    Parameters
    ----------
    value : ndarray, NumPy scalar or Quantity
        What is written.
    leaf : Leaf
        What is written to, with its unit and dtype.
    shape : tuple of int
        The shape that is needed: the leaf's, or that of the part of it that is written.
    subject : str
        What the message is about.

    Returns
    -------
    (*shape) array
        In the leaf's dtype and unit; a copy.

    Raises
    ------
    ValueTypeError, UnitError, DtypeError, ShapeError
        In this order.
    """
    array, unit = split(value, subject)
    power = power_between(unit, leaf.unit, subject)
    array = rescale(cast(array, leaf.array.dtype, subject), power, subject)
    if array.shape != shape:
        raise ShapeError(subject, f"the shape {array.shape}", f"the shape {shape}")
    return array


def cast(array: np.ndarray, dtype: np.dtype, subject: str) -> np.ndarray:
    """Copy an array in `dtype`; DtypeError where NumPy's "safe" rule forbids it (STATE-6)."""
    if not np.can_cast(array.dtype, dtype, casting="safe"):
        needs = f"{dtype} or a dtype whose every number is one of {dtype}"
        raise DtypeError(subject, f"the dtype {array.dtype}", needs)
    with np.errstate(invalid="ignore"):  # a signalling NaN may raise its flag
        return array.astype(dtype)


def rescale(array: np.ndarray, power: int, subject: str) -> np.ndarray:
    """Multiply by 10**power in the array's own dtype; DtypeError where it overflows (STATE-7)."""
    if power == 0:
        return array
    if array.dtype.kind in "biu":
        got = f"a change of scale by 10^{power} of the dtype {array.dtype}"
        raise DtypeError(subject, got, "the state's own scale, since a factor leaves the integers")
    if array.dtype.kind == "c":
        result = np.empty_like(array)
        result.real = rescale(array.real, power, subject)
        result.imag = rescale(array.imag, power, subject)
        return result
    # In float64 at least: float16 has not even the factor 10^6.
    wide = array.astype(np.result_type(array.dtype, np.float64))
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        result = times_power_of_ten(wide, power).astype(array.dtype)
    if np.any(np.isfinite(array) & ~np.isfinite(result)):
        got = f"a number that times 10^{power} exceeds {array.dtype}"
        raise DtypeError(subject, got, f"numbers up to {np.finfo(array.dtype).max}")
    return result


def record(leaf: Leaf, array: np.ndarray) -> Leaf:
    """The leaf after a write: `array` is its value, and its old value the last of its past.

    Moves K values and keeps K (HIST-2, HIST-5).
    """
    past = np.concatenate([leaf.past, leaf.array[np.newaxis]])[1:] if len(leaf.past) else leaf.past
    return Leaf(private(array), leaf.unit, private(past))


def read(leaf: Leaf, array: np.ndarray) -> Quantity | np.ndarray:
    """Copy `array`, a part or the past of the leaf, with the leaf's unit (UNIT-5)."""
    copy = np.array(array)
    return copy if leaf.unit is None else Quantity(copy, leaf.unit)
