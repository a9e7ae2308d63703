"""Wrong operations, with right traces and learning of dense ones."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from conformance.adapters.reference_learning import ReferenceLearning
from conformance.protocol.problems import Network, Operation
from reference import traces
from reference.learning import Learner
from reference.networks import FUNCTIONS, Model, mask_of
from reference.values import read_plain

from .learning_bases import learners_with, models_with, traces_with
from .wrong import Wrong


def claiming(adapter: type, *capabilities: str) -> type:
    """The adapter, which claims operations besides these capabilities."""
    claimed = frozenset({"operations", *capabilities})
    return type(adapter.__name__, (adapter,), {"capabilities": claimed})


def _entries_of(kind: str, change: Any) -> Any:
    """`Model.entries_of` where a function of operation, kernel and entries changes some."""

    def entries_of(self, l, name):
        entries, operation = Model.entries_of(self, l, name), self.network.layers[l].operation
        if name != "weight" or operation.kind != kind:
            return entries
        return change(operation, self.parameters[f"{l}.weight"].shape, entries)

    return entries_of


def last_of_repeated_entries(operation, shape, entries):
    """An entry of a row and a column takes the place of those before it."""
    last = {at: e for e, at in enumerate(zip(entries.input, entries.neuron, strict=True))}
    kept = np.isin(np.arange(len(entries.input)), [*last.values()])
    return dataclasses.replace(entries, input=np.where(kept, entries.input, -1))


def flipped(operation, kernel, entries):
    """A convolution of the kind that flips its window."""
    index = np.arange(entries.sizes[0]).reshape(kernel)
    index = np.flip(index, tuple(range(len(kernel) - 2)))
    return dataclasses.replace(entries, weight=index.ravel()[entries.weight])


def interleaved_groups(operation, kernel, entries):
    """Channel c' out is of group c' mod G."""
    C_out = kernel[-1]
    moved = np.arange(C_out).reshape(-1, operation.groups).T.ravel()
    (q, c), (rest, out) = np.divmod(entries.neuron, C_out), np.divmod(entries.weight, C_out)
    changes = {"neuron": q * C_out + moved[c], "weight": rest * C_out + moved[out]}
    return dataclasses.replace(entries, **changes)


class OddZeroBefore(ReferenceLearning):
    """ "SAME" has the odd zero before the input."""

    precision = 64

    def network(self, network: Network) -> Any:
        layers = []
        for layer in network.layers:
            operation = layer.operation
            if operation.kind == "convolution" and operation.padding == "SAME":
                as_reference = traces.Operation(**vars(operation))
                pads = traces.padding(as_reference, np.shape(layer.weight)[:-2])
                pads = tuple((behind, before) for before, behind in pads)
                operation = dataclasses.replace(operation, padding=pads)
            layers.append(dataclasses.replace(layer, operation=operation))
        return super().network(dataclasses.replace(network, layers=tuple(layers)))


def with_operations(change: Any) -> type:
    """The adapter of networks whose operations a function changes."""

    class Changed(ReferenceLearning):
        precision = 64

        def network(self, network: Network) -> Any:
            layers = tuple(
                dataclasses.replace(layer, operation=change(layer.operation))
                for layer in network.layers
            )
            return super().network(dataclasses.replace(network, layers=layers))

    return Changed


def scale_forgotten(operation: Operation) -> Operation:
    """κ = 1, whatever finite number is given."""
    if operation.kind != "low-rank" or not np.isfinite(operation.scale):
        return operation
    return dataclasses.replace(operation, scale=1.0)


def indices_that_wrap(operation: Operation) -> Operation:
    """Rows and columns are counted from the end, or wrap around."""
    if operation.kind != "sparse" or len(operation.shape) != 2 or 0 in operation.shape:
        return operation
    places = zip((operation.rows, operation.columns), operation.shape, strict=True)
    rows, columns = (tuple(int(i) % size for i in numbers) for numbers, size in places)
    return dataclasses.replace(operation, rows=rows, columns=columns)


def any_steps(operation: Operation) -> Operation:
    """Strides, dilations and groups below 1 are 1."""

    def at_least_one(numbers: Any) -> Any:
        return None if numbers is None else tuple(max(1, int(x)) for x in numbers)

    changes = {name: at_least_one(getattr(operation, name)) for name in ("strides", "dilation")}
    return dataclasses.replace(operation, groups=max(1, int(operation.groups)), **changes)


def rows_from_one(self, inputs):
    """The row before the one that is asked for."""
    rows = Model.read_inputs(self, inputs)
    return np.roll(rows, -1, axis=-1) if _embeds(self) else rows


def rows_that_are_clamped(self, inputs):
    """What is out of range is the nearest row."""
    if _embeds(self) and np.asarray(inputs).dtype.kind in "iu":
        inputs = np.clip(inputs, 0, self.extents[0][0] - 1)
    return Model.read_inputs(self, inputs)


def rows_that_are_truncated(self, inputs):
    """Any number is made an integer."""
    if _embeds(self):
        inputs = read_plain(inputs, (None, None, 1), "inputs", kinds="biuf").astype(int)
    return Model.read_inputs(self, inputs)


def _embeds(model: Model) -> bool:
    return model.network.layers[0].operation.kind == "embedding"


def frozen(entries: Any, a: Any) -> Any:
    """The entries with coefficients that stay."""
    return dataclasses.replace(entries, coefficients=lambda: a)


class WithoutCoefficients(traces.DRTRL):
    """The trace of B is that of a dense weight for every neuron."""

    def advance(self, D, F, z):
        entries = self.entries
        self.entries = frozen(entries, 1.0)
        super().advance(D, F, z)
        self.entries = entries


class PositionsShareATrace(traces.DRTRL):
    """A trace of a kernel is the mean of those of its positions."""

    def show(self):
        run = super().show()
        if run.ndim < 6:
            return run
        return np.broadcast_to(run.mean(axis=1, keepdims=True), run.shape)


class NotSmoothed(traces.ESDRTRL):
    """ε_x of B is its last input."""

    def advance(self, D, F, z):
        super().advance(D, F, z)
        if np.ndim(self.entries.coefficients()) > 0:
            self.inputs = z.copy()


def _is_dense(entries: Any) -> bool:
    """Whether entries are a dense operation's, or have no inputs to smooth."""
    return entries.is_one or (len(entries.shape) == 2 and np.ndim(entries.coefficients()) == 0)


