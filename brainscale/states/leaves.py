"""One array with its unit: what a state accepts, and how it fits what is written to what it holds.

A *leaf* is what a state stores: a `jax.Array`, in a `brainunit.Quantity` if it has a unit. Clauses
UNIT-1 to UNIT-5 and STATE-4 to STATE-8 of SPEC.md are obeyed here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ..errors import DtypeError, ShapeError, UnitError, ValueTypeError

Leaf = jax.Array | u.Quantity


class Spec(NamedTuple):
    """What a leaf is, apart from its numbers."""

    shape: tuple[int, ...]
    dtype: np.dtype
    unit: u.Unit


def magnitude(leaf: Leaf) -> Any:
    """Give the leaf's numbers, in its own unit."""
    return leaf.mantissa if isinstance(leaf, u.Quantity) else leaf


def unit_of(leaf: Leaf) -> u.Unit:
    """Give the leaf's unit; `brainunit.UNITLESS` where it is bare."""
    return leaf.unit if isinstance(leaf, u.Quantity) else u.UNITLESS


def spec_of(leaf: Leaf) -> Spec:
    """Read shape, dtype and unit of a leaf."""
    array = magnitude(leaf)
    return Spec(tuple(array.shape), np.dtype(array.dtype), unit_of(leaf))


def with_unit(array: jax.Array, unit: u.Unit) -> Leaf:
    """Make the leaf of these numbers in this unit."""
    # Not `array * unit`: that turns a ratio such as mV/V into a plain number.
    return array if unit.is_unitless else u.Quantity(array, unit=unit)


def rewrap(leaf: Leaf) -> Leaf:
    """Put the same leaf in a Quantity of its own."""
    return with_unit(magnitude(leaf), unit_of(leaf))


class Text(str):
    """What a leaf looks like where a state is printed: its words, without quotes."""

    def __repr__(self) -> str:
        return str(self)


def show_leaf(value: Any) -> Text:
    """Show a leaf: its dtype, its shape, its unit and, if they are known and few, its numbers."""
    number, unit = u.get_mantissa(value), u.get_unit(value)
    if not isinstance(number, (jax.Array, np.ndarray, jax.ShapeDtypeStruct)):
        return Text(repr(value))
    kind = f"{number.dtype.name}[{','.join(map(str, number.shape))}]"
    kind += "" if unit.is_unitless else f" {unit}"
    if isinstance(number, (Tracer, jax.ShapeDtypeStruct)) or number.size > 100:
        return Text(kind)
    numbers = np.array2string(np.asarray(number), precision=6, separator=", ")
    return Text(f"{kind}: {' '.join(numbers.split())}")


def make_leaf(value: Any, where: str) -> Leaf:
    """Take a value into a state that has no value yet.

    Parameters
    ----------
    value : array or Quantity
        Any shape; dtype boolean, integer, floating point or complex.
    where : str
        What the value is for, to be named in errors.

    Returns
    -------
    leaf
        Shares no memory with `value` (STATE-10).

    Raises
    ------
    ValueTypeError, DtypeError
        STATE-4; STATE-8.
    """
    array = _make_array(_check_type(value, where), where)
    if array.weak_type:
        array = jax.lax.convert_element_type(array, array.dtype)
    return with_unit(array, unit_of(value))


def fit_leaf(value: Any, spec: Spec, where: str, *, check_shape: bool = True) -> Leaf:
    """Fit a value to what a state holds, or refuse it.

    Parameters
    ----------
    value : array or Quantity
        Must have the shape of `spec`, a dtype that casts safely to its dtype, and a unit of the
        same dimension as its unit.
    spec : Spec
        What the state holds.
    where : str
        What the value is for, to be named in errors.
    check_shape : bool
        False where a transformation puts a batched value in place of another.

    Returns
    -------
    leaf
        The value in the dtype and unit of `spec`; shares no memory with `value`.

    Raises
    ------
    ValueTypeError, UnitError, DtypeError, ShapeError
        Checked in this order (ERR-3).
    """
    number = _check_type(value, where)
    unit = unit_of(value)
    _check_unit(unit, spec.unit, where)
    array = _make_array(number, where)
    if not np.can_cast(array.dtype, spec.dtype, "safe"):
        raise DtypeError(
            f"{where} has dtype {spec.dtype}, which cannot hold every {array.dtype}; "
            f"cast the value to {spec.dtype} first",
            got=array.dtype,
            needs=spec.dtype,
        )
    if not unit.has_same_magnitude(spec.unit):
        scale = _make_rescaling(number, unit, spec, where)
        array = scale(array)
    if array.dtype != spec.dtype or array.weak_type:
        array = jax.lax.convert_element_type(array, spec.dtype)
    if check_shape and array.shape != spec.shape:
        raise ShapeError(
            f"{where} has shape {spec.shape}, got shape {array.shape}; nothing is broadcast",
            got=array.shape,
            needs=spec.shape,
        )
    return with_unit(array, spec.unit)


