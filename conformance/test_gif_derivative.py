"""The derivative of a step: GIF-14 to GIF-17, NUM-4."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given

from conformance.checks import close
from conformance.gif_oracles import (
    DERIVATIVE_FACTOR,
    FACTOR,
    Expected,
    dynamics,
    exact_propagator,
    expected,
    stepped,
)
from conformance.implementation import Value
from conformance.populations import DTYPES, FEW, QUIET, SEEDS, V_TH, Population, V, drawn

SURROGATES = pytest.mark.parametrize(
    ("alpha", "width", "scale"), [(0.3, 1.0, 20.0), (1.7, 0.4, 5.0), (0.5, 2.0, 2.5)]
)


class Derivative(NamedTuple):
    """By the formulas of chapter 6, and the sums of the absolute values of terms (NUM-4)."""

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
    D, step = np.concatenate([E, e_c[:, None]], 1), expected(population, E, e_c)
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
        _decided(population, step),
    )


def _decided(population: Population, step: Expected) -> np.ndarray:
    """Where rounding turns neither V̂ > V̂_th nor V̂_th > V_th,reset."""
    distance = np.abs(step.integrated[V_TH] - population.parameters["V_th_reset"])
    return ~step.undecided & (distance > FACTOR * population.epsilon * step.size_reset[V_TH])


def jacobian(
    implementation: Any, population: Population, *, scale: float | None = None, **options: Any
) -> tuple[np.ndarray, np.ndarray]:
    """The implementation's derivatives of the step, (4, 5, *shape), and the spike, (5, *shape)."""
    if scale is not None:
        options["scale"] = Value(np.asarray(scale, DTYPES[population.precision]), "mV")
    got = implementation.gif_jacobian(*population.arguments(), **options)
    shape = population.current.shape
    shapes = {"state": (4, 4), "current": (4,), "spike_state": (4,), "spike_current": ()}
    for name, own in shapes.items():
        assert np.shape(got[name]) == (*shape, *own), f"{name}: {np.shape(got[name])}"
    step = np.concatenate([got["state"], np.asarray(got["current"])[..., None]], -1)
    spike = np.concatenate([got["spike_state"], np.asarray(got["spike_current"])[..., None]], -1)
    return np.moveaxis(step, (-2, -1), (0, 1)), np.moveaxis(spike, -1, 0)


def check(got: Any, wanted: Any, size: Any, where: np.ndarray, eps: float, call: str) -> None:
    tolerance = DERIVATIVE_FACTOR * eps * np.broadcast_to(size, np.shape(wanted))
    close(got[..., where], wanted[..., where], tolerance[..., where], call)


def population_of(implementation, seed, **options):
    return drawn(np.random.default_rng(seed), implementation.precision, **options)


def spread(implementation, seed, scale=20.0, width=1.0, **options):
    """A population of which a third each is far below, near and far above the threshold."""
    rng = np.random.default_rng(seed)
    population = drawn(rng, implementation.precision, dt=0.5, **options)
    offsets = np.resize([-5.0, -0.6, -0.3, 0.3, 0.6, 5.0], population.size)
    offsets = offsets * scale * width + rng.uniform(-0.2, 0.2, population.size) * scale * width
    population = population.replace(V=population.state[V_TH] + offsets)
    wanted = derivative(population, scale=scale, width=width)
    zero, spikes = ~wanted.spike.any(0), expected(population, *exact_propagator(population)).spikes
    for surrogate in (zero, ~zero):
        for branch in (spikes, ~spikes):
            assert np.sum(surrogate & branch) >= 2, "too few neurons of a kind: draw others"
    return population


@pytest.mark.clauses("GIF-14")
@FEW
@given(seed=SEEDS)
def test_without_spike_and_surrogate_it_is_the_propagator(implementation, seed):
    population = population_of(implementation, seed, **QUIET)
    E, e_c = exact_propagator(population)
    got, spike = jacobian(implementation, population)
    D = np.concatenate([E, e_c[:, None]], 1)
    tolerance = DERIVATIVE_FACTOR * population.epsilon * np.abs(D)
    close(got, D, tolerance, "gif_jacobian far below the threshold")
    close(spike, 0.0, 0.0, "the spike's derivative, far below the threshold")


