"""What a rule is given of recorded steps, and gradients of what it returns."""

from __future__ import annotations

from typing import Any

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

from .hidden_groups import join_variables, name_variables
from .keys import GroupPosition, StateId
from .leaves import conjugate, is_complex, strip_units, with_leaves
from .pure_step import Step, Use, Values
from .rule import Link, Rule, RuleInput, RuleSteps, Signals
from .step_derivatives import (
    StepGradients,
    StepJacobians,
    StepRecord,
    find_later_signals,
)
from .step_graph import StepGraph

__all__ = [
    "advance_traces",
    "find_rule_gradients",
    "find_weight_gradients",
    "learn_steps",
    "make_inputs_at_rest",
    "make_rule_inputs",
    "name_traces",
]


def make_rule_inputs(
    graph: StepGraph,
    weights: Values,
    uses: dict[StateId, Use],
    F: Any,
    c: dict[StateId, jax.Array] | None = None,
    later_c: dict[StateId, jax.Array] | None = None,
) -> list[RuleInput]:
    """Make what a rule is given of each parameter with a trace.

    Parameters
    ----------
    graph : StepGraph
    weights : dict of trees of arrays
        The parameters' values.
    uses : dict of Use
        With a leading axis of steps.
    F : dict
        As `StepJacobians` has it.
    c, later_c : dict of arrays, optional
        As `StepGradients` and `LaterSignals` have them.
    """
    inputs = []
    for key, param in graph.step.params.items():
        effective = strip_units(graph.step.effective[key](weights[key]))
        x, y = strip_units(tuple(uses[key]))
        links = [Link(reach, F[key][reach.group]) for reach in graph.reach[key]]
        pre = param.op.presynaptic(x, y, effective)
        signals = [None if by_key is None else by_key[key] for by_key in (c, later_c)]
        inputs.append(RuleInput(graph.name_of(param), param.op, effective, pre, links, *signals))
    return inputs


def make_inputs_at_rest(graph: StepGraph) -> list[RuleInput]:
    """Make inputs as `Rule.begin` needs them: zeros of one step's shapes."""
    kept: list[RuleInput] = []

    def run(weights: Values, uses: dict[StateId, Use]) -> Any:
        F: dict[StateId, Any] = {}
        for key, reaches in graph.reach.items():
            y = u.get_mantissa(uses[key].y)
            F[key] = {r.group: [r.widen(y)] * graph.groups[r.group].size for r in reaches}
        inputs = make_rule_inputs(graph, weights, uses, F)
        # Their arrays are of this trace, and no more when it has ended.
        kept[:] = [
            p._replace(weight=None, pre=None, links=[link._replace(F=None) for link in p.links])
            for p in inputs
        ]
        return [(p.weight, p.pre, [link.F for link in p.links]) for p in inputs]

    weights = {key: param.value for key, param in graph.step.params.items()}
    likes = jax.eval_shape(run, weights, jax.tree.map(lambda leaf: leaf[None], graph.uses))
    zeros = jax.tree.map(lambda like: np.zeros(like.shape, like.dtype), likes)
    return [
        p._replace(
            weight=weight,
            pre=pre,
            links=[link._replace(F=zero) for link, zero in zip(p.links, F, strict=True)],
        )
        for p, (weight, pre, F) in zip(kept, zeros, strict=True)
    ]


def find_weight_gradients(
    step: Step, values: Values, by_effective: list[Any], direct: list[jax.Array]
) -> Values:
    """Find the gradients by the parameters with traces: through masks and weight functions.

    Parameters
    ----------
    step : Step
    values : dict
        The parameters' values.
    by_effective : list of trees of arrays
        Gradients by the parameters' effective weights (LEARN-7).
    direct : list of arrays
        Those of what uses a parameter without its operation, by the parameters' leaves.
    """
    weights = [values[key] for key in step.params]
    gradients = conjugate(step.by_identity(list(step.params.values()), weights, direct))
    for key, gradient in zip(step.params, by_effective, strict=True):
        effective, pull_back = jax.vjp(step.effective[key], values[key])
        by_value = pull_back(with_leaves(effective, jax.tree.leaves(gradient)))[0]
        gradients[key] = jax.tree.map(jnp.add, gradients[key], by_value)
    return gradients


