"""The operations of SPEC.md, chapter 9, other than dense ones, as those of `brainscale`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import brainstate
import brainunit as u
import jax
import numpy as np

import brainscale
from conformance.protocol.problems import Layer

KINDS_OF_OPERATIONS = ("dense", "sparse", "convolution", "low-rank", "embedding", "grouped")

FUNCTIONS = {
    "identity": lambda w: w,
    "square": lambda w: w * (w / u.get_unit(w)),
    "absolute": u.math.abs,
}


def array_of(array: Any) -> jax.Array:
    """An array of JAX with the precision of now. `jnp.asarray` has a program compiled for it."""
    return jax.device_put(np.asarray(array, brainstate.environ.dftype()))


class LayerOperation:
    """The operation of a layer: its parameter, and the way from flat inputs to it and back.

    Parameters
    ----------
    layer : Layer
    parameter : callable
        From an array to a parameter's value, with the unit of y.
    own_bias : bool
        Whether a bias for each neuron is a parameter of its own where it need not be.

    Attributes
    ----------
    param : ETraceParam
    keys : dict
        From the names of arrays in the protocol to keys in the parameter; None: it is one array.
    """

    def __init__(self, layer: Layer, parameter: Callable[[Any], Any], own_bias: bool):
        operation, self.layer = layer.operation, layer
        options = {"weight_mask": layer.mask, "weight_fn": FUNCTIONS[layer.weight_function]}
        self.keys: dict[str, str | None] = {"weight": None}
        value = parameter(layer.weight)
        if operation.kind == "sparse":
            places = operation.rows, operation.columns, operation.shape
            op = brainscale.SpMatMulOp(places, **options)
        elif operation.kind == "embedding":
            op = brainscale.EmbeddingOp(**options)
        elif operation.kind == "grouped":
            op, self.keys = brainscale.GroupedMatMulOp(**options), {"weight": "weight"}
            value = {"weight": value}
            is_own = np.shape(layer.bias) not in ((), (1,))
            if layer.bias is not None and is_own and not own_bias:
                value["bias"], self.keys["bias"] = parameter(layer.bias), "bias"
        elif operation.kind == "low-rank":
            op, self.keys = brainscale.LoraOp(operation.scale), {"weight": "B", "factor": "A"}
            value = {"B": u.get_mantissa(value)}
            if layer.factor is not None:
                value["A"] = parameter(layer.factor)
        else:
            strides, dilation = (
                1 if x is None else x for x in (operation.strides, operation.dilation)
            )
            options_of_window = strides, operation.padding, dilation
            op = brainscale.ConvOp(*options_of_window, operation.groups, **options)
            value, self.keys = {"weight": value}, {"weight": "weight"}
            if layer.bias is not None:
                value["bias"], self.keys["bias"] = parameter(layer.bias), "bias"
        self.param = brainscale.ETraceParam(value, op)

    def execute(self, x: jax.Array) -> Any:
        """y, (B, N), of (B, K)."""
        y = self.param.execute(self._reshape(x))
        return u.math.reshape(y, (len(x), -1))

    def size(self, batch: int = 1) -> int:
        """N."""
        operation, shape = self.layer.operation, np.shape(self.layer.weight)
        if operation.kind == "sparse":
            K = operation.shape[0]
        elif operation.kind == "convolution":
            K = math.prod(operation.sizes) * shape[-2] * operation.groups
        elif operation.kind == "grouped":
            K = math.prod(shape[:2])
        else:
            K = shape[0]
        x = np.zeros((batch, 1), int) if operation.kind == "embedding" else np.zeros((batch, K))
        return jax.eval_shape(self.execute, x).shape[1]

    def _reshape(self, x: jax.Array) -> jax.Array:
        operation = self.layer.operation
        if operation.kind == "embedding":
            return x[:, 0]
        if operation.kind != "convolution":
            return x
        if x.shape[1] % math.prod(operation.sizes):
            raise brainscale.errors.ShapeError(f"{x.shape[1]} inputs of sizes {operation.sizes}")
        return x.reshape(len(x), *operation.sizes, -1)

    def show_trace(self, name: str, trace: np.ndarray, is_factor: bool) -> np.ndarray:
        """Reshape a trace, (B, ..., d), as the protocol has it; `is_factor`: of ES-D-RTRL."""
        if self.layer.operation.kind != "convolution":
            return trace
        D = len(self.layer.operation.sizes)
        if is_factor or name == "bias":
            return trace.reshape(len(trace), -1, *trace.shape[D + 2 :])
        flat = trace.reshape(len(trace), -1, *trace.shape[D + 1 :])
        by_entry = np.moveaxis(flat, 2, 3)
        return by_entry.reshape(*flat.shape[:2], *np.shape(self.layer.weight), flat.shape[-1])


class DenseLayerOperation:
    """A dense operation with its bias, of any makes of parameters."""

    def __init__(self, param: Any, layer: Layer):
        self.param, self.layer, self.execute = param, layer, param.execute
        self.keys = {name: name for name in param.value}

    def size(self) -> int:
        """N."""
        return np.shape(self.layer.weight)[-1]

    def show_trace(self, name: str, trace: np.ndarray, is_factor: bool) -> np.ndarray:
        """A trace as it is."""
        return trace
