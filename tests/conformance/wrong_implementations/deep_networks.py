"""Wrong networks of several layers, and of layers of one kind; each is right with one layer."""

from __future__ import annotations

import dataclasses

import numpy as np

from reference.learning import Learner
from reference.networks import LayerStep, Model, make_neurons, mask_of

from .learning_bases import learners_with, models_with, of_learners, of_models
from .reading_bases import RUNS, of_layers
from .wrong import Wrong

#: Clauses that fail with wrong signals.
SIGNALS = ("LEARN", "OP", "NUM-8")


def way_down(change):
    """`Model.signals` where a function of model, layer, weight makes what leads from y_l down."""

    def signals(self, steps, error):
        signals = []
        g = error @ np.transpose(self.feedback_weights())
        for l in reversed(range(len(steps))):
            neurons = steps[l].neurons
            S = self.find_readout_input(neurons)[1] if l == len(steps) - 1 else neurons.S
            c = g * neurons.q
            signals.append((c, g[..., np.newaxis] * S))
            if l > 0:
                g = change(self, l, c)
        return signals[::-1]

    return models_with(signals=signals)


def through_w(model, l, c):
    """Down through w, in the place of m ∘ φ(w)."""
    layer = model.network.layers[l]
    if layer.operation.kind != "dense":
        return c @ np.transpose(model.weight(l, "weight"))
    return c @ model.parameters[f"{l}.weight"].T


def without_mask(model, l, c):
    layer = model.network.layers[l]
    bare = dataclasses.replace(layer, mask=None)
    if layer.mask is None or layer.operation.kind != "dense":
        return c @ np.transpose(model.weight(l, "weight"))
    from reference.networks import effective

    return c @ effective(bare, "weight", model.parameters[f"{l}.weight"]).T


def without_function(model, l, c):
    layer = model.network.layers[l]
    if layer.operation.kind != "dense":
        return c @ np.transpose(model.weight(l, "weight"))
    return c @ (mask_of(layer, "weight") * model.parameters[f"{l}.weight"]).T


def through_slope(model, l, c):
    """Down through φ'(w) m, which is what pulls gradients back."""
    layer = model.network.layers[l]
    if layer.operation.kind != "dense" or layer.weight_function == "identity":
        return c @ np.transpose(model.weight(l, "weight"))
    from reference.networks import pull_back

    w = model.parameters[f"{l}.weight"]
    return c @ pull_back(layer, "weight", w, np.ones(w.shape)).T


def own_recurrence_too(model, l, c):
    """Old elements of inputs are not held fixed: the recurrence of a layer leads down, too."""
    g = c @ np.transpose(model.weight(l, "weight"))
    U = model.weight(l, "recurrent")
    if np.ndim(U) == 2 and U.shape[0] == g.shape[-1]:
        g = g + c @ U.T
    return g


def one_layer_down(model, l, c):
    """Nothing comes through more than one layer."""
    g = c @ np.transpose(model.weight(l, "weight"))
    return g if l == len(model.neurons) - 1 else 0 * g


def mean_of_neurons(model, l, c):
    """Through wide layers come means, not sums."""
    g = c @ np.transpose(model.weight(l, "weight"))
    return g / c.shape[-1] if l < len(model.neurons) - 1 else g


def middle_without_past(self, steps, error):
    """λ = 0 of a layer between two."""
    signals = Model.signals(self, steps, error)
    inner = [(c, 0 * signal) for c, signal in signals[1:-1]]
    return [*signals[:1], *inner, *signals[-1:]] if len(signals) > 2 else signals


def upper_without_new(self, steps, error):
    """c = 0 of all layers but the first."""
    signals = Model.signals(self, steps, error)
    return (
        [*signals[:1], *((0 * c, signal) for c, signal in signals[1:])]
        if len(signals) > 2
        else signals
    )


def signals_in_turn(self, steps, error):
    """The signals of layers of one size are swapped, from the second on."""
    signals = Model.signals(self, steps, error)
    if len(signals) == 3 and signals[0][1].shape == signals[1][1].shape:
        return [signals[1], signals[0], signals[2]]
    return signals


def third_from_first(self, x):
    """The third layer is given what the first emits, where both sizes allow it."""
    steps = []
    for l in range(len(self.neurons)):
        is_third = l == 2 and steps[0].neurons.s.shape == steps[1].neurons.s.shape
        steps.append(self.layer_step(l, steps[0].neurons.s if is_third else x))
        x = steps[-1].neurons.s
    return _finish(self, steps)


