"""Units and quantities: SPEC.md, chapter 1."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from ..errors import UnitError

#: Powers of (kg, m, s, A), and the power of ten over the coherent SI unit.
SYMBOLS = {
    "V": ((1, 2, -3, -1), 0),
    "A": ((0, 0, 0, 1), 0),
    "ohm": ((1, 2, -3, -2), 0),
    "S": ((-1, -2, 3, 2), 0),
    "F": ((-1, -2, 4, 2), 0),
    "Hz": ((0, 0, -1, 0), 0),
    "s": ((0, 0, 1, 0), 0),
    "m": ((0, 1, 0, 0), 0),
    "g": ((1, 0, 0, 0), -3),
    "10": ((0, 0, 0, 0), 1),
}
PREFIXES = {"p": -12, "n": -9, "u": -6, "m": -3, "c": -2, "k": 3, "M": 6, "G": 9}

#: The largest power of ten that float64 holds exactly is 10**22.
EXACT_POWER = 22


@dataclasses.dataclass(frozen=True)
class Unit:
    """A dimension and a scale.

    Parameters
    ----------
    dimension : tuple of int
        Powers of kg, m, s and A.
    scale : int
        The power of ten over the coherent SI unit of that dimension.
    name : str
        What messages call it. Units are equal whatever their names.
    """

    dimension: tuple[int, int, int, int]
    scale: int
    name: str = dataclasses.field(compare=False)

    def __mul__(self, other: Unit) -> Unit:
        dimension = tuple(p + q for p, q in zip(self.dimension, other.dimension, strict=True))
        return Unit(dimension, self.scale + other.scale, f"{self.name} {other.name}".strip())

    def __str__(self) -> str:
        return self.name

    @property
    def is_ratio(self) -> bool:
        """Whether the unit has no dimension, as mV/V has none."""
        return not any(self.dimension)


@functools.cache
def unit(name: str) -> Unit:
    """The unit of a name such as "mV", "ms^-1", "mV V^-1" or "10^-3 kg m^2 s^-3 A^-1".

    Parameters
    ----------
    name : str
        Symbols separated by spaces, each with an optional integer power.

    Returns
    -------
    Unit

    Raises
    ------
    UnitError
        SPEC.md, chapter 1, describes no such name.
    """
    result = Unit((0, 0, 0, 0), 0, "")
    for factor in name.split():
        result = result * _parse_factor(factor, name)
    if not result.name:
        raise UnitError("unit", repr(name), "at least one symbol, as in 'mV' or 'ms^-1'")
    return result


def _parse_factor(factor: str, name: str) -> Unit:
    """The unit of one symbol with its prefix and power."""
    symbol, caret, exponent = factor.partition("^")
    try:
        power = int(exponent) if caret else 1
        if symbol in SYMBOLS:
            dimension, scale = SYMBOLS[symbol]
        else:
            dimension, scale = SYMBOLS[symbol[1:]]
            scale += PREFIXES[symbol[:1]]
        if symbol[1:] == "10":
            raise KeyError(symbol)
    except (KeyError, ValueError):
        symbols, prefixes = " ".join(SYMBOLS), " ".join(PREFIXES)
        needs = f"one of {symbols}, behind none or one of {prefixes}, with an integer power"
        raise UnitError(f"unit {name!r}", repr(factor), needs) from None
    return Unit(tuple(p * power for p in dimension), scale * power, factor)


class Quantity:
    """An array with a unit.

    Parameters
    ----------
    array : array_like
        The numbers, in `unit`. An array is held as it is, not copied.
    unit : Unit or str
        The unit, or its name.
    """

    def __init__(self, array: Any, unit: Unit | str):
        self.array = np.asanyarray(array)
        self.unit = _parse_unit(unit) if isinstance(unit, str) else unit

    def __repr__(self) -> str:
        return f"Quantity({self.array!r}, {self.unit.name!r})"

    def to(self, other: Unit | str, subject: str = "quantity") -> Quantity:
        """The same quantity in another unit of its dimension, as float64 at least.

        Raises
        ------
        UnitError
            The units differ in dimension.
        """
        other = _parse_unit(other) if isinstance(other, str) else other
        power = power_between(self.unit, other, subject)
        wide = self.array.astype(np.result_type(self.array.dtype, np.float64))
        return Quantity(times_power_of_ten(wide, power), other)


_parse_unit = unit  # `Quantity` has an argument of that name


def power_between(source: Unit | None, target: Unit | None, subject: str) -> int:
    """The power of ten that takes numbers in `source` to numbers in `target` (UNIT-1 to UNIT-4).

    Parameters
    ----------
    source, target : Unit or None
        None is the absence of a unit.
    subject : str
        What the message is about.

    Returns
    -------
    int

    Raises
    ------
    UnitError
        Another dimension, or a bare value where a unit is needed.
    """
    if source is None and target is None:
        return 0
    if source is None:
        raise UnitError(subject, "a bare value", f"a value in {target} or another scale of it")
    if target is None and source.is_ratio:
        return source.scale
    if target is None:
        raise UnitError(subject, f"a value in {source}", "a bare value or a ratio of units")
    if source.dimension != target.dimension:
        raise UnitError(subject, f"a value in {source}", f"{target} or another scale of it")
    return source.scale - target.scale


def times_power_of_ten(array: np.ndarray, power: int) -> np.ndarray:
    """Multiply an array by 10**power, in steps that are each rounded once.

    Parameters
    ----------
    array : (...) array of float or complex
    power : int

    Returns
    -------
    (...) array of the same dtype
        What exceeds the dtype is infinite; infinities and NaN stay what they are.
    """
    if np.iscomplexobj(array):
        # The product of a complex infinity and a real number has a NaN in it.
        result = np.empty_like(array)
        result.real = times_power_of_ten(array.real, power)
        result.imag = times_power_of_ten(array.imag, power)
        return result
    result = array
    with np.errstate(all="ignore"):
        while power != 0:
            part = min(abs(power), EXACT_POWER)
            result = result * 10.0**part if power > 0 else result / 10.0**part
            power += -part if power > 0 else part
    return np.asarray(result)
