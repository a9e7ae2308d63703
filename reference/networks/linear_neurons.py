"""The point neurons of SPEC.md, chapter 10, that are linear and do not spike: `leaky` and `LRU`."""

from __future__ import annotations

import numpy as np

from .point_neurons import Emission, PointNeuron


class Leaky(PointNeuron):
    """h' = a h + y, which emits h'."""

    def advance(self, h, y):
        after, D, F = self.empty(h)
        a = np.exp(-self.dt / self.tau)
        after[..., 0] = a * h[..., 0] + y
        D[..., 0, 0] = a
        F[..., 0] = 1.0
        return after, D, F

    def emission(self, h):
        return Emission(h[..., 0].copy(), np.ones(h.shape), np.inf)


class LRU(PointNeuron):
    """z' = e^{−dt/τ} e^{iω dt} z + y for a complex z, which emits Re z'.

    Of the variables Re z and Im z, a turn by the angle ω dt makes
    (cos Re z − sin Im z, sin Re z + cos Im z).
    """

    names = ("tau", "omega")
    d = 2

    def advance(self, h, y):
        after, D, F = self.empty(h)
        a, angle = np.exp(-self.dt / self.tau), self.omega * self.dt
        along, across = a * np.cos(angle), a * np.sin(angle)
        after[..., 0] = along * h[..., 0] - across * h[..., 1] + y
        after[..., 1] = across * h[..., 0] + along * h[..., 1]
        D[..., 0, 0], D[..., 0, 1] = along, -across
        D[..., 1, 0], D[..., 1, 1] = across, along
        F[..., 0] = 1.0
        return after, D, F

    def emission(self, h):
        slope = np.zeros(h.shape)
        slope[..., 0] = 1.0
        return Emission(h[..., 0].copy(), slope, np.inf)
