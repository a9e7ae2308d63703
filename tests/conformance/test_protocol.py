"""What crosses an adapter is checked, and a message names the method that is at fault."""

from __future__ import annotations

import builtins
import dataclasses
import re
import warnings

import numpy as np
import pytest

import wrong_implementations
from conformance.adapters.reference import Reference
from conformance.checks import check_class
from conformance.errors import ERRORS
from conformance.protocol import (
    Judged,
    ProtocolError,
    SuiteError,
    check_learned,
    check_result,
    check_traced,
)
from conformance.protocol.claims import OPERATIONS
from conformance.protocol.implementation import CAPABILITIES, Value, methods_of
from conformance.protocol.problems import Layer, LearnedTrials, Network, Operation, Rule
from conformance.protocol.results import RESULTS
from conformance.protocol.valid_calls import CALLS, make_valid_call
from repository import ROOT
from wrong_implementations import WRONG

DT = Value(np.float64(1.0), "ms")
VOLTS = Value(np.zeros(3), "mV")
VARIABLES = dict.fromkeys(("I1", "I2", "V", "V_th"), VOLTS)
SPIKES = np.zeros(3, bool)


def returning(method, result, **fields):
    """The reference, one of whose methods returns this."""
    return type("Other", (Reference,), {method: lambda *_, **__: result, **fields})()


def of_each(shape):
    """By parameter, an array."""
    return {"tau": np.zeros(shape), "R1": np.zeros(shape)}


def trials(**fields):
    """What `learn_trials` leaves of another number of trials."""
    answer = {"hidden": [np.ones((2, 5, 1))], "emitted": [np.ones((2, 5))], "traces": {}}
    return LearnedTrials(
        np.ones(4), **{"gradients": {"0.weight": np.ones((2, 5))}, **answer, **fields}
    )


@pytest.mark.parametrize(
    ("method", "result", "said"),
    [
        ("make", None, "None"),
        ("kinds", ["single"], "list"),
        ("kinds", {"simple"}, "simple"),
        ("num_state", np.ones(1), "an array of float64"),
        ("num_state", True, "bool"),
        ("varshape", [2, 3], "list"),
        ("varshape", None, "None"),
        ("read", np.zeros(3), "an array of float64, of shape (3,)"),
        ("read", Value([1.0, 2.0, 3.0], "mV"), "list"),
        ("read", Value(np.zeros(3), "millivolt"), "millivolt"),
        ("read", Value(np.zeros(3), "nA"), "needs the shape (3,) in mV"),
        ("read", Value(np.zeros(2), "mV"), "needs the shape (3,) in mV"),
        ("get", {"V": np.zeros(2)}, "a dict of 'V': an array"),
        ("history", None, "None"),
        ("history", Value(np.zeros(3), "mV"), "(2, 3)"),
        ("gif_defaults", {"tau": 20}, "int"),
        ("gif_initial", {"V": VOLTS}, "I1, I2, V, V_th"),
        ("gif_initial", [*VARIABLES.values()], "list"),
        ("gif_step", None, "None"),
        ("gif_step", VARIABLES, "an array of booleans"),
        ("gif_step", (VARIABLES, [False] * 3), "an array of booleans"),
        ("gif_step", (VARIABLES, np.zeros(3)), "an array of float64"),
        ("gif_step", [VARIABLES, SPIKES], "list"),
        ("gif_step", (VOLTS, SPIKES), "a Value"),
        ("gif_step", ({**VARIABLES, "I1": np.zeros(3)}, SPIKES), "'I1': an array"),
        ("gif_run", (VARIABLES, SPIKES), "(4, 3)"),
        ("gif_jacobian", {"state": np.zeros((3, 4, 4))}, "spike_current"),
        ("gif_sensitivity", {"state": {}}, "a dict of dicts of arrays: state, spike"),
        ("gif_sensitivity", {"state": {}, "spike": {}}, "needs entries of tau and R1"),
        ("gif_sensitivity", {"state": of_each((4, 3)), "spike": of_each((4, 3))}, "(4, 3, 4)"),
        ("gif_gradient", [], "a dict of arrays"),
        ("gif_gradient", {"tau": np.zeros(())}, "needs entries of tau and R1"),
        ("gif_gradient", of_each((3,)), "the shape ()"),
        ("morphology", {"area": np.zeros(3)}, "coupling"),
        ("site", 1.0, "float"),
        ("site", "soma", "soma"),
        ("cable_initial", VOLTS, "a tuple of integers"),
        ("cable_step", np.zeros((2, 3)), "an array of float64"),
        ("cable_run", Value(np.zeros((2, 3)), "mV"), "(4, 2, 3)"),
        ("cable_jacobian", (np.zeros((3, 3)), np.zeros((3, 3))), "a dict of arrays"),
        ("traces", None, "a Traced"),
        ("traces", {"hidden": []}, "a Traced"),
        ("learn", (np.zeros(4), {}), "a Learned"),
        ("learning_signals", np.zeros((4, 3, 5)), "a list of pairs"),
        ("learning_signals", [], "one pair"),
        ("reinforce", None, "a Learned"),
        ("learn_trials", None, "a LearnedTrials"),
        ("learn_trials", trials(), "(3, 5, 1)"),
        ("learn_trials", trials(hidden=[np.ones((3, 5))]), "a list of arrays (B, N, d)"),
        ("learn_trials", trials(gradients={}), "0.weight"),
    ],
)
def test_what_is_not_of_the_protocol_is_named(method, result, said):
    with pytest.raises(ProtocolError) as caught:
        make_valid_call(method, returning(method, result))
    message = str(caught.value)
    assert message.startswith(f"{method} ")
    assert said in message, message


