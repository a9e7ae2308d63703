"""The twenty published firing patterns (GIF-12), on a grid and by their events.

The parameters are those of Mihalas and Niebur 2009, table 1. The recorded times are from an
event-driven solver with a matrix exponential. The one below shares nothing with it nor with
`reference`: it finds the crossings of V(t) − V_th(t) in closed form, by bisection.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from reference import Dynamics, Quantity
from reference.gif_parameters import UNITS, names_of

PATTERNS = json.loads(
    (Path(__file__).parents[2] / "conformance" / "firing_patterns.json").read_text()
)
RECORDED = [name for name in PATTERNS if "spikes_ms" in PATTERNS[name]]
dt = 0.1


def grid_times(pattern: dict) -> np.ndarray:
    """The times of the spikes on the grid, ms."""
    p = pattern["parameters"]
    units = {name: UNITS[field] for name, field in names_of(2).items()} | {"R": "Mohm"}
    given = {name: Quantity(p[name], u) if u else p[name] for name, u in units.items()}
    neuron = Dynamics((), given)
    state = neuron.initial()
    state[2:] = p["V0"], p["V_th0"]
    currents = [np.full(round(duration / dt), value) for value, duration in pattern["input"]]
    run = neuron.run(neuron.propagator(dt), state, np.concatenate(currents))
    return dt * (1 + np.flatnonzero(run.spikes))


class Between:
    """V(t), V_th(t) and the currents between events, as sums of exponentials."""

    def __init__(self, p: dict, I_j: np.ndarray, V: float, V_th: float, I: float):
        m, b, a = 1 / p["tau"], p["b"], p["a"]
        self.rates = np.array([p["k1"], p["k2"], 0.0, m, b])
        assert len(set(self.rates)) == 5, "these partial fractions need rates that differ"
        # V − V_rest, of rates k_1, k_2, 0 and 1/τ.
        u = np.zeros(5)
        u[:3] = p["R"] * m * np.array([*I_j, I]) / (m - self.rates[:3])
        u[3] = V - p["V_rest"] - u[:3].sum()
        # V_th − V_th∞, driven by each of these.
        w = np.zeros(5)
        w[:4] = a * u[:4] / (b - self.rates[:4])
        w[4] = V_th - p["V_th_inf"] - w[:4].sum()
        self.V_terms, self.V_th_terms = u, w
        self.p, self.I_j = p, I_j

    def V(self, t):
        return self.p["V_rest"] + np.exp(-np.multiply.outer(t, self.rates)) @ self.V_terms

    def V_th(self, t):
        return self.p["V_th_inf"] + np.exp(-np.multiply.outer(t, self.rates)) @ self.V_th_terms

    def currents(self, t):
        return self.I_j * np.exp(-self.rates[:2] * t)

    def crossing(self, end: float) -> float | None:
        """The first time before `end` at which V rises above V_th."""
        t = np.linspace(0, end, 2 + int(end / 0.005))
        above = np.flatnonzero(self.V(t) > self.V_th(t))
        if len(above) == 0:
            return None
        low, high = t[max(above[0] - 1, 0)], t[above[0]]
        for _ in range(60):
            middle = (low + high) / 2
            if self.V(middle) > self.V_th(middle):
                high = middle
            else:
                low = middle
        return high


def event_times(pattern: dict) -> np.ndarray:
    """The times at which V crosses V_th, ms."""
    p = pattern["parameters"]
    I_j, V, V_th = np.zeros(2), p["V0"], p["V_th0"]
    start, times = 0.0, []
    for I, duration in pattern["input"]:
        left = duration
        while True:
            between = Between(p, I_j, V, V_th, I)
            t = between.crossing(left)
            after = left if t is None else t
            I_j, V, V_th = between.currents(after), between.V(after), between.V_th(after)
            if t is None:
                break
            left -= t
            times.append(start + duration - left)
            I_j = np.array([p["R1"], p["R2"]]) * I_j + np.array([p["A1"], p["A2"]])
            V, V_th = p["V_reset"], max(p["V_th_reset"], V_th)
        start += duration
    return np.array(times)


def test_patterns_are_the_published_twenty():
    assert len(PATTERNS) == 20
    assert len(RECORDED) == 12


@pytest.mark.parametrize("name", RECORDED)
def test_events_are_the_recorded_ones(name):
    recorded, found = PATTERNS[name]["spikes_ms"], event_times(PATTERNS[name])
    assert len(found) == len(recorded), f"{name}: {len(found)} events, recorded {len(recorded)}"
    error = np.abs(found - recorded).max()
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
