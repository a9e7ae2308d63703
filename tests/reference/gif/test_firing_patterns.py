"""The twenty published firing patterns (GIF-12), on a grid and by their events.

The parameters are those of Mihalas and Niebur 2009, table 1. The recorded times are from an
event-driven solver with a matrix exponential. `conformance.oracles.gif_events` shares nothing with
it nor with `reference`: it finds the crossings of V(t) − V_th(t) in closed form, by bisection.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from conformance.oracles.gif_events import event_times
from reference import Dynamics, Quantity
from reference.gif import UNITS, names_of

PATTERNS = json.loads(
    (Path(__file__).parents[3] / "conformance/oracles/firing_patterns.json").read_text()
)
RECORDED = [name for name in PATTERNS if "spikes_ms" in PATTERNS[name]]
dt = 0.1


def grid_times(pattern: dict) -> np.ndarray:
    """The times of the spikes on the grid, ms."""
    p = pattern["parameters"]
    units = {name: UNITS[field] for name, field in names_of(2).items()} | {"R": "Mohm"}
    parameters = {name: Quantity(p[name], u) if u else p[name] for name, u in units.items()}
    neuron = Dynamics((), parameters)
    state = neuron.initial()
    state[2:] = p["V0"], p["V_th0"]
    currents = [np.full(round(duration / dt), value) for value, duration in pattern["input"]]
    run = neuron.run(neuron.propagator(dt), state, np.concatenate(currents))
    return dt * (1 + np.flatnonzero(run.spikes))


def test_patterns_are_the_published_twenty():
    assert len(PATTERNS) == 20
    assert len(RECORDED) == 12


@pytest.mark.parametrize("name", RECORDED)
def test_events_are_the_recorded_ones(name):
    recorded, computed = PATTERNS[name]["spikes_ms"], event_times(PATTERNS[name])
    assert len(computed) == len(recorded), (
        f"{name}: {len(computed)} events, recorded {len(recorded)}"
    )
    error = np.abs(computed - recorded).max()
    assert error <= 1e-5, f"{name}: off the record by {error} ms"


def lateness(name: str, exact: np.ndarray) -> np.ndarray:
    """How late each spike on the grid is, in units of i·dt for the i-th."""
    grid = grid_times(PATTERNS[name])
    assert len(grid) == len(exact), f"{name}: {len(grid)} spikes on the grid, {len(exact)} events"
    return (grid - exact) / (dt * np.arange(1, len(exact) + 1))


@pytest.mark.parametrize("name", PATTERNS)
def test_grid_has_the_events(name):
    late = lateness(name, event_times(PATTERNS[name]))
    assert late.min() >= 0, f"{name}: a spike is {late.min()} i dt early; a grid can only be late"
    assert late.max() <= 2, f"{name}: the i-th spike is up to {late.max()} i dt late"


# A late reset moves the spikes behind it. Where currents of tens of mV decay within 5 ms that can
# be more than its own lateness: basal bistability's fifth spike is 1.29 times 5 dt late.
@pytest.mark.parametrize("name", [name for name in RECORDED if name != "basal bistability"])
def test_grid_has_the_recorded_spikes(name):
    late = lateness(name, np.array(PATTERNS[name]["spikes_ms"]))
    assert np.abs(late).max() <= 1, f"{name}: the i-th spike is up to {late.max()} i dt late"
