"""The element-wise operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ..checks.arguments import check_function
from ..errors import StructureError
from .base import ETraceOp, check_operand, identity

__all__ = ["ElemWiseOp"]


class ElemWiseOp(ETraceOp):
    """An element-wise operation, y = fn(w): a number for each neuron, or shared, and no input.

    Parameters
    ----------
    fn : callable, optional
        From the parameter's value to y, a single array or quantity.

    Examples
    --------
    >>> op = brainscale.ElemWiseOp(lambda log_tau: jnp.exp(log_tau) * u.ms)
    >>> op(None, jnp.zeros(3))
    Quantity([1. 1. 1.], "ms")
    """

    def __init__(self, fn: Callable[[Any], Any] = identity):
        self.fn = check_function(fn, "ElemWiseOp: fn")

    def effective(self, w: Any) -> Any:
        return check_operand(self.fn(w), self, "what fn returns")

    def apply(self, x: Any, weight: Any) -> Any:
        if x is not None:
            raise StructureError("ElemWiseOp has no input: multiply what it returns")
        return weight

    def presynaptic(self, x: None, y: jax.Array, weight: jax.Array) -> Any:
        return jnp.ones((*y.shape[: y.ndim - weight.ndim], *(1,) * weight.ndim), y.dtype)

    def outer(self, pre: jax.Array, f: jax.Array, weight: jax.Array) -> jax.Array:
        return (pre * f).sum(0)

    def spread(self, f: jax.Array, weight: jax.Array) -> jax.Array:
        return f
