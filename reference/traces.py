"""The eligibility traces of SPEC.md, chapter 9, and the gradients of chapter 10 made of them.

An object of a class below keeps the trace of one operation. A bias or an element-wise operation is
a dense one with the one input 1: K = 1 and x = 1. Batch entries are b, inputs k, neurons n, the
variables of a neuron i and j.
"""

from __future__ import annotations

import math
import numbers
from typing import Any

import numba
import numpy as np

from .errors import ParameterError
from .trees import is_integer


@numba.njit
def next_trace(D, F, x, trace):
    """ε(t) of D-RTRL (TRACE-3, TRACE-4).

    Parameters
    ----------
    D : (B, N, d, d) array
    F : (B, N, d) array
    x : (B, K) array
    trace : (B, K, N, d) array
        ε(t−1).

    Returns
    -------
    (B, K, N, d) array
    """
    B, K, N, d = trace.shape
    result = np.empty(trace.shape)
    for b in range(B):
        for k in range(K):
            for n in range(N):
                for i in range(d):
                    total = F[b, n, i] * x[b, k]
                    for j in range(d):
                        total += D[b, n, i, j] * trace[b, k, n, j]
                    result[b, k, n, i] = total
    return result


@numba.njit
def trace_gradient(x, c, signal, trace):
    """What a step adds to ∇W with D-RTRL (LEARN-2), (K, N).

    Parameters
    ----------
    x : (B, K) array
    c : (B, N) array
        c(t).
    signal : (B, N, d) array
        λ(t).
    trace : (B, K, N, d) array
        ε(t−1).
    """
    B, K, N, d = trace.shape
    result = np.zeros((K, N))
    for b in range(B):
        for k in range(K):
            for n in range(N):
                total = x[b, k] * c[b, n]
                for i in range(d):
                    total += signal[b, n, i] * trace[b, k, n, i]
                result[k, n] += total
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
def factor_gradient(decay, t, inputs, c, signal, factor):
    """What step t adds to ∇W with ES-D-RTRL (LEARN-3), (K, N).

    Parameters
    ----------
    decay : float
        α_f.
    t : int
        Counted from 1 since the traces were zero.
    inputs : (B, K) array
        ε_x(t).
    c : (B, N) array
        c(t).
    signal : (B, N, d) array
        λ(t).
    factor : (B, N, d) array
        ε_f(t−1).
    """
    (B, K), (_, N, d) = inputs.shape, factor.shape
    result = np.zeros((K, N))
    for b in range(B):
        for n in range(N):
            total = (1 - decay) * c[b, n]
            for i in range(d):
                total += decay * signal[b, n, i] * factor[b, n, i]
            for k in range(K):
                result[k, n] += inputs[b, k] * total / (1 - decay**t)
    return result


class DRTRL:
    """The trace ε of one operation, zero when made (TRACE-8)."""

    def __init__(self, B: int, K: int, N: int, d: int):
        self.trace = np.zeros((B, K, N, d))

    def gradient(self, x: np.ndarray, c: np.ndarray, signal: np.ndarray) -> np.ndarray:
        """What the step to come adds to ∇W, (K, N); the trace is still ε(t−1)."""
        return trace_gradient(x, c, signal, self.trace)

    def advance(self, D: np.ndarray, F: np.ndarray, x: np.ndarray) -> None:
        """From ε(t−1) to ε(t)."""
        self.trace = next_trace(D, F, x, self.trace)

    def shown(self, dense: bool) -> np.ndarray:
        """ε: (B, K, N, d), or (B, N, d) of a bias or an element-wise operation."""
        return self.trace if dense else self.trace[:, 0]


class ESDRTRL:
    """The traces ε_x and ε_f of one operation with decays α_x and α_f, zero when made (TRACE-8)."""

    def __init__(self, B: int, K: int, N: int, d: int, decays: tuple[float, float]):
        self.inputs, self.factor = np.zeros((B, K)), np.zeros((B, N, d))
        self.input_decay, self.decay = decays
        self.steps = 0

    def gradient(self, x: np.ndarray, c: np.ndarray, signal: np.ndarray) -> np.ndarray:
        """What the step to come adds to ∇W, (K, N); the traces are still those of t − 1."""
        inputs = self.input_decay * self.inputs + x
        return factor_gradient(self.decay, self.steps + 1, inputs, c, signal, self.factor)

    def advance(self, D: np.ndarray, F: np.ndarray, x: np.ndarray) -> None:
        """From t − 1 to t."""
        self.inputs = self.input_decay * self.inputs + x
        self.factor = next_factor(self.decay, D, F, self.factor)
        self.steps += 1

    def shown(self, dense: bool) -> tuple[np.ndarray | None, np.ndarray]:
        """ε_x, (B, K), or None of a bias or an element-wise operation; and ε_f, (B, N, d)."""
        return (self.inputs if dense else None), self.factor


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


def make_trace(name: str, decay_or_rank: Any, B: int, K: int, N: int, d: int) -> DRTRL | ESDRTRL:
    """The trace of one operation by a rule, "D-RTRL" or "ES-D-RTRL".

    Raises
    ------
    ParameterError
        As `read_decay` says.
    """
    if name == "D-RTRL":
        return DRTRL(B, K, N, d)
    return ESDRTRL(B, K, N, d, read_decays(decay_or_rank))
