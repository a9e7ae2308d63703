"""Small networks whose neurons spike, for the tests of traces and learning."""

from __future__ import annotations

import dataclasses

import numpy as np

from conformance.drawing.neurons import DRIVE
from reference import Layer, Network, Quantity, networks
from reference.networks import make_neurons

DT = Quantity(np.float64(1.0), "ms")
KINDS = tuple(networks.KINDS)
RECURRENCES = [
    (kind, recurrence)
    for kind in KINDS
    for recurrence in (None, "dense", "element-wise")
    if recurrence != "element-wise" or not kind.startswith("GIF")
]
#: Those that emit a function of their state.
LOCAL = tuple(kind for kind in KINDS if networks.KINDS[kind].emission is not None)
SHARED = [(kind, "shared") for kind in LOCAL]


def neuron_parameters(kind, N, rng):
    """Parameters that differ from neuron to neuron."""
    if kind == "cable":
        return {}
    if kind.startswith("GIF"):
        return {
            "tau": Quantity(rng.uniform(10, 20, N), "ms"),
            "R": Quantity(rng.uniform(40, 80, N), "Mohm"),
            "A1": Quantity(rng.uniform(-2, -1, N), "nA"),
            "A2": Quantity(rng.uniform(0, 0.5, N), "nA"),
            "V_th_reset": Quantity(rng.uniform(-55, -45, N), "mV"),
            "V_reset": Quantity(rng.uniform(-70, -60, N), "mV"),
            "a": Quantity(rng.uniform(-0.01, 0.01, N), "ms^-1"),
        }
    parameters = {"tau": Quantity(rng.uniform(4, 8, N), "ms")}
    if kind == "LRU":
        parameters["omega"] = Quantity(rng.uniform(-1, 1, N), "ms^-1")
    elif kind != "leaky":
        parameters["R"] = Quantity(rng.uniform(0.8, 1.2, N), "ohm")
        parameters["V_reset"] = Quantity(rng.uniform(-0.3, 0.2, N), "mV")
        parameters["V_rest"] = Quantity(rng.uniform(-0.2, 0.2, N), "mV")
        parameters["V_th"] = Quantity(rng.uniform(0.9, 1.1, N), "mV")
    if kind == "ALIF":
        parameters["beta"] = Quantity(rng.uniform(0.1, 0.5, N), "mV")
        parameters["tau_a"] = Quantity(rng.uniform(10, 30, N), "ms")
    if kind == "synapse_LIF":
        parameters["tau_s"] = Quantity(rng.uniform(2, 6, N), "ms")
    return parameters


def random_layer(kind, K, N, rng, recurrence=None, **fields):
    """A layer for inputs of order 1; `recurrence`: None, "dense", "element-wise" or "shared".

    With the last, v and the bias are one number each, (1,) and ().
    """
    mean, spread = DRIVE[kind]
    weight = spread * rng.normal(size=(K, N)) / np.sqrt(K)
    if recurrence is not None:
        shape = {"element-wise": (N,), "dense": (N, N), "shared": (1,)}[recurrence]
        scale = 0.3 if kind in ("leaky", "LRU") else spread
        fields["recurrent"] = scale * rng.normal(size=shape) / np.sqrt(N)
    bias = mean * rng.uniform(0.5, 1.5, N)
    if recurrence == "shared":
        bias = np.array(np.mean(bias))
    return Layer(kind, weight, bias, parameters=neuron_parameters(kind, N, rng), **fields)


@dataclasses.dataclass
class Problem:
    """A network with inputs, targets and weights of steps."""

    network: Network
    inputs: np.ndarray
    targets: np.ndarray
    weights: np.ndarray

    @property
    def arguments(self):
        """The arguments of `learn` in front of the rule."""
        return self.network, self.inputs, self.targets, self.weights, DT

    def initial(self):
        """The first states."""
        return [
            make_neurons(layer.kind, layer.weight.shape[1], layer.parameters, 1.0).initial(
                self.inputs.shape[1]
            )
            for layer in self.network.layers
        ]


def problem_of(layers, rng, T=12, B=2, M=2, weights=None):
    """A problem of these layers, with a loss at every step."""
    N, K = layers[-1].weight.shape[1], layers[0].weight.shape[0]
    network = Network(tuple(layers), rng.normal(size=(N, M)), rng.normal(size=M))
    weights = rng.uniform(0.5, 1.5, T) if weights is None else weights
    return Problem(network, rng.normal(size=(T, B, K)), rng.normal(size=(T, B, M)), weights)


def single(kind, recurrence=None, seed=0, K=3, N=4, **options):
    """One layer."""
    rng = np.random.default_rng(seed)
    return problem_of([random_layer(kind, K, N, rng, recurrence)], rng, **options)


def stacked(kinds, recurrence=None, seed=0, K=3, sizes=(4, 3, 3), **options):
    """Several layers."""
    rng = np.random.default_rng(seed)
    layers = []
    for kind, N in zip(kinds, sizes, strict=False):
        layers.append(random_layer(kind, K, N, rng, recurrence))
        K = N
    return problem_of(layers, rng, **options)