class OneDecay(traces.ESDRTRL):
    """But for dense operations, inputs are smoothed with the decay of states."""

    def __init__(self, B, d, entries, decays):
        super().__init__(B, d, entries, decays if _is_dense(entries) else (decays[1], decays[1]))


class InputsDecayInGradient(traces.ESDRTRL):
    """But for dense operations, the gradient is made with the decay of inputs."""

    def gradient(self, z, c, signal):
        entries, gradient = self.entries, super().gradient(z, c, signal)
        if _is_dense(entries):
            return gradient
        arguments = entries.at(self.input_decay * self.inputs + z), c, signal
        gradient = traces.factor_gradient(
            self.input_decay, self.steps + 1, *arguments, entries.neuron, self.factor
        )
        return traces.sum_by_weight(entries, gradient)


class FirstFactor(traces.DRTRL):
    """The entries of B have the A that there was at first."""

    def __init__(self, B, d, entries):
        super().__init__(B, d, frozen(entries, np.copy(entries.coefficients())))


class FirstFactorES(traces.ESDRTRL):
    """The entries of B have the A that there was at first."""

    def __init__(self, B, d, entries, decay):
        super().__init__(B, d, frozen(entries, np.copy(entries.coefficients())), decay)


def mean_over_positions(self):
    """The gradient of a kernel is the mean over positions, not their sum."""
    gradients = Learner.collect_gradients(self)
    for name, entries in self.model.entries.items():
        if len(entries.shape) > 3:
            gradients[name] = gradients[name] / entries.shape[0]
    return gradients


def signals_that_stop(self, steps, error):
    """Nothing goes back through an operation that is not dense."""
    signals = Model.signals(self, steps, error)
    for l in reversed(range(1, len(signals))):
        if self.network.layers[l].operation.kind != "dense":
            signals[:l] = [(0 * c, 0 * signal) for c, signal in signals[:l]]
    return signals