def test_every_method_has_a_valid_call_and_a_check():
    methods = {method for capability in CAPABILITIES for method in methods_of(capability)}
    assert set(CALLS) == methods
    # What these return means nothing, and runs of networks have checks of their own.
    without = {"write", "set", "add_leaf", "write_all"}
    without |= {"traces", "learn", "reinforce", "learn_trials"}
    assert set(RESULTS) == methods - without


@pytest.mark.parametrize("method", CALLS)
def test_the_reference_answers(method):
    make_valid_call(method, Reference())


@pytest.mark.parametrize("method", ["traces", "learn", "learning_signals", "learn_trials"])
@pytest.mark.parametrize(
    "claims",
    [
        *({"operations": {name}} for name in OPERATIONS if name != "dense"),
        {"kinds": {"cable"}, "recurrences": {"element-wise"}},
        {"kinds": {"GIFTree"}, "recurrences": {"dense"}, "rules": {"ES-D-RTRL"}},
        {"rules": {"e-prop"}},
        {"rules": {"OSTL"}},
    ],
    ids=lambda claims: "-".join(sorted(name for names in claims.values() for name in names)),
)
def test_valid_calls_are_of_what_is_claimed(method, claims):
    make_valid_call(method, type("Other", (Reference,), {"claims": claims})())


def test_an_exception_in_a_valid_call_is_a_fault():
    adapter = type("Other", (Reference,), {"gif_step": lambda self, size: None})()
    with pytest.raises(ProtocolError, match=r"gif_step raised TypeError: .* in a valid call"):
        make_valid_call("gif_step", adapter)


@pytest.mark.parametrize("missing", [None, lambda *_: exec("raise NotImplementedError('none')")])
def test_what_an_adapter_does_not_have_is_no_fault(missing):
    adapter = type("Other", (Reference,), {"gif_step": missing})()
    with pytest.raises(NotImplementedError):
        make_valid_call("gif_step", adapter)


def test_wrong_implementations_are_judged_by_their_clauses():
    """The valid calls stop the run of those alone whose adapter is at fault."""
    stopped = set()
    for name, wrong in WRONG.items():
        judged = Judged(getattr(wrong_implementations, name))
        for method in CALLS:
            if judged.claims.cover(methods=[method]):
                try:
                    make_valid_call(method, judged)
                except ProtocolError:
                    stopped.add(name)
                except NotImplementedError:
                    assert wrong.clauses[0] == "CONF-2"
    broken = {name: wrong.clauses[0] for name, wrong in WRONG.items()}
    # Besides, those that raise where parameters are left out, or are one number.
    raising = {"GIF-1", "GIF-18", "CABLE-9"}
    assert {broken[name] for name in stopped} - raising == {"CONF-3", "GIF-22"}
    assert {name for name, clause in broken.items() if clause == "CONF-3"} <= stopped


# Runs of networks


def learned():
    """A right answer of `learn`."""
    layer = Layer("LIF", np.ones((2, 5)))
    network = Network((layer,), np.ones((5, 6)))
    arguments = np.ones((4, 3, 2)), np.zeros((4, 3, 6)), np.ones(4), DT, Rule("D-RTRL")
    return Reference().learn(network, *arguments)


def test_right_answers_are_let_through():
    check_learned(learned())
    check_traced(learned().traced)
    check_traced(dataclasses.replace(learned().traced, traces={"0.bias": (None, np.ones((3, 5)))}))


