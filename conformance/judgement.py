"""Judge a record by all clauses at once, and name the clause that it breaks.

A record that differs is judged again with one factor after the other at its base level. What is
left when no factor can be taken away is the smallest problem that still shows the fault; its levels
and the quantity that differs say which clause is broken.
"""

from __future__ import annotations

import dataclasses
import functools
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from conformance.blame import LENIENCY, clauses_at_fault
from conformance.checks import check_class, raises
from conformance.comparison import Difference, find_difference
from conformance.distances import pause_recording
from conformance.drawing.draws import draw_problem
from conformance.oracles.truths import find_untruth
from conformance.plans.factors import Plan, mend
from conformance.plans.problem import Problem
from conformance.protocol import Judged, ProtocolError, SuiteError
from conformance.records import expected_record, make_record
from conformance.tolerances import tolerances_of

__all__ = ["ClauseError", "judge"]


class ClauseError(AssertionError):
    """A fault of an implementation, and the clauses that it breaks.

    Attributes
    ----------
    clauses : tuple of str
    example : str
        The call that shows the fault again, of an `implementation`.
    """

    def __init__(self, clauses: tuple[str, ...], message: str, example: str = ""):
        super().__init__(f"{message} [{', '.join(clauses)}]")
        self.clauses = clauses
        self.example = example


def judge(implementation: Any, plan: Plan, seed: int) -> None:
    """Hold the record that an implementation makes of a problem against the reference's.

    Raises
    ------
    ClauseError
        They differ.
    """
    implementation = Judged.of(implementation)
    # Other plans that are tried have numbers as near to these as they can.
    seed ^= zlib.crc32(repr(plan).encode())
    first, steady = find_fault(implementation, plan, seed), False
    if first and not first.clause and _is_rounding(implementation, plan, seed):
        # What steady numbers do not show is in the numbers.
        steady = True
        first = find_fault(implementation, plan, seed, steady=steady)
    if first is None:
        return
    if first.clause:
        problem = _draw(implementation, plan, seed, steady)
        example = _call_of(plan, seed, steady)
        raise ClauseError((first.clause,), f"{first.message}\nin {problem}", example)
    claims = implementation.claims

    @functools.cache
    def try_plan(plan: Plan, **options: Any) -> Difference | None:
        if not plan.is_claimed(claims):
            return None
        return find_fault(implementation, plan, seed, steady=steady, is_complete=True, **options)

    with pause_recording():
        smallest, fault = shrink(plan, first, try_plan)
        clauses = clauses_at_fault(smallest, fault, try_plan)
    message = f"{fault.message}\nin {_draw(implementation, smallest, seed, steady)}"
    if smallest != plan:
        message += f"\nwhich is left of {_draw(implementation, plan, seed, steady)}"
    raise ClauseError(clauses, message, _call_of(smallest, seed, steady))


def _call_of(plan: Plan, seed: int, steady: bool) -> str:
    """The call of `find_fault` for a plan, as Python has it."""
    options = ", steady=True" if steady else ""
    return f"find_fault(implementation, {plan.as_python()}, {seed}{options})"


def _is_rounding(implementation: Judged, plan: Plan, seed: int) -> bool:
    """Whether what differs is small enough to be what rounding left."""
    return find_fault(implementation, plan, seed, leniency=LENIENCY, is_complete=True) is None


