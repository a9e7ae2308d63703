"""Layouts of arrays in memory; no clause lets a result depend on them."""

from __future__ import annotations

import numpy as np

__all__ = ["LAYOUTS", "lay_out"]


def _spread(array: np.ndarray) -> np.ndarray:
    """Copy to every second place of a longer array, on each axis."""
    long = np.zeros(tuple(2 * n for n in array.shape), array.dtype)
    view = long[(..., *(slice(None, None, 2) for _ in array.shape))]
    view[...] = array
    return view


def _reverse(array: np.ndarray) -> np.ndarray:
    """Copy with negative strides on each axis."""
    flipped = (slice(None, None, -1),) * array.ndim
    return array[(..., *flipped)].copy()[(..., *flipped)]


def _make_read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


LAYOUTS = {
    "c": lambda array: np.array(array, order="C"),
    "fortran": lambda array: np.array(array, order="F"),
    "strided": _spread,
    "backwards": _reverse,
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "read-only": _make_read_only,
}
"""By name, a function that copies an array into that layout."""


def lay_out(array: np.ndarray, layout: str | int) -> np.ndarray:
    """Copy an array into a layout, by its name or by any integer."""
    if not isinstance(layout, str):
        layout = [*LAYOUTS][layout % len(LAYOUTS)]
    return LAYOUTS[layout](np.asarray(array))
