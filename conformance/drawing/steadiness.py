"""Whether rounding leaves the results of a problem within tolerance (NUM-8, NUM-9)."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from conformance.comparison import find_difference
from conformance.distances import pause_recording
from conformance.drawing.neurons import all_parameters
from conformance.plans.factors import LOCAL
from conformance.plans.problem import Problem
from conformance.protocol.implementation import Value
from conformance.records import expected_record
from conformance.tolerances import EPSILON, Tolerances
from reference.learning import Components
from reference.networks import LayerStep, Model

__all__ = ["is_steady"]

_WAYS = 3
_SHARE = {EPSILON[32]: EPSILON[32], EPSILON[64]: 128 * EPSILON[64]}
"""By ε, the share of itself by which a number is moved; at 64 bits about the error of a step."""


class RoundedModel(Model):
    """The reference's network with states of single precision."""

    def layer_step(self, l: int, x: np.ndarray) -> LayerStep:
        """Make one step of a layer, and round its new state before it is used."""
        step = super().layer_step(l, x)
        h = self.round(step.neurons.h)
        neurons = step.neurons._replace(h=h)
        if self.network.layers[l].kind in LOCAL:
            neurons = neurons._replace(s=self.neurons[l].emission(h).s)
        return step._replace(neurons=neurons)

    def round(self, h: np.ndarray) -> np.ndarray:
        """The states as they are stored, (B, N, d)."""
        return h.astype(np.float32).astype(np.float64)


class MovedModel(RoundedModel):
    """The reference's network with states moved by about the error of a step at 64 bits."""

    def round(self, h: np.ndarray) -> np.ndarray:
        """The states, each a little larger or smaller, the same ones in each step."""
        signs = np.random.default_rng(0).choice([-1, 1], h.shape)
        return h * (1 + _SHARE[EPSILON[64]] * signs)


@functools.cache
def rounded_model(epsilon: float, resolution: float) -> type[Model]:
    """The reference's network with states as they are stored at a precision or a resolution."""
    if not resolution:
        return MovedModel if epsilon == EPSILON[64] else RoundedModel

    def round_all(self: Model, h: np.ndarray) -> np.ndarray:
        step = 2 * resolution * np.abs(h).max(axis=(0, 1))
        return np.where(step > 0, np.round(h / np.where(step > 0, step, 1)) * step, h)

    return type("RoundedAtResolution", (RoundedModel,), {"round": round_all})


def is_steady(problem: Problem, impatience: float, tolerances: Tolerances) -> bool:
    """Whether weights, parameters and states may be rounded as they are stored, in several ways.

    Parameters
    ----------
    problem : Problem
    impatience : float
        From 0, where a quarter of the tolerance is allowed for rounding, to 1, where all of it is.
    tolerances : Tolerances
        Those of a precision, or of a resolution.
    """
    share = 0.25 if impatience < 0.5 else 0.5 if impatience < 0.75 else 1.0
    limits = dataclasses.replace(tolerances, network=share * tolerances.network)
    return all(_is_within(problem, seed, limits) for seed in range(_WAYS))


def _is_within(problem: Problem, seed: int, limits: Tolerances) -> bool:
    rng, share = np.random.default_rng(seed), limits.resolution or _SHARE[limits.epsilon]

    def move(array: np.ndarray | None) -> Any:
        if array is None:
            return None
        # At a resolution by a share of the array's largest entry, as all are that are stored.
        size = np.abs(array).max(initial=0.0) if limits.resolution else array
        return array + share * size * rng.choice([-1, 1], np.shape(array))

    layers = tuple(
        dataclasses.replace(
            layer,
            weight=move(layer.weight),
            bias=move(layer.bias),
            recurrent=move(layer.recurrent),
            factor=move(layer.factor),
            parameters={
                name: Value(move(value.array), value.unit)
                for name, value in all_parameters(layer).items()
            },
        )
        for layer in problem.network.layers
    )
    components = Components(model=rounded_model(limits.epsilon, limits.resolution))
    other = expected_record(problem.replace(layers=layers), components)
    with pause_recording():
        apart = find_difference(problem, other, expected_record(problem), limits.network)
    # At a resolution parameters begin apart.
    return apart is None or bool(limits.resolution and apart.quantity == "parameters")
