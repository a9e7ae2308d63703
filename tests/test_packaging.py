"""One wheel, holding `brainscale` alone, typed; a source distribution that holds all."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

from repository import ROOT

pytestmark = pytest.mark.xdist_group("packaging")  # They share what is costly.


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """A clone of the repository, in a folder that is named as git names it."""
    source = tmp_path_factory.mktemp("source") / "brainscale"
    made = shutil.ignore_patterns(
        ".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "build", "dist", "*.egg-info"
    )
    return shutil.copytree(ROOT, source, ignore=made)


@pytest.fixture(scope="session")
def distributions(source, tmp_path_factory):
    """The folder of the built wheel and source distribution."""
    folder = tmp_path_factory.mktemp("dist")
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
        "reference/gif/equations.py",
        "conformance/conftest.py",
        "conformance/clauses.lock",
        "packaging/conformance/pyproject.toml",
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


def test_editable_install_is_found_beside_the_clone(source, tmp_path):
    """There the clone's folder, of the package's name, comes first; type checkers see paths."""
    # Beside what is installed, which would be uninstalled first.
    options = ["--ignore-installed", "--no-deps", "--no-build-isolation", "--prefix", tmp_path]
    command = [sys.executable, "-m", "pip", "install", *options, "-e", source]
    subprocess.run(command, check=True, capture_output=True)
    (installed,) = {path.parent for path in tmp_path.rglob("*.pth")}
    # Neither by an import hook nor by a path is this clone found, if it is installed.
    program = f"""
import site, sys
sys.path[:] = [path for path in sys.path if path != {str(ROOT)!r}]
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in str(finder).lower()]
site.addsitedir({str(installed)!r})
import brainscale
assert brainscale.__file__.startswith({str(source)!r}), brainscale.__path__
assert {str(source)!r} in sys.path
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=source.parent)


def test_no_one_is_told_to_install_what_is_not_this():
    """The registry's `brainscale` is another project's package."""
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("brainscale/**/*.py")):
        assert not re.search(r"install\W+brainscale\b", path.read_text("utf-8")), path


def test_version_is_the_installed_one():
    from importlib.metadata import version

    import brainscale

    assert version("brainscale") == brainscale.__version__
