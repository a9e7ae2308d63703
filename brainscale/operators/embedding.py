"""The embedding: rows of a table."""

from __future__ import annotations

from typing import Any

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ..errors import DtypeError, InputError, StructureError, UnitError
from .base import check_operand
from .dense import MatMulOp

__all__ = ["EmbeddingOp"]


class EmbeddingOp(MatMulOp):
    """Rows of a table, y = W[x]: a dense operation on one-hot inputs.

    Parameters
    ----------
    weight_mask, weight_fn, apply_weight_fn_before_mask
        As for `MatMulOp`.

    Notes
    -----
    The parameter is a table of shape (K, N). x is (...) integers from 0 to below K, y (..., N).
    An integer out of range is an error where its value is known; in compiled code, where it is not,
    y is NaN (OP-13).

    Examples
    --------
    >>> op = brainscale.EmbeddingOp()
    >>> op(jnp.array([2, 0]), jnp.array([[0.0, 0.1], [1.0, 1.5], [2.0, 2.5]]) * u.nA)
    Quantity([[2.  2.5]
              [0.  0.1]], "nA")
    """

    def effective(self, w: Any) -> Any:
        if isinstance(w, dict):
            raise StructureError(f"EmbeddingOp: the parameter is a table alone, got {sorted(w)}")
        return super().effective(w)

    def apply(self, x: Any, weight: Any) -> Any:
        check_operand(x, self)
        if isinstance(x, u.Quantity):
            raise UnitError(f"EmbeddingOp: inputs are integers without a unit, got {x.unit}")
        if not jnp.issubdtype(jnp.result_type(x), jnp.integer):
            raise DtypeError(f"EmbeddingOp: inputs are integers, got {jnp.result_type(x)}")
        self.refuse(x, u.math.shape(weight)[0])
        x = jnp.asarray(x)
        outside = (x < 0) | (x >= u.math.shape(weight)[0])
        rows = weight[jnp.where(outside, 0, x)]
        dtype = jax.dtypes.canonicalize_dtype(u.math.get_dtype(rows))
        nothing = jnp.where(outside, jnp.nan, 0.0)[..., None].astype(dtype)
        return rows + u.maybe_decimal(u.Quantity(nothing, unit=u.get_unit(rows)))

    @staticmethod
    def refuse(x: Any, rows: int) -> None:
        """Refuse integers out of range, where they are known.

        Raises
        ------
        InputError
        """
        if isinstance(x, Tracer):
            return
        bad = np.asarray(x)[(np.asarray(x) < 0) | (np.asarray(x) >= rows)]
        if bad.size:
            raise InputError(
                f"EmbeddingOp: an input is {bad[0]}, the table has the rows 0 to {rows - 1}"
            )

    def presynaptic(self, x: jax.Array, y: jax.Array, weight: jax.Array) -> jax.Array:
        return jax.nn.one_hot(x, u.math.shape(weight)[0], dtype=y.dtype)
