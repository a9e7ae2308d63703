"""Each node of a graph beside a loop of NumPy (`helpers/nir_by_hand.py`), and graphs of several."""

from __future__ import annotations

import brainunit as u
import jax.numpy as jnp
import nir
import numpy as np
import pytest

import brainscale
from nir_by_hand import DT, STEP, ByHand, graph_of, neurons, run

pytestmark = pytest.mark.usefixtures("compiled_fast", "double_precision")

RNG = np.random.default_rng(5)
T, BATCH = 30, 2
SPIKING = ("LIF", "CubaLIF", "IF")


def compare(model, xs, by_hand, exact=False):
    got = run(model, xs)
    wanted = np.array([by_hand(x) for x in xs])
    if exact:
        assert 0 < wanted.mean() < 1
        np.testing.assert_array_equal(got, wanted)
    else:
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-14)


def check_neurons(kind, shape=(3,), **options):
    node = neurons(kind, shape, v_reset=options.get("reset") != "subtract")
    xs = RNG.uniform(0, 1, (T, BATCH, *shape))
    if options.get("input_of_if") == "per_step":
        xs = xs * DT
    model = brainscale.from_nir(graph_of(node, shape=shape, out=shape), STEP, **options)
    hand = ByHand(node, **options)
    compare(model, xs, hand.step, exact=kind in SPIKING)
    V = model.node["n0"].V.value
    np.testing.assert_allclose(V.to_decimal(u.volt), hand.V, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("integrator", ["euler", "exponential", "exponential_leak"])
@pytest.mark.parametrize("kind", ["LIF", "CubaLIF", "IF", "LI", "CubaLI", "I"])
def test_neurons(kind, integrator):
    check_neurons(kind, integrator=integrator)


@pytest.mark.parametrize("reset_step", ["same", "next"])
@pytest.mark.parametrize("reset", ["v_reset", "subtract"])
def test_resets(reset, reset_step):
    check_neurons("LIF", (2, 3), reset=reset, reset_step=reset_step)


def test_the_current_before_this_steps_input():
    check_neurons("CubaLIF", current="old")


@pytest.mark.parametrize("kind", ["IF", "I"])
def test_inputs_that_count_by_steps(kind):
    check_neurons(kind, input_of_if="per_step")


def test_potentials_have_units():
    node = neurons("CubaLIF", (3,))
    model = brainscale.from_nir(graph_of(node, shape=(3,), out=(3,)), STEP)
    run(model, np.ones((2, 3)))
    made = model.node["n0"]
    assert u.get_unit(made.V.value) == u.volt
    assert u.get_unit(made.I.value) == u.amp
    np.testing.assert_array_equal(made.v_threshold.to_decimal(u.volt), node.v_threshold)
    np.testing.assert_array_equal(made.r.to_decimal(u.ohm), node.r)


def test_one_number_of_all_neurons():
    """As files of sinabs have it: arrays of no axes, of the shape of what enters."""
    node = nir.LI(tau=np.array(5e-3), r=np.array(1.0), v_leak=np.array(0.0))
    model = brainscale.from_nir(graph_of(node, shape=(2, 3), out=(2, 3)), STEP)
    full = nir.LI(*(np.full((2, 3), v) for v in (5e-3, 1.0, 0.0)))
    compare(model, RNG.normal(size=(T, 2, 3)), ByHand(full).step)


def check_layer(node, shape, by_hand, batch=(BATCH,)):
    x = RNG.normal(size=(1, *batch, *shape))
    wanted = by_hand(x[0])
    graph = graph_of(node, shape=shape, out=wanted.shape[len(batch) :])
    np.testing.assert_allclose(
        run(brainscale.from_nir(graph, STEP), x)[0], wanted, rtol=1e-12, atol=1e-13
    )


def test_dense():
    W, b = RNG.normal(size=(4, 3)), RNG.normal(size=4)
    check_layer(nir.Affine(W, b), (3,), lambda x: x @ W.T + b)
    check_layer(nir.Linear(W), (3,), lambda x: x @ W.T, batch=())


def test_element_by_element():
    factors = RNG.normal(size=(2, 3))
    check_layer(nir.Scale(factors), (2, 3), lambda x: x * factors)
    check_layer(nir.Threshold(factors), (2, 3), lambda x: 1.0 * (x > factors))


def test_a_threshold_is_exceeded_strictly():
    model = brainscale.from_nir(
        graph_of(nir.Threshold(np.array([0.5, 0.5])), shape=(2,), out=(2,)), STEP
    )
    assert model(jnp.array([0.5, 0.5 + 1e-15])).tolist() == [0, 1]


@pytest.mark.parametrize(("start", "end"), [(0, -1), (1, -1), (0, 1), (-2, -1), (1, 1)])
def test_flatten(start, end):
    shape = (2, 3, 4)
    flat = {(0, -1): (24,), (1, -1): (2, 12), (0, 1): (6, 4), (-2, -1): (2, 12), (1, 1): shape}
    node = nir.Flatten(np.array(shape), start, end)
    check_layer(node, shape, lambda x: x.reshape(BATCH, *flat[start, end]))


@pytest.mark.parametrize("kind", ["SumPool2d", "AvgPool2d"])
@pytest.mark.parametrize(("stride", "padding"), [((2, 2), (0, 0)), ((1, 3), (1, 2))])
def test_pools(kind, stride, padding):
    size = (2, 3)

    def pool(x):
        x = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
        counts = [(n - k) // s + 1 for n, k, s in zip(x.shape[2:], size, stride, strict=True)]
        y = np.zeros((*x.shape[:2], *counts))
        for i, j in np.ndindex(*counts):
            a, b = i * stride[0], j * stride[1]
            y[..., i, j] = x[..., a : a + size[0], b : b + size[1]].sum((-2, -1))
        return y / 6 if kind == "AvgPool2d" else y

    node = getattr(nir, kind)(np.array(size), np.array(stride), np.array(padding))
    check_layer(node, (2, 5, 7), pool)


def convolve(x, weight, bias, stride, padding, dilation, groups):
    """A convolution of any number of sizes, entry by entry."""
    n = weight.ndim - 2
    x = np.pad(x, [(0, 0), (0, 0), *padding])
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, weight.shape[2:], strict=True)]
    counts = [(m - r) // s + 1 for m, r, s in zip(x.shape[2:], reach, stride, strict=True)]
    y = np.zeros((len(x), len(weight), *counts))
    inside, outside = weight.shape[1], len(weight) // groups
    for o, *at in np.ndindex(len(weight), *counts):
        first = o // outside * inside
        for c, *k in np.ndindex(inside, *weight.shape[2:]):
            place = [at[i] * stride[i] + k[i] * dilation[i] for i in range(n)]
            y[(slice(None), o, *at)] += weight[(o, c, *k)] * x[(slice(None), first + c, *place)]
    return y + bias.reshape(-1, *(1,) * n)


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"), [(1, 0, 1, 1), (2, 1, 1, 2), (1, 2, 2, 1)]
)
@pytest.mark.parametrize("n", [1, 2])
def test_convolutions(n, stride, padding, dilation, groups):
    weight, bias = RNG.normal(size=(4, 2, *(3, 2)[:n])), RNG.normal(size=4)
    kind = (nir.Conv1d, nir.Conv2d)[n - 1]
    numbers = [(stride,) * n, [(padding, padding)] * n, (dilation,) * n]
    check_layer(
        kind(None, weight, stride, padding, dilation, groups, bias),
        (2 * groups, *(8, 7)[:n]),
        lambda x: convolve(x, weight, bias, *numbers, groups),
    )


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_padding_by_name(padding):
    weight, bias = RNG.normal(size=(3, 2, 4, 3)), RNG.normal(size=3)
    # Of an odd number of zeros there is one more behind.
    around = [(1, 2), (1, 1)] if padding == "same" else [(0, 0)] * 2
    check_layer(
        nir.Conv2d(None, weight, 1, padding, 1, 1, bias),
        (2, 6, 5),
        lambda x: convolve(x, weight, bias, (1, 1), around, (1, 1), 1),
    )


