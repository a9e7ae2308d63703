"""Layers that are one trainable operation: dense, sparse, low-rank, embedding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import brainstate
import braintools
import brainunit as u
import jax.numpy as jnp

from ..errors import StructureError
from ..operators import ElemWiseOp, EmbeddingOp, ETraceOp, LoraOp, MatMulOp, SpMatMulOp
from ..parameters import ETraceParam

__all__ = ["Embedding", "Linear", "LoRA", "OperationLayer", "ScaledWSLinear", "SignedWLinear"]
__all__ += ["SparseLinear"]

KAIMING = braintools.init.KaimingNormal()
LECUN = braintools.init.LecunUniform()
ZERO = braintools.init.ZeroInit()


def initial(initializer: Any, shape: tuple[int, ...]) -> Any:
    """A parameter's first value: what a callable makes of the shape, or an array of it."""
    return braintools.init.param(initializer, shape, allow_none=False)


def with_bias(weight: Any, bias: Any, size: int) -> dict[str, Any]:
    """The value of a parameter of a weight and, if there is an initializer, a bias."""
    return (
        {"weight": weight} if bias is None else {"weight": weight, "bias": initial(bias, (size,))}
    )


class OperationLayer(brainstate.nn.Module):
    """A layer that is one operation: its parameter is `weight`."""

    def __init__(self, value: Any, op: ETraceOp, param_type: type, name: str | None = None):
        super().__init__(name=name)
        self.weight = param_type(value, op)

    def update(self, x: Any) -> Any:
        """What the operation makes of the input."""
        return self.weight.execute(x)


class Linear(OperationLayer):
    """A dense layer, y = x W + b.

    Parameters
    ----------
    in_size, out_size : int or tuple of int
        The last entries are K and N.
    w_init, b_init : callable or array
        Of the weight, (K, N), and the bias, (N,); None: no bias. With units where they have one.
    w_mask : array, (K, N), optional
        Multiplies the weight.
    param_type : type, default ETraceParam
        `NonTempParam` for a readout whose gradient is that of each step alone, `FakeETraceParam`
        for a frozen layer.

    Notes
    -----
    ``layer(x)`` is (..., N) for x of (..., K).
    """

    __module__ = "brainscale.nn"

    def __init__(
        self,
        in_size: Any,
        out_size: Any,
        w_init: Callable | Any = KAIMING,
        b_init: Callable | Any | None = ZERO,
        w_mask: Any = None,
        name: str | None = None,
        param_type: type = ETraceParam,
    ):
        K, N = _last(in_size), _last(out_size)
        value = with_bias(initial(w_init, (K, N)), b_init, N)
        super().__init__(value, MatMulOp(w_mask), param_type, name)
        self.in_size, self.out_size = in_size, out_size


class SignedWLinear(OperationLayer):
    """A dense layer of weights of fixed sign, y = x (|W| ∘ sign).

    Parameters
    ----------
    in_size, out_size, w_init, param_type
        As for `Linear`.
    w_sign : array that broadcasts to (K, N), optional
        Entries of 1 or −1; none: all weights are positive.
    """

    __module__ = "brainscale.nn"

    def __init__(
        self,
        in_size: Any,
        out_size: Any,
        w_init: Callable | Any = KAIMING,
        w_sign: Any = None,
        name: str | None = None,
        param_type: type = ETraceParam,
    ):
        shape = _last(in_size), _last(out_size)
        mask = None if w_sign is None else jnp.broadcast_to(jnp.asarray(w_sign), shape)
        super().__init__(initial(w_init, shape), MatMulOp(mask, u.math.abs), param_type, name)
        self.in_size, self.out_size = in_size, out_size


class ScaledWSLinear(OperationLayer):
    """A dense layer of standardized weights (Qiao et al. 2019, arXiv:1903.10520).

    The weight of each output has mean 0 and variance 1/K over its inputs, times a trained gain.

    Parameters
    ----------
    in_size, out_size, w_init, b_init, w_mask, param_type
        As for `Linear`.
    ws_gain : bool, default True
        Whether there is a gain, (N,), at first 1.
    eps : float
        Added to K times the variance.
    """

    __module__ = "brainscale.nn"

    def __init__(
        self,
        in_size: Any,
        out_size: Any,
        w_init: Callable | Any = KAIMING,
        b_init: Callable | Any | None = ZERO,
        w_mask: Any = None,
        ws_gain: bool = True,
        eps: float = 1e-4,
        name: str | None = None,
        param_type: type = ETraceParam,
    ):
        K, N = _last(in_size), _last(out_size)
        value = with_bias(initial(w_init, (K, N)), b_init, N)
        if ws_gain:
            value["gain"] = jnp.ones(N, u.math.get_dtype(value["weight"]))
        super().__init__(value, _StandardizedOp(w_mask, eps), param_type, name)
        self.in_size, self.out_size = in_size, out_size


