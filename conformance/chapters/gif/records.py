"""Steps and runs of GIF neurons that several clauses judge."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from conformance.drawing.populations import (
    DTYPES,
    MEETING,
    QUIET,
    V_TH,
    Population,
    V,
    draw_population,
    round_to,
)
from conformance.drawing.seeded import generator
from conformance.drawing.sharing import remember
from conformance.oracles.gif_steps import (
    FACTOR,
    ExpectedStep,
    by_reference,
    dynamics,
    exact,
    read_spikes,
    run_step,
    size_reset,
    stack_state,
)
from conformance.protocol.implementation import Value
from conformance.tolerances import tolerances_in_test, tolerances_of

FREE, HIGH, CLOSE, AT = slice(0, 140), slice(100, 140), slice(140, 180), slice(180, 220)
"""Neurons of `mixed_step`: as they were drawn, of which some are far above the threshold; near to
it, down to twice the margin of NUM-2, half above and half below; and where no precision tells."""

STEPS = 300

SHAPES = (((6, 6), (6,)), ((40, 30), (2,)), ((3,), (3,)), ((1, 2, 3), ()), ((1,), (1,)))
"""Populations and batches, squares and more than a thousand neurons among them, by number."""


class Step(NamedTuple):
    """A step that an implementation made, and what it must be."""

    population: Population
    expected: ExpectedStep
    got: np.ndarray  #: (4, *shape), nA and mV
    spikes: np.ndarray  #: (*shape)


class Trajectory(NamedTuple):
    """A population, its inputs, and what NUM-3 lets it become."""

    population: Population
    currents: np.ndarray  #: (STEPS, *size), nA
    states: np.ndarray  #: (STEPS, 4, *size)
    spikes: np.ndarray  #: (STEPS, *size)
    tolerance: np.ndarray  #: (4, *size)


def check_mixed(step: ExpectedStep) -> None:
    """Both branches occur often enough to judge them."""
    rate = step.spikes.mean()
    assert 0.1 < rate < 0.9, f"the drawn population spikes at a rate of {rate}: draw another"


def mixed_population(precision: int, seed: int) -> Population:
    """Neurons of the four kinds above, laid out in memory in many ways."""
    rng = generator(1, seed)
    population = draw_population(rng, precision, (AT.stop,))
    potentials = population.state[V].copy()
    potentials[HIGH] += 15.0
    population = population.replace(V=potentials, layout=seed)
    step = exact(population)
    margin = FACTOR * population.epsilon * (step.size[V] + step.size[V_TH])
    distance = step.integrated[V] - step.integrated[V_TH]
    new_distance = distance.copy()
    sides = np.resize([1, -1], 40)
    new_distance[CLOSE], new_distance[AT] = (margin[CLOSE] * rng.uniform(2, 10, 40) * sides), 0.0
    # V_th enters only the threshold, by a factor e^{−b dt}.
    shift = (distance - new_distance) / np.exp(-population.parameters["b"] * population.dt)
    return population.replace(V_th=population.state[V_TH] + shift)


@remember
def mixed_step(implementation: Any, seed: int) -> Step:
    """A step of the neurons above."""
    population = mixed_population(implementation.precision, seed)
    step = exact(population)
    check_mixed(step)
    assert step.undecided[CLOSE].sum() <= 2, "close neurons are undecided: draw others"
    assert step.undecided[AT].all(), "neurons at the threshold are decided: draw others"
    return Step(population, step, *run_step(implementation, population))


@remember
def batch_step(implementation: Any, seed: int, form: str = "states") -> Step:
    """A step of a population and a batch of the shapes of that number."""
    size, batch = SHAPES[seed % len(SHAPES)]
    population = draw_population(generator(2, seed), implementation.precision, size, batch, dt=0.5)
    population = population.replace(layout=seed)
    got = run_step(implementation, population, form=form)
    return Step(population, by_reference(population), *got)


@remember
def quiet_step(implementation: Any, dt: float) -> Step:
    """A step of any length, 1 V below the threshold.

    Of eight neurons, the first is at rest at 0 mV, so that the smallest change is seen; the next
    seven have rates that are slow enough to be seen; the rest has rates that meet or vanish.
    """
    rng, dt = generator(3), tolerances_of(implementation).length(dt)
    population = draw_population(rng, implementation.precision, (8 + len(MEETING),), dt=dt, **QUIET)
    p = {name: population.parameters[name].copy() for name in ("tau", "k1", "k2", "a", "b")}
    for name in ("k1", "k2", "a"):
        p[name][:8] *= min(1.0, 20 / dt)
    p["tau"][8:] = 16.0
    for m, rates in enumerate(MEETING):
        for name, rate in rates.items():
            p[name][8 + m] = rate
    still = np.arange(len(p["tau"])) > 0
    p["a"] = p["a"] * still
    V_rest = population.parameters["V_rest"] * still
    state = dict(zip(("I1", "I2", "V"), population.state[:V_TH] * still, strict=True))
    population = population.replace(**p, V_rest=V_rest, **state)
    return Step(population, exact(population), *run_step(implementation, population))


def run_population(
    implementation: Any, population: Population, currents: np.ndarray, **options: Any
) -> tuple[np.ndarray, np.ndarray]:
    """The implementation's states, (4, steps, *shape), nA and mV, and spikes, (steps, *shape)."""
    size, parameters, state, _, dt = population.arguments()
    value = dataclasses.replace(population, current=currents).arguments()[3]
    states, spikes = implementation.gif_run(size, parameters, state, value, dt, **options)
    shape = (len(currents), *population.state.shape[1:])
    return stack_state(states, shape, "gif_run"), read_spikes(spikes, shape, "gif_run")


