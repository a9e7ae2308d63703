"""The exact spike times of a GIF neuron: event-driven, on closed forms.

Between two events all variables are sums of exponentials; a spike is where V(t) − V_th(t) changes
its sign, found on a fine grid and then by bisection. Nothing here is shared with `reference`, nor
with the solver from which the times on record in `firing_patterns.json` come (that used a matrix
exponential).
"""

from __future__ import annotations

import numpy as np


class Interval:
    """The time between two events: V(t), V_th(t) and the currents as sums of exponentials."""

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
        rest = duration
        while True:
            interval = Interval(p, I_j, V, V_th, I)
            t = interval.crossing(rest)
            after = rest if t is None else t
            I_j, V, V_th = interval.currents(after), interval.V(after), interval.V_th(after)
            if t is None:
                break
            rest -= t
            times.append(start + duration - rest)
            I_j = np.array([p["R1"], p["R2"]]) * I_j + np.array([p["A1"], p["A2"]])
            V, V_th = p["V_reset"], max(p["V_th_reset"], V_th)
        start += duration
    return np.array(times)
