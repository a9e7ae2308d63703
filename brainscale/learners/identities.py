"""Arrays by which it is told whether states hold the same as before: by identity alone.

What is traced is not kept alive for it: it is no more when its trace has ended, and then no state
holds it.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import brainstate
import jax
from jax.core import Tracer

__all__ = ["Identity", "identify", "is_same_leaves", "list_leaves"]


class Identity:
    """Which object this is.

    Parameters
    ----------
    value : object

    Attributes
    ----------
    is_traced : bool
    """

    def __init__(self, value: Any):
        self.is_traced = isinstance(value, Tracer)
        self._reference = weakref.ref(value) if self.is_traced else value

    @property
    def value(self) -> Any:
        """The object; None: it is no more."""
        return self._reference() if self.is_traced else self._reference

    def __deepcopy__(self, memo: Any) -> Identity:
        return self


def identify(leaves: Iterable[Any]) -> list[Identity]:
    """Give the identities of leaves."""
    return list(map(Identity, leaves))


def list_leaves(state: brainstate.State) -> list[Any]:
    """List the leaves of what a state holds, which is no use of it."""
    return jax.tree.leaves(vars(state)["_value"])


def is_same_leaves(leaves: list[Any], known: list[Identity]) -> bool:
    """Whether the leaves are the objects of these identities."""
    return len(leaves) == len(known) and all(
        leaf is identity.value for leaf, identity in zip(leaves, known, strict=True)
    )
