"""Layers that are one dense operation, of free, grouped, signed or standardized weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import braintools
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

from ..checks.arguments import check_array, check_flag, check_integer
from ..checks.hints import ArrayLike, Initializer
from ..errors import ParameterError, ShapeError
from ..operators import ETraceOp, GroupedMatMulOp, MatMulOp
from ..parameters import ETraceParam, FakeETraceParam, NonTempParam
from .layer import Layer, ParamType, check_parameter_type, make_initial
from .quantities import as_finite, check_broadcasts, check_unit

__all__ = ["GroupedLinear", "Linear", "OperationLayer", "ScaledWSLinear", "SignedWLinear"]

KAIMING = braintools.init.KaimingNormal()
ZERO = braintools.init.ZeroInit()


def join_bias(weight: Any, bias: Initializer | None, size: int) -> dict[str, Any]:
    """Make the value of a parameter of a weight and, if there is an initializer, a bias."""
    value = {"weight": weight}
    return value if bias is None else {**value, "bias": make_initial(bias, (size,), "b_init")}


def add(y: Any, other: Any, what: str) -> Any:
    """Add something else of its unit to what an operation makes.

    Raises
    ------
    ValueTypeError, UnitError, ShapeError
    """
    check_unit(check_array(other, what), u.get_unit(y), what)
    check_broadcasts(u.math.shape(other), u.math.shape(y), what)
    return y + other


class OperationLayer(Layer):
    """A layer that is one operation: its parameter is `weight`."""

    weight: ETraceParam | NonTempParam | FakeETraceParam

    def _make_weight(self, value: Any, op: ETraceOp, param_type: ParamType) -> None:
        """Make the parameter of a first value and an operation."""
        self.weight = check_parameter_type(param_type)(value, op)

    def update(self, x: ArrayLike) -> jax.Array | u.Quantity:
        """Apply the operation to the input."""
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

    Examples
    --------
    >>> init = braintools.init.KaimingNormal(unit=u.mA)
    >>> layer = brainscale.nn.Linear(100, 50, init, b_init=None)
    >>> layer(jnp.ones((16, 100))).shape
    (16, 50)
    """

    __module__ = "brainscale.nn"

    def __init__(
        self,
        in_size: int | Sequence[int],
        out_size: int | Sequence[int],
        w_init: Initializer = KAIMING,
        b_init: Initializer | None = ZERO,
        w_mask: jax.typing.ArrayLike | None = None,
        name: str | None = None,
        param_type: ParamType = ETraceParam,
    ):
        super().__init__(in_size, out_size, name)
        K, N = self.in_size[-1], self.out_size[-1]
        value = join_bias(make_initial(w_init, (K, N), "w_init"), b_init, N)
        self._make_weight(value, MatMulOp(w_mask), param_type)


class GroupedLinear(OperationLayer):
    """Dense layers side by side, y = x W + b, each of its own inputs and outputs.

    Parameters
    ----------
    in_size, out_size : int or tuple of int
        The last entries are K and N.
    groups : int
        G, which divides K and N.
    w_init : callable or array
        Of the weight: what a callable makes of (K/G, N/G), for each group, or an array,
        (G, K/G, N/G). With a unit where it has one.
    b_init : callable or array, (N,)
        Of the bias; None: no bias.
    w_mask : array, (G, K/G, N/G), optional
        Multiplies the weight.
    param_type
        As for `Linear`.

    Raises
    ------
    ParameterError
        Groups that are no integer from 1.
    ShapeError
        Groups that do not divide K or N.

    Notes
    -----
    ``layer(x)`` is (..., N) for x of (..., K). There are K N / G weights.

    Examples
    --------
    >>> layer = brainscale.nn.GroupedLinear(100, 40, groups=4)
    >>> layer(jnp.ones((16, 100))).shape, layer.weight.value["weight"].shape
    ((16, 40), (4, 25, 10))
    """

    __module__ = "brainscale.nn"

    def __init__(
        self,
        in_size: int | Sequence[int],
        out_size: int | Sequence[int],
        *,
        groups: int,
        w_init: Initializer = KAIMING,
        b_init: Initializer | None = ZERO,
        w_mask: jax.typing.ArrayLike | None = None,
        name: str | None = None,
        param_type: ParamType = ETraceParam,
    ):
        super().__init__(in_size, out_size, name)
        G, N = check_integer(groups, "groups"), self.out_size[-1]
        for size, what in ((self.in_size, "in_size"), (self.out_size, "out_size")):
            if size[-1] % G:
                raise ShapeError(
                    f"{what} must end with a multiple of {G} groups, got {size!r}",
                    got=size,
                    needs=G,
                )
        shape = self.in_size[-1] // G, N // G
        if callable(w_init):
            # Of one group: an initializer scales by the inputs that an output has.
            weight = u.math.stack([make_initial(w_init, shape, "w_init") for _ in range(G)])
        else:
            weight = make_initial(w_init, (G, *shape), "w_init")
        self._make_weight(join_bias(weight, b_init, N), GroupedMatMulOp(w_mask), param_type)


