"""Wrong networks: what they take, and time constants they do not (NET-4 to NET-7, OP-12, GIF-5)."""

from __future__ import annotations

import dataclasses

import numpy as np

from conformance.protocol.implementation import Value
from conformance.protocol.problems import Layer, Network, Rule, Traced
from reference.errors import BrainscaleError, ParameterError, ShapeError

from .gif_bases import Gif
from .learning_bases import LearningAdapter
from .state_bases import Histories
from .wrong import Wrong


class ReplacesArguments(LearningAdapter):
    """Networks, inputs and rules are replaced before anything else."""

    def traces(self, network, inputs, dt, rule, **options):
        arguments = self.network_of(network, dt), self.inputs_of(inputs), dt, self.rule_of(rule)
        return super().traces(*arguments, **options)

    def network_of(self, network, dt):
        layers = tuple(self.layer_of(layer, dt) for layer in network.layers)
        return dataclasses.replace(network, layers=layers)

    def layer_of(self, layer, dt):
        return layer

    def inputs_of(self, inputs):
        return inputs

    def rule_of(self, rule):
        return rule


class EmptyRuns(LearningAdapter):
    """Of no steps, or no batch, nothing is left, without a word."""

    def traces(self, network, inputs, *others, **options):
        try:
            return super().traces(network, inputs, *others, **options)
        except ShapeError:
            if 0 not in np.shape(inputs)[:2]:
                raise
        return Traced([], [], np.zeros((*np.shape(inputs)[:2], 1)), {})


class NoLayers(ReplacesArguments):
    """A network without layers has one."""

    def network_of(self, network, dt):
        if network.layers:
            return network
        return Network((Layer("leaky", np.ones((2, 2))),), np.ones((2, 1)))


class NoNeurons(ReplacesArguments):
    """A layer without neurons has one."""

    def network_of(self, network, dt):
        if len(network.readout):
            return super().network_of(network, dt)
        return Network((Layer("leaky", np.ones((2, 1))),), np.ones((1, 1)))


class UnknownRules(ReplacesArguments):
    def rule_of(self, rule):
        return Rule("D-RTRL") if rule.name in ("BPTT", "d-rtrl", "") else rule


class UnknownKinds(ReplacesArguments):
    def layer_of(self, layer, dt):
        is_known = layer.kind not in ("HH", "lif", "")
        return layer if is_known else dataclasses.replace(layer, kind="leaky")


class UnknownOperations(ReplacesArguments):
    def layer_of(self, layer, dt):
        if layer.operation.kind != "pooling":
            return layer
        return dataclasses.replace(layer, operation=Layer("leaky", layer.weight).operation)


class RecurrenceOfGIFLeftOut(ReplacesArguments):
    def layer_of(self, layer, dt):
        is_wrong = layer.kind.startswith("GIF") and np.ndim(layer.recurrent) == 1
        return dataclasses.replace(layer, recurrent=None) if is_wrong else layer


class TimeConstants(ReplacesArguments):
    """τ is replaced by another."""

    def layer_of(self, layer, dt):
        tau = layer.parameters.get("tau")
        if tau is None or np.ma.isMaskedArray(tau.array):
            return layer
        other = Value(self.tau_of(np.asarray(tau.array), float(dt.array)), tau.unit)
        return dataclasses.replace(layer, parameters=dict(layer.parameters) | {"tau": other})


class NotBelowTheStep(TimeConstants):
    def tau_of(self, tau, dt):
        return np.maximum(tau, dt)


class NotBelowHalfAMillisecond(TimeConstants):
    def tau_of(self, tau, dt):
        return np.maximum(tau, 0.5)


class RefusedBelowTheStep(TimeConstants):
    def tau_of(self, tau, dt):
        if np.any(tau < dt):
            raise ParameterError("parameter 'tau'", f"{tau} ms", "more than dt")
        return tau


class WindowsThatFitSomewhere(ReplacesArguments):
    """A window that does not fit one dimension is padded."""

    capabilities = frozenset({"traces", "operations"})

    def layer_of(self, layer, dt):
        operation = layer.operation
        window = np.shape(layer.weight)[:-2]
        fits = [i >= u for i, u in zip(operation.sizes, window, strict=False)]
        if not any(fits) or all(fits) or operation.padding != "VALID":
            return layer
        padded = dataclasses.replace(operation, padding="SAME")
        return dataclasses.replace(layer, operation=padded)

    def network_of(self, network, dt):
        other = super().network_of(network, dt)
        if other.layers == network.layers:
            return network
        N = int(np.prod(other.layers[0].operation.sizes))
        return dataclasses.replace(other, readout=np.ones((N, 1)))


class GIFNotBelowTheStep(Gif):
    def gif_step(self, size, parameters, state, current, dt, **options):
        tau = parameters.get("tau")
        if isinstance(tau, Value) and tau.unit == dt.unit and np.all(np.isfinite(dt.array)):
            parameters = parameters | {"tau": Value(np.maximum(tau.array, dt.array), tau.unit)}
        return super().gif_step(size, parameters, state, current, dt, **options)


class SilentAdditions(Histories):
    """What `add_leaf` refuses is refused in one sentence for all."""

    def add_leaf(self, state, path, value):
        try:
            return super().add_leaf(state, path, value)
        except BrainscaleError as error:
            caught = error
        raise type(caught)("state", "a bad leaf", "a good one")


WRONG_NETWORKS = [
    Wrong("runs_of_nothing", EmptyRuns, ("NET-4",)),
    Wrong("no_layers_are_one", NoLayers, ("NET-4",)),
    Wrong("no_neurons_are_one", NoNeurons, ("NET-4",)),
    Wrong("unknown_rules_are_d_rtrl", UnknownRules, ("NET-5", "ERR-2")),
    Wrong("unknown_kinds_are_leaky", UnknownKinds, ("NET-5", "ERR-2")),
    Wrong("unknown_operations_are_dense", UnknownOperations, ("NET-5",)),
    Wrong("element_wise_recurrence_of_gif_left_out", RecurrenceOfGIFLeftOut, ("NET-5",)),
    Wrong("networks_of_tau_not_below_dt", NotBelowTheStep, ("NET-7", "TRACE-8")),
    Wrong(
        "networks_of_tau_not_below_half_a_millisecond",
        NotBelowHalfAMillisecond,
        ("NET-7", "TRACE-8"),
    ),
    Wrong("networks_refuse_tau_below_dt", RefusedBelowTheStep, ("NET-7", "NET-1")),
    Wrong("windows_that_fit_somewhere", WindowsThatFitSomewhere, ("OP-12",)),
    Wrong("gif_of_tau_not_below_dt", GIFNotBelowTheStep, ("GIF-5", "GIF", "NUM")),
    Wrong("add_leaf_says_nothing", SilentAdditions, ("ERR-2", "ERR-1")),
]
