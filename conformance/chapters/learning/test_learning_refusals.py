"""What learning refuses of inputs, targets, parameters and rules: LEARN-18, TRACE-6 and others."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from conformance.chapters.learning.refusals import check_refusal, replace_last, sound_problem
from conformance.checks import check_message, raises
from conformance.messages import any_of
from conformance.protocol.problems import Rule

LEARNS = pytest.mark.needs("learning")
CUTS = {
    "inputs-narrow": ("inputs", np.s_[..., :-1]),
    "inputs-one-step": ("inputs", np.s_[0]),
    "targets-narrow": ("targets", np.s_[..., :-1]),
    "targets-short": ("targets", np.s_[:-1]),
    "targets-no-batch": ("targets", np.s_[:, 0]),
    "weights-short": ("weights", np.s_[:-1]),
    "weights-two-axes": ("weights", np.s_[:, np.newaxis]),
}
LAYER_CUTS = {
    "weight-short": ("weight", np.s_[:-1]),
    "weight-one-axis": ("weight", np.s_[0]),
    "bias-long": ("bias", [0] * 7),
    "bias-two-axes": ("bias", np.s_[np.newaxis]),
    "recurrent-short": ("recurrent", np.s_[:-1]),
    "recurrent-narrow": ("recurrent", np.s_[:, :-1]),
    "mask-short": ("mask", np.s_[:-1]),
    "recurrent-mask-narrow": ("recurrent_mask", np.s_[..., :-1]),
}
DECAYS = {
    **{"one": 1.0, "above-one": 1.5, "negative": -0.1, "negative-rank": -3, "nan": np.nan},
    **{"infinite": np.inf, "true": True, "text": "0.5", "none": None, "complex": 2 + 0j},
    **{"pair-of-one": (0.5,), "triple": (0.5, 0.5, 0.5), "pair-with-one": (0.5, 1.0)},
    **{"pair-with-none": (None, 0.5), "pair-of-pairs": ((0.5, 0.5), 0.5)},
}


def numbered(cases):
    """Parameters with an index each, by their ids."""
    return [pytest.param(i, case, id=name) for i, (name, case) in enumerate(cases.items())]


@LEARNS
@pytest.mark.clauses("LEARN-18", "ERR-1")
@pytest.mark.parametrize(("index", "case"), numbered(CUTS))
def test_wrong_shape(implementation, index, case):
    name, cut = case
    problem = sound_problem(implementation, index, recurrence="none")
    check_refusal(
        implementation, problem.replace(**{name: getattr(problem, name)[cut]}), "ShapeError"
    )


@LEARNS
@pytest.mark.clauses("LEARN-18", "ERR-1")
@pytest.mark.claims(recurrences=["dense"])
@pytest.mark.parametrize(("index", "case"), numbered(LAYER_CUTS))
def test_wrong_shape_of_a_layer(implementation, index, case):
    name, cut = case
    problem = sound_problem(implementation, index, recurrence="dense", mask="both")
    array = getattr(problem.network.layers[0], name)
    check_refusal(implementation, problem.with_layer(**{name: array[cut]}), "ShapeError")


@LEARNS
@pytest.mark.clauses("LEARN-18", "ERR-1")
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf], ids=["nan", "infinite", "minus-inf"])
@pytest.mark.parametrize("name", ["inputs", "targets", "weights"])
@pytest.mark.parametrize("chunk", ["one", "rest"])
def test_not_finite(implementation, name, number, chunk):
    index = ["inputs", "targets", "weights"].index(name) + (3 if np.isnan(number) else 0)
    problem = sound_problem(implementation, index, chunk=chunk)
    array = replace_last(getattr(problem, name), number)
    check_refusal(implementation, problem.replace(**{name: array}), "InputError")


@LEARNS
@pytest.mark.clauses("LEARN-18", "ERR-1", "ERR-2")
@pytest.mark.parametrize(
    ("index", "case"),
    numbered({"zero": 0, "negative": -1, "half": 1.5, "float": 1.0, "true": True, "text": "2"}),
)
def test_wrong_chunk(implementation, index, case):
    problem = sound_problem(implementation, index)
    error = check_refusal(
        implementation, dataclasses.replace(problem, chunk=case), "ParameterError"
    )
    check_message(error, "chunk", case)


@pytest.mark.clauses("TRACE-6", "ERR-1", "ERR-2")
@pytest.mark.parametrize(("index", "case"), numbered(DECAYS))
def test_neither_decay_nor_rank(implementation, index, case):
    problem = sound_problem(implementation, index, rule="ES-D-RTRL")
    bad_problem = dataclasses.replace(problem, rule=Rule("ES-D-RTRL", case))
    check_message(check_refusal(implementation, bad_problem, "ParameterError"), "decay", "rank")


@pytest.mark.clauses("TRACE-6")
@pytest.mark.parametrize(
    ("case", "decays"),
    [
        pytest.param(1, (0.0, 0.0), id="rank-one"),
        pytest.param(np.int64(9), (0.8, 0.8), id="rank-of-numpy"),
        pytest.param(0, (0.0, 0.0), id="decay-zero"),
        pytest.param(np.float32(0.5), (0.5, 0.5), id="decay-of-numpy"),
        pytest.param([3, 0.75], (0.5, 0.75), id="list-of-both"),
        pytest.param((0.0, 1), (0.0, 0.0), id="zero-and-rank-one"),
    ],
)
def test_decay_or_rank(implementation, case, decays):
    """A rank is its decay."""
    problem = sound_problem(implementation, 0, rule="ES-D-RTRL")
    network, inputs, dt, _ = problem.trace_arguments
    got, traces_of_decays = (
        implementation.traces(network, inputs, dt, Rule("ES-D-RTRL", x)).traces
        for x in (case, decays)
    )
    for name, (eps_x, eps_f) in traces_of_decays.items():
        np.testing.assert_allclose(got[name][1], eps_f, rtol=1e-5, err_msg=name)
        if eps_x is not None:
            np.testing.assert_allclose(got[name][0], eps_x, rtol=1e-5, err_msg=name)


def hybrid(implementation, index, decay=0.75, **rules):
    """A problem of hybrid learning with these choices."""
    problem = sound_problem(implementation, index, rule="hybrid", recurrence="none")
    return dataclasses.replace(problem, rule=Rule("hybrid", decay, rules))


@pytest.mark.clauses("HYBRID-3", "ERR-1", "ERR-2")
@pytest.mark.parametrize(
    ("index", "case"),
    numbered({"wheel": "0.wheel", "no-layer": "2.weight", "readout": "readout.weight"}),
)
def test_unknown_name(implementation, index, case):
    bad_problem = hybrid(implementation, index, **{case: "D-RTRL"})
    check_message(check_refusal(implementation, bad_problem, "StateNameError"), case)


@pytest.mark.clauses("HYBRID-3", "ERR-1", "ERR-2")
@pytest.mark.parametrize(
    ("index", "case"), numbered({"bptt": "BPTT", "e-prop": "e-prop", "none": None})
)
def test_unknown_rule_of_a_parameter(implementation, index, case):
    bad_problem = hybrid(implementation, index, **{"0.weight": case})
    check_message(check_refusal(implementation, bad_problem, "ParameterError"), "weight", str(case))


@pytest.mark.clauses("HYBRID-3")
@pytest.mark.parametrize(
    ("index", "case"), numbered({"above-one": 1.5, "none": None, "pair-with-one": (0.5, 1.0)})
)
def test_neither_decay_nor_rank_of_hybrid(implementation, index, case):
    """Also where no parameter has ES-D-RTRL."""
    own_rules = {} if index else {"0.weight": "D-RTRL"}
    check_refusal(
        implementation, hybrid(implementation, index, case, **own_rules), "ParameterError"
    )


def e_prop(implementation, index, variant="second"):
    return sound_problem(implementation, index, rule="e-prop", variant=variant)


@pytest.mark.clauses("EPROP-7", "ERR-1", "ERR-2")
@pytest.mark.parametrize(("index", "case"), numbered({"other": "other", "none": None, "one": 1}))
def test_unknown_feedback(implementation, index, case):
    problem = e_prop(implementation, index)
    bad_problem = dataclasses.replace(problem, rule=Rule("e-prop", feedback=case))
    check_message(
        check_refusal(implementation, bad_problem, "ParameterError"), "feedback", str(case)
    )


@pytest.mark.clauses("EPROP-7", "ERR-1")
@pytest.mark.parametrize(
    ("index", "case"),
    numbered({"narrow": np.s_[:-1], "short": np.s_[:, :-1], "one-axis": np.s_[0]}),
)
def test_feedback_of_a_wrong_shape(implementation, index, case):
    problem = e_prop(implementation, index, ("second", "third", "second")[index])
    bad_problem = problem.replace(feedback=problem.network.feedback[case])
    check_refusal(implementation, bad_problem, "ShapeError")


def draw_rewarded(implementation, index):
    return sound_problem(implementation, index, rule="three-factor")


@pytest.mark.clauses("THREE-5", "ERR-1", "ERR-2")
@pytest.mark.parametrize(
    ("index", "case"),
    numbered({k: DECAYS[k] for k in ("one", "negative", "nan", "none", "text", "true")}),
)
def test_wrong_filter(implementation, index, case):
    problem = draw_rewarded(implementation, index)
    bad_problem = dataclasses.replace(problem, rule=Rule("three-factor", case))
    names = any_of("decay", "decay_or_rank", "kappa", "κ")
    check_message(check_refusal(implementation, bad_problem, "ParameterError"), names)


@pytest.mark.clauses("THREE-5", "ERR-1")
@pytest.mark.parametrize(
    ("index", "case"),
    numbered({"short": np.s_[:-1], "narrow": np.s_[:, :-1], "three-axes": np.s_[..., np.newaxis]}),
)
def test_rewards_of_a_wrong_shape(implementation, index, case):
    problem = draw_rewarded(implementation, index)
    check_refusal(implementation, problem.replace(rewards=problem.rewards[case]), "ShapeError")


@pytest.mark.clauses("THREE-5", "ERR-1")
@pytest.mark.parametrize(("index", "case"), numbered({"nan": np.nan, "infinite": np.inf}))
def test_rewards_not_finite(implementation, index, case):
    problem = draw_rewarded(implementation, index)
    check_refusal(
        implementation, problem.replace(rewards=replace_last(problem.rewards, case)), "InputError"
    )


@LEARNS
@pytest.mark.clauses("LEARN-14")
@pytest.mark.claims(rules=["D-RTRL"])
def test_lateral_path_that_is_weak(implementation):
    """One connection is enough, and its strength does not matter."""
    problem = sound_problem(implementation, 0, rule="D-RTRL", recurrence="none")
    N = len(problem.network.readout)
    lateral = np.zeros((N, N))
    lateral[0, 1] = 2.0**-20
    weak = problem.with_layer(lateral=lateral)
    call = weak.network, weak.inputs, weak.targets, weak.weights, weak.dt, weak.rule
    raises("LateralPathError", implementation.learn, *call)
