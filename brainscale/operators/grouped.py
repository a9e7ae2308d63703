"""The grouped operation: dense ones side by side."""

from __future__ import annotations

from typing import Any

import brainunit as u
import jax
import jax.numpy as jnp

from ..errors import ShapeError
from .base import check_operand
from .dense import MatMulOp

__all__ = ["GroupedMatMulOp"]


class GroupedMatMulOp(MatMulOp):
    """G dense operations side by side, y = x W + b, group by group (OP-15).

    Parameters
    ----------
    weight_mask : array, shape (G, K, N), optional
        Multiplies the weight function's result.
    weight_fn, apply_weight_fn_before_mask
        As for `MatMulOp`.

    Notes
    -----
    The parameter is a weight of shape (G, K, N), or a mapping of ``"weight"`` and, optionally,
    ``"bias"``, (G N,), whose unit is that of x W. x is (..., G K), y is (..., G N): group g makes
    ``y[..., g * N : (g + 1) * N]`` of ``x[..., g * K : (g + 1) * K]``. A trace has an entry for
    each weight, (..., G, K, N).

    Examples
    --------
    >>> op = brainscale.GroupedMatMulOp()
    >>> op(jnp.ones((16, 20)), jnp.ones((4, 5, 3))).shape  # 4 groups, of 5 inputs and 3 outputs
    (16, 12)
    """

    def _check_matrix(self, weight: Any, what: str = "a weight") -> Any:
        if u.math.ndim(check_operand(weight, self, what)) != 3:
            got = u.math.shape(weight)
            raise ShapeError(f"{type(self).__name__}: {what} is (G, K, N), got {got}", got=got)
        return weight

    @staticmethod
    def _count_inputs_and_outputs(shape: tuple[int, ...]) -> tuple[int, int]:
        G, K, N = shape
        return G * K, G * N

    def _multiply(self, x: Any, matrix: Any) -> Any:
        G, K, N = u.math.shape(matrix)
        groups = u.math.reshape(x, (*u.math.shape(x)[:-1], G, K))
        y = u.math.einsum("...gk,gkn->...gn", groups, matrix)
        return u.math.reshape(y, (*u.math.shape(x)[:-1], G * N))

    def _outer_of_matrix(self, x: jax.Array, f: jax.Array, matrix: jax.Array) -> jax.Array:
        groups = _split(x, matrix.shape[0]), _split(f, matrix.shape[0])
        return jnp.einsum("s...gk,s...gn->...gkn", *groups)

    def _spread_over_matrix(self, f: jax.Array, matrix: jax.Array) -> jax.Array:
        return _split(f, matrix.shape[0])[..., None, :]

    def _pull_back_to_matrix(self, x: jax.Array, c: jax.Array, matrix: jax.Array) -> jax.Array:
        G, K, N = matrix.shape
        return jnp.einsum("bgk,bgn->gkn", x.reshape(-1, G, K), c.reshape(-1, G, N))


def _split(array: jax.Array, G: int) -> jax.Array:
    """Split the last axis into G groups: (..., G, size of a group)."""
    return array.reshape(*array.shape[:-1], G, -1)
