"""Convolutions of one, two and three dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

from ..checks.arguments import check_function, check_integer, check_mapping, is_integer
from ..errors import ParameterError, ShapeError
from .base import ETraceOp, apply_mask, check_operand, identity, read_mask

__all__ = ["ConvOp", "Padding"]

Padding: TypeAlias = Literal["SAME", "VALID"] | int | Sequence[Sequence[int]]


class ConvOp(ETraceOp):
    """A convolution, channels last.

    Parameters
    ----------
    strides : int or sequence of int, default 1
    padding : "SAME", "VALID", int or sequence of pairs, default "SAME"
        How many zeros stand before and behind; as XLA and TensorFlow have it (OP-3).
    dilation : int or sequence of int, default 1
        Of the kernel.
    groups : int, default 1
        Of channels that do not mix.
    weight_mask : array, of the kernel's shape, optional
    weight_fn : callable, optional
        From the kernel to the effective kernel, before the mask.

    Notes
    -----
    The parameter is a kernel of shape (size..., channels in / groups, channels out), or a dict of
    ``"weight"`` and ``"bias"`` of (channels out,). x is (batch..., size..., channels in), y
    (batch..., size..., channels out). A weight meets every position: its trace has axes of them,
    (batch..., size..., groups, entries, channels out of a group), entries being those of a kernel's
    size... and channels in / groups.

    Examples
    --------
    >>> op = brainscale.ConvOp(strides=2)
    >>> y = op(jnp.ones((16, 28, 28, 1)), jnp.ones((3, 3, 1, 8)) * u.nA)
    >>> y.shape, y.unit
    ((16, 14, 14, 8), Unit("nA"))
    """

    def __init__(
        self,
        strides: int | Sequence[int] = 1,
        padding: Padding = "SAME",
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        weight_mask: jax.typing.ArrayLike | None = None,
        weight_fn: Callable[[Any], Any] = identity,
    ):
        for name, value in (("strides", strides), ("dilation", dilation)):
            _check_integers(name, value, 1, 1)
        if isinstance(padding, str):
            if padding not in ("SAME", "VALID"):
                raise ParameterError(
                    f"ConvOp: padding is 'SAME', 'VALID' or integers, got {padding!r}"
                )
        else:
            _check_integers("padding", padding, 0, 2)
        self.strides, self.padding, self.dilation = strides, padding, dilation
        self.groups = check_integer(groups, "ConvOp: groups")
        self.weight_mask = read_mask(weight_mask, "ConvOp")
        self.weight_fn = check_function(weight_fn, f"{type(self).__name__}: weight_fn")

    def effective(self, w: Any) -> Any:
        if isinstance(w, dict):
            check_mapping(w, "ConvOp", {"weight"}, {"bias"})
            if "bias" in w:
                check_operand(w["bias"], self, "a bias")
            return {**w, "weight": self._make_effective(w["weight"])}
        return self._make_effective(w)

    def _make_effective(self, kernel: Any) -> Any:
        self._check_kernel(kernel)
        new_kernel = self._check_kernel(self.weight_fn(kernel), "what weight_fn returns")
        return apply_mask(new_kernel, self.weight_mask, self)

    def _check_kernel(self, kernel: Any, what: str = "a kernel") -> Any:
        if not 3 <= u.math.ndim(check_operand(kernel, self, what)) <= 5:
            raise ShapeError(
                f"ConvOp: {what} has 1 to 3 sizes and two axes of channels, got the shape "
                f"{u.math.shape(kernel)}"
            )
        if 0 in u.math.shape(kernel) or u.math.shape(kernel)[-1] % self.groups:
            raise ShapeError(
                f"ConvOp: a kernel of shape {u.math.shape(kernel)} is empty, or its channels out "
                f"are no multiple of {self.groups} groups"
            )
        return kernel

    def apply(self, x: Any, weight: Any) -> Any:
        kernel = weight["weight"] if isinstance(weight, dict) else weight
        shape = u.math.shape(kernel)
        check_operand(x, self)
        if u.math.ndim(x) < len(shape) - 1 or u.math.shape(x)[-1] != shape[-2] * self.groups:
            raise ShapeError(
                f"ConvOp: an input of shape {u.math.shape(x)} meets a kernel of {shape} in "
                f"{self.groups} groups"
            )
        unit = u.get_unit(x) * u.get_unit(kernel)
        numbers = self._convolve(u.get_mantissa(x), u.get_mantissa(kernel), self.groups)
        y = numbers if unit.is_unitless else u.Quantity(numbers, unit=unit)
        if not isinstance(weight, dict) or "bias" not in weight:
            return y
        if u.math.shape(weight["bias"]) != shape[-1:]:
            raise ShapeError(
                f"ConvOp: a bias of shape {u.math.shape(weight['bias'])} meets a kernel of {shape}"
            )
        return y + weight["bias"]

    def _convolve(self, x: jax.Array, kernel: jax.Array, groups: int) -> jax.Array:
        n = kernel.ndim - 2
        batch, sizes = x.shape[: x.ndim - n - 1], x.shape[x.ndim - n - 1 : -1]
        if jnp.iscomplexobj(x):
            kernel = kernel.astype(jnp.promote_types(x.dtype, kernel.dtype))
        flat = x.reshape(-1, *sizes, x.shape[-1]).astype(kernel.dtype)
        padding: Any = self.padding
        if is_integer(padding):
            padding = [(padding, padding)] * n
        elif not isinstance(padding, str) and not _is_pairs(padding, n):
            raise ParameterError(f"ConvOp: padding of {n} sizes is {n} pairs, got {padding!r}")
        strides, dilation = (
            _read_integers(name, getattr(self, name), n) for name in ("strides", "dilation")
        )
        sizes = "DHW"[3 - n :]
        y = jax.lax.conv_general_dilated(
            flat,
            kernel,
            window_strides=strides,
            padding=padding,
            rhs_dilation=dilation,
            dimension_numbers=(f"N{sizes}C", f"{sizes}IO", f"N{sizes}C"),
            feature_group_count=groups,
        )
        if 0 in y.shape[1:]:
            raise ShapeError(
                f"ConvOp: a kernel of shape {kernel.shape} finds no position in an input of "
                f"shape {x.shape}"
            )
        return y.reshape(*batch, *y.shape[1:])

    def presynaptic(self, x: jax.Array, y: jax.Array, weight: Any) -> Any:
        x = x.astype(y.dtype)
        if not isinstance(weight, dict):
            return x
        # A bias's input is one number at every position, as a trace of it is (HYBRID-2).
        batch = x.shape[: x.ndim - (weight["weight"].ndim - 1)]
        one = jnp.ones((*batch, *(1,) * (y.ndim - len(batch))), y.dtype)
        return {"weight": x, "bias": one} if "bias" in weight else {"weight": x}

    def _cut_patches(self, x: jax.Array, kernel: jax.Array) -> jax.Array:
        """Cut out what each kernel entry of a group meets: (..., positions, groups, entries)."""
        *sizes, inside, _ = kernel.shape
        entries = int(np.prod(sizes)) * inside
        # A kernel that copies each entry into an output of its own, group by group.
        one = jnp.eye(entries, dtype=x.dtype).reshape(*sizes, inside, entries)
        copies = self._convolve(x, jnp.tile(one, self.groups), self.groups)
        return copies.reshape(*copies.shape[:-1], self.groups, entries)

    def _split_groups(self, f: jax.Array) -> jax.Array:
        return f.reshape(*f.shape[:-1], self.groups, -1)

    def outer(self, pre: Any, f: jax.Array, weight: Any) -> Any:
        x, kernel = (pre["weight"], weight["weight"]) if isinstance(pre, dict) else (pre, weight)
        patches = self._cut_patches(x, kernel)
        trace = jnp.einsum("s...ge,s...go->...geo", patches, self._split_groups(f))
        if not isinstance(pre, dict):
            return trace
        traces = {"weight": trace}
        return {**traces, "bias": (pre["bias"] * f).sum(0)} if "bias" in pre else traces

    def spread(self, f: jax.Array, weight: Any) -> Any:
        over_entries = self._split_groups(f)[..., None, :]
        if not isinstance(weight, dict):
            return over_entries
        return {name: over_entries if name == "weight" else f for name in weight}

    def total(self, trace: Any, weight: Any) -> Any:
        if not isinstance(weight, dict):
            return self._as_kernel(trace.sum(tuple(range(trace.ndim - 3))), weight)
        sums = {"weight": self.total(trace["weight"], weight["weight"])}
        if "bias" in weight:
            sums["bias"] = trace["bias"].sum(tuple(range(trace["bias"].ndim - 1)))
        return sums

    def pull_back(self, pre: Any, c: jax.Array, weight: Any) -> Any:
        x, kernel = (pre["weight"], weight["weight"]) if isinstance(pre, dict) else (pre, weight)
        y, back = jax.vjp(lambda kernel: self._convolve(x, kernel, self.groups), kernel)
        (gradient,) = back(c.astype(y.dtype))
        if not isinstance(pre, dict):
            return gradient
        gradients = {"weight": gradient}
        bias = (pre["bias"] * c).sum(tuple(range(c.ndim - 1))) if "bias" in pre else None
        return gradients if bias is None else {**gradients, "bias": bias}

    def _as_kernel(self, sums: jax.Array, kernel: jax.Array) -> jax.Array:
        """Bring (groups, entries, channels out of a group) to the shape of a kernel."""
        return jnp.moveaxis(sums, 0, 1).reshape(kernel.shape)


def _read_integers(name: str, value: int | Sequence[int], n: int) -> tuple[int, ...]:
    """Read a number for each of n sizes."""
    if is_integer(value):
        return (int(value),) * n
    if not isinstance(value, (tuple, list)) or len(value) != n:
        raise ParameterError(f"ConvOp: {name} of {n} sizes are {n} integers, got {value!r}")
    return tuple(map(int, value))


def _is_pairs(value: Any, n: int) -> bool:
    return len(value) == n and all(not is_integer(pair) and len(pair) == 2 for pair in value)


def _check_integers(name: str, value: Any, least: int, depth: int) -> None:
    """Refuse what is no integer from `least` on, nor a sequence of them, so deep."""
    if isinstance(value, (tuple, list)) and value and depth:
        for inner in value:
            _check_integers(name, inner, least, depth - 1)
    else:
        check_integer(value, f"ConvOp: {name}", least)
