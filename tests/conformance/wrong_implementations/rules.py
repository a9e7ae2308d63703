"""Wrong further rules, each on top of right traces; and wrong decays and leaky readouts."""

from __future__ import annotations

import dataclasses

import numpy as np

from reference import traces
from reference.learning import FEEDBACKS, TRACES, FullLearner, Learner, ThreeFactor, choose_rule
from reference.networks import FilteredNeurons, Model

from .learning_bases import LearningAdapter, further, learners_with, models_with, traces_with
from .wrong import Wrong


class OneDecay(traces.ESDRTRL):
    """The decay of states is that of inputs, too."""

    def __init__(self, B, d, entries, decays):
        super().__init__(B, d, entries, (decays[1], decays[1]))


class Swapped(traces.ESDRTRL):
    def __init__(self, B, d, entries, decays):
        super().__init__(B, d, entries, decays[::-1])


class CorrectsForInputs(traces.ESDRTRL):
    """1 − α_x^t."""

    def gradient(self, x, c, signal):
        gradient, t = super().gradient(x, c, signal), self.steps + 1
        return gradient * (1 - self.decay**t) / (1 - self.input_decay**t)


def no_pairs(name, decay_or_rank, *shape):
    """The first of two decays is both."""
    first = decay_or_rank[0] if isinstance(decay_or_rank, tuple | list) else decay_or_rank
    return Learner.make_trace(name, first, *shape)


def leaky_with(change):
    """The adapter of networks of which a function changes the steps of a layer that is filtered."""

    def layer_step(self, l, x):
        step = Model.layer_step(self, l, x)
        if isinstance(self.neurons[l], FilteredNeurons):
            return step._replace(neurons=change(self, step.neurons, self.h[l]))
        return step

    return models_with(layer_step=layer_step)


def filter_without_memory(model, step, h):
    """D has no κ."""
    D = step.D.copy()
    D[..., -1, -1] = 0
    return step._replace(D=D)


def filter_of_means(model, step, h):
    """r = κ r + (1 − κ) s."""
    after = step.h.copy()
    after[..., -1] -= model.network.readout_decay * step.s
    return step._replace(h=after)


# Hybrid.


def another_decay(rule, *arguments):
    name, decay = choose_rule(rule, *arguments)
    return name, None if decay is None else 0.5


def larger_where_equal(rule, name, in_full, in_parts):
    """ES-D-RTRL where both have as many numbers."""
    return choose_rule(rule, name, in_full + 1, in_parts)


def nothing_chosen(rule, *arguments):
    return choose_rule(dataclasses.replace(rule, rules=None), *arguments)


class IgnoresTheUnknown(Learner):
    """A choice that cannot be made is none."""

    def __init__(self, model, rule):
        names = [f"{l}.{operation}" for l, operation in model.list_operations()]
        chosen = (rule.rules or {}).items()
        known = {
            name: rule_name for name, rule_name in chosen if name in names and rule_name in TRACES
        }
        super().__init__(model, dataclasses.replace(rule, rules=known))


class NoPast(traces.DRTRL):
    """ε(t−1) is 0."""

    def gradient(self, x, c, signal):
        return super().gradient(x, c, 0 * signal)


def make_without_past(name, decay_or_rank, *shape):
    made = Learner.make_trace(name, decay_or_rank, *shape)
    return NoPast(*shape) if name == "D-RTRL" else made


def hybrid(**methods):
    return further("hybrid", learners=type("Other", (Learner,), methods))


# E-prop.


def signs_of_feedback(self):
    """Of B, the signs."""
    weights = Model.feedback_weights(self)
    return weights if weights is self.parameters["readout.weight"] else np.sign(weights)


def feedback_taken(which):
    """Learners that take feedback weights in another way."""
    return further("eprop", learners=type("Other", (Learner,), {"take_feedback": which}))


def as_at_first(self):
    """Symmetric feedback stays what the readout was."""
    Learner.take_feedback(self)
    if self.rule.feedback == "symmetric":
        self.model.feedback = self.model.parameters["readout.weight"].copy()


def random_learns(self):
    """Random feedback is adaptive."""
    if self.rule.feedback == "random":
        self.rule = dataclasses.replace(self.rule, feedback="adaptive")
    Learner.take_feedback(self)


def as_given(self):
    """All feedback is what the network has."""
    Learner.take_feedback(self)
    if self.rule.feedback == "symmetric":
        network = self.model.network
        self.model.feedback = network.readout if network.feedback is None else network.feedback


class FeedbackStays(Learner):
    """Adaptive feedback has a gradient of zero."""

    def collect_gradients(self):
        gradients = super().collect_gradients()
        return {name: 0 * g if name == "readout.feedback" else g for name, g in gradients.items()}


