"""Many steps: NUM-3, GIF-13, and an input that is no number (GIF-21)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given

from conformance.checks import close, is_a
from conformance.gif_oracles import (
    FACTOR,
    boolean,
    check_alike,
    dynamics,
    exact,
    size_reset,
    stacked,
    stepped,
)
from conformance.implementation import Value
from conformance.populations import (
    DTYPES,
    FEW,
    SEEDS,
    STATE_UNITS,
    V_TH,
    Population,
    V,
    drawn,
    rounded,
)
from conformance.tolerances import judged

STEPS = 300


class Trajectory(NamedTuple):
    """A population, its inputs, and what NUM-3 lets it become."""

    population: Population
    currents: np.ndarray  #: (STEPS, *size), nA
    states: np.ndarray  #: (STEPS, 4, *size)
    spikes: np.ndarray  #: (STEPS, *size)
    tolerance: np.ndarray  #: (4, *size)


def decided_trajectory(seed: int, precision: int) -> Trajectory:
    """Trajectories that rounding cannot turn, with pulses that make spikes.

    A pulse of one step carries V from far below the threshold to far above. Of the neurons drawn,
    those are kept that the reference finds decided within STEPS times the margin in all steps.
    """
    rng = np.random.default_rng(seed)
    population = drawn(rng, precision, (200,), dt=0.5)
    start = {"V": population.parameters["V_rest"], "V_th": population.parameters["V_th_inf"]}
    a = population.parameters["a"] / 10  # lest the threshold run away
    population = population.replace(**start, a=a)
    pulses = rng.choice([0.0, 1.0], (STEPS, 200), p=[0.95, 0.05]) * rng.uniform(100, 200, 200)
    currents = rounded(rng.uniform(-0.3, 0.3, (STEPS, 200)) + pulses, precision)
    neurons = dynamics(population)
    run = neurons.run(neurons.propagator(population.dt), population.state, currents)
    factor = judged(precision).steps(STEPS) * FACTOR * population.epsilon
    distance = np.abs(run.integrated[:, V] - run.integrated[:, V_TH])
    decided = np.all(distance > factor * (run.size[:, V] + run.size[:, V_TH]), axis=0)
    kept = np.flatnonzero(decided)[:20]
    assert len(kept) == 20, f"only {len(kept)} neurons are decided: draw more"
    spikes = run.spikes[:, kept]
    assert 1 < spikes.sum() / 20 < 100, f"{spikes.sum()} spikes of 20 neurons: draw others"
    size = np.where(run.spikes[:, None], size_reset(population, run.size), run.size).max(axis=0)
    return Trajectory(
        population.neurons(kept), currents[:, kept],
        run.states[..., kept], spikes, factor * size[:, kept],
    )  # fmt: skip


def ran(
    implementation: Any, population: Population, currents: np.ndarray, **options: Any
) -> tuple[np.ndarray, np.ndarray]:
    """The implementation's states, (4, steps, *shape), nA and mV, and spikes, (steps, *shape)."""
    size, parameters, state, _, dt = population.arguments()
    given = Value(currents.astype(DTYPES[population.precision]), "nA")
    states, spikes = implementation.gif_run(size, parameters, state, given, dt, **options)
    return stacked(states, currents.shape, "gif_run"), boolean(spikes, currents.shape, "gif_run")


@pytest.mark.clauses("NUM-3")
@pytest.mark.needs("gif")
@FEW
@given(seed=SEEDS)
def test_trajectory_agrees_with_the_reference(implementation, seed):
    wanted = decided_trajectory(seed, implementation.precision)
    got, spikes = ran(implementation, wanted.population, wanted.currents)
    apart = np.argwhere(spikes != wanted.spikes)
    assert len(apart) == 0, (
        f"gif_run: {len(apart)} of {spikes.size} spikes differ from the reference's; the first at "
        f"step {apart[0][0]}, neuron {apart[0][1]}: got {spikes[tuple(apart[0])]}"
    )
    for i, name in enumerate(STATE_UNITS):
        call = f"{name} in {STEPS} steps of gif_run"
        close(got[i], wanted.states[:, i], wanted.tolerance[i], call)


@pytest.mark.clauses("GIF-13")
def test_both_forms_run_alike(implementation):
    wanted = decided_trajectory(13, implementation.precision)
    one, spikes = ran(implementation, wanted.population, wanted.currents, form="states")
    two, others = ran(implementation, wanted.population, wanted.currents, form="tree")
    apart = np.argwhere(spikes != others)
    assert len(apart) == 0, f"gif_run: the forms differ in {len(apart)} spikes, first at {apart[0]}"
    for i, name in enumerate(STATE_UNITS):
        close(two[i], one[i], 2 * wanted.tolerance[i], f"{name} in the tree form's gif_run")