def test_several_edges_into_a_node_are_summed():
    graph = graph_of(nir.Linear(np.eye(2)), nir.Linear(3 * np.eye(2)), shape=(2,), out=(2,))
    graph.edges.append(("n0", "out"))
    x = RNG.normal(size=(1, 2))
    np.testing.assert_allclose(run(brainscale.from_nir(graph, STEP), x), 4 * x)


RECURRENT = {
    "in": nir.Input(np.array([3])),
    "into": nir.Affine(RNG.normal(size=(4, 3)), RNG.normal(size=4)),
    "lif": neurons("LIF", (4,)),
    "again": nir.Affine(RNG.normal(size=(4, 4)), RNG.normal(size=4)),
    "out": nir.Output(np.array([4])),
}
EDGES = [("in", "into"), ("into", "lif"), ("lif", "again"), ("again", "lif"), ("lif", "out")]


def recurrent_by_hand(**options):
    hand, into, again = ByHand(RECURRENT["lif"], **options), RECURRENT["into"], RECURRENT["again"]

    def step(x):
        recurrent = hand.z @ again.weight.T + again.bias
        return hand.step(x @ into.weight.T + into.bias + recurrent)

    return step


@pytest.mark.parametrize("options", [{}, {"reset_step": "next"}])
def test_a_recurrent_graph(options):
    model = brainscale.from_nir(nir.NIRGraph(RECURRENT, EDGES), STEP, **options)
    compare(model, RNG.normal(size=(T, BATCH, 3)), recurrent_by_hand(**options), exact=True)


