"""D-RTRL: traces of the parameters' dimension (SPEC.md, TRACE-3, TRACE-4, LEARN-2).

Over C steps with fixed parameters the recurrence unrolls to

    eps(C) = P eps(0) + sum_s x(s) f(s),   f(s) = D(C) ... D(s+1) F(s),   P = D(C) ... D(1)

and the gradient, with Lambda(s-1) = lambda(s) + D(s)^T Lambda(s) and Lambda(C) = 0, to

    sum_s x(s) (c(s) + F(s) . Lambda(s)) + Lambda(0) . eps(0)

so that the large trace is read and written once in C steps (LEARN-10). Lambda comes of one pass
back over the steps, without their D; where nobody reads eps(C), neither D nor f is computed.
"""

from __future__ import annotations

from typing import Any

import brainstate
import jax
import jax.numpy as jnp

from ..engine.keys import GroupPosition
from ..engine.leaves import cast_to_one_dtype
from ..engine.rule import Rule, RuleInput, RuleSteps
from .base import ETraceAlgorithm
from .trace_pass import is_for, pass_over
from .trace_storage import check_dtype, dtype_of_trace, round_for_storage

__all__ = ["D_RTRL", "ParamDimVjpAlgorithm", "ParameterTraces"]

Trace = dict[GroupPosition, list[Any]]
"""For each group, d trees."""


class ParameterTraces(Rule):
    """D-RTRL.

    Parameters
    ----------
    dtype : dtype, optional
        Of the stored traces, as `check_dtype` takes it.
    """

    title = "D-RTRL"
    looks_ahead = True

    def __init__(self, dtype: Any = None):
        self.dtype = check_dtype(dtype)

    def begin(self, parameter: RuleInput) -> Trace:
        """For each group, d trees of the batch's axes before the weight's."""
        return {
            link.group: [
                jax.tree.map(
                    lambda e: jnp.zeros(
                        e.shape, dtype_of_trace(self.dtype, e.dtype, parameter.name)
                    ),
                    jax.eval_shape(
                        parameter.op.outer, link.reach.widen(parameter.pre), F, parameter.weight
                    ),
                )
                for F in link.F
            ]
            for link in parameter.links
        }

    def split(self, trace: Trace) -> tuple[None, Trace]:
        return None, trace

    def advance(self, steps: RuleSteps, traces: list[Trace], count: jax.Array) -> list[Trace]:
        suffixes, pairs = _find_suffixes(steps.D), zip(steps.parameters, traces, strict=True)
        return [self._advance_links(p, suffixes, e, count) for p, e in pairs]

    def _advance_links(
        self, p: RuleInput, suffixes: list[tuple[Any, Any]], trace: Trace, count: Any
    ) -> Trace:
        return {
            link.group: self._advance(p, link, *suffixes[link.group], trace[link.group], count)
            for link in p.links
        }

    def _advance(
        self, p: RuleInput, link: Any, after: Any, whole: Any, trace: list[Any], count: Any
    ) -> Any:
        d, at = range(len(trace)), link.reach.at_outputs
        pre, new = link.reach.widen(p.pre), []
        for i in d:
            f: Any = sum(at(after[i][k]) * link.F[k] for k in d)
            new_i = p.op.outer(pre, f, p.weight)
            for k in d:
                factor = p.op.spread(at(whole[i][k]), p.weight)
                new_i = jax.tree.map(lambda n, e, w: n + e * w, new_i, trace[k], factor)
            where = f"{p.name} {link.group} {i}"
            new.append(
                jax.tree.map(
                    lambda n, e, w=where: round_for_storage(n, e.dtype, w, count), new_i, trace[i]
                )
            )
        return new

    def gradients(self, steps: RuleSteps, traces: list[Trace], count: jax.Array) -> list[Any]:
        assert steps.signals is not None  # Gradients are made of steps that have them.
        first, pairs = steps.signals.first, zip(steps.parameters, traces, strict=True)
        return [self._make_gradient(p, first, e) for p, e in pairs]

    def learn(
        self, steps: RuleSteps, traces: list[Trace], count: jax.Array
    ) -> tuple[list[Any], list[Trace]]:
        assert steps.signals is not None  # Gradients are made of steps that have them.
        first, suffixes, learned = steps.signals.first, _find_suffixes(steps.D), []
        for p, e in zip(steps.parameters, traces, strict=True):
            if _count_steps(p) == 1 and is_for(p, e):
                learned.append(_learn_in_one_pass(p, steps.D, first, e))
            else:
                after = self._advance_links(p, suffixes, e, count)
                learned.append((self._make_gradient(p, first, e), after))
        return [gradient for gradient, _ in learned], [after for _, after in learned]

    def _make_gradient(self, p: RuleInput, first: Any, trace: Trace) -> Any:
        gradient = _pull_back(p)
        for link in p.links:
            for signal, e in zip(first[link.group], trace[link.group], strict=True):
                factor = p.op.spread(link.reach.at_outputs(signal), p.weight)
                by_trace = p.op.total(jax.tree.map(jnp.multiply, e, factor), p.weight)
                gradient = jax.tree.map(jnp.add, gradient, by_trace)
        return gradient


