"""The traces of a learner, each the state of one parameter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import brainstate
import jax
import jax.numpy as jnp

from .between_steps import check_between_steps

__all__ = ["EligibilityTrace", "Placement", "count_axes", "make_zeros", "read_members"]


class EligibilityTrace(brainstate.ShortTermState):
    """The trace of one parameter, as its rule keeps it: what a learner's `etraces` hold.

    Its value has no units and a layout of the rule's own; `ETraceAlgorithm.get_etrace_of` reads it
    by the names of hidden states, with units.

    Examples
    --------
    >>> model = brainscale.nn.VanillaRNNCell(3, 8)
    >>> learner = brainscale.compile(model, "D_RTRL", jnp.zeros((16, 3)), batch_size=16)
    >>> learner.etraces.keys()
    dict_keys(['W.weight'])
    >>> learner.get_etrace_of("W.weight")["h"]["weight"].shape
    (16, 11, 8)
    """

    __module__ = "brainscale"

    @property
    def value(self) -> Any:
        """The trace.

        Raises
        ------
        StructureError
            Within a step of `etrace_grad`, which knows the traces before its sequence alone.
        """
        check_between_steps()
        return super().value

    @value.setter
    def value(self, value: Any) -> None:
        check_between_steps()
        brainstate.State.value.__set__(self, value)

    def _check_value_tree(self, v: Any) -> None:
        """Let it be of more states than before: another kind of step may write others."""


class Placement(Protocol):
    """Where what a learner makes lies on a mesh of devices."""

    def put(self, name: str, value: Any) -> Any:
        """Put a value where what has this name lies."""

    def begin_traces(self, learner: Any, begin: Callable[[], Any]) -> Any:
        """Make the traces that `begin` makes, by name, where they lie."""


def count_axes(trace: Any) -> int:
    """Count the axes of a trace, that of members too: those of its first part."""
    return next((len(leaf.shape) for leaf in jax.tree.leaves(trace)), 0)


def make_zeros(likes: Any) -> Any:
    """Make traces of zeros with these shapes and dtypes."""
    return jax.tree.map(lambda like: jnp.zeros(like.shape, like.dtype), likes)


def read_members(read: Callable[[Any], Any], trace: Any, axes: int) -> Any:
    """Read a trace by what reads that of one member, which has so many axes.

    Where a `vmap` has made a trace for each member, all are read, with their axis first.
    """
    for _ in range(count_axes(trace) - axes):
        read = jax.vmap(read)
    return read(trace)