@remember
def trajectory(implementation: Any, seed: int, form: str) -> tuple[np.ndarray, np.ndarray]:
    """The implementation's run of a decided trajectory."""
    reference_run = draw_decided_trajectory(seed, implementation.precision)
    return run_population(
        implementation, reference_run.population, reference_run.currents, form=form
    )


STRONG = slice(20, 24)
"""Neurons of `draw_decided_trajectory` that spike in every step."""


def draw_decided_trajectory(seed: int, precision: int) -> Trajectory:
    """Trajectories that rounding cannot turn, with pulses that make spikes.

    A pulse of one step carries V from far below the threshold to far above. Of the neurons drawn,
    those are kept that the reference finds decided within STEPS times the margin in all steps.
    """
    rng = generator(4, seed)
    population = draw_population(rng, precision, (204,), dt=0.5)
    strong = np.arange(204) >= 200
    start = {"V": population.parameters["V_rest"], "V_th": population.parameters["V_th_inf"]}
    # Lest the threshold run away, and the currents of those that always spike.
    p = {"a": np.where(strong, 0.0, population.parameters["a"] / 10)}
    p |= {name: np.where(strong, 0.5, population.parameters[name]) for name in ("R1", "R2")}
    population = population.replace(**start, **p)
    pulses = rng.choice([0.0, 1.0], (STEPS, 204), p=[0.95, 0.05]) * rng.uniform(100, 200, 204)
    currents = np.where(strong, 3e3, rng.uniform(-0.3, 0.3, (STEPS, 204)) + pulses)
    currents = round_to(currents, precision)
    neurons = dynamics(population)
    run = neurons.run(neurons.propagator(population.dt), population.state, currents)
    factor = tolerances_in_test(population.precision).steps(STEPS) * FACTOR * population.epsilon
    distance = np.abs(run.integrated[:, V] - run.integrated[:, V_TH])
    is_decided = np.all(distance > factor * (run.size[:, V] + run.size[:, V_TH]), axis=0)
    places = [*np.flatnonzero(is_decided & ~strong)[:20], *np.flatnonzero(is_decided & strong)]
    assert len(places) == 24, f"only {len(places)} neurons are decided: draw more"
    spikes = run.spikes[:, places]
    assert spikes[:, STRONG].all(), "neurons with a strong input do not always spike: draw others"
    count = spikes[:, :20].sum()
    assert 20 < count < 2000, f"{count} spikes of 20 neurons: draw others"
    size = np.where(run.spikes[:, None], size_reset(population, run.size), run.size).max(axis=0)
    return Trajectory(
        population.neurons(places), currents[:, places],
        run.states[..., places], spikes, factor * size[:, places],
    )  # fmt: skip


def value(implementation: Any, number: Any, unit: str | None) -> Value:
    """A value in the implementation's precision."""
    return Value(np.asarray(number, DTYPES[implementation.precision]), unit)
