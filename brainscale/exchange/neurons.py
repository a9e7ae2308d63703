"""NIR's neurons: leaky or not, behind a synapse or not, with a threshold or not."""

from __future__ import annotations

from typing import Any

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ParameterError, ShapeError
from ..nn.gif_dynamics import spike
from ..nn.layer import needs_initialised
from ..nn.quantities import read_batch_axes
from ..states import ETraceState
from .conventions import Conventions, Filter
from .refusals import make_refusal, read_numbers

__all__ = ["Neurons", "find_shape"]

FIELDS = {
    "LIF": ("tau", "r", "v_leak", "v_threshold", "v_reset"),
    "CubaLIF": ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset", "w_in"),
    "IF": ("r", "v_threshold", "v_reset"),
    "LI": ("tau", "r", "v_leak"),
    "CubaLI": ("tau_syn", "tau_mem", "r", "v_leak", "w_in"),
    "I": ("r",),
}
"""By type of node, the arrays that it has."""

OHM_PER_SECOND = u.ohm / u.second


def find_shape(name: str, node: Any) -> tuple[int, ...]:
    """Find the shape of a node of neurons: that to which its arrays broadcast.

    Raises
    ------
    ShapeError
    """
    shapes = {field: read_numbers(name, node, field).shape for field in FIELDS[type(node).__name__]}
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError:
        problem = f"has arrays of shapes that do not fit each other: {shapes}"
        raise make_refusal(name, node, problem, ShapeError) from None


