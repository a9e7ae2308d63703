"""The leaky readout of SPEC.md, chapter 10: filtered emissions are a variable of the neurons."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from ..errors import ParameterError
from .kinds import GIFNeuron
from .point_neurons import Emission, PointNeuron, Step


class Filtered:
    """Neurons with the further variable r(t) = κ r(t−1) + s(t), the last one (NET-3).

    Its row of D is S, and κ on itself; its F is q. What the neurons emit is s as before.

    Parameters
    ----------
    neurons : PointNeuron or GIFNeuron
    decay : float
        κ.
    """

    def __init__(self, neurons: PointNeuron | GIFNeuron, decay: float):
        self.neurons, self.decay, self.d = neurons, decay, neurons.d + 1

    def initial(self, batch: int) -> np.ndarray:
        """The first state, (B, N, d + 1): r is 0."""
        return with_last(self.neurons.initial(batch), 0.0)

    def emission(self, h: np.ndarray) -> Emission:
        """What the state emits, which does not depend on r."""
        s, slope, nearest = self.neurons.emission(h[..., :-1])
        return Emission(s, with_last(slope, 0.0), nearest)

    def step(self, h: np.ndarray, y: np.ndarray) -> Step:
        """One step; as of `PointNeuron`."""
        own = self.neurons.step(h[..., :-1], y)
        D = np.zeros((*h.shape, self.d))
        D[..., :-1, :-1], D[..., -1, :-1], D[..., -1, -1] = own.D, own.S, self.decay
        return own._replace(
            h=with_last(own.h, self.decay * h[..., -1] + own.s),
            D=D,
            F=with_last(own.F, own.q),
            S=with_last(own.S, 0.0),
        )


def with_last(array: np.ndarray, last: np.ndarray | float) -> np.ndarray:
    """The array, (B, N, d), with one more entry on its last axis."""
    found = np.empty((*array.shape[:-1], array.shape[-1] + 1))
    found[..., :-1], found[..., -1] = array, last
    return found


def read_filter(given: Any, subject: str) -> float:
    """κ of a filter r(t) = κ r(t−1) + s(t), a number from 0 to below 1.

    Raises
    ------
    ParameterError
        It is none.
    """
    if isinstance(given, numbers.Real) and not isinstance(given, bool) and 0 <= given < 1:
        return float(given)
    raise ParameterError(subject, repr(given), "a number, 0 <= decay < 1")
