"""Whether derivatives come back through a step in proportion to what is pulled back.

D and F of a step are its derivatives alone, whatever meets them later. A backward pass of its own
that clips, normalises or adds to what comes back has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp

from ..errors import (
    HiddenPathError,
    LateralPathError,
    OperationError,
    ParameterUseError,
    UnreachedError,
)
from .backward_programs import list_equations
from .dependence.proportion import NOT_TRANSPOSED, find_bend
from .keys import id_of
from .leaves import floats
from .pure_step import Step, Values

__all__ = [
    "NOT_TRANSPOSED",
    "blaming_backward_passes",
    "check_linear",
    "check_pull_back",
    "check_weight_functions",
    "has_backward_pass",
    "is_bent_by_parameters",
    "make_transpose_error",
]


def check_linear(step: Step, args: tuple[Any, ...]) -> None:
    """Refuse dynamics whose derivative depends on what is pulled back.

    Raises
    ------
    OperationError
    """
    if not has_backward_pass(step.function.program.jaxpr):
        return

    def split(values: Values, args: Any, ys: Values) -> tuple[Callable, Any]:
        hidden = [values[id_of(s)] for s in step.hidden]
        outputs = [ys[key] for key in step.operations]

        def advance(leaves: list[Any], y: list[Any]) -> list[Any]:
            now = values | step.by_identity(step.hidden, hidden, leaves)
            ys = step.by_identity(list(step.operations.values()), outputs, y)
            _, after, _ = step.record_with_outputs(now, args, ys, {})
            return floats([after[id_of(s)] for s in step.hidden])

        return advance, (floats(hidden), floats(outputs))

    program, count = _trace_pull_back(step, args, split)
    _check_program(program, count)


def is_bent_by_parameters(step: Step, args: tuple[Any, ...]) -> bool:
    """Say whether what comes back to parameters past operations is no linear function of it all.

    Steps that are differentiated at once have one parameter, to which all comes back in one.
    """
    if not has_backward_pass(step.function.program.jaxpr):
        return False

    def split(values: Values, args: Any, ys: Values) -> tuple[Callable, Any]:
        plain = [values[id_of(s)] for s in step.plain]
        weights = [values[key] for key in step.params]

        def advance(p: list[Any], w: list[Any]) -> list[Any]:
            now = values | step.by_identity(step.plain, plain, p)
            now |= step.by_identity(list(step.params.values()), weights, w)
            out, after, _ = step.record_with_outputs(now, args, ys, dict.fromkeys(ys, True))
            return floats((out, [after[id_of(s)] for s in step.written_states]))

        return advance, (floats(plain), floats(weights))

    return bool(_find_bend(*_trace_pull_back(step, args, split)))


def _trace_pull_back(
    step: Step, args: tuple[Any, ...], split: Callable[..., tuple[Callable, Any]]
) -> tuple[Any, int]:
    """Trace the pull-back of a function of a step: its program, and the count of its cotangents.

    `split` makes the function and the point at which it is pulled back, from the values of the
    states, the arguments and what operations put out.
    """

    def run(*of_step: Any) -> list[Any]:
        advance, point = split(*of_step)
        return advance(*point)

    def pull_back(cotangents: list[Any], *of_step: Any) -> Any:
        advance, point = split(*of_step)
        return jax.vjp(advance, *point)[1](cotangents)

    values = step.values()
    uses = jax.eval_shape(lambda values, args: step.record(values, args)[2], values, args)
    of_step = values, args, {key: uses[key].y for key in step.operations}
    results = jax.eval_shape(run, *of_step)
    return jax.make_jaxpr(pull_back)(results, *of_step), len(results)


def check_weight_functions(step: Step) -> None:
    """Refuse weight functions whose derivative depends on what is pulled back.

    Raises
    ------
    OperationError
    """
    for key, effective in step.effective.items():
        if not has_backward_pass(effective.program.jaxpr):
            continue
        value = step.params[key].value
        like = jax.tree.map(jnp.zeros_like, jax.eval_shape(effective, value))
        program = jax.make_jaxpr(lambda ct, f=effective, w=value: jax.vjp(f, w)[1](ct))(like)
        _check_program(program, len(jax.tree.leaves(like)))


def has_backward_pass(jaxpr: Any) -> bool:
    """Whether a program, or one in it, has a backward pass of its own."""
    return any(e.primitive.name.startswith("custom_vjp") for e in list_equations(jaxpr))


def check_pull_back(pull_back: Callable, results: Any) -> None:
    """Refuse a pull-back that is not linear in what comes back, by results like these.

    Raises
    ------
    OperationError
    """
    _check_program(jax.make_jaxpr(pull_back)(results), len(jax.tree.leaves(results)))


@contextmanager
def blaming_backward_passes(step: Step, args: tuple[Any, ...]) -> Iterator[None]:
    """Refuse what a backward pass does, where paths are refused because of it.

    One that clips by a norm mixes neurons, and one that is a constant has no path at all.
    """
    try:
        yield
    except (HiddenPathError, LateralPathError, ParameterUseError, UnreachedError):
        check_linear(step, args)
        raise


def _check_program(program: Any, cotangents: int) -> None:
    """Refuse a program that is not linear in its first inputs, as many as there are cotangents."""
    reason = _find_bend(program, cotangents)
    if not reason:
        return
    raise OperationError(
        f"the backward pass of a step is no linear function of what comes back ({reason}), so that "
        "the step has no derivative of its own (a custom_vjp in it that clips, rounds or "
        "normalises gradients, or adds to them?): clip the gradients that the learner returns, or "
        "stop the gradient there"
    )


def _find_bend(program: Any, cotangents: int) -> str:
    """Say why a program is not linear in its first inputs, or nothing."""
    rest = len(program.jaxpr.invars) - cotangents
    return find_bend(program, [True] * cotangents + [False] * rest)


def make_transpose_error(error: Exception) -> OperationError:
    """Make the error that says that JAX has no way forward through a backward pass."""
    return OperationError(
        f"JAX cannot transpose the backward pass of a step ({str(error).splitlines()[0]}): write "
        "the custom_vjp in it without what has no transpose (a loop by lax.scan, not by "
        "lax.while_loop), stop the gradient there, or learn by D-RTRL"
    )
