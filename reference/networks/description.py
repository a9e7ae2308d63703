"""The networks of SPEC.md, chapter 10: descriptions, their checks, and effective weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import (
    DtypeError,
    HiddenPathError,
    LateralPathError,
    ParameterError,
    ParameterUseError,
    ShapeError,
    StructureError,
    UnreachedError,
)
from ..traces import DENSE, Operation, check_operation, extent, weight_shape
from ..values import read_plain
from .kinds import KINDS
from .leaky_readout import read_filter

#: Each weight function φ with its derivative.
FUNCTIONS = {
    "identity": (lambda w: w, np.ones_like),
    "square": (lambda w: w * w, lambda w: 2 * w),
    "absolute": (np.abs, np.sign),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Layer:
    """A layer of N neurons with K inputs. Weights are plain numbers in the unit of y."""

    kind: str
    weight: np.ndarray  #: (K, N), or as `operation` has it; low-rank: B, (K, R)
    bias: np.ndarray | None = None  #: (N,), or shared: OP-14; of a convolution, one a channel
    recurrent: np.ndarray | None = None  #: (N, N), or element-wise: (N,), or shared
    mask: np.ndarray | None = None  #: of the shape of `weight`, of which it is
    recurrent_mask: np.ndarray | None = None  #: (N, N), of a dense `recurrent`
    weight_function: str = "identity"  #: of `weight`
    lateral: np.ndarray | None = None  #: a fixed path from s(t−1) to y (LEARN-14)
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    operation: Operation = DENSE  #: that of `weight`
    factor: np.ndarray | None = None  #: A of a low-rank operation, (R, N)

    @property
    def is_element_wise(self) -> bool:
        """Whether the recurrence is."""
        return self.recurrent is not None and np.ndim(self.recurrent) < 2


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
    """Layers, of any kinds and sizes (NET-2), and a plain readout.

    LEARN-15 to LEARN-17 refuse the last three fields.
    """

    layers: tuple[Layer, ...]
    readout: np.ndarray  #: (N, M)
    readout_bias: np.ndarray | None = None  #: (M,)
    readout_decay: float = 0.0  #: κ of a leaky readout (NET-3); 0: it is not leaky
    feedback: np.ndarray | None = None  #: (N, M), B of e-prop
    tied: bool = False  #: whether the second layer's weight is the first one's
    skip: np.ndarray | None = None  #: (K, M), from the inputs to the outputs
    output_decay: float | None = None  #: of an output kept in no hidden state


def check_kinds(network: Network) -> None:
    """Refuse kinds, recurrences, weight functions and decays that no network has.

    Raises
    ------
    ParameterError
        A layer of an unknown kind, or of GIF neurons with an element-wise recurrence; an unknown
        weight function; a decay of the readout out of its range (NET-3).
    """
    for l, layer in enumerate(network.layers):
        if layer.kind not in KINDS:
            raise ParameterError(f"layer {l}, kind", repr(layer.kind), f"one of {[*KINDS]}")
        if layer.is_element_wise and KINDS[layer.kind].emission is None:
            got = f"an element-wise one of {layer.kind} neurons"
            needs = "neurons whose emission is a function of their state"
            raise ParameterError(f"layer {l}, recurrence", got, needs)
        if layer.weight_function not in FUNCTIONS:
            subject, needs = f"layer {l}, weight_function", f"one of {[*FUNCTIONS]}"
            raise ParameterError(subject, repr(layer.weight_function), needs)
        check_layer_operation(layer, f"layer {l}, operation")
    read_filter(network.readout_decay, "readout_decay")


def check_paths(network: Network) -> None:
    """Refuse paths that traces cannot follow.

    Raises
    ------
    LateralPathError, UnreachedError, ParameterUseError, HiddenPathError
        As LEARN-14 to LEARN-17 say.
    """
    for l, layer in enumerate(network.layers):
        if layer.lateral is not None:
            needs = "no path between neurons but trainable operations"
            raise LateralPathError(f"layer {l}", "a fixed path from s(t−1) to y", needs)
    if network.skip is not None:
        needs = "an operation whose y reaches a hidden state"
        raise UnreachedError("parameter 'skip'", "a path to the output alone", needs)
    if network.tied:
        raise ParameterUseError("parameter '0.weight'", "two uses in a step", "one use")
    if network.output_decay is not None:
        raise HiddenPathError("state 'out'", "a derivative through time", "a hidden state")


def check_layer_operation(layer: Layer, subject: str) -> None:
    """Refuse a description of no operation, and a layer that the operation excludes (OP-12).

    Raises
    ------
    ParameterError
        As `check_operation` says; a mask or a weight function of a low-rank operation.
    StructureError
        A factor A without a low-rank operation, or none with one.
    """
    check_operation(layer.operation, subject)
    is_low_rank = layer.operation.kind == "low-rank"
    if is_low_rank and (layer.mask is not None or layer.weight_function != "identity"):
        needs = "neither with a low-rank operation"
        raise ParameterError(subject, "a mask or a weight function", needs)
    if is_low_rank != (layer.factor is not None):
        got = "no factor A" if is_low_rank else "a factor A"
        raise StructureError(subject, got, "one with a low-rank operation, and with no other")


def read_parameters(network: Network) -> tuple[dict[str, np.ndarray], list[tuple[int, int]]]:
    """Read and copy all parameters, by name: "0.weight", ..., "readout.bias".

    Returns
    -------
    dict of arrays, and K and N of each layer

    Raises
    ------
    ValueTypeError, UnitError, DtypeError, ShapeError, InputError
        A parameter or a mask that is no plain real numbers, of a wrong shape, or not finite; no
        layers, or a layer without neurons (NET-4).
    """
    parameters: dict[str, np.ndarray] = {}
    if len(network.layers) == 0:
        raise ShapeError("layers", "none", "one or more")
    below, extents = None, []
    for l, layer in enumerate(network.layers):
        weight = read_weight(layer.operation, layer.weight, below, l)
        shape = weight.shape
        if not (network.tied and l == 1):
            parameters[f"{l}.weight"] = weight
        if layer.factor is not None:
            factor = read_plain(layer.factor, (shape[1], None), f"parameter '{l}.factor'")
            parameters[f"{l}.factor"], shape = factor, (shape[0], factor.shape[1])
        K, N = extent(layer.operation, shape, f"parameter '{l}.weight'")
        if below not in (None, K):
            raise ShapeError(f"layer {l}, operation", f"{K} inputs", f"{below}")
        if N == 0:
            raise ShapeError(f"layer {l}", "no neurons", "one or more")
        extents.append((K, N))
        if layer.bias is not None:
            is_convolution = layer.operation.kind == "convolution"
            shape = weight.shape[-1:] if is_convolution else choose_vector_shape(layer.bias, N)
            parameters[f"{l}.bias"] = read_plain(layer.bias, shape, f"parameter '{l}.bias'")
        if layer.recurrent is not None:
            is_one = layer.is_element_wise
            shape = choose_vector_shape(layer.recurrent, N) if is_one else (N, N)
            parameters[f"{l}.recurrent"] = read_plain(
                layer.recurrent, shape, f"parameter '{l}.recurrent'"
            )
        for name, shape in (("mask", weight.shape), ("recurrent_mask", (N, N))):
            if getattr(layer, name) is not None:
                read_plain(getattr(layer, name), shape, f"layer {l}, {name}", kinds="biuf")
        if layer.lateral is not None:
            read_plain(layer.lateral, (N, N), f"layer {l}, lateral")
        below = N
    parameters["readout.weight"] = read_plain(
        network.readout, (below, None), "parameter 'readout.weight'"
    )
    if network.readout_bias is not None:
        shape = parameters["readout.weight"].shape[1:]
        parameters["readout.bias"] = read_plain(
            network.readout_bias, shape, "parameter 'readout.bias'"
        )
    if network.skip is not None:
        shape = extents[0][0], parameters["readout.weight"].shape[1]
        parameters["skip"] = read_plain(network.skip, shape, "parameter 'skip'")
    return parameters, extents


def choose_vector_shape(value: Any, N: int) -> tuple[int, ...]:
    """The shape that a bias or an element-wise weight must have: (N,), or shared (OP-14)."""
    shape = np.shape(getattr(value, "array", value))
    return shape if shape in ((), (1,)) else (N,)


def read_weight(operation: Operation, weight: Any, below: int | None, l: int) -> np.ndarray:
    """Read the weight of layer l, over `below` neurons or, where that is None, over the input.

    Raises
    ------
    DtypeError
        An embedding of what neurons emit (OP-13).
    ValueTypeError, UnitError, DtypeError, ShapeError, InputError
        As `read_plain` says.
    """
    if operation.kind == "embedding" and below is not None:
        raise DtypeError(f"layer {l}, the embedding's input", "real numbers", "integers")
    return read_plain(weight, weight_shape(operation, below), f"parameter '{l}.weight'")


def effective(layer: Layer, name: str, w: np.ndarray) -> np.ndarray:
    """W = m ∘ φ(w) (LEARN-7, OP-11); `name` is "weight", "factor", "bias" or "recurrent"."""
    value, _ = FUNCTIONS[layer.weight_function if name == "weight" else "identity"]
    return mask_of(layer, name) * value(w)


def pull_back(layer: Layer, name: str, w: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """∇w = φ'(w) ∘ m ∘ ∇W (LEARN-7)."""
    _, slope = FUNCTIONS[layer.weight_function if name == "weight" else "identity"]
    return slope(w) * mask_of(layer, name) * gradient


def mask_of(layer: Layer, name: str) -> Any:
    """m of an operation; 1 where there is none."""
    mask = {"weight": layer.mask, "recurrent": layer.recurrent_mask}.get(name)
    return 1.0 if mask is None else np.asarray(mask, np.float64)
