"""Tasks: random networks of neurons that spike, with inputs, targets and weights of steps.

All numbers are drawn so that the implementation's precision holds them exactly. A task is drawn
again until the reference finds no comparison near equality, as NUM-8 says, and each population that
spikes does so in 5 to 60 % of its steps.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from conformance.implementation import Value
from conformance.populations import rounded
from conformance.problems import Layer, Network
from conformance.reference_networks import margin, to_reference_network
from conformance.reference_values import to_reference
from reference import Rule, learning_runs

KINDS = ("leaky", "LIF", "ALIF", "synapse_LIF", "GIF", "GIFTree", "cable")

#: Those that emit spikes.
SPIKING = KINDS[1:-1]

#: Those that emit a function of their state, which may recur element by element.
LOCAL = ("leaky", "LIF", "ALIF", "synapse_LIF", "cable")

RECURRENCES = [(kind, recurrence) for kind in KINDS for recurrence in ("none", "dense")]
RECURRENCES += [(kind, "element-wise") for kind in LOCAL]

#: Each kind below another and above one.
PAIRS = [(lower, upper) for lower, upper in zip(KINDS, (*KINDS[1:], KINDS[0]), strict=True)]

#: How many variables a neuron has.
VARIABLES = dict(zip(KINDS, (1, 1, 2, 2, 4, 4, 6), strict=True))

#: Mean and spread of y that make it spike.
_DRIVE = {
    "leaky": (0.2, 1.0),
    "LIF": (1.5, 4.0),
    "ALIF": (1.5, 4.0),
    "synapse_LIF": (0.5, 1.0),
    "GIF": (2.5, 4.0),
    "GIFTree": (2.5, 4.0),
    "cable": (0.01, 0.05),
}

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
    "V_th_reset": ("mV", -55, -45),
    "V_reset": ("mV", -70, -60),
    "a": ("ms^-1", -0.01, 0.01),
}
#: By kind, the unit and range of each parameter that is drawn, neuron by neuron.
_PARAMETERS = {
    "leaky": {"tau": ("ms", 4, 8)},
    "LIF": _LIF,
    "ALIF": {**_LIF, "tau_a": ("ms", 10, 30), "beta": ("mV", 0.1, 0.5)},
    "synapse_LIF": {**_LIF, "tau_s": ("ms", 2, 6)},
    "GIF": _GIF,
    "GIFTree": _GIF,
    "cable": {},
}


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """A network and what it is to learn; inputs and targets are bare arrays of float64."""

    network: Network
    inputs: np.ndarray  # (T, B, K)
    targets: np.ndarray  # (T, B, M)
    weights: np.ndarray  # (T,)
    dt: Value
    precision: int

    @property
    def given(self) -> tuple[Any, ...]:
        """The arguments of `learn` in front of the rule."""
        return self.network, self.inputs, self.targets, self.weights, self.dt

    @property
    def driven(self) -> tuple[Any, ...]:
        """The arguments of `traces` in front of the rule."""
        return self.network, self.inputs, self.dt

    def replace(self, **changes: Any) -> Task:
        """Another task, with attributes or fields of the network replaced."""
        own = {f.name for f in dataclasses.fields(self)}
        inside = {k: x for k, x in changes.items() if k not in own}
        changes = {k: x for k, x in changes.items() if k in own}
        network = dataclasses.replace(changes.pop("network", self.network), **inside)
        return dataclasses.replace(self, network=network, **changes)

    def with_layer(self, l: int = 0, **changes: Any) -> Task:
        """Another task, with fields of a layer replaced."""
        layers = list(self.network.layers)
        layers[l] = dataclasses.replace(layers[l], **changes)
        return self.replace(layers=tuple(layers))


def drawn_layer(
    rng: np.random.Generator,
    precision: int,
    kind: str,
    K: int,
    N: int,
    recurrence: str = "none",
    spread: float = 1.0,
    **fields: Any,
) -> Layer:
    """A layer of N neurons for K inputs of order 1; `spread` multiplies that of y."""
    parameters = {
        name: Value(rounded(rng.uniform(low, high, N), precision), unit)
        for name, (unit, low, high) in _PARAMETERS[kind].items()
    }
    mean, deviation = _DRIVE[kind]
    deviation *= spread
    weight = rounded(deviation * rng.normal(size=(K, N)) / np.sqrt(K), precision)
    bias = rounded(mean * rng.uniform(0.5, 1.5, N), precision)
    if recurrence != "none":
        shape = (N,) if recurrence == "element-wise" else (N, N)
        scale = 0.3 if kind == "leaky" else deviation
        recurrent = scale * rng.normal(size=shape) / np.sqrt(N)
        fields["recurrent"] = rounded(recurrent, precision)
    return Layer(kind, weight, bias, parameters=parameters, **fields)


def drawn(draw: Callable[[np.random.Generator], Task]) -> Task:
    """The first that may be judged."""
    for seed in range(200):
        task = draw(np.random.default_rng(seed))
        if margin(*task.driven) > 1e-4 and _is_lively(task):
            return task
    raise AssertionError("no task that may be judged was drawn")


def _is_lively(task: Task) -> bool:
    """Whether all layers spike, and all parameters have a gradient."""
    given = to_reference_network(task.network), *to_reference(task.given[1:])
    found = learning_runs.learn(*given, Rule("D-RTRL"))
    for layer, emitted in zip(task.network.layers, found.traced.emitted, strict=True):
        if layer.kind in SPIKING and not 0.05 <= emitted.mean() <= 0.6:
            return False
    return all(np.any(gradient) for gradient in found.gradients.values())


@functools.cache
def task(
    precision: int,
    kinds: Sequence[str],
    recurrence: str = "none",
    T: int = 12,
    B: int = 2,
    K: int = 3,
    sizes: Sequence[int] = (4, 3, 5),
    spread: float = 1.0,
    weight_function: str = "identity",
    masked: bool = False,
) -> Task:
    """A task of layers of these kinds, from the first up.

    `weight_function` and masks are the first layer's.
    """

    def draw(rng: np.random.Generator) -> Task:
        layers, below = [], K
        for kind, N in zip(kinds, sizes, strict=False):
            fields: dict[str, Any] = {}
            if not layers:
                fields["weight_function"] = weight_function
            if masked and not layers:
                fields["mask"] = rng.random((below, N)) < 0.7
                fields["recurrent_mask"] = np.where(np.eye(N), 0.0, rng.integers(1, 3, (N, N)))
            layers.append(drawn_layer(rng, precision, kind, below, N, recurrence, spread, **fields))
            below = N
        M = 2

        def normal(*shape: int) -> np.ndarray:
            return rounded(rng.normal(size=shape), precision)

        return Task(
            Network(tuple(layers), normal(below, M), normal(M)),
            normal(T, B, K),
            normal(T, B, M),
            rounded(rng.uniform(0.5, 1.5, T), precision),
            Value(np.float64(1.0), "ms"),
            precision,
        )

    return drawn(draw)


@functools.cache
def with_feedback(given: Task, decay: float = 0.0) -> Task:
    """The task with feedback weights, and a readout that is leaky where there is a decay."""
    shape = given.network.readout.shape
    feedback = rounded(np.random.default_rng(3).normal(size=shape), given.precision)
    return given.replace(feedback=feedback, readout_decay=decay)


def large(precision: int) -> Task:
    """One of 300 inputs and 200 neurons, in a batch of 16."""
    sizes = {"T": 6, "B": 16, "K": 300, "sizes": (200,), "spread": 6.0}
    return task(precision, ("ALIF",), "dense", **sizes)
