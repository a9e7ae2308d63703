"""Wrong shared weights (OP-14), with all else right."""

from __future__ import annotations

from typing import Any

import numpy as np

from reference import traces
from reference.learning import Learner
from reference.networks import Model

from .learning_bases import learners_with, models_with, traces_with
from .operations import trained
from .wrong import Wrong


def is_shared(model: Model, name: str) -> bool:
    """Whether a parameter is one number for several neurons."""
    entries = model.entries[name]
    return entries.is_one and entries.sizes[0] == 1 and entries.sizes[2] > 1


def collect_with(change: Any) -> Any:
    """Gradients of shared weights that a function makes of them and the number of neurons."""

    def collect_gradients(self):
        gradients = Learner.collect_gradients(self)
        for name, entries in self.model.entries.items():
            if is_shared(self.model, name):
                gradients[name] = change(gradients[name], entries.sizes[2])
        return gradients

    return collect_gradients


class OfFirstNeuron(traces.DRTRL):
    """The gradient is that of the first neuron's entry."""

    def gradient(self, z, c, signal):
        if self.entries.is_one and self.entries.sizes[0] == 1:
            c, signal = c.copy(), signal.copy()
            c[:, 1:], signal[:, 1:] = 0, 0
        return super().gradient(z, c, signal)


class OneTrace(traces.DRTRL):
    """A shared weight has one trace, the mean over its neurons."""

    def advance(self, D, F, z):
        super().advance(D, F, z)
        if self.entries.is_one and self.entries.sizes[0] == 1:
            self.trace[:] = self.trace.mean(axis=1, keepdims=True)


class OneFactor(traces.ESDRTRL):
    """A shared weight has one ε_f, the mean over its neurons."""

    def advance(self, D, F, z):
        super().advance(D, F, z)
        if self.entries.is_one and self.entries.sizes[0] == 1:
            self.factor[:] = self.factor.mean(axis=1, keepdims=True)


def with_an_axis(self, *arguments, **options):
    """A shared weight of shape () becomes one of shape (1,)."""
    Model.__init__(self, *arguments, **options)
    self.parameters = {name: np.atleast_1d(w) for name, w in self.parameters.items()}


#: A convolution of one channel has a bias of one number, too, whose clauses are these.
OF_ONE_CHANNEL = ("OP-6", "OP-7", "OP-8", "OP-9")

WRONG_SHARED_WEIGHTS = [
    Wrong(
        "shared_gradient_is_a_mean",
        trained(learners_with(collect_gradients=collect_with(lambda gradients, N: gradients / N))),
        ("OP-14", *OF_ONE_CHANNEL),
    ),
    Wrong(
        "shared_gradient_of_the_first",
        trained(traces_with(OfFirstNeuron)),
        ("OP-14", *OF_ONE_CHANNEL),
    ),
    Wrong(
        "shared_trace_is_a_mean",
        trained(traces_with(OneTrace)),
        ("OP-14", "LEARN-8", *OF_ONE_CHANNEL),
    ),
    Wrong(
        "shared_factor_is_a_mean",
        trained(traces_with(es_d_rtrl=OneFactor)),
        ("OP-14", *OF_ONE_CHANNEL),
    ),
    Wrong("shared_with_an_axis", trained(models_with(__init__=with_an_axis)), ("OP-14", "LEARN-8")),
]
