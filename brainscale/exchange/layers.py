"""NIR's nodes without states: weights, which are trained, and what reshapes, pools and compares."""

from __future__ import annotations

from typing import Any

import brainstate
import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ParameterError, ShapeError
from ..nn import Conv1d, Conv2d, Linear
from ..nn.gif_dynamics import spike
from ..parameters import ElemWiseParam, ETraceParam, NonTempParam
from .conventions import Conventions
from .refusals import make_refusal, read_numbers, read_sizes

__all__ = ["Convolution", "Dense", "Flatten", "PassOn", "Pool", "Scale", "Threshold"]

Shape = tuple[int, ...]


def _cast(numbers: np.ndarray) -> jax.Array:
    return jnp.asarray(numbers, brainstate.environ.dftype())


def _choose(is_trained: bool) -> Any:
    """Choose the class of a weight: one that no neuron follows has no trace."""
    return ETraceParam if is_trained else NonTempParam


class PassOn(brainstate.nn.Module):
    """An Input or an Output: what is given comes out."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.in_shape = self.out_shape = shape

    def update(self, x: Any) -> Any:
        """Give what is given."""
        return x


class Dense(Linear):
    """An Affine or a Linear: y = W x + b of W, (N, K), kept as brainscale has it, (K, N)."""

    __module__ = "brainscale.exchange"

    def __init__(self, name: str, node: Any, is_trained: bool):
        weight = read_numbers(name, node, "weight", 2)
        bias = getattr(node, "bias", None)
        if bias is not None:
            bias = read_numbers(name, node, "bias", 1)
            if len(bias) != len(weight):
                problem = f"has {len(bias)} biases for a weight of {len(weight)} rows"
                raise make_refusal(name, node, problem, ShapeError)
        N, K = weight.shape
        bias = None if bias is None else _cast(bias)
        super().__init__(K, N, _cast(weight.T), bias, param_type=_choose(is_trained))
        self.in_shape, self.out_shape = (K,), (N,)

    def read_arrays(self) -> dict[str, np.ndarray]:
        """Read weight and bias as NIR has them."""
        value = {key: np.asarray(array) for key, array in self.weight.value.items()}
        return {**value, "weight": value["weight"].T}


class Convolution(brainstate.nn.Module):
    """A Conv1d or a Conv2d, of (channels, size...), on brainscale's, of (size..., channels)."""

    def __init__(self, name: str, node: Any, in_shape: Shape, is_trained: bool):
        super().__init__()
        kind = {"Conv1d": Conv1d, "Conv2d": Conv2d}[type(node).__name__]
        n = self.dimensions = kind.dimensions
        weight = read_numbers(name, node, "weight", n + 2)
        bias = getattr(node, "bias", None)
        (groups,) = read_sizes(name, node, "groups", 1, 1)
        if len(in_shape) != n + 1 or in_shape[0] != weight.shape[1] * groups:
            problem = (
                f"needs {weight.shape[1] * groups} channels and {n} sizes, is given {in_shape}"
            )
            raise make_refusal(name, node, problem, ShapeError)
        stride = read_sizes(name, node, "stride", n, 1)
        self.layer = kind(
            (*in_shape[1:], in_shape[0]),
            len(weight),
            weight.shape[2:],
            stride=stride,
            padding=self._read_padding(name, node, stride),
            rhs_dilation=read_sizes(name, node, "dilation", n, 1),
            groups=groups,
            w_init=_cast(np.moveaxis(weight, (0, 1), (-1, -2))),
            b_init=None if bias is None else _cast(read_numbers(name, node, "bias", 1)),
            param_type=_choose(is_trained),
        )
        *sizes, channels = self.layer.out_size
        self.in_shape, self.out_shape = in_shape, (channels, *sizes)

    def _read_padding(self, name: str, node: Any, stride: Shape) -> Any:
        """Read how many zeros are around the input."""
        padding = node.padding
        if not isinstance(padding, str):
            n = self.dimensions
            return [(size, size) for size in read_sizes(name, node, "padding", n, 0)]
        if padding not in ("same", "valid"):
            problem = f"needs a padding of 'same', 'valid' or integers, got {padding!r}"
            raise make_refusal(name, node, problem, ParameterError)
        if padding == "same" and set(stride) != {1}:
            problem = (
                f"has padding 'same' and a stride of {stride}, which NIR does not define: write "
                "the padding as integers"
            )
            raise make_refusal(name, node, problem, ParameterError)
        return padding.upper()

    def update(self, x: jax.Array) -> jax.Array:
        """Convolve the input, (batch..., channels, size...)."""
        axis = -1 - self.dimensions
        return jnp.moveaxis(self.layer(jnp.moveaxis(x, axis, -1)), -1, axis)

    def read_arrays(self) -> dict[str, np.ndarray]:
        """Read weight and bias as NIR has them."""
        value = {key: np.asarray(array) for key, array in self.layer.weight.value.items()}
        return {**value, "weight": np.moveaxis(value["weight"], (-1, -2), (0, 1))}


