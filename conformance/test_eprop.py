"""E-prop: EPROP-1 to EPROP-7, and LEARN-10, LEARN-11 of it."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.checks import is_a, raises
from conformance.learned import (
    D_RTRL,
    agree,
    agree_by_name,
    agree_learned,
    agree_traces,
    learned,
    true_gradient,
    wanted,
    wanted_traced,
)
from conformance.problems import Rule
from conformance.tasks import Task, task, with_feedback

SYMMETRIC, RANDOM, ADAPTIVE = (
    Rule("e-prop", feedback=feedback) for feedback in ("symmetric", "random", "adaptive")
)
RULES = {rule.feedback: rule for rule in (SYMMETRIC, RANDOM, ADAPTIVE)}
NOT_SYMMETRIC = {rule.feedback: rule for rule in (RANDOM, ADAPTIVE)}
RULE = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
FEEDBACK = "readout.feedback"
#: Kinds of layers, and the decay of the readout.
NETWORKS = [(("ALIF",), 0.75), (("GIF",), 0.0), (("LIF", "cable"), 0.0), (("GIF", "ALIF"), 0.75)]
NETWORK = pytest.mark.parametrize(
    ("kinds", "decay"), NETWORKS, ids=[f"{'-'.join(kinds)}-{decay}" for kinds, decay in NETWORKS]
)


def of(implementation, kinds, decay=0.0, recurrence="dense", **options) -> Task:
    return with_feedback(task(implementation.precision, kinds, recurrence, **options), decay)


def without(found: dict[str, np.ndarray], *names: str) -> dict[str, np.ndarray]:
    return {name: x for name, x in found.items() if name not in names}


@pytest.mark.clauses("EPROP-1")
@NETWORK
def test_random_feedback(implementation, kinds, decay):
    given = of(implementation, kinds, decay)
    got, expected = learned(implementation, given, RANDOM), wanted(given, RANDOM)
    agree_by_name(got.gradients, expected.gradients, given, "gradients")


@pytest.mark.clauses("EPROP-1")
def test_traces(implementation):
    given = of(implementation, ("LIF", "ALIF"), 0.75)
    got = learned(implementation, given, RANDOM).traced
    agree_traces(got, wanted_traced(given, D_RTRL), given)


@pytest.mark.clauses("EPROP-1")
@pytest.mark.parametrize("decay", [0.0, 0.75])
def test_feedback_in_the_place_of_the_readout(implementation, decay):
    """D-RTRL of a network that is read out by B, with targets as far from its outputs."""
    given = of(implementation, ("LIF", "ALIF"), decay)
    read = given.replace(readout=given.network.feedback)
    apart = [wanted(x, D_RTRL).traced.outputs for x in (given, read)]
    read = read.replace(targets=apart[1] - (apart[0] - given.targets))
    plain = ("readout.weight", "readout.bias")
    expected = without(wanted(read, D_RTRL).gradients, *plain)
    got = without(learned(implementation, given, RANDOM).gradients, *plain)
    agree_by_name(got, expected, given, "gradients")


@pytest.mark.clauses("EPROP-2")
@NETWORK
def test_symmetric_feedback_is_d_rtrl(implementation, kinds, decay):
    """Whatever B the network has."""
    given = of(implementation, kinds, decay)
    got, expected = learned(implementation, given, SYMMETRIC), wanted(given, D_RTRL)
    agree_learned(got, expected, given)


@pytest.mark.clauses("EPROP-2", "LEARN-8")
@pytest.mark.parametrize("recurrence", ["none", "element-wise"])
def test_symmetric_feedback_is_exact(implementation, recurrence):
    given = of(implementation, ("ALIF",), 0.75, recurrence)
    got = learned(implementation, given, SYMMETRIC)
    agree_by_name(got.gradients, true_gradient(given), given, "gradients")


@pytest.mark.clauses("EPROP-2")
def test_symmetric_feedback_follows_the_readout(implementation):
    """With updates that change it in its first digit."""
    given, options = of(implementation, ("leaky",)), {"learning_rate": 2.0**-9}
    got = learned(implementation, given, SYMMETRIC, **options)
    expected = wanted(given, D_RTRL, **options)
    agree_by_name(got.parameters, expected.parameters, given, "parameters")


@pytest.mark.clauses("EPROP-3")
@pytest.mark.parametrize("chunk", [1, 5])
def test_random_feedback_stays(implementation, chunk):
    given = of(implementation, ("leaky",))
    options = {"chunk": chunk, "learning_rate": 2.0**-13}
    got = learned(implementation, given, RANDOM, **options)
    agree_learned(got, wanted(given, RANDOM, **options), given)
    assert FEEDBACK not in got.gradients, "random feedback has a gradient"


@pytest.mark.clauses("EPROP-4")
@NETWORK
def test_adaptive_feedback(implementation, kinds, decay):
    """As random feedback, and B has the gradient of W_out."""
    given = of(implementation, kinds, decay)
    got, random = learned(implementation, given, ADAPTIVE).gradients, wanted(given, RANDOM)
    expected = random.gradients | {FEEDBACK: random.gradients["readout.weight"]}
    agree_by_name(got, expected, given, "gradients")


@pytest.mark.clauses("EPROP-4")
@pytest.mark.parametrize("chunk", [1, 5])
def test_adaptive_feedback_moves(implementation, chunk):
    """As far as W_out does, and what comes through it with it."""
    given = of(implementation, ("leaky",))
    options = {"chunk": chunk, "learning_rate": 2.0**-13}
    got = learned(implementation, given, ADAPTIVE, **options)
    agree_learned(got, wanted(given, ADAPTIVE, **options), given)
    moved = got.parameters["readout.weight"] - given.network.readout
    feedback = given.network.feedback + moved
    agree(got.parameters[FEEDBACK], feedback, given, f"parameters[{FEEDBACK!r}]")


@pytest.mark.clauses("EPROP-5")
@RULE
def test_readout(implementation, rule):
    given = of(implementation, ("LIF", "ALIF"))
    got, network = learned(implementation, given, rule).gradients, given.network
    emitted = wanted(given, D_RTRL).traced.emitted[-1]
    error = emitted @ network.readout + network.readout_bias - given.targets
    error = given.weights[:, np.newaxis, np.newaxis] * error
    weight = np.einsum("tbn,tbm->nm", emitted, error)
    agree(got["readout.weight"], weight, given, "gradients['readout.weight']")
    bias = error.sum(axis=(0, 1))
    agree(got["readout.bias"], bias, given, "gradients['readout.bias']")


@pytest.mark.clauses("EPROP-6")
@pytest.mark.parametrize("rule", NOT_SYMMETRIC.values(), ids=NOT_SYMMETRIC)
def test_filtered_trace(implementation, rule):
    """Of leaky neurons, which emit their state: e is their trace."""
    decay, given = 0.75, of(implementation, ("leaky",), 0.75, "none")
    layer, network = given.network.layers[0], given.network
    a = np.exp(-1 / layer.parameters["tau"].array)
    T, B, K = given.inputs.shape
    N = len(a)
    h, r = np.zeros((B, N)), np.zeros((B, N))
    e, filtered, expected = np.zeros((B, K, N)), np.zeros((B, K, N)), np.zeros((K, N))
    for t in range(T):
        h = a * h + given.inputs[t] @ layer.weight + layer.bias
        r = decay * r + h
        e = a * e + given.inputs[t][..., np.newaxis]
        filtered = decay * filtered + e
        error = r @ network.readout + network.readout_bias - given.targets[t]
        signal = given.weights[t] * error @ network.feedback.T
        expected += np.einsum("bn,bkn->kn", signal, filtered)
    got = learned(implementation, given, rule)
    agree(got.gradients["0.weight"], expected, given, "gradients['0.weight']")


@pytest.mark.clauses("EPROP-7", "ERR-1")
@pytest.mark.parametrize("wrong", ["other", None, 1], ids=repr)
def test_unknown_feedback(implementation, wrong):
    given, rule = of(implementation, ("LIF",)), Rule("e-prop", feedback=wrong)
    is_a(raises("ParameterError", implementation.learn, *given.given, rule), "ParameterError")


@pytest.mark.clauses("EPROP-7", "ERR-1")
@pytest.mark.parametrize("rule", NOT_SYMMETRIC.values(), ids=NOT_SYMMETRIC)
@pytest.mark.parametrize("cut", [np.s_[:-1], np.s_[:, :-1], np.s_[0]], ids=["N", "M", "one"])
def test_wrong_shape(implementation, rule, cut):
    given = of(implementation, ("LIF",))
    wrong = given.replace(feedback=given.network.feedback[cut])
    is_a(raises("ShapeError", implementation.learn, *wrong.given, rule), "ShapeError")


@pytest.mark.clauses("LEARN-10", "LEARN-11", "EPROP-1")
@RULE
def test_chunks_and_updates(implementation, rule):
    given = of(implementation, ("LIF", "ALIF"), 0.75)
    options = {"chunk": 5, "learning_rate": 2.0**-13}
    got = learned(implementation, given, rule, **options)
    agree_learned(got, wanted(given, rule, **options), given)
