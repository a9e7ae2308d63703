"""Wrong eligibility traces, and wrong neurons under them."""

from __future__ import annotations

import dataclasses

import numpy as np

from reference import traces
from reference.learning import Learner
from reference.networks import (
    ALIF,
    LIF,
    LayerStep,
    Model,
    SynapseLIF,
    effective,
    mask_of,
    pull_back,
)

from .learning_bases import (
    kinds_with,
    layers_with,
    learners_with,
    models_with,
    of_learners,
    of_models,
    traces_with,
)
from .wrong import Wrong


def states_apart(kind, step):
    """Each state a group of its own."""
    return step._replace(D=step.D * np.eye(step.D.shape[-1]))


def last_state_forgotten(kind, step):
    d = step.F.shape[-1]
    kept = np.arange(d) < max(d - 1, 1)
    return step._replace(D=step.D * np.outer(kept, kept), F=step.F * kept)


def transposed(kind, step):
    return step._replace(D=np.swapaxes(step.D, -1, -2).copy())


def read_twice(kind, step):
    """What V takes from the new g, also as if from the old one."""
    if kind != "synapse_LIF":
        return step
    D, F = step.D.copy(), step.F.copy()
    D[..., 1, 0] *= 2
    F[..., 1] *= 2
    return step._replace(D=D, F=F)


def read_without_derivative(kind, step):
    if kind != "synapse_LIF":
        return step
    D, F = step.D.copy(), step.F.copy()
    D[..., 1, 0] = F[..., 1] = 0
    return step._replace(D=D, F=F)


def turned_back(kind, step):
    """The state of an `LRU` turns the other way."""
    return step._replace(h=step.h * [1.0, -1.0]) if kind == "LRU" else step


def real_part_alone(kind, step):
    """Re z and Im z of an `LRU` do not reach each other in D."""
    return step._replace(D=step.D * np.eye(2)) if kind == "LRU" else step


def rounded(kind, step):
    """States of 32 bits."""
    return step._replace(h=step.h.astype(np.float32).astype(float))


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
        given = self.entries.at(x), self.entries.neuron
        added = traces.next_trace(np.zeros_like(D), F, *given, self.trace)
        self.trace = traces.next_trace(D, np.zeros_like(F), *given, self.trace + added)


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
    given, share = Model.operands(self, step, l, operation)
    return given, np.ones_like(share)


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
        found = super().collect_run()
        traces = dict(found.traces)
        for l, operation in self.model.list_operations():
            name, layer = f"{l}.{operation}", self.model.network.layers[l]
            w = self.model.parameters[name]
            if w.ndim == 2 and self.rule.name == "D-RTRL":
                slope = pull_back(layer, operation, w, np.ones_like(w))
                traces[name] = traces[name] * slope[..., np.newaxis]
        return dataclasses.replace(found, traces=traces)


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


class NoReset(LIF):
    """The membrane potential is not reset by a spike."""

    def membrane(self, V, y, z, slope):
        return super().membrane(V, y, 0 * z, 0 * slope)


class AdaptsLate(ALIF):
    """A' = a A + z."""

    def advance(self, h, y):
        after, D, F = super().advance(h, y)
        z, slope, _ = self.fire(h[..., 0], self.V_th + self.beta * h[..., 1])
        a = np.exp(-self.dt / self.tau_a)
        after[..., 1] += (1 - a) * z
        D[..., 1, 0] += (1 - a) * slope
        D[..., 1, 1] -= (1 - a) * self.beta * slope
        return after, D, F


class ReadsTheOldG(SynapseLIF):
    def advance(self, h, y):
        after, D, F = super().advance(h, y)
        z, slope, _ = self.fire(h[..., 1], self.V_th)
        after[..., 1], D[..., 1, 1], drive = self.membrane(h[..., 1], h[..., 0], z, slope)
        D[..., 1, 0], F[..., 1] = drive, 0
        return after, D, F


def upper_layers_late(self, x):
    """Each upper layer is given what the layer below emitted a step before."""
    late = [s.copy() for s in self.s]
    steps = []
    for l in range(len(self.neurons)):
        steps.append(self.layer_step(l, x if l == 0 else late[l - 1]))
    s = steps[-1].neurons.s
    out = s @ self.parameters["readout.weight"] + self.parameters.get("readout.bias", 0.0)
    self.h, self.s = [step.neurons.h for step in steps], [step.neurons.s for step in steps]
    return steps, out


