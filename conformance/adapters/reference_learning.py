"""The part of the reference's adapter for eligibility traces and learning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import reference
from conformance.implementation import Value
from conformance.problems import Learned, Network, Rule, Traced
from conformance.reference_networks import to_reference_network
from conformance.reference_values import to_reference
from reference import learning, learning_runs, network_step


class ReferenceLearning:
    """`Traces` and `Learning` of `conformance.implementation`.

    The class attributes below are what the methods use; a subclass may replace them.
    """

    models = network_step.Model
    learners = learning.Learner

    @property
    def parts(self) -> learning_runs.Parts:
        """What runs are made of."""
        return learning_runs.Parts(self.models, self.learners)

    def network(self, network: Network) -> reference.Network:
        """The reference's network."""
        return to_reference_network(network)

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
        options = {"runs": runs, "reset": reset, "parts": self.parts}
        given = to_reference(inputs), to_reference(dt), self.rule(rule)
        return traced(learning_runs.run_traces(self.network(network), *given, **options))

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
        options = {"chunk": chunk, "learning_rate": learning_rate, "parts": self.parts}
        given = self.network(network), *given, self.rule(rule)
        found = learning_runs.learn(*given, **options)
        return Learned(found.losses, found.gradients, found.parameters, traced(found.traced))

    def learning_signals(
        self, network: Network, inputs: Any, targets: Any, weights: Any, dt: Value
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        given = [to_reference(x) for x in (inputs, targets, weights, dt)]
        return learning_runs.learning_signals(self.network(network), *given, self.parts)


def traced(found: reference.Traced) -> Traced:
    """What a run leaves, as the protocol has it."""
    return Traced(found.hidden, found.emitted, found.outputs, found.traces)
