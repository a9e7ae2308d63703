"""The part of the adapter of `brainscale` for GIF neurons whose parameters are learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import brainstate
import braintools
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

import brainscale
from conformance.adapters.brainunit_values import argument, native
from conformance.protocol.implementation import Value

STATE_UNITS = {"I1": u.nA, "I2": u.nA, "V": u.mV, "V_th": u.mV}
UNITS = {
    **{"tau": u.ms, "R": u.ohm, "V_rest": u.mV, "V_reset": u.mV, "V_th_inf": u.mV},
    **{"V_th_reset": u.mV, "k1": u.ms**-1, "k2": u.ms**-1, "R1": u.UNITLESS, "R2": u.UNITLESS},
    **{"A1": u.nA, "A2": u.nA, "a": u.ms**-1, "b": u.ms**-1},
}
"""In which derivatives are, by variable and parameter."""

Numbers = dict[str, jax.Array]


class BrainscaleSensitivity:
    """`GifSensitivity` of `conformance.protocol.implementation`."""

    _compiled: bool
    #: By what it is compiled for, the derivatives of a run.
    followers: dict[Any, Callable[..., jax.Array]]

    def gif_sensitivity(
        self,
        size: tuple[int, ...],
        parameters: Mapping[str, Any],
        state: Mapping[str, Value],
        currents: Value,
        dt: Value,
        *,
        method: str = "exact",
        alpha: float = 0.3,
        width: float = 1.0,
        scale: Value | None = None,
        detach_reset: bool = False,
    ) -> dict[str, dict[str, np.ndarray]]:
        numbers = _numbers(parameters, state, currents)
        options = {"method": method, "detach_reset": detach_reset}
        options["spk_fun"] = braintools.surrogate.ReluGrad(alpha, width)
        if scale is not None:
            options["spk_scale"] = native(scale)
        run, names = _make_run(size, numbers[0], options), [*numbers[0]]

        def follow(values: Numbers, *rest: Any) -> jax.Array:
            def push(is_of: Numbers) -> jax.Array:
                # Neurons do not mix, so one tangent serves them all.
                tangents = {name: jnp.full_like(x, is_of[name]) for name, x in values.items()}
                return jax.jvp(lambda values: run(values, *rest), (values,), (tangents,))[1]

            return jax.vmap(push)(dict(zip(names, jnp.eye(len(names)), strict=True)))

        surrogate = alpha, width, None if scale is None else str(native(scale))
        derivatives = self._compute(follow, dt, numbers, (size, method, detach_reset, surrogate))
        columns = dict(zip(names, np.asarray(derivatives), strict=True))
        return {
            "state": {name: x[..., :4] for name, x in columns.items()},
            "spike": {name: x[..., 4] for name, x in columns.items()},
        }

    def gif_gradient(
        self,
        size: tuple[int, ...],
        parameters: Mapping[str, Any],
        state: Mapping[str, Value],
        currents: Value,
        dt: Value,
        state_weights: np.ndarray,
        spike_weights: np.ndarray,
    ) -> dict[str, np.ndarray]:
        numbers = _numbers(parameters, state, currents)
        run = _make_run(size, numbers[0], {})
        weights = np.append(state_weights, spike_weights[..., None], -1)
        weights = jnp.asarray(weights, brainstate.environ.dftype())

        def gradient(values: Numbers, *rest: Any) -> Numbers:
            *rest, weights = rest
            return jax.grad(lambda values: (weights * run(values, *rest)).sum())(values)

        derivatives = self._compute(gradient, dt, (*numbers, weights), ("gradient", size))
        return {name: np.asarray(x) for name, x in derivatives.items()}

    def _compute(
        self, function: Callable[..., Any], dt: Value, arguments: tuple[Any, ...], key: Any
    ) -> Any:
        """Call a function, compiled once for arguments of these shapes and what is in the key."""
        with brainstate.environ.context(dt=native(dt)):
            if not self._compiled:
                return function(*arguments)
            followers = self.__dict__.setdefault("followers", {})
            shapes = tuple((name, x.shape) for name, x in arguments[0].items())
            key = key, str(native(dt)), shapes
            return followers.setdefault(key, jax.jit(function))(*arguments)


def _make_run(
    size: tuple[int, ...], parameters: Numbers, options: Mapping[str, Any]
) -> Callable[[Numbers, Numbers, jax.Array], jax.Array]:
    """Make the function of a run of neurons whose parameters are learned.

    It takes the parameters' numbers, those of the state before the run, and the currents, and gives
    the four variables and the spikes after each step, (T, *shape, 5).
    """

    def run(values: Numbers, state: Numbers, currents: jax.Array) -> jax.Array:
        learned = {
            name: brainscale.ElemWiseParam(_with_unit(name, x)) for name, x in parameters.items()
        }
        neuron = brainscale.nn.GIF(size, **learned, **options)
        for name, parameter in learned.items():
            parameter.value = _with_unit(name, values[name])
        neuron.init_state(state["V"].shape[: state["V"].ndim - len(size)] or None)
        variables = [getattr(neuron, name) for name in STATE_UNITS]
        for variable, (name, unit) in zip(variables, STATE_UNITS.items(), strict=True):
            variable.value = state[name] * unit

        def step(I: jax.Array) -> jax.Array:
            spikes = neuron(I * u.nA)
            return jnp.stack([*(u.get_mantissa(x.value) for x in variables), spikes], -1)

        return brainstate.transform.for_loop(step, currents)

    return run


def _numbers(
    parameters: Mapping[str, Any], state: Mapping[str, Value], currents: Value
) -> tuple[Numbers, Numbers, jax.Array]:
    """Parameters, state and currents as numbers in the units of their derivatives."""
    return (
        {name: _number(value, UNITS[name]) for name, value in parameters.items()},
        {name: _number(state[name], unit) for name, unit in STATE_UNITS.items()},
        _number(currents, u.nA),
    )


def _number(value: Any, unit: u.Unit) -> jax.Array:
    quantity = argument(value)
    number = quantity.to(unit).mantissa if isinstance(quantity, u.Quantity) else quantity
    return jnp.asarray(number, brainstate.environ.dftype())


def _with_unit(name: str, number: Any) -> Any:
    """A parameter's number with its unit, where it has one."""
    return number if UNITS[name].is_unitless else number * UNITS[name]
