"""The linear system of an implicit Euler step of the cable (SPEC.md, chapter 8).

M V' = (C/dt) V + G E + I, with M symmetric. M depends on parameters and dt alone: where these are
known it is factored in double precision outside the trace. A small cable is solved by the inverse
of M restricted to compartments, one matrix product; a large one by elimination along the tree
(Hines 1984), in time linear in the number of compartments. Where parameters are learned, the step
makes the inverse, or eliminates.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from .compartments import Compartments

Array: TypeAlias = Any
"""Numbers, float64 of NumPy where they are known, of JAX where they are learned."""

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
    edge : array, shape (m - 1,), int
        Which of the cable's conductances joins each but the root to its parent.
    """

    order: np.ndarray
    parent: np.ndarray
    edge: np.ndarray

    @classmethod
    def of(cls, compartments: Compartments) -> Tree:
        """Make the tree of a cable from its edges."""
        count = len(compartments) + len(compartments.junctions)
        neighbours: list[list[tuple[int, int]]] = [[] for _ in range(count)]
        for e, (a, b) in enumerate(compartments.nodes):
            neighbours[a].append((b, e))
            neighbours[b].append((a, e))
        order, parent, edge = [0], [0], []
        known_nodes = {0}
        for position, node in enumerate(order):
            for other, e in neighbours[node]:
                if other not in known_nodes:
                    known_nodes.add(other)
                    order.append(other)
                    parent.append(position)
                    edge.append(e)
        return cls(np.array(order), np.array(parent), np.array(edge, int))

    def find_conductances(self, conductance: Array) -> Array:
        """Give each node's conductance to its parent, of the root 0: (..., edges) to (m, ...)."""
        xp = np if isinstance(conductance, np.ndarray) else jnp
        of_nodes = xp.moveaxis(conductance[..., self.edge], -1, 0)
        return xp.concatenate([xp.zeros((1, *of_nodes.shape[1:]), of_nodes.dtype), of_nodes])

    def find_places(self, n: int) -> np.ndarray:
        """Give the places of the n compartments in `order`."""
        return np.argsort(self.order)[:n]


def compute_diagonal(
    compartments: Compartments, membrane: np.ndarray, conductance: np.ndarray
) -> np.ndarray:
    """Compute the diagonal of M for all nodes, uS.

    Parameters
    ----------
    membrane : array, shape (..., n)
        C/dt + G of each compartment.
    conductance : array, shape (..., edges)
        Of each pair of nodes.
    """
    count = len(compartments) + len(compartments.junctions)
    axial = np.zeros((count, *conductance.shape[:-1]))
    for side in (0, 1):
        np.add.at(axial, compartments.nodes[:, side], np.moveaxis(conductance, -1, 0))
    axial = np.moveaxis(axial, 0, -1)
    lead = np.broadcast_shapes(membrane.shape[:-1], axial.shape[:-1])
    diagonal = np.broadcast_to(axial, (*lead, count)).copy()
    diagonal[..., : len(compartments)] += membrane
    return diagonal


def make_dense_solver(
    compartments: Compartments, membrane: np.ndarray, conductance: np.ndarray
) -> Solve:
    """Make a function that solves M x = b for the compartments, (..., n), by one matrix product."""
    n = len(compartments)
    diagonal = compute_diagonal(compartments, membrane, conductance)
    M = np.zeros((*diagonal.shape, diagonal.shape[-1]))
    index = np.arange(diagonal.shape[-1])
    M[..., index, index] = diagonal
    a, b = compartments.nodes.T
    M[..., a, b] = M[..., b, a] = -conductance
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


def make_tree_solver(
    compartments: Compartments, membrane: np.ndarray, conductance: np.ndarray
) -> Solve:
    """Make a function that solves M x = b for the compartments by elimination along the tree."""
    n = len(compartments)
    tree = Tree.of(compartments)
    of_nodes = tree.find_conductances(conductance)
    diagonal = compute_diagonal(compartments, membrane, conductance)[..., tree.order]
    diagonal = np.moveaxis(diagonal, -1, 0)
    pivots, factors = diagonal.copy(), np.zeros_like(diagonal)
    for i in range(len(tree.order) - 1, 0, -1):
        factors[i] = of_nodes[i] / pivots[i]
        pivots[tree.parent[i]] -= factors[i] * of_nodes[i]
    places = tree.find_places(n)
    parent = tree.parent

    def solve(right: jax.Array) -> jax.Array:
        def spread_over_nodes(x: np.ndarray) -> jax.Array:
            return jnp.asarray(_spread_over_nodes(x, right.ndim), right.dtype)

        def multiply(x: jax.Array) -> jax.Array:
            g = spread_over_nodes(of_nodes)
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


