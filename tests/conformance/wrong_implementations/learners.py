"""Wrong learning, with right traces."""

from __future__ import annotations

import dataclasses

import numpy as np

from conformance.protocol.problems import Learned
from reference import traces
from reference.learning import Learner
from reference.networks import FUNCTIONS, Model, mask_of

from .learning_bases import (
    LearningAdapter,
    learners_with,
    models_with,
    of_learners,
    traces_with,
)
from .wrong import Wrong


def signals_without_surrogate(self, steps, error):
    """c = ∂L/∂s, as if a spike were its input."""
    signals = Model.signals(self, steps, error)
    return [
        (np.where(step.neurons.q == 0, 0, c / np.where(step.neurons.q == 0, 1, step.neurons.q)), s)
        for step, (c, s) in zip(steps, signals, strict=True)
    ]


def signals_without_past(self, steps, error):
    """λ = 0."""
    return [(c, 0 * signal) for c, signal in Model.signals(self, steps, error)]


def signals_of_the_top(self, steps, error):
    signals = Model.signals(self, steps, error)
    return [(0 * c, 0 * signal) for c, signal in signals[:-1]] + signals[-1:]


def signs_as_feedback(self, steps, error):
    """The signs of the upper layer's weights in place of these."""
    signals = Model.signals(self, steps, error)
    if len(signals) == 1:
        return signals
    neurons = steps[0].neurons
    weight = np.transpose(self.weight(1, "weight"))
    g = signals[1][0] @ np.sign(weight)
    return [(g * neurons.q, g[..., np.newaxis] * neurons.S), *signals[1:]]


class SeesTheNextTrace(Learner):
    """λ meets ε(t), the trace being updated before it is used."""

    def add_gradients(self, steps, error):
        kept = {name: trace.trace for name, trace in self.traces.items() if hasattr(trace, "trace")}
        for l, operation in self.model.list_operations():
            trace = self.traces[f"{l}.{operation}"]
            operand, share = self.model.operands(steps[l], l, operation)
            if hasattr(trace, "trace"):
                neurons = steps[l].neurons
                trace.advance(neurons.D, neurons.F * share[..., np.newaxis], operand)
        super().add_gradients(steps, error)
        for name, trace in kept.items():
            self.traces[name].trace = trace


class NothingNew(traces.DRTRL):
    """λ ε(t−1) alone."""

    def gradient(self, x, c, signal):
        return super().gradient(x, 0 * c, signal)


class NotCorrected(traces.ESDRTRL):
    """Without 1 − α^t."""

    def gradient(self, x, c, signal):
        return super().gradient(x, c, signal) * (1 - self.decay ** (self.steps + 1))


class InputsOfTheStepBefore(traces.ESDRTRL):
    def gradient(self, x, c, signal):
        return super().gradient(0 * x, c, signal)


class CountsFromTwo(traces.ESDRTRL):
    """1 − α^(t+1)."""

    def gradient(self, x, c, signal):
        gradient = super().gradient(x, c, signal)
        t = self.steps + 1
        return gradient * (1 - self.decay**t) / (1 - self.decay ** (t + 1))


def mean_over_the_batch(self):
    return {name: g / self.model.batch for name, g in Learner.collect_gradients(self).items()}


def batch_summed_twice(self):
    return {name: g * self.model.batch for name, g in Learner.collect_gradients(self).items()}


def mean_over_time(self):
    return {name: g / len(self.steps) for name, g in Learner.collect_gradients(self).items()}


def readout_without_gradient(self):
    gradients = Learner.collect_gradients(self)
    return {name: 0 * g if name.startswith("readout") else g for name, g in gradients.items()}


def readout_bias_without_gradient(self):
    gradients = Learner.collect_gradients(self)
    return {name: 0 * g if name == "readout.bias" else g for name, g in gradients.items()}


def collect_with(pull):
    """Gradients that a function of layer, operation, weight and gradient makes of those of W."""

    def collect_gradients(self):
        gradients = Learner.collect_gradients(self)
        for l, operation in self.model.list_operations():
            name, layer = f"{l}.{operation}", self.model.network.layers[l]
            w = self.model.parameters[name]
            gradients[name] = pull(layer, operation, w, gradients[name], self.gradients[name])
        return gradients

    return collect_gradients


def mask_twice(layer, operation, w, gradient, of_W):
    return mask_of(layer, operation) * gradient


