"""How far the suite looks: its profiles, its seed, and what a verdict says of them."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import subprocess
import sys
import types

import pytest
from hypothesis import strategies as st

from conformance.drawing.seeded import generator
from conformance.profiles import PROFILES
from conformance.protocol.claims import LEVELS
from conformance.selection import clauses_judged, is_in
from judging.collecting import REFERENCE, collect, collect_suite
from judging.made_verdicts import verdict_of
from repository import ROOT


def judge(tmp_path, name, *options):
    """Judge one of `broken_adapters`; what became of it, and the verdict."""
    path = tmp_path / "verdict.json"
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "conformance", "-q", "--tb=short"),
            *("-p", "no:cacheprovider", f"--implementation=broken_adapters:{name}"),
            *(f"--verdict={path}", *options),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests" / "conformance")},
        capture_output=True,
        text=True,
    )
    (verdict,) = json.loads(path.read_text("utf-8")).values()
    return run, verdict


# The profile smoke, in all of them


@pytest.mark.parametrize("options", [["--profile=smoke"], ["-n2"], ["-n0"]], ids="-".join)
def test_a_fault_of_the_adapter_ends_the_run(tmp_path, options):
    run, verdict = judge(tmp_path, "no_spikes", *options)
    assert run.returncode == 2, run.stdout
    said = "the adapter of no spikes is at fault: gif_step returned a dict of 'I1': a Value"
    assert said in " ".join(run.stdout.split())
    assert "no spikes does not conform at 64 bits to gif" in run.stdout
    assert verdict["clauses"]["CONF-3"]["status"] == "failed"
    assert not verdict["passes"]
    if options == ["-n0"]:
        # The fault is found before anything else is judged.
        assert verdict["clauses"]["GIF-1"]["status"] == "not judged"


def test_what_an_adapter_does_not_have_ends_no_run(tmp_path):
    run, verdict = judge(tmp_path, "no_history", "--max-examples=1")
    assert run.returncode == 1
    statuses = {clause: entry["status"] for clause, entry in verdict["clauses"].items()}
    assert statuses["CONF-3"] == statuses["HIST-2"] == "failed"
    assert statuses["CONF-2"] == "passed"
    assert statuses["STATE-1"] == "not applicable"


@pytest.mark.parametrize("options", [[], ["-n2"]], ids=["alone", "workers"])
def test_warnings_are_no_failures_and_adapters_need_no_hash(tmp_path, options):
    run, verdict = judge(tmp_path, "loud", "--max-examples=1", *options)
    assert run.returncode == 0, run.stdout
    assert verdict["passes"]
    assert "loud passes the quick profile at 64 bits: morphology" in run.stdout


def test_valid_calls_come_first():
    for profile in ("quick", "full"):
        items = collect_suite(f"--profile={profile}")
        smoke = [item.get_closest_marker("smoke") is not None for item in items]
        assert sum(smoke) == len(collect_suite("--profile=smoke")) > 20
        assert all(smoke[: sum(smoke)])
    assert len(items) > 1000


def test_smoke_is_of_chapter_14():
    for item in collect_suite("--profile=smoke"):
        assert {clause.partition("-")[0] for clause in clauses_judged(item)} == {"CONF"}


@pytest.mark.parametrize(
    ("mark", "runs"),
    [("full", ["full"]), ("smoke", ["smoke", "quick", "full"]), (None, ["quick", "full"])],
)
def test_a_mark_keeps_a_test_for_a_profile(mark, runs):
    item = types.SimpleNamespace(get_closest_marker=lambda name: mark if name == mark else None)
    assert [name for name in PROFILES if is_in(item, PROFILES[name])] == runs


# Seeds


def drawn(seed):
    """What each test of Hypothesis draws, call by call, in words without addresses."""
    by_profile = {}
    try:
        for item in collect(REFERENCE, f"--seed={seed}"):
            handle = getattr(item.obj, "hypothesis", None)
            if handle is not None and item.originalname not in by_profile:
                by_profile[item.originalname] = examples(item.obj, handle)
    finally:
        collect(REFERENCE)  # what other tests draw is of the default seed again
    return by_profile


def examples(test, handle):
    """What a test of Hypothesis is called with."""
    inner, words = handle.inner_test, []

    def keep(data=None, seed=None, **_):
        if data is not None:
            seed = data.draw(st.lists(st.integers() | st.floats(), min_size=20))
        words.append(f"{seed} {generator(0).integers(2**60)}")

    handle.inner_test = keep
    try:
        test(**dict.fromkeys(set(inspect.signature(test).parameters), None))
    finally:
        handle.inner_test = inner
    return words


def test_a_seed_draws_the_same(tmp_path, monkeypatch):
    """Whatever else is loaded, the numbers in it are none of the seed's."""
    first = drawn(0)
    numbers = [*range(10**6, 10**6 + 400), *(0.1 + n for n in range(400))]
    (tmp_path / "many_numbers.py").write_text(f"NUMBERS = {numbers}\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("many_numbers")
    again, other = drawn(0), drawn(1)
    assert first == again
    assert len(first) > 20
    assert all(first[name] != other[name] for name in first)


# What a verdict says


@pytest.mark.parametrize(
    ("options", "passes", "conforms", "words"),
    [
        (("full",), True, True, "conforms at 64 bits to all of SPEC.md"),
        (("quick",), True, False, "passes the quick profile at 64 bits: all of SPEC.md"),
        (("smoke",), True, False, "passes the smoke profile at 64 bits: all of SPEC.md"),
    ],
)
def test_words_of_what_passes(options, passes, conforms, words):
    verdict, adapter = verdict_of(*options)
    assert (verdict.passes(adapter), verdict.conforms(adapter)) == (passes, conforms)
    *_, said, how = verdict._lines(adapter)
    assert said == f"reference {words}"
    profile = PROFILES[options[0]]
    assert how.startswith(f"({profile.name} profile, {profile.max_examples} examples, seed 7, ")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"failing": ("GIF-1",)}, "does not conform at 64 bits to all of SPEC.md"),
        ({"without": ("GIF-1",)}, "was not judged at 64 bits on every clause of all of SPEC.md"),
        ({"whole": False}, "was not judged at 64 bits on every clause of all of SPEC.md"),
    ],
    ids=["failing", "without", "part"],
)
def test_words_of_what_does_not_pass(profile, changes, words):
    verdict, adapter = verdict_of(profile, **changes)
    assert not verdict.passes(adapter)
    assert not verdict.conforms(adapter)
    assert verdict._lines(adapter)[-2] == f"reference {words}"


