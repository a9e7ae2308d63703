"""What stands between a step's trainable operations and what they compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import brainstate
from jax.extend.core import get_opaque_trace_state

from ..errors import ParameterUseError
from ..operators import ETraceOp
from ..parameters import ETraceParam, FakeETraceParam
from .effective_weights import EffectiveWeight, TracedFunction
from .keys import StateId, id_of
from .marks import mark
from .step_refusals import check_states_read, make_nesting_error

__all__ = ["Interceptor", "Use"]


class Use(NamedTuple):
    """What went into an operation, and what came out."""

    x: Any
    y: Any


class Interceptor:
    """Applies the operations of one step, and marks what they take and put out in its program.

    Parameters
    ----------
    name_of : callable
        From a parameter to its name.

    Attributes
    ----------
    uses : dict from the identity of a parameter to its Use
    operations : dict of ETraceParam and FakeETraceParam
        Those that were applied, by their identity, in order.
    effective : dict from the identity of a parameter to an EffectiveWeight
        Of the parameters with traces.
    calls : dict from the identity of a parameter to a TracedFunction
        Those of operations with traces that are called in a way of their own.
    """

    def __init__(self, name_of: Callable[[Any], str]):
        self.name_of = name_of
        self.uses: dict[StateId, Use] = {}
        self.operations: dict[StateId, ETraceParam | FakeETraceParam] = {}
        self.effective: dict[StateId, EffectiveWeight] = {}
        self.calls: dict[StateId, TracedFunction] = {}
        self._outer: ETraceParam | FakeETraceParam | None = None
        self.trace = get_opaque_trace_state(convention="brainscale")

    def execute(self, param: ETraceParam | FakeETraceParam, x: Any) -> Any:
        """Apply a parameter's operation, once in a step."""
        key = id_of(param)
        if self._outer is not None:
            raise make_nesting_error(self.name_of(param), self.name_of(self._outer))
        if key in self.uses:
            raise ParameterUseError(f"{self.name_of(param)} is used a second time within a step")
        if get_opaque_trace_state(convention="brainscale") != self.trace:
            raise ParameterUseError(
                f"{self.name_of(param)} is used inside a transformation or control flow within "
                "the step (jit, vmap, scan, cond, ...), where it cannot be followed: use it outside"
            )
        number = len(self.uses)
        value = param.value
        x, weight = mark(x, number, "x"), mark(value, number, "w")
        self._outer = param
        with brainstate.StateTraceStack() as inside:
            y = mark(param.op(x, weight), number, "y")
            if isinstance(param, ETraceParam):
                self.effective[key] = EffectiveWeight(param.op, value)
                if type(param.op).__call__ is not ETraceOp.__call__:
                    self.calls[key] = TracedFunction(param.op, x, value)
        self._outer = None
        check_states_read(param, inside.states, self.name_of)
        self.uses[key] = Use(x, y)
        self.operations[key] = param
        return y

    def hand_over_uses(self) -> dict[StateId, Use]:
        """Give the uses at the end of the step, and keep none: they are of its trace alone."""
        uses, self.uses = self.uses, {}
        return uses
