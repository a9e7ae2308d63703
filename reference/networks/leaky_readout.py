"""The leaky readout of SPEC.md, chapter 10: filtered emissions are a variable of the neurons."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ParameterError
from ..values import is_real
from .kinds import GIFNeuron
from .point_neurons import Emission, PointNeuron, Step


class FilteredNeurons:
    """Neurons with the further variable r(t) = κ r(t−1) + s(t), the last one (NET-3).

    The row of D of r is S, and κ on itself; its F is q. The neurons emit s as before.

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
        """The emission of a state, which does not depend on r."""
        s, slope, nearest = self.neurons.emission(h[..., :-1])
        return Emission(s, with_last(slope, 0.0), nearest)

    def step(self, h: np.ndarray, y: np.ndarray) -> Step:
        """Make one step; see `PointNeuron.step`."""
        step = self.neurons.step(h[..., :-1], y)
        D = np.zeros((*h.shape, self.d))
        D[..., :-1, :-1], D[..., -1, :-1], D[..., -1, -1] = step.D, step.S, self.decay
        return step._replace(
            h=with_last(step.h, self.decay * h[..., -1] + step.s),
            D=D,
            F=with_last(step.F, step.q),
            S=with_last(step.S, 0.0),
        )


def with_last(array: np.ndarray, last: np.ndarray | float) -> np.ndarray:
    """Put one more entry behind the last axis of an array, (B, N, d)."""
    longer = np.empty((*array.shape[:-1], array.shape[-1] + 1))
    longer[..., :-1], longer[..., -1] = array, last
    return longer


def read_filter(decay: Any, subject: str) -> float:
    """Read κ of a filter r(t) = κ r(t−1) + s(t), a number from 0 to below 1.

    Raises
    ------
    ParameterError
        It is no such number.
    """
    if is_real(decay) and 0 <= decay < 1:
        return float(decay)
    raise ParameterError(subject, repr(decay), "a number, 0 <= decay < 1")
