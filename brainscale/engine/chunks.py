"""Gradients over a sequence, some steps at a time (SPEC.md, LEARN-10)."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .pure_step import Values, floats
from .rule import Rule
from .rule_inputs import all_opened, as_weights, parameters
from .step_derivatives import Recorded, dynamics, pulled
from .step_graph import Structure

__all__ = ["Carry", "over_sequence", "record", "summed_loss"]


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


def over_sequence(
    structure: Structure, rule: Rule, values: Values, sequences: Any, carry: Carry, chunk: int
) -> tuple[Carry, Any]:
    """The carry after the sequence, and what each step returned.

    The first result of a step is its loss; `sequences` have a leading axis of steps.
    """
    constant = {k: v for k, v in values.items() if k not in carry.changing}

    def advance(carry: Carry, part: Any) -> tuple[Carry, Any]:
        return _over_chunk(structure, rule, constant, carry, part)

    length = jax.tree.leaves(sequences)[0].shape[0]
    whole, rest = divmod(length, chunk)
    results = []
    if whole:
        split = jax.tree.map(
            lambda leaf: leaf[: whole * chunk].reshape(whole, chunk, *leaf.shape[1:]), sequences
        )
        carry, out = jax.lax.scan(advance, carry, split)
        results.append(jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), out))
    if rest:
        carry, out = advance(carry, jax.tree.map(lambda leaf: leaf[whole * chunk :], sequences))
        results.append(out)
    return carry, jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *results)


def record(
    structure: Structure, constant: Values, changing: Values, part: Any
) -> tuple[Values, Recorded, Any]:
    """Make the steps of a chunk: the values after it, the steps, and what each returned."""

    def forward(changing: Values, args: Any) -> tuple[Values, Any]:
        out, after, uses = structure.step.record(constant | changing, args)
        return {k: after[k] for k in changing}, (changing, uses, out)

    changing, (before, uses, out) = jax.lax.scan(forward, changing, part)
    return changing, Recorded(before, constant, part, uses), out


def summed_loss(out: Any, after: Values) -> jax.Array:
    """The sum of the losses, the first thing that each step returned."""
    return floats(out[0])[0].sum()


def _over_chunk(
    structure: Structure, rule: Rule, constant: Values, carry: Carry, part: Any
) -> tuple[Carry, Any]:
    changing, recorded, out = record(structure, constant, carry.changing, part)
    derivative = dynamics(structure, recorded)
    opened = {} if rule.local else structure.new
    within = pulled(structure, recorded, summed_loss, opened)
    plain = within.plain
    if structure.encoded:
        plain = pulled(structure, recorded, summed_loss, all_opened(structure)).plain
    held = parameters(structure, constant, recorded.uses, derivative.F, within.c)
    gradients = rule.gradients(held, derivative.D, within.hidden, carry.etraces, carry.count)
    gradients = as_weights(held, gradients)
    after = Carry(
        changing,
        rule.advance(held, derivative.D, carry.etraces, carry.count),
        carry.count + jax.tree.leaves(part)[0].shape[0],
        jax.tree.map(jnp.add, carry.gradients, gradients),
        jax.tree.map(jnp.add, carry.plain, plain),
        jax.tree.map(jnp.add, carry.direct, within.weights),
    )
    return after, out
