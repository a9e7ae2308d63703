"""What of a graph cannot be held: refused by the node's name, with its type and the mend."""

from __future__ import annotations

import brainunit as u
import nir
import numpy as np
import pytest

import brainscale
from brainscale import errors
from nir_by_hand import STEP, graph_of, neurons

pytestmark = pytest.mark.usefixtures("compiled_fast")

W = np.ones((3, 3))
LIF = dict(tau=np.full(3, 0.01), r=np.ones(3), v_leak=np.zeros(3), v_threshold=np.ones(3))


def chain(*nodes, shape=(3,), out=(3,)):
    return graph_of(*nodes, shape=shape, out=out)


def changed(node, **fields):
    """A node with fields that nir's own class would not take."""
    for key, value in fields.items():
        setattr(node, key, value)
    return node


def conv(**fields):
    numbers = dict(stride=1, padding=0, dilation=1, groups=1, bias=np.zeros(2)) | fields
    return nir.Conv2d(input_shape=None, weight=np.ones((2, 3, 2, 2)), **numbers)


def pool(kernel, padding=0):
    return nir.SumPool2d(np.array([kernel] * 2), np.array([1, 1]), np.array([padding] * 2))


NODES = {
    "a delay": (chain(nir.Delay(np.ones(3))), r"'n0' \(Delay\).*brainscale.nn.Delay"),
    "Euler's method past its end": (
        chain(nir.LIF(**{**LIF, "tau": np.array([0.01, 1e-4, 0.01])})),
        r"'n0' \(LIF\) has a tau of 0.0001 s, shorter.*integrator='exponential'",
    ),
    "a time constant of zero": (
        chain(changed(neurons("CubaLIF", (3,)), tau_syn=np.zeros(3))),
        r"'n0' \(CubaLIF\) needs a tau_syn above zero",
    ),
    "NaN": (
        chain(nir.Linear(np.full((3, 3), np.nan))),
        r"'n0' \(Linear\) has a weight that is NaN",
    ),
    "no numbers": (
        chain(changed(nir.Linear(W), weight=None)),
        r"'n0' \(Linear\) needs real numbers as its weight",
    ),
    "complex numbers": (
        chain(nir.Scale(1j * np.ones(3))),
        r"'n0' \(Scale\) needs real numbers as its scale",
    ),
    "no entries": (
        chain(nir.Linear(np.ones((3, 0))), shape=(0,)),
        r"'n0' \(Linear\) has a weight without entries",
    ),
    "a weight of three axes": (
        chain(nir.Linear(np.ones((2, 3, 3)))),
        r"'n0' \(Linear\) needs a weight of 2 axes, got shape \(2, 3, 3\)",
    ),
    "a bias of another length": (
        chain(nir.Affine(W, np.zeros(2))),
        r"'n0' \(Affine\) has 2 biases for a weight of 3 rows",
    ),
    "arrays that do not fit": (
        chain(changed(nir.LIF(**LIF), tau=np.ones(2))),
        r"'n0' \(LIF\) has arrays of shapes that do not fit",
    ),
    "an input of another shape": (
        chain(nir.Linear(W), nir.LIF(**{k: v[:2] for k, v in LIF.items()})),
        r"'n1' \(LIF\) needs an input of shape \(2,\), and 'n0' gives \(3,\)",
    ),
    "an output of another shape": (
        chain(nir.Linear(W), out=(4,)),
        r"'out' \(Output\) needs an input of shape \(4,\), and 'n0' gives \(3,\)",
    ),
    "channels that are not there": (
        chain(conv(), shape=(2, 5, 5), out=(2, 4, 4)),
        r"'n0' \(Conv2d\) needs 3 channels and 2 sizes, is given \(2, 5, 5\)",
    ),
    "padding 'same' and a stride": (
        chain(conv(padding="same", stride=2), shape=(3, 5, 5)),
        r"'n0' \(Conv2d\) has padding 'same' and a stride",
    ),
    "another padding": (
        chain(changed(conv(), padding="full"), shape=(3, 5, 5)),
        r"'n0' \(Conv2d\) needs a padding of",
    ),
    "a stride of zero": (
        chain(conv(stride=(1, 0)), shape=(3, 5, 5)),
        r"'n0' \(Conv2d\) needs 2 integers of at least 1 as its stride, got \[1, 0\]",
    ),
    "a kernel larger than what it pools": (
        chain(pool(7), shape=(1, 5, 5)),
        r"'n0' \(SumPool2d\) finds no position",
    ),
    "a pool of no image": (chain(pool(2)), r"'n0' \(SumPool2d\) needs channels, height and width"),
    "axes that are not there": (
        chain(nir.Flatten(np.array([3]), 1)),
        r"'n0' \(Flatten\) flattens axes 1 to -1 of an input of shape \(3,\)",
    ),
    "an input without a shape": (
        chain(nir.Flatten(None, 0), shape=(3,)),
        None,
    ),
}


@pytest.mark.parametrize("what", [key for key, (_, match) in NODES.items() if match])
def test_nodes(what):
    graph, match = NODES[what]
    with pytest.raises(errors.BrainscaleError, match=match):
        brainscale.from_nir(graph, STEP)


def test_a_time_constant_of_one_step():
    """Of 32 bits it is a little shorter than the step."""
    node = nir.LIF(**{**LIF, "tau": np.full(3, 1e-4, np.float32)})
    assert float(node.tau[0]) < 1e-4
    brainscale.from_nir(chain(node), 0.1 * u.ms)


def test_a_shape_that_is_left_to_the_graph():
    graph, _ = NODES["an input without a shape"]
    assert brainscale.from_nir(graph, STEP).node["n0"].out_shape == (3,)


