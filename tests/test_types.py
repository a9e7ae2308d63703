"""basedpyright finds no fault in what pyproject.toml includes, and finds those of a user."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from repository import ROOT

STUBS = sorted((ROOT / "typings" / "brainstate-stubs").rglob("*.pyi"))

#: What someone writes who has brainscale and not this repository's typings/.
SCRIPT = """
import brainunit as u
import jax.numpy as jnp
import optax

import brainscale
from brainscale.nn import GIF, Conv2d, GRUCell, Linear, PassiveCable, Section, SparseLinear

gif = GIF((2, 3), tau=10 * u.ms, V_initializer=lambda shape: jnp.zeros(shape) * u.mV, R1=0.5)
gif.get_spike(gif.V_rest - gif.V_reset)
GIF(3, tau=10.0)  # wrong
GIF(3, method="euler")  # wrong
GIF(3.5)  # wrong
gif.tau.unit
gif.R1.shape
gif.R1.unit  # wrong
gif.V.varshape

cell = GRUCell([4], 5, activation="tanh", param_type=brainscale.FakeETraceParam)
cell.Wz.weight.op
cell.in_size[-1] + cell.Wr.out_size[-1]
cell.Wf  # wrong
GRUCell(4, 5, param_type=brainscale.ETraceState)  # wrong
Linear(4, 5, w_init=jnp.ones((4, 5)) * u.mA, b_init=None)
Conv2d((8, 8, 1), 4, 3, padding="FULL")  # wrong
SparseLinear(([0, 1], [1, 0], (2, 2)), w_init=lambda shape: jnp.ones(shape))
PassiveCable(1, Section("soma", length=1 * u.um, diam=1 * u.um))  # wrong
brainscale.ETraceGroupState(jnp.zeros((10, 2)) * u.mV, names=("a", "b")).copy().num_state

learner = brainscale.D_RTRL(cell)
brainscale.fit(learner, lambda x: (jnp.sum(x), {"z": jnp.sum(x)}), lambda i: (i,), 3, optax.sgd(1))
brainscale.fit(learner, lambda x: jnp.sum(x), lambda i: (i,), 3, "adam")  # wrong
"""


def checked(folder: Path, *options: str) -> subprocess.CompletedProcess:
    """What basedpyright says of a folder with its settings."""
    command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_no_type_is_wrong():
    result = checked(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_user_is_told_what_is_wrong_and_no_more(tmp_path):
    settings = {"typeCheckingMode": "basic", "extraPaths": [str(ROOT)], "include": ["script.py"]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings), "utf-8")
    (tmp_path / "script.py").write_text(SCRIPT, "utf-8")
    result = checked(tmp_path, "--outputjson")
    diagnostics = json.loads(result.stdout)["generalDiagnostics"]
    told = {each["range"]["start"]["line"] for each in diagnostics if each["severity"] == "error"}
    wrong = {i for i, line in enumerate(SCRIPT.splitlines()) if line.endswith("# wrong")}
    assert told == wrong, result.stdout


@pytest.mark.parametrize("stub", STUBS, ids=lambda stub: stub.stem)
def test_what_is_typed_of_brainstate_is_there(stub):
    path = stub.relative_to(ROOT / "typings").with_suffix("")
    module = importlib.import_module(".".join(path.parts).replace("-stubs", ""))
    for node in ast.parse(stub.read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name != "__getattr__":
            there = getattr(module, node.name)
            for member in getattr(node, "body", []):
                assert not isinstance(member, ast.FunctionDef) or hasattr(there, member.name), (
                    member.name
                )
