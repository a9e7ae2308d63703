"""Parameters: a weight and its operation (SPEC.md, chapter 9)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import brainstate

from .errors import ValueTypeError
from .operators import ElemWiseOp, ETraceOp

__all__ = ["ETraceParam", "ElemWiseParam", "NonTempParam"]


class Tap(Protocol):
    """What stands between a parameter and its operation while a step is traced."""

    def execute(self, param: ETraceParam, x: Any) -> Any: ...


class AsTheyAre:
    """A tap that leaves operations as they are."""

    def execute(self, param: ETraceParam, x: Any) -> Any:
        return param.op(x, param.value)


_taps: list[Tap] = []


@contextlib.contextmanager
def tapped(tap: Tap) -> Iterator[None]:
    """While this lasts, `ETraceParam.execute` asks `tap`."""
    _taps.append(tap)
    try:
        yield
    finally:
        _taps.pop()


_plain_uses: list[Callable[[NonTempParam, Any], Any]] = []


@contextlib.contextmanager
def plain_uses(by: Callable[[NonTempParam, Any], Any]) -> Iterator[None]:
    """While this lasts, `by` says what a plain parameter's operation makes of an input."""
    _plain_uses.append(by)
    try:
        yield
    finally:
        _plain_uses.pop()


def is_tapped() -> bool:
    """Whether a step is being traced."""
    return bool(_taps)


class _OperationParam(brainstate.ParamState):
    def __init__(self, weight: Any, op: ETraceOp, name: str | None = None, **metadata: Any):
        if not isinstance(op, ETraceOp):
            raise ValueTypeError(
                f"{type(self).__name__}: op must be an ETraceOp, got {type(op).__name__}", got=op
            )
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
    >>> param = brainscale.ETraceParam({"weight": w, "bias": b}, brainscale.MatMulOp())
    >>> y = param.execute(x)
    """

    __module__ = "brainscale"

    def execute(self, x: Any) -> Any:
        """What the operation makes of the input and the weight.

        Raises
        ------
        ParameterUseError
            A second use within a step that is learned, or one inside control flow (LEARN-16).
        """
        if _taps:
            return _taps[-1].execute(self, x)
        return self.op(x, self.value)


class ElemWiseParam(ETraceParam):
    """An element-wise parameter trained with an eligibility trace, such as a leak or a bias.

    Parameters
    ----------
    weight : array or Quantity
        One number for each neuron.
    op : ElemWiseOp or callable, optional
        From the value to what the neurons are given.
    name : str, optional
        Named in errors.
    """

    __module__ = "brainscale"

    def __init__(
        self, weight: Any, op: Any = None, name: str | None = None, **metadata: Any
    ) -> None:
        if not isinstance(op, ETraceOp):
            op = ElemWiseOp() if op is None else ElemWiseOp(op)
        super().__init__(weight, op, name=name, **metadata)

    def execute(self) -> Any:
        """What the operation makes of the weight."""
        return super().execute(None)


class NonTempParam(_OperationParam):
    """A plain parameter with an operation: its gradient is that of each step alone (LEARN-6).

    Parameters
    ----------
    weight, op, name
        As for `ETraceParam`.
    """

    __module__ = "brainscale"

    def execute(self, x: Any) -> Any:
        """What the operation makes of the input and the weight."""
        return _plain_uses[-1](self, x) if _plain_uses else self.op(x, self.value)
