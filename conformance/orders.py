"""Arrays of the same numbers that lie otherwise in memory, and masked ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.implementation import Value


def spaced(array: np.ndarray) -> np.ndarray:
    """The same numbers, every second one of an array."""
    return np.repeat(array, 2, axis=-1)[..., ::2]


def backwards(array: np.ndarray) -> np.ndarray:
    """The same numbers, which lie backwards in memory."""
    return np.ascontiguousarray(np.flip(array))[(slice(None, None, -1),) * array.ndim]


def swapped(array: np.ndarray) -> np.ndarray:
    """The same numbers, the bytes of each in the other order."""
    return array.astype(array.dtype.newbyteorder("S"))


ORDERS = {
    "columns-first": np.asfortranarray,
    "spaced": spaced,
    "backwards": backwards,
    "read-only": lambda array: np.broadcast_to(array, array.shape),
    "bytes-swapped": swapped,
}
"""Arrays of the same numbers that lie otherwise in memory."""


def masked(array: Any, mask: bool = False) -> np.ma.MaskedArray:
    """A masked array, of which no entry is masked or all are."""
    return np.ma.array(array, mask=np.full(np.shape(array), mask))


def changed(value: Any, change: Callable[[np.ndarray], np.ndarray]) -> Any:
    """A value or the entries of a mapping, their arrays changed."""
    if isinstance(value, dict):
        return {name: changed(entry, change) for name, entry in value.items()}
    if not isinstance(value, Value):
        return value
    return Value(change(np.asarray(value.array)), value.unit)
