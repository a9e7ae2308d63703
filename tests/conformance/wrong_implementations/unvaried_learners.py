"""Wrong learners of what problems once had in one way: types, mixtures, choices, kept numbers."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from conformance.protocol.implementation import Value
from reference.networks import KINDS

from .learning_bases import LearningAdapter
from .wrong import Wrong

ALL_RULES = frozenset({"traces", "learning", "hybrid", "eprop", "three_factor"})


class Told(LearningAdapter):
    """The reference's answers to what `told` makes of a call's arguments, by name."""

    capabilities = ALL_RULES

    def told(self, arguments: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def traces(self, network, inputs, dt, rule, **options):
        return super().traces(*self._told(network, inputs, dt=dt, rule=rule), **options)

    def learn(self, network, inputs, targets, weights, dt, rule, **options):
        arguments = {"targets": targets, "weights": weights, "dt": dt, "rule": rule}
        return super().learn(*self._told(network, inputs, **arguments), **options)

    def learning_signals(self, network, inputs, targets, weights, dt):
        arguments = {"targets": targets, "weights": weights, "dt": dt}
        return super().learning_signals(*self._told(network, inputs, **arguments))

    def reinforce(self, network, inputs, rewards, dt, rule, **options):
        arguments = {"rewards": rewards, "dt": dt, "rule": rule}
        return super().reinforce(*self._told(network, inputs, **arguments), **options)

    def _told(self, network, inputs, **others):
        return self.told({"network": network, "inputs": inputs, **others}).values()


def telling(change):
    """The adapter of which a function makes a call's arguments, by name."""
    return type("Telling", (Told,), {"told": lambda self, arguments: change(arguments)})


def changing(name, change):
    """The adapter that changes one argument of calls that have it."""

    def told(arguments):
        return arguments | ({name: change(arguments[name])} if name in arguments else {})

    return telling(told)


def of_layers(change):
    """The adapter that changes each layer."""

    def changed(network):
        layers = tuple(change(layer) for layer in network.layers)
        return dataclasses.replace(network, layers=layers)

    return changing("network", changed)


def of_parameters(change):
    """The adapter that changes each parameter of neurons."""

    def changed(layer):
        parameters = {name: change(name, value) for name, value in layer.parameters.items()}
        return dataclasses.replace(layer, parameters=parameters)

    return of_layers(changed)


def of_masks(change):
    """The adapter that changes masks."""

    def changed(layer):
        masks = {
            name: None if getattr(layer, name) is None else change(np.asarray(getattr(layer, name)))
            for name in ("mask", "recurrent_mask")
        }
        return dataclasses.replace(layer, **masks)

    return of_layers(changed)


def refuse(is_refused, said):
    """A function that raises an error of no class of ours for some of what it is given."""

    def checked(value):
        if is_refused(np.asarray(value)):
            raise TypeError(said)
        return value

    return checked


class Kept(Told):
    """A program, kept by the shapes of what it is given, that has the first call's numbers."""

    name_of: ClassVar[str]

    def __init__(self):
        self.first: dict[str, Any] = {}

    def told(self, arguments):
        if self.name_of not in arguments:
            return arguments
        shapes = [np.shape(value) for value in arguments.values() if isinstance(value, np.ndarray)]
        layers = [(layer.kind, np.shape(layer.weight)) for layer in arguments["network"].layers]
        key = repr((sorted(arguments), shapes, layers, arguments.get("rule")))
        return arguments | {self.name_of: self.first.setdefault(key, arguments[self.name_of])}


def keeping_first(name):
    """The adapter whose programs keep an argument's first numbers."""
    return type("Kept", (Kept,), {"name_of": name})


def without_V_rest(layer):
    """The resting potential of GIF neurons is always the default."""
    if not layer.kind.startswith("GIF"):
        return layer
    parameters = {name: x for name, x in layer.parameters.items() if name != "V_rest"}
    return dataclasses.replace(layer, parameters=parameters)


def all_or_nothing(layer):
    """Where a parameter is left out, all have their defaults."""
    if layer.kind not in ("LIF", "ALIF", "synapse_LIF"):
        return layer
    is_whole = set(KINDS[layer.kind].names) <= set(layer.parameters)
    return layer if is_whole else dataclasses.replace(layer, parameters={})


def of_one_rank(layer):
    """Parameters for all neurons and for each are not taken together."""
    ranks = {np.ndim(x.array) for x in layer.parameters.values()}
    if len(ranks) > 1:
        raise TypeError("parameters of several ranks")
    return layer


def at_least_zero(name, value):
    """β is not negative."""
    return Value(np.maximum(value.array, 0), value.unit) if name == "beta" else value


def doubles(name, value):
    """Single precision is refused where double is claimed."""
    if np.asarray(value.array).dtype == np.float32:
        raise TypeError("parameters of two precisions")
    return value


