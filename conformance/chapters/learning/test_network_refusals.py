"""What networks may not be, and what their arrays and time constants may: NET-4 to NET-7, OP-12."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from conformance.checks import check_class, check_close, check_message, raises
from conformance.drawing.layouts import LAYOUTS
from conformance.drawing.masks import make_masked
from conformance.drawing.populations import DTYPES
from conformance.messages import any_of
from conformance.protocol.claims import KINDS, RULES, claims_of
from conformance.protocol.implementation import Value
from conformance.protocol.problems import Layer, Network, Operation, Rule
from conformance.protocol.valid_calls import make_rule
from conformance.tolerances import tolerances_of
from conformance.translation.networks import to_reference_network, to_reference_rule
from conformance.translation.values import to_reference
from reference.learning import run_traces

WITH_TAU = tuple(kind for kind in KINDS if kind not in ("GIFTree", "cable"))
"""Kinds that have a membrane time constant among their parameters."""


def rule_of(implementation: Any) -> Rule:
    """A rule that is claimed."""
    return next(make_rule(name) for name in RULES if name in claims_of(implementation).rules)


def kinds_of(implementation: Any, *kinds: str) -> list[str]:
    """The kinds that are claimed, of some or of all."""
    return [kind for kind in kinds or KINDS if kind in claims_of(implementation).kinds]


def network(implementation: Any, kind: str | None = None, **changes: Any) -> Network:
    """One layer of three neurons over two inputs, recurrent if that is claimed.

    Weights are small, so that no neuron spikes and no comparison is near.
    """
    dtype = DTYPES[implementation.precision]
    kind = kinds_of(implementation)[0] if kind is None else kind
    weight = np.array([[0.5, -0.25, 1.0], [0.125, 0.75, -0.5]])
    arrays = {"weight": weight / 8, "bias": np.full(3, 0.0625)}
    if "dense" in claims_of(implementation).recurrences:
        arrays["recurrent"] = (np.eye(3) + weight[0]) / 16
    fields = {name: array.astype(dtype) for name, array in arrays.items()} | changes
    return Network((Layer(kind, **fields),), np.array([[0.5], [-1.0], [0.25]], dtype))


def inputs_of(implementation: Any, *shape: int) -> np.ndarray:
    """Inputs of a shape, in eighths."""
    numbers = np.arange(np.prod(shape)).reshape(shape) % 8 / 8
    return numbers.astype(DTYPES[implementation.precision])


def length(implementation: Any, number: float = 1.0) -> Value:
    return Value(np.array(number, DTYPES[implementation.precision]), "ms")


def check_refusal(
    implementation: Any, error: str, net: Network, *shape: int, **options: Any
) -> Any:
    """Assert that a run with inputs of a shape raises an error, and return it."""
    rule = options.get("rule", rule_of(implementation))
    inputs = inputs_of(implementation, *(shape or (3, 2, 2)))
    exception = raises(error, implementation.traces, net, inputs, length(implementation), rule)
    check_class(exception, error)
    return exception


@pytest.mark.clauses("NET-4")
def test_no_layers(implementation):
    net = Network((), np.ones((2, 1)))
    check_refusal(implementation, "ShapeError", net)


@pytest.mark.clauses("NET-4")
def test_no_neurons(implementation):
    kind = kinds_of(implementation)[0]
    net = Network((Layer(kind, np.ones((2, 0))),), np.ones((0, 1)))
    check_refusal(implementation, "ShapeError", net)


@pytest.mark.clauses("NET-4")
@pytest.mark.parametrize(("T", "B"), [(0, 2), (3, 0), (0, 0)])
def test_no_steps_or_no_batch(implementation, T, B):
    check_refusal(implementation, "ShapeError", network(implementation), T, B, 2)


@pytest.mark.clauses("NET-5", "ERR-2")
@pytest.mark.parametrize("kind", ["HH", "lif", ""], ids=["another", "lower-case", "empty"])
def test_unknown_kind(implementation, kind):
    net = network(implementation, kind)
    names = any_of(*kinds_of(implementation))
    check_message(
        check_refusal(implementation, "ParameterError", net), *filter(None, [kind]), names
    )


@pytest.mark.clauses("NET-5", "ERR-2")
@pytest.mark.parametrize("name", ["BPTT", "d-rtrl", ""], ids=["another", "lower-case", "empty"])
def test_unknown_rule(implementation, name):
    net = network(implementation)
    exception = check_refusal(implementation, "ParameterError", net, rule=Rule(name))
    check_message(exception, "rule", *filter(None, [name]), rule_of(implementation).name)


@pytest.mark.clauses("NET-5")
def test_unknown_operation(implementation):
    net = network(implementation, operation=Operation("pooling"))
    check_message(check_refusal(implementation, "ParameterError", net), "pooling")


@pytest.mark.clauses("NET-5")
def test_element_wise_recurrence_of_what_emits_no_function_of_its_state(implementation):
    for kind in kinds_of(implementation, "GIF", "GIFTree"):
        net = network(implementation, kind, recurrent=np.ones(3))
        check_message(
            check_refusal(implementation, "ParameterError", net), any_of("recurrence", "recurrent")
        )


def agrees(implementation: Any, net: Network, inputs: Any, plain: Network, call: str) -> None:
    """A run leaves the states and outputs that the reference's run of a plain network leaves."""
    dt, rule = length(implementation), rule_of(implementation)
    got = implementation.traces(net, inputs, dt, rule)
    numbers = np.array(inputs, np.float64)
    reference = to_reference_network(plain), numbers, to_reference(dt), to_reference_rule(rule)
    reference_run = run_traces(*reference)
    variables = np.moveaxis(reference_run.hidden[0], -1, 0)
    pairs = [
        (got.hidden[0][..., i], reference_array) for i, reference_array in enumerate(variables)
    ]
    for array, reference_array in [*pairs, (got.outputs, reference_run.outputs)]:
        assert np.shape(array) == reference_array.shape, f"{call}: shape {np.shape(array)}"
        tolerance = tolerances_of(implementation).network * np.abs(reference_array).max()
        check_close(array, reference_array, tolerance, call)


