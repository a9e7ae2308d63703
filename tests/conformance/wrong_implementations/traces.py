"""Wrong eligibility traces."""

from __future__ import annotations

import dataclasses

import numpy as np

from reference import traces
from reference.learning import Learner
from reference.networks import Model, pull_back

from .learning_bases import learners_with, models_with, of_learners, traces_with
from .wrong import Wrong


class Clipped(traces.DRTRL):
    def advance(self, D, F, x):
        super().advance(D, F, x)
        self.trace = np.clip(self.trace, -0.1, 0.1)


class Normalised(traces.DRTRL):
    def advance(self, D, F, x):
        super().advance(D, F, x)
        self.trace = self.trace / max(1.0, np.abs(self.trace).max())


class DecaysWhatIsAdded(traces.DRTRL):
    """D (ε + F x)."""

    def advance(self, D, F, x):
        arguments = self.entries.at(x), self.entries.neuron
        added = traces.next_trace(np.zeros_like(D), F, *arguments, self.trace)
        self.trace = traces.next_trace(D, np.zeros_like(F), *arguments, self.trace + added)


class InputAStepLate(traces.DRTRL):
    last = None

    def advance(self, D, F, x):
        late = np.zeros_like(x) if self.last is None else self.last
        self.last = x
        super().advance(D, F, late if x.shape[1] > 1 else x)


class NoTraceOfOnes(traces.DRTRL):
    """A bias or an element-wise operation is remembered for one step."""

    def advance(self, D, F, x):
        super().advance(D if x.shape[1] > 1 else 0 * D, F, x)


def emission_forgotten(self, step, l, operation):
    """v is trained as if nothing multiplied it."""
    operand, share = Model.operands(self, step, l, operation)
    return operand, np.ones_like(share)


class FactorNotDecayed(traces.ESDRTRL):
    def advance(self, D, F, x):
        factor = self.factor
        super().advance(D, F, x)
        self.factor = traces.next_factor(self.decay, D, F, factor / (self.decay or 1))


class FactorNotWeighed(traces.ESDRTRL):
    """α D ε_f + F."""

    def advance(self, D, F, x):
        super().advance(D, F / (1 - self.decay), x)


class InputsWeighed(traces.ESDRTRL):
    """α ε_x + (1 − α) x."""

    def advance(self, D, F, x):
        inputs = self.inputs
        super().advance(D, F, x)
        self.inputs = self.decay * inputs + (1 - self.decay) * x


class FactorWithoutD(traces.ESDRTRL):
    def advance(self, D, F, x):
        super().advance(np.broadcast_to(np.eye(D.shape[-1]), D.shape).copy(), F, x)


def another_rank(name, decay_or_rank, *shape):
    """(r − 1)/r."""
    if name == "ES-D-RTRL" and isinstance(decay_or_rank, (int, np.integer)) and decay_or_rank > 1:
        decay_or_rank = (decay_or_rank - 1) / decay_or_rank
    return Learner.make_trace(name, decay_or_rank, *shape)


def rank_one_refused(name, decay_or_rank, *shape):
    return Learner.make_trace(name, 1.0 if decay_or_rank == 1 else decay_or_rank, *shape)


def any_decay(name, decay_or_rank, *shape):
    """What is out of range is brought into it."""
    if isinstance(decay_or_rank, float):
        decay_or_rank = float(np.clip(np.nan_to_num(decay_or_rank), 0, 0.999))
    return Learner.make_trace(name, decay_or_rank, *shape)


class TracesOfParameters(Learner):
    """Traces of w, not of m ∘ φ(w)."""

    def collect_run(self):
        run = super().collect_run()
        traces = dict(run.traces)
        for l, operation in self.model.list_operations():
            name, layer = f"{l}.{operation}", self.model.network.layers[l]
            w = self.model.parameters[name]
            if w.ndim == 2 and self.rule.name == "D-RTRL":
                slope = pull_back(layer, operation, w, np.ones_like(w))
                traces[name] = traces[name] * slope[..., np.newaxis]
        return dataclasses.replace(run, traces=traces)


class KeepsTracesAtReset(Learner):
    def make_traces(self):
        if not hasattr(self, "traces"):
            super().make_traces()


class BeginsWithOnes(Learner):
    def make_traces(self):
        super().make_traces()
        for trace in self.traces.values():
            if isinstance(trace, traces.DRTRL):
                trace.trace += 1
            else:
                trace.factor += 1


WRONG_TRACES = [
    Wrong(
        "clipped_traces",
        traces_with(Clipped),
        ("TRACE-3", "TRACE", "LEARN", "NET", "NUM-8"),
    ),
    Wrong(
        "normalised_traces",
        traces_with(Normalised),
        ("TRACE-3", "TRACE", "LEARN", "NET", "NUM-8"),
    ),
    Wrong(
        "decays_what_is_added",
        traces_with(DecaysWhatIsAdded),
        ("TRACE-3", "TRACE", "LEARN", "NET", "NUM-8"),
    ),
    Wrong(
        "trace_of_the_last_input",
        traces_with(InputAStepLate),
        ("TRACE-3", "TRACE", "LEARN", "NET-2", "NET-3", "NUM-8"),
    ),
    Wrong(
        "no_trace_of_a_bias",
        traces_with(NoTraceOfOnes),
        ("TRACE-4", "TRACE", "LEARN", "NET", "NUM-8"),
    ),
    Wrong(
        "emission_forgotten",
        models_with(operands=emission_forgotten),
        ("TRACE-4", "TRACE-5", "LEARN", "NET-3"),
    ),
    Wrong(
        "factor_not_decayed",
        traces_with(es_d_rtrl=FactorNotDecayed),
        ("TRACE-5", "TRACE", "LEARN", "NET-2", "NET-3", "NUM-8"),
    ),
    Wrong(
        "factor_not_weighed",
        traces_with(es_d_rtrl=FactorNotWeighed),
        ("TRACE-5", "TRACE", "LEARN", "NET-2", "NET-3", "NUM-8"),
    ),
    Wrong(
        "inputs_weighed",
        traces_with(es_d_rtrl=InputsWeighed),
        ("TRACE-5", "TRACE", "LEARN", "NET-2", "NET-3", "NUM-8"),
    ),
    Wrong(
        "factor_without_D",
        traces_with(es_d_rtrl=FactorWithoutD),
        ("TRACE-5", "TRACE", "LEARN", "NET-2", "NET-3", "NUM-8"),
    ),
    Wrong("another_rank", learners_with(make_trace=staticmethod(another_rank)), ("TRACE-6",)),
    Wrong(
        "rank_one_refused", learners_with(make_trace=staticmethod(rank_one_refused)), ("TRACE-6",)
    ),
    Wrong(
        "any_decay",
        learners_with(make_trace=staticmethod(any_decay)),
        ("TRACE-6", "LEARN-18", "ERR-1", "ERR-2"),
    ),
    Wrong("traces_of_parameters", of_learners(TracesOfParameters), ("TRACE-7", "LEARN-10")),
    Wrong("keeps_traces_at_reset", of_learners(KeepsTracesAtReset), ("TRACE-8",)),
    Wrong(
        "begins_with_ones",
        of_learners(BeginsWithOnes),
        ("TRACE-8", "TRACE", "LEARN", "NET", "NUM-8"),
    ),
]
