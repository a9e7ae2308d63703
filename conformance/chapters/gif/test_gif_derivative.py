"""The derivative of a step: GIF-14 to GIF-17, NUM-4."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given

from conformance.checks import check_close
from conformance.drawing.numbered import FEW, SEEDS
from conformance.drawing.populations import V_TH, Population, draw_population
from conformance.drawing.seeded import generator
from conformance.drawing.sharing import remember
from conformance.oracles.gif_derivatives import (
    SURROGATES,
    check_derivative,
    check_same_derivative,
    jacobian,
    quiet_derivative,
    spread_derivative,
)
from conformance.oracles.gif_steps import (
    DERIVATIVE_FACTOR,
    FACTOR,
    apply_propagator,
    dynamics,
    exact_propagator,
    run_step,
)

WITH_RESET = pytest.mark.parametrize("surrogate", ["steep", "wide"])


def exact_derivative(population):
    """E with e_c as its last column, (4, 5, *shape)."""
    E, e_c = exact_propagator(population)
    D = np.concatenate([E, e_c[:, None]], 1)[:, :, np.newaxis]
    return np.broadcast_to(D, (4, 5, *population.current.shape))


@pytest.mark.clauses("GIF-14")
@pytest.mark.parametrize("dt", [0.125, 4.0])
def test_without_spike_and_surrogate_it_is_the_propagator(implementation, dt):
    """Where rates meet or vanish, too: there a formula that divides by their difference has NaN."""
    population, got, spike = quiet_derivative(implementation, dt)
    D = exact_derivative(population)
    tolerance = DERIVATIVE_FACTOR * population.epsilon * np.abs(D)
    check_close(got, D, tolerance, f"gif_jacobian of {dt} ms, far below the threshold")
    check_close(spike, 0.0, 0.0, "the spike's derivative, far below the threshold")


@pytest.mark.clauses("GIF-14")
def test_differences_of_steps_are_the_derivative(implementation):
    """A step without a spike is linear: differences of any width are its derivative."""
    population, got, _ = quiet_derivative(implementation, 4.0)
    population = population.entry(0)
    width = 8.0
    change = np.zeros((10, 5, 1, 1))
    change[range(10), np.arange(10) % 5, 0, 0] = width * np.repeat([1, -1], 5)
    batch = Population(
        population.parameters,
        population.state[:, None] + np.moveaxis(change[:, :4], 0, 1),
        population.current + change[:, 4],
        population.dt,
        population.precision,
    )
    after, spikes = run_step(implementation, batch)
    assert not spikes.any(), "gif_step spikes 1 V below the threshold"
    # (4, 10, n), ups before downs, as (4, 5, n).
    differences = (after[:, :5] - after[:, 5:]) / (2 * width)
    size = apply_propagator(batch, *exact_propagator(population)).size.max(axis=1)
    rounding = FACTOR * batch.epsilon * size[:, None] * 2 / width
    D = np.abs(exact_derivative(batch))[:, :, 0]
    tolerance = rounding + DERIVATIVE_FACTOR * batch.epsilon * D
    check_close(
        got[:, :, 0], differences, tolerance, "gif_jacobian, against differences of gif_step"
    )


def check_spike(record, call):
    """The derivative of the spike, and that there is none where |x| > w."""
    population, derivative, _, got = record
    check_derivative(
        got, derivative.spike, derivative.size_spike, derivative.decided, population.epsilon, call
    )
    far = ~derivative.spike.any(0)
    assert not got[..., far].any(), f"{call}: got {got[..., far]} where |x| > w, expected 0"


@pytest.mark.clauses("GIF-15")
@pytest.mark.parametrize("surrogate", SURROGATES)
def test_spike_is_that_of_the_surrogate(implementation, surrogate):
    """Whether or not the reset is detached."""
    call = f"the spike of gif_jacobian with {SURROGATES[surrogate]}"
    check_spike(spread_derivative(implementation, 0, surrogate), call)


@pytest.mark.clauses("GIF-15")
@FEW
@given(seed=SEEDS)
def test_spike_is_that_of_the_default_surrogate(implementation, seed):
    record = spread_derivative(implementation, seed, "default")
    check_spike(record, "the spike of gif_jacobian by default")


def check_whole(record, call):
    """The derivative of the step."""
    population, derivative, got, _ = record
    check_derivative(
        got, derivative.step, derivative.size_step, derivative.decided, population.epsilon, call
    )


@pytest.mark.clauses("GIF-16")
@WITH_RESET
def test_step_is_that_of_reset_and_surrogate(implementation, surrogate):
    call = f"the step of gif_jacobian with {SURROGATES[surrogate]}"
    check_whole(spread_derivative(implementation, 0, surrogate), call)


@pytest.mark.clauses("GIF-16")
@FEW
@given(seed=SEEDS)
def test_step_by_default(implementation, seed):
    record = spread_derivative(implementation, seed, "default")
    check_whole(record, "the step of gif_jacobian by default")


@pytest.mark.clauses("GIF-17")
@FEW
@given(seed=SEEDS)
def test_step_with_the_reset_detached(implementation, seed):
    record = spread_derivative(implementation, seed, "detached")
    check_whole(record, "the step of gif_jacobian(detach_reset=True)")


@pytest.mark.clauses("NUM-4")
@pytest.mark.needs("gif")
@pytest.mark.parametrize("surrogate", ["default", "detached"])
def test_derivatives_agree_with_the_reference(implementation, surrogate):
    population, exactly, step, spike = spread_derivative(implementation, 0, surrogate)
    neurons = dynamics(population)
    options = SURROGATES[surrogate]
    derivative = neurons.jacobian(
        neurons.propagator(population.dt), population.state, population.current, **options
    )
    where, epsilon, call = exactly.decided, population.epsilon, f"gif_jacobian with {options}"
    check_derivative(
        step, derivative.step, derivative.size_step, where, epsilon, f"the step of {call}"
    )
    check_derivative(
        spike, derivative.spike, derivative.size_spike, where, epsilon, f"spike of {call}"
    )


@pytest.mark.clauses("GIF-14")
@pytest.mark.parametrize("scales", [{"dt": "s"}, {"tau": "s", "R": "ohm"}], ids=["dt", "tau-r"])
def test_derivative_in_any_scale(implementation, scales):
    population, plain, _ = quiet_derivative(implementation, 4.0)
    rescaled_population = dataclasses.replace(population, scales=scales)
    other, _ = jacobian(implementation, rescaled_population)
    check_same_derivative(population, plain, other, f"gif_jacobian in {scales}")


@remember
def plain_derivative(implementation):
    """What the derivatives below must be."""
    population = draw_population(generator(53), implementation.precision, (4, 6), (2,), dt=0.5)
    return population, *jacobian(implementation, population, scale=16.0)


@pytest.mark.clauses("GIF-15")
def test_scale_of_the_surrogate_in_volts(implementation):
    population, plain, _ = plain_derivative(implementation)
    other, _ = jacobian(implementation, population, scale=0.016, unit="V")
    call = "gif_jacobian with scale=0.016 V, against 16 mV"
    check_same_derivative(population, plain, other, call)


@pytest.mark.clauses("GIF-16")
def test_derivative_of_a_current_in_another_scale(implementation):
    """Where the current decides on the spike."""
    population, plain, _ = plain_derivative(implementation)
    rescaled_population = dataclasses.replace(population, scales={"current": "pA"})
    other, _ = jacobian(implementation, rescaled_population, scale=16.0)
    check_same_derivative(population, plain, other, "gif_jacobian in pA")


@pytest.mark.clauses("GIF-16")
def test_threshold_at_its_lower_bound_flows_or_does_not(implementation):
    """V̂_th = V_th,reset: either branch, as NUM-2 has it for a spike, but none between."""
    population = draw_population(
        generator(54), implementation.precision, (4, 6), (2,), dt=0.5, a=0.0,
        V_th_inf=-64.0, V_th=-64.0, V_th_reset=-64.0, V=0.0, k1=0.25, k2=0.5, I1=0.0, I2=0.0,
    )  # fmt: skip
    D = exact_derivative(population)
    got = jacobian(implementation, population, detach_reset=True)[0][V_TH]
    tolerance = DERIVATIVE_FACTOR * population.epsilon * np.abs(D[V_TH])
    flows = np.all(np.abs(got - D[V_TH]) <= tolerance, axis=0)
    stops = np.all(got == 0, axis=0)
    assert np.all(flows | stops), f"V_th's row at V_th = V_th,reset: {got}, expected 0 or {D[V_TH]}"
