"""An implementation that shows no learning signals is judged by all else, and fails LEARN-1."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from conformance.adapters.reference import Reference
from conformance.judgement import ClauseError, judge
from conformance.plans.factors import LayerPlan, Plan
from conformance.protocol import Judged


class Silent(Reference):
    def learning_signals(self, *arguments):
        raise NotImplementedError("no signals are kept")


class WithoutReadout(Silent):
    """Its readout learns nothing."""

    def learn(self, *arguments, **options):
        learned = super().learn(*arguments, **options)
        zero = np.zeros_like(learned.gradients["readout.weight"])
        gradients = learned.gradients | {"readout.weight": zero}
        return dataclasses.replace(learned, gradients=gradients)


class WithoutUpdates(Silent):
    """Its parameters stay as they are."""

    def learn(self, network, *arguments, **options):
        first = super().learn(network, *arguments, **options | {"learning_rate": None})
        learned = super().learn(network, *arguments, **options)
        return dataclasses.replace(learned, parameters=first.parameters)


PLANS = {
    "base": Plan(),
    "LIF": Plan((LayerPlan(kind="LIF"), LayerPlan(kind="ALIF", recurrence="dense"))),
}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize(
    ("implementation", "clause", "said"),
    [(Silent, "LEARN-1", "no signals are kept"), (WithoutReadout, "LEARN-6", "readout.weight")],
)
def test_signals_that_are_missing_hide_nothing(implementation, plan, clause, said):
    with pytest.raises(ClauseError, match=said) as caught:
        judge(Judged(implementation()), plan, 0)
    assert caught.value.clauses == (clause,)


def test_signals_that_are_missing_are_no_smaller_problem():
    """What shows in updates alone is not shown by the smaller problem without them."""
    plan = dataclasses.replace(Plan(), rate="positive")
    with pytest.raises(ClauseError, match="parameters") as caught:
        judge(Judged(WithoutUpdates()), plan, 0)
    assert caught.value.clauses == ("LEARN-11",)


@pytest.mark.parametrize("changes", [{"rule": "ES-D-RTRL"}, {"rate": "positive"}])
def test_where_no_signals_are_asked_for_none_are_missing(changes):
    judge(Judged(Silent()), dataclasses.replace(Plan(), **changes), 0)
