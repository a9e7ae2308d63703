"""What an operation makes, as it is made within a step: its effective weight (SPEC.md, LEARN-7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax.core import eval_jaxpr

from ..operators import ETraceOp

__all__ = ["EffectiveWeight", "TracedFunction"]


class TracedFunction:
    """A function as it is where it is traced.

    Parameters
    ----------
    function : callable
    args : trees of arrays
        Its arguments, or their likes.

    Attributes
    ----------
    program : ClosedJaxpr
    """

    def __init__(self, function: Callable[..., Any], *args: Any):
        self.program, self._result = jax.make_jaxpr(function, return_shape=True)(*args)

    def __call__(self, *args: Any) -> Any:
        """Make its result of arguments like those."""
        leaves = eval_jaxpr(self.program.jaxpr, self.program.consts, *jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(self._result), leaves)


class EffectiveWeight(TracedFunction):
    """The mask and the weight function of a parameter, traced where a step applies them.

    A weight function may read what the step says around it, such as a `dt` of an `environ.context`
    or an attribute that the step sets: made elsewhere, it might be another function.

    Parameters
    ----------
    op : ETraceOp
    value : tree of arrays
        Like the parameter's.
    """

    def __init__(self, op: ETraceOp, value: Any):
        super().__init__(op.effective, value)
