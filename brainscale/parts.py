"""From recorded steps to what a rule is given, and from what it returns to gradients."""

from __future__ import annotations

import functools
from typing import Any

import brainunit as u
import jax

from .algorithms.rule import Link, Parameter
from .operators import ETraceOp
from .step import Use, Values, with_leaves
from .structure import Structure

__all__ = ["all_opened", "at_rest", "parameters", "pulled_to_weights", "without_units"]


def without_units(tree: Any) -> Any:
    """A tree of plain arrays, by the numbers of what it held."""
    return jax.tree.map(u.get_mantissa, tree, is_leaf=lambda x: isinstance(x, u.Quantity))


def all_opened(structure: Structure) -> Values:
    """Every operation opened, for derivatives within a step."""
    return dict.fromkeys(structure.step.params, True)


def parameters(
    structure: Structure, weights: Values, uses: dict[int, Use], F: Any, c: Any
) -> list[Parameter]:
    """What a rule is given of each parameter; uses, F and c with a leading axis of steps."""
    found = []
    for key, param in structure.step.params.items():
        effective = without_units(param.op.effective(weights[key]))
        x, y = without_units(tuple(uses[key]))
        links = [
            Link(
                reach.group,
                F[key][reach.group],
                functools.partial(reach.at_outputs, shape=structure.groups[reach.group].shape),
            )
            for reach in structure.reach[key]
        ]
        pre = param.op.presynaptic(x, y, effective)
        found.append(Parameter(param.op, effective, pre, links, None if c is None else c[key]))
    return found


def at_rest(structure: Structure) -> list[Parameter]:
    """Parameters as `Rule.begin` needs them: one step's shapes."""
    uses = jax.tree.map(lambda leaf: leaf[None], structure.uses)
    F = {
        key: {r.group: [uses[key].y] * structure.groups[r.group].size for r in reaches}
        for key, reaches in structure.reach.items()
    }
    weights = {key: param.value for key, param in structure.step.params.items()}
    return parameters(structure, weights, uses, without_units(F), None)


def pulled_to_weights(op: ETraceOp, weight: Any, gradient: Any) -> Any:
    """The gradient by a parameter's value, of that by its effective weight (LEARN-7)."""
    effective, pull_back = jax.vjp(op.effective, weight)
    leaves = [
        g.astype(e.dtype)
        for g, e in zip(jax.tree.leaves(gradient), jax.tree.leaves(effective), strict=True)
    ]
    return pull_back(with_leaves(effective, leaves))[0]
