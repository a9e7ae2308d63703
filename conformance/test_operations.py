"""Operations other than dense ones: OP-1 to OP-11, and LEARN-8 to LEARN-11 of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from conformance.implementation import Value
from conformance.learned import (
    D_RTRL,
    ES_D_RTRL,
    RULES,
    agree,
    agree_by_name,
    agree_runs,
    agree_traces,
    learned,
    traced,
    true_gradient,
    wanted,
    wanted_traced,
)
from conformance.operation_tasks import CASES, CONVOLUTION, NEURONS, PLAIN, STACKS, operation_task
from conformance.problems import Layer, Network, Operation, Rule
from conformance.tasks import LOCAL, Task

RULE = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
CASE = pytest.mark.parametrize("name", CASES)
SEVERAL = pytest.mark.parametrize("name", ["sparse", "convolution 2", "low-rank", "embedding"])
TWO_DECAYS = Rule("ES-D-RTRL", (0.5, 0.75))
TRACES, LEARNING = pytest.mark.needs("traces"), pytest.mark.needs("learning")


def of(implementation, name, **options) -> Task:
    kind = options.pop("kind", NEURONS[name])
    return operation_task(implementation.precision, (name,), kind, **options)


def put_out(implementation, layer: Layer, x) -> np.ndarray:
    """y, (B, N): what leaky neurons that were 0 hold after a step."""
    N = {"sparse": lambda: layer.operation.shape[1], "low-rank": lambda: layer.factor.shape[1]}
    size = N.get(layer.operation.kind, lambda: layer.weight.shape[-1])()
    if layer.operation.kind == "convolution":
        size = by_hand(layer, np.asarray(x, float)).shape[1]
    x = np.asarray(x)[np.newaxis]
    given = Network((layer,), np.ones((size, 1))), x, Value(np.float64(1.0), "ms")
    return implementation.traces(*given, D_RTRL).hidden[0][0, ..., 0]


def by_hand(layer: Layer, x: np.ndarray, pads=None) -> np.ndarray:
    """A convolution of explicit padding, window by window."""
    operation, W = layer.operation, np.asarray(layer.weight, float)
    *window, inside, C_out = W.shape
    D, G = len(window), operation.groups
    s, d = operation.strides or (1,) * D, operation.dilation or (1,) * D
    pads = pads or ([(0, 0)] * D if operation.padding == "VALID" else operation.padding)
    image = np.pad(x.reshape(len(x), *operation.sizes, -1), [(0, 0), *pads, (0, 0)])
    starts = [range(0, image.shape[1 + i] - (window[i] - 1) * d[i], s[i]) for i in range(D)]
    ys = []
    for start in itertools.product(*starts):
        cut = tuple(slice(start[i], start[i] + (window[i] - 1) * d[i] + 1, d[i]) for i in range(D))
        seen = image[(slice(None), *cut)]
        for out in range(C_out):
            g = out // (C_out // G)
            part = seen[..., g * inside : (g + 1) * inside] * W[..., out]
            ys.append(part.reshape(len(x), -1).sum(axis=1))
    return np.stack(ys, axis=1)


def whole(*shape) -> np.ndarray:
    """Small whole numbers, which every precision adds exactly."""
    return np.random.default_rng(7).integers(-4, 5, shape).astype(float)


@TRACES
@pytest.mark.clauses("OP-1")
def test_sparse(implementation):
    operation = Operation("sparse", (3, 4), (2, 0, 0, 2, 0), (0, 3, 1, 3, 3))
    layer = Layer("leaky", np.array([1.0, 2.0, 4.0, 8.0, 16.0]), operation=operation)
    got = put_out(implementation, layer, [[1.0, 5.0, 0.0], [0.0, 5.0, 1.0], [2.0, 0.0, -1.0]])
    expected = [[0, 4, 0, 18], [1, 0, 0, 8], [-1, 8, 0, 28]]
    np.testing.assert_array_equal(got, expected)


@TRACES
@pytest.mark.clauses("OP-2")
@pytest.mark.parametrize(
    ("options", "kernel", "channels"),
    [
        ({"sizes": (6,), "padding": "VALID"}, (3, 2, 3), 2),
        ({"sizes": (7,), "padding": "VALID", "strides": (3,), "dilation": (2,)}, (2, 1, 2), 1),
        ({"sizes": (3, 4), "padding": ((1, 0), (0, 2)), "groups": 2}, (2, 2, 2, 4), 4),
        ({"sizes": (4, 3), "padding": ((2, 1), (1, 1)), "strides": (2, 1)}, (3, 2, 2, 1), 2),
        ({"sizes": (2, 3, 3), "padding": "VALID", "groups": 3}, (1, 2, 3, 1, 3), 3),
    ],
)
def test_convolution(implementation, options, kernel, channels):
    layer = Layer("leaky", whole(*kernel), operation=CONVOLUTION(**options))
    x = whole(3, int(np.prod(options["sizes"])) * channels)
    np.testing.assert_array_equal(put_out(implementation, layer, x), by_hand(layer, x))


@TRACES
@pytest.mark.clauses("OP-2")
def test_bias_of_a_convolution(implementation):
    operation, bias = CONVOLUTION(sizes=(3,), padding="VALID"), np.array([1.0, 2.0, 3.0])
    layer = Layer("leaky", np.zeros((2, 1, 3)), bias, operation=operation)
    np.testing.assert_array_equal(
        put_out(implementation, layer, [[5.0, 6.0, 7.0]]), [[1, 2, 3] * 2]
    )


@TRACES
@pytest.mark.clauses("OP-3")
@pytest.mark.parametrize(
    ("size", "window", "stride", "dilation", "pads"),
    [
        (5, 3, 1, 1, (1, 1)),
        (5, 2, 1, 1, (0, 1)),
        (4, 3, 2, 1, (0, 1)),
        (5, 4, 2, 1, (1, 2)),
        (6, 2, 3, 1, (0, 0)),
        (6, 3, 1, 2, (2, 2)),
        (4, 2, 1, 3, (1, 2)),
    ],
)
def test_same(implementation, size, window, stride, dilation, pads):
    """The odd zero stands behind."""
    options = {"sizes": (size,), "strides": (stride,), "dilation": (dilation,)}
    same = Layer("leaky", whole(window, 1, 1), operation=CONVOLUTION(**options))
    explicit = CONVOLUTION(**options, padding=(pads,))
    x = 2.0 ** np.arange(size)[np.newaxis]
    expected = by_hand(Layer("leaky", same.weight, operation=explicit), x)
    assert expected.shape[1] == -(-size // stride)
    N, dt = expected.shape[1], Value(np.float64(1.0), "ms")
    for operation in (same.operation, explicit):
        layer = Layer("leaky", same.weight, operation=operation)
        found = implementation.traces(Network((layer,), np.ones((N, 1))), x[None], dt, D_RTRL)
        np.testing.assert_array_equal(found.hidden[0][0, ..., 0], expected)


@TRACES
@pytest.mark.clauses("OP-4")
def test_low_rank(implementation):
    layer = Layer(
        "leaky",
        np.array([[1.0, 0.0], [2.0, 1.0], [0.0, -1.0]]),
        factor=np.array([[1.0, 2.0], [0.0, 4.0]]),
        operation=Operation("low-rank", scale=0.5),
    )
    got = put_out(implementation, layer, [[1.0, 0.0, 0.0], [0.0, 2.0, 1.0]])
    np.testing.assert_array_equal(got, [[0.5, 1.0], [2.0, 6.0]])


@TRACES
@pytest.mark.clauses("OP-5")
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
def test_embedding(implementation, dtype):
    table = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    layer = Layer("leaky", table, operation=Operation("embedding"))
    got = put_out(implementation, layer, np.array([[1], [0], [1]], dtype))
    np.testing.assert_array_equal(got, table[[1, 0, 1]])


@TRACES
@pytest.mark.clauses("OP-6")
@CASE
def test_traces(implementation, name):
    given = of(implementation, name)
    got = traced(implementation, given, D_RTRL)
    agree_runs(got, wanted_traced(given, D_RTRL), given)
    agree_traces(got, wanted_traced(given, D_RTRL), given)


def by_neuron(trace: np.ndarray, direction: np.ndarray, case) -> np.ndarray:
    """For each neuron the sum over its entries of the trace times the weight's number, (B, N)."""
    trace = trace[..., 0]
    if case.operation.kind == "sparse":
        found = np.zeros((len(trace), case.N))
        for e, n in enumerate(case.operation.columns):
            found[:, n] += trace[:, e] * direction[e]
        return found
    if case.operation.kind == "convolution":
        met = trace * direction
        return met.sum(axis=tuple(range(2, met.ndim - 1))).reshape(len(met), -1)
    if direction.shape == case.weight and case.factor:
        return np.einsum("bkrn,kr->bn", trace, direction)
    return np.einsum("bkn,kn->bn", trace, direction)