@pytest.mark.clauses("GIF-14")
def test_differences_of_steps_are_the_derivative(implementation):
    """A step without a spike is linear: differences of any width are its derivative."""
    population = population_of(implementation, 14, dt=2.0, **QUIET)
    width = 8.0
    change = np.zeros((10, 5, 1))
    change[range(10), np.arange(10) % 5] = width * np.resize(
        [1, 1, 1, 1, 1, -1, -1, -1, -1, -1], (10, 1)
    )
    batch = Population(
        population.parameters,
        population.state[:, None] + np.moveaxis(change[:, :4], 0, 1),
        population.current + change[:, 4],
        population.dt,
        64,
    )
    batch = batch.replace(precision=population.precision)
    after, spikes = stepped(implementation, batch)
    assert not spikes.any(), "gif_step spikes 1 V below the threshold"
    # (4, 10, n), ups before downs, as (4, 5, n).
    differences = (after[:, :5] - after[:, 5:]) / (2 * width)
    E, e_c = exact_propagator(population)
    size = expected(batch, E, e_c).size.max(axis=1)
    rounding = FACTOR * batch.epsilon * size[:, None] * 2 / width
    D = np.abs(np.concatenate([E, e_c[:, None]], 1))
    got, _ = jacobian(implementation, population)
    tolerance = rounding + DERIVATIVE_FACTOR * batch.epsilon * D
    close(got, differences, tolerance, "gif_jacobian, against differences of gif_step")


@pytest.mark.clauses("GIF-15")
@SURROGATES
def test_spike_is_that_of_the_surrogate(implementation, alpha, width, scale):
    population = spread(implementation, 15, scale, width)
    options = {"alpha": alpha, "width": width, "scale": scale}
    wanted = derivative(population, **options)
    _, got = jacobian(implementation, population, **options)
    call = f"the spike of gif_jacobian with {options}"
    check(got, wanted.spike, wanted.size_spike, wanted.decided, population.epsilon, call)
    far = ~wanted.spike.any(0)
    assert not got[..., far].any(), f"{call}: got {got[..., far]} where |x| > w, expected 0"


@pytest.mark.clauses("GIF-15")
@FEW
@given(seed=SEEDS)
def test_spike_is_that_of_the_default_surrogate(implementation, seed):
    population = spread(implementation, seed)
    wanted = derivative(population)
    _, got = jacobian(implementation, population)
    call = "the spike of gif_jacobian by default"
    check(got, wanted.spike, wanted.size_spike, wanted.decided, population.epsilon, call)


@pytest.mark.clauses("GIF-15")
@pytest.mark.parametrize("detach_reset", [False, True])
def test_spike_does_not_depend_on_detachment(implementation, detach_reset):
    population = spread(implementation, 16)
    wanted = derivative(population)
    _, got = jacobian(implementation, population, detach_reset=detach_reset)
    call = f"the spike of gif_jacobian(detach_reset={detach_reset})"
    check(got, wanted.spike, wanted.size_spike, wanted.decided, population.epsilon, call)


@pytest.mark.clauses("GIF-16")
@SURROGATES
def test_step_is_that_of_reset_and_surrogate(implementation, alpha, width, scale):
    population = spread(implementation, 17, scale, width)
    options = {"alpha": alpha, "width": width, "scale": scale}
    wanted = derivative(population, **options)
    got, _ = jacobian(implementation, population, **options)
    call = f"the step of gif_jacobian with {options}"
    check(got, wanted.step, wanted.size_step, wanted.decided, population.epsilon, call)


@pytest.mark.clauses("GIF-16")
@FEW
@given(seed=SEEDS)
def test_step_by_default(implementation, seed):
    population = spread(implementation, seed, batch=(2,))
    wanted = derivative(population)
    got, _ = jacobian(implementation, population)
    call = "the step of gif_jacobian by default"
    check(got, wanted.step, wanted.size_step, wanted.decided, population.epsilon, call)


@pytest.mark.clauses("GIF-17")
@FEW
@given(seed=SEEDS)
def test_step_with_the_reset_detached(implementation, seed):
    population = spread(implementation, seed)
    wanted = derivative(population, detach_reset=True)
    got, _ = jacobian(implementation, population, detach_reset=True)
    call = "the step of gif_jacobian(detach_reset=True)"
    check(got, wanted.step, wanted.size_step, wanted.decided, population.epsilon, call)


@pytest.mark.clauses("NUM-4")
@pytest.mark.needs("gif")
@pytest.mark.parametrize("detach_reset", [False, True])
def test_derivatives_agree_with_the_reference(implementation, detach_reset):
    population = spread(implementation, 18)
    neurons = dynamics(population)
    propagator = neurons.propagator(population.dt)
    options = {"detach_reset": detach_reset}
    wanted = neurons.jacobian(propagator, population.state, population.current, **options)
    where = derivative(population).decided
    step, spike = jacobian(implementation, population, **options)
    call = f"gif_jacobian({detach_reset=})"
    check(step, wanted.step, wanted.size_step, where, population.epsilon, f"the step of {call}")
    check(spike, wanted.spike, wanted.size_spike, where, population.epsilon, f"spike of {call}")
