"""The traces of ES-D-RTRL, and the gradient made of them (SPEC.md, TRACE-5, TRACE-6, LEARN-3).

The letters are those of `d_rtrl`.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from ..errors import ParameterError
from ..values import is_integer, is_real
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
    by_neuron = np.zeros((B, N))  # (1 − α_f) c + α_f Σ_i λ_i ε_f,i
    for b in range(B):
        for n in range(N):
            by_neuron[b, n] = (1 - decay) * c[b, n]
            for i in range(d):
                by_neuron[b, n] += decay * signal[b, n, i] * factor[b, n, i]
    result = np.zeros(E)
    for b in range(B):
        for e in range(E):
            result[e] += inputs[b, e] * by_neuron[b, neuron[e]] / (1 - decay**t)
    return result


class ESDRTRL:
    """ε_x and ε_f of one array of weights, which start at zero (TRACE-8); decays α_x and α_f."""

    def __init__(self, B: int, d: int, entries: Entries, decays: tuple[float, float]):
        _, K, N = entries.sizes
        self.entries, self.inputs, self.factor = entries, np.zeros((B, K)), np.zeros((B, N, d))
        self.input_decay, self.decay = decays
        self.steps = 0

    def gradient(self, z: np.ndarray, c: np.ndarray, signal: np.ndarray) -> np.ndarray:
        """What step t adds to ∇W, flat, from the traces of t − 1; c is (B, N), λ (B, N, d)."""
        entries = self.entries
        inputs = entries.at(self.input_decay * self.inputs + z)
        t = self.steps + 1
        by_entry = factor_gradient(self.decay, t, inputs, c, signal, entries.neuron, self.factor)
        return sum_by_weight(entries, by_entry)

    def advance(self, D: np.ndarray, F: np.ndarray, z: np.ndarray) -> None:
        """Take the traces from t − 1 to t (TRACE-5, OP-7)."""
        self.inputs = self.input_decay * self.inputs + z
        self.factor = next_factor(self.decay, D, F, self.factor)
        self.steps += 1

    def show(self) -> tuple[np.ndarray | None, np.ndarray]:
        """ε_x, (B, K), or None of a bias or an element-wise operation; and ε_f, (B, N, d)."""
        return (None if self.entries.is_one else self.inputs), self.factor


def read_decays(decays: Any) -> tuple[float, float]:
    """Read α_x and α_f from two decays or ranks, or from one for both (TRACE-6).

    Raises
    ------
    ParameterError
        As `read_decay` says.
    """
    if isinstance(decays, tuple | list) and len(decays) == 2:
        return read_decay(decays[0]), read_decay(decays[1])
    return read_decay(decays), read_decay(decays)


def read_decay(decay: Any) -> float:
    """Read α from a decay or a rank.

    Raises
    ------
    ParameterError
        It is neither.
    """
    if is_integer(decay) and decay >= 1:
        return (int(decay) - 1) / (int(decay) + 1)
    if is_real(decay) and math.isfinite(decay) and 0 <= decay < 1:
        return float(decay)
    needs = "a decay, 0 <= decay < 1, or a rank, an integer >= 1, or a pair of them"
    raise ParameterError("decay or rank", repr(decay), needs)