def third_late(self, x):
    """The third layer is given what the second emitted a step before."""
    late, steps = [s.copy() for s in self.s], []
    for l in range(len(self.neurons)):
        steps.append(self.layer_step(l, late[1] if l == 2 else x))
        x = steps[-1].neurons.s
    return _finish(self, steps)


def _finish(model, steps):
    seen, _ = model.find_readout_input(steps[-1].neurons)
    out = seen @ model.parameters["readout.weight"] + model.parameters.get("readout.bias", 0.0)
    model.h = [step.neurons.h for step in steps]
    model.s = [step.neurons.s for step in steps]
    model.out = out
    return steps, out


class OnePopulationOfAKind(Model):
    """Layers of one kind and size have the parameters of the first of them."""

    def __init__(self, network, *arguments, **options):
        self.made = {}

        def make(kind, size, parameters, dt):
            if (kind, size) not in self.made:
                self.made[kind, size] = make_neurons(kind, size, parameters, dt)
            return self.made[kind, size]

        self.make_neurons = make
        super().__init__(network, *arguments, **options)


class OneStateOfAKind(Model):
    """Layers of one kind and size begin each step with the state of the last of them."""

    def step(self, x):
        step = super().step(x)
        last = {}
        for l, layer in enumerate(self.network.layers):
            last[layer.kind, self.h[l].shape] = l
        self.h = [
            self.h[last[layer.kind, self.h[l].shape]] for l, layer in enumerate(self.network.layers)
        ]
        return step


class OneEmissionOfAKind(Model):
    """A recurrence has the emission of the last layer of its kind and size."""

    def step(self, x):
        step = super().step(x)
        last = {}
        for l, layer in enumerate(self.network.layers):
            last[layer.kind, self.s[l].shape] = l
        layers = enumerate(self.network.layers)
        self.s = [self.s[last[layer.kind, self.s[l].shape]] for l, layer in layers]
        return step


def one_trace_of_a_kind(self):
    """Parameters of one shape in layers of one kind have one trace."""
    Learner.make_traces(self)
    first = {}
    for l, operation in self.model.list_operations():
        name, layer = f"{l}.{operation}", self.model.network.layers[l]
        key = layer.kind, operation, self.model.parameters[name].shape
        self.traces[name] = first.setdefault(key, self.traces[name])


def gradients_of_a_kind(self):
    """Biases of layers of one kind and size have the gradient of the last of them."""
    gradients = Learner.collect_gradients(self)
    kinds = [layer.kind for layer in self.model.network.layers]
    last = {}
    for name, g in gradients.items():
        if name.endswith(".bias") and name[0].isdigit():
            last[kinds[int(name[0])], g.shape] = g
    return {
        name: last[kinds[int(name[0])], g.shape]
        if name.endswith(".bias") and name[0].isdigit()
        else g
        for name, g in gradients.items()
    }


def upper_emission_cut(self, l, x):
    """In upper layers, v ∘ s(t−1) has no derivative back into the state."""
    step = Model.layer_step(self, l, x)
    if l == 0 or not self.network.layers[l].is_element_wise:
        return step
    y = x @ self.weight(l, "weight") + self.weight(l, "bias")
    y = y + self.weight(l, "recurrent") * step.s_before
    return LayerStep(step.x, step.s_before, self.neurons[l].step(self.h[l], y))


def upper_emission_of_zero(self):
    """In upper layers, s(0) = 0, whatever the initial state emits."""
    Model.reset(self)
    self.s[1:] = [np.zeros_like(s) for s in self.s[1:]]


def upper_emission_forgotten(self, step, l, operation):
    """In upper layers, v is trained as if nothing multiplied it."""
    operand, share = Model.operands(self, step, l, operation)
    return operand, np.ones_like(share) if l > 0 else share


def upper_recurrences_dense(l, layer):
    """In upper layers, v is the diagonal of a dense recurrence that no trace follows."""
    if l == 0 or layer.bias is None or layer.recurrent is None or np.ndim(layer.recurrent) != 2:
        return layer
    return dataclasses.replace(layer, recurrent=np.triu(layer.recurrent))


