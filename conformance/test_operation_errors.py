"""What operations refuse: OP-12, OP-13, and how: ERR-1, ERR-2."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from conformance.checks import is_a, raises, says
from conformance.learned import D_RTRL, RULES
from conformance.operation_tasks import NEURONS, operation_task

TRACES, LEARNING = pytest.mark.needs("traces"), pytest.mark.needs("learning")


def of(implementation, name):
    return operation_task(implementation.precision, (name,), NEURONS[name])


def with_operation(given, **changes):
    operation = dataclasses.replace(given.network.layers[0].operation, **changes)
    return given.with_layer(operation=operation)


def refused(implementation, given, error: str) -> Exception:
    caught = raises(error, implementation.traces, *given.driven, D_RTRL)
    is_a(caught, error)
    return caught


@TRACES
@pytest.mark.clauses("OP-12", "ERR-1")
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("sparse", {"rows": (4, 0, 2, 3, 3, 0)}),
        ("sparse", {"rows": (4, 0, 2, 3, 5, 0, 0)}),
        ("sparse", {"rows": (4, 0, 2, 3, -1, 0, 0)}),
        ("sparse", {"columns": (1, 1, 4, 0, 3, 3, 1)}),
        ("sparse", {"columns": (1, 1, -1, 0, 3, 3, 1)}),
        ("sparse", {"columns": (1, 1, 2.5, 0, 3, 3, 1)}),
        ("sparse", {"shape": (5, 0)}),
        ("sparse", {"shape": (5, 4, 1)}),
        ("convolution 1", {"strides": (0,)}),
        ("convolution 1", {"strides": (1, 1)}),
        ("convolution 1", {"strides": (1.5,)}),
        ("convolution 2", {"dilation": (1, -1)}),
        ("convolution 2", {"groups": 0}),
        ("convolution 2", {"groups": True}),
        ("convolution 2", {"padding": "same-ish"}),
        ("convolution 2", {"padding": ((1, 1),)}),
        ("convolution 2", {"padding": ((1, 1), (-1, 1))}),
        ("convolution 2", {"padding": ((1, 1), (0.5, 1))}),
        ("low-rank", {"scale": np.nan}),
        ("low-rank", {"scale": np.inf}),
    ],
    ids=str,
)
def test_parameters_out_of_range(implementation, name, changes):
    refused(implementation, with_operation(of(implementation, name), **changes), "ParameterError")


@TRACES
@pytest.mark.clauses("OP-12", "ERR-1")
@pytest.mark.parametrize(
    ("name", "array", "shape"),
    [
        ("sparse", "weight", (6,)),
        ("sparse", "weight", (5, 4)),
        ("convolution 1", "weight", (8, 2, 3)),
        ("convolution 1", "bias", (9,)),
        ("convolution 2", "weight", (2, 3, 1, 3)),
        ("convolution 2", "mask", (2, 3, 1, 1)),
        ("sparse", "mask", (1,)),
        ("embedding", "mask", (1, 5)),
        ("embedding", "weight", (5,)),
        ("low-rank", "weight", (4,)),
        ("low-rank", "factor", (3, 5)),
        ("low-rank", "factor", (2,)),
    ],
    ids=str,
)
def test_wrong_shapes(implementation, name, array, shape):
    given = of(implementation, name).with_layer(**{array: np.ones(shape)})
    refused(implementation, given, "ShapeError")


@TRACES
@pytest.mark.clauses("OP-12", "ERR-1")
@pytest.mark.parametrize(
    ("name", "size"),
    [("sparse", 4), ("sparse", 6), ("convolution 1", 7), ("convolution 2", 12), ("low-rank", 3)],
)
def test_inputs_of_another_size(implementation, name, size):
    given = of(implementation, name)
    inputs = np.ones((*given.inputs.shape[:2], size))
    refused(implementation, given.replace(inputs=inputs), "ShapeError")


@TRACES
@pytest.mark.clauses("OP-12", "ERR-1")
def test_low_rank_without_its_factor(implementation):
    refused(
        implementation, of(implementation, "low-rank").with_layer(factor=None), "StructureError"
    )


@LEARNING
@TRACES
@pytest.mark.clauses("OP-13", "ERR-1", "ERR-2")
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("wrong", [-1, 4, 100])
@pytest.mark.parametrize("chunk", [1, 5])
def test_no_such_row(implementation, wrong, chunk, rule):
    given = of(implementation, "embedding")
    inputs = given.inputs.copy()
    inputs[-1, 0] = wrong
    wrong_given = given.replace(inputs=inputs)
    says(refused(implementation, wrong_given, "InputError"), wrong)
    raises("InputError", implementation.learn, *wrong_given.given, rule, chunk=chunk)


@TRACES
@pytest.mark.clauses("OP-13", "ERR-1")
@pytest.mark.parametrize("dtype", [np.float64, np.float32, bool])
def test_inputs_that_are_no_integers(implementation, dtype):
    given = of(implementation, "embedding")
    refused(implementation, given.replace(inputs=given.inputs.astype(dtype)), "DtypeError")


@TRACES
@pytest.mark.clauses("OP-13", "ERR-1")
def test_embedding_of_emissions(implementation):
    given = operation_task(implementation.precision, ("dense", "low-rank"), "leaky")
    upper = of(implementation, "embedding").network.layers[0]
    layers = (given.network.layers[0], upper)
    refused(implementation, given.replace(layers=layers), "DtypeError")