@pytest.mark.clauses("GIF-9")
def test_a_run_is_step_after_step(implementation):
    """A spike is emitted by its own step, whose state the next step starts from."""
    wanted = decided_trajectory(9, implementation.precision)
    states, spikes = ran(implementation, wanted.population, wanted.currents)
    spiking = 1 + np.flatnonzero(spikes[1:-1].any(axis=1))[:1]
    assert len(spiking), f"gif_run: no spike in {STEPS} steps of 20 neurons"
    for t in (spiking[0], spiking[0] + 1):
        before = wanted.population.replace(current=wanted.currents[t])
        before = before.replace(**dict(zip(STATE_UNITS, states[:, t - 1], strict=True)))
        one, spike = stepped(implementation, before)
        call = f"step {t} of gif_run, against gif_step"
        check_alike(states[:, t], spikes[t], one, spike, exact(before), call)


BAD = np.array([np.nan, np.inf, -np.inf])


def with_bad_inputs(precision: int) -> tuple[Population, Population, np.ndarray]:
    """A population, the same with every fourth input NaN or infinite, and which those are.

    Their V is above the threshold, and the signs of a differ: an infinite V̂ would spike.
    """
    population = drawn(np.random.default_rng(21), precision, (24,), dt=0.5)
    bad = np.arange(24) % 4 == 0
    a = np.where(bad, np.resize([-0.05, -0.05, -0.05, 0.05, 0.05, 0.0], 24), 0.02)
    v = np.where(bad, -30.0, population.state[V])
    population = population.replace(a=a, V=v)
    current = np.where(bad, np.resize(np.repeat(BAD, 4), 24), population.current)
    return population, population.replace(current=current), bad


def refused_or(call: Any, *arguments: Any, **options: Any) -> Any:
    """What a call returns, or None where it raised InputError."""
    try:
        return call(*arguments, **options)
    except Exception as error:
        caught = error
    names = [kind.__name__ for kind in type(caught).__mro__]
    assert "InputError" in names, f"a NaN or infinite current raised {caught!r}"
    is_a(caught, "InputError")
    return None


@pytest.mark.clauses("GIF-21")
@pytest.mark.parametrize("form", ["states", "tree"])
def test_no_spike_of_an_input_that_is_no_number(implementation, form):
    """Either the step is refused, or the neuron is lost and no other is affected."""
    good, wrong, bad = with_bad_inputs(implementation.precision)
    result = refused_or(stepped, implementation, wrong, form=form)
    if result is None:
        return
    got, spikes = result
    call = "gif_step with NaN and infinite currents"
    assert not spikes[bad].any(), f"{call}: neurons {np.flatnonzero(spikes & bad)} spike"
    assert np.isnan(got[V][bad]).all(), f"{call}: V of those neurons is {got[V][bad]}, not NaN"
    one, others = stepped(implementation, good, form=form)
    step = exact(good.neurons(~bad))
    check_alike(got[:, ~bad], spikes[~bad], one[:, ~bad], others[~bad], step, f"{call}: the others")


@pytest.mark.clauses("GIF-21")
def test_no_spike_after_an_input_that_is_no_number(implementation):
    """In the middle of a run, where a compiled program knows no value."""
    good, wrong, bad = with_bad_inputs(implementation.precision)
    currents = np.repeat(good.current[np.newaxis], 8, 0)
    spoilt = currents.copy()
    spoilt[3] = wrong.current
    result = refused_or(ran, implementation, good, spoilt)
    if result is None:
        return
    got, spikes = result
    call = "gif_run with NaN and infinite currents in step 3"
    assert not spikes[3:, bad].any(), f"{call}: spikes {np.argwhere(spikes[3:, bad])}"
    assert np.isnan(got[V][3, bad]).all(), f"{call}: V is {got[V][3, bad]}, expected NaN"
    one, others = ran(implementation, good, currents)
    clean = np.ones_like(spikes)
    clean[3:, bad] = False
    apart = (spikes != others) & clean
    assert not apart.any(), f"{call}: spikes of others differ at {np.argwhere(apart)}"
    tolerance = 8 * exact(good).branch(np.ones(24, bool))[1]
    for i, name in enumerate(STATE_UNITS):
        allowed = np.broadcast_to(tolerance[i], clean.shape)[clean]
        close(got[i][clean], one[i][clean], allowed, f"{name} in {call}")
