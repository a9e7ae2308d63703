"""Batches of trials that end at different steps (LEARN-19), drawn so that they may be judged."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from conformance.drawing.draws import draw_problem
from conformance.drawing.steadiness import is_steady
from conformance.plans.covering import cover
from conformance.plans.factors import mend
from conformance.plans.problem import Problem
from conformance.protocol.claims import Claims
from conformance.records import expected_learned
from conformance.tolerances import Tolerances, tolerances_at
from conformance.translation.networks import to_reference_network, to_reference_rule
from conformance.translation.values import to_reference
from reference import LearnedTrials
from reference.learning import learn_trials

__all__ = ["Trials", "draw_trials"]

_TRIES = 40
_LEAST = 0.1
"""The share of the largest gradient of a trial that is left of it in the sum, at the least."""


@dataclasses.dataclass(frozen=True, eq=False)
class Trials:
    """A problem whose trials have lengths, (B,), of which one at least is not T."""

    problem: Problem
    lengths: np.ndarray

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The arguments of `learn_trials`, with nothing that may be looked at past the ends."""
        problem = self.problem
        over = (np.arange(len(problem.inputs))[:, np.newaxis] >= self.lengths)[..., np.newaxis]
        is_index = problem.plan.stack[0].operation == "embedding"
        none = np.array(-1).astype(problem.inputs.dtype) if is_index else np.nan
        inputs, targets = (
            np.where(over, filling, array)
            for filling, array in ((none, problem.inputs), (np.nan, problem.targets))
        )
        arguments = inputs, targets, problem.weights, self.lengths, problem.dt, problem.rule
        return problem.network, *arguments

    @functools.cached_property
    def expected(self) -> LearnedTrials:
        """What the reference leaves."""
        network, *arrays, rule = self.arguments
        arguments = [to_reference(array) for array in arrays]
        return learn_trials(to_reference_network(network), *arguments, to_reference_rule(rule))

    def list_alone(self) -> list[Problem]:
        """List the problems of each trial alone."""
        problem = self.problem
        return [
            problem.replace(
                inputs=problem.inputs[:end, b : b + 1],
                targets=problem.targets[:end, b : b + 1],
                weights=problem.weights[:end],
            )
            for b, end in enumerate(self.lengths)
        ]


@functools.lru_cache(maxsize=256)
def draw_trials(
    claims: Claims, precision: int, resolution: float | None, rule: str, index: int
) -> Trials:
    """Draw trials by a rule, of a plan that covers what is claimed.

    Parameters
    ----------
    claims : Claims
    precision : int
    resolution : float or None
    rule : str
    index : int
        Another one has another plan; even ones have a leaky readout, and chunks of one length.
    """
    plans = [plan for plan in cover(claims, 2, 0) if plan.rule == rule and plan.path == "none"]
    levels = {"rate": "none", "runs": "one", "length": "short", "batch": "few"}
    levels |= {"readout": "plain"} if index % 2 else {"readout": "leaky", "chunk": "divides"}
    plan = mend(dataclasses.replace(plans[index % len(plans)], **levels))
    problem = draw_problem(plan, index, precision, resolution, steady=True)
    limits = tolerances_at(precision, resolution)
    T, B = problem.inputs.shape[:2]
    for i in range(_TRIES):
        rng = np.random.default_rng([index, i])
        lengths = rng.integers(1, T + 1, B).astype((np.int64, np.int32, np.uint8)[index % 3])
        trials = Trials(problem, lengths)
        if lengths.min() < T and _may_be_judged(trials, i / _TRIES, limits):
            return trials
    raise AssertionError(f"no lengths of {problem} may be judged")


def _may_be_judged(trials: Trials, impatience: float, limits: Tolerances) -> bool:
    """Whether rounding is far below the tolerance (NUM-8) in each trial and in their sums."""
    alone = trials.list_alone()
    if not all(is_steady(problem, impatience, limits) for problem in alone):
        return False
    for name, gradient in trials.expected.gradients.items():
        largest = max(np.abs(expected_learned(one).gradients[name]).max() for one in alone)
        if np.abs(gradient).max() < _LEAST * largest:
            return False
    return True
