"""Wrong grouped operations (SPEC.md, OP-15), right for one group."""

from __future__ import annotations

import dataclasses

import numpy as np

from conformance.protocol.problems import Layer
from reference import traces
from reference.networks import Model

from .learning_bases import models_with, traces_with
from .operation_corners import OPS, both, with_entries
from .operations import entries_with
from .reading_bases import of_layers
from .wrong import Wrong


def strided_inputs(operation, shape, entries):
    """Input k of group g is k G + g."""
    G, K, _ = shape
    g, k = np.divmod(entries.input, K)
    return dataclasses.replace(entries, input=k * G + g)


def interleaved_neurons(operation, shape, entries):
    """Neuron n of group g is n G + g."""
    G, _, N = shape
    g, n = np.divmod(entries.neuron, N)
    return dataclasses.replace(entries, neuron=n * G + g)


def next_group(operation, shape, entries):
    """The neurons of a group read the inputs of the next."""
    G, K, _ = shape
    return dataclasses.replace(entries, input=(entries.input + K) % (G * K))


def one_block(operation, shape, entries):
    """All groups have the weights of the first."""
    _, K, N = shape
    return dataclasses.replace(entries, weight=entries.weight % (K * N))


def transposed_blocks(operation, shape, entries):
    """A group of as many inputs as neurons has its weights transposed."""
    G, K, N = shape
    if K != N:
        return entries
    moved = np.arange(G * K * N).reshape(G, K, N).transpose(0, 2, 1).ravel()
    return dataclasses.replace(entries, weight=moved)


def bias_of_the_first_group(self, l, operation):
    """Neuron n of each group has the bias of neuron n of the first."""
    weight, layer = Model.weight(self, l, operation), self.network.layers[l]
    if operation != "bias" or layer.operation.kind != "grouped":
        return weight
    G, _, N = self.parameters[f"{l}.weight"].shape
    return np.tile(weight[:N], G)


def signals_of_the_first_group(self, steps, error):
    """Through a grouped operation signals come back by its first group alone."""
    signals = Model.signals(self, steps, error)
    for l in reversed(range(1, len(signals))):
        if self.network.layers[l].operation.kind == "grouped":
            K = self.parameters[f"{l}.weight"].shape[1]
            c, state_signals = (x.copy() for x in signals[l - 1])
            c[:, K:], state_signals[:, K:] = 0, 0
            signals[l - 1] = c, state_signals
    return signals


class GroupsShareATrace(traces.DRTRL):
    """The trace of a weight is the mean of those at its place in all groups."""

    def show(self):
        trace = super().show()
        if trace.ndim != 5 or np.ndim(self.entries.coefficients()):
            return trace
        return np.broadcast_to(trace.mean(axis=1, keepdims=True), trace.shape)


def with_grouped_layers(change):
    """The adapter that reads each grouped layer, of a weight of three axes, with a function."""

    def read_layer(l: int, layer: Layer) -> Layer:
        is_grouped = layer.operation.kind == "grouped" and np.ndim(layer.weight) == 3
        return change(layer) if is_grouped else layer

    return of_layers(read_layer, "operations")


def mask_of_the_first_group(layer):
    """The mask of the first group is that of all."""
    if np.shape(layer.mask) != np.shape(layer.weight):
        return layer
    mask = np.asarray(layer.mask)
    return dataclasses.replace(layer, mask=np.broadcast_to(mask[:1], mask.shape).copy())


def bias_by_group(layer):
    """A bias may be (G, N/G)."""
    G, _, N = np.shape(layer.weight)
    is_by_group = np.shape(layer.bias) == (G, N)
    return dataclasses.replace(layer, bias=np.ravel(layer.bias)) if is_by_group else layer


WRONG_GROUPED = [
    Wrong("strided_inputs_of_groups", with_entries("grouped", strided_inputs), ("OP-15", *OPS)),
    Wrong("interleaved_neurons", with_entries("grouped", interleaved_neurons), ("OP-15", *OPS)),
    Wrong("inputs_of_the_next_group", entries_with("grouped", next_group), ("OP-15", *OPS)),
    Wrong("one_block_for_all_groups", entries_with("grouped", one_block), ("OP-15", *OPS)),
    Wrong("transposed_blocks", entries_with("grouped", transposed_blocks), ("OP-15", *OPS)),
    Wrong(
        "bias_of_the_first_group",
        both(models_with(weight=bias_of_the_first_group)),
        ("OP-15", *OPS),
    ),
    Wrong("groups_share_a_trace", both(traces_with(GroupsShareATrace)), ("OP-6", *OPS)),
    Wrong(
        "signals_of_the_first_group",
        both(models_with(signals=signals_of_the_first_group)),
        ("OP-10", *OPS),
    ),
    Wrong("mask_of_the_first_group", with_grouped_layers(mask_of_the_first_group), ("OP-11", *OPS)),
    Wrong("bias_by_group", with_grouped_layers(bias_by_group), ("OP-12", "ERR-1")),
]
