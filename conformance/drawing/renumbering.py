"""Problems of one structure: the same shapes, types and units with other numbers."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from conformance.drawing.steadiness import is_steady
from conformance.plans.problem import Problem
from conformance.protocol.implementation import Value
from conformance.protocol.problems import Layer
from conformance.records import expected_record
from conformance.tolerances import Tolerances, tolerances_at

__all__ = ["with_other_numbers"]

_SHARES = [1 - k / 64 for k in range(8, 24)]
"""Factors for all arrays, which 32 bits hold exactly."""


def with_other_numbers(problem: Problem, tolerances: Tolerances) -> Problem:
    """Reverse and shrink all arrays of a problem so that it may still be judged (NUM-8)."""
    for share in _SHARES:
        other = _renumber(problem, share)
        is_far = expected_record(other).nearest > tolerances.margin
        if is_far and is_steady(other, 0.0, tolerances_at(32, tolerances.resolution or None)):
            return other
    raise AssertionError(f"{problem} with other numbers may not be judged")


def _renumber(problem: Problem, share: float) -> Problem:
    def other(array: np.ndarray | None) -> Any:
        if array is None:
            return None
        return (np.flip(np.asarray(array)) * share).astype(np.asarray(array).dtype)

    def scale(value: Value) -> Value:
        array = np.asarray(value.array)
        return Value((array * share).astype(array.dtype), value.unit)

    def of_layer(layer: Layer) -> Layer:
        arrays = ("weight", "bias", "recurrent", "factor")
        parameters = {name: scale(value) for name, value in layer.parameters.items()}
        changes = {name: other(getattr(layer, name)) for name in arrays}
        return dataclasses.replace(layer, parameters=parameters, **changes)

    network, rate = problem.network, problem.learning_rate
    return problem.replace(
        layers=tuple(of_layer(layer) for layer in network.layers),
        readout=other(network.readout),
        readout_bias=other(network.readout_bias),
        readout_decay=network.readout_decay * share,
        feedback=other(network.feedback),
        inputs=problem.inputs if problem.inputs.dtype.kind in "iu" else other(problem.inputs),
        targets=other(problem.targets),
        weights=other(problem.weights),
        rewards=other(problem.rewards),
        dt=scale(problem.dt),
        learning_rate=None if rate is None else rate * share,
    )