def lay_out_network(net: Network, change: Callable[[np.ndarray], np.ndarray]) -> Network:
    """A network whose arrays are changed."""
    layers = []
    for layer in net.layers:
        fields = {f.name: getattr(layer, f.name) for f in dataclasses.fields(layer)}
        arrays = {name: change(x) for name, x in fields.items() if isinstance(x, np.ndarray)}
        layers.append(dataclasses.replace(layer, **arrays))
    return dataclasses.replace(net, layers=tuple(layers), readout=change(net.readout))


@pytest.mark.clauses("NET-6")
@pytest.mark.parametrize("order", LAYOUTS)
def test_order_in_memory(implementation, order):
    plain = network(implementation)
    inputs = LAYOUTS[order](inputs_of(implementation, 4, 2, 2))
    net = lay_out_network(plain, LAYOUTS[order])
    agrees(implementation, net, inputs, plain, f"a run of arrays that are {order}")


@pytest.mark.clauses("NET-6")
def test_numpy_scalars(implementation):
    dtype = DTYPES[implementation.precision]
    for kind in kinds_of(implementation, *WITH_TAU)[:1]:
        plain, scalar = (
            network(implementation, kind, parameters={"tau": Value(make(7.5), "ms")})
            for make in (np.array, dtype)
        )
        inputs = inputs_of(implementation, 4, 2, 2)
        agrees(implementation, scalar, inputs, plain, "a run with a tau that is a NumPy scalar")


@pytest.mark.clauses("NET-6")
@pytest.mark.parametrize("name", ["weight", "bias", "mask", "readout", "inputs"])
@pytest.mark.parametrize("mask", [False, True])
def test_masked_arrays(implementation, name, mask):
    net, inputs = network(implementation), inputs_of(implementation, 3, 2, 2)
    if name == "readout":
        net = dataclasses.replace(net, readout=make_masked(net.readout, mask))
    elif name == "inputs":
        inputs = make_masked(inputs, mask)
    else:
        array = np.ones((2, 3)) if name == "mask" else getattr(net.layers[0], name)
        net = network(implementation, **{name: make_masked(array, mask)})
    rest = length(implementation), rule_of(implementation)
    raises("ValueTypeError", implementation.traces, net, inputs, *rest)


@pytest.mark.clauses("NET-6")
@pytest.mark.parametrize("mask", [False, True])
def test_masked_parameters(implementation, mask):
    for kind in kinds_of(implementation, *WITH_TAU)[:1]:
        tau = Value(make_masked(np.full(3, 5.0), mask), "ms")
        net = network(implementation, kind, parameters={"tau": tau})
        check_refusal(implementation, "ValueTypeError", net)


@pytest.mark.clauses("NET-7")
@pytest.mark.parametrize("tau", [0.75, 0.25, 0.05])
def test_time_constants_below_the_step_and_below_a_millisecond(implementation, tau):
    for kind in kinds_of(implementation, *WITH_TAU):
        parameters = {"tau": Value(np.array(tau, DTYPES[implementation.precision]), "ms")}
        net = network(implementation, kind, parameters=parameters)
        inputs = inputs_of(implementation, 4, 2, 2)
        agrees(implementation, net, inputs, net, f"a run of {kind} with tau = {tau} ms")


@pytest.mark.clauses("OP-12")
@pytest.mark.needs("traces")
@pytest.mark.parametrize(
    ("sizes", "window"),
    [((6, 2), (3, 3)), ((2, 6), (3, 3)), ((6, 1), (2, 2)), ((4, 4, 1), (2, 2, 2))],
    ids=["behind", "in-front", "flat", "third"],
)
def test_window_that_fits_only_some_dimensions(implementation, sizes, window):
    if "convolution" not in claims_of(implementation).operations:
        return
    operation = Operation("convolution", sizes=sizes, padding="VALID")
    kind = kinds_of(implementation)[0]
    layer = Layer(kind, np.ones((*window, 1, 1)), operation=operation)
    net = Network((layer,), np.ones((4, 1)))
    caught = check_refusal(implementation, "ShapeError", net, 3, 2, int(np.prod(sizes)))
    check_message(caught, any_of((*window, 1, 1), window))
