"""What a step of a population of GIF neurons must return (SPEC.md, chapters 6 and 11).

A step is a propagator, whence the integrated values, and a rule. The propagator comes from three
sources: decimal closed forms (`exact`), the three formulas of GIF-11 (`exp_euler`), and the
reference (`by_reference`). The rule is written out here; only `by_reference` leaves that, too, to
the reference.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from conformance.checks import check_boolean, check_close, check_value
from conformance.distances import record
from conformance.drawing.populations import DTYPES, I1, I2, STATE_UNITS, V_TH, Population, V
from conformance.oracles.gif_closed_forms import propagator
from conformance.tolerances import EPSILON
from conformance.translation.values import to_reference
from reference import Dynamics

FACTOR, DERIVATIVE_FACTOR = 64, 256
"""The factors of ε in NUM-1 and NUM-2, and in NUM-4."""

TINY = {EPSILON[bits]: float(np.finfo(DTYPES[bits]).tiny) for bits in (32, 64)}
"""The smallest normal number, by ε; there is none at a resolution."""


class ExpectedStep(NamedTuple):
    """One step. `size` and `size_reset` are S without and with a spike."""

    integrated: np.ndarray  #: (4, *shape)
    reset: np.ndarray  #: (4, *shape)
    spikes: np.ndarray  #: (*shape)
    undecided: np.ndarray  #: (*shape), by NUM-2
    size: np.ndarray  #: (4, *shape)
    size_reset: np.ndarray  #: (4, *shape)
    epsilon: float

    @property
    def must_spike(self) -> np.ndarray:
        return self.spikes & ~self.undecided

    @property
    def must_not_spike(self) -> np.ndarray:
        return ~self.spikes & ~self.undecided

    def branch(self, spikes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The state after the step and its tolerance, (4, *shape), for given spikes."""
        tolerance = FACTOR * self.epsilon * np.where(spikes, self.size_reset, self.size)
        # Below its smallest normal number a precision has fewer digits, or none.
        tolerance = tolerance + TINY.get(self.epsilon, 0.0)
        return np.where(spikes, self.reset, self.integrated), tolerance


def exact_propagator(population: Population) -> tuple[np.ndarray, np.ndarray]:
    """E, (4, 4, *size), and e_c, (4, *size), from closed forms."""
    p, size = population.parameters, population.size
    E, e_c = np.empty((4, 4, *size)), np.empty((4, *size))
    for index in np.ndindex(size):
        rates = (float(p[name][index]) for name in ("tau", "R", "k1", "k2", "a", "b"))
        E[(..., *index)], e_c[(..., *index)] = _closed_form(*rates, population.dt)
    return E, e_c


@functools.lru_cache(maxsize=100_000)
def _closed_form(
    tau: float, R: float, k1: float, k2: float, a: float, b: float, dt: float
) -> tuple[np.ndarray, np.ndarray]:
    """E and e_c of one neuron, R in Mohm. Cached, since many implementations are judged by one."""
    return propagator(tau, 1e6 * R, [k1, k2], a, b, dt)


def exp_euler_propagator(population: Population) -> tuple[np.ndarray, np.ndarray]:
    """The coefficients of the three equations of GIF-11, as E and e_c."""
    p, dt = population.parameters, population.dt
    E, e_c = np.zeros((4, 4, *population.size)), np.zeros((4, *population.size))
    E[I1, I1], E[I2, I2] = np.exp(-p["k1"] * dt), np.exp(-p["k2"] * dt)
    E[V, V], E[V_TH, V_TH] = np.exp(-dt / p["tau"]), np.exp(-p["b"] * dt)
    E[V, I1] = E[V, I2] = e_c[V] = -np.expm1(-dt / p["tau"]) * p["R"]
    b = np.where(p["b"] == 0, 1, p["b"])
    E[V_TH, V] = p["a"] * np.where(p["b"] == 0, dt, -np.expm1(-b * dt) / b)
    return E, e_c


def apply_propagator(population: Population, E: np.ndarray, e_c: np.ndarray) -> ExpectedStep:
    """Make a step with a propagator, by the rule of chapter 6."""
    p, h, I = population.parameters, population.state, population.current
    o = np.zeros((4, *population.size))
    o[V], o[V_TH] = p["V_rest"], p["V_th_inf"]
    integrated, size = np.empty(h.shape), np.empty(h.shape)
    for i in range(4):
        integrated[i] = o[i] + sum(E[i, j] * (h[j] - o[j]) for j in range(4)) + e_c[i] * I
        size[i] = np.abs(o[i]) + np.abs(h[i]) + np.abs(e_c[i] * I)
        size[i] += sum(np.abs(E[i, j]) * (np.abs(h[j]) + np.abs(o[j])) for j in range(4))
    reset = np.empty(h.shape)
    reset[I1] = p["R1"] * integrated[I1] + p["A1"]
    reset[I2] = p["R2"] * integrated[I2] + p["A2"]
    reset[V] = p["V_reset"]
    reset[V_TH] = np.where(integrated[V_TH] > p["V_th_reset"], integrated[V_TH], p["V_th_reset"])
    return ExpectedStep(
        integrated, reset, *_comparison(integrated, size, population),
        size, size_reset(population, size), population.epsilon,
    )  # fmt: skip


