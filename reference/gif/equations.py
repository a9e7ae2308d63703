"""The GIF neuron: SPEC.md, chapters 6 and 11. Parameters, propagator, step, reset, Jacobian.

A state is one array of float64, (n, *shape), n = J + 2: its rows are I_1 ... I_J in nA, V and V_th
in mV, and `shape` ends in the population's shape. The functions of one step are written once. They
take a whole population, whose entries are arrays, or one neuron, whose entries are numbers; the
latter is what Numba compiles in `run`.

References
----------
Mihalas and Niebur 2009, Neural Computation 21:704, eqs. 2.1 and 2.2; for the integration, Rotter
and Diesmann 1999, Biological Cybernetics 81:381.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from .exponential import exponential
from .parameters import Parameters

#: 1 ohm times 1 nA is 10^-6 mV.
OHM_NANOAMPERE_PER_MILLIVOLT = 1e6


class Propagator(NamedTuple):
    """The coefficients of a step of some length: û = E u + e_c I."""

    E: np.ndarray  #: (n, n, *size), rows and columns I_1 ... I_J, V, V_th
    e_c: np.ndarray  #: (n, *size)


class Step(NamedTuple):
    """One step, with both branches: a judge also needs the one that is not taken (NUM-2)."""

    state: np.ndarray  #: (n, *shape), after the step
    spikes: np.ndarray  #: (*shape), boolean
    integrated: np.ndarray  #: (n, *shape), without the reset: Î_j, V̂, V̂_th
    reset: np.ndarray  #: (n, *shape), with the reset
    size: np.ndarray  #: (n, *shape), S of a neuron that does not spike
    size_reset: np.ndarray  #: (n, *shape), S of a neuron that spikes


class Jacobian(NamedTuple):
    """The derivative of one step. Its last column is that with respect to the input."""

    step: np.ndarray  #: (n, n + 1, *shape)
    spike: np.ndarray  #: (n + 1, *shape), of the emitted spike
    size_step: np.ndarray  #: (n, n + 1, *shape), sums of the absolute values of terms (NUM-4)
    size_spike: np.ndarray  #: (n + 1, *shape)


def offset(p: Parameters) -> np.ndarray:
    """o = (0 ... 0, V_rest, V_th∞), (n, *size): u = h − o."""
    return np.stack([*np.zeros_like(p.k), p.V_rest, p.V_th_inf])


def resistance(p: Parameters) -> np.ndarray:
    """R in mV/nA, (*size)."""
    return p.R / OHM_NANOAMPERE_PER_MILLIVOLT


def exact(p: Parameters, dt: float) -> Propagator:
    """The propagator of method "exact" (GIF-3 to GIF-6).

    The input, held constant, is an internal current that does not decay. So the columns of one
    exponential are those of (I, I_1, ..., I_J, V, V_th). R and a are linear factors of its entries
    and are multiplied afterwards: the exponential sees nothing but rates.

    Parameters
    ----------
    p : Parameters
    dt : float, ms

    Returns
    -------
    Propagator
    """
    V, V_th = -2, -1
    rates = [np.zeros_like(p.tau), *p.k, 1 / p.tau, p.b]
    M = np.zeros((*p.tau.shape, len(rates), len(rates)))
    for i, rate in enumerate(rates):
        M[..., i, i] = -rate
    M[..., V, :V] = (1 / p.tau)[..., np.newaxis]  # of R I_j, in mV
    M[..., V_th, V] = 1 / p.tau  # of V_th / (a τ), in mV
    F = np.moveaxis(exponential(M, dt), (-2, -1), (0, 1)).copy()
    F[V:, :V] *= resistance(p)
    F[V_th, :V_th] *= p.a * p.tau
    return Propagator(E=F[1:, 1:], e_c=F[1:, 0])


def exp_euler(p: Parameters, dt: float) -> Propagator:
    """The coefficients of method "exp_euler" (GIF-11), as a propagator.

    Parameters
    ----------
    p : Parameters
    dt : float, ms

    Returns
    -------
    Propagator
    """
    n = len(p.k) + 2
    V, V_th = n - 2, n - 1
    E, e_c = np.zeros((n, n, *p.tau.shape)), np.zeros((n, *p.tau.shape))
    gain = -np.expm1(-dt / p.tau) * resistance(p)
    with np.errstate(divide="ignore", invalid="ignore"):
        phi = np.where(p.b == 0, dt, -np.expm1(-p.b * dt) / p.b)
    for j in range(V):
        E[j, j] = np.exp(-p.k[j] * dt)
        E[V, j] = gain
    E[V, V] = np.exp(-dt / p.tau)
    E[V_th, V] = phi * p.a
    E[V_th, V_th] = np.exp(-p.b * dt)
    e_c[V] = gain
    return Propagator(E, e_c)


METHODS = {"exact": exact, "exp_euler": exp_euler}


@register_jitable
def integrate(E, e_c, o, h, I):
    """Part 1 of a step: ĥ = o + E (h − o) + e_c I, one row after the other."""
    result = np.empty(h.shape)
    for i in range(len(h)):
        total = e_c[i] * I
        for j in range(len(h)):
            total = total + E[i, j] * (h[j] - o[j])
        result[i] = o[i] + total
    return result


@register_jitable
def compare(V, V_th):
    """Part 2 of a step: a spike is strictly above the threshold (GIF-7)."""
    return V > V_th


@register_jitable
def reset(R_j, A, V_reset, V_th_reset, h):
    """Part 3 of a step: the state after a spike, from the integrated values (GIF-8)."""
    J = len(R_j)
    result = np.empty(h.shape)
    for j in range(J):
        result[j] = R_j[j] * h[j] + A[j]
    result[J] = V_reset
    result[J + 1] = np.maximum(V_th_reset, h[J + 1])
    return result


@register_jitable
def size_integrated(E, e_c, o, h, I):
    """S: the sum of the absolute values of the terms of `integrate` and of h and o (chapter 11)."""
    result = np.empty(h.shape)
    for i in range(len(h)):
        total = np.abs(o[i]) + np.abs(h[i]) + np.abs(e_c[i] * I)
        for j in range(len(h)):
            total = total + np.abs(E[i, j]) * (np.abs(h[j]) + np.abs(o[j]))
        result[i] = total
    return result


def size_reset(R_j, A, V_reset, V_th_reset, S):
    """S of a neuron that spikes, from S of one that does not (chapter 11)."""
    J = len(A)
    result = np.empty(S.shape)
    for j in range(J):
        result[j] = np.abs(R_j[j]) * S[j] + np.abs(A[j])
    result[J] = S[J] + np.abs(V_reset)
    result[J + 1] = S[J + 1] + np.abs(V_th_reset)
    return result


def reset_derivative(R_j, V_th_reset, h):
    """P, the diagonal of the derivative of the reset (GIF-16), (n, *shape)."""
    J = len(R_j)
    result = np.empty(h.shape)
    for j in range(J):
        result[j] = R_j[j]
    result[J] = 0.0
    result[J + 1] = h[J + 1] > V_th_reset
    return result


def triangle(x, alpha, width):
    """The surrogate derivative of record: ψ(x) = α max(0, w − |x|) (GIF-15)."""
    return alpha * np.maximum(0.0, width - np.abs(x))


def derivative(D, P, jump, slope):
    """The derivatives of the emitted spike and of the step (GIF-14 to GIF-17).

    Parameters
    ----------
    D : (n, n + 1, *size) array
        E, and e_c as its last column.
    P : (n, *shape) array
        The diagonal of the reset's derivative where the neuron spikes, else 1.
    jump : (n, *shape) array
        ρ(û) − û; 0 where the reset is detached.
    slope : (*shape) array, 1/mV
        ψ(x)/s.

    Returns
    -------
    spike : (n + 1, *shape) array
    step : (n, n + 1, *shape) array
    """
    n = len(D)
    V, V_th = n - 2, n - 1
    spike = np.empty((n + 1, *slope.shape))
    step = np.empty((n, n + 1, *slope.shape))
    for j in range(n + 1):
        spike[j] = slope * (D[V, j] - D[V_th, j])
        for i in range(n):
            step[i, j] = P[i] * D[i, j] + jump[i] * spike[j]
    return spike, step


def derivative_size(D, P, jump, slope):
    """`derivative` with the absolute values of all terms; those of `jump` and `slope` (NUM-4)."""
    n = len(D)
    V, V_th = n - 2, n - 1
    spike = np.empty((n + 1, *slope.shape))
    step = np.empty((n, n + 1, *slope.shape))
    for j in range(n + 1):
        spike[j] = slope * (np.abs(D[V, j]) + np.abs(D[V_th, j]))
        for i in range(n):
            step[i, j] = np.abs(P[i] * D[i, j]) + jump[i] * spike[j]
    return spike, step
