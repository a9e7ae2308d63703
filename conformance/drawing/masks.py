"""Masked arrays, and values of which the arrays are changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.protocol.implementation import Value


def make_masked(array: Any, mask: bool = False) -> np.ma.MaskedArray:
    """A masked array, of which no entry is masked or all are."""
    return np.ma.array(array, mask=np.full(np.shape(array), mask))


def change_arrays(value: Any, change: Callable[[np.ndarray], np.ndarray]) -> Any:
    """A value or the entries of a mapping, their arrays changed."""
    if isinstance(value, dict):
        return {name: change_arrays(entry, change) for name, entry in value.items()}
    if not isinstance(value, Value):
        return value
    return Value(change(np.asarray(value.array)), value.unit)
