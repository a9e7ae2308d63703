"""One step of the GIF neuron, as a function (SPEC.md, chapter 6).

Both integration methods are linear in the four variables and the input, so a step is one map whose
coefficients (`Propagator`) depend on parameters and dt alone. Those of known parameters are
computed in double precision outside the trace: a compiled step is ten multiply-adds a neuron, a
comparison and the reset. Those of learned ones are computed in each step, with their derivatives.

Plain numbers here: potentials in mV, currents in nA, times in ms, R in mV/nA.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any, NamedTuple, TypeAlias

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
from braintools.surrogate import Surrogate

from .exponential import exp_chain
from .neuron_parameters import Range, read_known

Array: TypeAlias = Any
"""Numbers, float64 of NumPy where they are known, of JAX where they are learned."""

METHODS = ("exact", "exp_euler")

# One ohm times one nA is 10⁻⁹ V.
MV_PER_OHM_NA = 1e-6

_PER_MS = u.ms**-1
RANGES = {
    "tau": Range(u.ms, 0, is_open=True),
    "R": Range(u.ohm),
    "V_rest": Range(u.mV),
    "V_reset": Range(u.mV),
    "V_th_inf": Range(u.mV),
    "V_th_reset": Range(u.mV),
    "k1": Range(_PER_MS, 0),
    "k2": Range(_PER_MS, 0),
    "R1": Range(u.UNITLESS),
    "R2": Range(u.UNITLESS),
    "A1": Range(u.nA),
    "A2": Range(u.nA),
    "a": Range(_PER_MS),
    "b": Range(_PER_MS, 0),
}
"""Of each parameter its unit and what it may be (GIF-1, GIF-18)."""


@dataclasses.dataclass(frozen=True, eq=False)
class Parameters:
    """The parameters of a population, as numbers in the units of `RANGES`.

    Each has a shape that broadcasts to the population's. What is known is float64 of NumPy; in a
    step, what is learned is an array of JAX.
    """

    tau: Array
    R: Array
    V_rest: Array
    V_reset: Array
    V_th_inf: Array
    V_th_reset: Array
    k1: Array
    k2: Array
    R1: Array
    R2: Array
    A1: Array
    A2: Array
    a: Array
    b: Array

    @classmethod
    def from_quantities(cls, varshape: tuple[int, ...], **quantities: Any) -> Parameters:
        """Make parameters of quantities, or raise the error of GIF-18."""
        return cls(
            **{
                name: read_known(quantities[name], range_, name, varshape)
                for name, range_ in RANGES.items()
            }
        )


class State(NamedTuple):
    """The four variables of a population, or anything else there are four of."""

    I1: Any
    I2: Any
    V: Any
    V_th: Any


class Propagator(NamedTuple):
    """Coefficients of one step, named target_source; the input current is `in`."""

    I1_I1: Any
    I2_I2: Any
    V_I1: Any
    V_I2: Any
    V_V: Any
    V_in: Any
    V_th_I1: Any
    V_th_I2: Any
    V_th_V: Any
    V_th_V_th: Any
    V_th_in: Any


@functools.lru_cache(maxsize=256)
def make_propagator(parameters: Parameters, dt: float, method: str) -> Propagator:
    """Compute the coefficients of a step of length dt of parameters that are all known, once."""
    return _make_exact(parameters, dt) if method == "exact" else _make_exp_euler(parameters, dt)


def _make_exact(p: Parameters, dt: float) -> Propagator:
    """Solve the equations for a constant input (Rotter and Diesmann 1999).

    The matrix exponential of a chain of linear equations is made of divided differences of exp at
    its rates; the input is a current that does not decay.
    """
    leak, fall = -dt / p.tau, -p.b * dt
    gain = p.R * MV_PER_OHM_NA * dt / p.tau
    drive = p.a * dt
    decays = (-p.k1 * dt, -p.k2 * dt, np.zeros(()))
    V_I1, V_I2, V_in = (gain * exp_difference(decay, leak) for decay in decays)
    V_th_I1, V_th_I2, V_th_in = (
        drive * gain * exp_second_difference(decay, leak, fall) for decay in decays
    )
    return Propagator(
        I1_I1=np.exp(decays[0]),
        I2_I2=np.exp(decays[1]),
        V_I1=V_I1,
        V_I2=V_I2,
        V_V=np.exp(leak),
        V_in=V_in,
        V_th_I1=V_th_I1,
        V_th_I2=V_th_I2,
        V_th_V=drive * exp_difference(leak, fall),
        V_th_V_th=np.exp(fall),
        V_th_in=V_th_in,
    )


def _make_exp_euler(p: Parameters, dt: float) -> Propagator:
    """Make each variable's own exponential step, the others held as they were (GIF-11)."""
    gain = -np.expm1(-dt / p.tau) * p.R * MV_PER_OHM_NA
    zero = np.zeros(())
    return Propagator(
        I1_I1=np.exp(-p.k1 * dt),
        I2_I2=np.exp(-p.k2 * dt),
        V_I1=gain,
        V_I2=gain,
        V_V=np.exp(-dt / p.tau),
        V_in=gain,
        V_th_I1=zero,
        V_th_I2=zero,
        V_th_V=p.a * dt * _mean_decay(p.b * dt),
        V_th_V_th=np.exp(-p.b * dt),
        V_th_in=zero,
    )


