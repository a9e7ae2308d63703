"""Where rounding alone is magnified beyond the tolerance, other numbers are judged (NUM-8)."""

from __future__ import annotations

import zlib

import pytest

from conformance.drawing import draws
from conformance.drawing.draws import draw_problem
from conformance.drawing.steadiness import MovedModel, is_steady
from conformance.judgement import ClauseError, find_fault, judge
from conformance.plans.factors import LayerPlan, Plan
from conformance.protocol import Judged
from conformance.tolerances import tolerances_at
from reference import traces
from wrong_implementations.learning_bases import LearningAdapter, traces_with

STACK = LayerPlan(kind="cable", recurrence="element-wise"), LayerPlan(kind="GIF")
PLAN = Plan(STACK, dt="coarse", length="long")
#: With these a hundred ε in a state are 10⁻¹⁰ of a trace.
SEED = 6


class Moved(LearningAdapter):
    """The reference, each state of each step moved by what NUM-1 to NUM-6 allow, about."""

    name = "moved"
    models = MovedModel


def judge_with(adapter, seed):
    """Judge the plan with the numbers of this seed."""
    judge(adapter, PLAN, seed ^ zlib.crc32(repr(PLAN).encode()))


def test_rounding_alone_is_no_fault():
    assert find_fault(Judged(Moved()), PLAN, SEED) is not None
    judge_with(Moved(), SEED)


def test_a_small_fault_is_one_in_steady_numbers():
    class TooLarge(traces.DRTRL):
        def advance(self, D, F, x):
            super().advance(D * (1 + 1e-9), F, x)

    fields = {"name": "coarse", "learners": traces_with(TooLarge).learners}
    coarse = type("Coarse", (LearningAdapter,), fields)
    assert find_fault(Judged(coarse()), PLAN, SEED, leniency=1e4) is None
    with pytest.raises(ClauseError, match="NUM-8"):
        judge_with(coarse(), SEED)


def test_steady_numbers_stand_rounding():
    assert not is_steady(draw_problem(PLAN, SEED, 64), 1.0, tolerances_at(64))
    assert is_steady(draw_problem(PLAN, SEED, 64, steady=True), 1.0, tolerances_at(64))


def test_numbers_are_looked_for_as_long_as_none_may_be_judged(monkeypatch):
    monkeypatch.setattr(draws, "_TRIES", 1)
    draw = draws.draw_problem.__wrapped__
    assert is_steady(draw(PLAN, SEED, 64, steady=True), 1.0, tolerances_at(64))
    monkeypatch.setattr(draws, "_PATIENCE", 1)
    with pytest.raises(AssertionError, match="may be judged"):
        draw(PLAN, SEED, 64, steady=True)
