"""The base of the point neurons of SPEC.md, chapter 10, and those that spike: `LIF` and its kin.

A state is an array of float64, (B, N, d): batch, neurons, variables in the order and units of the
table. Each step comes with its derivatives, by hand. 1 ohm times 1 mA is 1 mV.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..errors import ParameterError
from ..gif import triangle
from ..values import Quantity, check_finite, check_names, read_number

#: Unit and default of each parameter; the kinds name those that they have.
TABLE = {
    "tau": ("ms", 5.0),
    "R": ("ohm", 1.0),
    "V_th": ("mV", 1.0),
    "V_reset": ("mV", 0.0),
    "V_rest": ("mV", 0.0),
    "tau_a": ("ms", 100.0),
    "beta": ("mV", 0.1),
    "tau_s": ("ms", 10.0),
    "omega": ("ms^-1", 0.5),
}

#: α and w of the surrogate (GIF-15).
ALPHA, WIDTH = 0.3, 1.0


class Step(NamedTuple):
    """One step h(t−1), y(t) → h(t), s(t), and its derivatives (TRACE-2)."""

    h: np.ndarray  #: (B, N, d), h(t)
    D: np.ndarray  #: (B, N, d, d), ∂h(t)/∂h(t−1), the row being of h(t)
    F: np.ndarray  #: (B, N, d), ∂h(t)/∂y(t)
    s: np.ndarray  #: (B, N), s(t), the emission
    S: np.ndarray  #: (B, N, d), ∂s(t)/∂h(t−1)
    q: np.ndarray  #: (B, N), ∂s(t)/∂y(t)
    nearest: float  #: the least distance to equality of a comparison, in scales (NUM-8)


class Emission(NamedTuple):
    """The emission of a state, where it is a function of the state alone."""

    s: np.ndarray  #: (B, N)
    slope: np.ndarray  #: (B, N, d), ∂s/∂h
    nearest: float  #: as of `Step`


class PointNeuron:
    """A population of N neurons, whose variables are one hidden group (TRACE-1).

    Parameters
    ----------
    size : int
        N.
    parameters : mapping from names to Quantity
        What is left out has its default. Each broadcasts to (N,).
    dt : float, ms

    Raises
    ------
    ParameterError
        An unknown name, a number that is not finite, a time constant that is not positive (NET-7),
        a V_th that is not above V_reset.
    ValueTypeError, UnitError, DtypeError, ShapeError
        A parameter that is no value, of a wrong or missing unit, no real number, of a wrong shape.
    """

    #: The names of the parameters; each becomes an attribute, an (N,) array.
    names: ClassVar[tuple[str, ...]] = ("tau",)
    #: The number of variables, d.
    d = 1

    def __init__(self, size: int, parameters: Mapping[str, Any], dt: float):
        self.size, self.dt = size, dt
        check_names(parameters, self.names)
        for name in self.names:
            setattr(self, name, self._read(name, parameters))
        if "V_th" in self.names and not np.all(self.V_th > self.V_reset):
            gap = (self.V_th - self.V_reset).min()
            raise ParameterError("parameter 'V_th'", f"V_th − V_reset = {gap} mV", "V_th > V_reset")

    def initial(self, batch: int) -> np.ndarray:
        """The first state, (B, N, d): all zeros."""
        return np.zeros((batch, self.size, self.d))

    def advance(self, h: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """h(t), D(t) and F(t) from h(t−1) and y(t)."""
        raise NotImplementedError

    def emission(self, h: np.ndarray) -> Emission:
        """The emission of a state, (B, N, d)."""
        raise NotImplementedError

    def step(self, h: np.ndarray, y: np.ndarray) -> Step:
        """Make one step.

        The emission is a function of the new state, so that its derivatives are chained:
        S_j = Σ_i (∂s/∂h_i) D_ij and q = Σ_i (∂s/∂h_i) F_i.

        Parameters
        ----------
        h : (B, N, d) array
            h(t−1).
        y : (B, N) array
            The sum of the operations' outputs, y(t).

        Returns
        -------
        Step
        """
        after, D, F = self.advance(h, y)
        s, slope, nearest = self.emission(after)
        S, q = np.zeros(h.shape), np.zeros(y.shape)
        for i in range(self.d):
            q += slope[..., i] * F[..., i]
            for j in range(self.d):
                S[..., j] += slope[..., i] * D[..., i, j]
        return Step(after, D, F, s, S, q, min(self.emission(h).nearest, nearest))

    def fire(self, V: np.ndarray, threshold: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """z = Θ(x) with x = (V − threshold)/(V_th − V_reset), ∂z/∂V in 1/mV, and the least |x|."""
        scale = self.V_th - self.V_reset
        x = (V - threshold) / scale
        z = np.where(x >= 0, 1.0, 0.0)
        return z, triangle(x, ALPHA, WIDTH) / scale, float(np.abs(x).min())

    def empty(self, h: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Make a state, D and F of zeros."""
        return np.zeros(h.shape), np.zeros((*h.shape, self.d)), np.zeros(h.shape)

    def _read(self, name: str, parameters: Mapping[str, Any]) -> np.ndarray:
        """Read a parameter, (N,), in its unit."""
        unit_name, default = TABLE[name]
        subject = f"parameter {name!r}"
        value = parameters.get(name, Quantity(default, unit_name))
        array = read_number(value, unit_name, (self.size,), subject)
        check_finite(array, subject, ParameterError)
        if name.startswith("tau") and not np.all(array > 0):
            raise ParameterError(subject, f"{array.min()} ms", "positive times")
        return array


