"""Parameters: a weight and its operation (SPEC.md, chapter 9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import brainevent
import brainstate
import brainunit as u
import jax

from ..checks.arguments import check_array, check_function
from ..checks.hints import ArrayLike
from ..errors import ValueTypeError
from ..operators import ElemWiseOp, ETraceOp
from .interception import execute_plain, execute_traced

Operation: TypeAlias = ETraceOp | Callable[[Any, Any], Any]
"""From an input and a weight to y."""

__all__ = ["ETraceParam", "ElemWiseParam", "FakeETraceParam", "FakeElemWiseParam", "NonTempParam"]


def _check_operation(weight: Any, op: Any, owner: Any) -> Operation:
    """Check a weight of arrays, and give its operation (STATE-4)."""
    kind = type(owner).__name__
    leaves = jax.tree.leaves(weight, is_leaf=lambda leaf: isinstance(leaf, u.Quantity))
    for leaf in leaves or [weight]:
        check_array(leaf, f"{kind}: weight")
    if isinstance(op, ETraceOp):
        return op
    if isinstance(owner, ETraceParam):
        raise ValueTypeError(f"{kind}: op must be an ETraceOp, got {type(op).__name__}", got=op)
    return check_function(op, f"{kind}: op, if it is no ETraceOp,", arguments=2)


def _make_element_wise(op: ETraceOp | Callable[[Any], Any] | None) -> ETraceOp:
    if isinstance(op, ETraceOp):
        return op
    return ElemWiseOp() if op is None else ElemWiseOp(op)


def _unwrap_events(x: Any) -> Any:
    """Take the array out of an array of events, as brainpy's projections hand them over."""
    return x.value if isinstance(x, brainevent.EventRepresentation) else x


class _OperationParam(brainstate.ParamState):
    def __init__(self, weight: Any, op: Operation, name: str | None = None, **metadata: Any):
        _check_operation(weight, op, self)
        super().__init__(weight, name=name, **metadata)
        self.op = op


class ETraceParam(_OperationParam):
    """A parameter trained with an eligibility trace.

    Parameters
    ----------
    weight : array, Quantity or mapping of them
        As the operation needs it.
    op : ETraceOp
        The one operation through which it enters the model, once a step.
    name : str, optional
        Named in errors.

    Examples
    --------
    >>> weight = {"weight": jnp.ones((100, 50)) * u.nA, "bias": jnp.zeros(50) * u.nA}
    >>> param = brainscale.ETraceParam(weight, brainscale.MatMulOp())
    >>> param.execute(jnp.ones((16, 100))).shape
    (16, 50)
    """

    __module__ = "brainscale"

    op: ETraceOp

    def execute(self, x: Any) -> Any:
        """Apply the operation to the input and the weight.

        Raises
        ------
        ParameterUseError
            A second use within a step that is learned, or one inside control flow (LEARN-16).
        """
        return execute_traced(self, _unwrap_events(x))


class ElemWiseParam(ETraceParam):
    """An element-wise parameter trained with an eligibility trace, such as a leak or a bias.

    Parameters
    ----------
    weight : array or Quantity
        A number for each neuron, or fewer: one that neurons share has a trace for each of them.
    op : ElemWiseOp or callable, optional
        From the value to what the neurons are given.
    name : str, optional
        Named in errors.

    Examples
    --------
    >>> log_tau = brainscale.ElemWiseParam(jnp.zeros(3), lambda x: jnp.exp(x) * u.ms)
    >>> log_tau.execute()
    Quantity([1. 1. 1.], "ms")
    """

    __module__ = "brainscale"

    def __init__(
        self,
        weight: ArrayLike,
        op: ETraceOp | Callable[[Any], Any] | None = None,
        name: str | None = None,
        **metadata: Any,
    ) -> None:
        super().__init__(weight, _make_element_wise(op), name=name, **metadata)

    def execute(self) -> Any:
        """Apply the operation to the weight."""
        return super().execute(None)


class NonTempParam(_OperationParam):
    """A plain parameter with an operation: its gradient is that of each step alone (LEARN-6).

    Parameters
    ----------
    weight, name
        As for `ETraceParam`.
    op : ETraceOp or callable
        From the input and the weight to y.

    Examples
    --------
    >>> readout = brainscale.NonTempParam(jnp.ones((100, 2)), brainscale.MatMulOp())
    >>> readout.execute(jnp.ones((16, 100))).shape
    (16, 2)
    """

    __module__ = "brainscale"

    def execute(self, x: Any) -> Any:
        """Apply the operation to the input and the weight."""
        return execute_plain(self, _unwrap_events(x))


class FakeETraceParam:
    """A frozen weight and its operation: no trace, no gradient, and no state of the model.

    Parameters
    ----------
    weight : array, Quantity or mapping of them
        As the operation needs it. It is `value`.
    op : ETraceOp or callable
        From the input and the weight to y.
    name : str, optional
        Named in errors.

    Notes
    -----
    Its operation is a trainable operation in all but training: what is old in its input is held
    fixed, so that frozen connections between neurons do not stand in the way of learning, and
    derivatives pass through it within a step. It is used at most once a step.

    Examples
    --------
    >>> recurrent = brainscale.FakeETraceParam(jnp.ones((100, 100)) * u.nA, brainscale.MatMulOp())
    >>> recurrent.execute(jnp.ones((16, 100))).shape
    (16, 100)
    """

    __module__ = "brainscale"

    def __init__(self, weight: Any, op: Operation, name: str | None = None):
        self.value, self.op, self.name = weight, _check_operation(weight, op, self), name

    def execute(self, x: Any) -> Any:
        """Apply the operation to the input and the weight.

        Raises
        ------
        ParameterUseError
            As for `ETraceParam`.
        """
        return execute_traced(self, _unwrap_events(x))


class FakeElemWiseParam(FakeETraceParam):
    """A frozen element-wise parameter. As it has no input, it is a constant.

    Parameters
    ----------
    weight, op, name
        As for `ElemWiseParam`.

    Examples
    --------
    >>> tau = brainscale.FakeElemWiseParam(jnp.full(3, 20.0) * u.ms)
    >>> tau.execute()
    Quantity([20. 20. 20.], "ms")
    """

    __module__ = "brainscale"

    def __init__(
        self,
        weight: ArrayLike,
        op: ETraceOp | Callable[[Any], Any] | None = None,
        name: str | None = None,
    ):
        super().__init__(weight, _make_element_wise(op), name)

    def execute(self) -> Any:
        """Apply the operation to the weight."""
        return self.op(None, self.value)