@TRACES
@pytest.mark.clauses("OP-6")
@pytest.mark.parametrize(
    ("name", "array"), [*((name, "weight") for name in CASES), ("low-rank", "factor")]
)
def test_traces_are_derivatives_of_the_state(implementation, name, array):
    """Of leaky neurons, linear in each array of weights: differences are exact."""
    given = of(implementation, name, kind="leaky")
    w = getattr(given.network.layers[0], array)
    direction = np.random.default_rng(3).integers(1, 4, w.shape) / 4.0
    moved = given.with_layer(**{array: w + direction})
    more, less = (traced(implementation, at, D_RTRL) for at in (moved, given))
    found = by_neuron(less.traces[f"0.{array}"], direction, CASES[name])
    change = more.hidden[0][-1, ..., 0] - less.hidden[0][-1, ..., 0]
    assert np.abs(found).max() > 0.1
    largest = np.abs(less.hidden[0]).max() + np.abs(change).max()
    np.testing.assert_allclose(
        found, change, rtol=0, atol={32: 3e-5, 64: 1e-12}[given.precision] * largest
    )


@TRACES
@pytest.mark.clauses("OP-7")
@CASE
def test_es_d_rtrl_traces(implementation, name):
    given = of(implementation, name)
    agree_traces(traced(implementation, given, ES_D_RTRL), wanted_traced(given, ES_D_RTRL), given)


