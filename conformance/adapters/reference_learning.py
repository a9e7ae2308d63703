"""The part of the reference's adapter for eligibility traces and learning."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

import reference
from conformance.protocol.implementation import Value
from conformance.protocol.problems import Learned, LearnedTrials, Network, Rule, Traced
from conformance.translation.networks import to_reference_network, to_reference_rule
from conformance.translation.values import to_reference
from reference import learning, networks


class ReferenceLearning:
    """`Traces`, `Learning` and the further rules of `conformance.protocol.implementation`.

    The class attributes below are what the methods use; a subclass may replace them.
    """

    models = networks.Model
    learners = learning.Learner
    full_learners = learning.FullLearner
    reward_learners = learning.ThreeFactor

    @property
    def components(self) -> learning.Components:
        """The classes that runs use."""
        classes = self.models, self.learners, self.full_learners, self.reward_learners
        return learning.Components(*classes)

    def network(self, network: Network) -> reference.Network:
        """The reference's network."""
        return to_reference_network(network)

    def rule(self, rule: Rule) -> reference.Rule:
        """The reference's rule."""
        return to_reference_rule(rule)

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
        options = {"runs": runs, "reset": reset, "components": self.components}
        arguments = to_reference(inputs), to_reference(dt), self.rule(rule)
        return to_traced(learning.run_traces(self.network(network), *arguments, **options))

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
        arguments = [to_reference(x) for x in (inputs, targets, weights, dt)]
        options = {"chunk": chunk, "learning_rate": learning_rate, "components": self.components}
        arguments = self.network(network), *arguments, self.rule(rule)
        return to_learned(learning.learn(*arguments, **options))

    def reinforce(
        self,
        network: Network,
        inputs: Any,
        rewards: Any,
        dt: Value,
        rule: Rule,
        *,
        chunk: Any = 1,
        learning_rate: float | None = None,
    ) -> Learned:
        arguments = [to_reference(x) for x in (inputs, rewards, dt)]
        options = {"chunk": chunk, "learning_rate": learning_rate, "components": self.components}
        arguments = self.network(network), *arguments, self.rule(rule)
        return to_learned(learning.reinforce(*arguments, **options))

    def learn_trials(
        self,
        network: Network,
        inputs: Any,
        targets: Any,
        weights: Any,
        lengths: Any,
        dt: Value,
        rule: Rule,
        *,
        chunk: Any = 1,
    ) -> LearnedTrials:
        arguments = [to_reference(x) for x in (inputs, targets, weights, lengths, dt)]
        options = {"chunk": chunk, "components": self.components}
        arguments = self.network(network), *arguments, self.rule(rule)
        learned = learning.learn_trials(*arguments, **options)
        return LearnedTrials(*(getattr(learned, f.name) for f in dataclasses.fields(LearnedTrials)))

    def learning_signals(
        self, network: Network, inputs: Any, targets: Any, weights: Any, dt: Value
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        arguments = [to_reference(x) for x in (inputs, targets, weights, dt)]
        return learning.learning_signals(self.network(network), *arguments, self.components)


def to_traced(run: reference.Traced) -> Traced:
    """Convert the result of a run to the protocol's."""
    return Traced(run.hidden, run.emitted, run.outputs, run.traces)


def to_learned(run: reference.Learned) -> Learned:
    """Convert the result of learning to the protocol's."""
    return Learned(run.losses, run.gradients, run.parameters, to_traced(run.traced))
