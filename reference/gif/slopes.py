"""Derivatives of the propagators with respect to parameters: GIF-25 to GIF-27.

They are made of chains ⟨x_0 … x_m⟩, which stay what they are where rates meet or vanish.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from .equations import resistance
from .exponential import exponential
from .parameters import Parameters, names_of

Terms = dict[tuple[int, int], list[np.ndarray]]
"""By row and column of (E, e_c), the terms of an entry; what is not there is 0."""


class Slopes(NamedTuple):
    """Derivatives of (E, e_c), its input in the last column, and the sizes of their terms."""

    D: np.ndarray  #: (n, n + 1, *size)
    size: np.ndarray  #: (n, n + 1, *size)


def chain(dt: float, *rates: np.ndarray) -> np.ndarray:
    """⟨x_0 … x_m⟩: what the last of m + 1 leaky integrators has at dt of a unit in the first.

    Each feeds the next one. So it is the corner of an exponential, to which it is all the same
    whether rates meet.

    Parameters
    ----------
    dt : float, ms
    *rates : arrays of one shape, 1/ms

    Returns
    -------
    array of that shape, ms^m
    """
    M = np.zeros((*rates[0].shape, len(rates), len(rates)))
    for i, rate in enumerate(rates):
        M[..., i, i] = -rate
    for i in range(1, len(rates)):
        M[..., i, i - 1] = 1.0
    return exponential(M, dt)[..., -1, 0]


def exact_terms(p: Parameters, dt: float) -> dict[str, Terms]:
    """The first table, by parameter, for columns I_1 ... I_J, V, V_th and the input."""
    J = len(p.k)
    V, V_th, current = J, J + 1, J + 2
    g, R, a, b = 1 / p.tau, resistance(p), p.a, p.b
    rates = {**dict(enumerate(p.k)), current: np.zeros_like(g)}
    terms: dict[str, Terms] = {name: {} for name in names_of(J)}
    for j, k in enumerate(p.k):
        terms[f"k{j + 1}"] = {
            (j, j): [-chain(dt, k, k)],
            (V, j): [-R * g * chain(dt, k, k, g)],
            (V_th, j): [-a * R * g * chain(dt, k, k, g, b)],
        }
    terms["tau"] = {(V, V): [g**2 * chain(dt, g, g)], (V_th, V): [g**2 * a * chain(dt, g, g, b)]}
    terms["a"] = {(V_th, V): [chain(dt, g, b)]}
    terms["b"] = {(V_th, V): [-a * chain(dt, g, b, b)], (V_th, V_th): [-chain(dt, b, b)]}
    for j, k in rates.items():
        terms["tau"] |= {
            (V, j): [-(g**2) * R * chain(dt, k, g), g**3 * R * chain(dt, k, g, g)],
            (V_th, j): [
                -(g**2) * a * R * chain(dt, k, g, b),
                g**3 * a * R * chain(dt, k, g, g, b),
            ],
        }
        terms["R"] |= {(V, j): [g * chain(dt, k, g)], (V_th, j): [a * g * chain(dt, k, g, b)]}
        terms["a"] |= {(V_th, j): [R * g * chain(dt, k, g, b)]}
        terms["b"] |= {(V_th, j): [-a * R * g * chain(dt, k, g, b, b)]}
    return terms


def exp_euler_terms(p: Parameters, dt: float) -> dict[str, Terms]:
    """The second table, likewise."""
    J = len(p.k)
    V, V_th, current = J, J + 1, J + 2
    g, R, a, b, zero = 1 / p.tau, resistance(p), p.a, p.b, np.zeros_like(p.tau)
    terms: dict[str, Terms] = {name: {} for name in names_of(J)}
    for j, k in enumerate(p.k):
        terms[f"k{j + 1}"] = {(j, j): [-chain(dt, k, k)]}
    terms["tau"] = {(V, V): [g**2 * chain(dt, g, g)]}
    terms["a"] = {(V_th, V): [chain(dt, zero, b)]}
    terms["b"] = {(V_th, V): [-a * chain(dt, zero, b, b)], (V_th, V_th): [-chain(dt, b, b)]}
    for j in (*range(J), current):
        terms["tau"] |= {(V, j): [-(g**2) * R * chain(dt, g, g)]}
        terms["R"] |= {(V, j): [g * chain(dt, zero, g)]}
    return terms


TERMS: Mapping[str, Callable[[Parameters, float], dict[str, Terms]]] = {
    "exact": exact_terms,
    "exp_euler": exp_euler_terms,
}


def slopes(p: Parameters, dt: float, method: str) -> dict[str, Slopes]:
    """By parameter, the derivatives of the propagator of a step, R per ohm.

    Parameters
    ----------
    p : Parameters
    dt : float, ms
    method : str
        "exact" or "exp_euler".

    Returns
    -------
    dict of Slopes
    """
    n = len(p.k) + 2
    by_name = {}
    for name, terms in TERMS[method](p, dt).items():
        unit = resistance(p._replace(R=np.ones_like(p.R))) if name == "R" else 1.0
        D, size = np.zeros((n, n + 1, *p.tau.shape)), np.zeros((n, n + 1, *p.tau.shape))
        for at, entry in terms.items():
            D[at] = unit * sum(entry)
            size[at] = unit * sum(map(np.abs, entry))
        by_name[name] = Slopes(D, size)
    return by_name
