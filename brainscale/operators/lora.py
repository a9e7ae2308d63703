"""The low-rank operation."""

from __future__ import annotations

import math
from typing import Any

import brainunit as u
import jax
import jax.numpy as jnp

from ..checks.arguments import check_mapping, is_real
from ..errors import ParameterError, ShapeError, UnitError
from .base import ETraceOp, check_operand

__all__ = ["LoraOp"]


class LoraOp(ETraceOp):
    """A dense operation of low rank, y = alpha x B A.

    Parameters
    ----------
    alpha : float, default 1.0
        A fixed factor.

    Notes
    -----
    The parameter is ``{"B": (K, R), "A": (R, N)}``; B is bare, A carries the unit. x is (..., K), y
    is (..., N). An entry of B reaches all N neurons, so that its trace has an axis of them.

    Examples
    --------
    >>> op = brainscale.LoraOp(alpha=0.5)
    >>> w = {"B": jnp.ones((100, 4)), "A": jnp.ones((4, 50)) * u.nA}
    >>> op(jnp.ones((16, 100)), w).shape
    (16, 50)
    """

    def __init__(self, alpha: float = 1.0):
        if not is_real(alpha) or not math.isfinite(alpha):
            raise ParameterError(f"LoraOp: alpha is a finite number, got {alpha!r}", got=alpha)
        self.alpha = float(alpha)

    def effective(self, w: Any) -> Any:
        check_mapping(w, "LoraOp", {"A", "B"})
        for name in w:
            check_operand(w[name], self, name)
        shapes = u.math.shape(w["B"]), u.math.shape(w["A"])
        if [len(shape) for shape in shapes] != [2, 2] or shapes[0][1] != shapes[1][0]:
            raise ShapeError(f"LoraOp: B is (K, R), A is (R, N), got {shapes[0]} and {shapes[1]}")
        if isinstance(w["B"], u.Quantity):
            raise UnitError("LoraOp: B is bare, A carries the unit")
        return w

    def apply(self, x: Any, weight: Any) -> Any:
        check_operand(x, self)
        if u.math.ndim(x) < 1 or u.math.shape(x)[-1] != weight["B"].shape[0]:
            raise ShapeError(
                f"LoraOp: an input of shape {u.math.shape(x)} meets B of {weight['B'].shape}"
            )
        y: Any = u.math.matmul(u.math.matmul(x, weight["B"]), weight["A"])
        return self.alpha * y

    def presynaptic(self, x: jax.Array, y: jax.Array, weight: Any) -> Any:
        x = self.alpha * x.astype(y.dtype)
        return {"A": x @ weight["B"], "B": x}

    def outer(self, pre: Any, f: jax.Array, weight: Any) -> Any:
        return {
            "A": jnp.einsum("s...r,s...n->...rn", pre["A"], f),
            "B": jnp.einsum("s...k,rn,s...n->...krn", pre["B"], weight["A"], f),
        }

    def spread(self, f: jax.Array, weight: Any) -> Any:
        return {"A": f[..., None, :], "B": f[..., None, None, :]}

    def total(self, trace: Any, weight: Any) -> Any:
        batch = tuple(range(trace["A"].ndim - 2))
        return {"A": trace["A"].sum(batch), "B": trace["B"].sum((*batch, -1))}

    def pull_back(self, pre: Any, c: jax.Array, weight: Any) -> Any:
        axes = (tuple(range(c.ndim - 1)),) * 2
        back = c @ weight["A"].T
        return {"A": jnp.tensordot(pre["A"], c, axes), "B": jnp.tensordot(pre["B"], back, axes)}
