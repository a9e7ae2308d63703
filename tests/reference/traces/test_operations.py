"""Operations: their entries, traces and gradients, against matrices and complex numbers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from conformance.drawing.draws import draw_problem
from conformance.plans.factors import LayerPlan, Plan
from conformance.translation.networks import to_reference_network
from reference import Operation, Quantity, Rule
from reference.learning import full_gradient, learn, run_traces
from reference.networks import Model

from ..complex_network import STEP, ComplexNetwork, gradients
from ..complex_operations import matrix

DT, DRTRL, ES = Quantity(np.float64(1.0), "ms"), Rule("D-RTRL"), Rule("ES-D-RTRL", 0.7)


CASES = ("sparse", "convolution1", "convolution2", "convolution3", "grouped", "low-rank")
CASES += ("embedding",)
#: Those that may lie above another layer.
UPPER = CASES[:-1]
#: Those whose weights may have a mask and a function.
PLAIN = [name for name in CASES if name != "low-rank"]
#: By case, neurons on it.
NEURONS = dict(
    zip(CASES, ("ALIF", "GIF", "synapse_LIF", "cable", "LRU", "LIF", "GIFTree"), strict=True)
) | {"dense": "ALIF"}
STACKS = [("dense", name) for name in UPPER] + [(name, "dense") for name in CASES]
STACKS += [("embedding", "sparse", "low-rank"), ("grouped", "grouped")]


def problem(*names, kind=None, **levels):
    """The network, inputs, targets and weights of a problem of layers with these operations."""
    kind = kind or NEURONS[names[0]]
    stack = tuple(LayerPlan(kind, operation=name, **levels) for name in names)
    drawn = draw_problem(Plan(stack), 1, 64)
    return to_reference_network(drawn.network), drawn.inputs, drawn.targets, drawn.weights


def complex_network(network, batch, cut="nothing"):
    initial = Model(network, 1.0, batch).h
    return ComplexNetwork(network, 1.0, batch, initial, cut)


def assert_equal(got, expected, tolerance=1e-11):
    assert set(got) == set(expected)
    for name, entry in expected.items():
        assert np.abs(entry).max() > 0, name
        atol = tolerance * np.abs(entry).max()
        np.testing.assert_allclose(got[name], entry, rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize("name", CASES)
def test_traces_are_derivatives_of_the_state(name):
    """The sum over the entries of a weight and a neuron is ∂h(T)/∂W, by complex steps (OP-6)."""
    network, inputs, *_ = problem(name)
    got, model = run_traces(network, inputs, DT, DRTRL), Model(network, 1.0, inputs.shape[1])
    for parameter, w in model.parameters.items():
        if parameter.startswith("readout"):
            continue
        entries, trace = model.entries[parameter], got.traces[parameter]
        B, d = len(trace), trace.shape[-1]
        derivative = np.zeros((w.size, model.extents[0][1], B, d))
        by_entry = np.moveaxis(trace.reshape(B, -1, d), 1, 0)
        np.add.at(derivative, (entries.weight, entries.neuron), by_entry)
        expected = np.zeros_like(derivative)
        for p in range(w.size):
            at = complex_network(network, B, "operations")
            at.parameters[parameter].flat[p] += 1j * STEP
            for x in inputs:
                at.step(x)
            expected[p] = np.moveaxis(at.h[0].imag, 0, 1) / STEP
        scale = np.abs(expected).max()
        np.testing.assert_allclose(derivative, expected, rtol=0, atol=1e-11 * scale)


@pytest.mark.parametrize("names", [*((name,) for name in CASES), *STACKS], ids="-".join)
def test_gradients(names):
    """Of what no operation carries through time, and of all, by complex steps (OP-8, OP-10)."""
    kind = NEURONS[names[0]] if len(names) == 1 else "ALIF"
    network, *arguments = problem(*names, kind=kind)
    for cut, got in (
        ("operations", learn(network, *arguments, DT, DRTRL).gradients),
        ("nothing", full_gradient(network, *arguments, DT)),
    ):
        make = lambda cut=cut: complex_network(network, arguments[0].shape[1], cut)  # noqa: E731
        assert_equal(got, gradients(make, *arguments))


@pytest.mark.parametrize("rule", [DRTRL, ES], ids=["D-RTRL", "ES-D-RTRL"])
@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_the_matrix(name, rule):
    """∇W = Σ ∂M/∂W ∇M, for the dense network of the operation's matrix M (OP-8, OP-9)."""
    network, inputs, *others = problem(name)
    (layer,) = network.layers
    got = learn(network, inputs, *others, DT, rule).gradients
    arrays = {"weight": layer.weight} | (
        {"factor": layer.factor} if layer.factor is not None else {}
    )

    def of(**changed):
        changed_arrays = arrays | changed
        return matrix(layer.operation, changed_arrays["weight"], changed_arrays.get("factor"))

    bias = np.resize(layer.bias, of().shape[1])
    fields = {"operation": Operation(), "factor": None, "bias": bias}
    dense = dataclasses.replace(layer, weight=of(), **fields)
    if name == "embedding":
        inputs = np.eye(len(layer.weight))[inputs[..., 0]]
    plain = dataclasses.replace(network, layers=(dense,))
    of_matrix = learn(plain, inputs, *others, DT, rule).gradients["0.weight"]
    for array, w in arrays.items():
        expected = np.zeros(w.shape)
        for index in np.ndindex(w.shape):
            moved = w.astype(complex)
            moved[index] += 1j * STEP
            expected[index] = np.sum(of(**{array: moved}).imag / STEP * of_matrix)
        assert_equal({array: got[f"0.{array}"]}, {array: expected})


