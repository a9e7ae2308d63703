"""The eligibility traces of SPEC.md, chapter 9, and the gradients of chapter 10 made of them.

An object of a class below keeps the trace of one array of weights, whose entries are e: each has a
weight p, an element k of what the operation makes of its input, z, and a neuron n (`operations`).
Members of the batch are b, the variables of a neuron i and j.
"""

from __future__ import annotations

import math
import numbers
from typing import Any

import numba
import numpy as np

from .errors import ParameterError
from .operations import Entries
from .trees import is_integer


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


def by_weight(entries: Entries, found: np.ndarray) -> np.ndarray:
    """The sum over the entries of each weight; `found` is (E,)."""
    return np.bincount(entries.weight, found, minlength=entries.sizes[0])


class DRTRL:
    """The trace ε of one array of weights, zero when made (TRACE-8)."""

    def __init__(self, B: int, d: int, entries: Entries):
        self.entries, self.trace = entries, np.zeros((B, len(entries.weight), d))

    def gradient(self, z: np.ndarray, c: np.ndarray, signal: np.ndarray) -> np.ndarray:
        """What the step to come adds to ∇W, flat; the trace is still ε(t−1)."""
        entries = self.entries
        found = trace_gradient(entries.at(z), c, signal, entries.neuron, self.trace)
        return by_weight(entries, found)

    def advance(self, D: np.ndarray, F: np.ndarray, z: np.ndarray) -> None:
        """From ε(t−1) to ε(t)."""
        self.trace = next_trace(D, F, self.entries.at(z), self.entries.neuron, self.trace)

    def shown(self) -> np.ndarray:
        """ε, (B, *shape of the entries, d) (OP-6); of a dense operation (B, K, N, d)."""
        B, _, d = self.trace.shape
        return self.trace.reshape((B, *self.entries.shape, d))


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
        return by_weight(entries, factor_gradient(self.decay, self.steps + 1, *given))

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


def make_trace(name: str, decay_or_rank: Any, B: int, d: int, entries: Entries) -> DRTRL | ESDRTRL:
    """The trace of one array of weights by a rule, "D-RTRL" or "ES-D-RTRL".

    Raises
    ------
    ParameterError
        As `read_decay` says.
    """
    if name == "D-RTRL":
        return DRTRL(B, d, entries)
    return ESDRTRL(B, d, entries, read_decays(decay_or_rank))
