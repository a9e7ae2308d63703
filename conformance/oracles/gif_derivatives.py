"""The derivative of a step of GIF neurons, by the formulas of chapter 6, and records of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from conformance.checks import check_close
from conformance.drawing.populations import (
    DTYPES,
    MEETING,
    QUIET,
    V_TH,
    Population,
    V,
    draw_population,
)
from conformance.drawing.seeded import generator
from conformance.drawing.sharing import remember
from conformance.oracles.gif_steps import (
    DERIVATIVE_FACTOR,
    FACTOR,
    ExpectedStep,
    apply_propagator,
    exact,
    exact_propagator,
)
from conformance.protocol.implementation import Value

SURROGATES = {
    "default": {},
    "steep": {"alpha": 1.7, "width": 0.4, "scale": 5.0},
    "wide": {"alpha": 0.5, "width": 2.0, "scale": 2.5},
    "detached": {"detach_reset": True},
}
"""Options of `gif_jacobian`."""


class Derivative(NamedTuple):
    """Derivatives by the formulas of chapter 6, with the sizes of their terms (NUM-4)."""

    step: np.ndarray  #: (4, 5, *shape); the last column is that of the input
    spike: np.ndarray  #: (5, *shape)
    size_step: np.ndarray
    size_spike: np.ndarray
    decided: np.ndarray  #: (*shape), neither comparison is within its margin


def derivative(
    population: Population,
    *,
    alpha: float = 0.3,
    width: float = 1.0,
    scale: float = 20.0,
    detach_reset: bool = False,
) -> Derivative:
    """GIF-14 to GIF-17 with E and e_c from closed forms."""
    E, e_c = exact_propagator(population)
    D, step = np.concatenate([E, e_c[:, None]], 1), apply_propagator(population, E, e_c)
    p = population.parameters
    if population.state.ndim > D.ndim - 1:
        D = D[:, :, None]
    above = step.integrated[V_TH] > p["V_th_reset"]
    ones = np.ones(step.spikes.shape)
    P = np.stack([p["R1"] * ones, p["R2"] * ones, 0 * ones, above])
    P = np.where(step.spikes, P, 1.0)
    x = (step.integrated[V] - step.integrated[V_TH]) / scale
    slope = alpha * np.maximum(0.0, width - np.abs(x)) / scale
    flow = 0.0 if detach_reset else 1.0
    jump = flow * (step.reset - step.integrated)
    spike = slope * (D[V] - D[V_TH])
    size_slope = alpha * (width + (step.size[V] + step.size[V_TH]) / scale) / scale
    size_spike = size_slope * (np.abs(D[V]) + np.abs(D[V_TH]))
    size_jump = flow * (step.size_reset + step.size)
    return Derivative(
        P[:, None] * D + jump[:, None] * spike,
        spike,
        np.abs(P[:, None] * D) + size_jump[:, None] * size_spike,
        size_spike,
        _find_decided(population, step),
    )


def _find_decided(population: Population, step: ExpectedStep) -> np.ndarray:
    """Find the neurons whose V̂ > V̂_th and V̂_th > V_th,reset no rounding turns, (*shape)."""
    distance = np.abs(step.integrated[V_TH] - population.parameters["V_th_reset"])
    return ~step.undecided & (distance > FACTOR * population.epsilon * step.size_reset[V_TH])


def jacobian(
    implementation: Any,
    population: Population,
    *,
    scale: float | None = None,
    unit: str = "mV",
    **options: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """The implementation's derivatives of the step, (4, 5, *shape), and the spike, (5, *shape)."""
    if scale is not None:
        options["scale"] = Value(np.asarray(scale, DTYPES[population.precision]), unit)
    got = implementation.gif_jacobian(*population.arguments(), **options)
    return as_arrays(got, population.current.shape)