def find_fault(
    implementation: Any,
    plan: Plan,
    seed: int,
    learning: bool = True,
    leniency: float = 1.0,
    steady: bool = False,
    is_complete: bool = False,
) -> Difference | None:
    """Find the first difference in the record of a plan's problem, or None.

    Parameters
    ----------
    implementation : Judged
    plan : Plan
    seed : int
    learning : bool
        Whether to judge the run that learns, too, or only the one without learning.
    leniency : float
        By how much the tolerance is wider than that of NUM-8.
    steady : bool
        Whether numbers are such that rounding changes little of what follows, at any precision.
    is_complete : bool
        Whether a record is taken for complete where only learning signals are missing.
    """
    problem = _draw(implementation, plan, seed, steady)
    if plan.refusal:
        return _find_acceptance(implementation, problem, plan.refusal)
    try:
        got = make_record(implementation, problem, learning)
    except SuiteError:
        raise
    except ProtocolError as error:
        return Difference("error", str(error), clause="CONF-3")
    except Exception as error:  # whatever an implementation raises
        return Difference("error", f"raised {type(error).__name__}: {error}")
    tolerance = leniency * tolerances_of(implementation).network
    apart = find_difference(problem, got, expected_record(problem), tolerance)
    if apart is None and got.learned is not None:
        untruth = find_untruth(problem, got.learned, 2 * tolerance)
        apart = untruth and Difference("truth", untruth[1], clause=untruth[0])
    if apart is None and got.missing and not is_complete:
        return Difference("error", got.missing, clause="LEARN-1")
    return apart


def _draw(implementation: Judged, plan: Plan, seed: int, steady: bool) -> Problem:
    return draw_problem(plan, seed, implementation.precision, implementation.resolution, steady)


def _find_acceptance(implementation: Any, problem: Problem, refusal: str) -> Difference | None:
    """Find the fault where a problem must be refused, or None."""
    try:
        check_class(raises(refusal, make_record, implementation, problem), refusal)
    except AssertionError as error:
        return Difference("refusal", str(error))
    return None


def shrink(plan: Plan, fault: Difference, try_plan: Any) -> tuple[Plan, Difference]:
    """The smallest plan that still has a fault, and its fault.

    A level that could not be taken away at first is tried again when the plan has become smaller.
    """
    before = None
    while plan != before:
        before = plan
        plan, fault = _take_away([*_simplifications(plan)], plan, fault, try_plan)
    return plan, fault


def _take_away(
    steps: list[Callable[[Plan], Plan]], plan: Plan, fault: Difference, try_plan: Any
) -> tuple[Plan, Difference]:
    """The plan after all of these steps that leave a fault: all at once, or else half by half."""
    candidate = plan
    for simplify in steps:
        candidate = mend(simplify(candidate))
    smaller_fault = None if candidate == plan else try_plan(candidate)
    if smaller_fault is not None:
        return candidate, smaller_fault
    if len(steps) == 1 or candidate == plan:
        return plan, fault
    for half in (steps[: len(steps) // 2], steps[len(steps) // 2 :]):
        plan, fault = _take_away(half, plan, fault, try_plan)
    return plan, fault


def _simplifications(plan: Plan) -> Iterator[Callable[[Plan], Plan]]:
    """From a plan to one with a factor at its base level, or with a layer less.

    Simplifications of factors that clauses name come first.
    """
    base, bottom = Plan(), range(len(plan.stack))
    for name in ("path", "rate", "runs", "chunk", "readout"):
        yield functools.partial(dataclasses.replace, **{name: getattr(base, name)})
    for _ in bottom[1:]:
        yield lambda plan: dataclasses.replace(plan, stack=plan.stack[:-1] or plan.stack)
    for _ in bottom[1:]:
        yield lambda plan: dataclasses.replace(plan, stack=plan.stack[1:] or plan.stack)
    for levels in (
        *({"function": "identity"}, {"mask": "whole"}, {"operation": "dense"}),
        *({"weights": "own"}, {"recurrence": "none"}, {"parameters": "drawn"}, {"size": "few"}),
    ):
        for l in bottom:
            yield (
                lambda plan, l=l, levels=levels: (
                    plan.with_layer(l, **levels) if l < len(plan.stack) else plan
                )
            )
    for rule in ("D-RTRL", "ES-D-RTRL"):
        if plan.rule not in ("D-RTRL", rule):
            yield functools.partial(dataclasses.replace, rule=rule, variant="first")
    yield functools.partial(dataclasses.replace, variant="first")
    for name in ("arrays", "dt", "length", "batch", "outputs", "step_weights", "readout_bias"):
        yield functools.partial(dataclasses.replace, **{name: getattr(base, name)})
    for l in bottom:
        yield lambda plan, l=l: plan.with_layer(l, bias="biased") if l < len(plan.stack) else plan
