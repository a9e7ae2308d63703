"""Quantities that a model is given: known ones as plain numbers, and their checks."""

from __future__ import annotations

from typing import Any, cast

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ..checks.arguments import LARGEST, check_array, check_function, is_integer
from ..checks.hints import QuantityInitializer
from ..checks.requests import check_batch
from ..errors import InputError, ParameterError, ShapeError, UnitError, ValueTypeError

# To brainunit's annotations, a product of units may be a quantity.
OHM_CM = cast(u.Unit, u.ohm * u.cm)
UF_PER_CM2 = cast(u.Unit, u.uF / u.cm**2)
S_PER_CM2 = cast(u.Unit, u.siemens / u.cm**2)


def as_number(value: Any, unit: u.Unit, what: str) -> np.ndarray:
    """Read a known quantity as float64 numbers in a unit.

    Raises
    ------
    UnitError
        For another dimension, or a bare number where a unit is needed.
    ValueTypeError
        For what is no number, or is not known while a step is traced.
    """
    check_unit(value, unit, what)
    number = value.mantissa if isinstance(value, u.Quantity) else value
    if isinstance(number, Tracer):
        raise ValueTypeError(
            f"{what} must be known when the step is traced, got {value}", got=value
        )
    try:
        number = np.asarray(number)
    except (TypeError, ValueError):  # A ragged list is no array.
        number = np.array(None)
    if not np.can_cast(number.dtype, np.float64, "same_kind"):
        raise ValueTypeError(f"{what} needs real numbers, got {value!r}", got=value)
    number = number.astype(np.float64)
    return number if unit.is_unitless else number * compute_ratio(u.get_unit(value), unit)


def as_finite(value: Any, unit: u.Unit, what: str, shape: tuple[int, ...] = ()) -> np.ndarray:
    """Read a known quantity that is finite and broadcasts to a shape as numbers in a unit.

    Raises
    ------
    UnitError, ValueTypeError
        As of `as_number`.
    ParameterError, ShapeError
        NaN or infinite; another shape.
    """
    number = as_number(value, unit, what)
    if not np.all(np.isfinite(number)):
        raise ParameterError(f"{what} must be finite, got {value}", got=value)
    check_broadcasts(number.shape, shape, what)
    return number


def as_positive(value: Any, unit: u.Unit, what: str, shape: tuple[int, ...] = ()) -> np.ndarray:
    """Read a quantity as of `as_finite`, which is above zero.

    Raises
    ------
    UnitError, ValueTypeError, ParameterError, ShapeError
    """
    number = as_finite(value, unit, what, shape)
    if np.any(number <= 0):
        raise ParameterError(f"{what} must be positive, got {value}", got=value)
    return number


def check_unit(value: Any, unit: u.Unit, what: str) -> None:
    """Refuse a masked array, another dimension, and a bare number where a unit is needed."""
    number = value.mantissa if isinstance(value, u.Quantity) else value
    if isinstance(number, np.ma.MaskedArray):  # It would lose its mask.
        raise ValueTypeError(f"{what} needs an array, got a masked one: {value!r}", got=value)
    got = value.unit if isinstance(value, u.Quantity) else u.UNITLESS
    if got is unit:
        return
    if got.is_unitless != unit.is_unitless or not got.has_same_dim(unit):
        needs = "no unit" if unit.is_unitless else f"a unit such as {unit}"
        text = "none" if got.is_unitless else got
        raise UnitError(f"{what} needs {needs}, got {text}: {value!r}", got=got, needs=unit)


def compute_ratio(unit: u.Unit, target: u.Unit) -> float:
    """Compute the factor from numbers in one unit to numbers in another."""
    return float(unit.magnitude / target.magnitude)


def check_broadcasts(shape: tuple[int, ...], to: tuple[int, ...], what: str) -> None:
    """Refuse a shape that does not broadcast to another."""
    try:
        fits = np.broadcast_shapes(shape, to) == tuple(to)
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(f"{what} must broadcast to {to}, got shape {shape}", got=shape, needs=to)


