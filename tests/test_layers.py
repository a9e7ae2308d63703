"""Imports go where the contracts in pyproject.toml let them (docs/architecture.md)."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from repository import ROOT

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"

#: Of each contract, by its id, a file and an import that it forbids there.
FORBIDDEN = {
    "package": ("brainscale/errors.py", "from .states import ETraceState"),
    "reference": ("reference/values/units.py", "from ..states import ETraceState"),
    "reference-alone": ("reference/values/units.py", "import brainscale.errors"),
    "package-alone": ("brainscale/errors.py", "import reference.errors"),
    "judge": ("conformance/protocol/problems.py", "import conformance.adapters.reference"),
    "judge-alone": ("conformance/blame.py", "import brainscale.errors"),
    "public": ("conformance/adapters/brainscale.py", "import brainscale.engine.rule"),
    "rings": ("conformance/records.py", "import conformance.comparison"),
}
#: Of each package, a file and an import that closes a ring within a room.
RINGS = {
    "brainscale": ("brainscale/graph/nodes.py", "from .words import Graph"),
    "conformance": ("conformance/plans/factors.py", "from conformance.plans.covering import cover"),
    "reference": ("reference/gif/parameters.py", "from .dynamics import GIFDynamics"),
}
FOR_TYPES = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {}"


def lint(folder: Path, *options: str) -> subprocess.CompletedProcess:
    """What `lint-imports` says of the packages in a folder."""
    command = [sys.executable, "-c", LINT, "--no-cache", "--no-logo", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.fixture
def packages(tmp_path):
    """A folder with copies of what has layers."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name in SETTINGS["root_packages"]:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_arrows_go_down():
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_contract_has_an_import_that_it_forbids():
    assert {contract["id"] for contract in SETTINGS["contracts"]} == set(FORBIDDEN)


@pytest.mark.parametrize("form", ["{}", FOR_TYPES], ids=["imported", "for types"])
@pytest.mark.parametrize("contract", FORBIDDEN)
def test_an_import_that_is_forbidden_is_found_out(packages, contract, form):
    name, line = FORBIDDEN[contract]
    with (packages / name).open("a", encoding="utf-8") as file:
        file.write("\n" + form.format(line) + "\n")
    result = lint(packages, "--contract", contract)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "BROKEN" in result.stdout
    assert Path(name).stem in result.stdout


@pytest.mark.parametrize("package", RINGS)
def test_a_ring_is_found_out_in_every_package(packages, package):
    name, line = RINGS[package]
    with (packages / name).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    result = lint(packages, "--contract", "rings")
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"No cycles are allowed in {package}." in result.stdout


def test_rings_are_forbidden_in_every_package():
    (contract,) = (c for c in SETTINGS["contracts"] if c["id"] == "rings")
    assert contract["ancestors"] == SETTINGS["root_packages"] == list(RINGS)


@pytest.mark.parametrize(
    ("package", "contract"),
    [("brainscale", "package"), ("reference", "reference"), ("conformance", "judge")],
)
def test_a_folder_without_a_layer_is_found_out(packages, package, contract):
    (packages / package / "another").mkdir()
    (packages / package / "another" / "__init__.py").touch()
    result = lint(packages, "--contract", contract)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "another" in result.stdout
