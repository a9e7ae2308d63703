"""One exact step, from drawn states: GIF-3 to GIF-9, NUM-1, NUM-2."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from conformance.checks import close
from conformance.gif_oracles import (
    FACTOR,
    by_reference,
    check_spikes,
    check_step,
    check_values,
    exact,
    stacked,
    stepped,
)
from conformance.implementation import Value
from conformance.populations import DTYPES, FEW, I1, I2, QUIET, SEEDS, V_TH, V, drawn, rounded
from conformance.tolerances import tolerances_of


def population_of(implementation, seed, **options):
    return drawn(np.random.default_rng(seed), implementation.precision, **options)


def check_mixed(step):
    """Both branches occur often enough to judge them."""
    rate = step.spikes.mean()
    assert 0.1 < rate < 0.9, f"the drawn population spikes at a rate of {rate}: draw another"


@pytest.mark.clauses("GIF-3")
@FEW
@given(seed=SEEDS)
def test_currents_and_potential_are_the_solution(implementation, seed):
    population = population_of(implementation, seed)
    step = exact(population)
    check_mixed(step)
    got, _ = stepped(implementation, population)
    wanted, tolerance = step.branch(np.zeros_like(step.spikes))
    for i in (I1, I2, V):
        where = (i, step.must_not)
        close(got[where], wanted[where], tolerance[where], f"row {i} after gif_step")


@pytest.mark.clauses("GIF-4")
@FEW
@given(seed=SEEDS)
def test_threshold_is_the_solution(implementation, seed):
    population = population_of(implementation, seed)
    step = exact(population)
    got, _ = stepped(implementation, population)
    wanted, tolerance = step.branch(np.zeros_like(step.spikes))
    where = (V_TH, step.must_not)
    close(got[where], wanted[where], tolerance[where], "V_th after gif_step")


@pytest.mark.clauses("GIF-5")
@pytest.mark.parametrize(("dt", "steps"), [(0.1, 500), (2.0, 5), (30.0, 3)])
def test_one_long_step_is_many_short_ones(implementation, dt, steps):
    short = population_of(implementation, steps, size=(20,), dt=dt, **QUIET)
    # The step whose multiple the long one is, is that which the precision holds.
    long = short.replace(dt=float(rounded(steps * dt, short.precision)))
    short = short.replace(dt=long.dt / steps)
    once, spikes = stepped(implementation, long)
    size, parameters, state, _, length = short.arguments()
    currents = np.repeat(short.current[np.newaxis], steps, 0).astype(DTYPES[short.precision])
    many, more = implementation.gif_run(size, parameters, state, Value(currents, "nA"), length)
    assert not spikes.any(), "gif_step spikes 1 V below the threshold"
    assert not np.any(more), "gif_run spikes 1 V below the threshold"
    many = stacked(many, (steps, *size), "gif_run")[:, -1]
    # The many steps come from other states than the one: their sizes are bounded by the states'.
    tolerance = (steps + 1) * FACTOR * short.epsilon * (exact(long).size + exact(short).size)
    close(many, once, tolerance, f"{steps} steps of {dt} ms, against one of {steps * dt} ms")


@pytest.mark.clauses("GIF-5")
@pytest.mark.parametrize("dt", [1e-3, 10.0, 60.0, 1e3, 1e6])
def test_steps_of_any_length(implementation, dt):
    """Far beyond the time constants, too, where the other rates are slow enough to be seen."""
    population = population_of(implementation, 5, dt=dt, **QUIET)
    slow = min(1.0, 20 / dt)
    p = population.parameters
    population = population.replace(k1=slow * p["k1"], k2=slow * p["k2"], a=slow * p["a"])
    step = exact(population)
    got, spikes = stepped(implementation, population)
    check_step(got, spikes, step, f"a step of {dt} ms")


MEETING = (
    {"k1": 1 / 16},
    {"k2": 1 / 16},
    {"b": 1 / 16},
    {"k1": 0.25, "b": 0.25},
    {"k1": 0.25, "k2": 0.25},
    {"k1": 1 / 16, "k2": 1 / 16},
    {"k1": 1 / 16, "b": 1 / 16},
    {"k1": 1 / 16, "k2": 1 / 16, "b": 1 / 16},
    {"k1": 0.0},
    {"k2": 0.0},
    {"b": 0.0},
    {"k1": 0.0, "k2": 0.0, "b": 0.0},
    {"k1": (1 + 1e-3) / 16},
    {"k1": (1 - 1e-6) / 16, "b": (1 + 1e-6) / 16},
    {"b": (1 + 1e-9) / 16},
    {"b": 1e-12},
)


@pytest.mark.clauses("GIF-6")
@pytest.mark.parametrize("dt", [0.125, 4.0, 64.0])
def test_rates_that_meet_or_vanish(implementation, dt):
    population = population_of(implementation, 6, size=(len(MEETING),), dt=dt, **QUIET)
    p = {name: population.parameters[name].copy() for name in ("k1", "k2", "b")}
    for m, rates in enumerate(MEETING):
        for name, rate in rates.items():
            p[name][m] = rate
    population = population.replace(tau=16.0, **p)
    got, spikes = stepped(implementation, population)
    assert np.isfinite(got).all(), f"a step of {dt} ms gives {got} with the rates {MEETING}"
    check_step(got, spikes, exact(population), f"a step of {dt} ms with rates that meet or vanish")


@pytest.mark.clauses("GIF-7")
@FEW
@given(seed=SEEDS)
def test_spikes_are_of_the_integrated_values(implementation, seed):
    population = population_of(implementation, seed)
    step = exact(population)
    check_mixed(step)
    check_spikes(stepped(implementation, population)[1], step, "gif_step")


@pytest.mark.clauses("GIF-7")
@pytest.mark.parametrize("potential", [0.0, -64.0])
def test_equality_is_no_spike(implementation, potential):
    """All is at rest, so that no rounding can turn the comparison."""
    everything = dict.fromkeys(("V_rest", "V_th_inf", "V", "V_th"), potential)
    population = population_of(
        implementation, 7, dt=0.5, I1=0.0, I2=0.0, current=0.0, V_reset=-80.0, **everything
    )
    got, spikes = stepped(implementation, population)
    assert not spikes.any(), f"V = V_th = V_rest = {potential} mV: got spikes {spikes}"
    assert np.all(got[V:] == potential), f"got V and V_th {got[V:]}, expected {potential} mV"


@pytest.mark.clauses("GIF-7", "NUM-2")
@FEW
@given(seed=SEEDS)
def test_spikes_close_to_the_threshold(implementation, seed):
    """Down to twice the margin of NUM-2, half of the neurons above and half below."""
    population = population_of(implementation, seed, dt=0.5)
    step, rng = exact(population), np.random.default_rng(seed)
    margin = FACTOR * population.epsilon * (step.size[V] + step.size[V_TH])
    distance = margin * rng.uniform(2, 10, 32) * np.resize([1, -1], 32)
    # V_th enters only the threshold, by a factor e^{−b dt}.
    shift = step.integrated[V] - step.integrated[V_TH] - distance
    decay = np.exp(-population.parameters["b"] * population.dt)
    population = population.replace(V_th=population.state[V_TH] + shift / decay)
    step = exact(population)
    assert step.undecided.sum() <= 2, f"{step.undecided} neurons are undecided: draw others"
    check_mixed(step)
    check_spikes(stepped(implementation, population)[1], step, "gif_step close to the threshold")


@pytest.mark.clauses("GIF-8")
@FEW
@given(seed=SEEDS)
def test_reset_is_from_the_integrated_values(implementation, seed):
    population = population_of(implementation, seed)
    population = population.replace(V=population.state[V] + 15.0)
    step = exact(population)
    spiking = step.must_spike
    kept = step.integrated[V_TH] > population.parameters["V_th_reset"]
    for name, some in (("above", kept), ("below", ~kept)):
        count = np.sum(some & spiking)
        assert count >= 2, f"only {count} spiking neurons have V_th {name} V_th,reset: draw others"
    got, _ = stepped(implementation, population)
    check_values(got, step, np.ones_like(spiking), spiking, "the reset of gif_step")


@pytest.mark.clauses("GIF-8")
def test_threshold_at_its_lower_bound(implementation):
    """V̂_th equal to V_th,reset, and the bound far above and far below it."""
    bounds = np.resize([-64.0, -40.0, -90.0], 6)
    population = population_of(
        implementation, 8, size=(6,), dt=0.5,
        a=0.0, V_th_inf=-64.0, V_th=-64.0, V=-30.0, V_th_reset=bounds,
    )  # fmt: skip
    got, spikes = stepped(implementation, population)
    assert spikes.all(), f"V is 34 mV above V_th: got spikes {spikes}"
    wanted = np.maximum(bounds, -64.0)
    close(got[V_TH], wanted, exact(population).branch(spikes)[1][V_TH], "V_th after the reset")


@pytest.mark.clauses("GIF-9")
@FEW
@given(seed=SEEDS)
def test_state_of_the_spiking_step_is_reset(implementation, seed):
    population = population_of(implementation, seed)
    step = exact(population)
    check_mixed(step)
    got, spikes = stepped(implementation, population)
    V_reset = population.parameters["V_reset"]
    is_reset = np.abs(got[V] - V_reset) <= tolerances_of(implementation).round_off(V_reset)
    disagree = is_reset != spikes
    assert not disagree.any(), (
        f"gif_step: neurons {np.flatnonzero(disagree)} emit {spikes[disagree]}, their V is "
        f"{got[V][disagree]}, V_reset {population.parameters['V_reset'][disagree]}"
    )


@pytest.mark.clauses("GIF-9")
@pytest.mark.parametrize("form", ["states", "tree"])
def test_a_neuron_may_spike_in_every_step(implementation, form):
    population = population_of(implementation, 9, dt=1.0, V=-30.0, V_th_reset=-60.0, a=0.0)
    size, parameters, state, _, dt = population.arguments()
    strong = Value(np.full((12, *size), 1e3, DTYPES[population.precision]), "nA")
    states, spikes = implementation.gif_run(size, parameters, state, strong, dt, form=form)
    assert np.all(spikes), f"1 uA must make each of 12 steps spike, got {np.asarray(spikes)}"
    V_after, V_reset = stacked(states, spikes.shape, "gif_run")[V], population.parameters["V_reset"]
    close(V_after, np.broadcast_to(V_reset, spikes.shape), 0.0, "V after spikes")


@pytest.mark.clauses("NUM-1", "NUM-2")
@pytest.mark.needs("gif")
@FEW
@given(seed=SEEDS)
def test_step_agrees_with_the_reference(implementation, seed):
    population = population_of(implementation, seed, size=(4, 10), batch=(3,))
    step = by_reference(population)
    check_mixed(step)
    got, spikes = stepped(implementation, population)
    check_step(got, spikes, step, "gif_step")


@pytest.mark.clauses("NUM-1", "NUM-2")
@pytest.mark.needs("gif")
@FEW
@given(seed=SEEDS)
def test_undecided_neurons_take_either_branch(implementation, seed):
    """V̂ and V̂_th differ by no more than rounding; whichever branch is taken, is taken whole."""
    population = population_of(implementation, seed, dt=0.5)
    step = by_reference(population)
    decay = np.exp(-population.parameters["b"] * population.dt)
    shift = (step.integrated[V] - step.integrated[V_TH]) / decay
    population = population.replace(V_th=population.state[V_TH] + shift)
    step = by_reference(population)
    assert step.undecided.all(), f"decided are {np.flatnonzero(~step.undecided)}: draw others"
    got, spikes = stepped(implementation, population)
    check_step(got, spikes, step, "gif_step at the threshold")