@pytest.mark.parametrize("name", PLAIN)
def test_masks_and_weight_functions(name):
    network, *arguments = problem(name, function="square", mask="masked")
    make = lambda: complex_network(network, arguments[0].shape[1], "operations")  # noqa: E731
    got = learn(network, *arguments, DT, DRTRL).gradients
    assert_equal(got, gradients(make, *arguments))
    assert not got["0.weight"][network.layers[0].mask == 0].any()


@pytest.mark.parametrize(
    ("name", "changes", "error"),
    [
        ("sparse", {"kind": "scattered"}, "ParameterError"),
        ("convolution1", {"sizes": (7, 1, 1, 1)}, "ParameterError"),
        ("convolution1", {"sizes": (0,)}, "ParameterError"),
        ("convolution1", {"sizes": (2,)}, "ShapeError"),
        ("low-rank", {"scale": True}, "ParameterError"),
        ("grouped", {"kind": "dense"}, "ShapeError"),
        ("convolution2", {"kind": "grouped"}, "ShapeError"),
        ("low-rank", {"kind": "dense"}, "StructureError"),
        ("sparse", {"kind": "low-rank"}, "StructureError"),
    ],
)
def test_operations_that_are_refused(name, changes, error):
    network, inputs, *_ = problem(name)
    operation = dataclasses.replace(network.layers[0].operation, **changes)
    layers = (dataclasses.replace(network.layers[0], operation=operation),)
    with pytest.raises((TypeError, ValueError)) as caught:
        run_traces(dataclasses.replace(network, layers=layers), inputs, DT, DRTRL)
    assert type(caught.value).__name__ == error


@pytest.mark.parametrize("fields", [{"mask": np.ones((4, 2))}, {"weight_function": "square"}])
def test_low_rank_has_neither_mask_nor_function(fields):
    network, inputs, *_ = problem("low-rank")
    layers = (dataclasses.replace(network.layers[0], **fields),)
    with pytest.raises(ValueError, match="low-rank") as caught:
        run_traces(dataclasses.replace(network, layers=layers), inputs, DT, DRTRL)
    assert type(caught.value).__name__ == "ParameterError"
