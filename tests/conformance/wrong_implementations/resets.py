"""What a reset forgets to reset; each is right for one dense layer."""

from __future__ import annotations

from conformance.adapters.reference_learning import ReferenceLearning
from reference.learning import Learner, ThreeFactor
from reference.networks import FilteredNeurons, Model

from .learning_bases import LearningAdapter, learners_with, models_with
from .wrong import Wrong

RESETS = ("TRACE-8", "TRACE", "NET", "OP", "LEARN-8")


def keeping(part):
    """The adapter of networks of which a reset keeps what a function takes and puts back."""

    def reset(self):
        kept = part(self) if hasattr(self, "h") else None
        Model.reset(self)
        if kept is not None:
            kept()

    return models_with(reset=reset)


def emissions(model):
    """Of all layers: a recurrence sees what was emitted before."""
    before = [s.copy() for s in model.s]

    def put_back():
        model.s = before

    return put_back


def upper_states(model):
    before = [h.copy() for h in model.h]

    def put_back():
        model.h[1:] = before[1:]

    return put_back


def filtered(model):
    """r of a leaky readout."""
    before = [h.copy() for h in model.h]

    def put_back():
        if isinstance(model.neurons[-1], FilteredNeurons):
            model.h[-1][..., -1] = before[-1][..., -1]

    return put_back


def last_variables(model):
    """All but the first variable of neurons that have several."""
    before = [h.copy() for h in model.h]

    def put_back():
        for h, old in zip(model.h, before, strict=True):
            h[..., 1:] = old[..., 1:]

    return put_back


def tracing(is_kept):
    """Learners of which a reset keeps some traces, by name."""

    def make_traces(self):
        before = getattr(self, "traces", {})
        Learner.make_traces(self)
        self.traces |= {name: trace for name, trace in before.items() if is_kept(name)}

    return learners_with(make_traces=make_traces)


def of_inputs(self):
    """ε_x of ES-D-RTRL is kept."""
    before = getattr(self, "traces", {})
    Learner.make_traces(self)
    for name, trace in self.traces.items():
        if name in before and hasattr(trace, "steps"):
            trace.inputs = before[name].inputs


def of_factors(self):
    """ε_f of ES-D-RTRL is kept."""
    before = getattr(self, "traces", {})
    Learner.make_traces(self)
    for name, trace in self.traces.items():
        if name in before and hasattr(trace, "steps"):
            trace.factor = before[name].factor


class ForgetsTheFilter(ThreeFactor):
    """A reset is none of ε."""

    def make_traces(self):
        before = getattr(self, "traces", None)
        super().make_traces()
        if before is not None:
            self.traces = before


class ThreeFactors(LearningAdapter):
    """Of a reset of three-factor learning."""

    reward_learners = ForgetsTheFilter
    capabilities = frozenset({"traces", "three_factor"})


class SplitRuns(LearningAdapter):
    """An adapter whose `other` makes other runs of those that are asked for."""

    def traces(self, network, inputs, dt, rule, *, runs=(), reset=False):
        runs = self.other(tuple(runs), reset)
        return super().traces(network, inputs, dt, rule, runs=runs, reset=reset)


class SecondRunAlone(SplitRuns):
    """The second of several runs is reset, not the last."""

    def other(self, runs, reset):
        if reset and len(runs) > 2:
            return (runs[0], sum(runs[1:]))
        return runs


class LastStepAlone(SplitRuns):
    """A reset is before the last step of the last run."""

    def other(self, runs, reset):
        if reset and len(runs) > 1 and runs[-1] > 1:
            return (*runs[:-1], runs[-1] - 1, 1)
        return runs


class NoResetOfOne(SplitRuns):
    """Before a run of one step nothing is reset."""

    def other(self, runs, reset):
        if reset and len(runs) > 1 and runs[-1] == 1:
            return (sum(runs),)
        return runs


class EveryRunResets(ReferenceLearning):
    """Each of several runs begins with traces of zero where the network has several layers."""

    precision = 64
    capabilities = frozenset({"traces", "learning"})

    def traces(self, network, inputs, dt, rule, *, runs=(), reset=False):
        arguments = network, inputs, dt, rule
        traced = super().traces(*arguments, runs=runs, reset=reset)
        if len(runs) < 2 or len(network.layers) < 2 or reset or runs[-1] == 0:
            return traced
        again = super().traces(*arguments, runs=(sum(runs[:-1]), runs[-1]), reset=True)
        traced.traces.update(again.traces)
        return traced


def first_layer(name):
    return name[0] == "0"


WRONG_RESETS = [
    Wrong("reset_keeps_emissions", keeping(emissions), RESETS),
    Wrong("reset_keeps_upper_states", keeping(upper_states), RESETS),
    Wrong("reset_keeps_the_filter", keeping(filtered), RESETS),
    Wrong("reset_keeps_last_variables", keeping(last_variables), RESETS),
    Wrong("reset_keeps_upper_traces", tracing(lambda name: not first_layer(name)), RESETS),
    Wrong("reset_keeps_traces_of_biases", tracing(lambda name: name.endswith("bias")), RESETS),
    Wrong("reset_keeps_recurrent", tracing(lambda name: name.endswith("recurrent")), RESETS),
    Wrong("reset_keeps_inputs", learners_with(make_traces=of_inputs), RESETS),
    Wrong("reset_keeps_factors", learners_with(make_traces=of_factors), RESETS),
    Wrong(
        "reset_of_three_factors",
        ThreeFactors,
        ("TRACE-8", "TRACE", "THREE"),
    ),
    Wrong("reset_of_the_second_run", SecondRunAlone, RESETS),
    Wrong("reset_before_the_last_step", LastStepAlone, RESETS),
    Wrong("no_reset_for_one_step", NoResetOfOne, RESETS),
    Wrong("each_run_resets", EveryRunResets, RESETS),
]
