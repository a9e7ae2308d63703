"""What is right for the sizes that suites like, and wrong for others: long, wide, or of one."""

from __future__ import annotations

import numpy as np

from reference import traces
from reference.learning import Learner
from reference.networks import Model

from .learning_bases import (
    LearningAdapter,
    learners_with,
    models_with,
    of_learners,
    of_models,
    traces_with,
)
from .reading_bases import RUNS
from .wrong import Wrong

SIGNALS = ("LEARN", "OP", "NUM-8")
#: A step after which something goes wrong.
LONG = 40
#: A size beyond which something goes wrong.
WIDE = 20


class TracesEnd(traces.DRTRL):
    """After 40 steps traces only decay."""

    steps = 0

    def advance(self, D, F, x):
        self.steps += 1
        super().advance(D, F if self.steps <= LONG else 0 * F, x)


class TracesRestart(traces.DRTRL):
    """Each 64 steps a trace begins anew."""

    steps = 0

    def advance(self, D, F, x):
        self.steps += 1
        if self.steps % 64 == 0:
            self.trace = np.zeros_like(self.trace)
        super().advance(D, F, x)


class InputsOf32Bits(traces.ESDRTRL):
    """ε_x is kept in 32 bits after 40 steps."""

    def advance(self, D, F, x):
        super().advance(D, F, x)
        if self.steps > LONG:
            self.inputs = self.inputs.astype(np.float32).astype(float)


class NotCorrectedLate(traces.ESDRTRL):
    """1 − α^t is 1 after 20 steps."""

    def gradient(self, x, c, signal):
        t = self.steps + 1
        factor = 1 - self.decay**t if t > WIDE else 1.0
        return super().gradient(x, c, signal) * factor


class CountStops(traces.ESDRTRL):
    """t counts to 32."""

    def gradient(self, x, c, signal):
        steps = self.steps
        self.steps = min(steps, 31)
        gradient = super().gradient(x, c, signal)
        self.steps = steps
        return gradient


class StatesDrift(Model):
    """After 40 steps states are rounded to 32 bits."""

    steps = 0

    def step(self, x):
        step = super().step(x)
        self.steps += 1
        if self.steps > LONG:
            self.h = [h.astype(np.float32).astype(float) for h in self.h]
        return step


class LastStepsDropped(Learner):
    """Errors after 50 steps count for nothing."""

    def add_gradients(self, steps, error):
        super().add_gradients(steps, error if len(self.steps) < 50 else 0 * error)


def batch_of_one(self, steps, error):
    """A batch of one is squeezed: its λ meets no trace."""
    signals = Model.signals(self, steps, error)
    if self.batch > 1:
        return signals
    return [(c, 0 * signal) for c, signal in signals]


def one_output(self, steps, error):
    """One output is squeezed: each neuron is told the sum over the readout's weights."""
    if error.shape[1] > 1:
        return Model.signals(self, steps, error)
    weight = self.parameters["readout.weight"]
    same = np.full(weight.shape, weight.mean())
    original, self.feedback_weights = self.feedback_weights, lambda: same
    try:
        return Model.signals(self, steps, error)
    finally:
        self.feedback_weights = original


class OneInput(traces.DRTRL):
    """Of one input, a trace is that of a bias."""

    def advance(self, D, F, x):
        _, K, _ = self.entries.sizes
        super().advance(D, F, np.ones_like(x) if K == 1 else x)


class OneInputES(traces.ESDRTRL):
    def advance(self, D, F, x):
        _, K, _ = self.entries.sizes
        super().advance(D, F, np.ones_like(x) if K == 1 else x)


class OneNeuron(traces.DRTRL):
    """D of one neuron is taken for a number: its first entry."""

    def advance(self, D, F, x):
        if D.shape[1] == 1 and D.shape[-1] > 1:
            D = D[..., :1, :1] * np.eye(D.shape[-1])
        super().advance(D, F, x)


class WideInputs(traces.DRTRL):
    """Inputs beyond the twentieth leave no trace."""

    def advance(self, D, F, x):
        _, K, _ = self.entries.sizes
        super().advance(D, F, np.where(np.arange(K) < WIDE, x, 0))


class WideInputsES(traces.ESDRTRL):
    def advance(self, D, F, x):
        _, K, _ = self.entries.sizes
        super().advance(D, F, np.where(np.arange(K) < WIDE, x, 0))


