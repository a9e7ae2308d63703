"""Whether derivatives come back through a step in proportion to what is pulled back.

D and F of a step are its derivatives alone, whatever meets them later. A backward pass of its own
that clips or normalises what comes back has none.
"""

from __future__ import annotations

import re
from typing import Any

import jax
import jax.numpy as jnp

from ..errors import OperationError
from .pure_step import Values, floats
from .step_graph import Structure

__all__ = ["NOT_TRANSPOSED", "not_proportional", "refuse_clipping"]

NOT_TRANSPOSED = (NotImplementedError, AssertionError, RuntimeError, ValueError)
"""What JAX raises for a function that it cannot transpose."""


def refuse_clipping(structure: Structure, args: tuple[Any, ...]) -> None:
    """Refuse dynamics whose derivative depends on what is pulled back.

    Raises
    ------
    OperationError
    """
    step = structure.step

    def of_step(values: Values, args: Any, given: Values) -> Any:
        hidden = [values[id(s)] for s in step.hidden]
        outputs = [given[key] for key in step.operations]

        def advance(leaves: list[Any], y: list[Any]) -> list[Any]:
            now = values | step.by_identity(step.hidden, hidden, leaves)
            ys = step.by_identity(list(step.operations.values()), outputs, y)
            _, after, _ = step.given(now, args, ys, {})
            return floats([after[id(s)] for s in step.hidden])

        point = floats(hidden), floats(outputs)
        new, pull_back = jax.vjp(advance, *point)
        try:
            jax.eval_shape(jax.linear_transpose(pull_back, new), point)
        except NOT_TRANSPOSED as error:
            if _is_of_nonlinear(error):
                raise not_proportional() from error
        return jnp.zeros(())

    ys = {key: structure.uses[key].y for key in step.operations}
    jax.eval_shape(of_step, step.values(), args, ys)


def not_proportional() -> OperationError:
    """The error that says so."""
    return OperationError(
        "the backward pass of a step is no linear function of what comes back, so that the step "
        "has no derivative of its own (a custom_vjp in it that clips or normalises gradients?): "
        "clip the gradients that the learner returns, or stop the gradient there"
    )


def _is_of_nonlinear(error: Exception) -> bool:
    """Whether JAX does not transpose since what it met is nonlinear, and not for lack of a rule."""
    if isinstance(error, NotImplementedError):
        found = re.search(r"Transpose rule .* for '(\w+)' not implemented", str(error))
        # A loop may be linear; what is no primitive of JAX is unknown.
        return bool(found) and found[1] != "while" and hasattr(jax.lax, f"{found[1]}_p")
    return isinstance(error, AssertionError) or "nonlinear" in str(error)
