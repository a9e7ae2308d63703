"""The derivatives of recorded steps that rules need (SPEC.md, TRACE-2, LEARN-1, LEARN-6)."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .hidden_groups import Group
from .keys import GroupPosition, StateId, id_of
from .leaves import floats, join_derivatives, strip_units, with_floats
from .pure_step import Differentiable, Use, Values
from .reach import Reach
from .step_graph import StepGraph

__all__ = [
    "LaterSignals",
    "StepGradients",
    "StepJacobians",
    "StepRecord",
    "find_gradients",
    "find_jacobians",
    "find_later_signals",
    "make_all_differentiable",
]


class StepRecord(NamedTuple):
    """Steps as they were. All but `constant` have a leading axis of steps."""

    before: Values
    """What the states that a step changes held before it."""
    constant: Values
    """What the others hold."""
    args: Any
    uses: dict[StateId, Use]


class StepJacobians(NamedTuple):
    """D and F (TRACE-2), each with a leading axis of steps."""

    D: list[list[list[jax.Array]]]
    """Of group g: D[g][i][j] = d h_i(t) / d h_j(t-1), (steps, *shape)."""
    F: dict[StateId, dict[GroupPosition, list[jax.Array]]]
    """Of a parameter and a group g that it reaches: F[key][g][i] = d h_i(t) / d y(t), of the
    neuron that each copy of an element of y enters: (steps, *lead, *y)."""


class StepGradients(NamedTuple):
    """The derivatives of an objective of all steps, each taken within its step (LEARN-1)."""

    c: dict[StateId, jax.Array]
    """By y(t) of an operation: (steps, *y)."""
    hidden: list[jax.Array]
    """The lambda of LEARN-1: by each leaf of the hidden states, h(t-1), (steps, *leaf)."""
    plain: list[jax.Array]
    """By each leaf of the plain parameters, summed over steps."""
    weights: list[jax.Array]
    """By each leaf of the parameters with traces where they are used without their operation."""
    args: list[jax.Array]
    """By each floating-point leaf of the arguments, (steps, ...)."""
    around: list[jax.Array]
    """By each floating-point leaf of what is asked for of what is around the step; with a leading
    axis of steps, where the step changes it."""


class LaterSignals(NamedTuple):
    """What the losses of some steps give back through them, by way of hidden states alone."""

    c: dict[StateId, jax.Array]
    """By y(t) of an operation, of the losses of later steps: (steps, *y)."""
    first: list[jax.Array]
    """By each leaf of the hidden states before the first step, of all losses: (*leaf)."""


def find_jacobians(graph: StepGraph, record: StepRecord) -> StepJacobians:
    """Find the derivatives of each step's map from h(t-1) and y(t) to h(t).

    One pull-back of a group serves all its variables: with ones for all neurons, since no neuron
    depends on another. An element of y that enters several neurons has the derivatives of each from
    tangents of one, since none of them depends on another element of its color.
    """
    step, places = graph.step, _find_places(graph)

    def of_step(before: Values, args: Any, ys: Values) -> StepJacobians:
        hidden = [before[id_of(s)] for s in step.hidden]
        outputs = [ys[key] for key in step.operations]

        def advance(group: Group, leaves: list[Any], y: list[Any]) -> list[Any]:
            values = record.constant | before | step.by_identity(step.hidden, hidden, leaves)
            ys = step.by_identity(list(step.operations.values()), outputs, y)
            _, after, _ = step.record_with_outputs(values, args, ys, {})
            new = floats([after[id_of(s)] for s in step.hidden])
            return [new[i] for i in group.leaves]

        D: list[Any] = []
        F: dict[StateId, Any] = {key: {} for key in step.params}
        for g, group in enumerate(graph.groups):
            point = floats(hidden), floats(outputs)
            new, pull_back = jax.vjp(functools.partial(advance, group), *point)
            by_hidden, by_y = jax.vmap(pull_back)(_make_ones_by_variable(group, new))
            D.append([list(row) for row in zip(*group.variables(by_hidden), strict=True)])
            for key, of_y in places.items():
                for reach in graph.reach.get(key, ()):
                    if reach.group == g:
                        F[key][g] = _find_F(pull_back, new, by_y, of_y, reach, group)
        return StepJacobians(D, F)

    return jax.vmap(of_step)(record.before, record.args, _get_outputs(graph, record))


def _find_F(
    pull_back: Callable,
    new: list[jax.Array],
    by_y: list[jax.Array],
    places: range,
    reach: Reach,
    group: Group,
) -> list[jax.Array]:
    """Find F of an operation and a group that it reaches: d arrays of (*lead, *y).

    Parameters
    ----------
    pull_back : callable
        From cotangents of the group's leaves to those of hidden states and outputs of operations.
    new : list of arrays
        The group's leaves.
    by_y : list of arrays, shape (d, *y)
        What it makes for each variable, by leaf of what operations put out.
    places : range
        Where among these leaves the operation's y is.
    reach : Reach
    group : Group
    """
    if reach.colors is None:
        by_leaf = [by_y[k].reshape(-1, *reach.lead, *by_y[k].shape[1:]) for k in places]
    else:
        by_leaf = [_push(pull_back, new, k, reach, group) for k in places]
    return [join_derivatives(derivatives) for derivatives in zip(*by_leaf, strict=True)]


def _find_places(graph: StepGraph) -> dict[StateId, range]:
    """Find where the y of each operation is among the floating-point leaves of all."""
    first = graph.inputs["y"].start
    return {k: range(y.start - first, y.stop - first) for k, y in graph.find_y_positions().items()}


def _push(
    pull_back: Callable, new: list[jax.Array], k: int, reach: Reach, group: Group
) -> list[jax.Array]:
    """Push F forward, by the k-th leaf of what operations put out: (*lead, *y).

    The transpose of the pull-back: a surrogate's derivative has no forward mode of its own.
    """
    cotangents = [jnp.zeros_like(leaf) for leaf in new]
    y, push = jax.vjp(lambda cotangents: pull_back(cotangents)[1][k], cotangents)
    pushed = jax.vmap(push)(reach.make_tangents(y))[0]
    return [reach.of_copies(of_colors) for of_colors in group.split(pushed)]


def _make_ones_by_variable(group: Group, leaves: list[jax.Array]) -> list[jax.Array]:
    """Make for each variable of a group cotangents of its leaves that are one there: (d, *leaf)."""
    first, cotangents = 0, []
    for leaf, extra in zip(leaves, group.extra, strict=True):
        count = math.prod(extra)
        ones = np.eye(group.size, dtype=leaf.dtype)[:, first : first + count]
        lead = leaf.ndim - len(extra)
        ones = ones.reshape(group.size, *(1,) * lead, *extra)
        cotangents.append(jnp.broadcast_to(ones, (group.size, *leaf.shape)))
        first += count
    return cotangents


def find_gradients(
    graph: StepGraph,
    record: StepRecord,
    objective: Callable[[Any, Values], jax.Array],
    differentiable: Differentiable,
    *,
    around: Iterable[StateId] = (),
) -> StepGradients:
    """Find the derivatives of an objective, from the steps' results and new values to a number.

    Derivatives pass through operations where these are `differentiable`: where inputs are new, for
    the learning signals (LEARN-1); everywhere, for plain parameters and arguments (LEARN-6).
    """
    step = graph.step
    hidden = [record.before[id_of(s)] for s in step.hidden]
    outputs = list(_get_outputs(graph, record).values())
    plain = [record.constant[id_of(s)] for s in step.plain]
    weights = [record.constant[key] for key in step.params]
    values_of = record.constant | record.before
    rest = {key: values_of[key] for key in around}
    # Each step has parameters of its own where what comes back to them is not simply summed.
    steps = jax.tree.leaves(hidden)[0].shape[0] if graph.is_bent_by_parameters else None
    axis = None if steps is None else 0

    def total(h: Any, y: Any, p: Any, w: Any, a: Any, r: Any) -> jax.Array:
        new = with_floats(rest, r)
        changing = {key: new.pop(key) for key in rest if key in record.before}
        before = record.before | changing | step.by_identity(step.hidden, hidden, h)
        ys = step.by_identity(list(step.operations.values()), outputs, y)
        constant = record.constant | new

        def of_step(before: Values, args: Any, ys: Values, p: Any, w: Any) -> Any:
            values = constant | step.by_identity(step.plain, plain, p)
            values |= step.by_identity(list(step.params.values()), weights, w) | before
            out, after, _ = step.record_with_outputs(values, args, ys, differentiable)
            return out, after

        per_step = jax.vmap(of_step, (0, 0, 0, axis, axis))
        return objective(*per_step(before, with_floats(record.args, a), ys, p, w))

    of_parameters = [_repeat(floats(x), steps) for x in (plain, weights)]
    point = [floats(hidden), floats(outputs), *of_parameters, floats(record.args), floats(rest)]
    by_point = jax.grad(total, (0, 1, 2, 3, 4, 5))(*point)
    by_hidden, by_y, by_plain, by_weights, by_args, by_rest = by_point
    if steps is not None:
        by_plain, by_weights = ([leaf.sum(0) for leaf in x] for x in (by_plain, by_weights))
    c = _by_operation(graph, by_y)
    return StepGradients(c, by_hidden, by_plain, by_weights, by_args, by_rest)


def find_later_signals(
    graph: StepGraph, record: StepRecord, signals: list[jax.Array]
) -> LaterSignals:
    """Pull learning signals back through the steps, past all operations.

    No derivative passes through an operation, and no group depends on another but by one: each
    group's signals stay its own, and are those that its D and F give.

    Parameters
    ----------
    graph : StepGraph
    record : StepRecord
    signals : list of arrays
        The lambda of LEARN-1, as `StepGradients.hidden` has it.
    """
    step, outputs = graph.step, _get_outputs(graph, record)
    if not signals or signals[0].shape[0] == 1:  # No later step has anything of an earlier one.
        later_c = {key: jnp.zeros_like(y) for key, y in strip_units(outputs).items()}
        return LaterSignals(later_c, [signal[0] for signal in signals])

    def pull_back(later: list[jax.Array], of_step: Any) -> tuple[Any, Any]:
        before, args, ys, within = of_step
        hidden = [before[id_of(s)] for s in step.hidden]
        put_out = [ys[key] for key in step.operations]

        def advance(leaves: list[Any], y: list[Any]) -> list[Any]:
            values = record.constant | before | step.by_identity(step.hidden, hidden, leaves)
            named = step.by_identity(list(step.operations.values()), put_out, y)
            _, after, _ = step.record_with_outputs(values, args, named, {})
            return floats([after[id_of(s)] for s in step.hidden])

        point = floats(hidden), floats(put_out)
        by_hidden, by_y = jax.vjp(advance, *point)[1](later)
        return [a + b for a, b in zip(within, by_hidden, strict=True)], by_y

    last = [jnp.zeros_like(signal[0]) for signal in signals]
    steps = record.before, record.args, outputs, signals
    first, by_y = jax.lax.scan(pull_back, last, steps, reverse=True)
    return LaterSignals(_by_operation(graph, by_y), first)


def _by_operation(graph: StepGraph, by_y: list[jax.Array]) -> dict[StateId, jax.Array]:
    """Give each operation the derivatives by its y, of those by the leaves of all outputs."""
    places = _find_places(graph)
    return {key: join_derivatives([by_y[k] for k in of_y]) for key, of_y in places.items()}


def _repeat(leaves: list[jax.Array], steps: int | None) -> list[jax.Array]:
    """Repeat leaves, one for each step; None: leave them as they are."""
    if steps is None:
        return leaves
    return [jnp.broadcast_to(leaf, (steps, *leaf.shape)) for leaf in leaves]


def make_all_differentiable(graph: StepGraph) -> Differentiable:
    """Make what lets derivatives pass through every operation."""
    return dict.fromkeys(graph.step.operations, True)


def _get_outputs(graph: StepGraph, record: StepRecord) -> Values:
    return {key: record.uses[key].y for key in graph.step.operations}
