"""What is refused of trainable operations before a rule deals with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import BrainscaleError, OperationError, ShapeError
from ..operators import ETraceOp
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


class _Samples(NamedTuple):
    """Numbers on which an operation is tried, without units."""

    weight: Any
    steps: list[tuple[Any, jax.Array, jax.Array]]
    """Of each step x, y, and a cotangent of y, with a leading axis of one."""
    wanted: list[jax.Array]
    """For each leaf of the effective weight its derivatives in each step, (steps, *leaf)."""

    @property
    def together(self) -> tuple[Any, jax.Array, jax.Array]:
        """The steps, with a leading axis of all."""
        return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *self.steps)


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
                _check_operation(graph, key, needs)


def _check_operation(graph: StepGraph, key: StateId, needs: tuple[str, ...]) -> None:
    param, rng = graph.step.params[key], np.random.default_rng(0)
    op, x, effective = param.op, graph.uses[key].x, graph.step.effective[key]
    name = f"{graph.name_of(param)}: what {type(op).__name__}"

    def draw(like: Any) -> jax.Array:
        numbers = rng.normal(size=like.shape) if is_float(like) else np.zeros(like.shape)
        return jnp.asarray(numbers, like.dtype)

    likes = x, jax.eval_shape(effective, param.value)
    if any(map(is_complex, jax.tree.leaves(likes))):
        return
    if key in graph.step.calls:
        x, value = jax.tree.map(draw, (x, param.value))
        if not _is_close(graph.step.calls[key](x, value), op.apply(x, effective(value))):
            raise OperationError(
                f"{name}.__call__ makes is not what `apply` makes of the effective weight, of "
                "which the derivatives are: define `apply` and `effective`, and leave __call__"
            )
    methods = [method for method in ("pull_back", "total") if method in needs]
    try:
        samples = _draw_samples(op, likes, draw)
        _check_first_gradients(name, op, methods, samples)
        if {"outer", "spread"} <= set(needs):
            _check_trace(name, op, samples)
        _check_sums(name, op, methods, samples)
    except (TypeError, ValueError, IndexError) as error:
        if isinstance(error, BrainscaleError):
            raise
        raise OperationError(
            f"{name} makes of two steps, or of spread times a trace, fails: "
            f"{str(error).splitlines()[0]}"
        ) from error


def _draw_samples(op: ETraceOp, likes: tuple[Any, Any], draw: Callable[[Any], Any]) -> _Samples:
    """Draw two steps of an operation, of inputs and an effective weight like these."""
    like, weight = likes[0], jax.tree.map(draw, likes[1])
    steps, wanted = [], []
    for x in (jax.tree.map(draw, like), jax.tree.map(draw, like)):

        def apply(leaves: list[jax.Array], x: Any = x) -> jax.Array:
            return strip_units(op.apply(x, with_leaves(weight, leaves)))

        y, pull_back = jax.vjp(apply, jax.tree.leaves(weight))
        c = draw(y)
        wanted.append(pull_back(c)[0])
        steps.append(jax.tree.map(lambda leaf: leaf[None], (strip_units(x), y, c)))
    by_leaf = [jnp.stack(of_steps) for of_steps in zip(*wanted, strict=True)]
    return _Samples(strip_units(weight), steps, by_leaf)


def _make_gradient(op: ETraceOp, method: str, weight: Any, steps: Any) -> list[jax.Array]:
    """Make the gradient by the effective weight in one of two ways."""
    x, y, c = steps
    pre = op.presynaptic(x, y, weight)
    if method == "pull_back":
        return jax.tree.leaves(op.pull_back(pre, c, weight))
    return jax.tree.leaves(op.total(op.outer(pre, c, weight), weight))


def _check_first_gradients(name: str, op: ETraceOp, methods: list[str], samples: _Samples) -> None:
    """Refuse `total` of `outer`, and `pull_back`, if it is not the derivative of `apply`."""
    wanted = [leaf[0] for leaf in samples.wanted]
    for method in methods:
        if not _is_close(_make_gradient(op, method, samples.weight, samples.steps[0]), wanted):
            raise OperationError(
                f"{name}.{method} makes is not the derivative of what its `apply` makes by the "
                "effective weight: define presynaptic, outer, spread and total for this `apply`"
            )


def _check_sums(name: str, op: ETraceOp, methods: list[str], samples: _Samples) -> None:
    """Refuse what does not sum over steps."""
    wanted = [leaf.sum(0) for leaf in samples.wanted]
    for method in methods:
        if not _is_close(_make_gradient(op, method, samples.weight, samples.together), wanted):
            raise OperationError(
                f"{name}.{method} makes of two steps is not the sum of what it makes of each: "
                "presynaptic factors keep their leading axis of steps, and it sums over it"
            )


def _check_trace(name: str, op: ETraceOp, samples: _Samples) -> None:
    """Refuse `outer` and `spread` if an entry of a trace is not by one element of y."""
    weight = samples.weight

    def make(x: Any, y: jax.Array, f: jax.Array) -> Any:
        return op.outer(op.presynaptic(x, y, weight), f, weight)

    one, two = (make(*step) for step in samples.steps)
    same = jax.tree.map(jnp.shape, one) == jax.tree.map(jnp.shape, two)
    if not same or not _is_close(make(*samples.together), jax.tree.map(jnp.add, one, two)):
        raise OperationError(
            f"{name}.outer makes of two steps is not the sum of what it makes of each: presynaptic "
            "factors keep their leading axis of steps, and outer sums over it"
        )
    x, y, f = samples.steps[0]
    of_ones, factor = make(x, y, jnp.ones_like(f)), op.spread(f[0], weight)
    if not _is_close(one, jax.tree.map(jnp.multiply, of_ones, factor)):
        raise OperationError(
            f"{name}.outer makes of one step, of shape {jax.tree.map(jnp.shape, one)}, is not what "
            f"it makes of ones times {type(op).__name__}.spread, of shape "
            f"{jax.tree.map(jnp.shape, factor)}: an entry of a trace is by one element of y, whose "
            "number spread gives for it; entries of a batch are summed by total alone"
        )


def _is_close(got: Any, wanted: Any) -> bool:
    """Whether two trees are the same, and their arrays of one shape and nearly equal."""
    leaves, others = jax.tree.leaves(got), jax.tree.leaves(wanted)
    return jax.tree.structure(got) == jax.tree.structure(wanted) and all(
        a.shape == b.shape
        and np.allclose(a, b, rtol=1e-3, atol=1e-3 * np.abs(b).max(initial=1e-3), equal_nan=True)
        for a, b in zip(leaves, others, strict=True)
    )
