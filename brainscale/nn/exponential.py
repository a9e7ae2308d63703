"""Divided differences of exp, of which solutions of chains of linear equations are made.

f[x] = e^x, and f[x_0, …, x_n] = (f[x_0, …, x_{n−1}] − f[x_1, …, x_n])/(x_0 − x_n) or, where points
meet, its limit. The derivative by x_i is the difference with x_i once more.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["exp_difference"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(7)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2


def exp_difference(*points: Any) -> Any:
    """Compute the divided difference of exp at some points, in any order, equal or not."""
    # What is known stays in double precision.
    xp = np if all(isinstance(x, (np.ndarray, np.generic)) for x in points) else jnp
    if len(points) == 1:
        return xp.exp(points[0])
    if xp is np:
        return _compute_difference(np, points)
    return _differentiable_difference(*jnp.broadcast_arrays(*map(jnp.asarray, points)))


@jax.custom_jvp
def _differentiable_difference(*points: jax.Array) -> jax.Array:
    return _compute_difference(jnp, points)


@_differentiable_difference.defjvp
def _differentiate_difference(points: tuple, tangents: tuple) -> tuple:
    slopes = _differentiable_difference(*jnp.broadcast_arrays(*points, jnp.stack(points)))
    change = sum(slope * dx for slope, dx in zip(slopes, tangents, strict=True))
    return _differentiable_difference(*points), change


def _compute_difference(xp: Any, points: tuple) -> Any:
    """Compute the table of differences of the points in falling order."""
    x = _sort_down(xp, xp.broadcast_arrays(*points))
    differences = [
        xp.exp(high) * _compute_mean_decay(xp, high - low) for high, low in itertools.pairwise(x)
    ]
    for n in range(2, len(points)):
        differences = [
            _combine_differences(xp, x[i : i + n + 1], *differences[i : i + 2])
            for i in range(len(points) - n)
        ]
    return differences[0]


def _combine_differences(xp: Any, x: Any, before: Any, behind: Any) -> Any:
    """Compute the difference at x, in falling order, of those without its last and its first."""
    span = x[0] - x[-1]
    near = span < 1
    # Far apart, the definition subtracts unlike numbers. Near, they would be alike.
    far = (before - behind) / xp.where(near, 1, span)
    below = [xp.where(near, point - x[0], 0) for point in x[1:]]
    return xp.where(near, xp.exp(x[0]) * _integrate(xp, below), far)


def _sort_down(xp: Any, points: Sequence[Any]) -> list[Any]:
    """Sort a few arrays, entry by entry: what XLA has for it is slow to compile."""
    x = list(points)
    for last in range(len(x) - 1, 0, -1):
        for i in range(last):
            x[i : i + 2] = xp.maximum(x[i], x[i + 1]), xp.minimum(x[i], x[i + 1])
    return x


def _integrate(xp: Any, y: list[Any]) -> Any:
    """Compute the difference at 0 and at n points −1 ≤ y ≤ 0, ∫ s^(n−1) f[s y] ds from 0 to 1.

    Of e^y so near to 0 the quadrature is exact to rounding; all its terms are positive.
    """
    if len(y) == 1:
        return _compute_mean_decay(xp, -y[0])
    axes = (-1,) + (1,) * y[0].ndim
    s = xp.asarray(_NODES.reshape(axes), y[0].dtype)
    weight = xp.asarray((_WEIGHTS * _NODES ** (len(y) - 1)).reshape(axes), y[0].dtype)
    behind = _integrate(xp, [s * (point - y[0]) for point in y[1:]])
    return (weight * xp.exp(s * y[0]) * behind).sum(0)


def _compute_mean_decay(xp: Any, x: Any) -> Any:
    """Compute (1 − e^−x)/x, the mean of a decay from 1, for x ≥ 0."""
    positive = xp.where(x == 0, 1, x)
    return xp.where(x == 0, 1, -xp.expm1(-positive) / positive)
