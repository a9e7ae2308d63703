"""Steps of what may be several, one after the other, in one compiled loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import brainstate
import jax

from ..engine.inputs import (
    MultiStepData,
    SingleStepData,
    Wrapped,
    as_arrays,
    check_finite,
    is_leaf,
    is_wrapped,
    length_of,
)
from ..errors import StructureError

__all__ = ["run_stepwise", "take_first_step"]


def take_first_step(args: Any) -> Any:
    """Take the arguments of the first step, bare."""
    several, make_args = _split(as_arrays(args))
    return make_args([jax.tree.map(lambda leaf: leaf[0], data) for data in several])


def run_stepwise(function: Callable[..., Any], args: Any) -> Any:
    """Run the function on the arguments of each step, in order, bare.

    Without `MultiStepData` there is one step and its result; with it, results have a leading axis
    of steps.

    Raises
    ------
    ShapeError, StructureError, InputError
        Sequences of several lengths or of none; `MultiStepData` within `MultiStepData`; numbers
        that are NaN or infinite.
    """
    several, make_args = _split(as_arrays(args, allow_likes=False))
    if not several:
        return function(*make_args([]))
    check_finite(args)
    return brainstate.transform.for_loop(lambda *items: function(*make_args(list(items))), *several)


def _split(args: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """Find the sequences in the arguments, and what makes bare arguments of one step of each."""
    leaves, tree = jax.tree.flatten(args, is_leaf=is_leaf)
    where = [i for i, leaf in enumerate(leaves) if isinstance(leaf, MultiStepData)]
    several = [leaves[i].data for i in where]
    if any(is_wrapped(leaf.data) for leaf in leaves if isinstance(leaf, Wrapped)):
        raise StructureError("SingleStepData or MultiStepData within another of them: wrap once")
    if several:
        length_of(several)

    def make_args(items: list[Any]) -> Any:
        item_at = dict(zip(where, items, strict=True))
        bare = [leaf.data if isinstance(leaf, SingleStepData) else leaf for leaf in leaves]
        return jax.tree.unflatten(tree, [item_at.get(i, leaf) for i, leaf in enumerate(bare)])

    return several, make_args
