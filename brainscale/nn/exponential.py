"""The exponential of a chain of linear equations, with its derivatives, in compiled code."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["exp_chain"]

_TERMS = 19
"""Terms of the series of exp, to rounding in double precision for numbers of at most 1."""


def exp_chain(*points: Any) -> jax.Array:
    """Compute the exponential of the matrix that has points on its diagonal, ones to its right.

    Its entry [i, j] is the divided difference of exp at the points i to j, in any order, equal or
    not (Opitz 1964): f[x] = e^x, and f[x_i, …, x_j] = (f[x_i, …, x_{j−1}] − f[x_{i+1}, …, x_j])
    / (x_i − x_j) or, where points meet, its limit.

    Parameters
    ----------
    *points : n arrays that broadcast to one shape

    Returns
    -------
    array, shape (n, n, *shape)
    """
    return _compute_exponential(jnp.stack(jnp.broadcast_arrays(*map(jnp.asarray, points))))


@jax.custom_jvp
def _compute_exponential(x: jax.Array) -> jax.Array:
    """Halve the matrix until its series converges, and square the exponential as often.

    Both are loops, since what XLA has to compile is one pass of each. Nothing is subtracted that is
    alike: of the greatest point, which is taken out, the others are less than one unit below.
    """
    n, ones = len(x), (1,) * (x.ndim - 1)
    row, column = np.indices((n, n)).reshape(2, n, n, *ones)
    # The result does not depend on what is taken out.
    high = jax.lax.stop_gradient(x.max(axis=0))
    below = x - high
    span = jax.lax.stop_gradient(-below.min(axis=0))
    halvings = jnp.where(span < 1, 0, jnp.ceil(jnp.log2(span)))
    diagonal = (below * jnp.exp2(-halvings))[:, None]
    identity = jnp.asarray(row == column, x.dtype)
    # The ones are not halved, lest products of many underflow; so squares are.
    weight = jnp.asarray(0.5 ** np.maximum(column - row, 0), x.dtype)

    def add_term(i: jax.Array, power: jax.Array) -> jax.Array:
        to_the_right = jnp.concatenate([power[1:], jnp.zeros_like(power[:1])])
        return identity + (diagonal * power + to_the_right) / (_TERMS - i).astype(x.dtype)

    def square(i: jax.Array, power: jax.Array) -> jax.Array:
        product = (power[:, :, None] * power[None]).sum(axis=1) * weight
        return jnp.where(i < halvings, product, power)

    power = jnp.broadcast_to(identity, (n, *x.shape)).astype(x.dtype)
    power = jax.lax.fori_loop(0, _TERMS, add_term, power)
    most = jnp.max(halvings, initial=0, where=halvings < np.finfo(x.dtype).maxexp)
    return jnp.exp(high) * jax.lax.fori_loop(0, most.astype(int), square, power)


@_compute_exponential.defjvp
def _differentiate_exponential(primals: tuple, tangents: tuple) -> tuple:
    """Carry the derivative by each point through the loops, forward: all of its terms are positive.

    Tangents are then multiplied by what is known, also where they are pulled back.
    """
    (x,), (dx,) = primals, tangents
    basis = np.eye(len(x)).reshape(len(x), len(x), *(1,) * (x.ndim - 1))

    def push(direction: jax.Array) -> tuple:
        along = jnp.broadcast_to(direction, x.shape)
        return jax.jvp(_compute_exponential.fun, (x,), (along,))

    value, slopes = jax.vmap(push, out_axes=(None, 0))(jnp.asarray(basis, x.dtype))
    return value, jnp.sum(slopes * dx[:, None, None], axis=0)
