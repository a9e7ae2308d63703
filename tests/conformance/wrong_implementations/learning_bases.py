"""What wrong learners are made of: the reference's adapter and its parts."""

from __future__ import annotations

from typing import Any, ClassVar

from conformance.adapters.reference_learning import ReferenceLearning
from conformance.protocol.claims import KINDS as NEURONS
from reference import traces
from reference.learning import Learner
from reference.networks import KINDS, LayerStep, Model


class LearningAdapter(ReferenceLearning):
    """Traces and learning alone."""

    precision = 64
    capabilities = frozenset({"traces", "learning"})
    claims: ClassVar = {"kinds": frozenset(NEURONS)}


def further(capability: str, **fields: Any) -> type:
    """The adapter of one further rule, with other parts or methods."""
    attributes = {"capabilities": frozenset({capability})} | fields
    return type("Further", (LearningAdapter,), attributes)


def of_models(models: type[Model]) -> type:
    """The adapter of these networks."""
    return type(models.__name__, (LearningAdapter,), {"models": models})


def of_learners(learners: type[Learner]) -> type:
    """The adapter of these learners."""
    return type(learners.__name__, (LearningAdapter,), {"learners": learners})


def models_with(**methods: Any) -> type:
    """The adapter of networks with other methods."""
    return of_models(type("Other", (Model,), methods))


def learners_with(**methods: Any) -> type:
    """The adapter of learners with other methods."""
    return of_learners(type("Other", (Learner,), methods))


def layers_with(change: Any) -> type:
    """The adapter of networks whose steps a function of kind and step changes."""

    def layer_step(self: Model, l: int, x: Any) -> LayerStep:
        step = Model.layer_step(self, l, x)
        kind = self.network.layers[l].kind
        return step._replace(neurons=change(kind, step.neurons))

    return models_with(layer_step=layer_step)


def kinds_with(**kinds: type) -> type:
    """The adapter of networks with other neurons of some kinds."""

    def make_neurons(kind: str, size: int, parameters: Any, dt: float) -> Any:
        return (KINDS | kinds)[kind](size, parameters, dt)

    return models_with(make_neurons=staticmethod(make_neurons))


def traces_with(d_rtrl: type = traces.DRTRL, es_d_rtrl: type = traces.ESDRTRL) -> type:
    """The adapter of learners with other traces."""

    def make_trace(name: str, decay_or_rank: Any, *shape: int) -> Any:
        trace = Learner.make_trace(name, decay_or_rank, *shape)
        if name == "D-RTRL":
            return d_rtrl(*shape)
        return es_d_rtrl(*shape, (trace.input_decay, trace.decay))

    return learners_with(make_trace=staticmethod(make_trace))
