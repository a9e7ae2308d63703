"""Hidden groups: states whose neurons depend on each other's variables (SPEC.md, TRACE-1)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

from ..states import ETraceGroupState
from .keys import LeafPosition
from .leaves import floats, is_complex, is_quantity
from .step_dependence import StepDependence

__all__ = ["Group", "find_groups", "join_variables", "name_variables"]

_GROUPED = (ETraceGroupState, brainstate.HiddenGroupState)
"""States whose last axis is that of a neuron's variables."""


@dataclasses.dataclass(frozen=True)
class Group:
    """A hidden group: d variables for each neuron.

    Attributes
    ----------
    states : tuple of State
        Its states, as they were when it was found.
    names : tuple of str
        Theirs, which stay when a model makes its states anew.
    leaves : tuple of LeafPosition
        Their leaves, by position among those of all hidden states.
    shape : tuple of int
        The neurons': batch and population.
    extra : tuple of tuple of int
        For each leaf, the axes it has behind the neurons' (the compartments of a group state).
    """

    states: tuple[brainstate.State, ...]
    names: tuple[str, ...]
    leaves: tuple[LeafPosition, ...]
    shape: tuple[int, ...]
    extra: tuple[tuple[int, ...], ...]

    @property
    def size(self) -> int:
        """d, the number of variables of each neuron."""
        return sum(int(np.prod(extra)) for extra in self.extra)

    def variables(self, leaves: list[jax.Array]) -> list[jax.Array]:
        """The d variables, (..., *shape), of the leaves of all hidden states, (..., *leaf)."""
        return self.split([leaves[index] for index in self.leaves])

    def split(self, leaves: list[jax.Array]) -> list[jax.Array]:
        """Split its own leaves, (..., *leaf), into the d variables, (..., *shape)."""
        variables = []
        for leaf, extra in zip(leaves, self.extra, strict=True):
            flat = leaf.reshape(*leaf.shape[: leaf.ndim - len(extra)], -1)
            variables += [flat[..., i] for i in range(flat.shape[-1])]
        return variables


def find_groups(paths: StepDependence) -> list[Group]:
    """Find the hidden groups of a step, in the order of their first states.

    Whether neurons of a group are independent of each other, `check_lateral` says.
    """
    states = paths.step.hidden
    leaves = paths.leaves_of(states)
    group_of = list(range(len(states)))
    for i, sources in enumerate(leaves):
        masks = paths.dependence.reached(sources)
        for j, results in enumerate(leaves):
            if any(masks[k].any() for k in results):
                group_of = [group_of[i] if g == group_of[j] else g for g in group_of]
    groups = []
    for g in dict.fromkeys(group_of):
        members = [i for i, other in enumerate(group_of) if other == g]
        positions = tuple(k for i in members for k in leaves[i])
        groups.append(_make_group(paths, [states[i] for i in members], positions))
    return groups


def _make_group(
    paths: StepDependence, states: list[brainstate.State], positions: tuple[LeafPosition, ...]
) -> Group:
    """Make a group of states, whose neurons are the axes that all their leaves have."""
    shapes = [leaf.shape for state in states for leaf in floats(state.value)]
    of_grouped = [u.math.shape(s.value)[:-1] for s in states if isinstance(s, _GROUPED)]
    shape = min([*shapes, *of_grouped], key=len)
    return Group(
        tuple(states),
        tuple(paths.name_of(state) for state in states),
        positions,
        shape,
        tuple(leaf[len(shape) :] for leaf in shapes),
    )


def name_variables(
    group: Group,
    variables: list[Any],
    join: Callable[[Any, tuple[int, ...], list[Any]], Any],
) -> dict[str, Any]:
    """Name what there is of each of a group's d variables by hidden state.

    Parameters
    ----------
    group : Group
    variables : list of d trees of arrays
    join : callable
        From a leaf of a state's value, the shape of its variables for each neuron, and what there
        is of these to what stands in its place. The shape of a complex leaf's has at last an axis
        of its real and its imaginary part.

    Returns
    -------
    dict from the names of states
        An entry is like the state's value.
    """
    by_state, rest, extra = {}, iter(variables), iter(group.extra)
    for state, name in zip(group.states, group.names, strict=True):
        leaves, tree = jax.tree.flatten(state.value, is_leaf=is_quantity)
        entries = []
        for leaf in leaves:
            shape = next(extra)
            of_leaf = [next(rest) for _ in range(math.prod(shape))]
            if is_complex(leaf):
                imaginary = [next(rest) for _ in range(math.prod(next(extra)))]
                pairs = zip(of_leaf, imaginary, strict=True)
                of_leaf, shape = [e for pair in pairs for e in pair], (*shape, 2)
            entries.append(join(leaf, shape, of_leaf))
        by_state[name] = jax.tree.unflatten(tree, entries)
    return by_state


def join_variables(shape: tuple[int, ...], variables: Sequence[jax.Array]) -> jax.Array:
    """Join arrays of each variable, (...), behind whose axes stand those of the variables."""
    first = variables[0]
    return jnp.stack(variables, -1).reshape(*first.shape, *shape) if shape else first
