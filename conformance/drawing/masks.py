"""Make masked arrays, and change the arrays of values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.protocol.implementation import Value


def make_masked(array: Any, mask: bool = False) -> np.ma.MaskedArray:
    """Make a masked array of which all entries are masked, or none."""
    return np.ma.array(array, mask=np.full(np.shape(array), mask))


def change_arrays(value: Any, change: Callable[[np.ndarray], np.ndarray]) -> Any:
    """Apply `change` to the array of a value, or of each entry of a mapping."""
    if isinstance(value, dict):
        return {name: change_arrays(entry, change) for name, entry in value.items()}
    if not isinstance(value, Value):
        return value
    return Value(change(np.asarray(value.array)), value.unit)
