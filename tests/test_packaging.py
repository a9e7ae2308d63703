"""One wheel, holding `brainscale` alone, typed; a source distribution that holds all."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def distributions(tmp_path_factory):
    """The folder of the built wheel and source distribution."""
    folder = tmp_path_factory.mktemp("dist")
    source = tmp_path_factory.mktemp("source") / "brainscale"
    made = shutil.ignore_patterns(
        ".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "build", "dist", "*.egg-info"
    )
    shutil.copytree(ROOT, source, ignore=made)
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source],
        check=True,
        capture_output=True,
    )
    return folder


def test_wheel_holds_brainscale_alone(distributions):
    (wheel,) = distributions.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"brainscale"}
    assert "brainscale/py.typed" in names
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "brainscale").rglob("*.py")}
    assert modules <= set(names)


def test_source_distribution_holds_all(distributions):
    (archive,) = distributions.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    for needed in (
        "SPEC.md",
        "README.md",
        "reference/gif.py",
        "conformance/conftest.py",
        "conformance/oracles/firing_patterns.json",
        "tests/test_packaging.py",
    ):
        assert needed in names


def test_wheel_imports_without_braincell(distributions, tmp_path):
    (wheel,) = distributions.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path)
    program = f"""
import sys
sys.modules["braincell"] = None
sys.path.insert(0, {str(tmp_path)!r})
import brainscale
assert brainscale.__file__.startswith({str(tmp_path)!r}), brainscale.__file__
assert brainscale.ETraceState and brainscale.nn.GIF
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)


def test_version_is_the_installed_one():
    from importlib.metadata import version

    import brainscale

    assert version("brainscale") == brainscale.__version__
