"""The suite can fail: it rejects each wrong implementation by the clause that is broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.clauses import chapter
from wrong_implementations import WRONG

ROOT = Path(__file__).parent.parent


def judge(*arguments, verdict=None):
    """A run of the suite; its verdict, where that is asked for."""
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-rN", "-p", "no:cacheprovider"]
    options = [] if verdict is None else [f"--verdict={verdict}"]
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return subprocess.run(
        [*command, "conformance", "--derandomize", "--max-examples=5", *options, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )


def implementation(name):
    return f"--implementation=wrong_implementations:{name}"


REFERENCE = "--implementation=conformance.adapters.reference:implementation"


LONG = {"GIF-12", "NUM-8"}
"""Clauses that only long runs judge: those of the reference, and of what breaks one of these."""

SHORT = "--ignore=conformance/test_gif_patterns.py", "-k", "not test_large"


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """The verdicts on all wrong implementations and on the reference."""
    folder = tmp_path_factory.mktemp("verdicts")
    long = [name for name, wrong in WRONG.items() if wrong.clauses[0] in LONG]
    short = [name for name in WRONG if name not in long]
    found = {}
    for path, arguments in (
        (folder / "long.json", [REFERENCE, *map(implementation, long)]),
        (folder / "short.json", [*SHORT, *map(implementation, short)]),
    ):
        run = judge("-n2", "--dist=worksteal", *arguments, verdict=path)
        assert path.exists(), run.stdout + run.stderr
        found.update(json.loads(path.read_text("utf-8")))
    return found


def failed(verdict):
    return {c for c, entry in verdict["clauses"].items() if entry["status"] == "failed"}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_implementation_is_rejected(verdicts, name):
    broken, *others = WRONG[name].clauses
    found = failed(verdicts[name])
    assert broken in found, f"{name} breaks {broken}, and the suite does not say so: {found}"
    more = {c for c in found if c not in (broken, *others) and chapter(c) not in others}
    assert not more, f"{name} breaks {broken}; the suite also rejects {more}"
    assert not verdicts[name]["conforms"]


def test_there_are_enough():
    assert len(WRONG) >= 40


def test_reference_conforms(verdicts):
    assert failed(verdicts["reference"]) == set()
    assert verdicts["reference"]["conforms"]


def test_what_is_not_claimed_is_not_applicable(verdicts):
    clauses = verdicts["no_rescaling"]["clauses"]
    assert clauses["HIST-1"]["status"] == "not applicable"
    assert clauses["STATE-1"]["status"] == "passed"


def test_xdist_makes_no_difference(tmp_path):
    found = []
    for processes in ("0", "2"):
        path = tmp_path / f"{processes}.json"
        run = judge(f"-n{processes}", implementation("newest_first"), verdict=path)
        assert run.returncode == 1
        assert "[HIST-2] failed: test_order" in run.stdout
        assert "newest_first does not conform at 64 bits" in run.stdout
        found.append(json.loads(path.read_text("utf-8")))
    for verdict in found:
        for entry in verdict["newest_first"]["clauses"].values():
            entry["failed"] = sorted(entry["failed"])
    assert found[0] == found[1]


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


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("def test_x(implementation): pass", "names no clause"),
        ("import pytest\n@pytest.mark.clauses('X-1')\ndef test_x(implementation): pass", "X-1"),
    ],
)
def test_a_test_without_a_clause_is_an_error(tmp_path, body, said):
    stray = ROOT / "conformance" / f"test_stray_{os.getpid()}.py"
    stray.write_text(body)
    try:
        run = judge(REFERENCE, str(stray))
    finally:
        stray.unlink()
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert said in run.stderr + run.stdout


def test_a_skip_is_a_failure(tmp_path):
    stray = ROOT / "conformance" / f"test_stray_{os.getpid()}.py"
    stray.write_text(
        "import pytest\n@pytest.mark.clauses('CONF-1')\n"
        "def test_x(implementation): pytest.skip('later')\n"
    )
    path = tmp_path / "verdict.json"
    try:
        run = judge(REFERENCE, "-k", "test_x or test_methods", verdict=path)
    finally:
        stray.unlink()
    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert failed(json.loads(path.read_text("utf-8"))["reference"]) == {"CONF-1"}
