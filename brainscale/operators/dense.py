"""The dense operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import brainunit as u
import jax
import jax.numpy as jnp

from ..checks.arguments import check_flag, check_function, check_mapping
from ..errors import ShapeError, UnitError
from .base import ETraceOp, apply_mask, check_operand, identity, read_mask

__all__ = ["MatMulOp"]


class MatMulOp(ETraceOp):
    """A dense operation, y = x W + b.

    Parameters
    ----------
    weight_mask : array, shape (K, N), optional
        Multiplies the weight function's result.
    weight_fn : callable, optional
        From the weight to the effective weight; not applied to the bias.
    apply_weight_fn_before_mask : bool, default True
        False: the mask multiplies what the weight function is given.

    Notes
    -----
    The parameter is a weight of shape (K, N), or a mapping of ``"weight"`` and, optionally,
    ``"bias"``, (N,), whose unit is that of x W. x is (..., K), y is (..., N).

    Examples
    --------
    >>> sign = np.repeat([[1.0], [-1.0]], [80, 20], axis=0) * np.ones(50)  # 20 are inhibitory
    >>> op = brainscale.MatMulOp(weight_mask=sign, weight_fn=abs)
    >>> y = op(jnp.ones((16, 100)), jnp.ones((100, 50)) * u.nA)
    >>> y.shape, y[0, 0]
    ((16, 50), Quantity(60., "nA"))
    """

    def __init__(
        self,
        weight_mask: jax.typing.ArrayLike | None = None,
        weight_fn: Callable[[Any], Any] = identity,
        apply_weight_fn_before_mask: bool = True,
    ):
        self.weight_mask = read_mask(weight_mask, type(self).__name__)
        self.weight_fn = check_function(weight_fn, f"{type(self).__name__}: weight_fn")
        self.apply_weight_fn_before_mask = check_flag(
            apply_weight_fn_before_mask, "apply_weight_fn_before_mask"
        )

    def effective(self, w: Any) -> Any:
        if not isinstance(w, dict):
            return self._make_effective(w)
        check_mapping(w, type(self).__name__, {"weight"}, {"bias"})
        if "bias" in w:
            check_operand(w["bias"], self, "a bias")
        return {**w, "weight": self._make_effective(w["weight"])}

    def _make_effective(self, weight: Any) -> Any:
        self._check_matrix(weight)
        if self.apply_weight_fn_before_mask:
            new_weight = self._check_matrix(self.weight_fn(weight), "what weight_fn returns")
            return apply_mask(new_weight, self.weight_mask, self)
        new_weight = self.weight_fn(apply_mask(weight, self.weight_mask, self))
        return self._check_matrix(new_weight, "what weight_fn returns")

    def _check_matrix(self, weight: Any, what: str = "a weight") -> Any:
        if u.math.ndim(check_operand(weight, self, what)) != 2:
            got = u.math.shape(weight)
            raise ShapeError(f"{type(self).__name__}: {what} is (K, N), got {got}", got=got)
        return weight

    def apply(self, x: Any, weight: Any) -> Any:
        matrix = weight["weight"] if isinstance(weight, dict) else weight
        name, shape = type(self).__name__, u.math.shape(matrix)
        K, N = self._count_inputs_and_outputs(shape)
        check_operand(x, self)
        if u.math.ndim(x) < 1 or u.math.shape(x)[-1] != K:
            raise ShapeError(
                f"{name}: an input of shape {u.math.shape(x)} meets a weight of shape {shape}"
            )
        y = self._multiply(x, matrix)
        if not isinstance(weight, dict) or "bias" not in weight:
            return y
        if u.math.shape(weight["bias"]) != (N,):
            raise ShapeError(
                f"{name}: a bias of shape {u.math.shape(weight['bias'])} meets a weight of shape "
                f"{shape}"
            )
        if u.get_unit(weight["bias"]) != u.get_unit(y):
            raise UnitError(
                f"{name}: the bias is in {u.get_unit(weight['bias'])}, "
                f"the weighted input in {u.get_unit(y)}"
            )
        return y + weight["bias"]

    @staticmethod
    def _count_inputs_and_outputs(shape: tuple[int, ...]) -> tuple[int, int]:
        """Count K and N of a weight of this shape."""
        return shape[0], shape[1]

    def _multiply(self, x: Any, matrix: Any) -> Any:
        """Compute x W, (..., N), of x, (..., K)."""
        return u.math.matmul(x, matrix)

    def presynaptic(self, x: jax.Array, y: jax.Array, weight: Any) -> Any:
        x = x.astype(y.dtype)
        if not isinstance(weight, dict):
            return x
        one = jnp.ones((*x.shape[:-1], 1), y.dtype)
        return {"weight": x, "bias": one} if "bias" in weight else {"weight": x}

    def outer(self, pre: Any, f: jax.Array, weight: Any) -> Any:
        if not isinstance(pre, dict):
            return self._outer_of_matrix(pre, f, weight)
        traces = {"weight": self._outer_of_matrix(pre["weight"], f, weight["weight"])}
        return {**traces, "bias": (pre["bias"] * f).sum(0)} if "bias" in pre else traces

    def spread(self, f: jax.Array, weight: Any) -> Any:
        if not isinstance(weight, dict):
            return self._spread_over_matrix(f, weight)
        over_matrix = self._spread_over_matrix(f, weight["weight"])
        return {name: over_matrix if name == "weight" else f for name in weight}

    def pull_back(self, pre: Any, c: jax.Array, weight: Any) -> Any:
        if not isinstance(pre, dict):
            return self._pull_back_to_matrix(pre, c, weight)
        gradients = {"weight": self._pull_back_to_matrix(pre["weight"], c, weight["weight"])}
        batch = tuple(range(c.ndim - 1))
        return {**gradients, "bias": (pre["bias"] * c).sum(batch)} if "bias" in pre else gradients

    def _outer_of_matrix(self, x: jax.Array, f: jax.Array, matrix: jax.Array) -> jax.Array:
        """Compute `outer` of W alone: (..., *W's shape), of (steps, ..., K) and (steps, ..., N)."""
        return jnp.einsum("s...k,s...n->...kn", x, f)

    def _spread_over_matrix(self, f: jax.Array, matrix: jax.Array) -> jax.Array:
        """Compute `spread` of W alone, of f, (..., N)."""
        return f[..., None, :]

    def _pull_back_to_matrix(self, x: jax.Array, c: jax.Array, matrix: jax.Array) -> jax.Array:
        """Compute `pull_back` of W alone, of x, (..., K), and c, (..., N)."""
        batch = tuple(range(c.ndim - 1))
        return jnp.tensordot(x, c, (batch, batch))