def test_an_input_of_no_shape():
    graph = chain(nir.Linear(W))
    graph.nodes["in"].input_type = {"input": None}
    with pytest.raises(errors.ShapeError, match=r"'in' \(Input\) has no input_type"):
        brainscale.from_nir(graph, STEP)


def test_a_type_that_is_new():
    class Resonator(nir.Linear):
        pass

    with pytest.raises(errors.StructureError, match=r"'n0' \(Resonator\) is of a type that is not"):
        brainscale.from_nir(chain(Resonator(W)), STEP)


def wired(edges, **nodes):
    nodes = {"in": nir.Input(np.array([3])), "out": nir.Output(np.array([3])), **nodes}
    return nir.NIRGraph({k: v for k, v in nodes.items() if v}, edges, type_check=False)


def two_doors():
    doors = {"a": nir.Input(np.array([3])), "b": nir.Input(np.array([3]))}
    inner = {**doors, "sum": nir.Output(np.array([3]))}
    edges = [("a", "sum"), ("b", "sum")]
    return nir.NIRGraph(inner, edges, type_check=False)


WIRINGS = {
    "a cycle without a neuron": (
        lambda: wired(
            [("in", "a"), ("a", "b"), ("b", "a"), ("b", "out")], a=nir.Linear(W), b=nir.Linear(W)
        ),
        r"'[ab]' \(Linear\) waits for itself, by .*'a'.*through neurons",
    ),
    "a node that nothing enters": (
        lambda: wired([("in", "out")], a=nir.Linear(W)),
        r"'a' \(Linear\) is entered by no edge",
    ),
    "an Input that something enters": (
        lambda: wired([("in", "a"), ("a", "in"), ("a", "out")], a=nir.LIF(**LIF)),
        r"'in' \(Input\) is what is given, and \['a'\] enter it",
    ),
    "an edge from no node": (
        lambda: wired([("in", "out"), ("gone", "out")]),
        "an edge names gone, which is no node",
    ),
    "an edge of three": (lambda: wired([("in", "a", "out")]), "an edge is a pair of names"),
    "an edge twice": (lambda: wired([("in", "out"), ("in", "out")]), "edges are there twice"),
    "a subgraph of two inputs": (
        lambda: wired([("in", "net"), ("net", "out")], net=two_doors()),
        r"'net' \(NIRGraph\) needs one Input where an edge meets it, and has \['a', 'b'\]",
    ),
    "no output": (
        lambda: wired([("in", "a")], a=nir.Linear(W), out=None),
        "the graph has no Output",
    ),
    "a name with a slash": (
        lambda: wired([("in", "a/b"), ("a/b", "out")], **{"a/b": nir.Linear(W)}),
        r"'a/b' \(Linear\) needs a name that is a text without '/'",
    ),
}


@pytest.mark.parametrize("what", WIRINGS)
def test_wirings(what):
    make, match = WIRINGS[what]
    with pytest.raises(errors.StructureError, match=match):
        brainscale.from_nir(make(), STEP)


def test_a_subgraphs_node_is_named_with_it():
    inner = nir.NIRGraph(
        {
            "i": nir.Input(np.array([3])),
            "w": nir.Linear(np.nan * W),
            "o": nir.Output(np.array([3])),
        },
        [("i", "w"), ("w", "o")],
    )
    graph = wired([("in", "net"), ("net", "out")], net=inner)
    with pytest.raises(errors.ParameterError, match=r"node 'net/w' \(Linear\)"):
        brainscale.from_nir(graph, STEP)


def test_a_reset_by_subtraction_and_a_v_reset():
    node = nir.LIF(**LIF, v_reset=np.array([0, 0, 0.1]))
    with pytest.raises(errors.ParameterError, match=r"'n0' \(LIF\) has a v_reset.*'v_reset'"):
        brainscale.from_nir(chain(node), STEP, reset="subtract")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("integrator", "rk4"),
        ("reset", None),
        ("reset_step", 1),
        ("current", "late"),
        ("input_of_if", "x"),
    ],
)
def test_options(option, value):
    with pytest.raises(errors.ParameterError, match=f"{option} must be one of"):
        brainscale.from_nir(chain(nir.LIF(**LIF)), STEP, **{option: value})


@pytest.mark.parametrize(
    ("dt", "error"), [(1e-3, errors.UnitError), (1 * u.mV, errors.UnitError), (-1 * u.ms, None)]
)
def test_steps_of_no_length(dt, error):
    with pytest.raises(error or errors.ParameterError, match="dt"):
        brainscale.from_nir(chain(nir.LIF(**LIF)), dt)


def test_inputs_of_a_step():
    model = brainscale.from_nir(chain(nir.Linear(W)), STEP)
    with pytest.raises(errors.ShapeError, match=r"input of node 'in' .*got \(2,\)"):
        model(np.ones(2))
    with pytest.raises(errors.UnitError, match="input of node 'in' needs no unit"):
        model(np.ones(3) * u.amp)
    with pytest.raises(errors.DtypeError, match="input of node 'in' must be of real numbers"):
        model(1j * np.ones(3))
    several = wired([("in", "out"), ("b", "out")], b=nir.Input(np.array([3])))
    with pytest.raises(errors.StructureError, match='needs "b" and "in"'):
        brainscale.from_nir(several, STEP)(np.ones(3))


def test_neurons_before_their_states_are_made():
    model = brainscale.from_nir(chain(nir.LIF(**LIF)), STEP)
    with pytest.raises(errors.StructureError, match="init_all_states"):
        model(np.ones(3))