def exp_difference(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Compute the divided difference (e^x − e^y)/(x − y), e^x where they meet; x, y ≤ 0."""
    return np.exp(np.maximum(x, y)) * _mean_decay(np.abs(x - y))


def exp_second_difference(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Compute the second divided difference of exp at x, y, z ≤ 0, in any order, equal or not."""
    high, middle, low = np.sort(np.stack(np.broadcast_arrays(x, y, z)), axis=0)[::-1]
    p, q = high - middle, high - low
    near = q < 1.0
    # Far apart, the definition subtracts unlike numbers. Near, the series of exp converges.
    far_q = np.where(near, 1.0, q)
    far_p = np.where(near, 0.0, p)
    far = (_mean_decay(far_p) - np.exp(-far_p) * _mean_decay(far_q - far_p)) / far_q
    series, power, term = 0.0, np.ones_like(q), np.ones_like(q)
    for n in range(2, 22):
        # term: the sum of all products of n − 2 factors −p and −q.
        series = series + term / math.factorial(n)
        power = power * -np.where(near, q, 0.0)
        term = power + term * -np.where(near, p, 0.0)
    return np.exp(high) * np.where(near, series, far)


def _mean_decay(x: np.ndarray) -> np.ndarray:
    """Compute (1 − e^−x)/x, the mean of a decay from 1, for x ≥ 0."""
    positive = np.where(x == 0, 1.0, x)
    return np.where(x == 0, 1.0, -np.expm1(-positive) / positive)


def make_learned_propagator(parameters: Parameters, dt: float, method: str) -> Propagator:
    """Compute the coefficients of a step of length dt in compiled code, to be differentiated."""
    p, leak, fall, zero = parameters, -dt / parameters.tau, -parameters.b * dt, np.zeros(())
    # 1 − e^x is −x times the divided difference of exp at x and 0.
    gain, drive = -leak * p.R * MV_PER_OHM_NA, p.a * dt
    if method == "exp_euler":
        V, V_th = exp_chain(leak, zero), exp_chain(fall, zero)
        gain = gain * V[0, 1]
        return Propagator(
            jnp.exp(-p.k1 * dt), jnp.exp(-p.k2 * dt),
            gain, gain, V[0, 0], gain,
            zero, zero, drive * V_th[0, 1], V_th[0, 0], zero,
        )  # fmt: skip
    shape = np.broadcast_shapes(*(np.shape(x) for x in (p.k1, p.k2, leak, fall)))
    currents = jnp.stack([jnp.broadcast_to(x, shape) for x in (-p.k1 * dt, -p.k2 * dt, zero)])
    chain = exp_chain(currents, leak, fall)
    I1, I2, _ = chain[0, 0]
    # Of each current by itself: a factor may have axes of neurons that no rate has.
    V_I1, V_I2, V_in = (gain * x for x in chain[0, 1])
    V_th_I1, V_th_I2, V_th_in = (drive * gain * x for x in chain[0, 2])
    # The chain of the input, which does not decay, is the most exact.
    V_V, V_th_V, V_th_V_th = chain[1, 1, -1], drive * chain[1, 2, -1], chain[2, 2, -1]
    return Propagator(I1, I2, V_I1, V_I2, V_V, V_in, V_th_I1, V_th_I2, V_th_V, V_th_V_th, V_th_in)


def step(
    coefficients: Propagator,
    parameters: Parameters,
    state: State,
    I: jax.Array,
    *,
    surrogate: Surrogate,
    scale: np.ndarray,
    detach_reset: bool,
) -> tuple[State, jax.Array]:
    """Integrate, compare, reset, emit (GIF-3 to GIF-9).

    Parameters
    ----------
    coefficients, parameters
        Of the population.
    state : State of arrays, shape (batch..., population...)
    I : array that broadcasts to that shape
        Input current, nA; NaN where it is not finite, for no comparison with NaN is a spike.
    surrogate, scale, detach_reset
        GIF-15; GIF-17.

    Returns
    -------
    State, array
        After the reset; the spikes, 0 or 1 in the dtype of V.
    """
    dtype = state.V.dtype
    c = Propagator(*(jnp.asarray(x, dtype) for x in coefficients))
    p = {name: jnp.asarray(getattr(parameters, name), dtype) for name in RANGES}
    I = I.astype(dtype)
    u_V, u_th = state.V - p["V_rest"], state.V_th - p["V_th_inf"]
    I1 = c.I1_I1 * state.I1
    I2 = c.I2_I2 * state.I2
    V = p["V_rest"] + c.V_I1 * state.I1 + c.V_I2 * state.I2 + c.V_V * u_V + c.V_in * I
    V_th = (
        p["V_th_inf"]
        + c.V_th_I1 * state.I1
        + c.V_th_I2 * state.I2
        + c.V_th_V * u_V
        + c.V_th_V_th * u_th
        + c.V_th_in * I
    )
    before_reset = State(I1, I2, V, V_th)
    reset = State(
        p["R1"] * I1 + p["A1"],
        p["R2"] * I2 + p["A2"],
        jnp.broadcast_to(p["V_reset"], V.shape),
        # Not `jnp.maximum`, whose derivative is 1/2 where the two are equal.
        jnp.where(V_th > p["V_th_reset"], V_th, p["V_th_reset"]),
    )
    z = spike(surrogate, jnp.asarray(scale, dtype), V, V_th)
    gate = jax.lax.stop_gradient(z) if detach_reset else z
    return State(*map(functools.partial(_where_spike, gate), reset, before_reset)), z


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def spike(surrogate: Surrogate, scale: jax.Array, V: jax.Array, V_th: jax.Array) -> jax.Array:
    """Give 1 where V > V_th, strictly (GIF-7), with the derivative of a surrogate (GIF-15).

    A surrogate's own forward pass spikes at equality; only its derivative is used.
    """
    # The root of 0 or 1 is itself. XLA computes what is cheap anew, and rounded otherwise, for each
    # of its uses: a neuron at its threshold would spike, and yet not be reset (NUM-2). It does not
    # repeat a root, so that the branch is decided once.
    return jnp.sqrt((V > V_th).astype(V.dtype))


@spike.defjvp
def _spike_jvp(surrogate: Surrogate, primals: tuple, tangents: tuple) -> tuple:
    scale, V, V_th = primals
    _, dV, dV_th = tangents
    slope = surrogate.surrogate_grad((V - V_th) / scale) / scale
    return spike(surrogate, scale, V, V_th), slope * (dV - dV_th)


@jax.custom_jvp
def _where_spike(z: jax.Array, reset: jax.Array, before_reset: jax.Array) -> jax.Array:
    """Reset where z = 1, with the derivative of z·reset + (1 − z)·before_reset (GIF-16).

    That sum itself would round the reset value.
    """
    return jnp.where(z > 0, reset, before_reset)


@_where_spike.defjvp
def _where_spike_jvp(primals: tuple, tangents: tuple) -> tuple:
    z, reset, before_reset = primals
    dz, d_reset, d_before_reset = tangents
    flow = jnp.where(z > 0, d_reset, d_before_reset) + dz * (reset - before_reset)
    return _where_spike(z, reset, before_reset), flow
