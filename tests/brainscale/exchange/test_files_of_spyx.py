"""Files that Spyx 1.0.0 wrote, beside what its own nets put out.

In `spyx/` for each net the file, and input and output, a line for each of 40 steps: the spikes of
two members of a batch, one behind the other.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import brainunit as u
import nir
import numpy as np
import pytest

import brainscale
from nir_by_hand import run

FOLDER = Path(__file__).parent / "spyx"
DT = 1e-3

pytestmark = pytest.mark.usefixtures("compiled_fast", "double_precision")


def read(name, folder):
    path = folder / "net.nir"
    path.write_bytes(gzip.decompress((FOLDER / f"{name}.nir.gz").read_bytes()))
    return nir.read(path)


def mend(graph):
    """Say what Spyx does: it adds what enters as it is, and writes an r that it makes no use of."""
    for node in graph.nodes.values():
        if isinstance(node, nir.NIRGraph):
            mend(node)
        elif isinstance(node, nir.LIF):
            node.r = node.tau / DT
        elif isinstance(node, nir.CubaLIF):
            node.r, node.w_in = node.tau_mem / DT, node.tau_syn / DT


def spikes(lines):
    """(steps, 2, neurons)."""
    return np.array([[*map(int, line)] for line in lines], float).reshape(len(lines), 2, -1)


def check(graph, name, **options):
    written = json.loads((FOLDER / f"{name}.json").read_text())
    mend(graph)
    model = brainscale.from_nir(
        graph, DT * u.second, reset="subtract", spike_step="next", **options
    )
    wanted = spikes(written["out"])
    assert wanted.sum() > 10
    np.testing.assert_array_equal(run(model, spikes(written["in"])), wanted)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("lif", {"reset_step": "next"}),
        ("cubalif", {}),
        ("if", {"input_of_if": "per_step"}),
    ],
)
def test_the_same_spikes(name, options, tmp_path):
    check(read(name, tmp_path), name, **options)


def test_a_recurrent_layer(tmp_path):
    """Its subgraph says that the input goes through the recurrent weight, and Spyx's layer does not
    do so: the edge is put right."""
    graph = read("rlif", tmp_path)
    inner = graph.nodes["layer_1"]
    assert ("layer_1.input", "layer_1.w_rec") in inner.edges
    inner.edges.remove(("layer_1.input", "layer_1.w_rec"))
    inner.edges.append(("layer_1.input", "layer_1.lif"))
    check(graph, "rlif", reset_step="next")
