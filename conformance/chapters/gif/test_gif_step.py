"""One exact step, from drawn states: GIF-3 to GIF-9, NUM-1, NUM-2."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from conformance.chapters.gif.records import AT, HIGH, batch_step, mixed_step, quiet_step
from conformance.checks import check_close
from conformance.drawing.numbered import FEW, SEEDS
from conformance.drawing.populations import (
    DTYPES,
    I1,
    I2,
    MEETING,
    QUIET,
    V_TH,
    V,
    draw_population,
    round_to,
)
from conformance.drawing.seeded import generator
from conformance.drawing.sharing import remember
from conformance.oracles.gif_steps import (
    FACTOR,
    by_reference,
    check_spikes,
    check_step,
    check_values,
    exact,
    run_step,
    stack_state,
)
from conformance.protocol.implementation import Value
from conformance.tolerances import tolerances_of

LENGTHS = pytest.mark.parametrize("dt", [2.0**-40, 0.125, 4.0, 64.0, 1e6])
"""Also far beyond the time constants."""


@pytest.mark.clauses("GIF-3")
@FEW
@given(seed=SEEDS)
def test_currents_and_potential_are_the_solution(implementation, seed):
    _, step, got, _ = mixed_step(implementation, seed)
    solution, tolerance = step.branch(np.zeros_like(step.spikes))
    for i in (I1, I2, V):
        where = (i, step.must_not_spike)
        check_close(got[where], solution[where], tolerance[where], f"row {i} after gif_step")


@pytest.mark.clauses("GIF-4")
@FEW
@given(seed=SEEDS)
def test_threshold_is_the_solution(implementation, seed):
    _, step, got, _ = mixed_step(implementation, seed)
    solution, tolerance = step.branch(np.zeros_like(step.spikes))
    where = (V_TH, step.must_not_spike)
    check_close(got[where], solution[where], tolerance[where], "V_th after gif_step")


@pytest.mark.clauses("GIF-5")
@pytest.mark.parametrize(("dt", "steps"), [(0.1, 1100), (30.0, 3)])
def test_one_long_step_is_many_short_ones(implementation, dt, steps):
    rng = generator(5, steps)
    short = draw_population(rng, implementation.precision, (20,), dt=dt, **QUIET)
    # The step whose multiple the long one is, is that which the precision holds.
    long = short.replace(dt=float(round_to(steps * dt, short.precision)))
    short = short.replace(dt=long.dt / steps)
    once, spikes = run_step(implementation, long)
    size, parameters, state, _, length = short.arguments()
    currents = np.repeat(short.current[np.newaxis], steps, 0).astype(DTYPES[short.precision])
    many, more = implementation.gif_run(size, parameters, state, Value(currents, "nA"), length)
    assert not spikes.any(), "gif_step spikes 1 V below the threshold"
    assert not np.any(more), "gif_run spikes 1 V below the threshold"
    many = stack_state(many, (steps, *size), "gif_run")[:, -1]
    # The many steps come from other states than the one: their sizes are bounded by the states'.
    tolerance = (steps + 1) * FACTOR * short.epsilon * (exact(long).size + exact(short).size)
    check_close(many, once, tolerance, f"{steps} steps of {dt} ms, against one of {steps * dt} ms")


@pytest.mark.clauses("GIF-5")
@LENGTHS
def test_steps_of_any_length(implementation, dt):
    """Its smallest changes are lost in the values themselves, but for V from a V_rest of 0 mV."""
    _, step, got, spikes = quiet_step(implementation, dt)
    check_spikes(spikes, step, f"a step of {dt} ms")
    where = np.arange(len(spikes)) < len(spikes) - len(MEETING)
    check_values(got, step, spikes, where, f"a step of {dt} ms")


@pytest.mark.clauses("GIF-6")
@LENGTHS
def test_rates_that_meet_or_vanish(implementation, dt):
    _, step, got, spikes = quiet_step(implementation, dt)
    where = np.arange(len(spikes)) >= len(spikes) - len(MEETING)
    values = got[:, where]
    assert np.isfinite(values).all(), f"a step of {dt} ms gives {values} with the rates {MEETING}"
    check_values(got, step, spikes, where, f"a step of {dt} ms with rates that meet or vanish")


@pytest.mark.clauses("GIF-7")
@FEW
@given(seed=SEEDS)
def test_spikes_are_of_the_integrated_values(implementation, seed):
    """Down to twice the margin of NUM-2."""
    _, step, _, spikes = mixed_step(implementation, seed)
    check_spikes(spikes, step, "gif_step")


RESTING, BOUNDED = slice(0, 12), slice(12, 18)


@remember
def step_of_corners(implementation):
    """Twelve neurons where all is at rest, so that no rounding can turn the comparison; six that
    spike with V̂_th at V_th,reset, far above it and far below it."""
    levels = np.zeros(18)
    levels[6:] = -64.0
    population = draw_population(generator(7), implementation.precision, (18,), dt=0.5)
    is_bounded = np.arange(18) >= BOUNDED.start
    a = np.where(is_bounded, 0.0, population.parameters["a"])
    population = population.replace(
        I1=0.0, I2=0.0, current=0.0, V_reset=-80.0, V_rest=levels, V_th_inf=levels, V_th=levels,
        V=np.where(is_bounded, -30.0, levels), a=a,
        V_th_reset=np.where(is_bounded, np.resize([-64.0, -40.0, -90.0], 18), -60.0),
    )  # fmt: skip
    return population, *run_step(implementation, population)


@pytest.mark.clauses("GIF-7")
def test_equality_is_no_spike(implementation):
    population, got, spikes = step_of_corners(implementation)
    assert not spikes[RESTING].any(), f"V = V_th = V_rest: got spikes {spikes[RESTING]}"
    potential = population.state[V, RESTING]
    assert np.all(got[V:, RESTING] == potential), f"got {got[V:, RESTING]}, expected {potential} mV"


@pytest.mark.clauses("GIF-8")
def test_threshold_at_its_lower_bound(implementation):
    population, got, spikes = step_of_corners(implementation)
    assert spikes[BOUNDED].all(), f"V is 34 mV above V_th: got spikes {spikes[BOUNDED]}"
    thresholds = np.maximum(population.parameters["V_th_reset"], -64.0)[BOUNDED]
    tolerance = exact(population).branch(spikes)[1][V_TH, BOUNDED]
    check_close(got[V_TH, BOUNDED], thresholds, tolerance, "V_th after the reset")


@pytest.mark.clauses("GIF-8")
@FEW
@given(seed=SEEDS)
def test_reset_is_from_the_integrated_values(implementation, seed):
    population, step, got, _ = mixed_step(implementation, seed)
    spiking = step.must_spike
    is_above = step.integrated[V_TH] > population.parameters["V_th_reset"]
    for name, values in (("above", is_above), ("below", ~is_above)):
        count = np.sum((values & spiking)[HIGH])
        assert count >= 2, f"only {count} spiking neurons have V_th {name} V_th,reset: draw others"
    check_values(got, step, np.ones_like(spiking), spiking, "the reset of gif_step")


@pytest.mark.clauses("GIF-9")
@FEW
@given(seed=SEEDS)
def test_state_of_the_spiking_step_is_reset(implementation, seed):
    population, _, got, spikes = mixed_step(implementation, seed)
    V_reset = population.parameters["V_reset"]
    is_reset = np.abs(got[V] - V_reset) <= tolerances_of(implementation).round_off(V_reset)
    disagree = is_reset != spikes
    assert not disagree.any(), (
        f"gif_step: neurons {np.flatnonzero(disagree)} emit {spikes[disagree]}, their V is "
        f"{got[V][disagree]}, V_reset {population.parameters['V_reset'][disagree]}"
    )


@pytest.mark.clauses("NUM-1", "NUM-2")
@pytest.mark.needs("gif")
@FEW
@given(seed=SEEDS)
def test_step_agrees_with_the_reference(implementation, seed):
    """Of populations and batches of several axes, squares, and more than a thousand neurons."""
    _, step, got, spikes = batch_step(implementation, seed)
    check_step(got, spikes, step, f"gif_step of states {spikes.shape}")


@pytest.mark.clauses("NUM-1", "NUM-2")
@pytest.mark.needs("gif")
@FEW
@given(seed=SEEDS)
def test_undecided_neurons_take_either_branch(implementation, seed):
    """V̂ and V̂_th differ by no more than rounding; whichever branch is taken, is taken whole."""
    population, _, got, spikes = mixed_step(implementation, seed)
    step = by_reference(population)
    assert step.undecided[AT].all(), "neurons at the threshold are decided: draw others"
    check_step(got, spikes, step, "gif_step at the threshold")
