"""What is not claimed is not applicable: never asked for, never failed, never counted as passed."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

import restricted
from conformance.blame import clauses_of
from conformance.clauses import CLAUSES, applies, chapter
from conformance.plans.covering import cover
from conformance.protocol.claims import KINDS, NETWORKS, OPERATIONS, RULES, claims_of, misclaimed
from conformance.protocol.implementation import CAPABILITIES
from conformance.selection import is_applicable, marked
from judging.collecting import collect_suite
from repository import ROOT


def claiming(*capabilities, **claims):
    return types.SimpleNamespace(capabilities=frozenset(capabilities), claims=claims)


def test_all_that_the_capabilities_allow():
    claims = claims_of(types.SimpleNamespace(capabilities={"learning", "gif"}))
    assert claims.kinds == set(KINDS) - {"cable"}
    assert claims.operations == {"dense"}
    assert claims.recurrences == {"none", "dense", "element-wise"}
    assert claims.rules == {"D-RTRL", "ES-D-RTRL"}
    assert {"learn", "learning_signals", "gif_step"} < claims.methods
    assert not {"traces", "cable_step", "reinforce"} & claims.methods
    everything = claims_of(claiming(*CAPABILITIES))
    assert everything.kinds == set(KINDS)
    assert everything.operations == set(OPERATIONS)
    assert everything.rules == set(RULES)


def test_less_is_claimed():
    claims = claims_of(claiming("learning", kinds=["GIF"], rules={"D-RTRL"}, operations=set()))
    assert claims.kinds == {"GIF"}  # within networks, without the capability
    assert claims.rules == {"D-RTRL"}
    assert claims.operations == set()
    assert claims.recurrences == {"none", "dense", "element-wise"}


def test_weights_of_each_neuron_are_always_claimed():
    assert claims_of(claiming("traces", "operations", weights={"shared"})).weights == {
        "own",
        "shared",
    }
    assert claims_of(claiming("traces", "operations", weights=set())).weights == {"own"}


@pytest.mark.parametrize(
    ("adapter", "said"),
    [
        (claiming("telepathy"), "the capability 'telepathy', which is none"),
        (claiming("learning", kinds={"LSTM"}), "'LSTM' of kinds, which has leaky, LIF"),
        (claiming("learning", rules={"e-prop"}), "'e-prop' of rules without the capability eprop"),
        (claiming("traces", rules="RTRL"), "'RTRL' as rules, which is text"),
        (
            claiming("traces", operations={"sparse"}),
            "'sparse' of operations without the capability operations",
        ),
        (claiming("traces", recurrences={"lateral"}), "'lateral' of recurrences, which has none"),
        (claiming("traces", neurons={"LIF"}), "'neurons', which is none of kinds, operations"),
    ],
    ids=["capability", "kind", "rule", "text", "operation", "recurrence", "key"],
)
def test_what_cannot_be_claimed(adapter, said):
    (wrong,) = misclaimed(adapter)
    assert wrong.startswith(said)
    claims = claims_of(adapter)
    assert claims.kinds <= set(KINDS)
    assert claims.rules <= {"D-RTRL", "ES-D-RTRL"}


@pytest.mark.parametrize(
    ("adapter", "words"),
    [
        (claiming(*CAPABILITIES), "all of SPEC.md"),
        (claiming("gif", "states"), "states, gif"),
        (claiming(), "nothing"),
        (
            claiming("gif", "learning", kinds={"LIF"}, rules={"D-RTRL"}),
            "gif, learning (kinds LIF; rules D-RTRL)",
        ),
        (claiming("traces"), "traces (kinds leaky, LIF, ALIF, synapse_LIF, LRU)"),
        (
            claiming(*CAPABILITIES, operations={"dense"}),
            f"{', '.join(c for c in CAPABILITIES if c not in NETWORKS)}, "
            f"{', '.join(NETWORKS)} (operations dense)",
        ),
    ],
    ids=["all", "two", "none", "narrow", "by-default", "all-but"],
)
def test_claims_in_words(adapter, words):
    assert str(claims_of(adapter)) == words


# Which tests apply


def mark(name, *args, **kwargs):
    return types.SimpleNamespace(name=name, args=args, kwargs=kwargs)


class Marked:
    """A test with these marks."""

    def __init__(self, *marks):
        self.marks = marks

    def iter_markers(self, name):
        return (mark for mark in self.marks if mark.name == name)


@pytest.mark.parametrize(
    ("marks", "does"),
    [
        ([mark("clauses", "LEARN-1")], True),
        ([mark("clauses", "TRACE-1")], False),
        ([mark("clauses", "LEARN-2", "LEARN-4")], True),
        ([mark("clauses", "LEARN-3", "LEARN-4")], False),
        ([mark("clauses", "CONF-1"), mark("needs", "gif")], False),
        ([mark("clauses", "LEARN-4"), mark("claims", kinds=["LIF"])], True),
        ([mark("clauses", "LEARN-4"), mark("claims", kinds=["LIF", "ALIF"])], False),
        ([mark("claims", kinds=["LIF"]), mark("claims", rules=["ES-D-RTRL"])], False),
        ([mark("claims", methods=["learn"], recurrences=["none"])], True),
        ([mark("claims", methods=["traces"])], False),
    ],
)
def test_marks(marks, does):
    adapter = claiming("learning", kinds={"LIF"}, rules={"D-RTRL"})
    assert is_applicable(Marked(*marks), adapter) is does


def test_errors_apply_where_something_is_refused():
    for capability in CAPABILITIES:
        claims = claims_of(claiming(capability))
        refuses = capability not in ("operations", "rtrl", "ostl", "trials", "gif_sensitivity")
        assert applies("ERR-1", claims) is applies("ERR-2", claims) is refuses, capability
    assert not applies("ERR-3", claims_of(claiming("traces", "learning")))
    assert not applies("LEARN-14", claims_of(claiming("learning", "rtrl", rules={"RTRL"})))


#: Each capability alone, each two, and with all of them each rule and operation alone.
CLAIMED = [
    *(
        claiming(*some)
        for count in (0, 1, 2)
        for some in itertools.combinations(CAPABILITIES, count)
    ),
    *(claiming(*CAPABILITIES, rules={rule}) for rule in RULES),
    *(claiming(*CAPABILITIES, operations={operation}) for operation in OPERATIONS),
]


def test_each_clause_that_applies_has_a_test_and_no_other():
    kinds = {}
    for item in collect_suite("--profile=full"):
        if "plan" in item.callspec.params:
            continue  # of the plans that cover an adapter's claims, see below
        marks = [item.iter_markers(name) for name in ("clauses", "needs", "claims")]
        kinds[repr([[(m.args, m.kwargs) for m in of_name] for of_name in marks])] = item
    for adapter in CLAIMED:
        claims = claims_of(adapter)
        wanted = {clause for clause in CLAUSES if applies(clause, claims)}
        tests = [item for item in kinds.values() if is_applicable(item, adapter)]
        got = {clause for item in tests for clause in marked(item, "clauses")}
        if claims.rules:
            plans = cover(claims, 2, 0)
            got |= {c for plan in plans for c in clauses_of(plan) if applies(c, claims)}
        assert got == wanted, f"{adapter}: {wanted - got} without a test, {got - wanted} with one"


#: `gif` alone is judged where the adapter of docs/judge-your-own.md is.
JUDGED = [name for name in restricted.NAMES if name != "gif"]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """The verdicts on the reference, where it claims less."""
    path = tmp_path_factory.mktemp("restricted") / "verdict.json"
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "conformance", "-q", "--tb=line"),
            *("-p", "no:cacheprovider", "--max-examples=1", f"--verdict={path}"),
            *(f"--implementation=restricted:{name}" for name in JUDGED),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests" / "conformance")},
        capture_output=True,
        text=True,
    )
    assert path.exists(), run.stdout + run.stderr
    return json.loads(Path(path).read_text("utf-8"))


@pytest.mark.xdist_group("restricted")
@pytest.mark.parametrize("name", JUDGED)
def test_the_reference_conforms_to_less(verdicts, name):
    verdict = verdicts[name]
    statuses = {clause: entry["status"] for clause, entry in verdict["clauses"].items()}
    assert "not judged" not in statuses.values()
    assert verdict["passes"], [clause for clause in CLAUSES if statuses[clause] == "failed"]
    claims = claims_of(restricted.__getattr__(name))
    assert {c for c in CLAUSES if statuses[c] == "passed"} == {
        clause for clause in CLAUSES if applies(clause, claims)
    }
    if name == "history":
        assert {chapter(c) for c in CLAUSES if statuses[c] == "passed"} >= {"HIST", "ERR", "CONF"}
        assert statuses["STATE-1"] == "not applicable"
    assert verdict["claims"]["capabilities"] == sorted(claims.capabilities)
