"""Wrong readings: of scales, of dt, of defaults, of arrays as they lie in memory."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from conformance.protocol.implementation import Value
from conformance.protocol.problems import Layer, Network
from reference import unit

from .learning_bases import kinds_with
from .reading_bases import RUNS, misreading, of_arrays, of_inputs, of_layers, of_parameters
from .wrong import Wrong

#: The units of the tables of chapters 6 and 10.
UNITS = {
    **dict.fromkeys(("tau", "tau_a", "tau_s"), "ms"),
    **dict.fromkeys(("V_th", "V_reset", "V_rest", "beta", "V_th_inf", "V_th_reset"), "mV"),
    **dict.fromkeys(("A1", "A2"), "nA"),
    **dict.fromkeys(("k1", "k2", "a", "b", "omega"), "ms^-1"),
    "R": "ohm",
}

POINTS = ("leaky", "LRU", "LIF", "ALIF", "synapse_LIF")


def scale_ignored(parameter: str, kind: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """A number is taken to be in the table's unit, whatever scale it is in."""
    changed = dict(parameters)
    for name, value in parameters.items():
        if name == parameter and isinstance(value, Value) and value.unit is not None:
            changed[name] = Value(value.array, UNITS[name])
    return changed


def another_default(parameter: str, value: Value, kind: str, parameters: dict) -> dict[str, Any]:
    """What is left out has a default that is not the table's."""
    names = {
        "leaky": ("tau",),
        "LRU": ("tau", "omega"),
        "LIF": ("tau", "R", "V_th", "V_reset", "V_rest"),
        "ALIF": ("tau", "R", "V_th", "V_reset", "V_rest", "tau_a", "beta"),
        "synapse_LIF": ("tau", "R", "V_th", "V_reset", "V_rest", "tau_s"),
    }
    if parameter in names.get(kind, ()):
        return {parameter: value, **parameters}
    return parameters


def dt_is_one(network: Network, inputs: Any, dt: Value) -> tuple[Network, Any, Value]:
    """All steps are of 1 ms, in the unit of time that they are given in."""
    if isinstance(dt, Value) and dt.unit is not None and np.all(np.asarray(dt.array) > 0):
        dt = Value(np.float64(1.0), dt.unit)
    return network, inputs, dt


def dt_in_ms(network: Network, inputs: Any, dt: Value) -> tuple[Network, Any, Value]:
    """The number of dt is one of ms, whatever its scale."""
    if isinstance(dt, Value) and dt.unit is not None:
        dimension = unit(dt.unit).dimension
        dt = Value(dt.array, "ms") if dimension == unit("ms").dimension else dt
    return network, inputs, dt


def dt_of_32_bits(network: Network, inputs: Any, dt: Value) -> tuple[Network, Any, Value]:
    if isinstance(dt, Value):
        dt = Value(np.float64(np.float32(dt.array)), dt.unit)
    return network, inputs, dt


def neurons_without_dt(kind: type) -> type:
    """Neurons of a kind whose steps are of 1 ms."""

    def __init__(self, size, parameters, dt):
        kind.__init__(self, size, parameters, 1.0)

    return type(kind.__name__, (kind,), {"__init__": __init__})


