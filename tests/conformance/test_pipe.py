"""What crosses the pipe: things, the schema that describes them, and docs/pipe.md."""

from __future__ import annotations

import collections
import dataclasses
import json
import math
import re
import sys
from pathlib import Path
from pipes import loop, serving

import numpy as np
import pytest

from conformance.adapters import reference
from conformance.errors import ERRORS
from conformance.pipe import schema
from conformance.pipe.__main__ import main
from conformance.pipe.calls import CALLS, Started
from conformance.pipe.checking import check_protocol
from conformance.pipe.serve import Server
from conformance.pipe.things import DTYPES, FieldError, Reader, State, to_json
from conformance.protocol import Judged
from conformance.protocol.implementation import CAPABILITIES, Section, Value
from conformance.protocol.problems import Layer, Learned, Network, Operation, Rule, Traced
from conformance.protocol.valid_calls import make_valid_call, network, sections, single
from json_schema import is_valid
from repository import ROOT

PAGE = (ROOT / "docs" / "pipe.md").read_text("utf-8")
PROGRAM = f"{sys.executable} {Path(__file__).parent / 'rogue_program.py'}"

Pair = collections.namedtuple("Pair", "a b")

#: What is handed over as it is, good and bad.
THINGS = [
    *(None, True, 3, -(2**70), 0.1, -0.0, 1e-310, math.inf, -math.inf, 2 + 3j, "text", "τ\n\ud800"),
    *([1, 2.0], (1, (True, "a")), {"b": 1, "a": [()]}, {0: 1, "a": 2, ("a", 1): None}),
    *({"dtype": 1}, {"$float": 2}, {None: 1, 1.5: {}}, [], (), {}),
]


def cross(thing):
    """Write and read a thing as a server does."""
    line = json.dumps(to_json(thing), allow_nan=False)
    return Reader(is_strict=False).read(json.loads(line), "thing")


@pytest.mark.parametrize("thing", THINGS)
def test_things_are_what_they_were(thing):
    got = cross(thing)
    assert repr(got) == repr(thing)  # types too, the order of keys, the sign of zero
    assert math.isnan(cross(math.nan))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 2)])
def test_arrays_are_what_they_were(dtype, shape):
    size = (*shape, np.dtype(dtype).itemsize)
    raw = np.random.default_rng(1).integers(0, 2 if dtype == "|b1" else 256, size, np.uint8)
    array = raw.view(dtype)[..., 0]
    big_endian = array.astype(np.dtype(dtype).newbyteorder(">"))
    for laid in (array, np.array(array, order="F"), big_endian):
        for unit in (None, "mV"):
            got = cross(Value(laid, unit))
            assert (got.unit, got.array.dtype, got.array.shape) == (unit, np.dtype(dtype), shape)
            assert got.array.tobytes() == array.tobytes()
        assert cross(laid).tobytes() == array.tobytes()


