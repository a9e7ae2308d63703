"""What operations refuse: OP-12, OP-13, and how: ERR-1, ERR-2."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.chapters.learning.refusals import check_refusal, replace_last, sound_problem
from conformance.checks import check_message
from conformance.drawing.shapes import Shape
from conformance.protocol.problems import Layer, Operation

SHAPES = {
    "sparse": Shape(
        Operation("sparse", (5, 4), (4, 0, 2, 3, 3, 0, 0), (1, 1, 3, 0, 3, 3, 1)), 5, 4, (7,)
    ),
    "convolution1": Shape(
        Operation("convolution", sizes=(7,), strides=(2,), padding="VALID"), 14, 9, (3, 2, 3)
    ),
    "convolution2": Shape(
        Operation("convolution", sizes=(3, 4), strides=(1, 2), groups=2), 24, 24, (2, 3, 1, 4)
    ),
    "low-rank": Shape(Operation("low-rank", scale=0.75), 4, 5, (4, 2), (2, 5)),
    "embedding": Shape(Operation("embedding"), 4, 5, (4, 5)),
    "grouped": Shape(Operation("grouped"), 6, 4, (2, 3, 2)),
}


def cases(*rows):
    """Make the parameters of a test, by number, operation and fault."""
    parameters = []
    for i, (operation, name, *values) in enumerate(rows):
        mark = pytest.mark.claims(operations=[operation.rstrip("123")])
        parameters.append(pytest.param(i, operation, *values, id=f"{operation}-{name}", marks=mark))
    return parameters


def of(implementation, index, name):
    """A problem of one layer with an operation of a known shape."""
    shape = SHAPES[name]
    problem = sound_problem(implementation, index, recurrence="none", chunk="one")
    rng = np.random.default_rng(index)
    T, B = 6, 2
    inputs = rng.normal(size=(T, B, shape.K))
    if name == "embedding":
        inputs = rng.integers(0, shape.K, (T, B, 1))
    factor = None if shape.factor is None else rng.normal(size=shape.factor)
    layer = Layer(
        problem.network.layers[0].kind,
        rng.normal(size=shape.weight),
        rng.normal(size=shape.biases),
        operation=shape.operation,
        factor=factor,
    )
    M = problem.network.readout.shape[1]
    return problem.replace(
        layers=(layer,),
        readout=rng.normal(size=(shape.N, M)),
        feedback=rng.normal(size=(shape.N, M)),
        inputs=inputs,
        targets=rng.normal(size=(T, B, M)),
        weights=np.ones(T),
        rewards=np.ones((T, B)),
    )


@pytest.mark.clauses("OP-12", "ERR-1")
@pytest.mark.parametrize(
    ("index", "name", "changes"),
    cases(
        ("sparse", "few-rows", {"rows": (4, 0, 2, 3, 3, 0)}),
        ("sparse", "row-too-large", {"rows": (4, 0, 2, 3, 5, 0, 0)}),
        ("sparse", "row-negative", {"rows": (4, 0, 2, 3, -1, 0, 0)}),
        ("sparse", "column-too-large", {"columns": (1, 1, 4, 0, 3, 3, 1)}),
        ("sparse", "column-negative", {"columns": (1, 1, -1, 0, 3, 3, 1)}),
        ("sparse", "column-half", {"columns": (1, 1, 2.5, 0, 3, 3, 1)}),
        ("sparse", "shape-empty", {"shape": (5, 0)}),
        ("sparse", "shape-of-three", {"shape": (5, 4, 1)}),
        ("convolution1", "stride-zero", {"strides": (0,)}),
        ("convolution1", "strides-two", {"strides": (1, 1)}),
        ("convolution1", "stride-half", {"strides": (1.5,)}),
        ("convolution2", "dilation-negative", {"dilation": (1, -1)}),
        ("convolution2", "groups-zero", {"groups": 0}),
        ("convolution2", "groups-true", {"groups": True}),
        ("convolution2", "padding-word", {"padding": "same-ish"}),
        ("convolution2", "padding-one", {"padding": ((1, 1),)}),
        ("convolution2", "padding-negative", {"padding": ((1, 1), (-1, 1))}),
        ("convolution2", "padding-half", {"padding": ((1, 1), (0.5, 1))}),
        ("low-rank", "scale-nan", {"scale": np.nan}),
        ("low-rank", "scale-infinite", {"scale": np.inf}),
    ),
)
def test_parameters_out_of_range(implementation, index, name, changes):
    wrong = of(implementation, index, name).with_operation(**changes)
    check_refusal(implementation, wrong, "ParameterError")


@pytest.mark.clauses("OP-12", "ERR-1")
@pytest.mark.parametrize(
    ("index", "name", "array", "shape"),
    cases(
        ("sparse", "weight-short", "weight", (6,)),
        ("sparse", "weight-matrix", "weight", (5, 4)),
        ("sparse", "mask-of-one", "mask", (1,)),
        ("convolution1", "window", "weight", (8, 2, 3)),
        ("convolution1", "bias", "bias", (9,)),
        ("convolution2", "channels", "weight", (2, 3, 1, 3)),
        ("convolution2", "mask", "mask", (2, 3, 1, 1)),
        ("embedding", "mask", "mask", (1, 5)),
        ("embedding", "weight", "weight", (5,)),
        ("low-rank", "weight", "weight", (4,)),
        ("low-rank", "factor", "factor", (3, 5)),
        ("low-rank", "factor-row", "factor", (2,)),
        ("grouped", "weight-matrix", "weight", (6, 4)),
        ("grouped", "weight-of-a-dimension-more", "weight", (2, 1, 3, 2)),
        ("grouped", "mask-of-a-group", "mask", (3, 2)),
        ("grouped", "mask-matrix", "mask", (6, 4)),
        ("grouped", "bias-of-a-group", "bias", (2,)),
        ("grouped", "bias-by-group", "bias", (2, 2)),
    ),
)
def test_wrong_shapes(implementation, index, name, array, shape):
    wrong = of(implementation, index, name).with_layer(**{array: np.ones(shape)})
    check_refusal(implementation, wrong, "ShapeError")


@pytest.mark.clauses("OP-12", "ERR-1")
@pytest.mark.parametrize(
    ("index", "name", "size"),
    cases(
        ("sparse", "narrow", 4),
        ("sparse", "wide", 6),
        ("convolution1", "narrow", 7),
        ("convolution2", "narrow", 12),
        ("low-rank", "narrow", 3),
        ("grouped", "one-group", 3),
        ("grouped", "wide", 8),
    ),
)
def test_inputs_of_another_size(implementation, index, name, size):
    problem = of(implementation, index, name)
    inputs = np.ones((*problem.inputs.shape[:2], size))
    check_refusal(implementation, problem.replace(inputs=inputs), "ShapeError")


@pytest.mark.clauses("OP-12", "ERR-1")
@pytest.mark.claims(operations=["low-rank"])
def test_low_rank_without_its_factor(implementation):
    problem = of(implementation, 0, "low-rank").with_layer(factor=None)
    check_refusal(implementation, problem, "StructureError")


@pytest.mark.clauses("OP-13", "ERR-1", "ERR-2")
@pytest.mark.claims(operations=["embedding"])
@pytest.mark.parametrize(
    ("index", "wrong"), [*enumerate([-1, 4, 100])], ids=["below", "next", "far"]
)
@pytest.mark.parametrize("chunk", [1, 4], ids=["steps", "chunks"])
def test_no_such_row(implementation, index, wrong, chunk):
    problem = of(implementation, index, "embedding")
    bad_problem = problem.replace(inputs=replace_last(problem.inputs, wrong), chunk=chunk)
    check_message(check_refusal(implementation, bad_problem, "InputError"), wrong)


@pytest.mark.clauses("OP-13", "ERR-1")
@pytest.mark.claims(operations=["embedding"])
@pytest.mark.parametrize(
    ("index", "dtype"),
    [*enumerate([np.float64, np.float32, bool])],
    ids=["double", "single", "bool"],
)
def test_inputs_that_are_no_integers(implementation, index, dtype):
    problem = of(implementation, index, "embedding")
    check_refusal(
        implementation, problem.replace(inputs=problem.inputs.astype(dtype)), "DtypeError"
    )


@pytest.mark.clauses("OP-13", "ERR-1")
@pytest.mark.claims(operations=["embedding"])
def test_embedding_of_emissions(implementation):
    problem = of(implementation, 0, "embedding")
    upper = problem.network.layers[0]
    layers = sound_problem(implementation, 0, recurrence="none").network.layers
    inputs = np.ones((6, 2, len(layers[0].weight)))
    check_refusal(
        implementation, problem.replace(layers=(*layers, upper), inputs=inputs), "DtypeError"
    )