class Neurons(brainstate.nn.Module):
    """The neurons of a node, in the SI units that NIR's numbers are in.

    ``V`` is the membrane potential, volts; ``I`` the current of a synapse, amperes, if there is
    one; ``z`` the spikes of the last step, where something needs them.

    Parameters
    ----------
    name : str
        Of the node.
    node : nir.NIRNode
    shape : tuple of int
    conventions : Conventions
    keeps_spikes : bool
        Whether an edge gives what was put out a step before.

    Raises
    ------
    ParameterError
        A time constant that is not above zero, or shorter than a step of Euler's method; a reset
        by subtraction of neurons with a v_reset.
    """

    V: ETraceState
    I: ETraceState
    z: ETraceState

    def __init__(
        self,
        name: str,
        node: Any,
        shape: tuple[int, ...],
        conventions: Conventions,
        keeps_spikes: bool,
    ):
        super().__init__()
        self.in_shape = self.out_shape = shape
        fields = FIELDS[type(node).__name__]
        numbers = {
            field: np.broadcast_to(read_numbers(name, node, field).astype(np.float64), shape)
            for field in fields
        }
        self.has_spikes, self.has_synapse = "v_threshold" in fields, "w_in" in fields
        self.conventions = conventions
        self.keeps_spikes = self.has_spikes and (keeps_spikes or conventions.reset_step == "next")
        for field in fields:
            if field.startswith("tau"):
                _check_time_constant(name, node, field, numbers[field], conventions)
        if self.has_spikes and conventions.reset == "subtract" and numbers["v_reset"].any():
            problem = (
                "has a v_reset that is not zero, which reset='subtract' knows nothing of: reset to "
                "it by reset='v_reset', or shift v_leak, v_threshold and v_reset by it"
            )
            raise make_refusal(name, node, problem, ParameterError)
        self._set_parameters(numbers)

    def _set_parameters(self, numbers: dict[str, np.ndarray]) -> None:
        """Give the node's numbers their units, and make the filters of a step."""
        conventions, shape = self.conventions, self.out_shape
        tau = numbers.get("tau", numbers.get("tau_mem"))
        self.is_leaky = tau is not None
        self.membrane = conventions.make_sum(shape) if tau is None else conventions.make_filter(tau)
        self.r = numbers["r"] * (u.ohm if self.is_leaky else OHM_PER_SECOND)
        zero = np.zeros(shape)
        rest = numbers.get("v_leak", numbers.get("v_reset", zero))
        self.v_rest = u.Quantity(rest, unit=u.volt)
        if self.has_spikes:
            self.v_threshold = u.Quantity(numbers["v_threshold"], unit=u.volt)
            self.v_reset = u.Quantity(numbers["v_reset"], unit=u.volt)
        if self.has_synapse:
            self.synapse = conventions.make_filter(numbers["tau_syn"])
            self.w_in = u.Quantity(numbers["w_in"], unit=u.amp)

    def init_state(self, batch_size: int | tuple[int, ...] | None = None, **kwargs: Any) -> None:
        """Make the states, V at rest, behind a batch axis if there is a batch size."""
        for name, value in self._make_initial(batch_size).items():
            setattr(self, name, ETraceState(value, name=name))

    @needs_initialised()
    def reset_state(self, batch_size: int | tuple[int, ...] | None = None, **kwargs: Any) -> None:
        """Write the states as they began."""
        for name, value in self._make_initial(batch_size).items():
            getattr(self, name).value = value

    def _make_initial(self, batch_size: int | tuple[int, ...] | None) -> dict[str, Any]:
        shape = (*read_batch_axes(batch_size), *self.out_shape)
        zero = jnp.zeros(shape, brainstate.environ.dftype())
        made = {"V": zero * u.volt + _cast(self.v_rest, zero.dtype)}
        if self.has_synapse:
            made["I"] = zero * u.amp
        if self.keeps_spikes:
            made["z"] = zero
        return made

    @needs_initialised()
    def read_last(self) -> jax.Array:
        """Read what the neurons put out in the step before: spikes, or volts."""
        return self.z.value if self.has_spikes else self.V.value.to_decimal(u.volt)

    @needs_initialised()
    def update(self, x: jax.Array) -> jax.Array:
        """Make a step: numbers in amperes, or of spikes before a synapse; spikes, or volts."""
        V = self._integrate(x)
        if not self.has_spikes:
            self.V.value = V
            return V.to_decimal(u.volt)
        is_late = self.conventions.reset_step == "next"
        if is_late:
            V = self._reset(V, self.z.value)
        threshold, scale = _cast(self.v_threshold, V.dtype), self.conventions.spk_scale
        z = spike(
            self.conventions.spk_fun,
            jnp.asarray(scale, V.dtype),
            V.to_decimal(u.volt),
            threshold.to_decimal(u.volt),
        )
        self.V.value = V if is_late else self._reset(V, z)
        if self.keeps_spikes:
            self.z.value = z
        return z

    def _integrate(self, x: jax.Array) -> u.Quantity:
        """Give V before a reset, and write the synapse's current."""
        V = self.V.value
        x = jnp.asarray(x, V.dtype)
        current = x * u.amp
        if self.has_synapse:
            before = self.I.value
            zero = u.Quantity(np.zeros(self.out_shape), unit=u.amp)
            after = _advance(self.synapse, before, zero, x * _cast(self.w_in, V.dtype))
            self.I.value = after
            current = after if self.conventions.current == "new" else before
        drive = current * _cast(self.r, V.dtype)
        if not self.is_leaky:
            # A step of one second: `membrane.gain` has how long it is.
            drive = drive * u.second
        return _advance(self.membrane, V, self.v_rest, drive)

    def _reset(self, V: u.Quantity, z: jax.Array) -> u.Quantity:
        if self.conventions.reset == "subtract":
            return V - z * _cast(self.v_threshold, V.dtype)
        return (1 - z) * V + z * _cast(self.v_reset, V.dtype)


def _check_time_constant(
    name: str, node: Any, field: str, tau: np.ndarray, conventions: Conventions
) -> None:
    """Refuse a time constant of which no step can be made."""
    if tau.min() <= 0:
        problem = f"needs a {field} above zero, got {tau.min()}"
        raise make_refusal(name, node, problem, ParameterError)
    # A time constant of one step, of 32 bits, may be a little shorter.
    if conventions.integrator == "euler" and tau.min() < conventions.dt * (1 - 1e-6):
        problem = (
            f"has a {field} of {tau.min()} s, shorter than a step of {conventions.dt} s: Euler's "
            "method goes past the end. Take a shorter dt, or integrator='exponential'"
        )
        raise make_refusal(name, node, problem, ParameterError)


def _advance(filter: Filter, x: Any, rest: u.Quantity, drive: Any) -> Any:
    """Make a step of a filter."""
    decay, leak, gain = (jnp.asarray(number, x.dtype) for number in filter)
    return decay * x + leak * _cast(rest, x.dtype) + gain * drive


def _cast(value: Any, dtype: Any) -> Any:
    """Give a known quantity as JAX's, of a dtype."""
    return u.Quantity(jnp.asarray(u.get_mantissa(value), dtype), unit=u.get_unit(value))
