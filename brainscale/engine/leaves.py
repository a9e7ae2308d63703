"""The leaves of trees: the floating-point ones, in which derivatives are taken, and the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import brainunit as u
import jax
import jax.numpy as jnp

from .inputs import as_arrays

__all__ = [
    "cast_to_one_dtype",
    "conjugate",
    "floats",
    "is_complex",
    "is_float",
    "is_quantity",
    "join_derivatives",
    "strip_units",
    "units_of",
    "with_all",
    "with_floats",
    "with_leaves",
]


def is_float(leaf: Any) -> bool:
    """Whether an array is a floating-point or a complex one."""
    return jnp.issubdtype(leaf.dtype, jnp.inexact)


def is_complex(leaf: Any) -> bool:
    """Whether an array is a complex one."""
    return jnp.issubdtype(leaf.dtype, jnp.complexfloating)


def is_quantity(leaf: Any) -> bool:
    """Whether a leaf is a number with a unit."""
    return isinstance(leaf, u.Quantity)


def floats(value: Any) -> list[Any]:
    """List the floating-point leaves of a tree, without units; a complex leaf is its two parts."""
    leaves = [leaf for leaf in jax.tree.leaves(as_arrays(value)) if is_float(leaf)]
    return [x for leaf in leaves for x in ((leaf.real, leaf.imag) if is_complex(leaf) else (leaf,))]


def with_floats(value: Any, leaves: list[Any]) -> Any:
    """Make a tree like this one, with other floating-point leaves, such as `floats` lists."""
    value = as_arrays(value)
    return with_all(value, leaves, [x for x in jax.tree.leaves(value) if not is_float(x)])


def with_all(value: Any, leaves: list[Any], others: list[Any]) -> Any:
    """Make a tree like this one, with other floating-point leaves and others of other kinds."""
    next_others, next_floats = iter(others), iter(leaves)

    def take(leaf: Any) -> Any:
        if is_complex(leaf):
            return jax.lax.complex(next(next_floats), next(next_floats))
        return next(next_floats if is_float(leaf) else next_others)

    return jax.tree.map(take, value)


def with_leaves(value: Any, leaves: list[Any]) -> Any:
    """Make a tree like this one, with other leaves."""
    return jax.tree.unflatten(jax.tree.structure(value), leaves)


def cast_to_one_dtype(arrays: Any) -> Any:
    """Cast a tree of arrays to the dtype to which theirs promote: a group may have several."""
    dtype = jnp.result_type(*jax.tree.leaves(arrays))
    return jax.tree.map(lambda leaf: leaf.astype(dtype), arrays)


def conjugate(tree: Any) -> Any:
    """Conjugate the complex leaves of a tree.

    JAX's derivative by z = x + iy is d/dx - i d/dy: the conjugate of what `with_floats` makes of
    the derivatives by the parts.
    """
    return jax.tree.map(lambda leaf: leaf.conj() if is_complex(leaf) else leaf, tree)


def join_derivatives(derivatives: Sequence[jax.Array]) -> jax.Array:
    """Make the derivative by an array of those by its `floats`: one, or those by two parts."""
    by_real, *by_imaginary = derivatives
    return jax.lax.complex(by_real, -by_imaginary[0]) if by_imaginary else by_real


def strip_units(tree: Any) -> Any:
    """Make a tree of plain arrays, by the numbers of what it held."""
    return jax.tree.map(u.get_mantissa, tree, is_leaf=is_quantity)


def units_of(tree: Any) -> Any:
    """Make a tree of the units of arrays and quantities."""
    return jax.tree.map(u.get_unit, tree, is_leaf=is_quantity)