@pytest.mark.parametrize(
    ("field", "wrong", "said"),
    [
        ("losses", [1.0, 2.0], "an array (T,)"),
        ("losses", np.float64(1.0), "an array (T,)"),
        ("gradients", None, "a dict of arrays"),
        ("gradients", {"0.weight": [[1.0]]}, "a dict of arrays"),
        ("parameters", [np.ones(2)], "a dict of arrays"),
        ("traced", None, "a Traced"),
    ],
)
def test_what_learning_leaves(field, wrong, said):
    with pytest.raises(ProtocolError, match=r"^learn ") as caught:
        check_learned(dataclasses.replace(learned(), **{field: wrong}))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("field", "wrong", "said"),
    [
        ("hidden", np.ones((1, 4, 3, 5, 1)), "a list of arrays (T, B, N, d)"),
        ("hidden", [np.ones((4, 3, 5))], "a list of arrays (T, B, N, d)"),
        ("emitted", [[0.0]], "a list of arrays (T, B, N)"),
        ("outputs", [[[0.0]]], "an array (T, B, M)"),
        ("traces", {"0.weight": (np.ones(2),)}, "a dict of arrays, or of pairs"),
        ("traces", {"0.weight": (np.ones(2), None)}, "a dict of arrays, or of pairs"),
        ("traces", {0: np.ones(2)}, "a dict of arrays, or of pairs"),
        ("traces", None, "a dict of arrays, or of pairs"),
    ],
)
def test_what_a_run_leaves(field, wrong, said):
    with pytest.raises(ProtocolError, match=rf"^traces returned .* as {field}") as caught:
        check_traced(dataclasses.replace(learned().traced, **{field: wrong}))
    assert said in str(caught.value)


# An adapter as tests have it


class Unhashable(Reference):
    __hash__ = None

    def __eq__(self, other):
        raise AssertionError("compared")


def test_adapters_need_not_be_hashable():
    judged = Judged(Unhashable())
    assert {judged: 1}[judged] == 1
    assert judged == judged
    assert Judged.of(judged) is judged


def test_what_an_adapter_warns_of_is_no_failure():
    class Loud(Reference):
        def num_state(self, state):
            warnings.warn("loud", stacklevel=1)
            return super().num_state(state)

    judged = Judged(Loud())
    state = judged.make("single", VOLTS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert judged.num_state(state) == 1
        with pytest.raises(UserWarning, match="own"):
            warnings.warn("the suite's own", stacklevel=1)


def test_results_are_checked_wherever_they_enter():
    judged = Judged(returning("read", np.zeros(3)))
    with pytest.raises(ProtocolError, match=r"^read returned an array of float64, of shape \(3,\)"):
        judged.read(judged.make("single", VOLTS))


def network(**fields):
    return Network(
        (Layer(**{"kind": "LIF", "weight": np.ones((2, 5)), **fields}),), np.ones((5, 1))
    )


@pytest.mark.parametrize(
    ("asked", "rule", "said"),
    [
        (network(kind="ALIF"), "D-RTRL", "'ALIF' of kinds"),
        (network(recurrent=np.ones(5)), "D-RTRL", "'element-wise' of recurrences"),
        (network(recurrent=np.ones((5, 5))), "D-RTRL", "'dense' of recurrences"),
        (network(operation=Operation("embedding")), "D-RTRL", "'embedding' of operations"),
        (network(bias=np.float64(1.0)), "D-RTRL", "'shared' of weights"),
        (network(bias=np.ones(1)), "D-RTRL", "'shared' of weights"),
        (network(), "ES-D-RTRL", "'ES-D-RTRL' of rules"),
    ],
)
def test_no_more_is_asked_than_is_claimed(asked, rule, said):
    claims = {"kinds": {"LIF"}, "recurrences": {"none"}, "rules": {"D-RTRL"}}
    fields = {"capabilities": {"traces"}, "claims": claims}
    judged = Judged(type("Narrow", (Reference,), fields)())
    judged.traces(network(), np.ones((2, 1, 2)), DT, Rule("D-RTRL"))
    with pytest.raises(SuiteError, match=said):
        judged.traces(asked, np.ones((2, 1, 2)), DT, Rule(rule))
    with pytest.raises(SuiteError, match="learn"):
        judged.learn(asked)


def test_a_bias_of_one_number_is_shared_by_the_neurons_of_all_groups():
    fields = {"capabilities": {"traces", "operations"}, "claims": {"weights": {"own"}}}
    judged = Judged(type("Narrow", (Reference,), fields)())
    layer = {"weight": np.ones((5, 1, 1)), "operation": Operation("grouped")}
    arguments = np.ones((2, 1, 5)), DT, Rule("D-RTRL")
    judged.traces(network(**layer, bias=np.ones(5)), *arguments)
    with pytest.raises(SuiteError, match="'shared' of weights"):
        judged.traces(network(**layer, bias=np.ones(1)), *arguments)


# Errors


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_of_their_classes(name):
    error = ERRORS[name]("the message")
    check_class(error, name)
    assert str(error) == "the message"


def test_errors_are_those_of_the_law():
    law = (ROOT / "SPEC.md").read_text("utf-8")
    chapter = law.partition("## 12 Errors")[2].partition("## 13")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", chapter, re.MULTILINE))
    assert {name: error.__bases__[1] for name, error in ERRORS.items()} == {
        name: getattr(builtins, base) for name, base in rows.items()
    }


def test_what_a_write_returns_means_nothing():
    check_result("write", object())
