"""The embedding: rows of a table."""

from __future__ import annotations

from typing import Any

import brainunit as u
import jax
import jax.numpy as jnp

from ..errors import DtypeError, ShapeError
from .dense import MatMulOp

__all__ = ["EmbeddingOp"]


class EmbeddingOp(MatMulOp):
    """Rows of a table, y = W[x]: a dense operation on one-hot inputs.

    Parameters
    ----------
    weight_fn : callable, optional
        From the table to the effective table.

    Notes
    -----
    The parameter is a table of shape (K, N). x is (...) integers from 0 to below K, y is (..., N).
    """

    def __init__(self, **options: Any):
        super().__init__(**options)

    def apply(self, x: Any, weight: Any) -> Any:
        if isinstance(weight, dict):
            raise ShapeError("EmbeddingOp: the parameter is a table alone, (K, N)")
        if not jnp.issubdtype(jnp.result_type(x), jnp.integer):
            raise DtypeError(f"EmbeddingOp: inputs are integers, got {jnp.result_type(x)}")
        return weight[x]

    def presynaptic(self, x: jax.Array, y: jax.Array, weight: jax.Array) -> jax.Array:
        return jax.nn.one_hot(x, u.math.shape(weight)[0], dtype=y.dtype)
