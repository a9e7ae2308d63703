"""Problems that are spoiled, and whether they are refused (LEARN-18, OP-12 and their kin)."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.checks import check_class, raises
from conformance.drawing.draws import draw_problem
from conformance.plans.factors import LAYER_FACTORS, LayerPlan, Plan, levels_of, mend
from conformance.plans.problem import Problem
from conformance.protocol.claims import RULES
from conformance.records import make_record

__all__ = ["check_refusal", "sound_problem"]

TARGETS = tuple(rule for rule in RULES if rule != "three-factor")
"""Rules that learn from targets."""


def sound_problem(implementation: Any, index: int, **fixed: str) -> Problem:
    """Draw a problem of one layer that is claimed and that nothing is wrong with.

    Parameters
    ----------
    implementation : Judged
    index : int
        Another one has another kind, another rule that learns from targets, and other chunks.
    **fixed
        Levels of factors that it must have.
    """
    levels = levels_of(implementation.claims)
    rules = [rule for rule in levels["rule"] if rule in TARGETS] or levels["rule"]
    chosen_levels = {
        "kind": levels["kind"][index % len(levels["kind"])],
        "rule": rules[index % len(rules)],
        "chunk": ("one", "rest")[index % 2],
        "operation": levels["operation"][0],
    } | fixed
    layer_levels = {name: level for name, level in chosen_levels.items() if name in LAYER_FACTORS}
    problem_levels = {
        name: level for name, level in chosen_levels.items() if name not in LAYER_FACTORS
    }
    plan = mend(Plan((LayerPlan(**layer_levels),), **problem_levels))
    return draw_problem(plan, 0, implementation.precision, implementation.resolution)


def check_refusal(implementation: Any, problem: Problem, error: str) -> Exception:
    """Assert that a problem is refused with an error of its classes (ERR-1); return the error."""
    exception = raises(error, make_record, implementation, problem)
    check_class(exception, error)
    return exception


def replace_last(array: np.ndarray, number: Any) -> np.ndarray:
    """Copy an array with another last entry."""
    longer = np.array(array)
    longer[(-1,) * longer.ndim] = number
    return longer
