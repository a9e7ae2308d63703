"""The effective weight of a parameter, as it is made within a step (SPEC.md, LEARN-7)."""

from __future__ import annotations

from typing import Any

import jax
from jax.core import eval_jaxpr

from ..operators import ETraceOp

__all__ = ["EffectiveWeight"]


class EffectiveWeight:
    """The mask and the weight function of a parameter, traced where a step applies them.

    A weight function may read what the step says around it, such as a `dt` of an `environ.context`
    or an attribute that the step sets: made elsewhere, it might be another function.

    Parameters
    ----------
    op : ETraceOp
    value : tree of arrays
        Like the parameter's.

    Attributes
    ----------
    program : ClosedJaxpr
    """

    def __init__(self, op: ETraceOp, value: Any):
        self.program, self._result = jax.make_jaxpr(op.effective, return_shape=True)(value)

    def __call__(self, weight: Any) -> Any:
        """Make the effective weight, a tree of arrays, from a value like the parameter's."""
        leaves = eval_jaxpr(self.program.jaxpr, self.program.consts, *jax.tree.leaves(weight))
        return jax.tree.unflatten(jax.tree.structure(self._result), leaves)