def gradient_without_mask(layer, operation, w, gradient, of_W):
    function = layer.weight_function if operation == "weight" else "identity"
    return FUNCTIONS[function][1](w) * of_W


def gradient_of_the_effective_weight(layer, operation, w, gradient, of_W):
    return of_W


def in_another_unit(self):
    """The gradients of what is in nA, per uA."""
    kinds = [layer.kind for layer in self.model.network.layers]
    gradients = Learner.collect_gradients(self)
    for name, g in gradients.items():
        if not name.startswith("readout") and kinds[int(name[0])] in ("GIF", "GIFTree", "cable"):
            gradients[name] = 1e3 * g
    return gradients


class Chunks(LearningAdapter):
    """A learner that is told the chunk length, as `chunked` has it."""

    chunked = Learner

    def learn(self, *arguments, chunk=1, learning_rate=None) -> Learned:
        self.learners = type("Chunked", (self.chunked,), {"chunk": chunk})
        try:
            return super().learn(*arguments, chunk=chunk, learning_rate=learning_rate)
        finally:
            del self.learners


class DropsTheOldTrace(Learner):
    """The first step of a chunk does not see the last one's trace."""

    chunk = 1

    def step(self, x, target=None, m=0.0):
        if self.chunk > 1 and self.steps and len(self.steps) % self.chunk == 0:
            self.make_traces()
        return super().step(x, target, m)


class FirstChunkAlone(Learner):
    """Nothing is learned from later chunks."""

    chunk = 1

    def step(self, x, target=None, m=0.0):
        if self.chunk > 1 and len(self.steps) >= self.chunk:
            return super().step(x, target, 0.0)
        return super().step(x, target, m)


def nothing_cleared(self):
    """A chunk's update is made with the gradient of all chunks."""
    if not hasattr(self, "gradients"):
        Learner.clear(self)


def traces_cleared(self):
    """An update makes the traces zero."""
    Learner.clear(self)
    self.make_traces()


def states_cleared(self):
    """An update makes the states what they were at first."""
    Learner.clear(self)
    self.model.reset()


def up_the_slope(self):
    """The negative of the gradient."""
    return {name: -g for name, g in Learner.collect_gradients(self).items()}


class LearningChangesStates(Learner):
    def step(self, x, target=None, m=0.0):
        loss = super().step(x, target, m)
        if target is not None:
            self.model.h = [0.999 * h for h in self.model.h]
        return loss


class LossesOfOneHalf(Learner):
    """The mean of the squares, not half their sum."""

    def step(self, x, target=None, m=0.0):
        return 2 * super().step(x, target, m) / (1 if target is None else target.size)


def accepting(**removed):
    """The adapter of networks of which something that must be refused is ignored."""

    def __init__(self, network, dt, batch):
        layers = network.layers
        if "lateral" in removed:
            layers = tuple(dataclasses.replace(layer, lateral=None) for layer in layers)
        others = {name: x for name, x in removed.items() if name != "lateral"}
        Model.__init__(self, dataclasses.replace(network, layers=layers, **others), dt, batch)

    return models_with(__init__=__init__)


class Fits(LearningAdapter):
    """What does not fit is broadcast."""

    def learn(self, network, inputs, targets, weights, dt, rule, **options):
        T, B, _ = np.shape(inputs)
        M = np.shape(network.readout)[1]
        targets = np.resize(targets, (T, B, M))
        weights = np.resize(weights, T)
        return super().learn(network, inputs, targets, weights, dt, rule, **options)


class NaNsAreZero(LearningAdapter):
    def learn(self, network, *arrays, **options):
        *arrays, dt, rule = arrays
        return super().learn(network, *map(np.nan_to_num, arrays), dt, rule, **options)


class AnyChunk(LearningAdapter):
    def learn(self, *arguments, chunk=1, learning_rate=None):
        chunk = max(1, int(chunk))
        return super().learn(*arguments, chunk=chunk, learning_rate=learning_rate)


def chunked(learner: type) -> type:
    return type(learner.__name__, (Chunks,), {"chunked": learner})


