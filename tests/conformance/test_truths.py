"""A reference that is wrong itself is found out by what must be true of its records."""

from __future__ import annotations

import pytest

from conformance import records
from conformance.adapters.reference import implementation
from conformance.drawing import draws
from conformance.judgement import ClauseError, judge
from conformance.plans.factors import LayerPlan, Plan, mend
from reference.learning import FullLearner, Learner, ThreeFactor
from reference.traces import DRTRL, ESDRTRL

CACHED = (records.expected_learned, records.expected_record, draws.draw_problem)


@pytest.fixture(autouse=True)
def nothing_kept():
    for function in CACHED:
        function.cache_clear()
    yield
    for function in CACHED:
        function.cache_clear()


def changed(method, change):
    """A method whose result a function changes in place or replaces."""

    def other(self, *arguments):
        result = method(self, *arguments)
        replaced = change(self, result)
        return result if replaced is None else replaced

    return other


def weigh_readout(learner, _):
    learner.gradients["readout.weight"] *= 1.01


WRONG = {
    "LEARN-8": (DRTRL, "gradient", lambda self, gradient: 1.01 * gradient, {}),
    "LEARN-9": (
        *(ESDRTRL, "gradient", lambda self, gradient: 1.01 * gradient),
        {"rule": "ES-D-RTRL", "length": "one"},
    ),
    "LEARN-6": (Learner, "add_gradients", weigh_readout, {}),
    "LEARN-13": (Learner, "step", lambda self, loss: 1.01 * loss, {}),
    "EPROP-5": (Learner, "add_gradients", weigh_readout, {"rule": "e-prop"}),
    "OSTL-3": (
        *(FullLearner, "collect_gradients"),
        lambda self, gradient: {k: 1.01 * g if k == "0.weight" else g for k, g in gradient.items()},
        {"rule": "OSTL"},
    ),
    "THREE-4": (
        *(ThreeFactor, "step_with_reward", lambda self, loss: 1.01 * loss),
        {"rule": "three-factor"},
    ),
}


@pytest.mark.parametrize("clause", WRONG)
def test_a_wrong_reference_is_found_out(monkeypatch, clause):
    owner, name, change, levels = WRONG[clause]
    plan = mend(Plan((LayerPlan("ALIF"),), **levels))
    judge(implementation(), plan, 0)
    for function in CACHED:
        function.cache_clear()
    monkeypatch.setattr(owner, name, changed(getattr(owner, name), change))
    with pytest.raises(ClauseError) as caught:
        judge(implementation(), plan, 0)
    assert caught.value.clauses == (clause,)
