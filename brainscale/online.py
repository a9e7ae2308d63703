"""A step that can be differentiated: its pull-back is the learning rule (SPEC.md, chapter 10)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .inputs import as_arrays
from .linearized import Recorded, dynamics, pulled
from .parts import all_opened, as_weights, parameters, weight_gradients
from .rule import Rule
from .step import Use, Values, conjugate, floats, is_float, with_all
from .structure import Structure

__all__ = ["cotangent", "online_step"]


def online_step(
    structure: Structure,
    rule: Rule,
    values: Values,
    args: tuple[Any, ...],
    etraces: Any,
    count: Any,
) -> tuple[Any, Values, Any]:
    """One step: its result, the states it changed, and the traces after it.

    Derivatives of what is made of the result and the new states are the rule's gradients for
    parameters with traces, and those within the step for all else; none go back in time.
    """
    step = structure.step
    weights = {key: values[key] for key in step.params}
    plain = [values[id(s)] for s in step.plain]
    rest = {k: v for k, v in values.items() if k not in weights}
    rest = {k: v for k, v in rest.items() if k not in {id(s) for s in step.plain}}

    @jax.custom_vjp
    def run(weights: Values, plain: list[Any], args: Any, rest: Values, past: Any) -> Any:
        return forward(weights, plain, args, rest, past)[0]

    def forward(weights: Values, plain: list[Any], args: Any, rest: Values, past: Any) -> Any:
        values = rest | weights | {id(s): v for s, v in zip(step.plain, plain, strict=True)}
        out, after, uses = step.record(values, args)
        recorded = _one_step(structure, values, args, uses)
        derivative = dynamics(structure, recorded)
        held = parameters(structure, weights, recorded.uses, derivative.F, None)
        new = rule.advance(held, derivative.D, *past)
        changed = {id(s): after[id(s)] for s in step.written}
        return (out, changed, new), (recorded, derivative, past)

    def backward(kept: Any, cotangents: Any) -> Any:
        recorded, derivative, (etraces, count) = kept

        def objective(out: Any, after: Values) -> jax.Array:
            changed = {id(s): after[id(s)] for s in step.written}
            given = floats(conjugate(cotangents[:2]))
            pairs = zip(floats((out, changed)), given, strict=True)
            return sum(((value * ct).sum() for value, ct in pairs), jnp.zeros(()))

        opened = {} if rule.local else structure.new
        within = pulled(structure, recorded, objective, opened)
        through = pulled(structure, recorded, objective, all_opened(structure))
        held = parameters(structure, recorded.constant, recorded.uses, derivative.F, within.c)
        gradients = rule.gradients(held, derivative.D, within.hidden, etraces, count)
        gradients = as_weights(held, gradients)
        by_weight = weight_gradients(step, recorded.constant, gradients, within.weights)
        by_args = [leaf[0] for leaf in through.args]
        return by_weight, cotangent(plain, through.plain), cotangent(args, by_args), None, None

    run.defvjp(forward, backward)
    return run(weights, plain, args, rest, (etraces, count))


def _one_step(structure: Structure, values: Values, args: Any, uses: dict[int, Use]) -> Recorded:
    before = {k: v for k, v in values.items() if k in structure.step.changing}
    lead = jax.tree.map(lambda leaf: leaf[None], (before, args, uses))
    constant = {k: v for k, v in values.items() if k not in before}
    return Recorded(lead[0], constant, lead[1], lead[2])


def cotangent(tree: Any, leaves: list[Any]) -> Any:
    """Cotangents of a tree, of those of its floating-point leaves."""
    tree = as_arrays(tree)
    none = [
        np.zeros(jnp.shape(leaf), jax.dtypes.float0)
        for leaf in jax.tree.leaves(tree)
        if not is_float(leaf)
    ]
    return conjugate(with_all(tree, leaves, none))
