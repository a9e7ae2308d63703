"""What is judged through a pipe has the verdict that it has in process.

Every third wrong implementation is judged, all where the environment's BRAINSCALE_REJECTIONS is
"all".
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path
from pipes import loop, serving

import pytest

import wrong_implementations
from conformance import blame
from conformance.adapters import reference
from conformance.clauses import CLAUSES, chapter
from conformance.pipe.adapter import PipeAdapter
from conformance.tolerances import BEHIND_A_PIPE
from judging import Verdict, forget_implementations, is_asked
from repository import ROOT
from wrong_implementations import WRONG

REFERENCE = "conformance.adapters.reference:implementation"

OF_MEMORY = {
    *("reads_gif_as_they_lie", "ignores_the_bytes_of_gif", "parameters_of_fortran"),
    *("parameters_of_big_endian", "runs_from_memory", "reads_networks_as_they_lie"),
    *("ignores_the_bytes_of_networks", "fortran_as_c", "strides_as_c", "bytes_as_here"),
    *("refuses_numpy_scalars_of_gif", "refuses_numpy_scalars_of_networks"),
    *("answers_by_network", "writes_over_what_it_is_given"),
}
"""Wrong only in what no pipe carries: how arrays lie in memory, and who else holds them."""


@functools.cache
def adapter_of(name):
    return getattr(wrong_implementations, name)


def in_groups(capability):
    """The wrong implementations that claim a capability, those of the same claims together."""
    for name in WRONG:
        capabilities = adapter_of(name).capabilities
        if capability in capabilities and name not in OF_MEMORY and is_asked(name):
            group = "rejected " + " ".join(sorted(capabilities))
            yield pytest.param(name, marks=pytest.mark.xdist_group(group))


@pytest.fixture
def unshrunk(monkeypatch):
    """That something is wrong is enough: the clause at fault is found in process."""
    monkeypatch.setattr("conformance.judgement.shrink", lambda plan, fault, try_plan: (plan, fault))
    clauses = lambda plan, fault, try_plan: blame.clauses_of(plan)  # noqa: E731
    monkeypatch.setattr("conformance.judgement.clauses_at_fault", clauses)
    monkeypatch.setattr("traceback.print_exc", lambda **_: None)
    yield
    forget_implementations()


@pytest.mark.parametrize("name", [*in_groups("gif"), *in_groups("learning")])
@pytest.mark.usefixtures("unshrunk")
def test_a_wrong_implementation_is_rejected(name):
    broken = WRONG[name].clauses[0]
    of_broken = [clause for clause in CLAUSES if broken in (clause, chapter(clause))]
    verdict = Verdict(loop(adapter_of(name)))
    assert any(verdict.breaks(clause) for clause in of_broken)


@pytest.mark.parametrize("name", sorted(OF_MEMORY))
def test_what_is_wrong_in_memory_alone_is_right_behind_a_pipe(name):
    broken = WRONG[name].clauses[0]
    verdict = Verdict(loop(adapter_of(name)))
    tests = [test for test in verdict.tests if broken in test.clauses]
    assert not [test for test in tests[::12] if verdict.faults_of(test)]
    forget_implementations()


@pytest.fixture(scope="module")
def served():
    adapter = PipeAdapter(serving(REFERENCE))
    yield adapter
    adapter.close()


def test_the_reference_is_as_right_behind_a_pipe(served):
    """In every twelfth test; `.ci/run` has all of them."""
    here, there = Verdict(reference.implementation()), Verdict(served)

    def names(verdict, left_out=()):
        tests = [test for test in verdict.tests if not {*test.clauses} & {*left_out}]
        return [test.item.originalname for test in tests]

    assert names(there) == names(here, BEHIND_A_PIPE)
    assert len(names(here)) > len(names(there)) > 2000
    faults = {test.item.nodeid: there.faults_of(test) for test in there.tests[::12]}
    assert not {name: clauses for name, clauses in faults.items() if clauses}
    forget_implementations()


def judge(command, *options, verdict):
    judging = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist"]
    run = subprocess.run(
        [*judging, f"--implementation=pipe:{command}", f"--verdict={verdict}", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return run, json.loads(verdict.read_text("utf-8")) if verdict.exists() else {}


def test_the_command_says_what_a_pipe_cannot_show(tmp_path):
    options = "conformance/", "--profile=smoke"
    run, verdict = judge(serving(REFERENCE), *options, verdict=tmp_path / "verdict.json")
    assert run.returncode == 0, run.stdout
    assert verdict["reference"]["passes"]
    assert "STATE-10, UNIT-6, UNIT-7 are not applicable" in run.stdout
    statuses = {c: entry["status"] for c, entry in verdict["reference"]["clauses"].items()}
    assert {statuses[clause] for clause in BEHIND_A_PIPE} == {"not applicable"}
    assert statuses["STATE-9"] == "not judged"
    assert statuses["CONF-3"] == "passed"


def test_a_program_that_hangs_does_not_hang_the_suite(tmp_path):
    """It hangs at every third step that it is asked for."""
    program = f"{sys.executable} {Path(__file__).parent / 'rogue_program.py'} hang 2"
    tests = "conformance/chapters/gif/test_gif_types.py"
    options = tests, "--call-limit=0.3", "--tb=line"
    run, verdict = judge(program, *options, verdict=tmp_path / "verdict.json")
    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert "gif_step: the program did not answer within 0.3 s" in run.stdout
    assert verdict["rogue"]["clauses"]["GIF-22"]["status"] == "failed"


def test_a_program_that_does_not_start_is_one_line(tmp_path):
    run, _ = judge("./there_is_none", "conformance/", verdict=tmp_path / "verdict.json")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert len([line for line in run.stderr.splitlines() if line.strip()]) == 1
    assert "./there_is_none" in run.stderr
