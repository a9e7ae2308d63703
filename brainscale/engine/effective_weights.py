"""The effective weight of a parameter, as it is made within a step (SPEC.md, LEARN-7)."""

from __future__ import annotations

from typing import Any

import jax

from ..parameters import ETraceParam

__all__ = ["EffectiveWeight"]


class EffectiveWeight:
    """The mask and the weight function of a parameter, traced where a step applies them.

    A weight function may read what the step says around it, such as a `dt` of an `environ.context`
    or an attribute that the step sets: made elsewhere, it might be another function.

    Parameters
    ----------
    param : ETraceParam

    Attributes
    ----------
    program : ClosedJaxpr
    """

    def __init__(self, param: ETraceParam):
        self.program, self._result = jax.make_jaxpr(param.op.effective, return_shape=True)(
            param.value
        )

    def __call__(self, weight: Any) -> Any:
        """Make the effective weight, a tree of arrays, from a value like the parameter's."""
        leaves = jax.core.eval_jaxpr(
            self.program.jaxpr, self.program.consts, *jax.tree.leaves(weight)
        )
        return jax.tree.unflatten(jax.tree.structure(self._result), leaves)
