"""What values, hidden groups and leaves are kept by."""

from __future__ import annotations

from typing import NewType

__all__ = ["GroupPosition", "LeafPosition", "StateId", "id_of"]

StateId = NewType("StateId", int)
"""The identity of a state, `id_of(state)`. An operation is kept by that of its parameter."""

GroupPosition = NewType("GroupPosition", int)
"""The position of a hidden group among those of a step."""

LeafPosition = int
"""The position of a floating-point leaf among the arguments of a step, or among its results.

Those of the hidden states come first in both, so that there they are the same. It is any int, since
positions lie in ranges."""


def id_of(state: object) -> StateId:
    """The identity of a state."""
    return StateId(id(state))
