"""Three-factor learning: THREE-1 to THREE-5, and LEARN-7, LEARN-10, LEARN-11 of it."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from conformance.checks import is_a, raises
from conformance.learned import (
    D_RTRL,
    Rewards,
    agree,
    agree_by_name,
    agree_learned,
    agree_traces,
    rewarded,
    true_gradient,
    wanted,
    wanted_rewarded,
)
from conformance.populations import rounded
from conformance.problems import Rule
from conformance.tasks import Task, task

DECAY = 0.75
RULE, AT_ONCE = Rule("three-factor", DECAY), Rule("three-factor", 0.0)
RULES = pytest.mark.parametrize("rule", [RULE, AT_ONCE], ids=["0.75", "0"])
SINGLE = pytest.mark.parametrize(
    ("kind", "recurrence"),
    [("ALIF", "dense"), ("LIF", "element-wise"), ("GIFTree", "dense"), ("cable", "none")],
    ids="-".join,
)


def of(implementation, kinds, recurrence="dense", **options) -> Task:
    return task(implementation.precision, kinds, recurrence, **options)


@functools.cache
def rewards_of(given: Task) -> Rewards:
    """Rewards that differ from step to step and in the batch."""
    rng = np.random.default_rng(7)
    return Rewards(rounded(rng.normal(size=given.inputs.shape[:2]), given.precision))


@functools.cache
def last_reward(given: Task, b: int) -> Rewards:
    """A reward of −1 in the last step of one entry of the batch: what is learned is its ē."""
    array = np.zeros(given.inputs.shape[:2])
    array[-1, b] = -1.0
    return Rewards(array)


def judged(implementation, given: Task, rule: Rule = RULE, rewards=None, **options):
    """What an implementation leaves, and what it should."""
    rewards = rewards or rewards_of(given)
    got = rewarded(implementation, given, rewards, rule, **options)
    return got, wanted_rewarded(given, rewards, rule, **options)


@pytest.mark.clauses("THREE-1")
@SINGLE
def test_filtered_trace(implementation, kind, recurrence):
    given = of(implementation, (kind,), recurrence)
    got, expected = judged(implementation, given, rewards=last_reward(given, 0))
    agree_by_name(got.gradients, expected.gradients, given, "gradients")
    agree_traces(got.traced, expected.traced, given)


@pytest.mark.clauses("THREE-1")
@RULES
def test_filtered_trace_of_leaky_neurons(implementation, rule):
    """They emit their state, so that e is their trace, written out here."""
    given = of(implementation, ("leaky",), "none")
    a, decay = np.exp(-1 / given.network.layers[0].parameters["tau"].array), rule.decay_or_rank
    e = np.zeros((*given.inputs.shape[1:], len(a)))
    filtered = np.zeros_like(e)
    for x in given.inputs:
        e = a * e + x[..., np.newaxis]
        filtered = decay * filtered + e
    for b in range(2):
        got, _ = judged(implementation, given, rule, last_reward(given, b))
        agree(got.gradients["0.weight"], filtered[b], given, f"the trace of entry {b}")


@pytest.mark.clauses("THREE-2")
@SINGLE
def test_rewards(implementation, kind, recurrence):
    given = of(implementation, (kind,), recurrence)
    got, expected = judged(implementation, given)
    agree_by_name(got.gradients, expected.gradients, given, "gradients")


@pytest.mark.clauses("THREE-2")
def test_rewards_by_hand(implementation):
    """Without a filter, of leaky neurons."""
    given = of(implementation, ("leaky",), "none")
    a, M = np.exp(-1 / given.network.layers[0].parameters["tau"].array), rewards_of(given).array
    e, expected = np.zeros((*given.inputs.shape[1:], len(a))), 0.0
    for x, reward in zip(given.inputs, M, strict=True):
        e = a * e + x[..., np.newaxis]
        expected = expected - np.einsum("b,bkn->kn", reward, e)
    got, _ = judged(implementation, given, AT_ONCE)
    agree(got.gradients["0.weight"], expected, given, "gradients['0.weight']")


@pytest.mark.clauses("THREE-3")
def test_each_layer_by_itself(implementation):
    """The lower layer learns what it would without an upper one, and plain parameters nothing."""
    given = of(implementation, ("LIF", "ALIF"))
    got, expected = judged(implementation, given)
    agree_by_name(got.gradients, expected.gradients, given, "gradients")
    N = given.network.layers[0].weight.shape[1]
    readout = np.ones((N, 2))
    alone = given.replace(layers=given.network.layers[:1], readout=readout)
    lower = wanted_rewarded(alone, rewards_of(given), RULE).gradients
    for name, gradient in lower.items():
        agree(got.gradients[name], gradient, given, f"gradients[{name!r}]")


@pytest.mark.clauses("THREE-3")
def test_plain_parameters_stay(implementation):
    given = of(implementation, ("LIF", "ALIF"))
    got, _ = judged(implementation, given, chunk=5, learning_rate=2.0**-13)
    agree(got.parameters["readout.weight"], given.network.readout, given, "readout.weight")
    agree(got.parameters["readout.bias"], given.network.readout_bias, given, "readout.bias")
    assert not [name for name in got.gradients if name.startswith("readout")], got.gradients


@pytest.mark.clauses("THREE-4")
@RULES
def test_losses(implementation, rule):
    given = of(implementation, ("LIF", "ALIF"))
    got, M = judged(implementation, given, rule)[0], rewards_of(given).array
    decay, expected = rule.decay_or_rank, []
    filtered = [np.zeros(s.shape[1:]) for s in got.traced.emitted]
    for t, reward in enumerate(M):
        filtered = [decay * r + s[t] for r, s in zip(filtered, got.traced.emitted, strict=True)]
        expected.append(-sum(reward @ r.sum(axis=1) for r in filtered))
    agree(got.losses, np.array(expected), given, "losses")


@pytest.mark.clauses("THREE-4")
@pytest.mark.parametrize(
    ("kind", "recurrence"), [("ALIF", "element-wise"), ("GIF", "none"), ("cable", "none")]
)
def test_true_gradient(implementation, kind, recurrence):
    """That of a leaky readout of ones, whose outputs are the rewards away from its targets."""
    given = of(implementation, (kind,), recurrence)
    N = given.network.layers[0].weight.shape[1]
    read = given.replace(
        readout=np.ones((N, 1)),
        readout_bias=None,
        readout_decay=DECAY,
        targets=given.targets[..., :1],
        weights=np.ones_like(given.weights),
    )
    outputs = wanted(read, D_RTRL).traced.outputs
    read = read.replace(targets=outputs + rewards_of(given).array[..., np.newaxis])
    expected = {k: v for k, v in true_gradient(read).items() if not k.startswith("readout")}
    got, _ = judged(implementation, given)
    agree_by_name(got.gradients, expected, given, "gradients")


@pytest.mark.clauses("THREE-5", "ERR-1")
@pytest.mark.parametrize("wrong", [1.0, 1, -0.5, np.nan, None, "0.5", True], ids=repr)
def test_wrong_decay(implementation, wrong):
    _refused(implementation, "ParameterError", rule=Rule("three-factor", wrong))


@pytest.mark.clauses("THREE-5", "ERR-1")
@pytest.mark.parametrize(
    "cut", [np.s_[:-1], np.s_[:, :-1], np.s_[..., np.newaxis]], ids=["T", "B", "axes"]
)
@pytest.mark.parametrize("chunk", [1, 5])
def test_wrong_shape(implementation, cut, chunk):
    _refused(implementation, "ShapeError", lambda rewards: rewards[cut], chunk=chunk)


@pytest.mark.clauses("THREE-5", "ERR-1")
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize("chunk", [1, 5])
def test_not_finite(implementation, wrong, chunk):
    def spoil(rewards):
        return np.where(np.arange(rewards.size).reshape(rewards.shape) == 3, wrong, rewards)

    _refused(implementation, "InputError", spoil, chunk=chunk)


def _refused(implementation, error, change=lambda rewards: rewards, rule=RULE, **options):
    given = of(implementation, ("LIF",))
    network, inputs, dt = given.driven
    call = network, inputs, change(rewards_of(given).array), dt, rule
    is_a(raises(error, implementation.reinforce, *call, **options), error)


@pytest.mark.clauses("THREE-2", "LEARN-7", "LEARN-10")
def test_masks_and_chunks(implementation):
    given = of(implementation, ("synapse_LIF",), weight_function="square", masked=True)
    agree_learned(*judged(implementation, given, chunk=5), given)


@pytest.mark.clauses("THREE-2", "LEARN-11")
@pytest.mark.parametrize("chunk", [1, 5])
def test_updates(implementation, chunk):
    given = of(implementation, ("LIF", "ALIF"))
    options = {"chunk": chunk, "learning_rate": 2.0**-13}
    agree_learned(*judged(implementation, given, **options), given)