class OneKind(Model):
    """All layers are of the first one's kind."""

    def __init__(self, network, dt, batch):
        first = network.layers[0]
        others = (
            dataclasses.replace(layer, kind=first.kind, parameters={})
            for layer in network.layers[1:]
        )
        super().__init__(dataclasses.replace(network, layers=(first, *others)), dt, batch)


def initial_emission_of_zero(self):
    """s(0) = 0, whatever the initial state emits."""
    Model.reset(self)
    self.s = [np.zeros_like(s) for s in self.s]


def mask_forgotten(self, l, operation):
    """Where it is applied, but not where it is pulled back."""
    w = self.parameters.get(f"{l}.{operation}")
    if w is None:
        return 0.0
    layer = self.network.layers[l]
    return effective(layer, operation, w) + 0.5 * (np.equal(mask_of(layer, operation), 0)) * w


def own_emission_cut(self, l, x):
    """v ∘ s(t−1), with no derivative back into the state."""
    found = Model.layer_step(self, l, x)
    layer = self.network.layers[l]
    if not layer.is_element_wise:
        return found
    y = x @ self.weight(l, "weight") + self.weight(l, "bias")
    y = y + self.weight(l, "recurrent") * found.s_before
    return LayerStep(found.x, found.s_before, self.neurons[l].step(self.h[l], y))


WRONG_TRACES = [
    Wrong(
        "states_apart",
        layers_with(states_apart),
        ("TRACE-1", "TRACE", "LEARN", "NET", "NUM-8"),
    ),
    Wrong(
        "last_state_forgotten",
        layers_with(last_state_forgotten),
        ("TRACE-1", "TRACE", "LEARN", "NET", "NUM-8"),
    ),
    Wrong(
        "transposed_jacobian",
        layers_with(transposed),
        ("TRACE-2", "TRACE", "LEARN", "NET", "NUM-8"),
    ),
    Wrong(
        "new_value_counted_twice",
        layers_with(read_twice),
        ("TRACE-2", "TRACE", "LEARN", "NET"),
    ),
    Wrong(
        "new_value_not_counted",
        layers_with(read_without_derivative),
        ("TRACE-2", "TRACE", "LEARN", "NET"),
    ),
    Wrong("turned_back", layers_with(turned_back), ("NET-1", "TRACE", "LEARN", "NET", "NUM-8")),
    Wrong(
        "real_part_alone",
        layers_with(real_part_alone),
        ("TRACE-2", "TRACE", "LEARN", "NET", "NUM-8"),
    ),
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
    Wrong(
        "no_reset_by_a_spike",
        kinds_with(LIF=NoReset),
        ("NET-1", "TRACE", "LEARN", "NET-2", "NET-3"),
    ),
    Wrong(
        "adapts_late",
        kinds_with(ALIF=AdaptsLate),
        ("NET-1", "TRACE", "LEARN", "NET-2", "NUM-8", "NET-3"),
    ),
    Wrong(
        "reads_the_old_g",
        kinds_with(synapse_LIF=ReadsTheOldG),
        ("NET-1", "TRACE", "LEARN", "NET-2", "NET-3"),
    ),
    Wrong("upper_layers_late", models_with(step=upper_layers_late), ("NET-2", "LEARN", "NET-3")),
    Wrong("one_kind", of_models(OneKind), ("NET-2", "NET-4", "LEARN", "NET-3")),
    Wrong(
        "initial_emission_of_zero",
        models_with(reset=initial_emission_of_zero),
        ("NET-1", "TRACE-4", "TRACE-5", "LEARN"),
    ),
    Wrong(
        "masked_weights_count",
        models_with(weight=mask_forgotten),
        ("LEARN-7", "TRACE-7", "LEARN-10"),
    ),
    Wrong(
        "own_emission_cut",
        models_with(layer_step=own_emission_cut),
        ("LEARN-8", "TRACE", "LEARN", "NET-3"),
    ),
    Wrong("states_of_32_bits", layers_with(rounded), ("NUM-8", "TRACE", "LEARN", "NET")),
]
