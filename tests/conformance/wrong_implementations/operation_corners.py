"""Operations that are right for the cases that suites like, and wrong in a corner."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from conformance.protocol.problems import Network
from reference import traces
from reference.learning import Learner
from reference.networks import Model

from .learning_bases import learners_with, models_with
from .operations import _entries_of, claiming, with_operations
from .reading_bases import misreading
from .wrong import Wrong

OPS = ("OP", "TRACE", "LEARN", "NUM-8")


def of_convolutions(change):
    """The adapter that reads each convolution, and the window of its kernel, with a function."""

    def read(network: Network, inputs, dt):
        layers = []
        for layer in network.layers:
            operation = layer.operation
            if operation.kind == "convolution" and np.ndim(layer.weight) == _ndim(operation):
                changed = change(operation, np.shape(layer.weight)[:-2])
                layer = _if_it_fits(layer, changed)
            layers.append(layer)
        return dataclasses.replace(network, layers=tuple(layers)), inputs, dt

    return misreading(read, "operations")


def _ndim(operation):
    try:
        return len(operation.sizes) + 2
    except TypeError:
        return -1


def _if_it_fits(layer, changed):
    """The layer with another convolution, where this has as many outputs."""
    window = np.shape(layer.weight)[:-2]
    try:
        outputs, other = (
            traces.outputs(traces.Operation(**vars(operation)), window)
            for operation in (layer.operation, changed)
        )
    except Exception:  # what the reference refuses is handed over as it is
        return layer
    is_alike = math.prod(outputs) == math.prod(other)
    return dataclasses.replace(layer, operation=changed) if is_alike else layer


def reversed_strides(operation, window):
    """Strides in the other order, with padding that leaves as many positions where it can."""
    strides = operation.strides
    if strides is None or len(operation.sizes) < 2:
        return operation
    return dataclasses.replace(operation, strides=tuple(strides)[::-1])


def turned_dilation(operation, window):
    """The first axis of three has the dilation of the last."""
    if operation.dilation is None or len(operation.sizes) < 3:
        return operation
    a, b, c = operation.dilation
    return dataclasses.replace(operation, dilation=(c, a, b))


def swapped_padding(operation, window):
    """What is before is behind."""
    if isinstance(operation.padding, str):
        return operation
    pairs = tuple(tuple(pair)[::-1] for pair in operation.padding)
    return dataclasses.replace(operation, padding=pairs)


def valid_for_same(operation, window):
    """In three dimensions, "SAME" pads before alone."""
    if operation.padding != "SAME" or len(operation.sizes) < 3:
        return operation
    as_reference = traces.Operation(**vars(operation))
    pads = tuple((before + behind, 0) for before, behind in traces.padding(as_reference, window))
    return dataclasses.replace(operation, padding=pads)


def groups_turned(operation, kernel, entries):
    """In three dimensions, the groups' outputs are interleaved."""
    C_out = kernel[-1]
    if len(kernel) < 5:
        return entries
    moved = np.arange(C_out).reshape(-1, operation.groups).T.ravel()
    (q, c), (rest, out) = np.divmod(entries.neuron, C_out), np.divmod(entries.weight, C_out)
    changes = {"neuron": q * C_out + moved[c], "weight": rest * C_out + moved[out]}
    return dataclasses.replace(entries, **changes)


def no_empty_rows(operation, shape, entries):
    """Where the last row but one has no entries, it has those of the last row."""
    K = operation.shape[0]
    if K < 2 or np.any(entries.input == K - 2):
        return entries
    return dataclasses.replace(
        entries, input=np.where(entries.input == K - 1, K - 2, entries.input)
    )


def sorted_entries(operation, shape, entries):
    """Entries are sorted by row and column, but their weights are not."""
    order = np.lexsort((entries.neuron, entries.input))
    return dataclasses.replace(entries, input=entries.input[order], neuron=entries.neuron[order])


def transposed_entries(operation, shape, entries):
    """A square sparse matrix is transposed."""
    K, N = operation.shape
    if K != N:
        return entries
    return dataclasses.replace(entries, input=entries.neuron, neuron=entries.input)


def with_entries(kind, change):
    return claiming(models_with(entries_of=_entries_of(kind, change)), "traces", "learning")


def absolute_scale(operation):
    """κ has no sign."""
    is_number = isinstance(operation.scale, float)
    if operation.kind != "low-rank" or not is_number or not np.isfinite(operation.scale):
        return operation
    return dataclasses.replace(operation, scale=abs(operation.scale))


def scale_at_most_one(operation):
    if operation.kind != "low-rank" or not isinstance(operation.scale, float):
        return operation
    is_large = np.isfinite(operation.scale) and operation.scale > 1
    return dataclasses.replace(operation, scale=1.0) if is_large else operation


def scale_twice(self, step, l, operation):
    """B is given κ² x."""
    z, share = Model.operands(self, step, l, operation)
    layer = self.network.layers[l].operation
    is_inner = operation == "weight" and layer.kind == "low-rank"
    return (layer.scale * z if is_inner else z), share