def as_arrays(got: dict[str, Any], shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Check the shapes of a result of `gif_jacobian`; return (4, 5, *shape) and (5, *shape)."""
    shapes = {"state": (4, 4), "current": (4,), "spike_state": (4,), "spike_current": ()}
    for name, axes in shapes.items():
        assert np.shape(got[name]) == (*shape, *axes), f"{name}: {np.shape(got[name])}"
    step = np.concatenate([got["state"], np.asarray(got["current"])[..., None]], -1)
    spike = np.concatenate([got["spike_state"], np.asarray(got["spike_current"])[..., None]], -1)
    return np.moveaxis(step, (-2, -1), (0, 1)), np.moveaxis(spike, -1, 0)


def check_derivative(
    got: Any, expected: Any, size: Any, where: np.ndarray, eps: float, call: str
) -> None:
    """Assert entries of a derivative within the tolerance of NUM-4, for the neurons `where`."""
    tolerance = DERIVATIVE_FACTOR * eps * np.broadcast_to(size, np.shape(expected))
    check_close(got[..., where], expected[..., where], tolerance[..., where], call)


def check_same_derivative(
    population: Population, plain: np.ndarray, other: np.ndarray, call: str
) -> None:
    """Assert that two derivatives of one step agree but for rounding, also of the surrogate."""
    step = exact(population)
    is_decided = ~step.undecided
    size = np.abs(plain) + step.size_reset[:, None] * np.abs(plain).max(axis=0)
    tolerance = 4 * DERIVATIVE_FACTOR * population.epsilon * size
    check_close(other[..., is_decided], plain[..., is_decided], tolerance[..., is_decided], call)


def spread(precision: int, seed: int, scale: float = 20.0, width: float = 1.0) -> Population:
    """Draw a batch of which a third each is far below, near and far above the threshold."""
    rng = generator(51, seed)
    population = draw_population(rng, precision, (4, 6), (2,), dt=0.5)
    offsets = np.resize([-5.0, -0.6, -0.3, 0.3, 0.6, 5.0], population.size)
    shape = population.current.shape
    offsets = offsets * scale * width + rng.uniform(-0.2, 0.2, shape) * scale * width
    population = population.replace(V=population.state[V_TH] + offsets, layout=seed)
    truth = derivative(population, scale=scale, width=width)
    zero, spikes = (
        ~truth.spike.any(0),
        apply_propagator(population, *exact_propagator(population)).spikes,
    )
    for surrogate in (zero, ~zero):
        for branch in (spikes, ~spikes):
            assert np.sum(surrogate & branch) >= 2, "too few neurons of a kind: draw others"
    return population


class JudgedDerivative(NamedTuple):
    """The implementation's derivatives of a step, and what they must be."""

    population: Population
    wanted: Derivative
    step: np.ndarray
    spike: np.ndarray


@remember
def spread_derivative(implementation: Any, seed: int, surrogate: str) -> JudgedDerivative:
    """The derivative of a spread population, with a surrogate of `SURROGATES`."""
    options = SURROGATES[surrogate]
    shape = {name: options[name] for name in ("scale", "width") if name in options}
    population = spread(implementation.precision, seed, **shape)
    got = jacobian(implementation, population, **options)
    return JudgedDerivative(population, derivative(population, **options), *got)


@remember
def quiet_derivative(implementation: Any, dt: float) -> tuple[Population, np.ndarray, np.ndarray]:
    """The derivative of a batch 1 V below its threshold, mostly with rates that meet or vanish."""
    population = draw_population(
        generator(52), implementation.precision, (4, 6), (2,), dt=dt, **QUIET
    )
    rates = {name: population.parameters[name].copy() for name in ("tau", "k1", "k2", "b")}
    rates["tau"].flat[: len(MEETING)] = 16.0
    for m, meeting in enumerate(MEETING):
        for name, rate in meeting.items():
            rates[name].flat[m] = rate
    population = population.replace(**rates)
    return population, *jacobian(implementation, population)