def find_rule_gradients(
    graph: StepGraph,
    rule: Rule,
    record: StepRecord,
    jacobians: StepJacobians,
    within: StepGradients,
    past: tuple[list[Any], Any],
) -> list[Any]:
    """Find what a rule makes of recorded steps: gradients by the parameters' effective weights.

    `past` is the traces before the steps, and the number of steps since they were zero.
    """
    steps = _make_rule_steps(graph, rule, record, jacobians, within)
    with jax.default_matmul_precision("highest"):
        gradients = rule.gradients(steps, *past)
    return _cast_to_weights(steps.parameters, gradients)


def learn_steps(
    graph: StepGraph,
    rule: Rule,
    record: StepRecord,
    jacobians: StepJacobians,
    within: StepGradients,
    past: tuple[list[Any], Any],
) -> tuple[list[Any], list[Any]]:
    """Find a rule's gradients, as `find_rule_gradients` does, and the traces after the steps."""
    steps = _make_rule_steps(graph, rule, record, jacobians, within)
    with jax.default_matmul_precision("highest"):
        gradients, traces = rule.learn(steps, *past)
    return _cast_to_weights(steps.parameters, gradients), traces


def _make_rule_steps(
    graph: StepGraph,
    rule: Rule,
    record: StepRecord,
    jacobians: StepJacobians,
    within: StepGradients,
) -> RuleSteps:
    later = find_later_signals(graph, record, within.hidden) if rule.looks_ahead else None
    later_c, first = (None, None) if later is None else (later.c, _by_group(graph, later.first))
    signals = Signals(_by_group(graph, within.hidden), first)
    weights, uses = record.constant, record.uses
    inputs = make_rule_inputs(graph, weights, uses, jacobians.F, within.c, later_c)
    return RuleSteps(inputs, jacobians.D, signals)


def advance_traces(
    graph: StepGraph,
    rule: Rule,
    record: StepRecord,
    jacobians: StepJacobians,
    past: tuple[list[Any], Any],
) -> list[Any]:
    """Advance the traces of a rule over recorded steps; `past` as of `find_rule_gradients`.

    Products of matrices have all bits here, on accelerators too: what traces and gradients are
    does not depend on how many steps are made at a time (LEARN-10).
    """
    inputs = make_rule_inputs(graph, record.constant, record.uses, jacobians.F)
    with jax.default_matmul_precision("highest"):
        return rule.advance(RuleSteps(inputs, jacobians.D, None), *past)


def _by_group(graph: StepGraph, leaves: list[jax.Array]) -> list[list[jax.Array]]:
    """Give each group its variables, of the leaves of all hidden states."""
    return [group.variables(leaves) for group in graph.groups]


def _cast_to_weights(inputs: list[RuleInput], gradients: list[Any]) -> list[Any]:
    """Cast gradients by effective weights to these weights' dtypes: of real ones the real part."""

    def cast(weight: jax.Array, gradient: jax.Array) -> jax.Array:
        real = gradient if is_complex(weight) or not is_complex(gradient) else gradient.real
        return real.astype(weight.dtype)

    pairs = zip(inputs, gradients, strict=True)
    return [jax.tree.map(cast, p.weight, gradient) for p, gradient in pairs]


def name_traces(
    graph: StepGraph, key: StateId, by_group: dict[GroupPosition, list[Any]], per: Any
) -> dict[str, Any]:
    """Name the d traces of each group that a parameter reaches by hidden state, with their units.

    `per` is the unit, or tree of units, that the hidden states' units are divided by. A state's
    entry is like its value, with a trace in the place of each leaf, as `name_variables` has it.
    """

    def join(leaf: Any, shape: tuple[int, ...], variables: list[Any]) -> Any:
        unit = u.get_unit(leaf)

        def join_one(unit_w: u.Unit, *traces: jax.Array) -> u.Quantity:
            return u.Quantity(join_variables(shape, traces), unit=unit / unit_w)

        return jax.tree.map(join_one, per, *variables, is_leaf=lambda x: isinstance(x, u.Unit))

    by_state = {}
    for reach in graph.reach[key]:
        by_state |= name_variables(graph.groups[reach.group], by_group[reach.group], join)
    return by_state
