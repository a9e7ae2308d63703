"""Hidden groups: states whose neurons depend on each other's variables (SPEC.md, TRACE-1)."""

from __future__ import annotations

import dataclasses

import brainstate
import jax
import numpy as np

__all__ = ["Group"]


@dataclasses.dataclass(frozen=True)
class Group:
    """A hidden group: d variables for each neuron.

    Attributes
    ----------
    states : tuple of State
        Its states, as they were when it was found.
    names : tuple of str
        Theirs, which stay when a model makes its states anew.
    leaves : tuple of int
        Their leaves, by position among those of all hidden states.
    shape : tuple of int
        The neurons': batch and population.
    extra : tuple of tuple of int
        For each leaf, the axes it has behind the neurons' (the compartments of a group state).
    """

    states: tuple[brainstate.State, ...]
    names: tuple[str, ...]
    leaves: tuple[int, ...]
    shape: tuple[int, ...]
    extra: tuple[tuple[int, ...], ...]

    @property
    def size(self) -> int:
        """d."""
        return sum(int(np.prod(extra)) for extra in self.extra)

    def variables(self, leaves: list[jax.Array]) -> list[jax.Array]:
        """The d variables, of `shape` behind leading axes, of the leaves of all hidden states."""
        return self.split([leaves[index] for index in self.leaves])

    def split(self, leaves: list[jax.Array]) -> list[jax.Array]:
        """The d variables, of `shape` behind leading axes, of its own leaves."""
        found = []
        for leaf, extra in zip(leaves, self.extra, strict=True):
            flat = leaf.reshape(*leaf.shape[: leaf.ndim - len(extra)], -1)
            found += [flat[..., i] for i in range(flat.shape[-1])]
        return found