def collect_with(pull: Any) -> Any:
    """Gradients of other than dense weights that a function makes of those of W."""

    def collect_gradients(self):
        gradients = Learner.collect_gradients(self)
        for l, layer in enumerate(self.model.network.layers):
            if layer.operation.kind not in ("dense", "low-rank"):
                w = self.model.parameters[f"{l}.weight"]
                gradients[f"{l}.weight"] = pull(layer, w, self.gradients[f"{l}.weight"])
        return gradients

    return collect_gradients


def without_mask(layer, w, of_W):
    return FUNCTIONS[layer.weight_function][1](w) * of_W


def without_function(layer, w, of_W):
    return mask_of(layer, "weight") * of_W


def drawn(adapter: type) -> type:
    """The adapter, judged by what it puts out and its traces."""
    return claiming(adapter, "traces")


def trained(adapter: type) -> type:
    """The adapter, judged by its gradients too."""
    return claiming(adapter, "traces", "learning")


def entries_with(kind: str, change: Any) -> type:
    """The adapter of networks in which the entries of an operation are others."""
    return drawn(models_with(entries_of=_entries_of(kind, change)))


WRONG_OPERATIONS = [
    Wrong(
        "last_of_repeated_entries", entries_with("sparse", last_of_repeated_entries), ("OP-1", "OP")
    ),
    Wrong("flipped_window", entries_with("convolution", flipped), ("OP-2", "OP")),
    Wrong("interleaved_groups", entries_with("convolution", interleaved_groups), ("OP-2", "OP")),
    Wrong("odd_zero_before", drawn(OddZeroBefore), ("OP-3", "OP")),
    Wrong("scale_forgotten", drawn(with_operations(scale_forgotten)), ("OP-4", "OP")),
    Wrong("rows_from_one", drawn(models_with(read_inputs=rows_from_one)), ("OP-5", "OP")),
    Wrong("without_coefficients", drawn(traces_with(WithoutCoefficients)), ("OP-6", "OP")),
    Wrong("positions_share_a_trace", drawn(traces_with(PositionsShareATrace)), ("OP-6", "OP")),
    Wrong("inner_inputs_not_smoothed", drawn(traces_with(es_d_rtrl=NotSmoothed)), ("OP-7", "OP")),
    Wrong(
        "inputs_of_the_states_decay",
        drawn(traces_with(es_d_rtrl=OneDecay)),
        ("TRACE-6", "OP-7", "TRACE-5"),
    ),
    Wrong(
        "gradient_of_the_inputs_decay",
        trained(traces_with(es_d_rtrl=InputsDecayInGradient)),
        ("LEARN-3", "OP-9"),
    ),
    Wrong("first_factor", trained(traces_with(FirstFactor)), ("OP-8", "OP-9", "LEARN-11")),
    Wrong(
        "mean_over_positions",
        trained(learners_with(collect_gradients=mean_over_positions)),
        ("OP-8", "OP", "LEARN-8", "LEARN-9", "LEARN-10", "LEARN-11"),
    ),
    Wrong(
        "first_factor_es",
        trained(traces_with(es_d_rtrl=FirstFactorES)),
        ("OP-9", "OP-8", "LEARN-11"),
    ),
    Wrong("signals_that_stop", trained(models_with(signals=signals_that_stop)), ("OP-10", "OP-11")),
    Wrong(
        "kernel_without_mask",
        trained(learners_with(collect_gradients=collect_with(without_mask))),
        ("OP-11",),
    ),
    Wrong(
        "kernel_without_function",
        trained(learners_with(collect_gradients=collect_with(without_function))),
        ("OP-11",),
    ),
    Wrong("indices_that_wrap", drawn(with_operations(indices_that_wrap)), ("OP-12", "ERR-1")),
    Wrong("any_steps", drawn(with_operations(any_steps)), ("OP-12", "ERR-1")),
    Wrong(
        "rows_that_are_clamped",
        trained(models_with(read_inputs=rows_that_are_clamped)),
        ("OP-13", "ERR-1", "ERR-2"),
    ),
    Wrong(
        "rows_that_are_truncated",
        drawn(models_with(read_inputs=rows_that_are_truncated)),
        ("OP-13", "ERR-1"),
    ),
]
