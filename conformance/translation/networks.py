"""The protocol's networks as the reference's, and rules."""

from __future__ import annotations

import dataclasses

import reference
from conformance.protocol.problems import Network, Rule
from conformance.translation.values import to_reference


def to_reference_network(network: Network) -> reference.Network:
    """The reference's network. Arrays are handed over uncopied."""
    layers = []
    for layer in network.layers:
        fields = {f.name: getattr(layer, f.name) for f in dataclasses.fields(layer)}
        fields["parameters"] = dict(layer.parameters)
        fields["operation"] = reference.Operation(**vars(layer.operation))
        layers.append(reference.Layer(**to_reference(fields)))
    fields = {f.name: getattr(network, f.name) for f in dataclasses.fields(network)}
    return reference.Network(**to_reference(fields | {"layers": tuple(layers)}))


def to_reference_rule(rule: Rule) -> reference.Rule:
    """The reference's rule."""
    fields = {f.name: getattr(rule, f.name) for f in dataclasses.fields(rule)}
    return reference.Rule(**fields)
