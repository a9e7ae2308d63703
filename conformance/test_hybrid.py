"""Hybrid learning: HYBRID-1 to HYBRID-4, and LEARN-10, LEARN-11 of it."""

from __future__ import annotations

import pytest

from conformance.checks import is_a, raises, says
from conformance.learned import (
    D_RTRL,
    ES_D_RTRL,
    agree,
    agree_by_name,
    agree_learned,
    agree_traces,
    learned,
    traced,
    true_gradient,
    wanted,
)
from conformance.problems import Rule
from conformance.tasks import Task, task

DEFAULT = Rule("hybrid", 0.75)
CHOSEN = Rule("hybrid", 0.75, {"0.weight": "D-RTRL", "0.bias": "ES-D-RTRL"})
TWO_DECAYS = Rule("hybrid", (0.5, 0.75), {"0.recurrent": "D-RTRL"})
RULES = {"default": DEFAULT, "chosen": CHOSEN, "two decays": TWO_DECAYS}


def single(implementation, kind, recurrence="dense", **options) -> Task:
    return task(implementation.precision, (kind,), recurrence, **options)


@pytest.mark.clauses("HYBRID-1")
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("kind", ["ALIF", "GIFTree"])
def test_hybrid(implementation, kind, rule):
    given = single(implementation, kind)
    got, expected = learned(implementation, given, rule), wanted(given, rule)
    agree_by_name(got.gradients, expected.gradients, given, "gradients")
    agree_traces(got.traced, expected.traced, given)


@pytest.mark.clauses("HYBRID-1")
@pytest.mark.parametrize("rule", [DEFAULT, CHOSEN], ids=["default", "chosen"])
def test_each_is_as_if_all_had_its_rule(implementation, rule):
    given = single(implementation, "ALIF")
    got = learned(implementation, given, rule)
    for name, trace in got.traced.traces.items():
        own = ES_D_RTRL if isinstance(trace, tuple) else D_RTRL
        alone = wanted(given, own).gradients[name]
        agree(got.gradients[name], alone, given, f"gradients[{name!r}] by {own.name}")


def _of(found, name: str) -> str:
    return "ES-D-RTRL" if isinstance(found.traces[name], tuple) else "D-RTRL"


@pytest.mark.clauses("HYBRID-2")
@pytest.mark.parametrize(
    ("kind", "K", "N", "rule"),
    [
        ("leaky", 2, 2, "D-RTRL"),  # 4 numbers, as many as 2 + 2
        ("leaky", 3, 2, "ES-D-RTRL"),  # 6 against 3 + 2
        ("ALIF", 2, 2, "ES-D-RTRL"),  # 8 against 2 + 4
        ("cable", 1, 2, "D-RTRL"),  # 12 against 1 + 12
    ],
)
def test_the_smaller_trace(implementation, kind, K, N, rule):
    given = single(implementation, kind, "none", K=K, sizes=(N,))
    got = traced(implementation, given, DEFAULT)
    assert _of(got, "0.weight") == rule, f"a dense ({K}, {N}) of {kind} has {_of(got, '0.weight')}"
    assert _of(got, "0.bias") == "D-RTRL", "a bias has ES-D-RTRL"


@pytest.mark.clauses("HYBRID-2")
def test_element_wise_operations_have_d_rtrl(implementation):
    got = traced(implementation, single(implementation, "ALIF", "element-wise"), DEFAULT)
    assert [_of(got, name) for name in ("0.bias", "0.recurrent")] == ["D-RTRL", "D-RTRL"]


@pytest.mark.clauses("HYBRID-2")
def test_choice(implementation):
    given = task(implementation.precision, ("LIF", "ALIF"), "dense")
    names = [f"{l}.{part}" for l in (0, 1) for part in ("weight", "bias", "recurrent")]
    chosen = {name: ("D-RTRL", "ES-D-RTRL")[i % 2] for i, name in enumerate(names)}
    got = traced(implementation, given, Rule("hybrid", 0.75, chosen))
    assert {name: _of(got, name) for name in names} == chosen


@pytest.mark.clauses("HYBRID-3", "ERR-1", "ERR-2")
@pytest.mark.parametrize("name", ["0.wheel", "2.weight", "readout.weight"])
def test_unknown_name(implementation, name):
    given, rule = single(implementation, "LIF"), Rule("hybrid", 0.75, {name: "D-RTRL"})
    error = raises("StateNameError", implementation.learn, *given.given, rule)
    is_a(error, "StateNameError")
    says(error, name)


@pytest.mark.clauses("HYBRID-3", "ERR-1", "ERR-2")
@pytest.mark.parametrize("wrong", ["BPTT", "e-prop", None], ids=repr)
def test_unknown_rule(implementation, wrong):
    given, rule = single(implementation, "LIF"), Rule("hybrid", 0.75, {"0.weight": wrong})
    error = raises("ParameterError", implementation.learn, *given.given, rule)
    is_a(error, "ParameterError")
    says(error, "weight", repr(wrong))


@pytest.mark.clauses("HYBRID-3")
@pytest.mark.parametrize("wrong", [1.5, None, (0.5, 1.0)], ids=repr)
def test_neither_decay_nor_rank(implementation, wrong):
    """Also where no parameter has ES-D-RTRL."""
    given = single(implementation, "LIF", "none")
    for chosen in ({}, {"0.weight": "D-RTRL"}):
        rule = Rule("hybrid", wrong, chosen)
        raises("ParameterError", implementation.learn, *given.given, rule)


@pytest.mark.clauses("HYBRID-4")
@pytest.mark.parametrize("kind", ["synapse_LIF", "GIF"])
def test_exact_where_its_rule_is(implementation, kind):
    given = single(implementation, kind, "none")
    got, exact = learned(implementation, given, CHOSEN).gradients, true_gradient(given)
    agree(got["0.weight"], exact["0.weight"], given, "gradients['0.weight'] by D-RTRL")


@pytest.mark.clauses("HYBRID-4")
def test_exact_for_one_step(implementation):
    given = single(implementation, "ALIF", "none", T=1, B=8, spread=4.0)
    got = learned(implementation, given, CHOSEN)
    agree_by_name(got.gradients, true_gradient(given), given, "gradients")


@pytest.mark.clauses("LEARN-10", "LEARN-11", "HYBRID-1")
@pytest.mark.parametrize("chunk", [1, 5])
def test_chunks_and_updates(implementation, chunk):
    given = task(implementation.precision, ("LIF", "ALIF"), "dense")
    options = {"chunk": chunk, "learning_rate": 2.0**-13}
    got = learned(implementation, given, CHOSEN, **options)
    agree_learned(got, wanted(given, CHOSEN, **options), given)


@pytest.mark.clauses("LEARN-7", "HYBRID-1")
def test_masks_and_weight_functions(implementation):
    options = {"weight_function": "square", "masked": True}
    given = single(implementation, "synapse_LIF", **options)
    got, expected = learned(implementation, given, DEFAULT, chunk=5), wanted(given, DEFAULT)
    agree_learned(got, expected, given)