def test_a_shortened_profile_is_not_full():
    verdict, adapter = verdict_of("full", max_examples=1)
    assert verdict.passes(adapter)
    assert not verdict.conforms(adapter)


def test_what_the_full_profile_alone_judges():
    """A clause without a test in this profile hinders it not, and is not counted as passed."""
    verdict, adapter = verdict_of("quick", without=("GIF-12",), full_only=("GIF-12",))
    assert verdict.passes(adapter)
    assert verdict.status(adapter, "GIF-12") == "not judged"
    verdict, adapter = verdict_of("full", without=("GIF-12",))
    assert not verdict.conforms(adapter)


def test_what_has_no_test_for_these_claims_is_not_applicable():
    verdict, adapter = verdict_of("full", without=("ERR-3",))
    verdict.collected.judging["reference"].remove("ERR-3")
    verdict.collected.run["reference"].remove("ERR-3")
    assert verdict.status(adapter, "ERR-3") == "not applicable"
    assert verdict.conforms(adapter)
    # Where a part of the suite was collected, others may have tests of it.
    verdict.collected.is_whole = False
    assert verdict.status(adapter, "ERR-3") == "not judged"


def test_a_verdict_says_how_it_was_reached():
    verdict, _ = verdict_of("quick")
    (entry,) = verdict.as_dict().values()
    assert (entry["profile"], entry["max_examples"], entry["seed"]) == ("quick", 5, 7)
    assert 40 <= entry["seconds"] < 60
    assert entry["claims"]["rules"][0] == "D-RTRL"
    assert set(entry["claims"]) == {"capabilities", *LEVELS}
    json.dumps(entry)
