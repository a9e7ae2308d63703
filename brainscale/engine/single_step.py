"""A step that can be differentiated: its pull-back is the learning rule (SPEC.md, chapter 10)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import eval_jaxpr
from jax.custom_derivatives import SymbolicZero

from ..errors import HiddenPathError
from .inputs import as_arrays
from .keys import StateId, id_of
from .leaves import conjugate, floats, is_float, with_all
from .pure_step import Step, Use, Values
from .rule import Rule
from .rule_inputs import advance_traces, find_rule_gradients, find_weight_gradients
from .second_derivatives import check_loop, watch_past
from .step_derivatives import (
    StepRecord,
    find_gradients,
    find_jacobians,
    make_all_differentiable,
)
from .step_graph import StepGraph
from .surroundings import Surroundings, spoil
from .watches import check_begin, check_inputs, is_perturbed, name_inputs

__all__ = ["fill_zeros", "find_trace_reads", "make_cotangent", "make_online_step"]


def make_online_step(
    graph: StepGraph,
    rule: Rule,
    values: Values,
    args: tuple[Any, ...],
    etraces: Any,
    count: Any,
    surroundings: Surroundings,
) -> tuple[Any, Values, Any]:
    """Make one step: its result, the states it changed, and the traces after it.

    Derivatives of what is made of the result and the new states are the rule's gradients for
    parameters with traces, and those within the step for all else; none go back in time.

    Raises
    ------
    HiddenPathError
        When derivatives are made: of what is read of a state that is not hidden and in which
        earlier steps live on, and by traces, though in a loop gradients are not a number then; and
        by what hidden states hold before the first step.
    """
    step = graph.step
    weights = {key: values[key] for key in step.params}
    plain = [values[id_of(s)] for s in step.plain]
    around = step.read_around(values) | _read_made(graph, values, surroundings)
    primal_keys = {*weights, *around, *(id_of(s) for s in step.plain)}
    rest = {k: v for k, v in values.items() if k not in primal_keys}

    fixed_values = _read_fixed(graph, values, surroundings)
    check_begin(fixed_values, etraces, is_first=surroundings.is_first)
    only_read = {id_of(s): step.name_of(s) for s in step.only_read}
    check_inputs(name_inputs(args, step.read_around(values), only_read), fixed_values)

    @jax.custom_vjp
    def run(*primals: Any) -> Any:
        return advance(*primals)[0]

    @_trace_once
    def advance(
        weights: Values, plain: list[Any], args: Any, around: Values, rest: Values, past: Any
    ) -> Any:
        values = rest | around | weights
        values |= {id_of(s): v for s, v in zip(step.plain, plain, strict=True)}
        out, after, uses = step.record(values, args)
        record = _record_one(graph, values, args, uses)
        jacobians = find_jacobians(graph, record)
        new = advance_traces(graph, rule, record, jacobians, past)
        changed = {id_of(s): after[id_of(s)] for s in step.written_states}
        return (out, changed, new), (record, jacobians, past)

    def forward(*primals: Any) -> Any:
        check_loop(surroundings)
        values_now = jax.tree.map(lambda primal: primal.value, primals)
        weights, *others, past = values_now
        watched = watch_past(weights, *past, surroundings=surroundings)
        results, residuals = advance(watched, *others, past)
        by_args, by_around = (is_perturbed(primals[i]) for i in (2, 3))
        through = by_args or by_around or graph.has_plain_inputs
        # Which are matters of structure: () or None.
        asked = () if through else None, () if by_around else None
        return results, (values_now[1:4], (*residuals, *asked))

    def backward(residuals: Any, cotangents: Any) -> Any:
        point, kept = residuals
        return _pull_back(graph, rule, point, kept, cotangents, surroundings)

    run.defvjp(forward, backward, symbolic_zeros=True)
    return run(weights, plain, args, around, rest, (etraces, count))


def _pull_back(
    graph: StepGraph,
    rule: Rule,
    point: tuple[Any, ...],
    residuals: Any,
    cotangents: Any,
    surroundings: Surroundings,
) -> tuple[Any, ...]:
    """Pull cotangents of a step's result, changed states and traces back to what it is made of.

    `point` is the values of the plain parameters, the arguments and what is around the step.
    """
    (plain, args, around), step = point, graph.step
    record, jacobians, past, through_operations, by_around = residuals
    is_cut = find_trace_reads(cotangents[2], surroundings)
    is_read = _find_reads(graph, cotangents[1], is_in_loop=surroundings.is_in_loop)
    objective = _make_objective(step, fill_zeros(cotangents[:2]))
    within = find_gradients(graph, record, objective, {} if rule.local else graph.new)
    through = within
    if through_operations is not None:
        everywhere, asked = make_all_differentiable(graph), () if by_around is None else around
        through = find_gradients(graph, record, objective, everywhere, around=asked)
    gradients = find_rule_gradients(graph, rule, record, jacobians, within, past)
    by_weight = find_weight_gradients(step, record.constant, gradients, within.weights)
    by_plain = make_cotangent(plain, through.plain)
    by_args = make_cotangent(args, [leaf[0] for leaf in through.args])
    of_around = None
    if by_around is not None:
        pairs = zip(through.around, floats(around), strict=True)
        of_around = make_cotangent(around, [leaf.reshape(like.shape) for leaf, like in pairs])
    spoiled = spoil((spoil(by_weight, is_read), by_plain, by_args, of_around), is_cut)
    return *spoiled, None, None


def _read_made(graph: StepGraph, values: Values, surroundings: Surroundings) -> Values:
    """Read states that the step writes where derivatives by what they held before are of it alone.

    What an earlier step left in them has none: no derivative goes back in time.
    """
    opened = surroundings.made - graph.remembering
    return {key: values[key] for key in map(id_of, graph.step.written_states) if key in opened}


def _read_fixed(graph: StepGraph, values: Values, surroundings: Surroundings) -> dict[str, Any]:
    """Read what states hold that no derivative is by, by name."""
    earlier = [s for s in graph.step.written_states if id_of(s) in surroundings.earlier]
    return {graph.name_of(s): values[id_of(s)] for s in (*graph.step.hidden, *earlier)}


def find_trace_reads(cotangents: Any, surroundings: Surroundings) -> Any:
    """Find whether derivatives are taken by what a step leaves in traces: gradients of later steps.

    Those are left out. A loop brings back zeros for what has no derivative, so that the numbers
    alone say it: a bool. Where there is none, None.

    Raises
    ------
    HiddenPathError
        Outside of a loop.
    """
    leaves = _list_nonzero(cotangents)
    if leaves and not surroundings.is_in_loop:
        raise HiddenPathError(
            "a second derivative goes back through the traces of a step that the inner gradient is "
            "not of: make all steps within the inner gradient, or learn by BPTT"
        )
    return _has_numbers(leaves)


def _list_nonzero(cotangents: Any) -> list[jax.Array]:
    """List the cotangents that are not known to be zero."""
    leaves = jax.tree.leaves(cotangents, is_leaf=_is_zero)
    return [x for x in leaves if not _is_zero(x) and x.dtype != jax.dtypes.float0]


def _has_numbers(leaves: list[jax.Array]) -> Any:
    """Whether any number is not zero; None, where there is none."""
    return functools.reduce(jnp.logical_or, [(x != 0).any() for x in leaves]) if leaves else None


def _find_reads(graph: StepGraph, cotangents: Values, *, is_in_loop: bool) -> Any:
    """Find whether the objective reads a state in which a derivative of earlier steps lives on.

    That derivative would be left out. A loop brings back zeros for what is not read, so that the
    numbers alone say it: an array of bool. Where nothing is read, None.

    Raises
    ------
    HiddenPathError
        Outside of a loop.
    """
    read: list[jax.Array] = []
    for state in graph.step.written_states:
        leaves = _list_nonzero(cotangents[id_of(state)])
        if id_of(state) not in graph.remembering or not leaves:
            continue
        if not is_in_loop:
            raise HiddenPathError(
                f"{graph.name_of(state)} carries a derivative from step to step, is read by what a "
                "gradient is taken of, and is no hidden state: make it one (ETraceState), or stop "
                "the gradient of what is written to it or read of it, or learn by RTRL",
                got=state,
            )
        read += leaves
    return _has_numbers(read)


def _make_objective(step: Step, cotangents: Any) -> Callable[[Any, Values], jax.Array]:
    """Make the objective whose derivatives by a step's result and new values are these.

    The values have a leading axis of one step.
    """

    def objective(out: Any, after: Values) -> jax.Array:
        changed = {id_of(s): after[id_of(s)] for s in step.written_states}
        pairs = zip(floats((out, changed)), floats(conjugate(cotangents)), strict=True)
        return sum(((value[0] * ct).sum() for value, ct in pairs), jnp.zeros(()))

    return objective


def _trace_once(function: Callable[..., Any]) -> Callable[..., Any]:
    """Have a function's own code run once for all arguments that are alike.

    A step whose gradient is taken is traced as it is, and again when it is differentiated.
    """
    programs: dict[Any, Any] = {}

    @functools.wraps(function)
    def evaluate(*args: Any) -> Any:
        leaves, tree = jax.tree.flatten(args)
        like = tree, tuple((jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves)
        if like not in programs:
            programs[like] = jax.make_jaxpr(function, return_shape=True)(*args)
        program, likes = programs[like]
        results = eval_jaxpr(program.jaxpr, program.consts, *leaves)
        return jax.tree.unflatten(jax.tree.structure(likes), results)

    return evaluate


def _is_zero(leaf: Any) -> bool:
    return isinstance(leaf, SymbolicZero)


def fill_zeros(cotangents: Any) -> Any:
    """Make arrays of the cotangents that are known to be zero."""

    def fill(leaf: Any) -> Any:
        if not _is_zero(leaf):
            return leaf
        make = np.zeros if leaf.dtype == jax.dtypes.float0 else jnp.zeros
        return make(leaf.shape, leaf.dtype)

    return jax.tree.map(fill, cotangents, is_leaf=_is_zero)


def _record_one(
    graph: StepGraph, values: Values, args: Any, uses: dict[StateId, Use]
) -> StepRecord:
    """Make the record of one step, with leading axes of one."""
    before = {k: v for k, v in values.items() if k in graph.step.changing}
    lead = jax.tree.map(lambda leaf: leaf[None], (before, args, uses))
    constant = {k: v for k, v in values.items() if k not in before}
    return StepRecord(lead[0], constant, lead[1], lead[2])


def make_cotangent(tree: Any, leaves: list[Any]) -> Any:
    """Make cotangents of a tree, of those of its floating-point leaves."""
    tree = as_arrays(tree)
    none = [
        np.zeros(jnp.shape(leaf), jax.dtypes.float0)
        for leaf in jax.tree.leaves(tree)
        if not is_float(leaf)
    ]
    return conjugate(with_all(tree, leaves, none))
