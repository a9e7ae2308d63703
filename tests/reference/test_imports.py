"""`reference` needs NumPy and Numba alone; its rooms are entered by their doors."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.util import resolve_name
from pathlib import Path

import pytest

import reference

ROOT = Path(reference.__file__).parent
ALLOWED = {"numpy", "numba"} | sys.stdlib_module_names
#: The modules of `reference`, by their full names.
FILES = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts) for path in ROOT.rglob("*.py")
}
BLOCKED = ("jax", "jaxlib", "brainstate", "brainunit", "saiunit", "braintools", "brainpy")
BLOCKED += ("braincell", "scipy", "brainscale")

BLOCK = f"""
import importlib.abc, sys

class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise ImportError("blocked: " + name)

sys.meta_path.insert(0, Block())
"""

EXERCISE = """
import numpy as np
from reference import Dynamics, ETraceGroupState, ETraceState, ETraceTreeState, GIFTree, Quantity

single = ETraceState(Quantity(np.zeros(3), "mV"), history=2)
single.value = Quantity(np.ones(3), "V")
assert single.value.array.tolist() == [1000.0] * 3
assert single.history.array.shape == (2, 3)
group = ETraceGroupState(np.zeros((3, 2)))
group.set_value({"1": np.ones(3)})
assert group.value.sum() == 3
tree = ETraceTreeState({"a": np.zeros(1), "b": (np.ones(2, int),)})
assert tree.num_state == 2

neuron = Dynamics((4,), {"R": Quantity(np.float64(20.0), "Mohm")})
run = neuron.run(neuron.propagator(0.1), neuron.initial(), np.full((100, 4), 50.0))
assert run.spikes.any()
model = GIFTree(neuron)
model.update(Quantity(np.full(4, 5.0), "nA"), Quantity(np.float64(0.1), "ms"))
model.jacobian(Quantity(np.full(4, 5.0), "nA"), Quantity(np.float64(0.1), "ms"))
print("done")
"""


def imported(path: Path) -> set[str]:
    """The packages that a file imports, wherever in it; relative imports are its own."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.partition(".")[0])
        assert not (isinstance(node, ast.Name) and node.id == "__import__"), path
    return names


def name_of(path: Path) -> str:
    """The path of a file, from the folder of `reference`."""
    return path.relative_to(ROOT).as_posix()


def test_reference_has_files():
    assert len(list(ROOT.rglob("*.py"))) > 10


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=name_of)
def test_imports(path):
    foreign = imported(path) - ALLOWED - {"importlib"}
    assert not foreign, f"{name_of(path)} imports {foreign}"
    assert "importlib" not in imported(path), f"{name_of(path)} imports by name"


def entered(path: Path) -> set[str]:
    """The files inside a room of `reference` that a file imports from outside of that room."""
    package = ".".join(path.relative_to(ROOT.parent).parent.parts)
    imports = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imports |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package)
            imports |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    inside = {name for name in imports if name.count(".") == 2 and name in FILES}
    return {name for name in inside if name.rpartition(".")[0] != package}


@pytest.mark.parametrize(
    "path",
    sorted([*ROOT.rglob("*.py"), *ROOT.parent.glob("conformance/**/*.py")]),
    ids=lambda path: path.relative_to(ROOT.parent).as_posix(),
)
def test_rooms_are_entered_by_their_doors(path):
    assert not entered(path)


def run(code: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT.parent)


@pytest.mark.parametrize("name", BLOCKED)
def test_block_blocks(name):
    result = run(f"{BLOCK}\nimport {name}")
    assert f"blocked: {name}" in result.stderr


def test_runs_without_the_rest():
    result = run(BLOCK + EXERCISE)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "done\n"


def test_files_and_functions_are_short():
    for path in ROOT.rglob("*.py"):
        lines = path.read_text().splitlines()
        assert len(lines) <= 250, f"{name_of(path)} has {len(lines)} lines"
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                length = node.end_lineno - node.lineno + 1
                assert length <= 60, f"{name_of(path)}: {node.name} has {length} lines"
