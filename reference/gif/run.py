"""Many steps of a population of GIF neurons, compiled."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from ..values import make_columns
from .equations import Propagator, compare, integrate, offset, reset, size_integrated
from .parameters import Parameters


class Run(NamedTuple):
    """A trajectory of T steps."""

    states: np.ndarray  #: (T, n, *shape), after each step
    spikes: np.ndarray  #: (T, *shape), boolean
    integrated: np.ndarray  #: (T, n, *shape), without the reset
    size: np.ndarray  #: (T, n, *shape), S of a neuron that does not spike


def run(p: Parameters, propagator: Propagator, state: np.ndarray, currents: np.ndarray) -> Run:
    """Make T steps, in compiled code: the same numbers as `Dynamics.step`, bit for bit.

    GIF-12 holds it against published spikes. T and the number of neurons may be 0 (GIF-24).

    Parameters
    ----------
    p : Parameters
    propagator : Propagator
    state : (n, *shape) array, nA and mV
        The state before the first step.
    currents : (T, ...) array, nA
        The input of each step; behind the axis of time it broadcasts to `shape`.

    Returns
    -------
    Run
    """
    shape = state.shape[1:]
    inputs = np.empty((len(currents), *shape))
    for t, current in enumerate(currents):
        inputs[t] = current
    results = _run(
        make_columns(propagator.E, 2, shape),
        make_columns(propagator.e_c, 1, shape),
        make_columns(offset(p), 1, shape),
        make_columns(p.R_j, 1, shape),
        make_columns(p.A, 1, shape),
        make_columns(p.V_reset, 0, shape),
        make_columns(p.V_th_reset, 0, shape),
        make_columns(state, 1, shape),
        make_columns(inputs, 1, shape),
    )
    return Run(*(result.reshape((*result.shape[:-1], *shape)) for result in results))


@numba.njit
def _run(E, e_c, o, R_j, A, V_reset, V_th_reset, state, currents):
    """Make the steps of each neuron; all arrays have the neurons on their last axis."""
    T, n, N = len(currents), len(state), state.shape[1]
    states, integrated, size = np.empty((T, n, N)), np.empty((T, n, N)), np.empty((T, n, N))
    spikes = np.empty((T, N), dtype=np.bool_)
    for m in range(N):
        h = state[:, m].copy()
        for t in range(T):
            I = currents[t, m]
            S = size_integrated(E[:, :, m], e_c[:, m], o[:, m], h, I)
            h = integrate(E[:, :, m], e_c[:, m], o[:, m], h, I)
            spike = compare(h[n - 2], h[n - 1])
            spikes[t, m] = spike
            after = reset(R_j[:, m], A[:, m], V_reset[m], V_th_reset[m], h) if spike else h
            for i in range(n):
                integrated[t, i, m], size[t, i, m], states[t, i, m] = h[i], S[i], after[i]
            h = after
    return states, spikes, integrated, size
