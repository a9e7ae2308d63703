"""A learner over many devices and several processes (docs/sharding.md)."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import brainstate
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

import brainscale
from brainscale import errors
from odd_models import array, batched
from repository import ROOT
from sharded_program import CASES

HERE = Path(__file__).parent / "helpers"


def printed(*programs, devices=8):
    """What programs print that run at the same time, each with so many virtual devices."""
    # The partitioner is what is tried: the rest compiles as fast as in other tests.
    flags = f"--xla_force_host_platform_device_count={devices} {os.environ['XLA_FLAGS']}"
    environment = {"XLA_FLAGS": flags, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    running = [
        subprocess.Popen(
            [sys.executable, *map(str, program)],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for program in programs
    ]
    outs = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * len(programs)
    return outs


pytestmark = pytest.mark.xdist_group("sharding")  # They share what is costly.


@pytest.fixture(scope="module")
def report():
    """What `sharded_program.py` finds on eight devices."""
    return json.loads(*printed([HERE / "sharded_program.py"]))


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_one_device(report, name):
    for chunk in CASES[name][-1]:
        difference, _ = report[name][f"chunk {chunk}"]
        assert difference < 1e-12, (name, chunk, difference)


@pytest.mark.parametrize("name", CASES)
def test_all_stays_where_it_was_placed(report, name):
    for when in ("after compile", "after reset"):
        assert report[name][when] == [], (name, when)
    for chunk in CASES[name][-1]:
        assert report[name][f"chunk {chunk}"][1] == [], (name, chunk)


def test_all_stays_when_the_input_is_whole(report):
    assert report["whole input"] == []


def test_all_is_in_parts(report):
    of_two = report["two layers"]["parts"]
    assert of_two.pop("count") == [1]
    assert of_two.pop("readout") == [1]
    for name in ("forward.0", "forward.1", "back.0", "back.1"):
        assert of_two.pop(name) == [4], name
    for name, counts in of_two.items():
        assert set(counts) == {8}, name
    assert {"etraces.back.1", "spikes.0", "neurons.0.V"} <= set(of_two)
    alone = report["batch alone"]["parts"]
    assert alone["etraces.forward.0"] == [8] * 5
    assert (alone["forward.0"], alone["spikes.0"]) == ([1], [8])
    cable = report["cable"]["parts"]
    assert cable["cell.V"] == [8]
    assert cable["etraces.w"] == [4, 8, 8, 8]
    assert report["neurons alone"]["parts"]["cell.V"] == [8]


def test_what_cannot_be_cut_is_refused_by_name(report):
    refused = report["refused"]
    assert re.search(r"cell\.V has shape \(8, 8, 3\).* axis 1 .* 3 equal parts", refused["error"])
    assert refused["devices"] == 1


def test_two_processes():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    both = [[HERE / "hosts_program.py", process, port] for process in range(2)]
    for out in printed(*both, devices=2):
        # Before it, collectives say that they are connected.
        report = json.loads(out.splitlines()[-1])
        assert report["difference"] < 1e-12
        assert report["misplaced"] == []
        assert report["refusal"] == "an input is NaN or infinite"


TEXT = (ROOT / "docs" / "sharding.md").read_text()

# What follows the document's example: its traces are in eight parts, its gradients those of one
# device.
LIES = """
parts = {s.data.shape for e in trace.values() for x in e for s in x.addressable_shards}
assert parts == {(8, 20, 16)}, parts
alone, first = brainscale.D_RTRL(Net()), jax.devices()[0]
for param, other in zip(alone.param_states.values(), learner.param_states.values(), strict=True):
    param.value = jax.device_put(other.value, first)
brainstate.nn.init_all_states(alone.model, batch_size=16)
alone.compile_graph(jnp.zeros((16, 20)))
wanted = brainstate.transform.jit(
    lambda xs, ys: alone.etrace_grad(
        xs, ys, lambda x, y: ((alone(x) - y) ** 2).mean(), chunk=10
    )
)(*jax.device_put((inputs, targets), first))
for key, gradient in wanted.items():
    away = u.get_mantissa(jax.device_put(gradients[key], first) - gradient)
    assert abs(away).max() < 1e-5 * abs(u.get_mantissa(gradient)).max(), key
