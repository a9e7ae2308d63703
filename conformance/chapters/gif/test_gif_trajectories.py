"""Many steps: NUM-3, GIF-13, and an input that is no number (GIF-21)."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from conformance.chapters.gif.records import (
    STEPS,
    STRONG,
    draw_decided_trajectory,
    run_population,
    trajectory,
)
from conformance.checks import check_class, check_close, names_of
from conformance.drawing.numbered import FEW, SEEDS
from conformance.drawing.populations import STATE_UNITS, V_TH, Population, V, draw_population
from conformance.drawing.seeded import generator
from conformance.oracles.gif_derivatives import check_same_derivative, jacobian
from conformance.oracles.gif_steps import check_alike, exact, exp_euler, run_step
from conformance.tolerances import tolerances_of


@pytest.mark.clauses("NUM-3")
@pytest.mark.needs("gif")
@FEW
@given(seed=SEEDS)
def test_trajectory_agrees_with_the_reference(implementation, seed):
    reference_run = draw_decided_trajectory(seed, implementation.precision)
    got, spikes = trajectory(implementation, seed, "states")
    apart = np.argwhere(spikes != reference_run.spikes)
    assert len(apart) == 0, (
        f"gif_run: {len(apart)} of {spikes.size} spikes differ from the reference's; the first at "
        f"step {apart[0][0]}, neuron {apart[0][1]}: got {spikes[tuple(apart[0])]}"
    )
    for i, name in enumerate(STATE_UNITS):
        call = f"{name} in {STEPS} steps of gif_run"
        check_close(got[i], reference_run.states[:, i], reference_run.tolerance[i], call)


@pytest.mark.clauses("GIF-13")
def test_both_forms_run_alike(implementation):
    reference_run = draw_decided_trajectory(0, implementation.precision)
    one, spikes = trajectory(implementation, 0, "states")
    two, others = trajectory(implementation, 0, "tree")
    apart = np.argwhere(spikes != others)
    assert len(apart) == 0, f"gif_run: the forms differ in {len(apart)} spikes, first at {apart[0]}"
    for i, name in enumerate(STATE_UNITS):
        check_close(
            two[i], one[i], 2 * reference_run.tolerance[i], f"{name} in the tree form's gif_run"
        )


@pytest.mark.clauses("GIF-9")
@pytest.mark.parametrize("form", ["states", "tree"])
def test_a_neuron_may_spike_in_every_step(implementation, form):
    reference_run = draw_decided_trajectory(0, implementation.precision)
    states, spikes = trajectory(implementation, 0, form)
    always = spikes[:, STRONG]
    assert np.all(always), f"3 uA must make each of {STEPS} steps spike, got {always.sum(0)} spikes"
    V_after, V_reset = states[V][:, STRONG], reference_run.population.parameters["V_reset"][STRONG]
    off = np.abs(V_after - V_reset) > tolerances_of(implementation).round_off(V_reset)
    assert not np.any(off), f"V after spikes is {V_after}, V_reset is {V_reset}"


@pytest.mark.clauses("GIF-9")
def test_a_run_is_step_after_step(implementation):
    """A spike is emitted by its own step, whose state the next step starts from."""
    reference_run = draw_decided_trajectory(0, implementation.precision)
    states, spikes = trajectory(implementation, 0, "states")
    spiking = 1 + np.flatnonzero(spikes[1:-1, :20].any(axis=1))[:1]
    assert len(spiking), f"gif_run: no spike in {STEPS} steps of 20 neurons"
    t = [*spiking, *(spiking + 1), STEPS - 1]
    # As a batch, each entry of which is a step of the run.
    before = dataclasses.replace(
        reference_run.population,
        state=states[:, np.subtract(t, 1)],
        current=reference_run.currents[t],
    )
    call = f"steps {t} of gif_run, against gif_step"
    check_alike(states[:, t], spikes[t], *run_step(implementation, before), exact(before), call)


BAD = np.array([np.nan, np.inf, -np.inf])


def with_bad_inputs(precision: int) -> tuple[Population, Population, np.ndarray]:
    """A population, the same with every fourth input NaN or infinite, and which those are.

    Their V is above the threshold, and the signs of a differ: an infinite V̂ would spike.
    """
    population = draw_population(generator(31), precision, (24,), dt=0.5)
    bad = np.arange(24) % 4 == 0
    a = np.where(bad, np.resize([-0.05, -0.05, -0.05, 0.05, 0.05, 0.0], 24), 0.02)
    v = np.where(bad, -30.0, population.state[V])
    population = population.replace(a=a, V=v)
    current = np.where(bad, np.resize(np.repeat(BAD, 4), 24), population.current)
    return population, population.replace(current=current), bad


def call_unless_refused(call: Any, *arguments: Any, **options: Any) -> Any:
    """Make a call: its result, or None where it raises `InputError`."""
    try:
        return call(*arguments, **options)
    except Exception as error:
        exception = error
    assert "InputError" in names_of(exception), f"a NaN or infinite current raised {exception!r}"
    check_class(exception, "InputError")
    return None


METHODS = pytest.mark.parametrize("method", ["exact", "exp_euler"])
ORACLES = {"exact": exact, "exp_euler": exp_euler}


@pytest.mark.clauses("GIF-21")
@METHODS
def test_no_spike_of_an_input_that_is_no_number(implementation, method):
    """Either the step is refused, or the neuron is lost and no other is affected."""
    good, wrong, bad = with_bad_inputs(implementation.precision)
    result = call_unless_refused(run_step, implementation, wrong, method=method)
    if result is None:
        return
    got, spikes = result
    call = "gif_step with NaN and infinite currents"
    assert not spikes[bad].any(), f"{call}: neurons {np.flatnonzero(spikes & bad)} spike"
    assert np.isnan(got[V][bad]).all(), f"{call}: V of those neurons is {got[V][bad]}, not NaN"
    one, others = run_step(implementation, good, method=method)
    step = ORACLES[method](good.neurons(~bad))
    check_alike(got[:, ~bad], spikes[~bad], one[:, ~bad], others[~bad], step, f"{call}: the others")


@pytest.mark.clauses("GIF-21")
def test_no_derivative_of_a_spike_by_an_input_that_is_no_number(implementation):
    """Refused, or of those neurons nothing, and of the others what it would be; near the threshold,
    where there is one."""
    good, wrong, bad = with_bad_inputs(implementation.precision)
    good, wrong = (each.replace(V=each.state[V_TH] + 4.0) for each in (good, wrong))
    result = call_unless_refused(jacobian, implementation, wrong)
    if result is None:
        return
    step, spike = result
    some = np.nan_to_num(spike[:, bad], nan=0.0)
    call = "gif_jacobian with NaN and infinite currents"
    assert not some.any(), f"{call}: the derivative of those neurons' spikes is {some}"
    one, _ = jacobian(implementation, good)
    good_neurons = good.neurons(~bad)
    check_same_derivative(good_neurons, one[..., ~bad], step[..., ~bad], f"{call}: the others")


@pytest.mark.clauses("GIF-21")
@METHODS
def test_no_spike_after_an_input_that_is_no_number(implementation, method):
    """In the middle of a run, where a compiled program knows no value; the other entry of a batch
    is without."""
    good, wrong, bad = with_bad_inputs(implementation.precision)
    currents = np.repeat(good.current[np.newaxis], 8, 0)
    spoilt = currents.copy()
    spoilt[3] = wrong.current
    both = dataclasses.replace(
        good, state=np.repeat(good.state[:, None], 2, 1), current=np.stack([good.current] * 2)
    )
    result = call_unless_refused(
        run_population,
        implementation,
        both,
        np.stack([currents, spoilt], axis=1),
        form="tree",
        method=method,
    )
    if result is None:
        return
    (one, got), (others, spikes) = np.moveaxis(result[0], 2, 0), np.moveaxis(result[1], 1, 0)
    call = "gif_run with NaN and infinite currents in step 3"
    assert not spikes[3:, bad].any(), f"{call}: spikes {np.argwhere(spikes[3:, bad])}"
    assert np.isnan(got[V][3, bad]).all(), f"{call}: V is {got[V][3, bad]}, expected NaN"
    clean = np.ones_like(spikes)
    clean[3:, bad] = False
    apart = (spikes != others) & clean
    assert not apart.any(), f"{call}: spikes of others differ at {np.argwhere(apart)}"
    tolerance = 8 * ORACLES[method](good).branch(np.ones(24, bool))[1]
    for i, name in enumerate(STATE_UNITS):
        limits = np.broadcast_to(tolerance[i], clean.shape)[clean]
        check_close(got[i][clean], one[i][clean], limits, f"{name} in {call}")
