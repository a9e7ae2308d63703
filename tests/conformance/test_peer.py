"""What peers fail is known, clause by clause: of brainstate's own hidden states here, of
braintrace, which is no part of this environment, in `.ci/run`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conformance.known_failures import KnownFailures
from judging.command import ROOT, call

KNOWN = ROOT / "conformance" / "adapters" / "known"

# Each is a silent error or a refusal that a user of those classes meets.
OTHERWISE = {
    "UNIT-2": "a group without a unit takes 1 mV and drops the unit",
    "UNIT-3": "`.value =` takes a bare number into mV",
    "STATE-5": "`.value =` takes any shape",
    "STATE-6": "`.value =` takes any dtype, and `set_value` casts without a word",
    "STATE-10": "a state built on a NumPy array aliases it",
    "STATE-12": "deepcopy and pickle fail",
    "GROUP-3": "a NumPy integer is no index",
    "GROUP-9": "of two addresses of one state the last wins",
}


def test_brainstate_fails_what_is_listed(tmp_path):
    verdict = tmp_path / "verdict.json"
    run = call(
        "--implementation=conformance.adapters.brainstate:implementation",
        *(f"--known-failures={KNOWN / 'brainstate.txt'}", f"--verdict={verdict}"),
        *("-q", "--tb=no", "-rN"),
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stdout
    assert "brainstate does not conform at 64 bits to states" in run.stdout
    clauses = json.loads(verdict.read_text("utf-8"))["brainstate"]["clauses"]
    assert OTHERWISE.keys() <= {c for c, entry in clauses.items() if entry["status"] == "failed"}
    assert clauses["GIF-1"]["status"] == "not applicable"
    assert clauses["STATE-2"]["status"] == "passed"


@pytest.mark.parametrize("path", sorted(KNOWN.iterdir()), ids=lambda path: path.stem)
def test_a_list_is_of_one_peer_and_held(path):
    """README's row of it is held in `test_table`."""
    known = KnownFailures.read(path.read_text("utf-8"))
    assert path.stem == known.pins["implementation"].split()[0]
    assert known.entries
    command = (ROOT / ".ci" / "run").read_text("utf-8") + Path(__file__).read_text("utf-8")
    assert f"{path.name}" in command
