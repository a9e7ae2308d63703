"""Whether single precision can have a problem: what rounding changes, by the reference (NUM-8)."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from conformance.comparison import find_difference
from conformance.distances import unrecorded
from conformance.drawing.factors import LOCAL
from conformance.drawing.neurons import all_parameters
from conformance.drawing.problem import Problem
from conformance.implementation import Value
from conformance.records import expected_record
from conformance.tolerances import EPSILON, NETWORK
from reference.learning_runs import Parts
from reference.network_step import LayerStep, Model

__all__ = ["is_steady"]

_WAYS = 3


class RoundedModel(Model):
    """The reference's network with states of single precision."""

    def layer_step(self, l: int, x: np.ndarray) -> LayerStep:
        """One step of a layer, whose new state is rounded before anything is made of it."""
        found = super().layer_step(l, x)
        h = found.neurons.h.astype(np.float32).astype(np.float64)
        neurons = found.neurons._replace(h=h)
        if self.network.layers[l].kind in LOCAL:
            neurons = neurons._replace(s=self.neurons[l].emission(h).s)
        return found._replace(neurons=neurons)


def is_steady(problem: Problem, impatience: float) -> bool:
    """Whether weights, parameters and states may be rounded to single precision, in several ways.

    Parameters
    ----------
    problem : Problem
    impatience : float
        From 0, where a quarter of the tolerance is allowed for rounding, to 1, where all of it is.
    """
    share = 0.25 if impatience < 0.5 else 0.5 if impatience < 0.75 else 1.0
    tolerance = share * NETWORK[32]
    return all(_is_within(problem, seed, tolerance) for seed in range(_WAYS))


def _is_within(problem: Problem, seed: int, tolerance: float) -> bool:
    rng = np.random.default_rng(seed)

    def moved(array: np.ndarray | None) -> Any:
        if array is None:
            return None
        return array * (1 + EPSILON[32] * rng.choice([-1, 1], np.shape(array)))

    layers = tuple(
        dataclasses.replace(
            layer,
            weight=moved(layer.weight),
            bias=moved(layer.bias),
            recurrent=moved(layer.recurrent),
            factor=moved(layer.factor),
            parameters={
                name: Value(moved(value.array), value.unit)
                for name, value in all_parameters(layer).items()
            },
        )
        for layer in problem.network.layers
    )
    other = expected_record(problem.replace(layers=layers), Parts(model=RoundedModel))
    with unrecorded():
        apart = find_difference(problem, other, expected_record(problem), tolerance)
    # Parameters begin apart.
    return apart is None or apart.quantity == "parameters"