def test_a_subgraph_is_as_its_nodes():
    inner = {"a": nir.Input(np.array([4])), "z": nir.Output(np.array([4]))}
    inner |= {"lif": RECURRENT["lif"], "again": RECURRENT["again"]}
    edges = [("a", "lif"), ("lif", "again"), ("again", "lif"), ("lif", "z")]
    nodes = {key: RECURRENT[key] for key in ("in", "into", "out")}
    nodes["net"] = nir.NIRGraph(inner, edges)
    graph = nir.NIRGraph(nodes, [("in", "into"), ("into", "net"), ("net", "out")])
    model = brainscale.from_nir(graph, STEP)
    assert set(model.node) > {"net/lif", "net/again"}
    compare(model, RNG.normal(size=(T, BATCH, 3)), recurrent_by_hand(), exact=True)


@pytest.mark.parametrize("backwards", [False, True])
def test_a_cycle_of_two_populations(backwards):
    """Each is given what the other put out a step before, whichever is listed first."""
    nodes = {
        "in": nir.Input(np.array([3])),
        "e": neurons("LIF", (3,), 1),
        "i": neurons("LI", (3,), 2),
        "ei": nir.Linear(RNG.normal(size=(3, 3))),
        "ie": nir.Linear(-RNG.uniform(size=(3, 3))),
        "out": nir.Output(np.array([3])),
    }
    edges = [("in", "e"), ("e", "ei"), ("ei", "i"), ("i", "ie"), ("ie", "e"), ("e", "out")]
    e, i = ByHand(nodes["e"]), ByHand(nodes["i"])

    def step(x):
        z, V = e.z, i.V
        i.step(z @ nodes["ei"].weight.T)
        return e.step(x + V @ nodes["ie"].weight.T)

    listed = reversed(nodes.items()) if backwards else nodes.items()
    model = brainscale.from_nir(nir.NIRGraph(dict(listed), edges[:: 1 - 2 * backwards]), STEP)
    compare(model, RNG.uniform(0, 1, (T, BATCH, 3)), step, exact=True)


def test_several_inputs_and_outputs():
    nodes = {
        "a": nir.Input(np.array([2])),
        "b": nir.Input(np.array([3])),
        "wa": nir.Linear(RNG.normal(size=(4, 2))),
        "wb": nir.Linear(RNG.normal(size=(4, 3))),
        "li": neurons("LI", (4,)),
        "V": nir.Output(np.array([4])),
        "sum": nir.Output(np.array([4])),
    }
    edges = [("a", "wa"), ("b", "wb"), ("wa", "li"), ("wb", "li"), ("li", "V")]
    edges += [("wa", "sum"), ("wb", "sum")]
    model = brainscale.from_nir(nir.NIRGraph(nodes, edges), STEP)
    model.node["li"].init_state()
    x = {"a": RNG.normal(size=2), "b": RNG.normal(size=3)}
    got = model(x)
    total = nodes["wa"].weight @ x["a"] + nodes["wb"].weight @ x["b"]
    np.testing.assert_allclose(got["sum"], total)
    np.testing.assert_allclose(got["V"], ByHand(nodes["li"]).step(total))
