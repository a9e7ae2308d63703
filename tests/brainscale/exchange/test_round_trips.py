"""Graphs and files that are read, written and read again, by brainscale and the package nir."""

from __future__ import annotations

import itertools
import sys

import jax
import jax.numpy as jnp
import nir
import numpy as np
import pytest

import brainscale
from brainscale import errors
from nir_by_hand import STEP, graph_of, neurons, run

pytestmark = pytest.mark.usefixtures("compiled_fast")

RNG = np.random.default_rng(7)


def make_graph():
    """A node of each type that has numbers, of 32 and 64 bits, and a subgraph with a cycle."""
    single = np.float32
    inner = {
        "in": nir.Input(np.array([6])),
        "rnn.lif": neurons("CubaLIF", (6,)),
        "again": nir.Linear(RNG.normal(size=(6, 6)).astype(single)),
        "out": nir.Output(np.array([6])),
    }
    edges = [("in", "rnn.lif"), ("rnn.lif", "again"), ("again", "rnn.lif"), ("rnn.lif", "out")]
    weight = RNG.normal(size=(3, 2, 3, 3)).astype(single)
    nodes = {
        "image": nir.Input(np.array([2, 6, 4])),
        "conv": nir.Conv2d((6, 4), weight, 1, 1, 1, 1, RNG.normal(size=3)),
        "if": neurons("IF", (3, 6, 4)),
        "pool": nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "flat": nir.Flatten(np.array([3, 3, 2]), 0),
        "into": nir.Affine(RNG.normal(size=(6, 18)), RNG.normal(size=6).astype(single)),
        "net": nir.NIRGraph(inner, edges),
        "scale": nir.Scale(RNG.normal(size=6)),
        "li": neurons("LI", (6,)),
        "last": nir.Output(np.array([6])),
    }
    chain = ["image", "conv", "if", "pool", "flat", "into", "net", "scale", "li", "last"]
    graph = nir.NIRGraph(nodes, [*itertools.pairwise(chain)], type_check=False)
    graph.metadata = {"made": "by hand"}
    return graph


def assert_same_graph(a, b):
    """To the last bit, in the same dtypes."""
    assert a.nodes.keys() == b.nodes.keys()
    assert {*map(tuple, a.edges)} == {*map(tuple, b.edges)}
    assert a.metadata == b.metadata
    for name, node in a.nodes.items():
        other = b.nodes[name]
        assert type(node) is type(other)
        if isinstance(node, nir.NIRGraph):
            assert_same_graph(node, other)
            continue
        of_node, of_other = node.to_dict(), other.to_dict()
        assert of_node.keys() == of_other.keys()
        for key, value in of_node.items():
            if isinstance(value, np.ndarray):
                assert value.dtype == of_other[key].dtype, (name, key)
            np.testing.assert_array_equal(value, of_other[key], err_msg=f"{name}.{key}")


XS = RNG.normal(size=(12, 2, 2, 6, 4)) * 8


@pytest.mark.parametrize("precision", ["single", "double"])
def test_a_graph(precision, request):
    if precision == "double":
        request.getfixturevalue("double_precision")
    graph = make_graph()
    model = brainscale.from_nir(graph, STEP)
    written = brainscale.to_nir(model)
    assert_same_graph(written, graph)
    got = run(model, XS)
    assert np.abs(got).max() > 0.1
    np.testing.assert_array_equal(got, run(brainscale.from_nir(written, STEP), XS))


def test_a_file(tmp_path):
    graph, paths = make_graph(), [tmp_path / "by_nir.nir", tmp_path / "by_us.nir"]
    nir.write(paths[0], graph)
    model = brainscale.from_nir(str(paths[0]), STEP)
    brainscale.to_nir(model, paths[1])
    read = [nir.read(path, type_check=False) for path in paths]
    assert_same_graph(*read)
    np.testing.assert_array_equal(
        run(model, XS), run(brainscale.from_nir(paths[1], STEP), XS), strict=True
    )


def test_a_file_that_nir_checks(tmp_path):
    """Shapes are those that the package nir infers."""
    graph = nir.NIRGraph.from_list(nir.Linear(RNG.normal(size=(3, 2))), neurons("LIF", (3,)))
    brainscale.to_nir(brainscale.from_nir(graph, STEP), tmp_path / "x.nir")
    nir.read(tmp_path / "x.nir", type_check=True)


def test_trained_numbers_are_written():
    model = brainscale.from_nir(make_graph(), STEP)
    params = [
        model.node["into"].weight,
        model.node["conv"].layer.weight,
        model.node["net/again"].weight,
        model.node["scale"].scale,
    ]
    for param in params:
        param.value = jax.tree.map(lambda w: w + 0.125, param.value)
    graph = brainscale.to_nir(model)
    first = model.graph
    for name in ("into", "conv", "scale"):
        field = "scale" if name == "scale" else "weight"
        new, old = (getattr(g.nodes[name], field) for g in (graph, first))
        assert new.dtype == old.dtype
        np.testing.assert_array_equal(new, (old.astype(np.float32) + np.float32(0.125)))
    inner = graph.nodes["net"].nodes["again"].weight
    np.testing.assert_array_equal(
        inner, first.nodes["net"].nodes["again"].weight + np.float32(0.125)
    )
    np.testing.assert_array_equal(run(model, XS), run(brainscale.from_nir(graph, STEP), XS))


def test_the_graph_stays_its_owners():
    graph = graph_of(nir.Linear(np.eye(2)), shape=(2,), out=(2,))
    model = brainscale.from_nir(graph, STEP)
    graph.nodes["n0"].weight[:] = 7
    model.node["n0"].weight.value = {"weight": 3 * jnp.eye(2)}
    np.testing.assert_array_equal(brainscale.to_nir(model).nodes["n0"].weight, 3 * np.eye(2))
    np.testing.assert_array_equal(model.graph.nodes["n0"].weight, np.eye(2))


def test_what_is_no_file_of_nir(tmp_path):
    (tmp_path / "text.nir").write_text("no HDF5")
    with pytest.raises(errors.StructureError, match=r"text\.nir is no file of NIR"):
        brainscale.from_nir(tmp_path / "text.nir", STEP)
    with pytest.raises(errors.FileError, match=r"none\.nir: No such file"):
        brainscale.from_nir(tmp_path / "none.nir", STEP)


def test_shapes_that_are_left_to_be_inferred(tmp_path):
    conv = nir.Conv1d(None, np.ones((1, 1, 2)), 1, 0, 1, 1, np.zeros(1))
    graph = graph_of(conv, shape=(1, 4), out=(1, 3))
    model = brainscale.from_nir(graph, STEP)
    with pytest.raises(errors.StructureError, match="infer_types"):
        brainscale.to_nir(model, tmp_path / "x.nir")
    graph.infer_types()
    brainscale.to_nir(brainscale.from_nir(graph, STEP), tmp_path / "x.nir")


def test_what_is_no_graph_and_no_model_of_one():
    with pytest.raises(errors.ValueTypeError, match=r"graph must be a nir\.NIRGraph"):
        brainscale.from_nir(nir.Linear(np.eye(2)), STEP)
    with pytest.raises(errors.ValueTypeError, match="to_nir writes a model that from_nir made"):
        brainscale.to_nir(brainscale.nn.Linear(2, 2))


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "nir", None)
    with pytest.raises(errors.MissingPackageError, match="pip install 'nir"):
        brainscale.from_nir("net.nir", STEP)
