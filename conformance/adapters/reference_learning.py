"""The part of the reference's adapter for eligibility traces and learning."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

import reference
from conformance.implementation import Value
from conformance.problems import Learned, Network, Rule, Traced
from conformance.reference_values import to_reference
from reference import learning_runs


class ReferenceLearning:
    """`Traces` and `Learning` of `conformance.implementation`.

    The class attributes below are what the methods use; a subclass may replace them.
    """

    run_traces = staticmethod(learning_runs.run_traces)
    run_learning = staticmethod(learning_runs.learn)
    run_signals = staticmethod(learning_runs.learning_signals)

    def network(self, network: Network) -> reference.Network:
        """The reference's network."""
        layers = []
        for layer in network.layers:
            fields = {f.name: getattr(layer, f.name) for f in dataclasses.fields(layer)}
            fields["parameters"] = to_reference(dict(layer.parameters))
            layers.append(reference.Layer(**to_reference(fields)))
        fields = {f.name: getattr(network, f.name) for f in dataclasses.fields(network)}
        return reference.Network(**to_reference(fields | {"layers": tuple(layers)}))

    def rule(self, rule: Rule) -> reference.Rule:
        """The reference's rule."""
        return reference.Rule(rule.name, rule.decay_or_rank)

    def traces(
        self,
        network: Network,
        inputs: Any,
        dt: Value,
        rule: Rule,
        *,
        runs: Sequence[int] = (),
        reset: bool = False,
    ) -> Traced:
        options = {"runs": runs, "reset": reset}
        given = to_reference(inputs), to_reference(dt), self.rule(rule)
        return traced(self.run_traces(self.network(network), *given, **options))

    def learn(
        self,
        network: Network,
        inputs: Any,
        targets: Any,
        weights: Any,
        dt: Value,
        rule: Rule,
        *,
        chunk: Any = 1,
        learning_rate: float | None = None,
    ) -> Learned:
        given = [to_reference(x) for x in (inputs, targets, weights, dt)]
        options = {"chunk": chunk, "learning_rate": learning_rate}
        found = self.run_learning(self.network(network), *given, self.rule(rule), **options)
        return Learned(found.losses, found.gradients, found.parameters, traced(found.traced))

    def learning_signals(
        self, network: Network, inputs: Any, targets: Any, weights: Any, dt: Value
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        given = [to_reference(x) for x in (inputs, targets, weights, dt)]
        return self.run_signals(self.network(network), *given)


def traced(found: reference.Traced) -> Traced:
    """What a run leaves, as the protocol has it."""
    return Traced(found.hidden, found.emitted, found.outputs, found.traces)
