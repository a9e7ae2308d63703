"""The suite can fail: it rejects each wrong implementation by the clause that is broken.

That it rejects it by no other clause is asked of every third test, of all where the environment's
BRAINSCALE_REJECTIONS is "all".
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

import wrong_implementations
from conformance.adapters import reference
from conformance.clauses import CLAUSES, chapter
from judging import Verdict, forget_implementations, is_asked
from repository import ROOT
from wrong_implementations import WRONG


def judge(*arguments, verdict=None, root=ROOT):
    """A run of the suite that lies in a folder; its verdict, where that is asked for."""
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-rN", "-p", "no:cacheprovider"]
    options = [] if verdict is None else [f"--verdict={verdict}"]
    path = os.pathsep.join([str(root), str(ROOT), str(ROOT / "tests" / "conformance")])
    return subprocess.run(
        [*command, "conformance", *options, *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )


def implementation(name):
    return f"--implementation=wrong_implementations:{name}"


REFERENCE = "--implementation=conformance.adapters.reference:implementation"


def failed(verdict):
    return {c for c, entry in verdict["clauses"].items() if entry["status"] == "failed"}


@pytest.fixture
def adapter(name):
    """A wrong implementation; what the suite keeps of it is dropped afterwards."""
    yield adapter_of(name)
    forget_implementations()


@functools.cache
def adapter_of(name):
    """The one object of a name: the suite may tell implementations by their identity."""
    return getattr(wrong_implementations, name)


#: By chapter, the clauses that whole steps or writes judge, of arrays of other layouts and sizes:
#: whatever breaks these breaks them, too.
OF_ANY_ARRAY = {
    **dict.fromkeys(("UNIT", "STATE", "GROUP", "TREE", "HIST"), ("UNIT-6", "STATE-13")),
    "GIF": ("GIF-23", "GIF-24"),
    "CABLE": ("CABLE-12", "CABLE-13"),
    **dict.fromkeys(("TRACE", "LEARN", "NET", "OP"), ("NET-6", "NET-7")),
    "NUM": ("GIF-23", "GIF-24", "CABLE-12", "CABLE-13"),
}


def in_groups(names):
    """Names, those of the same claims in one process: problems are drawn once for all of them."""
    for name in names:
        group = "rejected " + " ".join(sorted(adapter_of(name).capabilities))
        yield pytest.param(name, marks=pytest.mark.xdist_group(group))


@pytest.mark.parametrize("name", [*in_groups(WRONG)])
def test_wrong_implementation_is_rejected(adapter, name):
    broken, *others = WRONG[name].clauses
    others += OF_ANY_ARRAY.get(chapter(broken), ())
    verdict = Verdict(adapter)
    of_broken = [clause for clause in CLAUSES if broken in (clause, chapter(clause))]
    assert verdict.breaks(*of_broken), f"{name} breaks {broken}, and the suite does not say so"
    allowed = {broken, *others}
    is_allowed = lambda c: c in allowed or chapter(c) in allowed  # noqa: E731
    more = verdict.breaks_others(is_allowed, functools.partial(is_asked, name))
    assert not more, f"{name} breaks {broken}; the suite also rejects {more}"


def test_there_are_enough():
    assert len(WRONG) >= 360


def test_reference_breaks_nothing():
    assert Verdict(reference.implementation()).breaks_others(lambda clause: False) == {}


def test_the_command_rejects_alike(tmp_path):
    """What is judged here is judged alike from the command line, in one process and in two."""
    names, statuses = ("newest_first", "any_filter"), []
    for processes in ("0", "2"):
        path = tmp_path / f"{processes}.json"
        run = judge(f"-n{processes}", *map(implementation, names), verdict=path)
        assert run.returncode == pytest.ExitCode.TESTS_FAILED
        assert re.search(r"\[HIST-2\] failed: .*test_order", run.stdout)
        assert "newest_first does not conform at 64 bits" in run.stdout
        statuses.append(json.loads(path.read_text("utf-8")))
    for verdict in statuses:
        for name in names:
            verdict[name].pop("seconds")
        for entry in (entry for name in names for entry in verdict[name]["clauses"].values()):
            entry["failed"] = sorted(entry["failed"])
    assert statuses[0] == statuses[1]
    for name, verdict in statuses[0].items():
        here = Verdict(adapter_of(name)).breaks_others(lambda clause: False)
        assert failed(verdict) == set(here)
        assert not verdict["conforms"]
        applies = "history" in adapter_of(name).capabilities
        assert verdict["clauses"]["HIST-1"]["status"] == ("passed" if applies else "not applicable")


@pytest.mark.parametrize(
    "name", ["nowhere", "nowhere:object", "conformance.adapters.reference:nothing", "json:dumps"]
)
def test_bad_implementation_is_one_line(name):
    run = judge(f"--implementation={name}")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    lines = [line for line in run.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, run.stderr
    assert name in lines[0]


def test_two_of_one_name():
    run = judge(REFERENCE, REFERENCE)
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "one name" in run.stderr


@pytest.fixture
def suite_with(tmp_path):
    """What makes a copy of the suite, with a test more: other tests do not see it."""

    def copy(body):
        for name in ("pyproject.toml", "SPEC.md"):
            shutil.copy(ROOT / name, tmp_path / name)
        for name in ("conformance", "reference"):
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.pyc"))
        (tmp_path / "conformance" / "test_stray.py").write_text(body)
        return tmp_path

    return copy


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("def test_x(implementation): pass", "names no clause"),
        ("import pytest\n@pytest.mark.clauses('X-1')\ndef test_x(implementation): pass", "X-1"),
    ],
)
def test_a_test_without_a_clause_is_an_error(suite_with, body, said):
    run = judge(REFERENCE, root=suite_with(body))
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert said in run.stderr + run.stdout


def test_a_skip_is_a_failure(suite_with, tmp_path):
    root = suite_with(
        "import pytest\n@pytest.mark.clauses('CONF-1')\n"
        "def test_x(implementation): pytest.skip('later')\n"
    )
    path = tmp_path / "verdict.json"
    run = judge(REFERENCE, "-k", "test_x or test_methods", verdict=path, root=root)
    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert failed(json.loads(path.read_text("utf-8"))["reference"]) == {"CONF-1"}