def make_learned_solver(compartments: Compartments, membrane: Array, conductance: Array) -> Solve:
    """Make a function that solves M x = b for the compartments, and is differentiable by M.

    The inverse of a small cable's M is made once in a step, and serves its derivatives: products
    are shorter programs than eliminations.
    """
    tree = Tree.of(compartments)
    parent, places = tree.parent, tree.find_places(len(compartments))

    def solve(right: jax.Array) -> jax.Array:
        axial = jnp.asarray(tree.find_conductances(conductance), right.dtype)
        of_compartments = jnp.moveaxis(jnp.asarray(membrane, right.dtype), -1, 0)
        ndim = max(axial.ndim, of_compartments.ndim)
        axial, of_compartments = (_spread_over_nodes(x, ndim) for x in (axial, of_compartments))
        shape = jnp.broadcast_shapes(axial.shape[1:], of_compartments.shape[1:])
        g = jnp.broadcast_to(axial, (len(parent), *shape))
        e = jnp.zeros_like(g).at[places].set(of_compartments)

        def multiply(x: jax.Array) -> jax.Array:
            flow = _spread_over_nodes(g, x.ndim) * (x - x[parent])
            return (_spread_over_nodes(e, x.ndim) * x + flow).at[parent].add(-flow)

        known = parent, *jax.lax.stop_gradient((e, g))
        is_small = len(compartments) <= DENSE_LIMIT
        find = _invert(*known) if is_small else functools.partial(_eliminate, *known)
        b = jnp.zeros((len(parent), *right.shape[:-1]), right.dtype)
        b = b.at[places].set(jnp.moveaxis(right, -1, 0))
        # Differentiating the loops instead would keep what every iteration made.
        x = jax.lax.custom_linear_solve(multiply, b, lambda _, b: find(b), symmetric=True)
        return jnp.moveaxis(x[places], 0, -1)

    return solve


def _invert(parent: np.ndarray, e: jax.Array, g: jax.Array) -> Solve:
    """Make a function that multiplies by the inverse of M, which is made at once."""
    m = len(parent)
    identity = jnp.eye(m, dtype=e.dtype).reshape(m, m, *(1,) * (e.ndim - 1))
    inverse = _eliminate(parent, e, g, jnp.broadcast_to(identity, (m, *e.shape)))
    return functools.partial(
        jnp.einsum, "ij...,j...->i...", inverse, precision=jax.lax.Precision.HIGHEST
    )


def _eliminate(parent: np.ndarray, e: jax.Array, g: jax.Array, b: jax.Array) -> jax.Array:
    """Solve M x = b for all nodes, (m, ...), by elimination along the tree.

    It has C/dt + G in the place of the diagonal, so that nothing is subtracted: the membrane of a
    small compartment is not lost beside large conductances in single precision.
    """
    e, g = (_spread_over_nodes(x, b.ndim) for x in (e, g))
    parents, from_leaves = jnp.asarray(parent), jnp.arange(len(parent) - 1, 0, -1)

    def gather(e_b: tuple, i: jax.Array) -> tuple:
        e, b = e_b
        share = g[i] / (e[i] + g[i])
        return (e.at[parents[i]].add(share * e[i]), b.at[parents[i]].add(share * b[i])), None

    (behind, b), _ = jax.lax.scan(gather, (e, b), from_leaves)
    share, x = g / (behind + g), b / (behind + g)
    x, _ = jax.lax.scan(
        lambda x, i: (x.at[i].add(share[i] * x[parents[i]]), None), x, from_leaves[::-1]
    )
    return x


def _spread_over_nodes(x: Any, ndim: int) -> Any:
    """Put axes behind the first, that of nodes, for numbers of each to go with `ndim` axes."""
    return x.reshape(len(x), *(1,) * (ndim - x.ndim), *x.shape[1:])
