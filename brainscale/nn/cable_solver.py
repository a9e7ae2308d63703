"""The linear system of an implicit Euler step of the cable (SPEC.md, chapter 8).

M V' = (C/dt) V + G E + I, with M symmetric. M depends on parameters and dt alone, so it is factored
in double precision outside the trace. A small cable is solved by the inverse of M restricted to
compartments, one matrix product; a large one by elimination along the tree (Hines 1984), in time
linear in the number of compartments.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from .compartments import Compartments

Solve: TypeAlias = Callable[[jax.Array], jax.Array]

DENSE_LIMIT = 64
"""The most compartments that are solved by a matrix product."""


@dataclasses.dataclass(frozen=True, eq=False)
class Tree:
    """The nodes of a cable, parents before children.

    Attributes
    ----------
    order : array, shape (m,), int
        The nodes.
    parent : array, shape (m,), int
        For each, the position of its parent in `order`; of the root, 0.
    conductance : array, shape (m,), uS
        To its parent; of the root, 0.
    """

    order: np.ndarray
    parent: np.ndarray
    conductance: np.ndarray

    @classmethod
    def of(cls, compartments: Compartments) -> Tree:
        """Make the tree of a cable from its edges."""
        count = len(compartments) + len(compartments.junctions)
        neighbours: list[list[tuple[int, float]]] = [[] for _ in range(count)]
        for (a, b), g in zip(compartments.nodes, compartments.conductance, strict=True):
            neighbours[a].append((b, g))
            neighbours[b].append((a, g))
        order, parent, conductance = [0], [0], [0.0]
        known_nodes = {0}
        for position, node in enumerate(order):
            for other, g in neighbours[node]:
                if other not in known_nodes:
                    known_nodes.add(other)
                    order.append(other)
                    parent.append(position)
                    conductance.append(g)
        return cls(np.array(order), np.array(parent), np.array(conductance))


def compute_diagonal(compartments: Compartments, membrane: np.ndarray) -> np.ndarray:
    """Compute the diagonal of M for all nodes, uS.

    Parameters
    ----------
    membrane : array, shape (..., n)
        C/dt + G of each compartment.
    """
    count = len(compartments) + len(compartments.junctions)
    axial = np.zeros(count)
    for side in (0, 1):
        np.add.at(axial, compartments.nodes[:, side], compartments.conductance)
    diagonal = np.broadcast_to(axial, (*membrane.shape[:-1], count)).copy()
    diagonal[..., : len(compartments)] += membrane
    return diagonal


def make_dense_solver(compartments: Compartments, membrane: np.ndarray) -> Solve:
    """Make a function that solves M x = b for the compartments, (..., n), by one matrix product."""
    n = len(compartments)
    diagonal = compute_diagonal(compartments, membrane)
    M = np.zeros((*diagonal.shape, diagonal.shape[-1]))
    index = np.arange(diagonal.shape[-1])
    M[..., index, index] = diagonal
    a, b = compartments.nodes.T
    M[..., a, b] = M[..., b, a] = -compartments.conductance
    inverse = np.linalg.inv(M)[..., :n, :n]

    def solve(right: jax.Array) -> jax.Array:
        # Accelerators multiply matrices in reduced precision unless told not to.
        return jnp.einsum(
            "...ij,...j->...i",
            jnp.asarray(inverse, right.dtype),
            right,
            precision=jax.lax.Precision.HIGHEST,
        )

    return solve


def make_tree_solver(compartments: Compartments, membrane: np.ndarray) -> Solve:
    """Make a function that solves M x = b for the compartments by elimination along the tree."""
    n = len(compartments)
    tree = Tree.of(compartments)
    diagonal = np.moveaxis(compute_diagonal(compartments, membrane)[..., tree.order], -1, 0)
    pivots, factors = diagonal.copy(), np.zeros_like(diagonal)
    for i in range(len(tree.order) - 1, 0, -1):
        factors[i] = tree.conductance[i] / pivots[i]
        pivots[tree.parent[i]] -= factors[i] * tree.conductance[i]
    places = np.argsort(tree.order)[:n]
    parent = tree.parent

    def solve(right: jax.Array) -> jax.Array:
        def spread_over_nodes(x: np.ndarray) -> jax.Array:
            """Give numbers of each node axes, to go with the population's axes of `right`."""
            ones = (1,) * (right.ndim - x.ndim)
            return jnp.asarray(x.reshape(len(x), *ones, *x.shape[1:]), right.dtype)

        def multiply(x: jax.Array) -> jax.Array:
            g = spread_over_nodes(tree.conductance)
            flow = (g * x[parent]).at[parent].add(g * x)
            return spread_over_nodes(diagonal) * x - flow

        def eliminate_and_substitute(_matrix: Solve, b: jax.Array) -> jax.Array:
            f, parents = spread_over_nodes(factors), jnp.asarray(parent)
            from_leaves = jnp.arange(len(parent) - 1, 0, -1)
            b, _ = jax.lax.scan(
                lambda b, i: (b.at[parents[i]].add(f[i] * b[i]), None), b, from_leaves
            )
            x = b / spread_over_nodes(pivots)
            x, _ = jax.lax.scan(
                lambda x, i: (x.at[i].add(f[i] * x[parents[i]]), None), x, from_leaves[::-1]
            )
            return x

        b = jnp.zeros((len(parent), *right.shape[:-1]), right.dtype)
        b = b.at[places].set(jnp.moveaxis(right, -1, 0))
        # Differentiating the loops instead would keep what every iteration made.
        x = jax.lax.custom_linear_solve(multiply, b, eliminate_and_substitute, symmetric=True)
        return jnp.moveaxis(x[places], 0, -1)

    return solve