def with_recurrent_mask(layer):
    """A recurrence has a mask only where the weight has one."""
    return layer if layer.mask is not None else dataclasses.replace(layer, recurrent_mask=None)


def sorted_decays(rule):
    """The smaller decay is always that of the inputs."""
    decay = rule.decay_or_rank
    return (
        dataclasses.replace(rule, decay_or_rank=tuple(sorted(decay)))
        if (isinstance(decay, tuple))
        else rule
    )


def decays_to_nine_tenths(rule):
    """No decay is above 0.9."""
    decay = rule.decay_or_rank
    if isinstance(decay, float):
        return dataclasses.replace(rule, decay_or_rank=min(decay, 0.9))
    return rule


def ranks_to_ten(rule):
    """No rank is above 10."""
    rank = rule.decay_or_rank
    is_rank = isinstance(rank, int) and rule.name == "ES-D-RTRL"
    return dataclasses.replace(rule, decay_or_rank=min(rank, 10)) if is_rank else rule


def choices_of_weights(rule):
    """Of hybrid learning, choices for recurrences are not heard."""
    chosen = {k: x for k, x in (rule.rules or {}).items() if not k.endswith("recurrent")}
    return dataclasses.replace(rule, rules=chosen or None) if rule.name == "hybrid" else rule


def three_quarters(network):
    """Every leaky readout has κ = 0.75."""
    return dataclasses.replace(network, readout_decay=0.75 if network.readout_decay else 0.0)


class WritesInputs(LearningAdapter):
    """What it is given is written over when it is done."""

    def traces(self, network, inputs, *arguments, **options):
        traced = super().traces(network, inputs, *arguments, **options)
        inputs[...] = 0
        return traced

    def learn(self, network, inputs, targets, *arguments, **options):
        learned = super().learn(network, inputs, targets, *arguments, **options)
        targets[...] = 0
        return learned


RUNS = ("ERR", "NET", "LEARN", "TRACE", "OP", "NUM-8", "HYBRID", "EPROP", "THREE")

WRONG_UNVARIED_LEARNERS = [
    Wrong("keeps_first_targets", keeping_first("targets"), ("NET-1", *RUNS)),
    Wrong("keeps_first_step_weights", keeping_first("weights"), ("NET-1", *RUNS)),
    Wrong("keeps_first_rewards", keeping_first("rewards"), ("NET-1", *RUNS)),
    Wrong("keeps_first_dt", keeping_first("dt"), ("NET-1", *RUNS)),
    Wrong("keeps_first_network", keeping_first("network"), ("NET-1", *RUNS)),
    Wrong("V_rest_of_gif_layers_ignored", of_layers(without_V_rest), ("NET-1", *RUNS)),
    Wrong("some_parameters_are_none", of_layers(all_or_nothing), ("NET-1", *RUNS)),
    Wrong("parameters_of_one_rank", of_layers(of_one_rank), ("NET-1", *RUNS)),
    Wrong("beta_at_least_zero", of_parameters(at_least_zero), ("NET-1", *RUNS)),
    Wrong("parameters_of_one_precision", of_parameters(doubles), ("NET-1", *RUNS)),
    Wrong("recurrent_mask_with_mask_only", of_layers(with_recurrent_mask), ("LEARN", *RUNS)),
    Wrong("masks_are_positive", of_masks(np.abs), ("LEARN", *RUNS)),
    Wrong("all_masks_are_booleans", of_masks(lambda x: x != 0), ("LEARN", *RUNS)),
    Wrong(
        "refuses_masks_of_integers",
        of_masks(refuse(lambda x: x.dtype.kind in "iu", "a mask of integers")),
        ("LEARN", *RUNS),
    ),
    Wrong(
        "refuses_targets_of_integers",
        changing("targets", refuse(lambda x: x.dtype.kind in "iu", "targets of integers")),
        ("NET-6", *RUNS),
    ),
    Wrong(
        "step_weights_of_integers_are_signs",
        changing("weights", lambda x: x if x.dtype.kind == "f" else np.sign(x)),
        ("NET-6", *RUNS),
    ),
    Wrong(
        "rewards_of_integers_without_sign",
        changing("rewards", lambda x: x if x.dtype.kind == "f" else np.abs(x)),
        ("NET-6", *RUNS),
    ),
    Wrong("decays_are_sorted", changing("rule", sorted_decays), ("TRACE", *RUNS)),
    Wrong("decays_to_nine_tenths", changing("rule", decays_to_nine_tenths), ("TRACE", *RUNS)),
    Wrong("ranks_to_ten", changing("rule", ranks_to_ten), ("TRACE", *RUNS)),
    Wrong("choices_of_weights_alone", changing("rule", choices_of_weights), ("HYBRID", *RUNS)),
    Wrong("readouts_of_three_quarters", changing("network", three_quarters), ("NET-3", *RUNS)),
    Wrong("writes_over_what_it_is_given", WritesInputs, ("CONF-3", *RUNS)),
]