@TRACES
@pytest.mark.clauses("OP-7")
@SEVERAL
def test_es_d_rtrl_traces_of_two_decays(implementation, name):
    given = of(implementation, name)
    expected = wanted_traced(given, TWO_DECAYS)
    agree_traces(traced(implementation, given, TWO_DECAYS), expected, given)


@LEARNING
@pytest.mark.clauses("OP-8")
@pytest.mark.parametrize("recurrence", ["none", "dense"])
@CASE
def test_d_rtrl(implementation, name, recurrence):
    given = of(implementation, name, recurrence=recurrence)
    got, expected = learned(implementation, given, D_RTRL), wanted(given, D_RTRL)
    agree_by_name(got.gradients, expected.gradients, given, "gradients")


@LEARNING
@pytest.mark.clauses("OP-8", "LEARN-8")
@CASE
def test_d_rtrl_is_exact(implementation, name):
    """Where no path through time crosses a trainable operation: against full RTRL."""
    recurrence = "element-wise" if NEURONS[name] in LOCAL else "none"
    given = of(implementation, name, recurrence=recurrence)
    got = learned(implementation, given, D_RTRL)
    agree_by_name(got.gradients, true_gradient(given), given, "gradients")


@LEARNING
@pytest.mark.clauses("OP-9")
@CASE
def test_es_d_rtrl(implementation, name):
    given = of(implementation, name)
    got, expected = learned(implementation, given, ES_D_RTRL), wanted(given, ES_D_RTRL)
    agree_by_name(got.gradients, expected.gradients, given, "gradients")


@LEARNING
@pytest.mark.clauses("OP-9")
@SEVERAL
def test_es_d_rtrl_of_two_decays(implementation, name):
    given = of(implementation, name)
    got, expected = learned(implementation, given, TWO_DECAYS), wanted(given, TWO_DECAYS)
    agree_by_name(got.gradients, expected.gradients, given, "gradients")


@LEARNING
@pytest.mark.clauses("OP-9", "LEARN-9")
@SEVERAL
def test_es_d_rtrl_of_one_step_is_exact(implementation, name):
    given = of(implementation, name, kind="leaky", T=1, B=8)
    got = learned(implementation, given, ES_D_RTRL)
    agree_by_name(got.gradients, true_gradient(given), given, "gradients")


@LEARNING
@pytest.mark.clauses("OP-10")
@pytest.mark.parametrize("names", STACKS, ids="-".join)
def test_layers(implementation, names):
    given = operation_task(implementation.precision, names, "synapse_LIF")
    got, expected = learned(implementation, given, D_RTRL), wanted(given, D_RTRL)
    agree_by_name(got.gradients, expected.gradients, given, "gradients")
    agree_traces(got.traced, expected.traced, given)


@LEARNING
@pytest.mark.clauses("OP-11")
@pytest.mark.parametrize(("function", "masked"), [("square", True), ("absolute", False)])
@pytest.mark.parametrize("name", PLAIN)
def test_masks_and_weight_functions(implementation, name, function, masked):
    given = of(implementation, name, weight_function=function, masked=masked)
    got, expected = learned(implementation, given, D_RTRL), wanted(given, D_RTRL)
    agree_runs(got.traced, expected.traced, given)
    agree_by_name(got.gradients, expected.gradients, given, "gradients")
    agree_traces(got.traced, expected.traced, given)


@LEARNING
@pytest.mark.clauses("OP-8", "LEARN-10")
@CASE
def test_chunks(implementation, name):
    given = of(implementation, name)
    _agree(implementation, given, D_RTRL, chunk=5)


@LEARNING
@pytest.mark.clauses("OP-9", "LEARN-10")
@pytest.mark.parametrize("name", ["convolution 2", "low-rank"])
def test_chunks_of_es_d_rtrl(implementation, name):
    _agree(implementation, of(implementation, name), ES_D_RTRL, chunk=5)


@LEARNING
@pytest.mark.clauses("OP-8", "OP-9", "LEARN-11")
@RULE
@pytest.mark.parametrize("chunk", [1, 5])
@pytest.mark.parametrize("name", ["convolution 1", "low-rank"])
def test_online_updates(implementation, name, chunk, rule):
    """Leaky neurons, in steps that change parameters: the entries of B have the A of each step."""
    given = of(implementation, name, kind="leaky", recurrence="dense")
    _agree(implementation, given, rule, chunk=chunk, learning_rate=2.0**-10)


def _agree(implementation, given, rule, chunk, **options):
    got = learned(implementation, given, rule, chunk=chunk, **options)
    expected = wanted(given, rule, **({"chunk": chunk, **options} if options else {}))
    agree(got.losses, expected.losses, given, "losses")
    agree_by_name(got.gradients, expected.gradients, given, "gradients")
    agree_by_name(got.parameters, expected.parameters, given, "parameters")
    agree_traces(got.traced, expected.traced, given)
