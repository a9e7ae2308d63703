"""Which neurons each element of an operation's y enters (SPEC.md, TRACE-2, LEARN-14).

An element may enter several neurons (a leak that a layer shares, a bias without the batch's axis).
It then has as many *copies*, each of which enters one: traces, F and D are those of the copies.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .dependence import Dependence
from .hidden_groups import Group
from .keys import GroupPosition, LeafPosition
from .step_dependence import StepDependence

__all__ = ["Reach", "find_entered_groups", "find_group_reach"]

MOST_ENTRIES = 64
"""How many elements of y a neuron may have, or neurons an element, on average, to be looked at."""


@dataclasses.dataclass(frozen=True)
class Reach:
    """The neurons of a group that each element of an operation's y enters.

    Attributes
    ----------
    group : GroupPosition
    shape : tuple of int
        That of its neurons.
    lead : tuple of int
        The axes of the copies, which stand before those of y.
    neurons : array of int, shape (*lead, *y), or None
        Flat positions in `shape`. None: the copies have that shape, and enter in order.
    is_used : array of bool, shape (*lead, *y), or None
        Which copies enter a neuron. None: those that do not have an F of zero all the same.
    colors : array of int, shape (*y), or None
        Elements of one color have no neuron in common. None: no element enters several neurons.
    """

    group: GroupPosition
    shape: tuple[int, ...]
    lead: tuple[int, ...] = ()
    neurons: np.ndarray | None = None
    is_used: np.ndarray | None = None
    colors: np.ndarray | None = None

    def at_outputs(self, of_neurons: jax.Array) -> jax.Array:
        """Take numbers for each neuron, (..., *shape), for each copy: (..., *lead, *y)."""
        if self.neurons is None:
            return of_neurons
        lead = of_neurons.shape[: of_neurons.ndim - len(self.shape)]
        return of_neurons.reshape(*lead, -1)[..., self.neurons]

    def has_copies_like(self, other: Reach) -> bool:
        """Whether traces of this one are of the same neurons, entry by entry, as the other's."""
        if (self.group, self.shape, self.lead) != (other.group, other.shape, other.lead):
            return False
        in_order = np.arange(math.prod(self.shape))
        mine, others = (
            in_order if reach.neurons is None else reach.neurons.ravel() for reach in (self, other)
        )
        return np.array_equal(mine, others)

    def widen(self, presynaptic: Any) -> Any:
        """Repeat presynaptic factors, (steps, ...), for each copy: (steps, *lead, ...)."""
        if not self.lead:
            return presynaptic
        ones = (1,) * len(self.lead)

        def widen_leaf(leaf: jax.Array) -> jax.Array:
            steps, *rest = leaf.shape
            return jnp.broadcast_to(leaf.reshape(steps, *ones, *rest), (steps, *self.lead, *rest))

        return jax.tree.map(widen_leaf, presynaptic)

    def sum_copies(self, of_copies: jax.Array) -> jax.Array:
        """Sum numbers for each copy, (steps, *lead, *y), for each element: (steps, *y)."""
        return of_copies.sum(tuple(range(1, 1 + len(self.lead))))

    def make_tangents(self, y: jax.Array) -> jax.Array:
        """Make tangents of y that are one at the elements of each color: (colors, *y)."""
        assert self.colors is not None  # Without them no element enters several neurons.
        colors = np.arange(self.colors.max(initial=0) + 1).reshape(-1, *(1,) * y.ndim)
        return jnp.asarray(self.colors == colors, y.dtype)

    def of_copies(self, by_color: jax.Array) -> jax.Array:
        """Make F, (*lead, *y), of what the tangents made of a variable, (colors, *shape)."""
        if self.neurons is None:
            return by_color[0]
        assert self.is_used is not None  # Elements of several colors have a table of copies.
        flat = by_color.reshape(len(by_color), -1)
        return jnp.where(self.is_used, flat[self.colors, self.neurons], 0)


