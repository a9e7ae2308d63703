"""Wrong steps of neurons and networks, of which traces are made."""

from __future__ import annotations

import dataclasses

import numpy as np

from reference.networks import ALIF, LIF, LayerStep, Model, SynapseLIF, effective, mask_of

from .learning_bases import kinds_with, layers_with, models_with, of_models
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
    step = Model.layer_step(self, l, x)
    layer = self.network.layers[l]
    if not layer.is_element_wise:
        return step
    y = x @ self.weight(l, "weight") + self.weight(l, "bias")
    y = y + self.weight(l, "recurrent") * step.s_before
    return LayerStep(step.x, step.s_before, self.neurons[l].step(self.h[l], y))


WRONG_TRACE_NETWORKS = [
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