def size_reset(population: Population, size: np.ndarray) -> np.ndarray:
    """S of a neuron that spikes, (..., 4, *shape), from S of one that does not."""
    p, one = population.parameters, np.ones(population.size)
    factor = np.abs(np.stack([p["R1"], p["R2"], one, one]))
    summand = np.abs(np.stack([p["A1"], p["A2"], p["V_reset"], p["V_th_reset"]]))
    batch = [None] * (population.current.ndim - len(population.size))
    return factor[:, *batch] * size + summand[:, *batch]


def _comparison(
    integrated: np.ndarray, size: np.ndarray, population: Population
) -> tuple[np.ndarray, np.ndarray]:
    """The spikes, and the neurons that rounding leaves undecided (NUM-2)."""
    distance = integrated[V] - integrated[V_TH]
    margin = FACTOR * population.epsilon * (size[V] + size[V_TH])
    return distance > 0, np.abs(distance) <= margin


def exact(population: Population) -> ExpectedStep:
    """A step of method "exact", from closed forms."""
    return apply_propagator(population, *exact_propagator(population))


def exp_euler(population: Population) -> ExpectedStep:
    """A step of method "exp_euler", from its three equations."""
    return apply_propagator(population, *exp_euler_propagator(population))


def dynamics(population: Population, method: str = "exact") -> Dynamics:
    """The reference's population with these parameters."""
    return Dynamics(population.size, to_reference(population.parameter_values()), method=method)


def by_reference(population: Population, method: str = "exact") -> ExpectedStep:
    """A step of the reference."""
    neurons = dynamics(population, method)
    step = neurons.step(neurons.propagator(population.dt), population.state, population.current)
    return ExpectedStep(
        step.integrated, step.reset,
        step.spikes, _comparison(step.integrated, step.size, population)[1],
        step.size, step.size_reset, population.epsilon,
    )  # fmt: skip


def run_step(
    implementation: Any, population: Population, **options: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Run one step: the implementation's state after it, (4, *shape), nA and mV, and spikes."""
    state, spikes = implementation.gif_step(*population.arguments(), **options)
    shape = population.state.shape[1:]
    return stack_state(state, shape, "gif_step"), read_spikes(spikes, shape, "gif_step")


def stack_state(state: dict[str, Any], shape: tuple[int, ...], call: str) -> np.ndarray:
    """Check the types and shapes of a state, and stack it as numbers in nA and mV, (4, *shape)."""
    assert set(state) == set(STATE_UNITS), f"{call}: got the variables {[*state]}"
    for name, value in state.items():
        check_value(value, shape, STATE_UNITS[name], f"{call}: {name}")
    return np.stack([to_reference(state[v]).to(u).array for v, u in STATE_UNITS.items()])


def read_spikes(spikes: Any, shape: tuple[int, ...], call: str) -> np.ndarray:
    """Check the type and shape of spikes, and return them as an array."""
    check_boolean(spikes, shape, call)
    return np.asarray(spikes)


def check_spikes(got: np.ndarray, step: ExpectedStep, call: str) -> None:
    """Assert that every decided neuron takes the branch that it must (NUM-2)."""
    is_different = got != step.spikes
    distance = np.abs(step.integrated[V] - step.integrated[V_TH])
    margin = FACTOR * step.epsilon * (step.size[V] + step.size[V_TH])
    record(distance[is_different], margin[is_different])
    is_wrong = is_different & ~step.undecided
    if is_wrong.any():
        at = tuple(map(int, np.argwhere(is_wrong)[0]))
        V_hat, threshold = (step.integrated[(i, *at)] for i in (V, V_TH))
        raise AssertionError(
            f"{call}: {is_wrong.sum()} of {is_wrong.size} neurons took the wrong branch; at {at} "
            f"got {'a' if got[at] else 'no'} spike, integrated are V = {V_hat!r} mV and "
            f"V_th = {threshold!r} mV, {V_hat - threshold:.3g} mV apart"
        )


def check_values(
    got: np.ndarray, step: ExpectedStep, spikes: np.ndarray, where: np.ndarray, call: str
) -> None:
    """Assert the values of the branches of `spikes` (NUM-1), for the neurons `where`."""
    expected, tolerance = step.branch(spikes)
    for i, name in enumerate(STATE_UNITS):
        check_close(got[i][where], expected[i][where], tolerance[i][where], f"{name} after {call}")


def check_step(got: np.ndarray, spikes: np.ndarray, step: ExpectedStep, call: str) -> None:
    """Assert the spikes and the values of a whole step (NUM-1, NUM-2)."""
    check_spikes(spikes, step, call)
    check_values(got, step, spikes, np.full(spikes.shape, True), call)


def check_alike(
    got: np.ndarray,
    spikes: np.ndarray,
    other: np.ndarray,
    other_spikes: np.ndarray,
    step: ExpectedStep,
    call: str,
) -> None:
    """Assert that two runs of one step by one implementation agree but for rounding.

    The step itself is not judged: a fault of both is another clause's matter.
    """
    is_apart = (spikes != other_spikes) & ~step.undecided
    assert not is_apart.any(), f"{call}: spikes {spikes}, on its own {other_spikes}"
    tolerance = 2 * step.branch(np.ones_like(step.spikes))[1]
    tolerance = np.where(spikes != other_spikes, np.inf, tolerance)
    for i, name in enumerate(STATE_UNITS):
        check_close(got[i], other[i], tolerance[i], f"{name} of {call}")
