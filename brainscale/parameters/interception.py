"""The one place where the use of a parameter's operation is intercepted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

__all__ = ["execute", "execute_plain", "execute_traced", "intercepting", "is_intercepted"]

Execute = Callable[[Any, Any], Any]
"""From a parameter and its operation's input to y."""


def execute(param: Any, x: Any) -> Any:
    """Apply a parameter's operation as it is."""
    return param.op(x, param.value)


_TRACED: ContextVar[Execute | None] = ContextVar("traced", default=None)
_PLAIN: ContextVar[Execute | None] = ContextVar("plain", default=None)


@contextlib.contextmanager
def intercepting(*, traced: Execute | None = None, plain: Execute | None = None) -> Iterator[None]:
    """Have others apply operations while this lasts.

    Parameters
    ----------
    traced, plain : callable, optional
        From a parameter and its operation's input to y: of parameters with a trace and of frozen
        ones; of plain ones. What is not given stays as it is.
    """
    with contextlib.ExitStack() as stack:
        for variable, function in ((_TRACED, traced), (_PLAIN, plain)):
            if function is not None:
                stack.callback(variable.reset, variable.set(function))
        yield


def is_intercepted() -> bool:
    """Whether a learner makes the step, and applies the operations of parameters with traces."""
    return _TRACED.get() is not None


def execute_traced(param: Any, x: Any) -> Any:
    """Apply the operation of a parameter with a trace, or of a frozen one."""
    return (_TRACED.get() or execute)(param, x)


def execute_plain(param: Any, x: Any) -> Any:
    """Apply the operation of a plain parameter."""
    return (_PLAIN.get() or execute)(param, x)
