"""The traces of ES-D-RTRL, and the gradient made of them (SPEC.md, TRACE-5, TRACE-6, LEARN-3).

The letters are those of `d_rtrl`.
"""

from __future__ import annotations

import math
import numbers
from typing import Any

import numba
import numpy as np

from ..errors import ParameterError
from ..values import is_integer
from .operations import Entries, sum_by_weight


@numba.njit
def next_factor(decay, D, F, factor):
    """ε_f(t) of ES-D-RTRL (TRACE-5), (B, N, d); `decay` is α_f and `factor` ε_f(t−1)."""
    B, N, d = factor.shape
    result = np.empty(factor.shape)
    for b in range(B):
        for n in range(N):
            for i in range(d):
                total = (1 - decay) * F[b, n, i]
                for j in range(d):
                    total += decay * D[b, n, i, j] * factor[b, n, j]
                result[b, n, i] = total
    return result


@numba.njit
def factor_gradient(decay, t, inputs, c, signal, neuron, factor):
    """What step t adds to ∇W with ES-D-RTRL, by entry (LEARN-3, OP-9), (E,).

    Parameters
    ----------
    decay : float
        α_f.
    t : int
        Counted from 1 since the traces were zero.
    inputs : (B, E) array
        a ε_x(t) of each entry.
    c : (B, N) array
        c(t).
    signal : (B, N, d) array
        λ(t).
    neuron : (E,) array
    factor : (B, N, d) array
        ε_f(t−1).
    """
    (B, E), (_, N, d) = inputs.shape, factor.shape
    met = np.zeros((B, N))
    for b in range(B):
        for n in range(N):
            met[b, n] = (1 - decay) * c[b, n]
            for i in range(d):
                met[b, n] += decay * signal[b, n, i] * factor[b, n, i]
    result = np.zeros(E)
    for b in range(B):
        for e in range(E):
            result[e] += inputs[b, e] * met[b, neuron[e]] / (1 - decay**t)
    return result


class ESDRTRL:
    """ε_x and ε_f of one array of weights with the decays α_x and α_f, zero when made (TRACE-8)."""

    def __init__(self, B: int, d: int, entries: Entries, decays: tuple[float, float]):
        _, K, N = entries.sizes
        self.entries, self.inputs, self.factor = entries, np.zeros((B, K)), np.zeros((B, N, d))
        self.input_decay, self.decay = decays
        self.steps = 0

    def gradient(self, z: np.ndarray, c: np.ndarray, signal: np.ndarray) -> np.ndarray:
        """What the step to come adds to ∇W, flat; the traces are still those of t − 1."""
        entries = self.entries
        inputs = entries.at(self.input_decay * self.inputs + z)
        given = inputs, c, signal, entries.neuron, self.factor
        return sum_by_weight(entries, factor_gradient(self.decay, self.steps + 1, *given))

    def advance(self, D: np.ndarray, F: np.ndarray, z: np.ndarray) -> None:
        """From t − 1 to t."""
        self.inputs = self.input_decay * self.inputs + z
        self.factor = next_factor(self.decay, D, F, self.factor)
        self.steps += 1

    def shown(self) -> tuple[np.ndarray | None, np.ndarray]:
        """ε_x, (B, K), or None of a bias or an element-wise operation; and ε_f, (B, N, d)."""
        return (None if self.entries.is_one else self.inputs), self.factor


def read_decays(given: Any) -> tuple[float, float]:
    """α_x and α_f of two decays or ranks, or of one that is both (TRACE-6).

    Raises
    ------
    ParameterError
        As `read_decay` says.
    """
    if isinstance(given, tuple | list) and len(given) == 2:
        return read_decay(given[0]), read_decay(given[1])
    return read_decay(given), read_decay(given)


def read_decay(given: Any) -> float:
    """α of a decay or a rank, checked.

    Raises
    ------
    ParameterError
        It is neither.
    """
    if is_integer(given) and given >= 1:
        return (int(given) - 1) / (int(given) + 1)
    real = isinstance(given, numbers.Real) and not isinstance(given, bool)
    if real and math.isfinite(given) and 0 <= given < 1:
        return float(given)
    needs = "a decay, 0 <= decay < 1, or a rank, an integer >= 1, or a pair of them"
    raise ParameterError("decay or rank", repr(given), needs)
