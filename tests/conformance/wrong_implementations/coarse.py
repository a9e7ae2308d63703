"""Adapters that round as a fixed-point chip does: to so many bits, with a scale for each array."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from conformance.adapters.reference import Reference
from conformance.protocol.implementation import Value
from reference import traces
from reference.networks import LayerStep, Model

from .learning_bases import LearningAdapter, traces_with


def quantize(value: Any, bits: int) -> Any:
    """Round the floating-point arrays of something to `bits` bits, the sign among them."""
    if isinstance(value, Value):
        return Value(quantize(value.array, bits), value.unit)
    if isinstance(value, dict):
        return {key: quantize(entry, bits) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(quantize(entry, bits) for entry in value)
    if dataclasses.is_dataclass(value):
        return dataclasses.replace(value, **quantize(vars(value), bits))
    is_array = getattr(value, "dtype", np.dtype(bool)).kind == "f"
    if not is_array or isinstance(value, np.ma.MaskedArray):
        return value
    finite = np.isfinite(value)
    largest = np.abs(np.where(finite, value, 0.0)).max(initial=0.0)
    if largest == 0:
        return value
    step = 2.0 ** (np.ceil(np.log2(largest)) + 1 - bits)
    return np.where(finite, np.round(np.where(finite, value, 0.0) / step) * step, value)


class Chip(Reference):
    """A neuron on a chip of 16-bit numbers, which says nothing of its resolution.

    What crosses to it and from it is rounded.
    """

    name = "chip"
    precision = 32
    capabilities = frozenset({"gif"})
    bits = 16

    def gif_initial(self, size, batch, parameters, form):
        return quantize(super().gif_initial(size, batch, self.stored(parameters), form), self.bits)

    def gif_step(self, size, parameters, state, current, dt, **options):
        arguments = size, self.stored(parameters), quantize(state, self.bits), current, dt
        return quantize(super().gif_step(*arguments, **options), self.bits)

    def gif_run(self, size, parameters, state, currents, dt, **options):
        """Rounded after each step, as the chip's memory does."""
        outcomes = []
        for I in currents.array:
            now = Value(I, currents.unit)
            state, spikes = self.gif_step(size, parameters, state, now, dt, **options)
            outcomes.append((state, spikes))
        if not outcomes:
            return super().gif_run(size, parameters, state, currents, dt, **options)
        states = {
            name: Value(np.stack([at[name].array for at, _ in outcomes]), state[name].unit)
            for name in state
        }
        return states, np.stack([spikes for _, spikes in outcomes])

    def gif_jacobian(self, size, parameters, *others, **options):
        arguments = size, self.stored(parameters), *others
        return quantize(super().gif_jacobian(*arguments, **options), self.bits)

    def learn(self, network, *arguments, **options):
        """Rounded as it is handed over, and the result."""
        learned = super().learn(quantize(network, self.bits), *arguments, **options)
        return quantize(learned, self.bits)

    def stored(self, parameters):
        return quantize(dict(parameters), self.bits)


def quantize_variables(states: np.ndarray, bits: int) -> np.ndarray:
    """Round states, (..., d), where each of the d variables has a scale of its own."""
    return np.stack([quantize(states[..., i], bits) for i in range(states.shape[-1])], -1)


def learning_chip(bits: int, resolution: float) -> LearningAdapter:
    """Make a chip that learns, whose states and traces are stored in so many bits at each step."""

    class RoundedModel(Model):
        def layer_step(self, l: int, x: np.ndarray) -> LayerStep:
            step = super().layer_step(l, x)
            h = quantize_variables(step.neurons.h, bits)
            return step._replace(neurons=step.neurons._replace(h=h))

    class RoundedTrace(traces.DRTRL):
        def advance(self, *arguments: Any) -> None:
            super().advance(*arguments)
            self.trace = quantize_variables(self.trace, bits)

    class RoundedFactors(traces.ESDRTRL):
        def advance(self, *arguments: Any) -> None:
            super().advance(*arguments)
            self.inputs = quantize(self.inputs, bits)
            self.factor = quantize_variables(self.factor, bits)

    learners = traces_with(RoundedTrace, RoundedFactors).learners
    methods = {
        "name": "learning_chip",
        "precision": 32,
        "resolution": resolution,
        "claims": {"kinds": frozenset({"leaky", "LIF", "ALIF"})},
        "models": RoundedModel,
        "learners": learners,
    }
    return type("LearningChip", (LearningAdapter,), methods)()


class HonestChip(Chip):
    """The same, with its resolution."""

    name = "honest_chip"
    resolution = 2.0**-15


def make_chip(precision: int) -> Chip:
    """Make the chip that says nothing of its resolution."""
    return Chip()


def make_honest_chip(precision: int) -> Chip:
    """Make the chip that states its resolution."""
    return HonestChip()
