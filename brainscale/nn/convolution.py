"""Convolutional layers, channels last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..operators import ConvOp
from ..parameters import ETraceParam
from .linear import KAIMING, ZERO, OperationLayer, initial, with_bias

__all__ = ["Conv1d", "Conv2d", "Conv3d"]


class _Conv(OperationLayer):
    """A convolution and a bias for each channel.

    Parameters
    ----------
    in_size : tuple of int
        Sizes and channels of one input, (size..., channels).
    out_channels : int
    kernel_size : int or tuple of int
    stride, padding, dilation, groups
        As for `ConvOp`.
    w_init, b_init : callable or array
        Of the kernel, (size..., channels in / groups, channels out), and of the bias,
        (channels out,); None: no bias.

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
        *,
        stride: int | Sequence[int] = 1,
        padding: Any = "SAME",
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        w_init: Callable | Any = KAIMING,
        b_init: Callable | Any | None = ZERO,
        w_mask: Any = None,
        name: str | None = None,
        param_type: type = ETraceParam,
    ):
        n = self.dimensions
        sizes = (kernel_size,) * n if isinstance(kernel_size, int) else tuple(kernel_size)
        shape = (*sizes, in_size[-1] // groups, out_channels)
        value = with_bias(initial(w_init, shape), b_init, out_channels)
        op = ConvOp(stride, padding, dilation, groups, w_mask)
        super().__init__(value, op, param_type, name)
        self.in_size = tuple(in_size)


class Conv1d(_Conv):
    """A convolution of (size, channels)."""

    dimensions = 1


class Conv2d(_Conv):
    """A convolution of (height, width, channels)."""

    dimensions = 2


class Conv3d(_Conv):
    """A convolution of (depth, height, width, channels)."""

    dimensions = 3


for _kind in (Conv1d, Conv2d, Conv3d):
    _kind.__doc__ += _Conv.__doc__.partition("\n")[2]