class D_RTRL(ETraceAlgorithm):
    """A learner by D-RTRL (TRACE-3, LEARN-2), exact where LEARN-8 says so.

    Parameters
    ----------
    model : brainstate.nn.Module
        As for `ETraceAlgorithm`.
    trace_dtype : dtype, optional
        Of the stored traces: float32, float64, or bfloat16, which is rounded at random with exact
        means and deviates by up to 0.03 for a leak of 0.99, 0.28 for one of 0.9999. By default that
        of the hidden states, and of at least 32 bits.
    **former
        As for `ETraceAlgorithm`.

    Examples
    --------
    >>> model = brainscale.nn.GRUCell(3, 8)
    >>> model.init_state(batch_size=16)
    >>> learner = brainscale.D_RTRL(model)
    >>> learner.compile_graph(jnp.zeros((16, 3)))
    >>> learner
    <D_RTRL of GRUCell
      inputs: (((16, 3), 'float32'),)
      hidden groups: {h}
      traces: Wz.weight, Wr.weight, Wh.weight (3072 numbers, 12.3 kB)
      show_graph() says what reaches what, and what is approximate>
    """

    __module__ = "brainscale"

    def __init__(
        self,
        model: brainstate.nn.Module,
        *,
        trace_dtype: jax.typing.DTypeLike | None = None,
        **former: Any,
    ):
        super().__init__(model, ParameterTraces(trace_dtype), **former)


ParamDimVjpAlgorithm = D_RTRL
"""The name in brainscale 0.0.x."""


def _count_steps(p: RuleInput) -> int:
    return jax.tree.leaves(p.pre)[0].shape[0]


def _pull_back(p: RuleInput) -> Any:
    """Make what the steps themselves give a gradient: sum_s x(s) (c(s) + F(s) . Lambda(s))."""
    # Gradients are made of steps that have learning signals.
    assert p.c is not None
    assert p.later_c is not None
    return p.op.pull_back(p.pre, p.c + p.later_c, p.weight)


def _learn_in_one_pass(p: RuleInput, D: list[Any], first: Any, trace: Trace) -> tuple[Any, Trace]:
    """Make a parameter's gradient and its traces after one step."""
    gradient, after = _pull_back(p), {}
    for link in p.links:
        g = link.group
        by_trace, after[g] = pass_over(p, link, D[g], first[g], trace[g])
        gradient = jax.tree.map(jnp.add, gradient, by_trace)
    return gradient, after


def _find_suffixes(D: list[Any]) -> list[tuple[Any, Any]]:
    """Find for each group what `_multiply_suffixes` makes of its matrices."""
    return [_multiply_suffixes(cast_to_one_dtype(matrix)) for matrix in D]


def _multiply_suffixes(D: list[list[jax.Array]]) -> tuple[Any, Any]:
    """Multiply D(C) ... D(s+1) for each step s, and D(C) ... D(1)."""
    d = range(len(D))
    one, zero = jnp.ones_like(D[0][0][0]), jnp.zeros_like(D[0][0][0])
    identity = [[one if i == k else zero for k in d] for i in d]

    def back(product: Any, matrix: Any) -> tuple[Any, Any]:
        new = [[sum(product[i][j] * matrix[j][k] for j in d) for k in d] for i in d]
        return new, product

    if len(D[0][0]) == 1:  # Of loops of one pass, JAX does not take all second derivatives.
        whole, _ = back(identity, jax.tree.map(lambda leaf: leaf[0], D))
        return jax.tree.map(lambda leaf: leaf[None], identity), whole
    whole, after = jax.lax.scan(back, identity, D, reverse=True)
    return after, whole
