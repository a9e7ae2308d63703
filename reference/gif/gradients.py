"""Gradients of GIF neurons with respect to parameters that neurons may share: GIF-31, NUM-10."""

from __future__ import annotations

import numpy as np

from .sensitivity import Sensitivity


def gradient(
    sensitivity: Sensitivity,
    state_weights: np.ndarray,
    spike_weights: np.ndarray,
    shape: tuple[int, ...],
) -> tuple[np.ndarray, np.ndarray]:
    """The derivative of a loss with respect to a parameter, and the size of its terms (GIF-31).

    Parameters
    ----------
    sensitivity : Sensitivity
        With respect to that of each neuron.
    state_weights : (T, n, *neurons) array
        The derivative of the loss with respect to each state.
    spike_weights : (T, *neurons) array
        That with respect to each spike.
    shape : tuple of int
        That in which the parameter is given: it broadcasts to the population's.

    Returns
    -------
    two (*shape) arrays
    """
    terms = (state_weights * sensitivity.state).sum(axis=1) + spike_weights * sensitivity.spike
    size = (np.abs(state_weights) * sensitivity.size_state).sum(axis=1)
    size = size + np.abs(spike_weights) * sensitivity.size_spike
    return sum_to(terms.sum(axis=0), shape), sum_to(size.sum(axis=0), shape)


def sum_to(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sum over the axes along which an array of a shape is repeated in a larger one."""
    array = array.sum(axis=tuple(range(array.ndim - len(shape))))
    repeated = tuple(axis for axis, length in enumerate(shape) if length == 1)
    return array.sum(axis=repeated, keepdims=True)
