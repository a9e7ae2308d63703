"""What a learner is given, one step or several, and what is refused of either (LEARN-18)."""

from __future__ import annotations

from typing import Any

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
from brainunit.sparse import SparseMatrix
from jax.core import Tracer

from ..checks.arguments import check_array
from ..errors import InputError, ShapeError

__all__ = [
    "MultiStepData",
    "SingleStepData",
    "Wrapped",
    "as_arrays",
    "check_finite",
    "has_several_steps",
    "is_leaf",
    "is_wrapped",
    "length_of",
    "shapes_of",
]


class Wrapped:
    """Data that says how many steps it is for. A JAX tree whose leaves are those of `data`."""

    def __init__(self, data: Any):
        self.data = data

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.data!r})"

    def tree_flatten(self) -> tuple[tuple[Any], None]:
        return (self.data,), None

    @classmethod
    def tree_unflatten(cls, aux: None, children: tuple[Any]) -> Any:
        return cls(*children)


@jax.tree_util.register_pytree_node_class
class SingleStepData(Wrapped):
    """An input of one step, the same as the bare input.

    Beside `MultiStepData` it is given to each step again.

    Parameters
    ----------
    data : tree of arrays

    Examples
    --------
    >>> brainscale.SingleStepData(jnp.zeros((16, 100))).data.shape
    (16, 100)
    """

    __module__ = "brainscale"


@jax.tree_util.register_pytree_node_class
class MultiStepData(Wrapped):
    """Inputs of several steps, which a learner makes one after the other.

    Parameters
    ----------
    data : tree of arrays, shape (T, ...)
        The leading axis is time.

    Examples
    --------
    >>> brainscale.MultiStepData(jnp.zeros((50, 16, 100))).data.shape
    (50, 16, 100)
    """

    __module__ = "brainscale"


def as_arrays(tree: Any, what: str = "an input", *, allow_likes: bool = True) -> Any:
    """Make a tree of arrays of what may hold Python numbers, whose types stay as weak as they are.

    Where `allow_likes`, a leaf may be a `jax.ShapeDtypeStruct`.

    Raises
    ------
    ValueTypeError, DtypeError
        A leaf that is neither an array nor a number, or of a dtype that JAX lacks.
    """

    def of_leaf(leaf: Any) -> Any:
        # A step may be given keys of random numbers.
        is_key = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        # A derivative by integers has a dtype of its own.
        is_none = getattr(leaf, "dtype", None) == jax.dtypes.float0
        if is_key or is_none or (allow_likes and isinstance(leaf, jax.ShapeDtypeStruct)):
            return leaf
        check_array(leaf, what)
        if isinstance(leaf, Tracer):
            return _settle(leaf)
        if isinstance(leaf, (np.ndarray, np.generic)) and not leaf.dtype.isnative:
            return leaf.astype(leaf.dtype.newbyteorder("="))
        return leaf if hasattr(leaf, "dtype") else jnp.asarray(leaf)

    # A sparse matrix is a tree to JAX, and not one that holds anything else than numbers.
    return jax.tree.map(of_leaf, tree, is_leaf=lambda leaf: isinstance(leaf, SparseMatrix))


def _settle(mapped: Tracer) -> Any:
    """Have JAX make an array of its own of a NumPy array that a `vmap` maps.

    Functions with a derivative of their own are refused a NumPy array there.
    """
    value = mapped
    while isinstance(value, Tracer):
        value = getattr(value, "val", None)
    return jnp.array(mapped, copy=True) if isinstance(value, np.ndarray) else mapped


def is_wrapped(args: Any, kind: type = Wrapped) -> bool:
    """Whether arguments hold `SingleStepData` or `MultiStepData`."""
    return any(isinstance(leaf, kind) for leaf in jax.tree.leaves(args, is_leaf=is_leaf))


def has_several_steps(args: Any) -> bool:
    """Whether arguments hold `MultiStepData`."""
    return is_wrapped(args, MultiStepData)


def is_leaf(leaf: Any) -> bool:
    """Whether a tree of wrapped data ends here."""
    return isinstance(leaf, Wrapped)


def shapes_of(tree: Any) -> Any:
    """List the shape, the dtype and, if there is one, the unit of each leaf."""

    def of_leaf(leaf: Any) -> tuple[Any, ...]:
        number = u.get_mantissa(leaf)
        of_number = jnp.shape(number), jnp.result_type(number).name
        return (*of_number, str(u.get_unit(leaf))) if isinstance(leaf, u.Quantity) else of_number

    return jax.tree.map(of_leaf, tree, is_leaf=lambda leaf: isinstance(leaf, u.Quantity))


def length_of(sequences: Any) -> int:
    """Count the steps of sequences, which share a leading axis."""
    lengths = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(sequences)}
    if len(lengths) != 1 or lengths == {()} or lengths == {(0,)}:
        raise ShapeError(f"sequences share a leading axis of at least one step, got {lengths}")
    return lengths.pop()[0]


def check_finite(tree: Any) -> None:
    """Refuse known numbers that are NaN or infinite."""
    for leaf in jax.tree.leaves(tree):
        known = not isinstance(leaf, Tracer)
        if known and jnp.issubdtype(leaf.dtype, jnp.inexact) and not _all_finite(leaf):
            raise InputError("an input is NaN or infinite")


def _all_finite(known: Any) -> bool:
    if getattr(known, "is_fully_addressable", True):
        return bool(np.isfinite(known).all())
    # Other processes hold a part: together, so that all of them refuse alike.
    with jax.ensure_compile_time_eval():
        return bool(jnp.isfinite(known).all())