def find_entered_groups(
    paths: StepDependence, groups: Sequence[Group], positions: Iterable[LeafPosition]
) -> set[GroupPosition]:
    """Find the groups that these outputs of operations enter."""
    masks = paths.dependence.reached(positions)
    entered = [any(masks[i].any() for i in group.leaves) for group in groups]
    return {GroupPosition(g) for g, is_entered in enumerate(entered) if is_entered}


def find_group_reach(
    dependence: Dependence, positions: Sequence[LeafPosition], g: GroupPosition, group: Group
) -> Reach | None:
    """Find which neurons of a group an operation's y enters; None where it enters laterally.

    They do where elements that enter several neurons are mixed: the neurons of one have others,
    too, and these not the same, or from a sum.

    Parameters
    ----------
    dependence : Dependence
    positions : sequence of LeafPosition
        Those of y among the arguments, two where it is complex.
    g : GroupPosition
        That of the group.
    group : Group
    """
    both = [dependence.between(y, leaf) for y in positions for leaf in group.leaves]
    mixed = any(box.spread or box.coarse for boxes in both for box in boxes)
    y, shape = dependence.arguments[positions[0]], group.shape
    most = MOST_ENTRIES * max(math.prod(shape), math.prod(y))
    for exact in (False, True):
        pairs = dependence.pairs(positions, group.leaves, shape, most, exact)
        reach = None if pairs is None else _make_reach(*pairs, y, shape, g)
        if reach is not None and (reach.colors is None or not (mixed and reach.colors.any())):
            return reach
    return None


def _make_reach(
    elements: np.ndarray,
    neurons: np.ndarray,
    y: tuple[int, ...],
    shape: tuple[int, ...],
    g: GroupPosition,
) -> Reach | None:
    """Make a reach of pairs, in order, of an element of y and a neuron, by flat positions."""
    size, n, axes = math.prod(y), math.prod(shape), len(shape) - len(y)
    if axes >= 0 and shape[axes:] == y and len(neurons) == n and (neurons % size == elements).all():
        copied = math.prod(shape[:axes]) > 1
        return Reach(g, shape, shape[:axes], colors=np.zeros(y, int) if copied else None)
    counts = np.bincount(elements, minlength=size)
    copies = counts.max(initial=0)
    if copies <= 1:
        table = np.zeros(size, int)
        table[elements] = neurons
        return Reach(g, shape, neurons=table.reshape(y))
    colors = _find_colors(elements, neurons, counts, n)
    if colors is None:
        return None
    lead = _find_axes(neurons[elements == elements[0]], shape, copies)
    nth = np.arange(len(elements)) - (np.cumsum(counts) - counts)[elements]
    table, is_used = np.zeros((copies, size), int), np.zeros((copies, size), bool)
    table[nth, elements], is_used[nth, elements] = neurons, True
    table, is_used = (array.reshape(*lead, *y) for array in (table, is_used))
    return Reach(g, shape, lead, table, is_used, colors.reshape(y))


def _find_colors(
    elements: np.ndarray, neurons: np.ndarray, counts: np.ndarray, n: int
) -> np.ndarray | None:
    """Find for each element a color that no other of its neurons' elements has.

    None where the elements of a neuron do not all enter the same neurons.
    """
    # Elements that enter the same neurons have one leader, the first of those of each neuron.
    first = np.full(n, len(counts))
    np.minimum.at(first, neurons, elements)
    leader = np.full(len(counts), -1)
    leader[elements] = first[neurons]
    if (leader[elements] != first[neurons]).any() or (counts != counts[leader])[leader >= 0].any():
        return None
    colors = np.zeros(len(counts), int)
    order = np.argsort(leader, kind="stable")
    order = order[leader[order] >= 0]
    starts = np.flatnonzero(np.diff(leader[order], prepend=-1))
    colors[order] = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    return colors


def _find_axes(neurons: np.ndarray, shape: tuple[int, ...], copies: int) -> tuple[int, ...]:
    """Find the axes over which these neurons lie, with as many entries as copies; or one of all."""
    indices = np.unravel_index(neurons, shape)
    sizes = tuple(size for size in (len(np.unique(index)) for index in indices) if size > 1)
    return sizes if math.prod(sizes) == copies else (copies,)
