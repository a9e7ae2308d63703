"""The layer of an operation of low rank."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import brainunit as u
import jax

from ..checks.arguments import check_function, check_integer
from ..checks.hints import ArrayLike, Initializer
from ..operators import LoraOp
from ..parameters import ETraceParam
from .layer import ParamType, make_initial
from .linear import KAIMING, ZERO, OperationLayer, add

__all__ = ["LoRA"]


class LoRA(OperationLayer):
    """A dense layer of low rank, y = alpha x B A, at first 0 (Hu et al. 2021, arXiv:2106.09685).

    Parameters
    ----------
    in_features, lora_rank, out_features : int
        K, R and N.
    base_module : callable, optional
        What it adapts: its result for x is added. Freeze it by ``param_type=FakeETraceParam``.
    alpha : float
        A fixed factor.
    B_init, A_init : callable or array
        Of B, (K, R), and A, (R, N), which carries the unit.

    Examples
    --------
    >>> frozen = brainscale.nn.Linear(100, 50, param_type=brainscale.FakeETraceParam)
    >>> layer = brainscale.nn.LoRA(100, 4, 50, base_module=frozen)
    >>> layer(jnp.ones((16, 100))).shape, jax.tree.map(jnp.shape, layer.weight.value)
    ((16, 50), {'A': (4, 50), 'B': (100, 4)})
    """

    __module__ = "brainscale.nn"

    def __init__(
        self,
        in_features: int,
        lora_rank: int,
        out_features: int,
        *,
        base_module: Callable[[Any], Any] | None = None,
        alpha: float = 1.0,
        B_init: Initializer = KAIMING,
        A_init: Initializer = ZERO,
        name: str | None = None,
        param_type: ParamType = ETraceParam,
    ):
        sizes = {"in_features": in_features, "lora_rank": lora_rank, "out_features": out_features}
        K, R, N = (check_integer(size, what) for what, size in sizes.items())
        super().__init__(K, N, name)
        value = {
            "B": make_initial(B_init, (K, R), "B_init"),
            "A": make_initial(A_init, (R, N), "A_init"),
        }
        self._make_weight(value, LoraOp(alpha), param_type)
        if base_module is not None:
            check_function(base_module, "base_module")
        self.base_module = base_module

    def update(self, x: ArrayLike) -> jax.Array | u.Quantity:
        """Apply the operation to the input, and add the adapted module's result."""
        y = super().update(x)
        if self.base_module is None:
            return y
        return add(y, self.base_module(x), "what base_module returns")
