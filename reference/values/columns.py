"""Arrays of a population as compiled loops read them: one column for each neuron."""

from __future__ import annotations

import math

import numpy as np


def make_columns(array: np.ndarray, rows: int, shape: tuple[int, ...]) -> np.ndarray:
    """Repeat an array over the batch and put all neurons on its last axis.

    Parameters
    ----------
    array : (*rows, *size) array
    rows : int
        How many axes stand before the population's.
    shape : tuple of int
        (*batch, *size).

    Returns
    -------
    (*rows, N) array
        N is the product of `shape`. A copy, writable and contiguous whatever the array was, so
        that Numba compiles once.
    """
    row, size = array.shape[:rows], array.shape[rows:]
    batch = (1,) * (len(shape) - len(size))
    over_batch = np.broadcast_to(array.reshape((*row, *batch, *size)), (*row, *shape))
    return np.array(over_batch, order="C").reshape((*row, math.prod(shape)))