class _StandardizedOp(MatMulOp):
    """A dense operation of a standardized weight and, where the parameter has one, a gain."""

    def __init__(self, weight_mask: Any, eps: float):
        super().__init__(weight_mask, self._standardized)
        self.eps = eps

    def _standardized(self, weight: Any) -> Any:
        number, unit = u.get_mantissa(weight), u.get_unit(weight)
        centred = number - number.mean(0)
        found = centred / jnp.sqrt(len(number) * (centred**2).mean(0) + self.eps)
        return found if unit.is_unitless else u.Quantity(found, unit=unit)

    def effective(self, w: Any) -> Any:
        found = super().effective({name: w[name] for name in w if name != "gain"})
        return found if "gain" not in w else {**found, "weight": found["weight"] * w["gain"]}


class SparseLinear(brainstate.nn.Module):
    """A layer of the connections that a sparse matrix has, and a bias.

    Parameters
    ----------
    spar_mat : brainevent.CSR, brainevent.CSC, or tuple of rows, columns and shape
        As for `SpMatMulOp`.
    b_init : callable or array, (N,), optional
        Of the bias, which is an element-wise operation of its own; None: no bias.
    in_size : optional
        The matrix says it.
    w_init : callable or array, (nnz,), optional
        By default what the matrix holds; the tuple holds nothing.
    """

    __module__ = "brainscale.nn"

    def __init__(
        self,
        spar_mat: Any,
        b_init: Callable | Any | None = None,
        in_size: Any = None,
        name: str | None = None,
        param_type: type = ETraceParam,
        w_init: Callable | Any | None = None,
    ):
        super().__init__(name=name)
        op = SpMatMulOp(spar_mat)
        if w_init is None and isinstance(spar_mat, tuple):
            raise StructureError(
                "SparseLinear: rows, columns and shape hold no weights: give w_init"
            )
        weight = spar_mat.data if w_init is None else initial(w_init, op.rows.shape)
        self.weight = param_type(weight, op)
        self.bias = None
        if b_init is not None:
            self.bias = param_type(initial(b_init, op.shape[1:]), ElemWiseOp())
        self.in_size, self.out_size = op.shape if in_size is None else (in_size, op.shape[1])

    def update(self, x: Any) -> Any:
        """What the operation makes of the input, and the bias."""
        y = self.weight.execute(x)
        return y if self.bias is None else y + self.bias.execute(None)


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
    """

    __module__ = "brainscale.nn"

    def __init__(
        self,
        in_features: int,
        lora_rank: int,
        out_features: int,
        *,
        base_module: Callable | None = None,
        alpha: float = 1.0,
        B_init: Callable | Any = KAIMING,
        A_init: Callable | Any = ZERO,
        name: str | None = None,
        param_type: type = ETraceParam,
    ):
        shapes = (in_features, lora_rank), (lora_rank, out_features)
        value = {"B": initial(B_init, shapes[0]), "A": initial(A_init, shapes[1])}
        super().__init__(value, LoraOp(alpha), param_type, name)
        self.base_module = base_module
        self.in_size, self.out_size = in_features, out_features

    def update(self, x: Any) -> Any:
        """What the operation makes of the input, and the adapted module's result."""
        y = super().update(x)
        return y if self.base_module is None else y + self.base_module(x)


class Embedding(OperationLayer):
    """Rows of a table, y = W[x].

    Parameters
    ----------
    num_embeddings, embedding_size : int
        K and N.
    embedding_init : callable or array, (K, N)
    """

    __module__ = "brainscale.nn"

    def __init__(
        self,
        num_embeddings: int,
        embedding_size: int,
        embedding_init: Callable | Any = LECUN,
        name: str | None = None,
        param_type: type = ETraceParam,
    ):
        value = initial(embedding_init, (num_embeddings, embedding_size))
        super().__init__(value, EmbeddingOp(), param_type, name)
        self.in_size, self.out_size = num_embeddings, embedding_size


def _last(size: Any) -> int:
    return int(size) if isinstance(size, int) else int(size[-1])
