"""The net that is timed: inputs, one recurrent population, a plain readout, for either library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import brainpy.state
import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

KINDS = {"LIF": 1, "ALIF": 2, "GIF": 4}
"""How many states a neuron has."""

DT = 1.0 * u.ms


class GIF(brainpy.state.Neuron):
    """A GIF neuron of four states, in mV, nA and ms, written so that either library takes it.

    Each state is read as ``value * 1.0``, without which braintrace refuses states that meet in one
    operation.
    """

    def init_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        shape = (batch_size, *self.varshape)
        for name, value in {"I1": 0.0, "I2": 0.0, "V": -70.0, "V_th": -50.0}.items():
            setattr(self, name, brainstate.HiddenState(jnp.full(shape, value)))

    def update(self, x: jax.Array) -> jax.Array:
        I1, I2 = self.I1.value * 1.0, self.I2.value * 1.0
        V, V_th = self.V.value * 1.0, self.V_th.value * 1.0
        I1, I2 = I1 * np.exp(-0.2), I2 * np.exp(-0.02)
        V_th = V_th + 0.01 * (V + 70.0) - 0.05 * (V_th + 50.0)
        V = V + 0.05 * (-(V + 70.0) + 20.0 * (I1 + I2 + x))
        z = brainpy.state.LIF(1).spk_fun((V - V_th) / 20.0)
        self.I1.value, self.I2.value = I1 - 0.5 * z, I2 + 0.1 * z
        self.V.value = V + z * (-70.0 - V)
        self.V_th.value = V_th + z * jax.nn.relu(-60.0 - V_th)
        return z


class Net(brainstate.nn.Module):
    """K inputs, N recurrent neurons, M outputs.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    trained : callable
        From a weight to a function that multiplies an input with it, whose weight is trained with
        a trace; and the state that holds it.
    stopped : bool
        Whether no gradient goes back through the recurrent input.
    """

    def __init__(
        self, kind: str, K: int, N: int, M: int, trained: Callable[..., Any], stopped: bool = False
    ):
        super().__init__()
        rng = np.random.default_rng(0)
        unit = u.UNITLESS if kind == "GIF" else u.mA
        scale = {"LIF": 2.0, "ALIF": 2.0, "GIF": 3.0}[kind]

        def drawn(*shape: int) -> jax.Array:
            return jnp.asarray(rng.normal(size=shape) / np.sqrt(shape[0]), jnp.float32)

        self.input, self.of_input = trained(scale * drawn(K, N) * unit)
        self.recurrent, self.of_recurrent = trained(scale * drawn(N, N) * unit)
        self.neurons = GIF(N) if kind == "GIF" else getattr(brainpy.state, kind)(N)
        self.readout = brainstate.ParamState(drawn(N, M))
        self.stopped = stopped

    def init_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        shape = (batch_size, *self.neurons.varshape)
        self.emitted = brainstate.ShortTermState(jnp.zeros(shape, jnp.float32))

    def update(self, x: jax.Array) -> jax.Array:
        old = self.emitted.value
        if self.stopped:
            old = jax.lax.stop_gradient(old)
        z = self.neurons(self.of_input(x) + self.of_recurrent(old))
        self.emitted.value = z
        return z @ self.readout.value


def data(T: int, B: int, K: int, M: int) -> tuple[jax.Array, jax.Array]:
    """Inputs, (T, B, K), and targets, (T, B, M)."""
    rng = np.random.default_rng(1)
    shapes = (T, B, K), (T, B, M)
    xs, ys = (jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in shapes)
    return xs, ys