class LIF(PointNeuron):
    """V' = V_rest + a (V − (V_th − V_reset) z(V) − V_rest) + (1 − a) R y, which emits z(V')."""

    names = ("tau", "R", "V_th", "V_reset", "V_rest")

    def membrane(self, V, y, z, slope):
        """V', ∂V'/∂V, and ∂V'/∂y; z is the spike of V, and `slope` is ∂z/∂V."""
        a, jump = np.exp(-self.dt / self.tau), self.V_th - self.V_reset
        after = self.V_rest + a * (V - jump * z - self.V_rest) + (1 - a) * self.R * y
        return after, a * (1 - jump * slope), (1 - a) * self.R

    def advance(self, h, y):
        after, D, F = self.empty(h)
        z, slope, _ = self.fire(h[..., 0], self.V_th)
        after[..., 0], D[..., 0, 0], F[..., 0] = self.membrane(h[..., 0], y, z, slope)
        return after, D, F

    def emission(self, h):
        z, slope, nearest = self.fire(h[..., 0], self.V_th)
        return Emission(z, slope[..., np.newaxis], nearest)


class ALIF(LIF):
    """V' as `LIF` and A' = e^{−dt/τ_a} (A + z), with the threshold V_th + β A of z(V, A)."""

    names = (*LIF.names, "tau_a", "beta")
    d = 2

    def advance(self, h, y):
        after, D, F = self.empty(h)
        V, A = h[..., 0], h[..., 1]
        z, slope, _ = self.fire(V, self.V_th + self.beta * A)
        after[..., 0], D[..., 0, 0], F[..., 0] = self.membrane(V, y, z, slope)
        D[..., 0, 1] = np.exp(-self.dt / self.tau) * (self.V_th - self.V_reset) * self.beta * slope
        a = np.exp(-self.dt / self.tau_a)
        after[..., 1] = a * (A + z)
        D[..., 1, 0] = a * slope
        D[..., 1, 1] = a * (1 - self.beta * slope)
        return after, D, F

    def emission(self, h):
        z, slope, nearest = self.fire(h[..., 0], self.V_th + self.beta * h[..., 1])
        return Emission(z, np.stack([slope, -self.beta * slope], axis=-1), nearest)


class SynapseLIF(LIF):
    """g' = e^{−dt/τ_s} g + y, and V' as `LIF` with g' in place of y, which emits z(V')."""

    names = (*LIF.names, "tau_s")
    d = 2

    def advance(self, h, y):
        after, D, F = self.empty(h)
        g, V = h[..., 0], h[..., 1]
        z, slope, _ = self.fire(V, self.V_th)
        a = np.exp(-self.dt / self.tau_s)
        after[..., 0] = a * g + y
        after[..., 1], D[..., 1, 1], drive = self.membrane(V, after[..., 0], z, slope)
        # g and y reach V' only through g'.
        D[..., 0, 0], F[..., 0] = a, 1.0
        D[..., 1, 0], F[..., 1] = drive * a, drive
        return after, D, F

    def emission(self, h):
        z, slope, nearest = self.fire(h[..., 1], self.V_th)
        return Emission(z, np.stack([np.zeros(z.shape), slope], axis=-1), nearest)
