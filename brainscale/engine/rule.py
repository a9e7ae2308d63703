"""What a learning rule is given, and what it returns (SPEC.md, TRACE-2, LEARN-1)."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from ..operators import ETraceOp
from .keys import GroupPosition
from .reach import Reach

__all__ = ["Link", "Rule", "RuleInput", "RuleSteps", "Signals"]

Trace = Any


class Link(NamedTuple):
    """A parameter and a hidden group that it reaches, over some steps.

    An element of y that enters several neurons has a copy for each, along the axes `reach.lead`,
    which stand before those of y in F and in traces.
    """

    reach: Reach
    F: list[jax.Array]
    """d h_i(t) / d y(t) (TRACE-2): d arrays of (steps, *lead, *y)."""

    @property
    def group(self) -> GroupPosition:
        """The group's position."""
        return self.reach.group


class RuleInput(NamedTuple):
    """What a rule is given of a parameter with a trace, over some steps."""

    name: str
    op: ETraceOp
    weight: Any
    """The effective weight's numbers."""
    pre: Any
    """The presynaptic factors of y, with a leading axis of steps: the same for all copies."""
    links: list[Link]
    c: jax.Array | None
    """The learning signal d L(t) / d y(t) (LEARN-1), (steps, *y); None where only traces are
    advanced."""
    later_c: jax.Array | None = None
    """What the losses of later steps among these add to c by way of the hidden groups that y
    enters, (steps, *y); None for a rule that does not look ahead."""


class Signals(NamedTuple):
    """The learning signals of hidden states over some steps: for each group d arrays."""

    within: list[list[jax.Array]]
    """The lambda of LEARN-1, each taken within its step: d L(t) / d h_i(t-1), (steps, *shape)."""
    first: list[list[jax.Array]] | None
    """What all losses give by the groups' states before the first step, each group's past its own
    operations alone: (*shape); None for a rule that does not look ahead."""


class RuleSteps(NamedTuple):
    """What a rule is given of some steps."""

    parameters: list[RuleInput]
    """Those with traces."""
    D: list[Any]
    """For each group, its matrix of d by d arrays, (steps, *shape)."""
    signals: Signals | None
    """None where only traces are advanced."""


class Rule:
    """A learning rule: pure functions of traces and of the derivatives of some steps.

    `traces` are those before the steps, one for each parameter; `count` is the number of steps
    since they were zero. Where a rule is `local`, no learning signal
    passes through another operation. One that `looks_ahead` is told what the losses of later steps
    among these make of a step.
    """

    title = ""
    """Its name in SPEC.md; empty: the learner's."""
    approximate = ""
    """Why its gradients are not the true ones even where LEARN-8 says that D-RTRL's are."""
    local = False
    looks_ahead = False
    needs: tuple[str, ...] = ("outer", "spread", "total", "pull_back")
    """The methods of operations that it calls; `presynaptic` it always needs."""

    def of(self, trace: Trace) -> Rule:
        """Find the rule by which a trace is kept: this one, or one of those that it is made of."""
        return self

    def begin(self, parameter: RuleInput) -> Trace:
        """Make the trace at rest."""
        raise NotImplementedError

    def split(self, trace: Trace) -> tuple[Any, dict[GroupPosition, list[Any]]]:
        """Split a trace: what is of the presynaptic factors, or None, and, by group, d trees."""
        raise NotImplementedError

    def advance(self, steps: RuleSteps, traces: list[Trace], count: jax.Array) -> list[Trace]:
        """Advance the traces over the steps."""
        raise NotImplementedError

    def gradients(self, steps: RuleSteps, traces: list[Trace], count: jax.Array) -> list[Any]:
        """Make the gradients by the effective weights, of the traces before the steps."""
        raise NotImplementedError

    def learn(
        self, steps: RuleSteps, traces: list[Trace], count: jax.Array
    ) -> tuple[list[Any], list[Trace]]:
        """Make the gradients and advance the traces, where signals are known with the steps."""
        return self.gradients(steps, traces, count), self.advance(steps, traces, count)
