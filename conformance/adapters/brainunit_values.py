"""Values of the protocol as brainunit's, and back. For adapters to packages built on brainunit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import brainunit as u
import numpy as np

from conformance.protocol.implementation import Value

_SYMBOLS = {
    "V": u.volt,
    "A": u.amp,
    "ohm": u.ohm,
    "S": u.siemens,
    "F": u.farad,
    "Hz": u.hertz,
    "s": u.second,
    "m": u.meter,
    "g": u.gram,
}
_PREFIXES = {"p": -12, "n": -9, "u": -6, "m": -3, "c": -2, "k": 3, "M": 6, "G": 9}
_BASE = ("m", "kg", "s", "A")


def native_unit(name: str) -> u.Unit:
    """The unit of a name such as ``mV V^-1`` (SPEC.md, chapter 1)."""
    unit = u.UNITLESS
    for factor in name.split():
        symbol, _, power = factor.partition("^")
        unit = unit * _symbol(symbol) ** int(power or 1)
    return unit


def _symbol(symbol: str) -> u.Unit:
    if symbol == "10":
        return u.Unit(u.DIMENSIONLESS, scale=1)
    if symbol in _SYMBOLS:
        return _SYMBOLS[symbol]
    base = _SYMBOLS[symbol[1:]]
    return u.Unit(base.dim, scale=base.scale + _PREFIXES[symbol[0]])


def native(value: Any) -> Any:
    """A value or tree of the protocol as arrays and quantities; anything else as it is."""
    if isinstance(value, Value):
        if value.unit is None:
            return value.array
        return u.Quantity(value.array, unit=native_unit(value.unit))
    return _map_containers(native, value)


def argument(value: Any) -> Any:
    """A value as `native` has it, that can be an argument of what JAX compiles.

    For these JAX takes the machine's own order of bytes alone.
    """
    if isinstance(value, Value) and not value.array.dtype.isnative:
        value = Value(value.array.astype(value.array.dtype.newbyteorder("=")), value.unit)
    return native(value)


def neutral(value: Any) -> Any:
    """Arrays and quantities, or a tree of them, as values of the protocol."""
    if isinstance(value, u.Quantity):
        return Value(np.asarray(value.mantissa), _unit_name(value.unit))
    if hasattr(value, "dtype"):
        return Value(np.asarray(value))
    return _map_containers(neutral, value)


def _unit_name(unit: u.Unit) -> str | None:
    if unit.is_unitless:
        return None
    powers = [int(unit.dim.get_dimension(name)) for name in _BASE]
    base = [f"{symbol}^{power}" for symbol, power in zip(_BASE, powers, strict=True) if power]
    return " ".join([f"10^{int(unit.scale)}", *base])


def _map_containers(function: Callable[[Any], Any], tree: Any) -> Any:
    """Apply to the entries of a dict, list or tuple; anything else as it is."""
    if type(tree) is dict:
        return {key: function(entry) for key, entry in tree.items()}
    if type(tree) in (list, tuple):
        return type(tree)(function(entry) for entry in tree)
    return tree
