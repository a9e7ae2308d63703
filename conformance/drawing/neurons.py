"""The parameters of a layer's neurons, in any scale, for each neuron or for all."""

from __future__ import annotations

import numpy as np

from conformance.drawing.populations import round_to
from conformance.plans.factors import LayerPlan
from conformance.protocol.implementation import Value
from conformance.protocol.problems import Layer
from conformance.translation.values import from_reference
from reference.gif import make_defaults
from reference.networks import KINDS, TABLE

__all__ = ["DRIVE", "all_parameters", "draw_parameters"]

DRIVE = {
    "leaky": (0.2, 1.0),
    "LRU": (0.2, 1.0),
    "LIF": (1.5, 4.0),
    "ALIF": (1.5, 4.0),
    "synapse_LIF": (0.5, 1.0),
    "GIF": (2.5, 4.0),
    "GIFTree": (2.5, 4.0),
    "cable": (0.01, 0.05),
}
"""By kind, mean and spread of the y that makes neurons spike, in the unit of y."""

_LIF = {
    "tau": ("ms", 4, 8),
    "R": ("ohm", 0.8, 1.2),
    "V_th": ("mV", 0.9, 1.1),
    "V_reset": ("mV", -0.3, 0.2),
    "V_rest": ("mV", -0.2, 0.2),
}
_GIF = {
    "tau": ("ms", 10, 20),
    "R": ("Mohm", 40, 80),
    "A1": ("nA", -2, -1),
    "A2": ("nA", 0, 0.5),
    "V_rest": ("mV", -72, -68),
    "V_th_inf": ("mV", -52, -48),
    "V_th_reset": ("mV", -55, -45),
    "V_reset": ("mV", -70, -60),
    "a": ("ms^-1", -0.01, 0.01),
    "b": ("ms^-1", 0.01, 0.03),
    "k1": ("ms^-1", 0.05, 0.2),
    "k2": ("ms^-1", 0.02, 0.1),
}
#: By kind, the unit and range of each parameter that is drawn.
_PARAMETERS = {
    "leaky": {"tau": ("ms", 4, 8)},
    "LRU": {"tau": ("ms", 4, 8), "omega": ("ms^-1", -1, 1)},
    "LIF": _LIF,
    "ALIF": {**_LIF, "tau_a": ("ms", 10, 30), "beta": ("mV", -0.3, 0.4)},
    "synapse_LIF": {**_LIF, "tau_s": ("ms", 2, 6)},
    "GIF": _GIF,
    "GIFTree": _GIF,
    "cable": {},
}
#: By unit, another of its dimension, and how many of that one it is.
_SCALES = {
    "ms": ("s", 1e-3),
    "ohm": ("kohm", 1e-3),
    "Mohm": ("Gohm", 1e-3),
    "mV": ("uV", 1e3),
    "nA": ("pA", 1e3),
    "ms^-1": ("Hz", 1e3),
}


def all_parameters(layer: Layer) -> dict[str, Value]:
    """The parameters of a layer's neurons that have a unit, those left to their defaults too."""
    if layer.kind in ("GIF", "GIFTree"):
        defaults = {
            name: from_reference(value)
            for name, value in make_defaults().items()
            if not isinstance(value, float)
        }
    else:
        names = KINDS[layer.kind].names
        defaults = {name: Value(np.float64(TABLE[name][1]), TABLE[name][0]) for name in names}
    return defaults | dict(layer.parameters)


def draw_parameters(
    rng: np.random.Generator, layer: LayerPlan, N: int, precision: int
) -> dict[str, Value]:
    """Draw the parameters of N neurons; those left out have their defaults."""
    ranges = dict(_PARAMETERS[layer.kind])
    if layer.parameters == "default":
        # The default R of a GIF neuron, 100 ohm, would leave it without any drive.
        ranges = {"R": ranges["R"]} if layer.kind in ("GIF", "GIFTree") else {}
    parameters = {}
    for name, (unit, low, high) in ranges.items():
        level = layer.parameters
        if level == "mixed":
            # Of some neurons' parameters one is given in each way; R drives a GIF neuron.
            level = str(rng.choice(["drawn", "scaled", "shared", "default"]))
            if level == "default" and name != "R":
                continue
        scale = 1.0
        if level == "scaled":
            unit, scale = _SCALES[unit]
        size = () if level == "shared" else (N,)
        array = round_to(scale * rng.uniform(low, high, size), precision)
        is_single = layer.parameters == "mixed" and rng.random() < 0.3
        parameters[name] = Value(array.astype(np.float32) if is_single else array, unit)
    return parameters
