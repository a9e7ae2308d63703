"""Adapters that misread what they are given, and hand the rest to the reference's."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.protocol.implementation import Value
from conformance.protocol.problems import Layer, Network

from .learning_bases import LearningAdapter

#: Clauses that fail with a wrong step of neurons.
RUNS = ("TRACE", "LEARN", "NET", "OP", "NUM-8")


class Misreading(LearningAdapter):
    """The reference, given what `read` makes of a network, its inputs and dt."""

    read: Callable[..., tuple[Network, Any, Value]]

    def traces(self, network, inputs, dt, rule, **options):
        return super().traces(*type(self).read(network, inputs, dt), rule, **options)

    def learn(self, network, inputs, targets, weights, dt, rule, **options):
        network, inputs, dt = type(self).read(network, inputs, dt)
        return super().learn(network, inputs, targets, weights, dt, rule, **options)

    def learning_signals(self, network, inputs, targets, weights, dt):
        network, inputs, dt = type(self).read(network, inputs, dt)
        return super().learning_signals(network, inputs, targets, weights, dt)


def misreading(read: Callable[..., tuple[Network, Any, Value]], *capabilities: str) -> type:
    """The adapter that reads a network, inputs and dt with a function."""
    claimed = LearningAdapter.capabilities | set(capabilities)
    fields = {"read": staticmethod(read), "capabilities": frozenset(claimed)}
    return type("Misread", (Misreading,), fields)


def of_layers(change: Callable[[int, Layer], Layer], *capabilities: str) -> type:
    """The adapter that reads each layer, with its number, with a function."""

    def read(network: Network, inputs: Any, dt: Value) -> tuple[Network, Any, Value]:
        layers = tuple(change(l, layer) for l, layer in enumerate(network.layers))
        return dataclasses.replace(network, layers=layers), inputs, dt

    return misreading(read, *capabilities)


def of_parameters(change: Callable[[str, dict[str, Any]], dict[str, Any]]) -> type:
    """The adapter that reads the parameters of a kind of neurons with a function."""

    def of_layer(l: int, layer: Layer) -> Layer:
        return dataclasses.replace(layer, parameters=change(layer.kind, dict(layer.parameters)))

    return of_layers(of_layer)


def of_inputs(change: Callable[[Any], Any]) -> type:
    """The adapter that reads inputs with a function."""
    return misreading(lambda network, inputs, dt: (network, change(inputs), dt))


def of_arrays(change: Callable[[np.ndarray], np.ndarray]) -> type:
    """The adapter that reads all arrays of a network, and inputs, with a function."""

    def of(value: Any) -> Any:
        return change(value) if isinstance(value, np.ndarray) else value

    def read(network: Network, inputs: Any, dt: Value) -> tuple[Network, Any, Value]:
        layers = tuple(
            dataclasses.replace(layer, **{name: of(x) for name, x in vars(layer).items()})
            for layer in network.layers
        )
        fields = {name: of(x) for name, x in vars(network).items()} | {"layers": layers}
        return dataclasses.replace(network, **fields), of(inputs), dt

    return misreading(read)