def without(name):
    """The reading of upper layers of which a field is left out."""

    def change(l, layer):
        default = "identity" if name == "weight_function" else None
        if l == 0 or layer.operation.kind == "low-rank":
            return layer
        return dataclasses.replace(layer, **{name: default})

    return change


class TransposedUpper(Learner):
    """The trace of a square weight of an upper layer is transposed."""

    def collect_run(self):
        run = super().collect_run()
        traces = dict(run.traces)
        for name, trace in traces.items():
            square = isinstance(trace, np.ndarray) and trace.ndim == 4
            if name in ("1.weight", "2.weight") and square and trace.shape[1] == trace.shape[2]:
                traces[name] = np.swapaxes(trace, 1, 2)
        return dataclasses.replace(run, traces=traces)


WRONG_DEEP_NETWORKS = [
    Wrong("signals_through_w", way_down(through_w), ("LEARN-5", *SIGNALS)),
    Wrong("signals_without_mask", way_down(without_mask), ("LEARN-5", *SIGNALS)),
    Wrong("signals_without_function", way_down(without_function), ("LEARN-5", *SIGNALS)),
    Wrong("signals_through_the_slope", way_down(through_slope), ("LEARN-5", *SIGNALS)),
    Wrong(
        "signals_through_recurrences",
        way_down(own_recurrence_too),
        ("LEARN-5", "LEARN", "OP", "NUM-8"),
    ),
    Wrong("signals_one_layer_down", way_down(one_layer_down), ("LEARN-5", *SIGNALS)),
    Wrong("signals_of_means", way_down(mean_of_neurons), ("LEARN-5", *SIGNALS)),
    Wrong(
        "middle_layer_without_past", models_with(signals=middle_without_past), ("LEARN-5", *SIGNALS)
    ),
    Wrong(
        "upper_layers_of_three",
        models_with(signals=upper_without_new),
        ("LEARN-5", "LEARN", "OP", "NUM-8"),
    ),
    Wrong("signals_in_turn", models_with(signals=signals_in_turn), ("LEARN-5", *SIGNALS)),
    Wrong("third_layer_from_first", models_with(step=third_from_first), ("NET-2", *RUNS)),
    Wrong("third_layer_late", models_with(step=third_late), ("NET-2", *RUNS)),
    Wrong("one_population_of_a_kind", of_models(OnePopulationOfAKind), ("NET-2", *RUNS)),
    Wrong("one_state_of_a_kind", of_models(OneStateOfAKind), ("NET-2", *RUNS)),
    Wrong("one_emission_of_a_kind", of_models(OneEmissionOfAKind), ("NET-2", *RUNS)),
    Wrong(
        "one_trace_of_a_kind",
        learners_with(make_traces=one_trace_of_a_kind),
        ("NET-2", "TRACE", "LEARN", "NET", "OP", "NUM-8"),
    ),
    Wrong(
        "gradients_of_a_kind",
        learners_with(collect_gradients=gradients_of_a_kind),
        ("LEARN-5", "LEARN", "OP", "NUM-8"),
    ),
    Wrong(
        "upper_emission_cut",
        models_with(layer_step=upper_emission_cut),
        ("LEARN-5", "TRACE", "LEARN", "NET", "OP", "NUM-8"),
    ),
    Wrong(
        "upper_emission_of_zero",
        models_with(reset=upper_emission_of_zero),
        ("NET-2", "TRACE", "LEARN", "NET", "OP", "NUM-8"),
    ),
    Wrong(
        "upper_emission_forgotten",
        models_with(operands=upper_emission_forgotten),
        ("NET-2", "TRACE-4", "TRACE-5", "LEARN", "OP", "NUM-8"),
    ),
    Wrong("upper_recurrence_half", of_layers(upper_recurrences_dense), ("NET-2", *RUNS)),
    Wrong("upper_mask_ignored", of_layers(without("mask")), ("LEARN-7", *RUNS)),
    Wrong("upper_recurrent_mask_ignored", of_layers(without("recurrent_mask")), ("LEARN-7", *RUNS)),
    Wrong("upper_function_ignored", of_layers(without("weight_function")), ("LEARN-7", *RUNS)),
    Wrong("upper_bias_ignored", of_layers(without("bias")), ("NET-2", *RUNS)),
    Wrong("upper_traces_transposed", of_learners(TransposedUpper), ("NET-2", "TRACE")),
]