def read_input_current(I: Any, shape: tuple[int, ...]) -> jax.Array:
    """Read an input current in nA, NaN where it is not finite.

    Raises
    ------
    UnitError, ShapeError
        For one that is not a current, or does not broadcast to the shape.
    InputError
        For one that is NaN or infinite and known.
    """
    check_unit(I, u.nA, "the input current")
    check_array(I, "the input current")
    check_broadcasts(np.shape(I.mantissa), shape, "the input current")
    number = _make_native(I.mantissa)
    is_known = not isinstance(number, Tracer)
    # In NumPy: what JAX computes of a known number inside a trace is not known.
    if is_known and not np.all(np.isfinite(np.asarray(number))):
        raise InputError("the input current must be finite, got NaN or infinity", got=I)
    number = jnp.asarray(number)
    # No comparison with NaN is a spike.
    return jnp.where(jnp.isfinite(number), number, jnp.nan) * compute_ratio(I.unit, u.nA)


def read_time_step() -> float:
    """Read dt in ms from the environment.

    Raises
    ------
    UnitError, ShapeError, ParameterError
        For a dt that is not a time; that is not one; that is not positive and finite.
    """
    dt = brainstate.environ.get("dt", default=None)
    if dt is None:
        raise UnitError(
            "dt, the length of a step, needs a unit such as ms, and is not set: "
            "brainstate.environ.set(dt=0.1 * u.ms) sets it, and "
            "brainstate.environ.context(dt=0.1 * u.ms) for a while",
            needs=u.ms,
        )
    return float(as_positive(dt, u.ms, "dt"))


def make_initial_potential(initializer: QuantityInitializer, shape: tuple[int, ...]) -> u.Quantity:
    """Make a potential in mV of some shape from a quantity or a callable that gets the shape."""
    check_batch(shape)
    if callable(initializer):
        initializer = check_function(initializer, "an initial potential")(shape)
    number = as_mV(initializer)
    check_broadcasts(number.shape, shape, "an initial potential")
    is_known = not isinstance(number, Tracer)
    if is_known and not np.all(np.isfinite(number)):
        raise ParameterError("an initial potential must be finite, got NaN or infinity")
    number = number.astype(brainstate.environ.dftype())
    return u.Quantity(jnp.broadcast_to(number, shape), unit=u.mV)


def as_mV(potential: Any) -> jax.Array:
    """Read the numbers of a potential in mV."""
    check_unit(potential, u.mV, "a potential")
    check_array(potential, "a potential")
    return jnp.asarray(_make_native(potential.mantissa) * compute_ratio(potential.unit, u.mV))


def _make_native(number: Any) -> Any:
    """Put NumPy's numbers in the machine's own order of bytes: JAX has no other."""
    if isinstance(number, np.ndarray) and not number.dtype.isnative:
        return number.astype(number.dtype.newbyteorder("="))
    return number


def check_size(size: Any, what: str = "size", least: int = 0) -> tuple[int, ...]:
    """Give the shape of a population, or of what a layer is given or gives.

    Raises
    ------
    ParameterError
        Neither an integer from `least` on nor a sequence of at least one of them.
    """
    axes = tuple(size) if isinstance(size, (tuple, list)) else (size,)
    if not axes or not all(is_integer(n) and least <= n <= LARGEST for n in axes):
        raise ParameterError(
            f"{what} must be an integer of at least {least}, or at least one of them in a tuple, "
            f"got {size!r}: one neuron is a population of size 1",
            got=size,
        )
    return tuple(int(n) for n in axes)


def read_batch_axes(batch_size: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """Give the axes that a batch size stands for.

    Raises
    ------
    ParameterError
    """
    sizes = check_batch(batch_size)
    if sizes is None:
        return ()
    axes = sizes if isinstance(sizes, (tuple, list)) else (sizes,)
    return tuple(int(n) for n in axes)
