"""Gradients over a sequence, some steps at a time (SPEC.md, LEARN-10)."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .leaves import floats
from .pure_step import Values
from .rule import Rule
from .rule_inputs import learn_steps
from .step_derivatives import (
    StepRecord,
    find_gradients,
    find_jacobians,
    make_all_differentiable,
)
from .step_graph import StepGraph

__all__ = ["Carry", "choose_chunk", "learn_sequence", "record_steps", "sum_losses"]

MOST_BYTES = 2**30
"""How much memory the record of a chunk may take, if nobody says how many steps it has."""


class Carry(NamedTuple):
    """What one chunk leaves to the next."""

    changing: Values
    """The values of the states that a step changes, and of all hidden states."""
    etraces: list[Any]
    count: jax.Array
    """Steps since the traces were zero."""
    gradients: list[Any]
    """By the effective weight of each parameter with a trace."""
    plain: list[jax.Array]
    """By each leaf of the plain parameters."""
    direct: list[jax.Array]
    """By each leaf of the parameters with traces, where they are used without their operation."""


def choose_chunk(graph: StepGraph, traces: Any, length: int) -> int:
    """Choose how many steps of a sequence are made at a time.

    The more they are, the less often large traces are read and written, and the more is kept of
    steps: as much as `MOST_BYTES` hold, or as the traces do. Chunks are of one length where that is
    not too short.
    """
    step, groups = graph.step, graph.groups
    of_hidden = _count_bytes([floats(state.value) for state in step.hidden])
    of_uses = _count_bytes(graph.uses)
    # D and its products, d by d for each neuron, beside the states and their signals.
    of_matrices = max((group.size for group in groups), default=0)
    of_step = max(1, 2 * (of_hidden * (1 + of_matrices) + of_uses))
    most = max(1, max(MOST_BYTES, _count_bytes(traces)) // of_step)
    fewest = -(-length // most)
    count = next((n for n in range(fewest, 2 * fewest) if length % n == 0), fewest)
    return -(-length // count)


def _count_bytes(tree: Any) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def learn_sequence(
    graph: StepGraph, rule: Rule, values: Values, sequences: Any, carry: Carry, chunk: int
) -> tuple[Carry, Any]:
    """Learn over a sequence: the carry after it, and what each step returned.

    Parameters
    ----------
    graph : StepGraph
        Its step returns its loss first.
    rule : Rule
    values : dict
        What the states hold.
    sequences : tree of arrays, shape (T, ...)
        The step's arguments.
    carry : Carry
    chunk : int
        How many steps are made at a time.
    """
    constant = {k: v for k, v in values.items() if k not in carry.changing}

    def advance(carry: Carry, steps: Any) -> tuple[Carry, Any]:
        return _learn_chunk(graph, rule, constant, carry, steps)

    length = jax.tree.leaves(sequences)[0].shape[0]
    whole, rest = divmod(length, chunk)
    results = []
    if whole:
        chunks = jax.tree.map(
            lambda leaf: leaf[: whole * chunk].reshape(whole, chunk, *leaf.shape[1:]), sequences
        )
        carry, out = jax.lax.scan(advance, carry, chunks)
        results.append(jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), out))
    if rest:
        carry, out = advance(carry, jax.tree.map(lambda leaf: leaf[whole * chunk :], sequences))
        results.append(out)
    return carry, jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *results)


def record_steps(
    graph: StepGraph, constant: Values, changing: Values, steps: Any
) -> tuple[Values, StepRecord, Any]:
    """Make steps of these arguments, (steps, ...).

    The values of the `changing` states after them, the steps, and what each returned.
    """

    def forward(changing: Values, args: Any) -> tuple[Values, Any]:
        out, after, uses = graph.step.record(constant | changing, args)
        return {k: after[k] for k in changing}, (changing, uses, out)

    changing, (before, uses, out) = jax.lax.scan(forward, changing, steps)
    return changing, StepRecord(before, constant, steps, uses), out


def sum_losses(out: Any, after: Values) -> jax.Array:
    """Sum the losses, the first thing that each step returned."""
    return floats(out[0])[0].sum()


def _learn_chunk(
    graph: StepGraph, rule: Rule, constant: Values, carry: Carry, steps: Any
) -> tuple[Carry, Any]:
    changing, record, out = record_steps(graph, constant, carry.changing, steps)
    jacobians = find_jacobians(graph, record)
    within = find_gradients(graph, record, sum_losses, {} if rule.local else graph.new)
    plain = within.plain
    if graph.has_plain_inputs:
        through_all = make_all_differentiable(graph)
        plain = find_gradients(graph, record, sum_losses, through_all).plain
    past = carry.etraces, carry.count
    gradients, traces = learn_steps(graph, rule, record, jacobians, within, past)
    after = Carry(
        changing,
        traces,
        carry.count + jax.tree.leaves(steps)[0].shape[0],
        jax.tree.map(jnp.add, carry.gradients, gradients),
        jax.tree.map(jnp.add, carry.plain, plain),
        jax.tree.map(jnp.add, carry.direct, within.weights),
    )
    return after, out