def _check_type(value: Any, where: str) -> Any:
    """Read the numbers of `value`, if it is a value at all (STATE-4)."""
    number = magnitude(value)
    if isinstance(value, u.Quantity) and isinstance(number, (bool, int, float, complex)):
        number = np.asarray(number)
    # A masked array would lose its mask.
    is_array = isinstance(number, (np.ndarray, np.generic, jax.Array)) and not isinstance(
        number, np.ma.MaskedArray
    )
    if not is_array or not (number.dtype == np.bool_ or jnp.issubdtype(number.dtype, jnp.number)):
        kind = type(value).__name__
        dtype = getattr(number, "dtype", None)
        got = kind if dtype is None else f"{kind} of dtype {dtype}"
        raise ValueTypeError(
            f"{where} needs an array of numbers (NumPy, JAX or brainunit.Quantity), got {got}",
            got=got,
            needs="array",
        )
    return number


def _make_array(number: Any, where: str) -> jax.Array:
    """Make a JAX array of the numbers that shares no memory with them (STATE-8, STATE-10)."""
    if isinstance(number, jax.Array):
        return number
    wide = np.asarray(number)
    if wide.dtype.char in "gG":  # long doubles, which JAX does not have
        narrow = None
    else:
        with np.errstate(over="ignore"):
            # JAX has the machine's own order of bytes and no other.
            native = wide.dtype.newbyteorder("=")
            narrow = wide.astype(jax.dtypes.canonicalize_dtype(native))
    if narrow is None or not _is_kept(wide, narrow):
        raise DtypeError(
            f"{where} cannot hold {wide.dtype} numbers of this size; "
            "enable 64-bit numbers in JAX or use a smaller dtype",
            got=wide.dtype,
        )
    # Inside a trace, too, the numbers are known, and no part of it: a state that is given back what
    # it held before the trace would keep what ends with the trace.
    with jax.ensure_compile_time_eval():
        return jnp.array(narrow, copy=True)


def _is_kept(wide: np.ndarray, narrow: np.ndarray) -> bool:
    if wide.dtype == narrow.dtype:
        return True
    if np.issubdtype(wide.dtype, np.integer):
        return bool(np.all(wide == narrow))
    return not np.any(np.isfinite(wide) & ~np.isfinite(narrow))


def _check_unit(unit: u.Unit, needs: u.Unit, where: str) -> None:
    lacks_unit = unit.is_unitless and not needs.is_unitless
    if lacks_unit or not unit.has_same_dim(needs):
        raise UnitError(
            f"{where} has {_describe_unit(needs)}, got {_describe_unit(unit)}",
            got=unit,
            needs=needs,
        )


def _describe_unit(unit: u.Unit) -> str:
    return "no unit" if unit.is_unitless else f"the unit {unit}"


def _make_rescaling(number: Any, unit: u.Unit, spec: Spec, where: str) -> Callable[[Any], Any]:
    """Make the change of numbers in `unit` to those of `spec` (UNIT-1), finite still (STATE-7)."""
    if not jnp.issubdtype(spec.dtype, jnp.inexact):
        raise DtypeError(
            f"{where} holds {spec.dtype} numbers in {_describe_unit(spec.unit)}; "
            f"a value in {unit} would have to be rescaled",
            got=unit,
            needs=spec.unit,
        )
    # Dividing by a whole number is exact to rounding, multiplying by its inverse is not.
    up, down = float(unit.magnitude), float(spec.unit.magnitude)
    power = unit.scale - spec.unit.scale
    if unit.base == spec.unit.base == 10.0 and unit.factor == spec.unit.factor:
        up, down = (10.0**power, 1.0) if power > 0 else (1.0, 10.0**-power)

    def scale(x: Any) -> Any:
        x = x.astype(spec.dtype)
        return (x * up if down == 1.0 else x / (down / up)).astype(spec.dtype)

    # In NumPy: what JAX computes of a known number inside a trace is not known.
    if not isinstance(number, Tracer):
        numbers = np.asarray(number)
        with np.errstate(over="ignore"):
            overflows = np.isfinite(numbers) & ~np.isfinite(scale(numbers))
        if np.any(overflows):
            raise DtypeError(
                f"{where} has dtype {spec.dtype}, in which a value in {unit} rescaled to "
                f"{spec.unit} is infinite",
                got=unit,
                needs=spec.unit,
            )
    return scale