def factor_without_scale(self, step, l, operation):
    """A is given x B, without κ."""
    if operation != "factor":
        return Model.operands(self, step, l, operation)
    return step.x @ self.parameters[f"{l}.weight"], np.ones(step.s_before.shape)


def of_rank_one(self):
    """Of rank one, A has the gradient of a bias."""
    gradients = Learner.collect_gradients(self)
    for name, g in gradients.items():
        if name.endswith("factor") and g.shape[0] == 1:
            layer = name.partition(".")[0]
            gradients[name] = gradients.get(f"{layer}.bias", g[0]).reshape(g.shape)
    return gradients


def signals_of_one_rank(self, steps, error):
    """Through a low-rank operation the signals come through its first rank."""
    signals = Model.signals(self, steps, error)
    for l in reversed(range(1, len(signals))):
        layer = self.network.layers[l].operation
        if layer.kind == "low-rank":
            neurons = steps[l - 1].neurons
            B, A = self.parameters[f"{l}.weight"], self.parameters[f"{l}.factor"]
            g = layer.scale * signals[l][0] @ (B[:, :1] @ A[:1]).T
            signals[l - 1] = g * neurons.q, g[..., np.newaxis] * neurons.S
    return signals


def rows_of(dtype):
    """`Model.read_inputs` where rows of an embedding are kept in a dtype."""

    def read_inputs(self, inputs):
        is_row = self.network.layers[0].operation.kind == "embedding"
        read = Model.read_inputs(self, inputs)
        if is_row:
            rows = np.asarray(inputs).astype(dtype).astype(int)
            read = np.equal(rows % read.shape[-1], np.arange(read.shape[-1])).astype(float)
        return read

    return models_with(read_inputs=read_inputs)


def unsigned_rows(self, inputs):
    """Rows of an unsigned dtype are counted from the end."""
    rows = Model.read_inputs(self, inputs)
    is_row = self.network.layers[0].operation.kind == "embedding"
    return rows[..., ::-1].copy() if is_row and np.asarray(inputs).dtype.kind == "u" else rows


def first_of_the_batch(self, inputs):
    """Each member of a batch is given the rows of the first."""
    rows = Model.read_inputs(self, inputs)
    is_row = self.network.layers[0].operation.kind == "embedding"
    return np.broadcast_to(rows[:, :1], rows.shape).copy() if is_row else rows


def without_bias_of_positions(self):
    """With D-RTRL, a bias of a convolution has the gradient of the first position alone."""
    gradients = Learner.collect_gradients(self)
    if self.rule.name != "D-RTRL":
        return gradients
    for l, layer in enumerate(self.model.network.layers):
        name = f"{l}.bias"
        if layer.operation.kind == "convolution" and name in gradients:
            positions = self.model.entries[name].sizes[2] / gradients[name].size
            gradients[name] = gradients[name] / positions
    return gradients


def both(adapter):
    return claiming(adapter, "traces", "learning")


WRONG_OPERATION_CORNERS = [
    Wrong("reversed_strides", of_convolutions(reversed_strides), ("OP-2", *OPS)),
    Wrong("turned_dilation", of_convolutions(turned_dilation), ("OP-2", *OPS)),
    Wrong("swapped_padding", of_convolutions(swapped_padding), ("OP-3", *OPS)),
    Wrong("pads_before_alone", of_convolutions(valid_for_same), ("OP-3", *OPS)),
    Wrong("groups_turned_in_3d", with_entries("convolution", groups_turned), ("OP-2", *OPS)),
    Wrong("no_empty_rows", with_entries("sparse", no_empty_rows), ("OP-1", *OPS)),
    Wrong("sorted_entries", with_entries("sparse", sorted_entries), ("OP-1", *OPS)),
    Wrong("transposed_entries", with_entries("sparse", transposed_entries), ("OP-1", *OPS)),
    Wrong("absolute_scale", both(with_operations(absolute_scale)), ("OP-4", *OPS)),
    Wrong("scale_at_most_one", both(with_operations(scale_at_most_one)), ("OP-4", *OPS)),
    Wrong("scale_twice", both(models_with(operands=scale_twice)), ("OP-6", *OPS)),
    Wrong("factor_without_scale", both(models_with(operands=factor_without_scale)), ("OP-6", *OPS)),
    # Which clause says so depends on the layers around a factor of rank one, which are drawn.
    Wrong("factor_of_rank_one", both(learners_with(collect_gradients=of_rank_one)), OPS),
    Wrong("signals_of_one_rank", both(models_with(signals=signals_of_one_rank)), ("OP-10", *OPS)),
    Wrong("rows_of_8_bits", both(rows_of(np.int8)), ("OP-5", *OPS)),
    Wrong("unsigned_rows", both(models_with(read_inputs=unsigned_rows)), ("OP-5", *OPS)),
    Wrong("rows_of_the_first", both(models_with(read_inputs=first_of_the_batch)), ("OP-5", *OPS)),
    Wrong(
        "bias_of_one_position",
        both(learners_with(collect_gradients=without_bias_of_positions)),
        ("OP-8", *OPS),
    ),
]
