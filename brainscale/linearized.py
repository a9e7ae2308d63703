"""The derivatives of recorded steps that rules need (SPEC.md, TRACE-2, LEARN-1, LEARN-6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .step import Use, Values, floats, with_floats
from .structure import Structure

__all__ = ["Dynamics", "Pulled", "Recorded", "dynamics", "pulled"]


class Recorded(NamedTuple):
    """Steps as they were. All but `constant` have a leading axis of steps."""

    before: Values
    """What the states that a step changes held before it."""
    constant: Values
    """What the others hold."""
    args: Any
    uses: dict[int, Use]


class Dynamics(NamedTuple):
    """D and F (TRACE-2), each with a leading axis of steps."""

    D: list[list[list[jax.Array]]]
    """Of group g: D[g][i][j] = d h_i(t) / d h_j(t-1), (steps, *shape)."""
    F: dict[int, dict[int, list[jax.Array]]]
    """Of a parameter and a group g that it reaches: F[key][g][i] = d h_i(t) / d y(t)."""


class Pulled(NamedTuple):
    """The derivatives of an objective of all steps, each taken within its step."""

    c: dict[int, jax.Array]
    """By y(t) of an operation: (steps, *y)."""
    hidden: list[list[jax.Array]]
    """By h_i(t-1) of group g: (steps, *shape)."""
    plain: list[jax.Array]
    """By each leaf of the plain parameters, summed over steps."""
    weights: list[jax.Array]
    """By each leaf of the parameters with traces where they are used without their operation."""
    args: list[jax.Array]
    """By each floating-point leaf of the arguments, (steps, ...)."""


def dynamics(structure: Structure, recorded: Recorded) -> Dynamics:
    """The derivatives of each step's map from h(t-1) and y(t) to h(t).

    One pull-back serves all variables: its cotangents are those of `_probes`.
    """
    step = structure.step
    rows, probes = _probes(structure)

    def of_step(before: Values, args: Any, ys: Values) -> Any:
        hidden = [before[id(s)] for s in step.hidden]
        outputs = [ys[key] for key in step.operations]

        def advance(leaves: list[Any], y: list[Any]) -> list[Any]:
            values = recorded.constant | before | step.by_identity(step.hidden, hidden, leaves)
            given = step.by_identity(list(step.operations.values()), outputs, y)
            _, after, _ = step.given(values, args, given, {})
            return floats([after[id(s)] for s in step.hidden])

        _, pull_back = jax.vjp(advance, floats(hidden), floats(outputs))
        return jax.vmap(pull_back)(probes)

    by_hidden, by_y = jax.vmap(of_step, out_axes=1)(
        recorded.before, recorded.args, _outputs(structure, recorded)
    )
    by_group = [group.variables(by_hidden) for group in structure.groups]
    D = [[[variable[row] for variable in by_group[g]] for row in own] for g, own in enumerate(rows)]
    F = {
        key: {reach.group: [y[row] for row in rows[reach.group]] for reach in structure.reach[key]}
        for key, y in zip(step.operations, by_y, strict=True)
        if key in step.params
    }
    return Dynamics(D, F)


def _probes(structure: Structure) -> tuple[list[list[int]], list[jax.Array]]:
    """Cotangents of the new hidden states, and for each group the row of each of its variables.

    No neuron and no group depends on another, so that the derivative of a sum over neurons, and
    over groups that no operation enters together, is that of each.
    """
    first = [0] * len(structure.groups)
    for g in range(len(structure.groups)):
        together = [
            {reach.group for reach in reaches}
            for reaches in structure.reach.values()
            if any(reach.group == g for reach in reaches)
        ]
        earlier = [k for k in set().union(*together) if k < g]
        first[g] = max((first[k] + structure.groups[k].size for k in earlier), default=0)
    rows = [[first[g] + i for i in range(group.size)] for g, group in enumerate(structure.groups)]
    count = max((own[-1] + 1 for own in rows), default=0)
    leaves = floats([s.value for s in structure.step.hidden])
    probes = [np.zeros((count, *leaf.shape), leaf.dtype) for leaf in leaves]
    for own, group in zip(rows, structure.groups, strict=True):
        left = iter(own)
        for index, extra in zip(group.leaves, group.extra, strict=True):
            for place in np.ndindex(extra):
                probes[index][(next(left), ..., *place)] = 1
    return rows, [jnp.asarray(probe) for probe in probes]


def pulled(
    structure: Structure,
    recorded: Recorded,
    objective: Callable[[Any, Values], jax.Array],
    opened: dict[int, Any],
) -> Pulled:
    """The derivatives of an objective, from the steps' results and new values to a number.

    Derivatives pass through operations where `opened`: where inputs are new, for the learning
    signals (LEARN-1); everywhere, for plain parameters and arguments (LEARN-6).
    """
    step = structure.step
    hidden = [recorded.before[id(s)] for s in step.hidden]
    outputs = list(_outputs(structure, recorded).values())
    plain = [recorded.constant[id(s)] for s in step.plain]
    weights = [recorded.constant[key] for key in step.params]

    def total(h: list[Any], y: list[Any], p: list[Any], w: list[Any], a: list[Any]) -> jax.Array:
        before = recorded.before | step.by_identity(step.hidden, hidden, h)
        constant = recorded.constant | step.by_identity(step.plain, plain, p)
        constant |= step.by_identity(list(step.params.values()), weights, w)
        given = step.by_identity(list(step.operations.values()), outputs, y)

        def of_step(before: Values, args: Any, given: Values) -> Any:
            out, after, _ = step.given(constant | before, args, given, opened)
            return out, after

        return objective(*jax.vmap(of_step)(before, with_floats(recorded.args, a), given))

    of = tuple(floats(x) for x in (hidden, outputs, plain, weights, recorded.args))
    by_hidden, by_y, *others = jax.grad(total, (0, 1, 2, 3, 4))(*of)
    return Pulled(
        dict(zip(step.operations, by_y, strict=True)),
        [group.variables(by_hidden) for group in structure.groups],
        *others,
    )


def _outputs(structure: Structure, recorded: Recorded) -> Values:
    return {key: recorded.uses[key].y for key in structure.step.operations}
