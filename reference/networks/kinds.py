"""All kinds of neurons of SPEC.md, chapter 10, with one interface: that of `PointNeuron`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..cable import Cable, three_section_cell
from ..errors import ParameterError
from ..gif import SCALE, Dynamics
from ..values import Quantity
from .linear_neurons import LRU, Leaky
from .point_neurons import ALIF, LIF, Emission, PointNeuron, Step, SynapseLIF

#: The scale of what a cable emits, mV.
CABLE_SCALE = 10.0


class GIFNeuron:
    """A population of GIF neurons: `Dynamics` with the derivatives of its step and its spike.

    Its spike is a function of the integrated values, and its state is that after the reset. So the
    spike is no function of the state, and there is no `emission`.

    Parameters
    ----------
    size : int
        N.
    parameters : mapping from names to Quantity, for R1 and R2 to numbers
        Those of chapter 6. Each broadcasts to (N,).
    dt : float, ms

    Raises
    ------
    ParameterError, UnitError, DtypeError, ShapeError, ValueTypeError
        As GIF-18 says.
    """

    emission = None
    d = 4

    def __init__(self, size: int, parameters: Mapping[str, Any], dt: float):
        self.dynamics = Dynamics((size,), parameters)
        self.propagator = self.dynamics.propagator(dt)

    def initial(self, batch: int) -> np.ndarray:
        """The first state, (B, N, 4) (GIF-2)."""
        return np.moveaxis(self.dynamics.initial((batch,)), 0, -1).copy()

    def step(self, h: np.ndarray, y: np.ndarray) -> Step:
        """One step; y, (B, N), is in nA (GIF-7 to GIF-9, GIF-14 to GIF-16)."""
        state = np.moveaxis(h, -1, 0)
        step = self.dynamics.step(self.propagator, state, y)
        scale = float(SCALE.array)
        jacobian = self.dynamics.jacobian(self.propagator, state, y, scale=scale, step=step)
        D = np.moveaxis(jacobian.step, (0, 1), (-2, -1))
        spike = np.moveaxis(jacobian.spike, 0, -1)
        V, V_th = step.integrated[-2], step.integrated[-1]
        nearest = np.abs(V - V_th).min()
        # Only where a neuron spikes is V_th,reset compared with something.
        bound = np.abs(V_th - self.dynamics.parameters.V_th_reset)[step.spikes]
        nearest = min(nearest, bound.min(initial=np.inf)) / scale
        return Step(
            h=np.moveaxis(step.state, 0, -1).copy(),
            D=D[..., :4].copy(),
            F=D[..., 4].copy(),
            s=step.spikes.astype(np.float64),
            S=spike[..., :4].copy(),
            q=spike[..., 4].copy(),
            nearest=float(nearest),
        )


class CableNeuron(PointNeuron):
    """A population of the three-section cells of CABLE-8, which emits (V'_soma − E)/10 mV.

    It has no parameters: leak and E are the defaults of chapter 8.
    """

    names = ()

    def __init__(self, size: int, parameters: Mapping[str, Any], dt: float):
        super().__init__(size, parameters, dt)
        cell = three_section_cell()
        self.cable = Cable((size,), cell, {})
        self.d, self.site = len(cell), cell.site("soma(0.5)")
        jacobian = Cable((), cell, {}).jacobian(Quantity(dt, "ms"))
        self.of_V, self.of_y = jacobian.state, jacobian.current[:, self.site]

    def initial(self, batch: int) -> np.ndarray:
        """The first potentials, (B, N, 6), mV."""
        return self.cable.initial((batch,)).array

    def advance(self, h, y):
        after, D, F = self.empty(h)
        V = np.moveaxis(h, -1, 0)
        current = np.zeros(V.shape)
        current[self.site] = y
        nodes = self.cable.advance(self.cable.system(self.dt, V.shape), V, current)
        after[...] = np.moveaxis(nodes[: self.d], 0, -1)
        D[...], F[...] = self.of_V, self.of_y
        return after, D, F

    def emission(self, h):
        slope = np.zeros(h.shape)
        slope[..., self.site] = 1 / CABLE_SCALE
        s = (h[..., self.site] - self.cable.E[self.site]) / CABLE_SCALE
        return Emission(s, slope, np.inf)


KINDS = {
    "leaky": Leaky,
    "LRU": LRU,
    "LIF": LIF,
    "ALIF": ALIF,
    "synapse_LIF": SynapseLIF,
    "GIF": GIFNeuron,
    "GIFTree": GIFNeuron,
    "cable": CableNeuron,
}


def make_neurons(
    kind: str, size: int, parameters: Mapping[str, Any], dt: float
) -> PointNeuron | GIFNeuron:
    """A population of N neurons of a kind (NET-1, NET-5).

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    size : int
        N.
    parameters : mapping from names to Quantity
    dt : float, ms

    Raises
    ------
    ParameterError
        The kind is unknown.
    ParameterError, UnitError, DtypeError, ShapeError, ValueTypeError
        As the kind says of its parameters.
    """
    if kind not in KINDS:
        raise ParameterError("layer, kind", repr(kind), f"one of {[*KINDS]}")
    return KINDS[kind](size, parameters, dt)
