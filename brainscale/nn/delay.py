"""What neurons put out, some steps or a time later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

from ..checks.arguments import check_array, check_integer, check_shape
from ..checks.hints import ArrayLike, Initializer
from ..errors import DtypeError, ParameterError, ShapeError
from ..parameters import (
    ElemWiseParam,
    ETraceParam,
    FakeElemWiseParam,
    FakeETraceParam,
    NonTempParam,
)
from ..states import ETraceGroupState
from .layer import Layer, ParamType, check_parameter_type, make_initial_state, needs_initialised
from .linear import ZERO
from .quantities import as_finite, check_unit, compute_ratio, read_time_step

__all__ = ["Delay"]


class Delay(Layer):
    """y(t) = x(t − d), for each neuron or each connection: spikes, voltages, rates.

    Its buffer is a group state, the last numbers that each neuron has put out, and its D a shift:
    to a rule they are variables of the neuron, so that what is learned through a delay is as exact
    as without. Between whole steps y is interpolated, y(t) = (1 − f) x(t − i) + f x(t − i − 1) with
    d = i + f, and so has a derivative by d.

    Parameters
    ----------
    in_size : int or tuple of int
        N, the neurons that are delayed.
    delay : float, array or Quantity, shape (), (N,) or (M, N)
        d, from 0: steps, or a time, which is divided by the dt of `brainstate.environ`. Of shape
        (M, N) each of M neurons has its own delay from each of N, and y, (..., M N), is what
        `GroupedLinear(M * N, M, groups=M)` takes: a weight for each connection.
    max_delay : float or Quantity, optional
        How long the buffer is, by default as long as the longest delay. A delay that is learned
        stays within it: beyond, it is at the end and has no derivative.
    state_init : callable or array, (N,)
        x before the first step, with the unit of x.
    name : str, optional
    param_type : type, default FakeETraceParam
        The delays are fixed. `ETraceParam`: they are learned with a trace (what is delayed enters
        hidden states). `NonTempParam`: they are plain parameters, exact before a readout.

    Raises
    ------
    ParameterError, ValueTypeError, UnitError, ShapeError
        A delay that is negative, not finite or longer than `max_delay`; no number of steps and no
        time; another shape.
    DtypeError
        When a step is made of complex numbers.

    Examples
    --------
    >>> delay = brainscale.nn.Delay(3, np.array([0, 1, 2]))
    >>> brainstate.nn.init_all_states(delay)
    >>> [delay(jnp.full(3, t)).tolist() for t in (1.0, 2.0, 3.0)]
    [[1.0, 0.0, 0.0], [2.0, 1.0, 0.0], [3.0, 2.0, 1.0]]
    """

    __module__ = "brainscale.nn"

    buffer: ETraceGroupState

    def __init__(
        self,
        in_size: int | Sequence[int],
        delay: ArrayLike,
        max_delay: ArrayLike | None = None,
        state_init: Initializer = ZERO,
        name: str | None = None,
        param_type: ParamType = FakeETraceParam,
    ):
        super().__init__(in_size, in_size, name)
        self.unit = u.get_unit(check_array(delay, "delay"))
        self._needs = u.UNITLESS if self.unit.is_unitless else u.ms
        known = self._check_delay(delay)
        self._longest = known.max()
        if max_delay is not None:
            self._longest = as_finite(max_delay, self._needs, "max_delay").item()
        if known.min() < 0 or known.max() > self._longest:
            raise ParameterError(
                f"a delay is from 0 to max_delay={max_delay}, got {delay}", got=delay
            )
        if known.ndim > len(self.in_size):
            self.out_size = (len(known) * self.in_size[0],)
        self.state_init, self.param_type = state_init, check_parameter_type(param_type)
        number = jnp.asarray(u.get_mantissa(delay), brainstate.environ.dftype())
        self.delay = self._make_parameter(number * self.unit if self._has_time else number)

    @property
    def _has_time(self) -> bool:
        return not self.unit.is_unitless

    def _check_delay(self, delay: Any) -> np.ndarray:
        """Give the delays in steps or ms."""
        connections = u.math.shape(delay)[:-1] if len(self.in_size) == 1 else ()
        needs = (*connections[:1], *self.in_size)
        known = as_finite(delay, self._needs, "delay", needs)
        if not known.size:
            raise ShapeError(f"delay has no entry, got shape {known.shape}", got=known.shape)
        return known

    def _make_parameter(self, delay: Any) -> Any:
        if issubclass(self.param_type, ETraceParam):
            return ElemWiseParam(delay, name="delay")
        if issubclass(self.param_type, FakeETraceParam):
            return FakeElemWiseParam(delay, name="delay")
        return NonTempParam(delay, lambda _, d: d, name="delay")

    def _count_steps(self) -> int:
        """Count the steps of the buffer: one is the least that a state has."""
        longest = self._longest / read_time_step() if self._has_time else self._longest
        return check_integer(max(1, int(np.ceil(longest - 1e-6))), "the buffer's number of steps")

    def init_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        """Make the buffer, behind a batch axis if there is a batch size."""
        self.buffer = ETraceGroupState(self._make_initial(batch_size), name="buffer")

    @needs_initialised()
    def reset_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        """Write the buffer as it began."""
        self.buffer.value = self._make_initial(batch_size)

    def _make_initial(self, batch_size: int | None) -> Any:
        first = make_initial_state(self.state_init, self.in_size, batch_size, "state_init")
        number = _check_real(first, "state_init").astype(brainstate.environ.dftype())
        shape = (*number.shape, self._count_steps())
        buffer = jnp.broadcast_to(number[..., None], shape)
        return buffer if not isinstance(first, u.Quantity) else u.Quantity(buffer, unit=first.unit)

    @needs_initialised()
    def update(self, x: ArrayLike) -> jax.Array | u.Quantity:
        """Take x, (..., N), and give what it was, (..., N), or for each connection (..., M N)."""
        buffer = self.buffer.value
        number, unit = u.get_mantissa(buffer), u.get_unit(buffer)
        steps = number.shape[-1]
        if steps != self._count_steps():
            raise ParameterError(
                f"the buffer of {steps} steps was made with another dt, and is to have "
                f"{self._count_steps()}: init_state makes it anew",
                got=steps,
                needs=self._count_steps(),
            )
        x = check_shape(check_array(x, "the input"), number.shape[:-1], "the input")
        check_unit(x, unit, "the input")
        now = _check_real(x, "the input") * compute_ratio(u.get_unit(x), unit)
        taps = jnp.concatenate([now[..., None].astype(number.dtype), number], -1)
        shift = taps[..., :-1]
        is_bare = not isinstance(buffer, u.Quantity)
        self.buffer.value = shift if is_bare else u.Quantity(shift, unit=unit)
        y = self._interpolate(taps)
        return y if is_bare else u.Quantity(y, unit=unit)

    def _interpolate(self, taps: jax.Array) -> jax.Array:
        """Give what x was, of x(t), x(t − 1), ... on the last axis."""
        weights = _make_weights(self._read_delay(), taps.shape[-1] - 1).astype(taps.dtype)
        if weights.ndim <= len(self.in_size) + 1:
            return (taps * weights).sum(-1)
        # All delays of a neuron beside each other.
        y = (taps[..., None, :, :] * weights).sum(-1)
        return y.reshape(*y.shape[:-2], -1)

    def _read_delay(self) -> Any:
        """Read the delays in steps, those that are fixed and all but whole as whole ones."""
        delay = u.get_mantissa(self.delay.execute(*self._no_input))
        if self._has_time:
            delay = delay * (compute_ratio(self.unit, u.ms) / read_time_step())
        if isinstance(self.delay, FakeElemWiseParam):
            whole = jnp.round(delay)
            rounding = jnp.maximum(1e-4, 4 * jnp.finfo(delay.dtype).eps * whole)
            delay = jnp.where(jnp.abs(delay - whole) < rounding, whole, delay)
        return delay

    @property
    def _no_input(self) -> tuple[Any, ...]:
        return (None,) if isinstance(self.delay, NonTempParam) else ()


def _check_real(value: Any, what: str) -> jax.Array:
    number = jnp.asarray(u.get_mantissa(value))
    if jnp.iscomplexobj(number):
        raise DtypeError(
            f"{what} is of real numbers, got {number.dtype}: delay the real and the imaginary part",
            got=number.dtype,
        )
    return number


def _make_weights(delay: jax.Array, steps: int) -> jax.Array:
    """Make the weights of each step's x, (..., steps + 1), between which is interpolated."""
    ended = (delay < 0) | (delay > steps)
    delay = jnp.where(ended, jax.lax.stop_gradient(jnp.clip(delay, 0, steps)), delay)[..., None]
    # At the end the derivative is that from below.
    before = jnp.clip(jnp.floor(jax.lax.stop_gradient(delay)), 0, steps - 1)
    f, at = delay - before, np.arange(steps + 1)
    return jnp.where(at == before, 1 - f, jnp.where(at == before + 1, f, 0))
