"""The record of a state's past values (SPEC.md, chapter 5)."""

from __future__ import annotations

from typing import Any, NamedTuple

import brainstate
import jax.numpy as jnp

from ..checks.arguments import check_integer
from ..errors import HistoryError
from .leaves import Leaf, magnitude, unit_of, with_unit

__all__ = ["ETraceHistory"]


class ETraceHistory(brainstate.ShortTermState):
    """The past values of one state: a list with a leaf for each leaf of that state.

    Each leaf has the shape of the state's and a *last* axis of length K, oldest first. The axis is
    last so that the axis of a batch or of a `vmap` is where it is in the state itself; name both
    states to `brainstate.transform.vmap`: ``in_states={0: [state, state.history_state]}``.

    Examples
    --------
    >>> V = brainscale.ETraceState(jnp.zeros(2) * u.mV, name="V", history=3)
    >>> V.value = jnp.ones(2) * u.mV
    >>> V.history.shape  # oldest first
    (3, 2)
    >>> isinstance(V.history_state, brainscale.ETraceHistory)
    True
    """

    __module__ = "brainscale"

    length: int

    @classmethod
    def filled(cls, leaves: list[Leaf], length: int) -> ETraceHistory:
        """Make a history whose K entries are all these leaves (HIST-2)."""
        return cls([_repeat(leaf, length) for leaf in leaves], length=length)

    @classmethod
    def unpacked(cls, past: list[Leaf]) -> ETraceHistory:
        """Make a history of these past values, as `Recorded` has them."""
        return cls(past, length=magnitude(past[0]).shape[-1])

    def push(self, leaves: list[Leaf]) -> None:
        """Add the values just replaced, and forget the oldest (HIST-2, HIST-5)."""
        self.value = [
            with_unit(
                jnp.concatenate([magnitude(past)[..., 1:], magnitude(leaf)[..., None]], axis=-1),
                unit_of(past),
            )
            for past, leaf in zip(self.value, leaves, strict=True)
        ]


class Recorded(NamedTuple):
    """A state's value together with its history, as one pytree.

    What a `brainstate.TreefyState` holds of a state with a history: its past is then split, merged
    and saved with it.
    """

    value: Any
    past: list[Leaf]


def move_time_first(leaf: Leaf) -> Leaf:
    """Move the time axis of a history's leaf to the front, (K, ...) (HIST-2)."""
    return with_unit(jnp.moveaxis(magnitude(leaf), -1, 0), unit_of(leaf))


def move_time_last(leaf: Leaf) -> Leaf:
    """Move the time axis of a history's leaf to the end, (..., K), as `ETraceHistory` holds it."""
    return with_unit(jnp.moveaxis(magnitude(leaf), 0, -1), unit_of(leaf))


def check_length(history: Any, where: str) -> int:
    """Give K, an integer from 0 (HIST-1)."""
    return check_integer(history, f"history of {where}", 0)


def make_history_error(where: str) -> HistoryError:
    """Make the error for the history of a state that keeps none (HIST-1)."""
    return HistoryError(f"{where} keeps no history; make it with history=K, K > 0", needs="history")


def _repeat(leaf: Leaf, length: int) -> Leaf:
    """Repeat a leaf `length` times along a new last axis."""
    array = jnp.asarray(magnitude(leaf))[..., None]
    return with_unit(jnp.broadcast_to(array, (*array.shape[:-1], length)), unit_of(leaf))
