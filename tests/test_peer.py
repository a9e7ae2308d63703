"""The verdict on a peer: what brainstate's own hidden states do otherwise shows, by clause."""

from __future__ import annotations

import json

from .test_suite_rejects import failed, judge

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

TESTS = (
    *("test_another_dimension", "test_a_bare_value", "test_another_shape", "test_an_unsafe_dtype"),
    *("test_memory_is_not_shared", "test_states.py and test_copies", "test_single_state_counts"),
    *("test_group.py and test_get_by_index", "test_group.py and test_named_twice_by"),
)


def test_brainstate_is_judged_by_clause(tmp_path):
    path = tmp_path / "verdict.json"
    run = judge(
        "--implementation=conformance.adapters.brainstate:implementation",
        "-k",
        " or ".join(TESTS),
        "--max-examples=1",
        verdict=path,
    )
    verdict = json.loads(path.read_text("utf-8"))["brainstate"]
    assert not verdict["conforms"]
    assert set(OTHERWISE) <= failed(verdict)
    assert verdict["clauses"]["GIF-1"]["status"] == "not applicable"
    assert verdict["clauses"]["STATE-2"]["status"] == "passed"
    assert "brainstate does not conform at 64 bits" in run.stdout
