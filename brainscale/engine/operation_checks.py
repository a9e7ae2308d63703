"""What is refused of trainable operations before a rule deals with them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import OperationError, ShapeError
from .keys import StateId
from .leaves import is_complex, is_float, strip_units, with_leaves
from .step_graph import StepGraph

__all__ = ["check_derivatives", "check_methods"]


def check_methods(graph: StepGraph, needs: tuple[str, ...]) -> None:
    """Refuse an operation that does not define what a rule needs, or not in the weight's shape."""
    for key, param in graph.step.params.items():
        op, name = param.op, graph.name_of(param)
        kinds = [leaf.dtype.name for leaf in jax.tree.leaves(param.value) if not is_float(leaf)]
        if kinds:
            raise OperationError(
                f"{name} has a leaf of {kinds[0]}, which has no gradient: let the operation keep it"
            )

        def call(x: Any, y: Any, weight: Any, op: Any = op) -> dict[str, Any]:
            pre = op.presynaptic(x, y, weight)
            methods = {
                "outer": lambda: op.outer(pre, y, weight),
                "spread": lambda: op.spread(y[0], weight),
                "total": lambda: op.total(op.outer(pre, y, weight), weight),
                "pull_back": lambda: op.pull_back(pre, y, weight),
            }
            return {method: methods[method]() for method in needs}

        x, y = jax.tree.map(lambda leaf: leaf[None], strip_units(tuple(graph.uses[key])))
        effective = jax.eval_shape(graph.step.effective[key], param.value)
        weight = strip_units(effective)
        try:
            results = jax.eval_shape(call, x, y, weight)
        except OperationError as error:
            raise OperationError(f"{name}: {error}") from error
        for method in {"total", "pull_back"} & set(results):
            got, wanted = (jax.tree.map(jnp.shape, tree) for tree in (results[method], weight))
            if got != wanted:
                raise ShapeError(
                    f"{name}: {type(op).__name__}.{method} gives {got}, the effective weight has "
                    f"the shape {wanted}",
                    got=got,
                    needs=wanted,
                )


def check_derivatives(graph: StepGraph, needs: tuple[str, ...]) -> None:
    """Refuse an operation whose methods are not the derivative of what it applies, on some numbers.

    Those of this package are known to be; a user's own are not. Complex ones are not looked at.

    Raises
    ------
    OperationError
    """
    for key, param in graph.step.params.items():
        if type(param.op).__module__.partition(".")[0] != "brainscale":
            with jax.ensure_compile_time_eval():
                _check_derivative(graph, key, needs)


def _check_derivative(graph: StepGraph, key: StateId, needs: tuple[str, ...]) -> None:
    op, rng = graph.step.params[key].op, np.random.default_rng(0)

    def draw(like: Any) -> jax.Array:
        numbers = rng.normal(size=like.shape) if is_float(like) else np.zeros(like.shape)
        return jnp.asarray(numbers, like.dtype)

    likes = (
        graph.uses[key].x,
        jax.eval_shape(graph.step.effective[key], graph.step.params[key].value),
    )
    if any(map(is_complex, jax.tree.leaves(likes))):
        return
    x, weight = jax.tree.map(draw, likes)

    def apply(leaves: list[jax.Array]) -> jax.Array:
        return strip_units(op.apply(x, with_leaves(weight, leaves)))

    y, pull_back = jax.vjp(apply, jax.tree.leaves(weight))
    c = draw(y)
    (wanted,) = pull_back(c)
    x, numbers = strip_units((x, weight))
    x, y, c = jax.tree.map(lambda leaf: leaf[None], (x, y, c))
    pre = op.presynaptic(x, y, numbers)
    ways = {"pull_back": lambda: op.pull_back(pre, c, numbers)}
    ways["total"] = lambda: op.total(op.outer(pre, c, numbers), numbers)
    for method in ways.keys() & set(needs):
        for got, other in zip(jax.tree.leaves(ways[method]()), wanted, strict=True):
            scale = np.abs(other).max(initial=1e-3)
            if not np.allclose(got, other, rtol=1e-3, atol=1e-3 * scale):
                raise OperationError(
                    f"{graph.name_of(graph.step.params[key])}: what {type(op).__name__}.{method} "
                    "makes is not the derivative of what its `apply` makes by the effective weight:"
                    " define presynaptic, outer, spread and total for this `apply`",
                    got=got,
                    needs=other,
                )
