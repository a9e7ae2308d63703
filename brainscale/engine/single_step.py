"""A step that can be differentiated: its pull-back is the learning rule (SPEC.md, chapter 10)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero

from .inputs import as_arrays
from .pure_step import Step, Use, Values, conjugate, floats, is_float, with_all
from .rule import Rule
from .rule_inputs import all_opened, as_weights, parameters, weight_gradients
from .step_derivatives import Recorded, dynamics, pulled
from .step_graph import Structure

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
    def run(*given: Any) -> Any:
        return traced(*given)[0]

    @_trace_once
    def traced(weights: Values, plain: list[Any], args: Any, rest: Values, past: Any) -> Any:
        values = rest | weights | {id(s): v for s, v in zip(step.plain, plain, strict=True)}
        out, after, uses = step.record(values, args)
        recorded = _one_step(structure, values, args, uses)
        derivative = dynamics(structure, recorded)
        held = parameters(structure, weights, recorded.uses, derivative.F, None)
        new = rule.advance(held, derivative.D, *past)
        changed = {id(s): after[id(s)] for s in step.written}
        return (out, changed, new), (recorded, derivative, past)

    def forward(*given: Any) -> Any:
        made, kept = traced(*jax.tree.map(lambda primal: primal.value, given))
        is_asked = any(primal.perturbed for primal in jax.tree.leaves(given[2]))
        # Which is a matter of structure: () or None.
        return made, (*kept, () if is_asked or structure.encoded else None)

    def backward(kept: Any, cotangents: Any) -> Any:
        recorded, derivative, (etraces, count), through_operations = kept
        cotangents = jax.tree.map(_as_zeros, cotangents, is_leaf=_is_zero)

        objective = _met_by(step, cotangents[:2])
        opened = {} if rule.local else structure.new
        within = pulled(structure, recorded, objective, opened)
        through = within
        if through_operations is not None:
            through = pulled(structure, recorded, objective, all_opened(structure))
        held = parameters(structure, recorded.constant, recorded.uses, derivative.F, within.c)
        gradients = rule.gradients(held, derivative.D, within.hidden, etraces, count)
        gradients = as_weights(held, gradients)
        by_weight = weight_gradients(step, recorded.constant, gradients, within.weights)
        by_args = [leaf[0] for leaf in through.args]
        return by_weight, cotangent(plain, through.plain), cotangent(args, by_args), None, None

    run.defvjp(forward, backward, symbolic_zeros=True)
    return run(weights, plain, args, rest, (etraces, count))


def _met_by(step: Step, cotangents: Any) -> Callable[[Any, Values], jax.Array]:
    """The objective whose derivatives by a step's result and new values are these."""

    def objective(out: Any, after: Values) -> jax.Array:
        changed = {id(s): after[id(s)] for s in step.written}
        pairs = zip(floats((out, changed)), floats(conjugate(cotangents)), strict=True)
        return sum(((value * ct).sum() for value, ct in pairs), jnp.zeros(()))

    return objective


def _trace_once(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose own code runs once for all arguments that are alike.

    A step whose gradient is taken is traced as it is, and again when it is differentiated.
    """
    programs: dict[Any, Any] = {}

    @functools.wraps(function)
    def evaluated(*given: Any) -> Any:
        leaves, tree = jax.tree.flatten(given)
        like = tree, tuple((jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves)
        if like not in programs:
            programs[like] = jax.make_jaxpr(function, return_shape=True)(*given)
        program, likes = programs[like]
        found = jax.core.eval_jaxpr(program.jaxpr, program.consts, *leaves)
        return jax.tree.unflatten(jax.tree.structure(likes), found)

    return evaluated


def _is_zero(leaf: Any) -> bool:
    return isinstance(leaf, SymbolicZero)


def _as_zeros(leaf: Any) -> Any:
    """A cotangent, as an array where it is known to be zero."""
    if not _is_zero(leaf):
        return leaf
    if leaf.dtype == jax.dtypes.float0:
        return np.zeros(leaf.shape, leaf.dtype)
    return jnp.zeros(leaf.shape, leaf.dtype)


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
