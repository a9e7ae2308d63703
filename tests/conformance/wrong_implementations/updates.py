"""Wrong updates and chunks; each is right in a run that only sums a gradient, or in a short one."""

from __future__ import annotations

import numpy as np

from reference.learning import Learner
from reference.networks import Model, pull_back

from .learning_bases import LearningAdapter, learners_with, of_learners, of_models
from .wrong import Wrong

UPDATES = ("LEARN-11", "NUM-8", "LEARN-7", "OP-8", "OP-9", "OP-11")


class PulledBackAtFirst(Learner):
    """∇W is pulled back at the first values of the parameters."""

    def __init__(self, model, rule):
        self.first = {name: w.copy() for name, w in model.parameters.items()}
        super().__init__(model, rule)

    def collect_gradients(self):
        gradients = dict(self.gradients)
        for l, operation in self.model.list_operations():
            name, layer = f"{l}.{operation}", self.model.network.layers[l]
            gradients[name] = pull_back(layer, operation, self.first[name], gradients[name])
        return gradients


class PulledBackAtOnce(Learner):
    """Each chunk's gradient is pulled back at the values before the last update."""

    def __init__(self, model, rule):
        self.before = dict(model.parameters)
        super().__init__(model, rule)

    def collect_gradients(self):
        gradients, before = dict(self.gradients), self.before
        for l, operation in self.model.list_operations():
            name, layer = f"{l}.{operation}", self.model.network.layers[l]
            gradients[name] = pull_back(layer, operation, before[name], gradients[name])
        self.before = dict(self.model.parameters)
        return gradients


class Kept(dict):
    """Parameters of which some are not updated."""

    def __init__(self, parameters, is_kept):
        super().__init__(parameters)
        self.is_kept = is_kept

    def __setitem__(self, name, value):
        if name not in self or not self.is_kept(name):
            super().__setitem__(name, value)


def keeping(is_kept):
    """The adapter of networks some of whose parameters no update changes."""

    class Keeping(Model):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            self.parameters = Kept(self.parameters, is_kept)

    return of_models(Keeping)


class Transforming(Model):
    """The weight of each layer is read when the network is made, not in each step."""

    def weight(self, l, operation):
        if not hasattr(self, "read"):
            self.read = {}
        if (l, operation) not in self.read:
            self.read[l, operation] = super().weight(l, operation)
        return self.read[l, operation]


class OldReadout(Model):
    """The signals come through the readout that there was at first."""

    def feedback_weights(self):
        if not hasattr(self, "readout"):
            self.readout = self.parameters["readout.weight"].copy()
        return self.readout


class Told(LearningAdapter):
    """An adapter whose `changed` makes other options of those of `learn`."""

    def learn(self, network, inputs, *arguments, chunk=1, learning_rate=None):
        T = np.shape(inputs)[0] if np.ndim(inputs) == 3 else 1
        is_length = type(chunk) is int and chunk >= 1
        if is_length:
            chunk, learning_rate = self.changed(T, chunk, learning_rate)
        return super().learn(network, inputs, *arguments, chunk=chunk, learning_rate=learning_rate)


def told(changed):
    """The adapter whose options a function of T, chunk and learning rate makes."""
    return type("Changed", (Told,), {"changed": staticmethod(changed)})


def none_for_zero(T, chunk, rate):
    """η = 0 is no learning: the gradient is that of all steps."""
    return chunk, rate or None


def length_that_divides(T, chunk, rate):
    """A chunk is the next length that divides T."""
    while T % chunk:
        chunk += 1
        if chunk > T:
            return max(T, 1), rate
    return chunk, rate


