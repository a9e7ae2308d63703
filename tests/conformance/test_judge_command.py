"""`python -m conformance` and its commands."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from broken_adapters import NoHistory, NoSpikes
from conformance import cli, loading
from conformance.adapters.reference import Reference
from conformance.clauses import CLAUSES, TEXTS
from conformance.cli.arguments import USAGE
from conformance.cli.check import check
from conformance.cli.init import read_claims, write_skeleton
from conformance.protocol import Judged
from conformance.protocol.claims import claims_of, misclaimed
from conformance.protocol.implementation import CAPABILITIES, methods_of
from judging.command import REFERENCE, ROOT, call


def test_every_command_is_there():
    for command in cli.COMMANDS.values():
        assert callable(cli.importlib.import_module(command).main)


@pytest.mark.parametrize("missing", ["jax", "brainscale"])
def test_what_lacks_its_packages_is_not_judged_by_default(monkeypatch, missing):
    both = loading.default_names()
    assert both == list(loading.DEFAULTS)
    monkeypatch.setattr(loading, "_is_here", lambda package: package != missing)
    assert loading.default_names() == both[:1]
    assert "reference" in both[0]


def test_help_has_every_command(capsys):
    assert cli.main(["--help"]) == 0
    said = capsys.readouterr().out
    assert re.findall(r"^  (\w+) +\w.*\.$", said, re.MULTILINE) == list(cli.COMMANDS)


def adapter_of(skeleton):
    """The adapter that a skeleton makes."""
    names = {}
    exec(compile(skeleton, "adapter.py", "exec"), names)
    return names["implementation"](64)


# init


@pytest.mark.parametrize("text", [*CAPABILITIES, ",".join(CAPABILITIES)])
def test_a_skeleton_has_every_method_and_claims_what_it_says(text):
    adapter = adapter_of(write_skeleton(*read_claims(text)))
    methods = {name for capability in text.split(",") for name in methods_of(capability)}
    judged = Judged(adapter)
    assert adapter.capabilities == set(text.split(","))
    assert misclaimed(adapter) == []
    assert methods == {name for name in methods if judged.has(name)}
    lines, status = check(judged)
    assert len(lines) == len(methods)
    assert all("is not written" in line for line in lines)
    assert status == (1 if methods else 0)


def test_a_skeleton_narrows_claims_and_is_commented(capsys):
    assert cli.main(["init", "--claims", "gif,learning:LIF:D-RTRL:recurrences=none"]) == 0
    skeleton = capsys.readouterr().out
    claims = claims_of(adapter_of(skeleton))
    assert (claims.kinds, claims.rules, claims.recurrences) == ({"LIF"}, {"D-RTRL"}, {"none"})
    assert claims.capabilities == {"gif", "learning"}
    assert "# Capability `gif`: SPEC.md, chapter 6." in skeleton
    assert '"""The state after one step, and the spikes."""' in skeleton
    assert "# Returns (a dict of Value: I1, I2, V, V_th; an array of booleans)." in skeleton
    ruff = [sys.executable, "-m", "ruff", "check", "--select=E9,F", "-"]
    assert subprocess.run(ruff, input=skeleton, text=True, capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ("gff", "'gff', which is none"),
        ("learning:LIF:e-prop", "'e-prop' of rules without the capability eprop"),
        ("learning:dense", "operations=dense or recurrences=dense"),
        ("learning:LIFF", "'LIFF' is none of kinds"),
    ],
)
def test_claims_that_are_none(capsys, claims, said):
    assert cli.main(["init", "--claims", claims]) == USAGE
    assert said in capsys.readouterr().err


# check


def test_check_says_of_each_method_what_is_wrong_with_it():
    class Wrong(NoSpikes):
        def gif_initial(self, *arguments):
            raise KeyError("V")

        def gif_run(self, *arguments, **options):
            raise NotImplementedError("later")

        gif_jacobian = None

    lines, status = check(Judged(Wrong()))
    said = dict(line.split(maxsplit=1) for line in lines)
    assert list(said) == ["gif_defaults", "gif_initial", "gif_step", "gif_run", "gif_jacobian"]
    assert said["gif_defaults"] == "answers"
    assert said["gif_initial"].startswith("gif_initial raised KeyError: 'V' in a valid call (")
    assert re.search(r"\(test_judge_command.py, line \d+\)", said["gif_initial"])
    assert said["gif_step"].startswith("gif_step returned a dict of 'I1'")
    assert said["gif_run"] == "is not written: later"
    assert "claims the method gif_jacobian and lacks it" in said["gif_jacobian"]
    assert status == 2


def test_a_method_that_is_not_there_is_a_fault():
    class Lacking(NoHistory):
        history = None

    assert check(Judged(NoHistory()))[1] == 1
    assert check(Judged(Lacking()))[1] == 2


def test_check_of_claims():
    class Wrong(Reference):
        claims = {"kinds": {"LIFF"}}  # noqa: RUF012

    Wrong.capabilities = frozenset({"gif"})
    lines, status = check(Judged(Wrong()))
    assert "claims 'LIFF' of kinds" in lines[0]
    assert status == 2


def test_the_status_of_a_check_is_that_of_the_worst(capsys):
    names = [f"--implementation=broken_adapters:{name}" for name in ("no_history", "no_spikes")]
    assert cli.main(["check", REFERENCE]) == 0
    assert cli.main(["check", names[0]]) == 1
    assert cli.main(["check", *names]) == 2
    assert cli.main(["check", "--implementation=nowhere:nobody"]) == USAGE
    assert "no-history, 64 bits, claims history" in capsys.readouterr().out


# list, and choosing by clause


def test_list_shows_clauses_tests_and_what_is_claimed():
    run = call("list", "--clause=GIF-7,HIST", "--implementation=broken_adapters:no_spikes")
    assert run.returncode == 0, run.stderr
    assert f"[GIF-7] {TEXTS['GIF-7']}\n  claimed by: no spikes\n" in run.stdout
    assert "  conformance/chapters/gif/test_gif_step.py::test_equality_is_no_spike\n" in run.stdout
    assert f"[HIST-1] {TEXTS['HIST-1']}\n  claimed by: nobody\n" in run.stdout
    listed = re.findall(r"^\[(.*?)\]", run.stdout, re.MULTILINE)
    assert listed == [c for c in CLAUSES if c == "GIF-7" or c.startswith("HIST-")]


def test_a_project_that_is_judged_within_keeps_its_settings_to_itself(tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --nonsense\n")
    (tmp_path / "conftest.py").write_text("raise RuntimeError\n")
    run = call(REFERENCE, "--clause=CONF-1", "--collect-only", "-q", cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "test_adapter[reference]" in run.stdout


def test_a_failure_says_all_and_what_it_says_shows_it_again(tmp_path):
    wrong = "--implementation=wrong_implementations:forward_euler"
    run = call(wrong, "--clause=GIF-3", "--seed=3", "--tb=short", cwd=tmp_path)
    assert run.returncode == 1, run.stdout
    assert f"[GIF-3] {TEXTS['GIF-3']}" in run.stdout
    assert re.search(r"at \(\d+,\) got -?\d\S*, expected -?\d\S*: \S+ apart", run.stdout)
    assert re.search(r"It is \S+ times as far off as is allowed", run.stdout)
    (command,) = re.findall(r"^python -m conformance (.*)$", run.stdout, re.MULTILINE)
    options = [word.strip("'") for word in command.split(" ")]
    alone = call(*options, "--tb=short", cwd=tmp_path)
    assert alone.returncode == 1
    assert "1 failed" in alone.stdout
    assert "deselected" not in alone.stdout or "test_gif_step" in command
    (example,) = re.findall(r"^(from conformance.again .*?\))$", run.stdout, re.M | re.S)
    assert "'wrong_implementations:forward_euler', 64, 3, seed=0)" in example
    paths = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests/conformance')!r}]\n"
    pasted = subprocess.run([sys.executable, "-c", paths + example], capture_output=True, text=True)
    assert "AssertionError: row 0 after gif_step" in pasted.stderr


def test_a_problem_that_shows_a_fault_can_be_pasted():
    from conformance.judgement import ClauseError, find_fault, judge
    from conformance.plans.factors import LayerPlan, Plan
    from wrong_implementations import last_of_repeated_entries

    plan = Plan((LayerPlan(operation="sparse", bias="unbiased"),), rule="ES-D-RTRL", dt="fine")
    with pytest.raises(ClauseError) as caught:
        judge(last_of_repeated_entries, plan, 0)
    example = caught.value.example
    assert "Plan((LayerPlan(operation='sparse'),))" in example
    names = {"Plan": Plan, "LayerPlan": LayerPlan, "find_fault": find_fault}
    fault = eval(example, names | {"implementation": Judged(last_of_repeated_entries)})
    assert fault.message in str(caught.value)


def test_clauses_and_versions_that_are_none():
    for option, said in (
        ("--clause=JIF-7", "JIF-7 is no clause and no chapter"),
        ("--spec=9.0", "this suite judges by the versions 1.0 to"),
        ("--spec=x", "'x' is no version of the law"),
        ("--verdict=x.txt", "ends with none of .json"),
        ("--clause=GIF-7 -k nothing", ""),
    ):
        run = call(REFERENCE, *option.split(" "))
        assert run.returncode == USAGE
        assert said in run.stderr