def test_bad_input_is_as_bad_as_it_was():
    masked = cross(Value(np.ma.array([1.0, 2.0], mask=[False, True]), "mV")).array
    assert isinstance(masked, np.ma.MaskedArray)
    assert masked.mask.tolist() == [False, True]
    for array in (np.array([1, None]), np.array(["a", "bc"]), np.array(["2020-01-01"], "M8[D]")):
        got = cross(Value(array)).array
        assert (got.dtype, got.shape) == (array.dtype, array.shape)
    assert cross(Value([1.0], "mV")).array == [1.0]
    for thing in (b"bytes", slice(0, 2), object()):
        got = cross(thing)
        assert type(got).__name__ == type(thing).__name__
        assert not isinstance(got, collections.abc.Collection)
    assert repr(cross(slice(0, 2))) == "slice(0, 2, None)"
    assert "0x" not in repr(cross(object()))
    for thing in (Pair(1, 2), collections.OrderedDict(a=1), {1, 2}, range(3), collections.deque()):
        got = cross(thing)
        assert type(got) not in (dict, list, tuple)
        assert len(got) == len(thing)
    assert cross(np.int8(3)) == 3
    assert type(cross(np.int8(3))) is int
    assert type(cross(np.True_)) is bool


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (1.5, r'{"$float": number}'),
        ({"$float": True}, "a number"),
        ({"$float": "infinity"}, "a number"),
        ({"$tuple": 3}, "a list"),
        ({"$tuple": [], "more": 1}, "a thing with one of"),
        ({"$nothing": 3}, "a thing with one of"),
        ({"$complex": [1]}, "a list of 2"),
        ({"$complex": [1, 2]}, '"$float"'),
        ({"$dict": [[1]]}, "a list of 2"),
        ({"$dict": [[[], 1]]}, "a key"),
        ({"$state": "1"}, "an integer"),
        ({"dtype": "<f8"}, "an array"),
        ({"dtype": ">f8", "shape": [], "data": ""}, "<f8"),
        ({"dtype": "<f8", "shape": 3, "data": ""}, "a list of integers"),
        ({"dtype": "<f8", "shape": [1], "data": None}, "base64"),
        ({"dtype": "<f8", "shape": [0], "data": "", "mask": ""}, "no mask"),
        ({"dtype": "<f8", "shape": [0], "data": "", "unit": 1}, "unit"),
    ],
)
def test_what_is_no_thing_is_refused_by_its_path(thing, said):
    with pytest.raises(FieldError) as caught:
        Reader().read({"V": [thing]}, "read: ok")
    definitions = schema.make_schema()["$defs"]
    assert not is_valid(thing, {"$ref": "#/$defs/tree"}, definitions)
    assert said in str(caught.value)
    assert str(caught.value).startswith("read: ok.V[0]")


def bad_calls(adapter):
    """Calls that are refused, with things of each kind."""
    state = adapter.make("group", Value(np.zeros((2, 3)), "mV"), names=["a", "b", "c"])
    for bad in (*THINGS[:-3], object(), Value(np.array([None])), state, {1, 2}, Pair(1, 2)):
        yield lambda bad=bad: adapter.write(state, bad)
        yield lambda bad=bad: adapter.get(state, bad)
        yield lambda bad=bad: adapter.set(state, {0: bad})
        yield lambda bad=bad: adapter.make("single", bad, history=bad, names=bad)
    net, inputs = network(Judged(adapter))
    odd = Operation("sparse", (2, 3.5), (1, "a"), padding=((1, 2.0),), strides=(True,))
    odd = Layer("LIF", np.ma.array([[1.0]], mask=[[False]]), operation=odd)
    rule = Rule("hybrid", (0.5, 1), rules={"0.weight": None})
    dt = Value(np.float32(1), "ms")
    yield lambda: adapter.traces(Network((odd,), net.readout), inputs, dt, rule)
    yield lambda: adapter.site([Section("soma", True, parent_loc="0")], None)


def test_all_that_crosses_is_as_the_schema_has_it():
    adapter = loop(reference.implementation())
    judged = Judged(adapter)
    for name in CALLS:
        make_valid_call(name, judged)
    refused = 0
    for call in bad_calls(adapter):
        try:
            call()
        except tuple(ERRORS.values()):
            raise  # an error of the law is made anew behind the pipe
        except Exception:
            refused += 1
    assert refused > 40
    definitions = json.loads(schema.PATH.read_text("utf-8"))["$defs"]
    lines = adapter._child.lines
    assert {line["call"] for line in lines[::2]} == {*CALLS, "start"}
    for question, answer in zip(lines[::2], lines[1::2], strict=True):
        name = question["call"]
        assert is_valid(question, definitions[f"question {name}"], definitions), question
        assert is_valid(answer, definitions[f"answer {name}"], definitions), answer


def test_the_schema_is_made_of_the_classes():
    text = schema.PATH.read_text("utf-8")
    assert text == schema.to_text(schema.make_schema()), "python -m conformance.pipe.schema"
    assert json.loads(text) == schema.make_schema()


