"""What of a learner is shown: the view that its graph is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..engine.rule import Rule
from ..engine.step_graph import StepGraph

__all__ = ["LearnerView", "explain"]


class LearnerView(NamedTuple):
    """A learner that is compiled, as its graph shows it."""

    learner: str
    """Its class."""
    model: str
    """That of its model."""
    structure: StepGraph
    """What was found of its step."""
    traces: Mapping[str, Any]
    """By the names of parameters."""
    rule_of: Callable[[Any], Rule]
    """From a trace to the rule by which it is kept."""
    explain: Callable[[str, Rule | None, tuple[str, ...]], str]
    """Says why a gradient is not the true one, as `ETraceAlgorithm.approximation` does."""


def explain(rule: Rule | None, crossed: tuple[str, ...]) -> str:
    """Say why a gradient is not the true one; nothing where it is.

    Parameters
    ----------
    rule, crossed
        As for `ETraceAlgorithm.approximation`.
    """
    if rule is None:
        return "paths through time are left out (LEARN-6)" if crossed else ""
    if rule.approximate or not crossed:
        return rule.approximate
    return f"paths through time that cross {', '.join(crossed)} are left out (LEARN-8)"