def no_longer_than_half(T, chunk, rate):
    """A chunk that is longer than T is half of it."""
    return (max(T // 2, 1) if chunk > T else chunk), rate


def one_by_one(T, chunk, rate):
    """A chunk that is longer than T is of one step."""
    return (1 if chunk > T else chunk), rate


def positive(T, chunk, rate):
    """η has a least value."""
    return chunk, rate if rate is None else max(rate, 1e-2)


def ten_at_most(T, chunk, rate):
    """Chunks have ten steps at the most."""
    return min(chunk, 10), rate


class LastChunkDropped(LearningAdapter):
    """What T leaves of the last chunk makes no update."""

    def learn(self, network, inputs, *arguments, chunk=1, learning_rate=None):
        T = len(inputs)
        drops = learning_rate is not None and type(chunk) is int and 1 <= chunk < T and T % chunk
        learned = super().learn(
            network, inputs, *arguments, chunk=chunk, learning_rate=learning_rate
        )
        if drops:
            for name, gradient in learned.gradients.items():
                learned.parameters[name] = learned.parameters[name] + learning_rate * gradient
        return learned


class AbsoluteWeights(Learner):
    """A step's weight counts by its size."""

    def step(self, x, target=None, m=0.0):
        return super().step(x, target, abs(m))


class NoTraceWithoutWeight(Learner):
    """A step of weight 0 is none for traces."""

    def advance(self, steps):
        if not self.is_idle:
            super().advance(steps)

    def step(self, x, target=None, m=0.0):
        self.is_idle = target is not None and m == 0
        return super().step(x, target, m)


class StopsAtZero(Learner):
    """A step of weight 0 is not made again in a run that learns: the states stay."""

    def step(self, x, target=None, m=0.0):
        before = self.model.h
        loss = super().step(x, target, m)
        if target is not None and m == 0:
            self.model.h = before
        return loss


def rounded_gradients(self):
    """Gradients below 1e-6 are 0."""
    return {n: np.where(np.abs(g) < 1e-6, 0, g) for n, g in Learner.collect_gradients(self).items()}


def clipped_gradients(self):
    """Gradients are within −10 and 10."""
    return {name: np.clip(g, -10, 10) for name, g in Learner.collect_gradients(self).items()}


def updates_without_mask(self):
    """∇w of a masked recurrence is ∇W."""
    gradients = Learner.collect_gradients(self)
    for l, operation in self.model.list_operations():
        if operation == "recurrent":
            gradients[f"{l}.recurrent"] = self.gradients[f"{l}.recurrent"]
    return gradients


WRONG_UPDATES = [
    Wrong("pulled_back_at_first", of_learners(PulledBackAtFirst), UPDATES),
    Wrong("pulled_back_a_chunk_late", of_learners(PulledBackAtOnce), UPDATES),
    Wrong("upper_layers_stay", keeping(lambda name: name[0] in "123"), UPDATES),
    Wrong("biases_stay", keeping(lambda name: name.endswith(".bias") and name[0] != "r"), UPDATES),
    Wrong("readouts_stay", keeping(lambda name: name.startswith("readout")), UPDATES),
    Wrong("readout_bias_stays", keeping(lambda name: name == "readout.bias"), UPDATES),
    Wrong("recurrences_stay", keeping(lambda name: name.endswith("recurrent")), UPDATES),
    Wrong("weights_read_once", of_models(Transforming), UPDATES),
    Wrong("signals_through_the_first_readout", of_models(OldReadout), UPDATES),
    Wrong("no_rate_for_zero", told(none_for_zero), UPDATES),
    Wrong("chunks_that_divide", told(length_that_divides), UPDATES),
    Wrong("long_chunks_halved", told(no_longer_than_half), UPDATES),
    Wrong("long_chunks_are_steps", told(one_by_one), UPDATES),
    Wrong("rates_from_one_percent", told(positive), UPDATES),
    Wrong("chunks_to_ten", told(ten_at_most), UPDATES),
    Wrong("last_chunk_dropped", LastChunkDropped, UPDATES),
    Wrong(
        "absolute_step_weights", of_learners(AbsoluteWeights), ("LEARN-13", "LEARN", "OP", "NUM-8")
    ),
    Wrong(
        "no_trace_without_weight",
        of_learners(NoTraceWithoutWeight),
        ("TRACE-2", "LEARN", "OP", "TRACE", "NUM-8"),
    ),
    Wrong("states_stay_at_zero", of_learners(StopsAtZero), ("LEARN-13", "LEARN", "OP", "NUM-8")),
    Wrong(
        "small_gradients_are_zero",
        learners_with(collect_gradients=rounded_gradients),
        ("LEARN", "NUM-8", "TRACE-6", "OP"),
    ),
    Wrong(
        "clipped_gradients",
        learners_with(collect_gradients=clipped_gradients),
        ("LEARN-2", "NUM-8", "LEARN", "OP"),
    ),
    Wrong(
        "recurrences_without_mask",
        learners_with(collect_gradients=updates_without_mask),
        ("LEARN-7", "LEARN", "OP"),
    ),
]