def conversation():
    """The questions and answers of the page."""
    lines = re.findall(r"^([<>]) (\{.*\})$", PAGE, re.MULTILINE)
    assert [sign for sign, _ in lines] == [">", "<"] * (len(lines) // 2)
    return [line for _, line in lines[::2]], [line for _, line in lines[1::2]]


class Program(reference.Reference):
    name = "a program"
    version = "1.0"
    capabilities = frozenset({"states", "gif", "morphology"})


def test_the_conversation_of_the_page_is_had():
    server = Server(lambda precision: Program())
    questions, answers = conversation()
    definitions = schema.make_schema()["$defs"]
    for question, expected in zip(questions, map(json.loads, answers), strict=True):
        name = json.loads(question)["call"]
        assert is_valid(json.loads(question), definitions[f"question {name}"], definitions)
        assert is_valid(expected, definitions[f"answer {name}"], definitions)
        got = json.loads(server.answer(question))
        if name == "gif_step":
            call = CALLS[name].result
            got, expected = (call.read(x["ok"], "", Reader()) for x in (got, expected))
            assert got[1].tolist() == expected[1].tolist() == [False, True]
            for variable, value in expected[0].items():
                np.testing.assert_allclose(got[0][variable].array, value.array, rtol=1e-14)
        elif "error" in expected:
            assert got["error"]["name"] == expected["error"]["name"]
        else:
            assert got == expected


RECORDS = (Section, Network, Layer, Operation, Rule, Traced, Learned, Started)


def test_the_page_has_every_name():
    rows = re.findall(r"^\| (.*?) \| (.*) \|$", PAGE, re.MULTILINE)
    by_call = {first.strip("`"): rest for first, rest in reversed(rows)}
    for call in CALLS.values():
        for argument in call.arguments:
            assert f"`{argument}`" in by_call[call.name], f"{argument} of {call.name}"
    named = {name for first, _ in rows for name in re.findall(r"`(\w+)`", first)}
    for record in RECORDS:
        missing = {field.name for field in dataclasses.fields(record)} - named
        assert not missing, f"{missing} of {record.__name__}"
    for name in (*CAPABILITIES, *(dtype.replace("|", r"\|") for dtype in DTYPES)):
        assert f"`{name}`" in PAGE


def test_what_is_right_is_checked_so(capsys):
    assert main(["--check-protocol", serving("conformance.adapters.reference:implementation")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(CALLS) + 2
    assert all(line.endswith(": ok") for line in lines)


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("short_data", r"gif_step: ok\[0\]\.V\.data has 3 bytes"),
        ("number_as_unit", r"gif_step: ok\[0\]\.V\.unit is 3"),
        ("die", r"gif_step: the program ended with exit status 3.*out of neurons"),
    ],
)
def test_the_wrong_field_is_named(way, said, capsys):
    assert main(["--check-protocol", f"{PROGRAM} {way}"]) == 2
    out = capsys.readouterr().out
    assert re.search(said, out)
    assert "start: ok" in out
    assert "a call that there is not: it is answered with ok, needs unsupported" in out


def test_a_program_says_of_itself_what_the_protocol_has(tmp_path):
    program = tmp_path / "program.py"
    for member, said in {
        '"name": 3': "start: ok.name is 3, needs text",
        '"capabilities": "gif"': "start: ok.capabilities is 'gif', needs a list",
        '"claims": {"kinds": "LIF"}': "start: ok.claims.kinds is 'LIF', needs a list",
        '"precision": "64"': "start: ok.precision is '64', needs an integer",
        '"colour": "red"': "has colour, which is none",
    }.items():
        started = f'{{"name": "x", "version": "1", "capabilities": [], {member}}}'
        program.write_text(
            "import json, sys\n"
            "question = json.loads(input())\n"
            f"print(json.dumps({{'id': question['id'], 'ok': json.loads('''{started}''')}}))\n"
        )
        with pytest.raises(Exception, match=re.escape(said)):
            [*check_protocol(f"{sys.executable} {program}")]


def test_a_state_is_a_state_on_both_sides():
    adapter = loop(reference.implementation())
    state = single(Judged(adapter))
    assert isinstance(state, State)
    assert adapter.num_state(adapter.copy(state, "copy")) == 1
    assert adapter.site(sections(Judged(adapter)), "soma(1.0)") == 2
