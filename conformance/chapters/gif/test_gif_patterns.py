"""The twenty published firing patterns: GIF-12, and their steps: NUM-1, NUM-2."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance import oracles
from conformance.drawing.populations import DTYPES, UNITS, Population, round_to
from conformance.drawing.sharing import remember
from conformance.oracles.gif_events import event_times
from conformance.oracles.gif_steps import by_reference, check_step, dynamics, read_spikes, run_step
from conformance.protocol.implementation import Value

FACTS = Path(oracles.__file__).parent / "firing_patterns.json"
PATTERNS = json.loads(FACTS.read_text("utf-8"))
DT = 0.1
TIMED = [name for name in PATTERNS if "spikes_ms" in PATTERNS[name]]

ROUNDING = 0.03
"""How far apart, in mV, 32 bits may take V and V_th in the time in which these forget (the slowest
rate is b = 0.01/ms, a thousand steps): a pattern of which such an offset changes the number of
spikes is a matter of more digits. That is class 1 excitability, whose drive exceeds rheobase by a
millionth."""


@functools.cache
def patterns(precision: int) -> tuple[Population, np.ndarray]:
    """A population with a neuron for each pattern, and the inputs, (steps, 20): 0 after the end."""
    rows = [pattern["parameters"] for pattern in PATTERNS.values()]
    parameters = {n: round_to([row[n] for row in rows], precision) for n in UNITS}
    state = np.zeros((4, len(rows)))
    state[2:] = [row["V0"] for row in rows], [row["V_th0"] for row in rows]
    inputs = [
        np.concatenate([np.full(round(duration / DT), I) for I, duration in pattern["input"]])
        for pattern in PATTERNS.values()
    ]
    currents = np.zeros((max(map(len, inputs)), len(rows)))
    for m, row in enumerate(inputs):
        currents[: len(row), m] = row
    dt = float(round_to(DT, precision))
    population = Population(parameters, round_to(state, precision), currents[0], dt, precision)
    return population, round_to(currents, precision)


def steps_of(name: str) -> int:
    """The length of a pattern's input."""
    return round(sum(duration for _, duration in PATTERNS[name]["input"]) / DT)


def times(spikes: np.ndarray, name: str) -> np.ndarray:
    """The ends of the steps in which a pattern's neuron spiked, ms."""
    m = list(PATTERNS).index(name)
    return DT * (1 + np.flatnonzero(spikes[: steps_of(name), m]))


@remember
def run_of(implementation: Any) -> np.ndarray:
    """The implementation's spikes in all patterns, (steps, 20)."""
    population, currents = patterns(implementation.precision)
    size, parameters, state, _, dt = population.arguments()
    current_value = Value(currents.astype(DTYPES[population.precision]), "nA")
    _, spikes = implementation.gif_run(size, parameters, state, current_value, dt)
    return read_spikes(spikes, currents.shape, "gif_run")


@functools.cache
def times_of_reference(offset: float) -> dict[str, np.ndarray]:
    """The times of the spikes of each pattern, ms, with the threshold moved by `offset` mV."""
    population, currents = patterns(64)
    shifts = {n: population.parameters[n] + offset for n in ("V_th_inf", "V_th_reset")}
    population = population.replace(**shifts, V_th=population.state[3] + offset)
    neurons = dynamics(population)
    run = neurons.run(neurons.propagator(DT), population.state, currents)
    return {name: times(run.spikes, name) for name in PATTERNS}


@functools.cache
def judged(precision: int) -> list[str]:
    """The patterns that a precision can be held to: at 64 bits all."""
    if precision == 64:
        return list(PATTERNS)
    below, above = times_of_reference(-ROUNDING), times_of_reference(ROUNDING)
    return [name for name in PATTERNS if len(below[name]) == len(above[name])]


def slack(name: str, precision: int) -> np.ndarray | float:
    """By how many ms the rounding of a precision may move the spikes of a pattern."""
    if precision == 64:
        return 0.0
    times_before = times_of_reference(0.0)[name]
    shifts = [times_of_reference(offset)[name] - times_before for offset in (-ROUNDING, ROUNDING)]
    return DT + np.abs(shifts).max(axis=0)


@pytest.mark.clauses("GIF-12")
def test_number_of_spikes(implementation):
    """As many as there are events; at dt = 0.1 ms the grid loses none and adds none."""
    names = judged(implementation.precision)
    assert len(names) >= {32: 19, 64: 20}[implementation.precision], f"only {names} are judged"
    spike_counts = {name: len(times(run_of(implementation), name)) for name in names}
    event_counts = {
        name: len(PATTERNS[name].get("spikes_ms") or event_times(PATTERNS[name])) for name in names
    }
    wrong = {
        name: (spike_counts[name], event_counts[name])
        for name in names
        if spike_counts[name] != event_counts[name]
    }
    assert not wrong, f"gif_run: number of spikes got and expected: {wrong}"


@pytest.mark.clauses("GIF-12")
def test_times_of_spikes(implementation):
    """The i-th is within 2 i dt of its time, and at 32 bits within what rounding moves it."""
    names = [name for name in judged(implementation.precision) if name in TIMED]
    assert len(names) == len(TIMED) == 12, f"only {names} are judged"
    for name in names:
        got, times_on_record = (
            times(run_of(implementation), name),
            np.array(PATTERNS[name]["spikes_ms"]),
        )
        assert len(got) == len(times_on_record), (
            f"{name}: {len(got)} spikes, expected {len(times_on_record)}"
        )
        i = np.arange(1, len(times_on_record) + 1)
        # The times on record are rounded to 10⁻⁶ ms.
        excess = np.abs(got - times_on_record) - 2 * i * DT - 1e-6
        excess = excess - slack(name, implementation.precision)
        worst = np.argmax(excess)
        assert excess[worst] <= 0, (
            f"{name}: spike {worst + 1} at {got[worst]:.4f} ms, on record at "
            f"{times_on_record[worst]:.4f} ms: {got[worst] - times_on_record[worst]:.4f} ms late"
        )


@pytest.mark.clauses("NUM-1", "NUM-2")
@pytest.mark.needs("gif")
def test_steps_of_every_pattern(implementation):
    """Steps from the reference's own states, as one batch: all in which one spikes, and others."""
    population, currents = patterns(implementation.precision)
    neurons = dynamics(population)
    run = neurons.run(neurons.propagator(population.dt), population.state, currents)
    assert run.spikes.sum() > 150, f"the reference has {run.spikes.sum()} spikes in 20 patterns"
    before = np.concatenate([population.state[np.newaxis], run.states[:-1]])
    some = run.spikes.any(axis=1) | (np.arange(len(currents)) % 10 == 0)
    batch = Population(
        population.parameters,
        round_to(np.moveaxis(before[some], 0, 1), population.precision),
        currents[some], population.dt, population.precision,
    )  # fmt: skip
    check_step(*run_step(implementation, batch), by_reference(batch), "gif_step of all patterns")
