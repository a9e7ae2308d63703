"""Parameters of neurons: numbers that are known, or parameters that act element by element."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

from ..checks.hints import QuantityLike
from ..errors import ParameterError, ValueTypeError
from ..parameters import ElemWiseParam, FakeElemWiseParam, FakeETraceParam
from .quantities import as_finite, check_broadcasts, check_unit, compute_ratio

__all__ = ["Learnable", "LearnableNumber", "Range", "is_learnable"]
__all__ += ["read_in_step", "read_known", "read_now"]

Learnable: TypeAlias = QuantityLike | ElemWiseParam | FakeElemWiseParam
"""A quantity, or a parameter that gives one."""

LearnableNumber: TypeAlias = jax.typing.ArrayLike | ElemWiseParam | FakeElemWiseParam
"""Numbers without unit, or a parameter that gives them."""


@dataclasses.dataclass(frozen=True)
class Range:
    """The unit of a parameter, and what its numbers may be: all, from 0 on, or above 0."""

    unit: u.Unit
    least: float = -math.inf
    is_open: bool = False

    def contains(self, number: Any) -> Any:
        """Whether numbers are in the range, each."""
        return number > self.least if self.is_open else number >= self.least


def is_learnable(value: Any) -> bool:
    """Whether a neuron asks for a parameter's numbers in each step."""
    return isinstance(value, (ElemWiseParam, FakeElemWiseParam))


def read_known(value: Any, range_: Range, what: str, shape: tuple[int, ...]) -> np.ndarray:
    """Read a parameter of neurons, or what it is now, as float64 numbers that broadcast to a shape.

    Raises
    ------
    UnitError, ShapeError, ParameterError
        Of another unit or shape; not finite, or out of its range.
    ValueTypeError
        No number; a parameter that does not act element by element.
    """
    if is_learnable(value):
        value = value.op(None, value.value)
    elif isinstance(value, (brainstate.State, FakeETraceParam)):
        raise ValueTypeError(
            f"{what} must be a number, or an ElemWiseParam that gives one, got a "
            f"{type(value).__name__}",
            got=value,
        )
    number = as_finite(value, range_.unit, what, shape)
    if not np.all(range_.contains(number)):
        needs = "be positive" if range_.is_open else "not be negative"
        raise ParameterError(f"{what} must {needs}, got {value}", got=value)
    return number


def read_now(parameter: ElemWiseParam | FakeElemWiseParam, unit: u.Unit) -> jax.Array:
    """Give the numbers in a unit that a parameter gives now, outside of a step."""
    return _convert(parameter.op(None, parameter.value), unit)


def read_in_step(
    parameters: Mapping[str, Any],
    ranges: Mapping[str, Range],
    shapes: Mapping[str, tuple[int, ...]],
    dtype: Any,
) -> dict[str, jax.Array]:
    """Apply each parameter, once, and give its numbers; NaN where one is out of its range.

    In compiled code nothing can be refused, and numbers that are learned may go anywhere.

    Raises
    ------
    UnitError, ShapeError
        A parameter that was given a value of another unit or shape.
    """
    numbers = {}
    for name, parameter in parameters.items():
        value, range_ = parameter.execute(), ranges[name]
        check_unit(value, range_.unit, name)
        check_broadcasts(u.math.shape(value), shapes[name], name)
        number = _convert(value, range_.unit).astype(dtype)
        numbers[name] = jnp.where(range_.contains(number), number, jnp.nan)
    return numbers


def _convert(value: Any, unit: u.Unit) -> jax.Array:
    return jnp.asarray(u.get_mantissa(value)) * compute_ratio(u.get_unit(value), unit)