def tau_of_one_step(kind: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Time constants below 1 ms are 1 ms."""
    changed = dict(parameters)
    for name, value in parameters.items():
        is_time = name in ("tau", "tau_a", "tau_s") and isinstance(value, Value)
        if is_time and value.unit in ("ms", "us", "s") and kind in POINTS:
            least = {"ms": 1.0, "us": 1e3, "s": 1e-3}[value.unit]
            array = np.asarray(value.array)
            changed[name] = Value(np.where(array > 0, np.maximum(array, least), array), value.unit)
    return changed


def mean_of_neurons(kind: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """A parameter that is given neuron by neuron is their mean."""
    changed = dict(parameters)
    for name, value in parameters.items():
        if kind in POINTS and name == "tau" and isinstance(value, Value):
            array = np.asarray(value.array)
            if array.ndim == 1 and array.size > 1 and array.dtype.kind == "f":
                changed[name] = Value(np.full(array.shape, array.mean()), value.unit)
    return changed


def one_for_all(kind: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """A parameter of shape () or (1,) is that of the first neuron, others have the default."""
    changed = dict(parameters)
    value = parameters.get("R")
    if kind in POINTS and isinstance(value, Value) and np.size(value.array) == 1:
        del changed["R"]
    return changed


def fortran_as_c(array: np.ndarray) -> np.ndarray:
    """The numbers as they lie in memory, in C's order."""
    if array.ndim < 2 or array.flags.c_contiguous or not array.flags.f_contiguous:
        return array
    return array.ravel(order="A").reshape(array.shape)


def strides_as_c(array: np.ndarray) -> np.ndarray:
    """A view's first numbers in its base, one after the other."""
    base = array.base
    is_view = isinstance(base, np.ndarray) and base.dtype == array.dtype
    if not is_view or array.flags.c_contiguous or array.flags.f_contiguous:
        return array
    if base.size < array.size:
        return array
    return np.resize(base.ravel(), array.shape)


def native(array: np.ndarray) -> np.ndarray:
    """Bytes in the other order are read in this machine's."""
    if array.dtype.kind not in "iuf" or array.dtype.isnative or array.dtype.itemsize == 1:
        return array
    array_now = array.view(array.dtype.newbyteorder())
    if array.dtype.kind != "f":
        return array_now
    return np.where(np.isfinite(array_now), np.clip(array_now, -1e3, 1e3), 0.0)


def of_half(array: np.ndarray) -> np.ndarray:
    """What has 32 bits is rounded to 16."""
    return array.astype(np.float16).astype(np.float32) if array.dtype == np.float32 else array


def integers_of_8_bits(inputs: Any) -> Any:
    """Integers of 64 bits are kept in 8."""
    is_int = isinstance(inputs, np.ndarray) and inputs.dtype.kind in "iu"
    return inputs.astype(np.int8).astype(np.int64) if is_int else inputs


def without_sign(inputs: Any) -> Any:
    """Integers are read as unsigned ones of 16 bits."""
    is_int = isinstance(inputs, np.ndarray) and inputs.dtype.kind == "i"
    return inputs.astype(np.uint16).astype(np.int64) if is_int else inputs


def small_are_zero(inputs: Any) -> Any:
    """Inputs below 1e-3 are noise."""
    if not isinstance(inputs, np.ndarray) or inputs.dtype.kind != "f":
        return inputs
    return np.where(np.abs(inputs) < 1e-3, 0, inputs)


def large_are_cut(inputs: Any) -> Any:
    """Inputs are within −3 and 3."""
    if not isinstance(inputs, np.ndarray) or not np.all(np.isfinite(inputs)):
        return inputs
    return np.clip(inputs, -3, 3) if inputs.dtype.kind == "f" else inputs


def booleans_of_masks(l: int, layer: Layer) -> Layer:
    """A mask is where it is not zero."""
    if layer.mask is None or np.asarray(layer.mask).dtype.kind not in "biuf":
        return layer
    return dataclasses.replace(layer, mask=np.asarray(layer.mask) != 0)


def own_booleans(l: int, layer: Layer) -> Layer:
    """A mask of a recurrence is where it is not zero."""
    if layer.recurrent_mask is None or np.asarray(layer.recurrent_mask).dtype.kind not in "biuf":
        return layer
    return dataclasses.replace(layer, recurrent_mask=np.asarray(layer.recurrent_mask) != 0)


def wrong_default(name: str, number: float) -> Wrong:
    value = Value(np.float64(number), UNITS[name])
    adapter = of_parameters(functools.partial(another_default, name, value))
    return Wrong(f"another_default_of_{name}", adapter, ("NET-1", *RUNS))


def wrong_scale(name: str) -> Wrong:
    adapter = of_parameters(functools.partial(scale_ignored, name))
    return Wrong(f"scale_of_{name}_ignored", adapter, ("NET-1", *RUNS))


def without_dt(name: str) -> Wrong:
    from reference.networks import KINDS

    adapter = kinds_with(**{name: neurons_without_dt(KINDS[name])})
    return Wrong(f"dt_ignored_by_{name}", adapter, ("NET-1", *RUNS))


DEFAULTS = {
    "tau": 10.0,
    "R": 100.0,
    "V_th": 20.0,
    "V_reset": -1.0,
    "V_rest": -0.5,
    "tau_a": 10.0,
    "beta": 1.6,
    "tau_s": 5.0,
    "omega": 0.1,
}

WRONG_READINGS = [
    *(wrong_default(name, number) for name, number in DEFAULTS.items()),
    *map(wrong_scale, (*DEFAULTS, "V_th_inf", "V_th_reset", "A1", "A2", "k1", "k2", "a", "b")),
    *map(without_dt, (*POINTS, "GIF", "cable")),
    Wrong("dt_is_one", misreading(dt_is_one), ("NET-1", *RUNS)),
    Wrong("dt_in_ms", misreading(dt_in_ms), ("NET-1", *RUNS)),
    Wrong("dt_of_32_bits", misreading(dt_of_32_bits), ("NUM-8", *RUNS)),
    Wrong(
        "tau_of_one_step",
        of_parameters(tau_of_one_step),
        ("NET-7", "TRACE", "LEARN", "NET", "OP", "NUM-8"),
    ),
    Wrong("mean_of_neurons", of_parameters(mean_of_neurons), ("NET-1", *RUNS)),
    Wrong("one_for_all_is_none", of_parameters(one_for_all), ("NET-1", *RUNS)),
    Wrong("fortran_as_c", of_arrays(fortran_as_c), ("NET-6", *RUNS)),
    Wrong("strides_as_c", of_arrays(strides_as_c), ("NET-6", *RUNS)),
    Wrong("bytes_as_here", of_arrays(native), ("NET-6", *RUNS)),
    Wrong("float32_in_half", of_arrays(of_half), ("NET-6", "NUM-8", "TRACE", "LEARN", "NET", "OP")),
    Wrong("integers_of_8_bits", of_inputs(integers_of_8_bits), ("NET-6", *RUNS)),
    Wrong("integers_without_sign", of_inputs(without_sign), ("NET-6", *RUNS)),
    Wrong(
        "small_inputs_are_zero",
        of_inputs(small_are_zero),
        ("NET-1", "NUM-8", "TRACE", "LEARN", "NET", "OP"),
    ),
    Wrong("large_inputs_are_cut", of_inputs(large_are_cut), ("NET-1", *RUNS)),
    Wrong(
        "masks_are_booleans",
        of_layers(booleans_of_masks),
        ("NET-6", "TRACE", "LEARN", "NET", "OP", "NUM-8"),
    ),
    Wrong("recurrent_masks_are_booleans", of_layers(own_booleans), ("LEARN-7", *RUNS)),
]
