"""Where a step stands in a function whose gradient is taken, and how it shows what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .keys import StateId
from .leaves import is_float

__all__ = ["Surroundings", "spoil"]


class Surroundings(NamedTuple):
    """Where a step stands in a function whose gradient is taken."""

    is_in_loop: bool
    """Whether a loop, or another function that is traced, is between the two."""
    is_first: bool
    """Whether the function makes no learner's step before, and has no loop around this one."""
    is_in_gradient: Callable[[], bool]
    """Tells, when derivatives are made, whether a function is traced whose gradient is taken."""
    is_begun: bool
    """Whether the function itself has begun the traces anew, whatever its branches and loops do."""
    made: frozenset[StateId] = frozenset()
    """The states that the step writes, none of them hidden, which hold what the function itself has
    made, in the trace in which the step stands."""
    earlier: frozenset[StateId] = frozenset()
    """Those which hold what was there when that trace began."""


def spoil(gradients: Any, is_wrong: Any) -> Any:
    """Make gradients not a number where they would be wrong; None: they would not."""
    if is_wrong is None:
        return gradients

    def spoil_leaf(leaf: jax.Array) -> jax.Array:
        return leaf if not is_float(leaf) else jnp.where(is_wrong, jnp.nan, leaf)

    return jax.tree.map(spoil_leaf, gradients)