class ReadoutByFeedback(Learner):
    """The readout does not learn where what comes back does not come through it."""

    def collect_gradients(self):
        gradients, feedback = super().collect_gradients(), self.rule.feedback
        if feedback != "symmetric":
            gradients["readout.weight"] = 0 * gradients["readout.weight"]
        return gradients


class NotFiltered(Learner):
    """e in the place of ē."""

    def follow(self, steps, error):
        last = steps[-1]
        if isinstance(self.model.neurons[-1], FilteredNeurons):
            neurons = filter_without_memory(self.model, last.neurons, None)
            steps = [*steps[:-1], last._replace(neurons=neurons)]
        super().follow(steps, error)


class AnyFeedback(Learner):
    def __init__(self, model, rule):
        if rule.feedback not in FEEDBACKS:
            rule = dataclasses.replace(rule, feedback="symmetric")
        super().__init__(model, rule)


class AnyShape(Learner):
    """B is brought into its shape."""

    def take_feedback(self):
        network, shape = self.model.network, self.model.parameters["readout.weight"].shape
        if network.feedback is not None:
            B = np.resize(network.feedback, shape)
            self.model.network = dataclasses.replace(network, feedback=B)
        super().take_feedback()


# RTRL and OSTL.


def cut_to(cut):
    """Full learners of another cut."""

    def __init__(self, model, rule):
        FullLearner.__init__(self, model, rule, cut)

    return type("Cut", (FullLearner,), {"__init__": __init__})


class BeginsAnew(FullLearner):
    """An update makes the derivatives zero."""

    def clear(self):
        super().clear()
        self.make_traces()


class NoOutputs(FullLearner):
    """Outputs carry no derivative."""

    def next_output_sensitivity(self, name, steps):
        self.output_sensitivities[name] = 0 * self.output_sensitivities[name]
        return super().next_output_sensitivity(name, steps)


class RefusesPaths(Model):
    def __init__(self, network, dt, batch, any_path=False):
        super().__init__(network, dt, batch)


class LateralFromZero(Model):
    """A lateral path of a layer that recurs element by element begins at zero."""

    def reset(self):
        super().reset()
        self.is_first = True

    def step(self, x):
        whole = self.network
        if self.is_first:
            layers = (
                dataclasses.replace(layer, lateral=None) if layer.is_element_wise else layer
                for layer in whole.layers
            )
            self.network = dataclasses.replace(whole, layers=tuple(layers))
        step = super().step(x)
        self.network, self.is_first = whole, False
        return step


# Three factors.


class NoFilter(ThreeFactor):
    def follow(self, steps, error):
        self.filtered_traces = {
            name: 0 * filtered for name, filtered in self.filtered_traces.items()
        }
        super().follow(steps, error)


class AgainstRewards(ThreeFactor):
    def collect_gradients(self):
        return {name: -g for name, g in super().collect_gradients().items()}


class NotLocal(ThreeFactor):
    """What a neuron makes the layer above emit counts, too."""

    def follow(self, steps, error):
        if len(steps) > 1:
            lower, upper = (step.neurons for step in steps[:2])
            more = 1 + upper.q @ np.transpose(self.model.weight(1, "weight"))
            lower = lower._replace(q=lower.q * more, S=lower.S * more[..., np.newaxis])
            steps = [steps[0]._replace(neurons=lower), *steps[1:]]
        super().follow(steps, error)


class ReadoutsLearn(ThreeFactor):
    """Plain parameters learn to be smaller."""

    def collect_gradients(self):
        readout = self.model.parameters["readout.weight"]
        return super().collect_gradients() | {"readout.weight": readout}


class MeanLosses(ThreeFactor):
    def step_with_reward(self, x, reward):
        return super().step_with_reward(x, reward) / len(reward)


class AnyFilter(ThreeFactor):
    def __init__(self, model, rule):
        decay_or_rank = rule.decay_or_rank
        is_real = isinstance(decay_or_rank, float) and np.isfinite(decay_or_rank)
        decay = float(np.clip(decay_or_rank, 0, 0.999)) if is_real else 0.5
        super().__init__(model, dataclasses.replace(rule, decay_or_rank=decay))


class AnyRewards(LearningAdapter):
    capabilities = frozenset({"three_factor"})

    def reinforce(self, network, inputs, rewards, dt, rule, **options):
        rewards = np.resize(np.nan_to_num(rewards), np.shape(inputs)[:2])
        return super().reinforce(network, inputs, rewards, dt, rule, **options)


def three_factor(learner):
    return further("three_factor", reward_learners=learner)


