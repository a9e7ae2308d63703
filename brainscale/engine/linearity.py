"""Whether derivatives come back through a step in proportion to what is pulled back.

D and F of a step are its derivatives alone, whatever meets them later. A backward pass of its own
that clips, normalises or adds to what comes back has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax

from ..errors import (
    HiddenPathError,
    LateralPathError,
    OperationError,
    ParameterUseError,
    UnreachedError,
)
from .dependence.proportion import NOT_TRANSPOSED, find_bend
from .leaves import floats
from .pure_step import Step, Values, trace_step

__all__ = [
    "NOT_TRANSPOSED",
    "check_linear",
    "check_pull_back",
    "make_transpose_error",
    "naming_clipping",
]


def check_linear(step: Step, args: tuple[Any, ...]) -> None:
    """Refuse dynamics whose derivative depends on what is pulled back.

    Raises
    ------
    OperationError
    """

    def split(values: Values, args: Any, ys: Values) -> tuple[Callable, Any]:
        hidden = [values[id(s)] for s in step.hidden]
        outputs = [ys[key] for key in step.operations]

        def advance(leaves: list[Any], y: list[Any]) -> list[Any]:
            now = values | step.by_identity(step.hidden, hidden, leaves)
            ys = step.by_identity(list(step.operations.values()), outputs, y)
            _, after, _ = step.record_with_outputs(now, args, ys, {})
            return floats([after[id(s)] for s in step.hidden])

        return advance, (floats(hidden), floats(outputs))

    def run(*of_step: Any) -> list[Any]:
        advance, point = split(*of_step)
        return advance(*point)

    def pull_back(cotangents: list[Any], *of_step: Any) -> Any:
        advance, point = split(*of_step)
        return jax.vjp(advance, *point)[1](cotangents)

    values = step.values()
    uses = jax.eval_shape(lambda values, args: step.record(values, args)[2], values, args)
    of_step = values, args, {key: uses[key].y for key in step.operations}
    new = jax.eval_shape(run, *of_step)
    _check_program(jax.make_jaxpr(pull_back)(new, *of_step), len(new))


def check_pull_back(pull_back: Callable, results: Any) -> None:
    """Refuse a pull-back that is not linear in what comes back, by results like these.

    Raises
    ------
    OperationError
    """
    _check_program(jax.make_jaxpr(pull_back)(results), len(jax.tree.leaves(results)))


@contextmanager
def naming_clipping(function: Any, args: tuple[Any, ...], name_of: Any) -> Iterator[None]:
    """Refuse what a backward pass does, where paths are refused because of it.

    One that clips by a norm mixes neurons, and one that is a constant has no path at all. The
    arguments are those of `trace_step`.
    """
    try:
        yield
    except (HiddenPathError, LateralPathError, ParameterUseError, UnreachedError):
        check_linear(trace_step(function, args, name_of), args)
        raise


def _check_program(program: Any, cotangents: int) -> None:
    """Refuse a program that is not linear in its first inputs, as many as there are cotangents."""
    rest = len(program.jaxpr.invars) - cotangents
    reason = find_bend(program, [True] * cotangents + [False] * rest)
    if not reason:
        return
    raise OperationError(
        f"the backward pass of a step is no linear function of what comes back ({reason}), so that "
        "the step has no derivative of its own (a custom_vjp in it that clips, rounds or "
        "normalises gradients, or adds to them?): clip the gradients that the learner returns, or "
        "stop the gradient there"
    )


def make_transpose_error(error: Exception) -> OperationError:
    """Make the error that says that JAX has no way forward through a backward pass."""
    return OperationError(
        f"JAX cannot transpose the backward pass of a step ({str(error).splitlines()[0]}): write "
        "the custom_vjp in it without what has no transpose (a loop by lax.scan, not by "
        "lax.while_loop), stop the gradient there, or learn by D-RTRL"
    )
