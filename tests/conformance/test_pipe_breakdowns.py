"""Whatever a program behind a pipe does is a failure of the test that asked, and never the end."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest

from conformance.pipe import child as children
from conformance.pipe.adapter import PipeAdapter, StartError
from conformance.pipe.child import Breakdown
from conformance.pipe.things import FieldError
from conformance.protocol import Judged, ProtocolError
from conformance.protocol.implementation import Value
from conformance.protocol.valid_calls import gif_arguments, make_valid_call

PROGRAM = Path(__file__).parent / "rogue_program.py"

#: By way: what the message of the failure says besides the call.
BREAKDOWNS = {
    "hang": ["did not answer within 0.5 s"],
    "hang_with_a_child": ["did not answer within 0.5 s"],
    "die": ["exit status 3", "its standard error ends with: out of neurons"],
    "abort": ["signal SIGABRT"],
    "die_midway": ["in the middle of a line", "exit status 0"],
    "chatter": ["no JSON", "computing ..."],
    "say_nothing_of_json": ["no JSON", "{'id': 1}"],
    "answer_no_object": ["[1, 2, 3]", "needs an object"],
    "answer_nan": ["no JSON"],
    "answer_another_question": ["1000000"],
    "answer_twice_at_once": ["needs an object"],
    "flood": ["more than 4194304 bytes"],
}

#: By way: the field that the message names, and what it needs.
FIELDS = {
    "short_data": ["ok[0].V.data has 3 bytes", "needs 24"],
    "another_shape": ["ok[0].V.data has 24 bytes", "needs 8 for the shape [1]"],
    "negative_shape": ["ok[0].V.shape is [-3]"],
    "huge_shape": ["ok[0].V.data has 24 bytes"],
    "unknown_dtype": ["ok[0].V.dtype is 'float64'", "<f8"],
    "no_base64": ["ok[0].V.data is '?!'", "base64"],
    "number_as_unit": ["ok[0].V.unit is 3"],
    "no_unit": ["ok[0].V is", "needs a value"],
    "no_spikes": ["ok is [", "needs a list of 2"],
    "spikes_of_twos": ["ok[1].data", "0 or 1"],
    "null_state": ["ok[0] is None", "needs an object"],
    "no_I2": ["gif_step returned", "I2"],
}


@pytest.fixture
def ask():
    """What makes a program of a way and makes the valid call of `gif_step`."""
    adapters = []

    def make(way, after=0):
        command = f"{sys.executable} {PROGRAM} {way} {after}"
        adapters.append(PipeAdapter(command, limit=20.0))
        return adapters[-1]

    yield make
    for adapter in adapters:
        adapter.close()


def step(adapter):
    judged = Judged(adapter)
    return judged.gif_step(*gif_arguments(judged))


@pytest.mark.parametrize("way", BREAKDOWNS)
def test_a_breakdown_is_a_failure_and_the_program_is_started_again(ask, way, monkeypatch):
    monkeypatch.setattr(children, "MOST_BYTES", 2**22)
    adapter = ask(way, after=1)
    step(adapter)
    process = adapter._child
    adapter._limit = process.limit = 0.5 if way.startswith("hang") else 20.0
    begin = time.monotonic()
    with pytest.raises(Breakdown) as caught:
        step(adapter)
    assert time.monotonic() - begin < 10
    for said in ["gif_step: ", *BREAKDOWNS[way]]:
        assert said in str(caught.value)
    adapter._limit = 20.0
    step(adapter)  # once more, by another run of the program
    assert adapter._child is not process


@pytest.mark.parametrize("way", FIELDS)
def test_a_wrong_field_is_named(ask, way):
    adapter = ask(way)
    process = adapter._child
    with pytest.raises(ProtocolError) as caught:
        step(adapter)
    for said in ["gif_step", *FIELDS[way]]:
        assert said in str(caught.value)
    assert adapter.gif_defaults()  # by the same run of the program
    assert adapter._child is process


def test_what_is_said_besides_is_no_fault(ask):
    step(ask("flood_errors"))


def test_what_was_not_asked_for_is_a_failure(ask):
    adapter = ask("go_on_talking")
    step(adapter)
    with pytest.raises(Breakdown, match="that was a good one"):
        step(adapter)


def test_states_are_lost_with_their_program(ask):
    adapter = ask("die")
    state = adapter.make("single", Value(np.zeros(3), "mV"))
    with pytest.raises(Breakdown):
        step(adapter)
    with pytest.raises(Breakdown, match="read: the state was lost"):
        adapter.read(state)


def test_what_tests_hold_no_more_is_freed(ask):
    """Their program is told, so that it need not keep all states that there ever were."""
    adapter, asked = ask("die"), []
    exchange = adapter._exchange
    adapter._exchange = lambda name, args: [asked.append((name, args)), exchange(name, args)][1]
    for _ in range(200):
        state = adapter.make("single", Value(np.zeros(3), "mV"))
    freed = [entry["$state"] for name, args in asked if name == "free" for entry in args["states"]]
    assert len(freed) == len(set(freed)) >= 100
    assert state.number not in freed
    adapter.read(state)


def test_no_test_takes_a_breakdown_for_an_error():
    assert not issubclass(Breakdown, Exception)
    assert issubclass(FieldError, ProtocolError)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("./there_is_none", "there_is_none"),
        (f"{sys.executable} -c 'import sys; sys.exit(4)'", "exit status 4"),
        (f"{sys.executable} -c 'print(1)'", "needs an object"),
        ("", "empty"),
    ],
)
def test_a_program_that_does_not_start(command, said):
    with pytest.raises(StartError, match=said):
        PipeAdapter(command, limit=20.0)


def test_a_hang_ends_the_smoke_test_at_once(ask):
    adapter = ask("hang")
    adapter._limit = adapter._child.limit = 0.5
    with pytest.raises(Breakdown, match="gif_step: the program did not answer"):
        make_valid_call("gif_step", adapter)