class Scale(brainstate.nn.Module):
    """A Scale: a factor for each element."""

    scale: Any

    def __init__(self, name: str, node: Any, is_trained: bool):
        super().__init__()
        scale = read_numbers(name, node, "scale")
        self.in_shape = self.out_shape = scale.shape
        self.is_trained = is_trained
        if is_trained:
            self.scale = ElemWiseParam(_cast(scale))
        else:
            self.scale = NonTempParam(_cast(scale), lambda x, scale: x * scale)

    def update(self, x: jax.Array) -> jax.Array:
        """Multiply the input."""
        return x * self.scale.execute() if self.is_trained else self.scale.execute(x)

    def read_arrays(self) -> dict[str, np.ndarray]:
        """Read the factors."""
        return {"scale": np.asarray(self.scale.value)}


class Threshold(brainstate.nn.Module):
    """A Threshold: 1 where the input is above, with a surrogate's derivative."""

    def __init__(self, name: str, node: Any, conventions: Conventions):
        super().__init__()
        self.threshold = read_numbers(name, node, "threshold")
        self.in_shape = self.out_shape = self.threshold.shape
        self.conventions = conventions

    def update(self, x: jax.Array) -> jax.Array:
        """Compare the input."""
        threshold = jnp.asarray(self.threshold, x.dtype)
        scale = jnp.asarray(self.conventions.spk_scale, x.dtype)
        return spike(self.conventions.spk_fun, scale, x, threshold)


class Flatten(brainstate.nn.Module):
    """A Flatten of the axes from `start_dim` to `end_dim`, counted without a batch's."""

    def __init__(self, name: str, node: Any, in_shape: Shape):
        super().__init__()
        n = len(in_shape)
        start, end = (
            int(dim) + n if dim < 0 else int(dim) for dim in (node.start_dim, node.end_dim)
        )
        if not 0 <= start <= end < n:
            problem = (
                f"flattens axes {node.start_dim} to {node.end_dim} of an input of shape "
                f"{in_shape}: they are counted without the batch's"
            )
            raise make_refusal(name, node, problem, ShapeError)
        middle = int(np.prod(in_shape[start : end + 1]))
        self.in_shape, self.out_shape = in_shape, (*in_shape[:start], middle, *in_shape[end + 1 :])

    def update(self, x: jax.Array) -> jax.Array:
        """Reshape the input, behind a batch's axes."""
        batch = x.shape[: x.ndim - len(self.in_shape)]
        return x.reshape(*batch, *self.out_shape)


class Pool(brainstate.nn.Module):
    """A SumPool2d or an AvgPool2d of (channels, height, width); a mean counts zeros around, too."""

    def __init__(self, name: str, node: Any, in_shape: Shape):
        super().__init__()
        if len(in_shape) != 3:
            problem = f"needs channels, height and width, is given {in_shape}"
            raise make_refusal(name, node, problem, ShapeError)
        self.kernel = read_sizes(name, node, "kernel_size", 2, 1)
        self.stride = read_sizes(name, node, "stride", 2, 1)
        self.padding = read_sizes(name, node, "padding", 2, 0)
        self.is_mean = type(node).__name__ == "AvgPool2d"
        sizes = [
            (size + 2 * p - k) // s + 1
            for size, k, s, p in zip(
                in_shape[1:], self.kernel, self.stride, self.padding, strict=True
            )
        ]
        if min(sizes) < 1:
            problem = f"finds no position for {self.kernel} in an input of shape {in_shape}"
            raise make_refusal(name, node, problem, ShapeError)
        self.in_shape, self.out_shape = in_shape, (in_shape[0], *sizes)

    def update(self, x: jax.Array) -> jax.Array:
        """Sum the input over windows, or average it."""
        others = x.ndim - 2
        pooled = jax.lax.reduce_window(
            x,
            np.zeros((), x.dtype),
            jax.lax.add,
            (*(1,) * others, *self.kernel),
            (*(1,) * others, *self.stride),
            [*[(0, 0)] * others, *((p, p) for p in self.padding)],
        )
        return pooled / int(np.prod(self.kernel)) if self.is_mean else pooled