class SignedWLinear(OperationLayer):
    """A dense layer of weights of fixed sign, y = x (|W| ∘ sign).

    Parameters
    ----------
    in_size, out_size, w_init, param_type
        As for `Linear`.
    w_sign : array that broadcasts to (K, N), optional
        Entries of 1 or −1; none: all weights are positive.

    Examples
    --------
    >>> sign = np.repeat([[1.0], [-1.0]], [80, 20], axis=0)  # 20 of the inputs are inhibitory
    >>> layer = brainscale.nn.SignedWLinear(100, 50, w_sign=sign)
    >>> y = layer(jnp.zeros(100).at[0].set(1.0))
    >>> bool((y >= 0).all())
    True
    """

    __module__ = "brainscale.nn"

    def __init__(
        self,
        in_size: int | Sequence[int],
        out_size: int | Sequence[int],
        w_init: Initializer = KAIMING,
        w_sign: jax.typing.ArrayLike | None = None,
        name: str | None = None,
        param_type: ParamType = ETraceParam,
    ):
        super().__init__(in_size, out_size, name)
        shape = self.in_size[-1], self.out_size[-1]
        mask = None if w_sign is None else self._read_signs(w_sign, shape)
        self._make_weight(
            make_initial(w_init, shape, "w_init"), MatMulOp(mask, u.math.abs), param_type
        )

    @staticmethod
    def _read_signs(w_sign: jax.typing.ArrayLike, shape: tuple[int, int]) -> jax.Array:
        signs = as_finite(w_sign, u.UNITLESS, "w_sign", shape)
        if not np.isin(signs, (-1, 1)).all():
            raise ParameterError(f"w_sign must be of entries 1 or -1, got {w_sign!r}", got=w_sign)
        return jnp.broadcast_to(jnp.asarray(signs), shape)


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

    Examples
    --------
    >>> layer = brainscale.nn.ScaledWSLinear(100, 50)
    >>> layer(jnp.ones((16, 100))).shape, list(layer.weight.value)
    ((16, 50), ['weight', 'bias', 'gain'])
    """

    __module__ = "brainscale.nn"

    def __init__(
        self,
        in_size: int | Sequence[int],
        out_size: int | Sequence[int],
        w_init: Initializer = KAIMING,
        b_init: Initializer | None = ZERO,
        w_mask: jax.typing.ArrayLike | None = None,
        ws_gain: bool = True,
        eps: float = 1e-4,
        name: str | None = None,
        param_type: ParamType = ETraceParam,
    ):
        super().__init__(in_size, out_size, name)
        K, N = self.in_size[-1], self.out_size[-1]
        value = join_bias(make_initial(w_init, (K, N), "w_init"), b_init, N)
        if check_flag(ws_gain, "ws_gain"):
            value["gain"] = jnp.ones(N, u.math.get_dtype(value["weight"]))
        eps = float(as_finite(eps, u.UNITLESS, "eps"))
        if eps < 0:
            raise ParameterError(f"eps must not be negative, got {eps}", got=eps)
        self._make_weight(value, _StandardizedOp(w_mask, eps), param_type)


class _StandardizedOp(MatMulOp):
    """A dense operation of a standardized weight and, where the parameter has one, a gain."""

    def __init__(self, weight_mask: jax.typing.ArrayLike | None, eps: float):
        super().__init__(weight_mask, self._standardize)
        self.eps = eps

    def _standardize(self, weight: Any) -> Any:
        number, unit = u.get_mantissa(weight), u.get_unit(weight)
        deviation = number - number.mean(0)
        weights = deviation / jnp.sqrt(len(number) * (deviation**2).mean(0) + self.eps)
        return weights if unit.is_unitless else u.Quantity(weights, unit=unit)

    def effective(self, w: Any) -> Any:
        value = super().effective({name: w[name] for name in w if name != "gain"})
        return value if "gain" not in w else {**value, "weight": value["weight"] * w["gain"]}
