"""The derivatives of recorded steps that rules need (SPEC.md, TRACE-2, LEARN-1, LEARN-6)."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .hidden_groups import Group
from .pure_step import Use, Values, floats, join_derivatives, with_floats
from .reach import Reach
from .step_graph import Structure

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
    """Of a parameter and a group g that it reaches: F[key][g][i] = d h_i(t) / d y(t), of the
    neuron that each copy of an element of y enters: (steps, *lead, *y)."""


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

    One pull-back of a group serves all its variables: with ones for all neurons, since no neuron
    depends on another. An element of y that enters several neurons has the derivatives of each from
    tangents of one, since none of them depends on another element of its color.
    """
    step = structure.step

    def of_step(before: Values, args: Any, ys: Values) -> Dynamics:
        hidden = [before[id(s)] for s in step.hidden]
        outputs = [ys[key] for key in step.operations]

        def advance(group: Group, leaves: list[Any], y: list[Any]) -> list[Any]:
            values = recorded.constant | before | step.by_identity(step.hidden, hidden, leaves)
            given = step.by_identity(list(step.operations.values()), outputs, y)
            _, after, _ = step.given(values, args, given, {})
            new = floats([after[id(s)] for s in step.hidden])
            return [new[i] for i in group.leaves]

        D: list[Any] = []
        F: dict[int, Any] = {key: {} for key in step.params}
        for g, group in enumerate(structure.groups):
            own = functools.partial(advance, group)
            new, pull_back = jax.vjp(own, floats(hidden), floats(outputs))
            by_hidden, by_y = jax.vmap(pull_back)(_ones_by_variable(group, new))
            D.append([list(row) for row in zip(*group.variables(by_hidden), strict=True)])
            for key, places in _places(structure).items():
                for reach in structure.reach.get(key, ()):
                    if reach.group != g:
                        continue
                    if reach.colors is None:
                        parts = [
                            by_y[k].reshape(-1, *reach.lead, *by_y[k].shape[1:]) for k in places
                        ]
                    else:
                        parts = [_push(pull_back, new, k, reach, group) for k in places]
                    F[key][g] = [join_derivatives(x) for x in zip(*parts, strict=True)]
        return Dynamics(D, F)

    return jax.vmap(of_step)(recorded.before, recorded.args, _outputs(structure, recorded))


def _places(structure: Structure) -> dict[int, range]:
    """Where the y of each operation is among the floating-point leaves of all."""
    first = structure.inputs["y"].start
    return {k: range(y.start - first, y.stop - first) for k, y in structure.of_y().items()}


def _push(
    pull_back: Callable, new: list[jax.Array], k: int, reach: Reach, group: Group
) -> list[jax.Array]:
    """F by the k-th leaf of what operations put out, of a group with these leaves: (*lead, *y).

    The transpose of the pull-back: a surrogate's derivative has no forward mode of its own.
    """
    cotangents = [jnp.zeros_like(leaf) for leaf in new]
    y, push = jax.vjp(lambda cotangents: pull_back(cotangents)[1][k], cotangents)
    pushed = jax.vmap(push)(reach.make_tangents(y))[0]
    return [reach.of_copies(of_colors) for of_colors in group.split(pushed)]


def _ones_by_variable(group: Group, leaves: list[jax.Array]) -> list[jax.Array]:
    """For each variable of a group, cotangents of its leaves that are one there: (d, *leaf)."""
    first, found = 0, []
    for leaf, extra in zip(leaves, group.extra, strict=True):
        count = math.prod(extra)
        ones = np.eye(group.size, dtype=leaf.dtype)[:, first : first + count]
        lead = leaf.ndim - len(extra)
        ones = ones.reshape(group.size, *(1,) * lead, *extra)
        found.append(jnp.broadcast_to(ones, (group.size, *leaf.shape)))
        first += count
    return found


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
    c = {key: join_derivatives([by_y[k] for k in own]) for key, own in _places(structure).items()}
    return Pulled(
        c,
        [group.variables(by_hidden) for group in structure.groups],
        *others,
    )


def _outputs(structure: Structure, recorded: Recorded) -> Values:
    return {key: recorded.uses[key].y for key in structure.step.operations}
