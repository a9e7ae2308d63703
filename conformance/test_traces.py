"""Eligibility traces: TRACE-1 to TRACE-8, NET-1, NET-2, NUM-8."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.checks import raises, says
from conformance.implementation import Value
from conformance.learned import (
    D_RTRL,
    ES_D_RTRL,
    RULES,
    agree,
    agree_by_variable,
    agree_runs,
    agree_traces,
    traced,
    wanted_traced,
)
from conformance.problems import Layer, Network, Rule
from conformance.tasks import LOCAL, PAIRS, RECURRENCES, VARIABLES, Task, large, task

SINGLE = pytest.mark.parametrize(("kind", "recurrence"), RECURRENCES, ids="-".join)
RULE = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
TWO_DECAYS = Rule("ES-D-RTRL", (0.5, 0.75))
T = 12


def single(implementation, kind, recurrence="none", **options) -> Task:
    return task(implementation.precision, (kind,), recurrence, **options)


def judged(implementation, given, rule=D_RTRL, **options):
    """What an implementation leaves, and what it should."""
    return traced(implementation, given, rule, **options), wanted_traced(given, rule, **options)


@pytest.mark.clauses("NET-1")
@SINGLE
def test_run(implementation, kind, recurrence):
    given = single(implementation, kind, recurrence)
    agree_runs(*judged(implementation, given), given)


@pytest.mark.clauses("TRACE-1")
@pytest.mark.parametrize("kind", [kind for kind, d in VARIABLES.items() if d > 1])
def test_a_group_has_one_trace(implementation, kind):
    """All variables of a neuron, and what passes between them."""
    given = single(implementation, kind, "dense")
    got, expected = judged(implementation, given)
    for name, trace in expected.traces.items():
        d = got.traces[name].shape[-1]
        assert d == VARIABLES[kind], f"traces[{name!r}] has {d} variables, not {VARIABLES[kind]}"
        agree_by_variable(got.traces[name], trace, given, f"traces[{name!r}]")


@pytest.mark.clauses("TRACE-2", "NET-1")
def test_a_new_value_counts_once(implementation):
    """The V of `synapse_LIF` reads the new g; far below V_th a spike has no derivative."""
    p, tau, tau_s = implementation.precision, 4.0, 2.0
    layer = Layer(
        "synapse_LIF",
        np.array([[-1.0, -2.0]]),
        parameters={"tau": Value(np.float64(tau), "ms"), "tau_s": Value(np.float64(tau_s), "ms")},
    )
    x, dt = np.array([[[1.0]], [[0.5]]]), Value(np.float64(1.0), "ms")
    given = Task(Network((layer,), np.ones((2, 1))), x, x, np.ones(2), dt, p)
    a, b = np.exp(-1 / tau_s), np.exp(-1 / tau)
    g1, g2 = x[0, 0, 0], a * x[0, 0, 0] + x[1, 0, 0]
    V1 = (1 - b) * g1
    V2 = b * V1 + (1 - b) * g2
    got = traced(implementation, given, D_RTRL).traces["0.weight"]
    agree_by_variable(got, np.tile([g2, V2], (1, 1, 2, 1)), given, "traces['0.weight']")


@pytest.mark.clauses("TRACE-2")
@pytest.mark.parametrize("kind", ["leaky", "cable"])
def test_trace_is_the_derivative_of_the_state(implementation, kind):
    """Of neurons linear in y that are not recurrent, whose differences are exact."""
    given = single(implementation, kind)
    layer = given.network.layers[0]
    scale = 1.0 if kind == "leaky" else 0.0625
    moved = given.with_layer(bias=layer.bias + scale)
    more, less = (traced(implementation, at, D_RTRL) for at in (moved, given))
    found = (more.hidden[0][-1] - less.hidden[0][-1]) / scale
    # Differences of potentials of tens of mV.
    allowed = {32: 1e-2, 64: 1e-10}[given.precision]
    np.testing.assert_allclose(less.traces["0.bias"], found, rtol=allowed)


@pytest.mark.clauses("TRACE-3")
@SINGLE
def test_trace_of_a_dense_operation(implementation, kind, recurrence):
    given = single(implementation, kind, recurrence)
    names = [".weight", *([".recurrent"] if recurrence == "dense" else [])]
    agree_traces(*judged(implementation, given), given, *names)


@pytest.mark.clauses("TRACE-4")
@SINGLE
def test_trace_of_a_bias_and_element_by_element(implementation, kind, recurrence):
    given = single(implementation, kind, recurrence)
    names = [".bias", *([".recurrent"] if recurrence == "element-wise" else [])]
    agree_traces(*judged(implementation, given), given, *names)


@pytest.mark.clauses("TRACE-5")
@pytest.mark.parametrize(
    ("kind", "recurrence"), [x for x in RECURRENCES if x[1] != "none"], ids="-".join
)
def test_es_d_rtrl(implementation, kind, recurrence):
    given = single(implementation, kind, recurrence)
    agree_traces(*judged(implementation, given, ES_D_RTRL), given)


@pytest.mark.clauses("TRACE-5")
@pytest.mark.parametrize("kind", ["ALIF", "GIFTree", "cable"])
def test_two_decays(implementation, kind):
    given = single(implementation, kind, "dense")
    agree_traces(*judged(implementation, given, TWO_DECAYS), given)


@pytest.mark.clauses("TRACE-5", "TRACE-6")
def test_two_decays_in_closed_form(implementation):
    """Of leaky neurons, whose F is 1 and whose D is e^(-dt/tau)."""
    given = single(implementation, "leaky")
    eps_x, eps_f = traced(implementation, given, TWO_DECAYS).traces["0.weight"]
    decay = np.exp(-1 / given.network.layers[0].parameters["tau"].array)
    past = np.arange(T)[::-1]
    expected = np.einsum("t,tbk->bk", 0.5**past, given.inputs)
    agree(eps_x, expected, given, "eps_x, with a decay of 0.5")
    steps = 0.25 * (0.75 * decay[:, np.newaxis]) ** past
    expected = np.tile(steps.sum(axis=1)[:, np.newaxis], (2, 1, 1))
    agree(eps_f, expected, given, "eps_f, with a decay of 0.75")


@pytest.mark.clauses("TRACE-6")
@pytest.mark.parametrize(("pair", "decays"), [([3, 0.75], (0.5, 0.75)), ((0.0, 1), (0.0, 0.0))])
def test_pair_of_decays_or_ranks(implementation, pair, decays):
    given = single(implementation, "LIF")
    got = traced(implementation, given, Rule("ES-D-RTRL", pair))
    agree_traces(got, wanted_traced(given, Rule("ES-D-RTRL", decays)), given)


@pytest.mark.clauses("TRACE-6")
@pytest.mark.parametrize(
    ("decay_or_rank", "decay"), [(1, 0.0), (4, 0.6), (np.int64(9), 0.8), (0, 0.0), (0.5, 0.5)]
)
def test_decay_or_rank(implementation, decay_or_rank, decay):
    given = single(implementation, "LIF")
    got = traced(implementation, given, Rule("ES-D-RTRL", decay_or_rank))
    agree_traces(got, wanted_traced(given, Rule("ES-D-RTRL", decay)), given)


@pytest.mark.clauses("TRACE-6", "ERR-1", "ERR-2")
@pytest.mark.parametrize(
    "wrong",
    [
        *(1.0, 1.5, -0.1, -3, np.nan, np.inf, True, "0.5", None, 2 + 0j),
        *((0.5,), (0.5, 0.5, 0.5), (0.5, 1.0), (None, 0.5), ((0.5, 0.5), 0.5)),
    ],
    ids=repr,
)
def test_neither_decay_nor_rank(implementation, wrong):
    given = single(implementation, "LIF")
    error = raises("ParameterError", implementation.traces, *given.driven, Rule("ES-D-RTRL", wrong))
    says(error, "decay", "rank")


@pytest.mark.clauses("TRACE-7")
@RULE
def test_trace_is_of_the_effective_weight(implementation, rule):
    options = {"weight_function": "square", "masked": True}
    given = single(implementation, "ALIF", "dense", **options)
    agree_traces(*judged(implementation, given, rule), given)


@pytest.mark.clauses("TRACE-8")
@RULE
def test_traces_go_on(implementation, rule):
    given = single(implementation, "ALIF", "dense")
    got = traced(implementation, given, rule, runs=(5, 1, 6))
    once = traced(implementation, given, rule)
    agree_traces(got, once, given)
    agree_runs(got, once, given)


@pytest.mark.clauses("TRACE-8")
@RULE
@pytest.mark.parametrize("kind", ["ALIF", "GIF", "cable"])
def test_reset(implementation, rule, kind):
    given = single(implementation, kind, "dense")
    last = given.replace(inputs=given.inputs[5:])
    got = traced(implementation, given, rule, runs=(5, T - 5), reset=True)
    fresh = wanted_traced(last, rule)
    agree_traces(got, fresh, given)
    agree_by_variable(got.hidden[0][5:], fresh.hidden[0], given, "hidden[0] after a reset")


@pytest.mark.clauses("TRACE-8")
def test_first_trace(implementation):
    """After one step D-RTRL's trace is F x, of a trace that was zero."""
    given = single(implementation, "LIF")
    short = given.replace(inputs=given.inputs[:1])
    got = traced(implementation, short, D_RTRL).traces
    x = short.inputs[0][..., np.newaxis, np.newaxis]
    agree(got["0.weight"], x * got["0.bias"][:, np.newaxis], given, "traces after one step")
    agree_traces(traced(implementation, short, D_RTRL), wanted_traced(short, D_RTRL), short)


