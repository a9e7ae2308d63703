"""The judge alone: installed without JAX, called from an empty folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile

import pytest

from repository import ROOT

MEGABYTE = 2**20

pytestmark = pytest.mark.xdist_group("packaging")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The built wheel, of a copy of what it is made of."""
    source, folder = tmp_path_factory.mktemp("judge"), tmp_path_factory.mktemp("dist")
    made = shutil.ignore_patterns("__pycache__")
    for name in ("conformance", "reference", "packaging"):
        shutil.copytree(ROOT / name, source / name, ignore=made)
    shutil.copy(ROOT / "SPEC.md", source)
    project = source / "packaging" / "conformance"
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, project]
    subprocess.run(pip, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """An environment with the wheel and what it needs."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "-q", wheel]
    subprocess.run(pip, check=True, capture_output=True)
    return folder


def test_the_wheel_holds_suite_reference_and_law(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {
        "conformance",
        "reference",
    }
    files = [path for name in ("conformance", "reference") for path in (ROOT / name).rglob("*")]
    needed = {path.relative_to(ROOT).as_posix() for path in files if path.is_file()}
    needed = {name for name in needed if "__pycache__" not in name}
    assert needed | {"conformance/SPEC.md"} <= names


def test_it_judges_where_jax_is_not(installed, tmp_path):
    without = "import importlib.util as u; assert not any(map(u.find_spec, ['jax', 'brainscale']))"
    subprocess.run([installed / "bin" / "python", "-c", without], check=True, cwd=tmp_path)
    command = [installed / "bin" / "brainscale-judge", "--clause", "GIF-7,CONF", "-v"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    said = " ".join(run.stdout.split())
    assert "reference was not judged at 64 bits on every clause" in said
    assert "not judged, for want of its packages: conformance.adapters.brainscale" in said
    assert "test_equality_is_no_spike[reference] PASSED" in said
    assert "brainscale]" not in said
    assert [path.name for path in tmp_path.iterdir()] in ([], [".pytest_cache"])


def test_it_is_small(installed):
    size = sum(path.stat().st_size for path in installed.rglob("*") if not path.is_symlink())
    assert size < 400 * MEGABYTE
