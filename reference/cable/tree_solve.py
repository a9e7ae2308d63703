"""Linear equations on a tree: a sweep from the leaves to the root and one back.

The equations are e_i x_i + Σ_j g_ij (x_i − x_j) = b_i, j being the neighbours of node i in a tree
and e_i ≥ 0. All of a tree behind one conductance is, for the rest, one conductance and one current;
the sweep to the root puts them together. It is Gaussian elimination (Hines 1984, International
Journal of Bio-Medical Computing 15:69), with e_i in the place of the diagonal e_i + Σ_j g_ij. So
nothing is subtracted, and a small e_i beside large g_ij is not lost.

The functions take a whole population, whose entries are arrays, or one neuron, whose entries are
numbers; the latter is what Numba compiles.
"""

from __future__ import annotations

import numba
import numpy as np
from numba.extending import register_jitable

from ..values import make_columns


@register_jitable
def solve(order, parent, g, e, b):
    """Solve for x.

    Parameters
    ----------
    order : (nodes,) array of int
        The nodes, each behind its parent.
    parent : (nodes,) array of int
        The neighbour of each towards the root.
    g : (nodes,) array
        The conductance of each to its parent.
    e, b : (nodes, ...) arrays

    Returns
    -------
    (nodes, ...) array
    """
    e, b = e.copy(), b.copy()
    for k in range(len(order) - 1, 0, -1):
        i = order[k]
        share = g[i] / (e[i] + g[i])
        e[parent[i]] += share * e[i]
        b[parent[i]] += share * b[i]
    x = np.empty(b.shape)
    root = order[0]
    x[root] = b[root] / e[root]
    for k in range(1, len(order)):
        i = order[k]
        x[i] = (b[i] + g[i] * x[parent[i]]) / (e[i] + g[i])
    return x


@register_jitable
def right_side(per_dt, leak, V, I):
    """b: (C/dt) V + G E + I at compartments, and 0 at the junctions behind them."""
    b = np.zeros(leak.shape)
    for i in range(len(V)):
        b[i] = per_dt[i] * V[i] + leak[i] + I[i]
    return b


@register_jitable
def step(order, parent, g, e, per_dt, leak, V, I):
    """The potentials of all nodes after one step.

    Parameters
    ----------
    order, parent, g, e
        As for `solve`; e is C/dt + G, in uS.
    per_dt : (n, ...) array, uS
        C/dt.
    leak : (nodes, ...) array, nA
        G E.
    V, I : (n, ...) array, mV and nA

    Returns
    -------
    (nodes, ...) array, mV
    """
    return solve(order, parent, g, e, right_side(per_dt, leak, V, I))


def run(order, parent, g, e, per_dt, leak, V, currents):
    """The potentials of the compartments after each of T steps: those of `step`, bit for bit.

    Parameters
    ----------
    order, parent, g, e, per_dt, leak
        As for `step`; the axes behind the first are the population's.
    V : (n, *shape) array, mV
        `shape` ends in the population's.
    currents : (T, n, *shape) array, nA

    Returns
    -------
    (T, n, *shape) array, mV
    """
    shape = V.shape[1:]
    result = _run(
        order, parent, g, *(make_columns(x, 1, shape) for x in (e, per_dt, leak, V)),
        make_columns(currents, 2, shape),
    )  # fmt: skip
    return result.reshape((*result.shape[:2], *shape))


@numba.njit
def _run(order, parent, g, e, per_dt, leak, V, currents):
    """Make the steps of each neuron; all arrays have the neurons on their last axis."""
    T, n, N = currents.shape
    result = np.empty((T, n, N))
    for m in range(N):
        potentials = V[:, m].copy()
        for t in range(T):
            after = step(
                order, parent, g, e[:, m], per_dt[:, m], leak[:, m], potentials, currents[t, :, m]
            )
            for i in range(n):
                potentials[i] = result[t, i, m] = after[i]
    return result
