"""Learning: LEARN-1 to LEARN-13, NUM-8."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.learned import (
    D_RTRL,
    ES_D_RTRL,
    RULES,
    TOLERANCES,
    agree,
    agree_by_name,
    agree_by_variable,
    agree_runs,
    agree_traces,
    learned,
    traced,
    true_gradient,
    wanted,
    wanted_signals,
)
from conformance.problems import Rule
from conformance.tasks import KINDS, LOCAL, PAIRS, RECURRENCES, Task, large, task

SINGLE = pytest.mark.parametrize(("kind", "recurrence"), RECURRENCES, ids="-".join)
TWO = pytest.mark.parametrize(
    ("lower", "upper", "recurrence"),
    [(*pair, recurrence) for pair in PAIRS for recurrence in ("none", "dense")],
    ids="-".join,
)
RULE = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
PLAIN = ("readout.weight", "readout.bias")


def single(implementation, kind, recurrence="none", **options) -> Task:
    return task(implementation.precision, (kind,), recurrence, **options)


def two(implementation, lower, upper, recurrence) -> Task:
    return task(implementation.precision, (lower, upper), recurrence)


def trained(found: dict[str, np.ndarray], *without: str) -> dict[str, np.ndarray]:
    """The entries of parameters with a trace."""
    return {name: x for name, x in found.items() if name not in (*PLAIN, *without)}


@pytest.mark.clauses("LEARN-1")
@pytest.mark.parametrize(("lower", "upper"), PAIRS, ids="-".join)
def test_learning_signals(implementation, lower, upper):
    given = two(implementation, lower, upper, "dense")
    _signals(implementation, given)


@pytest.mark.clauses("LEARN-1")
@pytest.mark.parametrize("kind", LOCAL)
def test_learning_signals_element_by_element(implementation, kind):
    _signals(implementation, single(implementation, kind, "element-wise"))


def _signals(implementation, given):
    got, expected = implementation.learning_signals(*given.given), wanted_signals(given)
    for l, ((c, signal), (other_c, other)) in enumerate(zip(got, expected, strict=True)):
        agree(c, other_c, given, f"c[{l}]")
        agree_by_variable(signal, other, given, f"lambda[{l}]")


@pytest.mark.clauses("LEARN-2")
@SINGLE
def test_d_rtrl(implementation, kind, recurrence):
    given = single(implementation, kind, recurrence)
    got, expected = learned(implementation, given, D_RTRL), wanted(given, D_RTRL)
    agree_by_name(trained(got.gradients), trained(expected.gradients), given, "gradients")


@pytest.mark.clauses("LEARN-3")
@pytest.mark.parametrize(
    ("kind", "recurrence"), [x for x in RECURRENCES if x[1] != "none"], ids="-".join
)
def test_es_d_rtrl(implementation, kind, recurrence):
    given = single(implementation, kind, recurrence)
    got, expected = learned(implementation, given, ES_D_RTRL), wanted(given, ES_D_RTRL)
    agree_by_name(trained(got.gradients), trained(expected.gradients), given, "gradients")


@pytest.mark.clauses("LEARN-3")
@pytest.mark.parametrize("kind", ["ALIF", "GIFTree", "cable"])
def test_two_decays(implementation, kind):
    given, rule = single(implementation, kind, "dense"), Rule("ES-D-RTRL", (0.5, 0.75))
    got, expected = learned(implementation, given, rule), wanted(given, rule)
    agree_by_name(trained(got.gradients), trained(expected.gradients), given, "gradients")


@pytest.mark.clauses("LEARN-2", "LEARN-3", "NUM-8")
@RULE
def test_large(implementation, rule):
    given = large(implementation.precision)
    got, expected = learned(implementation, given, rule, chunk=4), wanted(given, rule)
    agree_by_name(got.gradients, expected.gradients, given, "gradients")
    agree_traces(got.traced, expected.traced, given)


@pytest.mark.clauses("LEARN-4")
@RULE
def test_batch_is_summed(implementation, rule):
    """A batch twice over has twice the gradient, and half the weight brings it back."""
    given = single(implementation, "ALIF", "dense")
    twice = given.replace(
        inputs=np.tile(given.inputs, (1, 2, 1)), targets=np.tile(given.targets, (1, 2, 1))
    )
    halved = twice.replace(weights=given.weights / 2)
    once, both, half = (learned(implementation, x, rule) for x in (given, twice, halved))
    agree(both.losses, 2 * once.losses, given, "losses")
    agree_by_name(both.gradients, _times(2, once.gradients), given, "gradients")
    agree_by_name(half.gradients, once.gradients, given, "gradients")


@pytest.mark.clauses("LEARN-4")
@RULE
def test_time_is_summed(implementation, rule):
    """The gradient is linear in the weights of the steps."""
    given = single(implementation, "ALIF", "dense")
    late = given.weights * (np.arange(len(given.weights)) > 7)
    parts = [given.replace(weights=x) for x in (late, given.weights - late)]
    one, other = (learned(implementation, part, rule).gradients for part in parts)
    whole = learned(implementation, given, rule).gradients
    agree_by_name({k: one[k] + other[k] for k in one}, whole, given, "sum of gradients")


def _times(factor: float, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: factor * array for name, array in arrays.items()}


@pytest.mark.clauses("LEARN-5")
@TWO
@RULE
def test_two_layers(implementation, lower, upper, recurrence, rule):
    given = two(implementation, lower, upper, recurrence)
    got, expected = learned(implementation, given, rule), wanted(given, rule)
    agree_by_name(trained(got.gradients), trained(expected.gradients), given, "gradients")


@pytest.mark.clauses("LEARN-6")
@SINGLE
def test_plain_parameters(implementation, kind, recurrence):
    """Exact: those of a linear readout of what is emitted."""
    given = single(implementation, kind, recurrence)
    got = learned(implementation, given, D_RTRL)
    emitted = wanted(given, D_RTRL).traced.emitted[-1]
    out = emitted @ given.network.readout + given.network.readout_bias
    error = given.weights[:, np.newaxis, np.newaxis] * (out - given.targets)
    weight = np.einsum("tbn,tbm->nm", emitted, error)
    agree(got.gradients["readout.weight"], weight, given, "gradients['readout.weight']")
    bias = error.sum(axis=(0, 1))
    agree(got.gradients["readout.bias"], bias, given, "gradients['readout.bias']")


@pytest.mark.clauses("LEARN-7")
@pytest.mark.parametrize("function", ["identity", "square", "absolute"])
@pytest.mark.parametrize("masked", [False, True])
@RULE
def test_masks_and_weight_functions(implementation, function, masked, rule):
    options = {"weight_function": function, "masked": masked}
    given = single(implementation, "synapse_LIF", "dense", **options)
    got, expected = learned(implementation, given, rule), wanted(given, rule)
    agree_runs(got.traced, expected.traced, given)
    agree_by_name(got.gradients, expected.gradients, given, "gradients")


@pytest.mark.clauses("LEARN-8")
@pytest.mark.parametrize(
    ("kind", "recurrence"), [x for x in RECURRENCES if x[1] != "dense"], ids="-".join
)
def test_d_rtrl_is_exact(implementation, kind, recurrence):
    """Where no path through time crosses a trainable operation: against full RTRL."""
    given = single(implementation, kind, recurrence)
    got = learned(implementation, given, D_RTRL)
    agree_by_name(got.gradients, true_gradient(given), given, "gradients")


@pytest.mark.clauses("LEARN-9")
@pytest.mark.parametrize("decay_or_rank", [0.0, 0.75, 3, (0.5, 0.75)])
@pytest.mark.parametrize("kind", KINDS)
def test_es_d_rtrl_of_one_step_is_exact(implementation, kind, decay_or_rank):
    given = task(implementation.precision, (kind,), T=1, B=8, spread=4.0)
    got = learned(implementation, given, Rule("ES-D-RTRL", decay_or_rank))
    agree_by_name(got.gradients, true_gradient(given), given, "gradients")


@pytest.mark.clauses("LEARN-9")
@pytest.mark.parametrize("kind", ["ALIF", "GIF", "cable"])
def test_es_d_rtrl_without_memory(implementation, kind):
    """With a decay of 0 it is sum_t x(t) c(t)."""
    given = single(implementation, kind, "dense")
    got = learned(implementation, given, Rule("ES-D-RTRL", 0.0)).gradients
    ((c, _),) = wanted_signals(given)
    emitted = wanted(given, D_RTRL).traced.emitted[0]
    old = np.concatenate([np.zeros_like(emitted[:1]), emitted[:-1]])
    expected = {
        "0.weight": np.einsum("tbk,tbn->kn", given.inputs, c),
        "0.bias": c.sum(axis=(0, 1)),
        "0.recurrent": np.einsum("tbk,tbn->kn", old, c),
    }
    agree_by_name(trained(got), expected, given, "gradients")


@pytest.mark.clauses("LEARN-10")
@pytest.mark.parametrize("recurrence", ["none", "dense"])
@pytest.mark.parametrize("kind", KINDS)
def test_chunks_of_one_layer(implementation, kind, recurrence):
    _chunks(implementation, single(implementation, kind, recurrence), D_RTRL, 5)


@pytest.mark.clauses("LEARN-10")
@TWO
def test_chunks_of_two_layers(implementation, lower, upper, recurrence):
    _chunks(implementation, two(implementation, lower, upper, recurrence), D_RTRL, 5)


@pytest.mark.clauses("LEARN-10")
@RULE
@pytest.mark.parametrize("chunk", [2, 4, 11, 12, 40])
def test_chunks_of_any_length(implementation, rule, chunk):
    given = single(implementation, "ALIF", "dense", weight_function="square", masked=True)
    _chunks(implementation, given, rule, chunk)


def _chunks(implementation, given, rule, chunk):
    got, expected = learned(implementation, given, rule, chunk=chunk), wanted(given, rule)
    agree(got.losses, expected.losses, given, "losses")
    agree_by_name(got.gradients, expected.gradients, given, "gradients")
    agree_traces(got.traced, expected.traced, given)
    agree_runs(got.traced, expected.traced, given)


@pytest.mark.clauses("LEARN-11")
@RULE
@pytest.mark.parametrize("chunk", [1, 5])
@pytest.mark.parametrize("kind", ["leaky", "ALIF", "GIF", "cable"])
def test_online_updates(implementation, kind, chunk, rule):
    """With updates as small as they are, the margins of NUM-8 still hold."""
    given = single(implementation, kind, "dense")
    options = {"chunk": chunk, "learning_rate": 2.0**-13}
    got, expected = learned(implementation, given, rule, **options), wanted(given, rule, **options)
    agree(got.losses, expected.losses, given, "losses")
    agree_by_name(got.parameters, expected.parameters, given, "parameters")
    agree_by_name(got.gradients, expected.gradients, given, "gradients")
    agree_traces(got.traced, expected.traced, given)


@pytest.mark.clauses("LEARN-11")
@pytest.mark.parametrize("chunk", [1, 5])
def test_online_updates_of_leaky_neurons(implementation, chunk):
    """Which nothing bounds: steps that change parameters in their first digit."""
    given = single(implementation, "leaky", "dense")
    options = {"chunk": chunk, "learning_rate": 2.0**-9}
    got = learned(implementation, given, D_RTRL, **options)
    expected = wanted(given, D_RTRL, **options)
    agree_by_name(got.parameters, expected.parameters, given, "parameters")


@pytest.mark.clauses("LEARN-12")
@pytest.mark.parametrize("kind", ["leaky", "cable"])
def test_number_of_a_gradient(implementation, kind):
    """What the loss's number gains per number of each parameter.

    The loss is quadratic in the weights of neurons linear in y, and central differences are exact.
    """
    given = single(implementation, kind)
    layer, scale = given.network.layers[0], {"leaky": 0.25, "cable": 2.0**-6}[kind]
    got = learned(implementation, given, D_RTRL)
    for name in ("weight", "bias"):
        w = getattr(layer, name)
        up, down = (
            learned(implementation, given.with_layer(**{name: w + sign * scale}), D_RTRL)
            for sign in (1, -1)
        )
        slope = (up.losses.sum() - down.losses.sum()) / (2 * scale)
        gradient = got.gradients[f"0.{name}"].sum()
        largest = max(up.losses.sum(), down.losses.sum()) / scale
        assert abs(gradient - slope) <= 10 * TOLERANCES[given.precision] * largest, (
            f"the gradients of 0.{name} sum to {gradient}, the loss changes by {slope} per unit"
        )


@pytest.mark.clauses("LEARN-13")
@RULE
@pytest.mark.parametrize("kind", ["ALIF", "GIFTree", "cable"])
def test_learning_changes_no_run(implementation, kind, rule):
    given = single(implementation, kind, "dense")
    got, without = learned(implementation, given, rule), traced(implementation, given, rule)
    agree_runs(got.traced, without, given)
    agree_traces(got.traced, without, given)
    apart = (without.outputs - given.targets) ** 2
    losses = 0.5 * given.weights * apart.sum(axis=(1, 2))
    agree(got.losses, losses, given, "losses")
    network = given.network
    start = {"0.weight": network.layers[0].weight, "readout.weight": network.readout}
    for name, w in start.items():
        agree(got.parameters[name], w, given, f"parameters[{name!r}] without updates")