def wide_layers(self, l, x):
    """Neurons beyond the twentieth have the derivatives of the twentieth."""
    after = Model.layer_step(self, l, x)
    step, N = after.neurons, after.neurons.s.shape[1]
    if N <= WIDE:
        return after
    at = np.minimum(np.arange(N), WIDE - 1)
    return after._replace(neurons=step._replace(D=step.D[:, at].copy(), F=step.F[:, at].copy()))


def wide_batches(self):
    """Gradients of a batch larger than eight are of eight members' mean."""
    gradients, B = Learner.collect_gradients(self), self.model.batch
    return {name: g * (8 / B if B > 8 else 1) for name, g in gradients.items()}


def wide_outputs(self):
    """Of more than eight outputs, the bias learns for eight."""
    gradients = Learner.collect_gradients(self)
    if "readout.bias" in gradients:
        bias = gradients["readout.bias"]
        gradients["readout.bias"] = np.where(np.arange(bias.size) < 8, bias, 0.0)
    return gradients


class NeedsBiases(Model):
    """A layer without a bias has one that is updated: where it is missing, y is 1e-3 more."""

    def weight(self, l, operation):
        weight = super().weight(l, operation)
        is_phantom = operation == "bias" and self.network.layers[l].bias is None
        return weight + 1e-3 if is_phantom else weight


class NeedsReadoutBias(Learner):
    """Without a bias of the readout, its weight does not learn."""

    def collect_gradients(self):
        gradients = super().collect_gradients()
        if "readout.bias" not in gradients:
            gradients["readout.weight"] = 0 * gradients["readout.weight"]
        return gradients


class CrashesWithoutBias(LearningAdapter):
    """A network some of whose layers have a bias, and others not, ends in a crash."""

    def traces(self, network, *arguments, **options):
        _crash(network)
        return super().traces(network, *arguments, **options)

    def learn(self, network, *arguments, **options):
        _crash(network)
        return super().learn(network, *arguments, **options)


def _crash(network):
    if len({layer.bias is None for layer in network.layers}) > 1:
        raise TypeError("NoneType has no shape")


def odd_batches(self):
    """An odd batch loses a part of its last member."""
    gradients, B = Learner.collect_gradients(self), self.model.batch
    share = 1 - 1 / B if B > 2 and B % 2 else 1.0
    return {name: share * g for name, g in gradients.items()}


WRONG_SIZES = [
    Wrong("traces_end", traces_with(TracesEnd), ("TRACE-3", *RUNS)),
    Wrong("traces_restart", traces_with(TracesRestart), ("TRACE-3", *RUNS)),
    Wrong("late_inputs_of_32_bits", traces_with(es_d_rtrl=InputsOf32Bits), ("NUM-8", *RUNS)),
    Wrong(
        "not_corrected_late",
        traces_with(es_d_rtrl=NotCorrectedLate),
        ("LEARN-3", "TRACE-6", *SIGNALS),
    ),
    Wrong("counts_to_32", traces_with(es_d_rtrl=CountStops), ("LEARN-3", "TRACE-6", *SIGNALS)),
    Wrong("states_drift", of_models(StatesDrift), ("NUM-8", *RUNS)),
    Wrong("late_steps_dropped", of_learners(LastStepsDropped), ("LEARN-2", *SIGNALS)),
    Wrong("batch_of_one_squeezed", models_with(signals=batch_of_one), ("LEARN-1", *SIGNALS)),
    Wrong("one_output_squeezed", models_with(signals=one_output), ("LEARN-1", *SIGNALS)),
    Wrong("one_input_is_a_bias", traces_with(OneInput, OneInputES), ("TRACE-3", *RUNS)),
    Wrong("one_neuron_squeezed", traces_with(OneNeuron), ("TRACE-3", *RUNS)),
    Wrong("twenty_inputs", traces_with(WideInputs, WideInputsES), ("TRACE-3", *RUNS)),
    Wrong("twenty_neurons", models_with(layer_step=wide_layers), ("TRACE-2", *RUNS)),
    Wrong("batch_of_eight", learners_with(collect_gradients=wide_batches), ("LEARN-4", *SIGNALS)),
    Wrong("eight_outputs", learners_with(collect_gradients=wide_outputs), ("LEARN-6", *SIGNALS)),
    Wrong("phantom_biases", of_models(NeedsBiases), ("NET-1", *RUNS)),
    Wrong("readout_needs_its_bias", of_learners(NeedsReadoutBias), ("LEARN-6", *SIGNALS)),
    Wrong("crashes_without_bias", CrashesWithoutBias, ("NET-2", *RUNS)),
    Wrong("odd_batches", learners_with(collect_gradients=odd_batches), ("LEARN-4", *SIGNALS)),
]
