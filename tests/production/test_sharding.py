"""A learner over many devices and several processes (docs/sharding.md)."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import brainevent
import brainstate
import jax
import jax.numpy as jnp
import pytest
from jax.sharding import PartitionSpec as P
from odd_models import array, batched, dense
from sharded_program import CASES

import brainscale
from brainscale import errors

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def environment(devices):
    # Unoptimised: the partitioner is what is tried, and it compiles sooner.
    flags = f"--xla_force_host_platform_device_count={devices} --xla_backend_optimization_level=0"
    return os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}


def run(arguments, devices=8):
    return subprocess.Popen(
        [sys.executable, "-W", "error::UserWarning", *arguments],
        env=environment(devices),
        stdout=subprocess.PIPE,
        text=True,
    )


def printed(process):
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return out


@pytest.fixture(scope="module")
def found():
    """What `sharded_program.py` finds on eight devices."""
    return json.loads(printed(run([HERE / "sharded_program.py"])))


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_one_device(found, name):
    for chunk in CASES[name][-1]:
        difference, _ = found[name][f"chunk {chunk}"]
        assert difference < 1e-12, (name, chunk, difference)


@pytest.mark.parametrize("name", CASES)
def test_all_stays_where_it_was_placed(found, name):
    for when in ("after compile", "after reset"):
        assert found[name][when] == [], (name, when)
    for chunk in CASES[name][-1]:
        assert found[name][f"chunk {chunk}"][1] == [], (name, chunk)


def test_all_is_in_parts(found):
    parts = found["two layers"]["parts"]
    assert parts.pop("count") == [1]
    assert parts.pop("readout") == [1]
    for name in ("forward.0", "forward.1", "back.0", "back.1"):
        assert parts.pop(name) == [4], name
    for name, counts in parts.items():
        assert set(counts) == {8}, name
    assert {"etraces.back.1", "spikes.0", "neurons.0.V"} <= set(parts)
    alone = found["batch alone"]["parts"]
    assert alone["etraces.forward.0"] == [8] * 5
    assert (alone["forward.0"], alone["spikes.0"]) == ([1], [8])
    cable = found["cable"]["parts"]
    assert cable["cell.V"] == [8]
    assert cable["etraces.w"] == [4, 8, 8, 8]
    assert found["neurons alone"]["parts"]["cell.V"] == [8]


def test_what_cannot_be_cut_is_refused_by_name(found):
    refused = found["refused"]
    assert re.search(r"cell\.V has shape \(8, 8, 3\).* axis 1 .* 3 equal parts", refused["error"])
    assert refused["placed"] == []