WRONG_LEARNERS = [
    Wrong(
        "signals_without_surrogate",
        models_with(signals=signals_without_surrogate),
        ("LEARN-1", "LEARN", "NUM-8"),
    ),
    Wrong(
        "signals_without_past",
        models_with(signals=signals_without_past),
        ("LEARN-1", "LEARN", "NUM-8"),
    ),
    Wrong("sees_the_next_trace", of_learners(SeesTheNextTrace), ("LEARN-2", "LEARN", "NUM-8")),
    Wrong("nothing_new", traces_with(NothingNew), ("LEARN-2", "LEARN", "NUM-8")),
    Wrong("not_corrected", traces_with(es_d_rtrl=NotCorrected), ("LEARN-3", "LEARN", "NUM-8")),
    Wrong(
        "inputs_of_the_step_before",
        traces_with(es_d_rtrl=InputsOfTheStepBefore),
        ("LEARN-3", "LEARN", "NUM-8"),
    ),
    Wrong(
        "mean_over_the_batch",
        learners_with(collect_gradients=mean_over_the_batch),
        ("LEARN-4", "LEARN", "NUM-8"),
    ),
    Wrong(
        "batch_summed_twice",
        learners_with(collect_gradients=batch_summed_twice),
        ("LEARN-4", "LEARN", "NUM-8"),
    ),
    Wrong(
        "mean_over_time",
        learners_with(collect_gradients=mean_over_time),
        ("LEARN-4", "LEARN", "NUM-8"),
    ),
    Wrong(
        "signals_of_the_top",
        models_with(signals=signals_of_the_top),
        ("LEARN-5", "LEARN-1", "LEARN-10"),
    ),
    Wrong(
        "signs_as_feedback",
        models_with(signals=signs_as_feedback),
        ("LEARN-5", "LEARN-1", "LEARN-10"),
    ),
    Wrong(
        "readout_without_gradient",
        learners_with(collect_gradients=readout_without_gradient),
        ("LEARN-6", "LEARN", "NUM-8"),
    ),
    Wrong(
        "readout_bias_without_gradient",
        learners_with(collect_gradients=readout_bias_without_gradient),
        ("LEARN-6", "LEARN", "NUM-8"),
    ),
    Wrong(
        "mask_twice",
        learners_with(collect_gradients=collect_with(mask_twice)),
        ("LEARN-7", "LEARN-10"),
    ),
    Wrong(
        "gradient_without_mask",
        learners_with(collect_gradients=collect_with(gradient_without_mask)),
        ("LEARN-7", "LEARN-10"),
    ),
    Wrong(
        "gradient_of_the_effective_weight",
        learners_with(collect_gradients=collect_with(gradient_of_the_effective_weight)),
        ("LEARN-7", "LEARN-10"),
    ),
    Wrong("counts_from_two", traces_with(es_d_rtrl=CountsFromTwo), ("LEARN-9", "LEARN", "NUM-8")),
    Wrong("drops_the_old_trace", chunked(DropsTheOldTrace), ("LEARN-10", "LEARN", "NUM-8")),
    Wrong("learns_from_the_first_chunk", chunked(FirstChunkAlone), ("LEARN-10", "LEARN", "NUM-8")),
    Wrong("gradients_of_all_chunks", learners_with(clear=nothing_cleared), ("LEARN-11",)),
    Wrong("updates_clear_traces", learners_with(clear=traces_cleared), ("LEARN-11",)),
    Wrong("updates_clear_states", learners_with(clear=states_cleared), ("LEARN-11",)),
    Wrong(
        "up_the_slope", learners_with(collect_gradients=up_the_slope), ("LEARN-2", "LEARN", "NUM-8")
    ),
    Wrong(
        "in_another_unit", learners_with(collect_gradients=in_another_unit), ("LEARN-12", "LEARN")
    ),
    Wrong(
        "learning_changes_states",
        of_learners(LearningChangesStates),
        ("LEARN-13", "LEARN", "NUM-8"),
    ),
    Wrong("losses_are_means", of_learners(LossesOfOneHalf), ("LEARN-13", "LEARN")),
    Wrong("accepts_lateral_paths", accepting(lateral=None), ("LEARN-14", "ERR-1")),
    Wrong("accepts_what_reaches_no_state", accepting(skip=None), ("LEARN-15", "ERR-1", "ERR-2")),
    Wrong("accepts_a_second_use", accepting(tied=False), ("LEARN-16", "ERR-1", "ERR-2")),
    Wrong("accepts_other_memory", accepting(output_decay=None), ("LEARN-17", "ERR-1")),
    Wrong("fits_what_does_not", Fits, ("LEARN-18", "ERR-1")),
    Wrong("nans_are_zero", NaNsAreZero, ("LEARN-18", "ERR-1")),
    Wrong("any_chunk", AnyChunk, ("LEARN-18", "ERR-1", "ERR-2")),
]