WRONG_RULES = [
    Wrong("one_decay", traces_with(es_d_rtrl=OneDecay), ("TRACE-5", "TRACE-6", "LEARN")),
    Wrong("decays_swapped", traces_with(es_d_rtrl=Swapped), ("TRACE-6", "TRACE-5", "LEARN")),
    Wrong("corrects_for_inputs", traces_with(es_d_rtrl=CorrectsForInputs), ("LEARN-3", "LEARN")),
    Wrong(
        "first_of_two_decays",
        learners_with(make_trace=staticmethod(no_pairs)),
        ("TRACE-6", "TRACE-5", "LEARN", "ERR"),
    ),
    Wrong("filter_without_memory", leaky_with(filter_without_memory), ("NET-3", "LEARN")),
    Wrong("filter_of_means", leaky_with(filter_of_means), ("NET-3", "LEARN")),
    Wrong(
        "hybrid_of_another_decay", hybrid(choose_rule=staticmethod(another_decay)), ("HYBRID-1",)
    ),
    Wrong(
        "hybrid_has_the_larger_trace",
        hybrid(choose_rule=staticmethod(larger_where_equal)),
        ("HYBRID-2", "HYBRID"),
    ),
    Wrong(
        "hybrid_without_choice",
        hybrid(choose_rule=staticmethod(nothing_chosen)),
        ("HYBRID-2", "HYBRID"),
    ),
    Wrong(
        "hybrid_ignores_the_unknown",
        further("hybrid", learners=IgnoresTheUnknown),
        ("HYBRID-3", "ERR"),
    ),
    Wrong(
        "hybrid_without_past",
        hybrid(make_trace=staticmethod(make_without_past)),
        ("HYBRID-4", "HYBRID"),
    ),
    Wrong(
        "signs_of_feedback",
        further("eprop", models=type("Other", (Model,), {"feedback_weights": signs_of_feedback})),
        ("EPROP-1", "EPROP"),
    ),
    Wrong("symmetric_as_at_first", feedback_taken(as_at_first), ("EPROP-2",)),
    Wrong("symmetric_as_given", feedback_taken(as_given), ("EPROP-2",)),
    Wrong("random_feedback_learns", feedback_taken(random_learns), ("EPROP-3", "EPROP-1")),
    Wrong("feedback_stays", further("eprop", learners=FeedbackStays), ("EPROP-4",)),
    Wrong(
        "readout_by_feedback", further("eprop", learners=ReadoutByFeedback), ("EPROP-5", "EPROP")
    ),
    Wrong("not_filtered", further("eprop", learners=NotFiltered), ("EPROP-6", "EPROP")),
    Wrong("any_feedback", further("eprop", learners=AnyFeedback), ("EPROP-7", "ERR")),
    Wrong("feedback_of_any_shape", further("eprop", learners=AnyShape), ("EPROP-7", "ERR")),
    Wrong("rtrl_begins_anew", further("rtrl", full_learners=BeginsAnew), ("RTRL-1",)),
    Wrong(
        "rtrl_is_d_rtrl", further("rtrl", full_learners=cut_to("operations")), ("RTRL-2", "RTRL")
    ),
    Wrong("rtrl_refuses_paths", further("rtrl", models=RefusesPaths), ("RTRL-3", "RTRL-2")),
    Wrong("lateral_from_zero", further("rtrl", models=LateralFromZero), ("RTRL-3", "RTRL-2")),
    Wrong("rtrl_without_outputs", further("rtrl", full_learners=NoOutputs), ("RTRL-3", "RTRL-2")),
    Wrong("ostl_is_rtrl", further("ostl", full_learners=cut_to("nothing")), ("OSTL-1", "OSTL-3")),
    Wrong(
        "ostl_is_d_rtrl", further("ostl", full_learners=cut_to("operations")), ("OSTL-2", "OSTL-1")
    ),
    Wrong(
        "ostl_without_recurrences",
        further("ostl", full_learners=cut_to("recurrences")),
        ("OSTL-3", "OSTL"),
    ),
    Wrong("emissions_not_filtered", three_factor(NoFilter), ("THREE-1", "THREE")),
    Wrong("against_rewards", three_factor(AgainstRewards), ("THREE-2", "THREE")),
    Wrong("rewards_of_upper_layers", three_factor(NotLocal), ("THREE-3", "THREE-2")),
    Wrong("readouts_learn", three_factor(ReadoutsLearn), ("THREE-3", "THREE")),
    Wrong("losses_of_the_batch_s_mean", three_factor(MeanLosses), ("THREE-4",)),
    Wrong("any_filter", three_factor(AnyFilter), ("THREE-5", "ERR")),
    Wrong("any_rewards", AnyRewards, ("THREE-5", "ERR")),
]
