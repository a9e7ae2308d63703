"""The traces of D-RTRL, and the gradient made of them (SPEC.md, TRACE-3, TRACE-4, OP-6, LEARN-2).

An object of a class of traces keeps the trace of one array of weights, whose entries are e: each
has a weight p, an element k of what the operation makes of its input, z, and a neuron n
(`operations`). Members of the batch are b, the variables of a neuron i and j.
"""

from __future__ import annotations

import numba
import numpy as np

from .operations import Entries, sum_by_weight


@numba.njit
def next_trace(D, F, x, neuron, trace):
    """ε(t) of D-RTRL (TRACE-3, TRACE-4, OP-6).

    Parameters
    ----------
    D : (B, N, d, d) array
    F : (B, N, d) array
    x : (B, E) array
        a z of each entry.
    neuron : (E,) array
    trace : (B, E, d) array
        ε(t−1).

    Returns
    -------
    (B, E, d) array
    """
    B, E, d = trace.shape
    result = np.empty(trace.shape)
    for b in range(B):
        for e in range(E):
            n = neuron[e]
            for i in range(d):
                total = F[b, n, i] * x[b, e]
                for j in range(d):
                    total += D[b, n, i, j] * trace[b, e, j]
                result[b, e, i] = total
    return result


@numba.njit
def trace_gradient(x, c, signal, neuron, trace):
    """What a step adds to ∇W with D-RTRL, by entry (LEARN-2, OP-8), (E,).

    Parameters
    ----------
    x : (B, E) array
        a z of each entry.
    c : (B, N) array
        c(t).
    signal : (B, N, d) array
        λ(t).
    neuron : (E,) array
    trace : (B, E, d) array
        ε(t−1).
    """
    B, E, d = trace.shape
    result = np.zeros(E)
    for b in range(B):
        for e in range(E):
            n = neuron[e]
            total = x[b, e] * c[b, n]
            for i in range(d):
                total += signal[b, n, i] * trace[b, e, i]
            result[e] += total
    return result


class DRTRL:
    """The trace ε of one array of weights, which starts at zero (TRACE-8)."""

    def __init__(self, B: int, d: int, entries: Entries):
        self.entries, self.trace = entries, np.zeros((B, len(entries.weight), d))

    def gradient(self, z: np.ndarray, c: np.ndarray, signal: np.ndarray) -> np.ndarray:
        """What step t adds to ∇W, flat, from ε(t−1); c is (B, N), λ (B, N, d)."""
        entries = self.entries
        by_entry = trace_gradient(entries.at(z), c, signal, entries.neuron, self.trace)
        return sum_by_weight(entries, by_entry)

    def advance(self, D: np.ndarray, F: np.ndarray, z: np.ndarray) -> None:
        """Take the trace from ε(t−1) to ε(t)."""
        self.trace = next_trace(D, F, self.entries.at(z), self.entries.neuron, self.trace)

    def show(self) -> np.ndarray:
        """ε, (B, *shape of the entries, d) (OP-6); of a dense operation (B, K, N, d)."""
        B, _, d = self.trace.shape
        return self.trace.reshape((B, *self.entries.shape, d))
