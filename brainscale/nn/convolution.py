"""Convolutional layers, channels last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import braintools
import brainunit as u
import jax
import jax.numpy as jnp

from ..checks.arguments import check_integer
from ..checks.hints import ArrayLike, Initializer
from ..errors import ParameterError, ShapeError
from ..operators import ConvOp, Padding
from ..parameters import ETraceParam
from .layer import ParamType, make_initial, share_sections
from .linear import OperationLayer, join_bias
from .quantities import check_size

__all__ = ["Conv1d", "Conv2d", "Conv3d"]

XAVIER = braintools.init.XavierNormal()


def check_each_size(value: int | Sequence[int], n: int, what: str) -> tuple[int, ...]:
    """Read an integer of at least 1 for each of n sizes.

    Raises
    ------
    ParameterError
    """
    sizes = check_size(value, what, 1)
    if not isinstance(value, (tuple, list)):
        return sizes * n
    if len(sizes) != n:
        raise ParameterError(f"{what} of {n} sizes are {n} integers, got {value!r}", got=value)
    return sizes


class _Conv(OperationLayer):
    """A convolution and a bias for each channel.

    Parameters
    ----------
    in_size : tuple of int
        Sizes and channels of one input, (size..., channels).
    out_channels : int
    kernel_size : int or tuple of int
    stride, rhs_dilation, groups
        As strides, dilation and groups of `ConvOp`.
    padding : "SAME", "VALID", int, pair of int, or a pair for each size
        A pair alone is that of all sizes.
    lhs_dilation : int or tuple of int
        Of the input: this many steps from one of its entries to the next, zeros between them.
    w_init, b_init : callable or array
        Of the kernel, (size..., channels in / groups, channels out), and of the bias,
        (channels out,); None: no bias.
    w_mask : array, like the kernel, optional
    param_type : type, default ETraceParam
        As for `Linear`.

    Notes
    -----
    ``layer(x)`` is (batch..., size..., channels out) for x of (batch..., size..., channels).
    """

    __module__ = "brainscale.nn"

    dimensions: int

    def __init__(
        self,
        in_size: Sequence[int],
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: Padding | Sequence[int] = "SAME",
        lhs_dilation: int | Sequence[int] = 1,
        rhs_dilation: int | Sequence[int] = 1,
        groups: int = 1,
        w_init: Initializer = XAVIER,
        b_init: Initializer | None = None,
        w_mask: jax.typing.ArrayLike | None = None,
        name: str | None = None,
        param_type: ParamType = ETraceParam,
    ):
        n = self.dimensions
        super().__init__(in_size, check_integer(out_channels, "out_channels"), name)
        if len(self.in_size) != n + 1 or self.in_size[-1] % check_integer(groups, "groups"):
            raise ShapeError(
                f"in_size must be {n} sizes and the channels, a multiple of {groups} groups, got "
                f"{in_size!r}",
                got=in_size,
            )
        is_pair = isinstance(padding, (tuple, list)) and not any(
            isinstance(pair, (tuple, list)) for pair in padding
        )
        pairs: Any = [padding] * n if is_pair else padding
        op = ConvOp(stride, pairs, rhs_dilation, groups, w_mask)
        self.between = [step - 1 for step in check_each_size(lhs_dilation, n, "lhs_dilation")]
        shape = (
            *check_each_size(kernel_size, n, "kernel_size"),
            self.in_size[-1] // groups,
            out_channels,
        )
        value = join_bias(make_initial(w_init, shape, "w_init"), b_init, out_channels)
        self._make_weight(value, op, param_type)
        kernel = value["weight"]
        example = jax.ShapeDtypeStruct(self.in_size, u.math.get_dtype(kernel))
        self.out_size = jax.eval_shape(lambda x: op(self._space_out(x), kernel), example).shape

    def _space_out(self, x: Any) -> Any:
        """Put zeros between the entries of the input, (batch..., size..., channels)."""
        if not any(self.between):
            return x
        number, unit = u.get_mantissa(x), u.get_unit(x)
        others = x.ndim - len(self.between) - 1
        widths = [(0, 0, between) for between in (*[0] * others, *self.between, 0)]
        numbers = jax.lax.pad(number, jnp.zeros((), number.dtype), widths)
        return numbers if unit.is_unitless else u.Quantity(numbers, unit=unit)

    def update(self, x: ArrayLike) -> jax.Array | u.Quantity:
        """Apply the operation to the input."""
        return super().update(self._space_out(x))


class Conv1d(_Conv):
    """A convolution of (size, channels).

    Examples
    --------
    >>> layer = brainscale.nn.Conv1d((128, 2), 16, kernel_size=5, stride=2)
    >>> layer(jnp.ones((16, 128, 2))).shape, layer.out_size
    ((16, 64, 16), (64, 16))
    """

    dimensions = 1


class Conv2d(_Conv):
    """A convolution of (height, width, channels).

    Examples
    --------
    >>> layer = brainscale.nn.Conv2d((28, 28, 1), 8, kernel_size=3, padding="VALID")
    >>> layer(jnp.ones((16, 28, 28, 1))).shape, layer.out_size
    ((16, 26, 26, 8), (26, 26, 8))
    """

    dimensions = 2


class Conv3d(_Conv):
    """A convolution of (depth, height, width, channels).

    Examples
    --------
    >>> layer = brainscale.nn.Conv3d((8, 16, 16, 1), 4, kernel_size=(2, 3, 3))
    >>> layer(jnp.ones((16, 8, 16, 16, 1))).shape, layer.out_size
    ((16, 8, 16, 16, 4), (8, 16, 16, 4))
    """

    dimensions = 3


share_sections(_Conv, Conv1d, Conv2d, Conv3d)