"""


def test_document():
    example, _ = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert printed(["-c", example + LIES]) == [""]


# What lies where can be asked of a mesh of one device, too.


class Odd(brainstate.nn.Module):
    """Operations whose weights or traces have no axis of neurons, and a state with a past."""

    def __init__(self):
        super().__init__()
        self.lora = brainscale.ETraceParam(
            {"B": array(0, 3, 2), "A": array(1, 2, 6)}, brainscale.LoraOp()
        )
        places = np.array([0, 1, 2, 2]), np.array([0, 2, 4, 5]), (3, 6)
        self.sparse = brainscale.ETraceParam(array(2, 4), brainscale.SpMatMulOp(places))
        self.grouped = brainscale.ETraceParam(array(5, 3, 1, 2), brainscale.GroupedMatMulOp())
        self.bias = brainscale.ElemWiseParam(array(3, 6))
        self.encoder = brainstate.ParamState(array(4, 3, 3))

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainscale.ETraceState(batched(batch_size, 6), name="h", history=2)
        self.calls = brainstate.ShortTermState(jnp.zeros((), jnp.int32))

    def update(self, x):
        x = x @ self.encoder.value
        y = self.lora.execute(x) + self.sparse.execute(x) + self.bias.execute()
        y = y + self.grouped.execute(x)
        self.h.value = 0.9 * self.h.value + y
        self.calls.value = self.calls.value + 1
        return self.h.value


def odd_learner(batch=4, rule=brainscale.D_RTRL):
    learner = rule(Odd())
    brainstate.nn.init_all_states(learner.model, batch_size=batch)
    learner.compile_graph(jnp.ones((3,) if batch is None else (batch, 3)))
    return learner


def one_device(*names):
    return jax.make_mesh((1,) * len(names), names)


def test_map():
    learner = odd_learner()
    learner(jnp.ones((4, 3)))
    past = learner.model.h.history
    placed = brainscale.shard(learner, one_device("batch", "neurons"))
    specs = jax.tree.map(lambda sharding: sharding.spec, placed)
    traces = {name: jax.tree.leaves(specs.pop(f"etraces.{name}")) for name in learner.etraces}
    assert specs == {
        "lora": {"B": P(None, None), "A": P(None, "neurons")},
        "sparse": P(None),
        "grouped": P(None, None, None),
        "bias": P("neurons"),
        "encoder": P(None, None),
        "h": P("batch", "neurons"),
        "calls": P(),
        "count": P(),
    }
    assert traces == {
        "lora": [P("batch", None, "neurons"), P("batch", None, None, "neurons")],
        "sparse": [P("batch", None)],
        "grouped": [P("batch", None, None, None)],
        "bias": [P("batch", "neurons")],
    }
    assert learner.etraces["sparse"].value[0][0].sharding == placed["etraces.sparse"][0][0]
    np.testing.assert_array_equal(learner.model.h.history, past)


def test_without_a_batch():
    placed = brainscale.shard(odd_learner(None), one_device("a", "b"), batch=None, neurons="b")
    assert placed["h"].spec == P("b")
    assert placed["etraces.lora"][0][0]["B"].spec == P(None, None, "b")


@pytest.mark.parametrize("rule", [brainscale.RTRL, brainscale.OSTL])
def test_small_models_stay_where_they_are(rule):
    with pytest.raises(errors.ParameterError, match=rule.__name__):
        brainscale.shard(rule(odd_learner(4).model), one_device("batch", "neurons"))


@pytest.mark.parametrize(
    ("mesh", "batch", "options", "error"),
    [
        ("cpu", 4, {}, errors.ValueTypeError),
        (one_device("x", "y"), 4, {}, errors.ParameterError),
        (one_device("x", "y"), 4, dict(batch="x", neurons="x"), errors.ParameterError),
        (one_device("batch", "neurons"), None, {}, errors.ShapeError),
    ],
)
def test_refused(mesh, batch, options, error):
    learner = odd_learner(batch)
    with pytest.raises(error, match=r"mesh|batch"):
        brainscale.shard(learner, mesh, **options)
    assert learner.placement is None