@pytest.mark.clauses("NET-2")
@pytest.mark.parametrize(("lower", "upper"), PAIRS, ids="-".join)
def test_layers_of_two_kinds(implementation, lower, upper):
    given = task(implementation.precision, (lower, upper), "dense")
    got, expected = judged(implementation, given)
    agree_runs(got, expected, given)
    agree_traces(got, expected, given)


@pytest.mark.clauses("NET-2")
def test_three_layers(implementation):
    given = task(implementation.precision, ("LIF", "GIF", "leaky"), "dense")
    got, expected = judged(implementation, given, ES_D_RTRL)
    agree_runs(got, expected, given)
    agree_traces(got, expected, given)


@pytest.mark.clauses("NET-1", "TRACE-4")
@pytest.mark.parametrize("kind", LOCAL)
def test_first_emission_element_by_element(implementation, kind):
    """With v, what the initial state emits is fed back in the first step."""
    given = single(implementation, kind, "element-wise")
    short = given.replace(inputs=given.inputs[:1])
    agree_runs(*judged(implementation, short), short)


@pytest.mark.clauses("NUM-8")
@RULE
def test_large(implementation, rule):
    given = large(implementation.precision)
    got, expected = judged(implementation, given, rule)
    agree_runs(got, expected, given)
    agree_traces(got, expected, given)
