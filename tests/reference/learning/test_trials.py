"""Trials of several lengths, beside each trial alone and central differences (LEARN-19)."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from reference import Layer, Network, Operation, Rule
from reference.errors import DtypeError, InputError, ParameterError, ShapeError, ValueTypeError
from reference.learning import learn, learn_trials, run_traces

from ..learning_problems import DT, single, stacked
from .oracles import DRTRL, OSTL, RTRL, assert_equal, replace_fields

LENGTHS = np.array([5, 12, 1])
EPROP = Rule("e-prop", feedback="symmetric")
ESDRTRL = Rule("ES-D-RTRL", 0.75)
RULES = [DRTRL, ESDRTRL, Rule("hybrid", 0.75), EPROP, RTRL, OSTL]
DELTA = 1e-5


def padded(problem, number=np.nan, lengths=LENGTHS):
    """The problem with a number in all inputs and targets past the ends."""
    over = (np.arange(len(problem.inputs))[:, None] >= lengths)[..., None]
    inputs, targets = (np.where(over, number, x) for x in (problem.inputs, problem.targets))
    return dataclasses.replace(problem, inputs=inputs, targets=targets)


def learned(problem, rule, lengths=LENGTHS, **options):
    *arguments, dt = problem.arguments
    return learn_trials(*arguments, lengths, dt, rule, **options)


def names(rules):
    return [rule.name for rule in rules]


@pytest.mark.parametrize("rule", RULES, ids=names(RULES))
def test_the_sum_of_each_trial_alone(rule):
    problem = stacked(("LIF", "cable", "leaky"), "dense", seed=3, B=3)
    problem = replace_fields(problem, readout_decay=0.75)
    got = learned(padded(problem), rule, chunk=4)
    losses, gradients = np.zeros(12), {}
    for b, end in enumerate(LENGTHS):
        arguments = problem.inputs[:end, [b]], problem.targets[:end, [b]], problem.weights[:end]
        alone = learn(problem.network, *arguments, DT, rule)
        losses[:end] += alone.losses
        for name, gradient in alone.gradients.items():
            gradients[name] = gradients.get(name, 0.0) + gradient
    np.testing.assert_allclose(got.losses, losses, rtol=1e-14)
    assert_equal(got.gradients, gradients)


def loss_of(problem):
    """The loss of a batch that runs on, as far as its steps count."""
    outputs = run_traces(problem.network, problem.inputs, DT, DRTRL).outputs
    counted = np.arange(12)[:, None] < LENGTHS
    of_trials = ((outputs - problem.targets) ** 2).sum(-1)
    return 0.5 * np.sum(problem.weights[:, None] * of_trials * counted)


EXACT = [
    *(("leaky", None, DRTRL), ("LRU", "element-wise", DRTRL), ("cable", None, EPROP)),
    *(("cable", "dense", OSTL), ("leaky", "dense", RTRL), ("cable", "element-wise", RTRL)),
]


@pytest.mark.parametrize(
    ("kind", "recurrence", "rule"), EXACT, ids=[f"{k}-{r}-{rule.name}" for k, r, rule in EXACT]
)
def test_central_differences(kind, recurrence, rule):
    """Where a rule is exact: of a batch whose steps past the ends are made, and do not count."""
    problem = replace_fields(single(kind, recurrence, seed=4, B=3), readout_decay=0.75)
    differences, layer = {}, problem.network.layers[0]
    for name in ("weight", "bias", "recurrent"):
        w = getattr(layer, name)
        if w is None:
            continue
        differences[f"0.{name}"] = gradient = np.zeros(w.shape)
        for index in np.ndindex(w.shape):
            sides = []
            for delta in (DELTA, -DELTA):
                moved = w.copy()
                moved[index] += delta
                layers = (dataclasses.replace(layer, **{name: moved}),)
                sides.append(loss_of(replace_fields(padded(problem, 0.0), layers=layers)))
            gradient[index] = (sides[0] - sides[1]) / (2 * DELTA)
    got = learned(padded(problem), rule).gradients
    assert_equal({name: got[name] for name in differences}, differences, 1e-7)


@pytest.mark.parametrize("rule", RULES, ids=names(RULES))
def test_states_and_traces_hold_still(rule):
    problem = replace_fields(single("ALIF", "dense", seed=3, B=3), readout_decay=0.75)
    got = learned(padded(problem), rule)
    is_kept = {"D-RTRL", "hybrid", "e-prop"} & {rule.name}
    assert bool(got.traces) is bool(is_kept)
    for b, end in enumerate(LENGTHS):
        run = run_traces(problem.network, problem.inputs[:end], DT, rule)
        np.testing.assert_allclose(got.hidden[0][b], run.hidden[0][-1, b], rtol=1e-14)
        np.testing.assert_array_equal(got.emitted[0][b], run.emitted[0][-1, b])
        for name, trace in got.traces.items():
            np.testing.assert_allclose(trace[b], run.traces[name][b], rtol=1e-13, err_msg=name)


def test_full_trials_are_a_batch():
    problem = single("GIF", "dense", seed=3, B=3)
    got, whole = learned(problem, DRTRL, np.full(3, 12)), learn(*problem.arguments, DRTRL)
    np.testing.assert_allclose(got.losses, whole.losses, rtol=1e-13)
    assert_equal(got.gradients, whole.gradients)


def test_rows_past_the_end_may_be_none():
    rng = np.random.default_rng(0)
    layer = Layer("leaky", rng.normal(size=(4, 3)), operation=Operation("embedding"))
    network, targets = Network((layer,), rng.normal(size=(3, 2))), rng.normal(size=(4, 2, 2))
    inputs = np.array([[[1], [3]], [[2], [0]], [[-1], [0]], [[99], [2]]])
    got = learn_trials(network, inputs, targets, np.ones(4), np.array([2, 4]), DT, DRTRL)
    assert all(np.isfinite(gradient).all() for gradient in got.gradients.values())
    with pytest.raises(InputError, match="-1"):
        learn_trials(network, inputs, targets, np.ones(4), np.array([4, 4]), DT, DRTRL)


@pytest.mark.parametrize(
    ("lengths", "error", "said"),
    [
        (np.array([5, 12]), ShapeError, r"\(2,\)"),
        (np.array(5), ShapeError, r"\(\)"),
        (LENGTHS[:, None], ShapeError, r"\(3, 1\)"),
        (LENGTHS * 1.0, DtypeError, "float64"),
        (LENGTHS > 1, DtypeError, "bool"),
        (np.array([5, 13, 1]), ParameterError, "13"),
        (np.array([5, 12, 0]), ParameterError, "0"),
        (np.array([-1, 12, 1], np.int8), ParameterError, "-1"),
        ("5", ValueTypeError, "str"),
    ],
    ids=["two", "one", "column", "float", "bool", "long", "none", "negative", "text"],
)
def test_lengths_that_are_refused(lengths, error, said):
    with pytest.raises(error, match=f"lengths.*{said}"):
        learned(single("leaky", B=3), DRTRL, lengths)


@pytest.mark.parametrize("name", ["inputs", "targets", "weights"])
def test_what_is_refused_up_to_the_ends(name):
    problem = padded(single("leaky", B=3))
    array = getattr(problem, name).copy()
    array[(4, 0, 0)[: array.ndim]] = np.nan
    with pytest.raises(InputError):
        learned(dataclasses.replace(problem, **{name: array}), DRTRL)
    with pytest.raises(ShapeError):
        learned(dataclasses.replace(problem, **{name: array[:-1]}), DRTRL)


def test_no_trial_is_refused():
    problem = single("leaky", B=3)
    empty = dataclasses.replace(problem, inputs=problem.inputs[:, :0])
    with pytest.raises(ShapeError):
        learned(empty, DRTRL, LENGTHS[:0])
