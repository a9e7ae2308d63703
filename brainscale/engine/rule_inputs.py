"""From recorded steps to what a rule is given, and from what it returns to gradients."""

from __future__ import annotations

import math
from typing import Any

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

from ..errors import OperationError, ShapeError
from .pure_step import Step, Use, Values, conjugate, is_complex, with_leaves
from .rule import Link, Parameter
from .step_graph import Structure

__all__ = [
    "all_opened",
    "as_weights",
    "at_rest",
    "parameters",
    "readable",
    "refuse_unsupported",
    "units_of",
    "weight_gradients",
    "without_units",
]


def without_units(tree: Any) -> Any:
    """A tree of plain arrays, by the numbers of what it held."""
    return jax.tree.map(u.get_mantissa, tree, is_leaf=_is_quantity)


def all_opened(structure: Structure) -> Values:
    """Every operation opened, for derivatives within a step."""
    return dict.fromkeys(structure.step.operations, True)


def parameters(
    structure: Structure, weights: Values, uses: dict[int, Use], F: Any, c: Any
) -> list[Parameter]:
    """What a rule is given of each parameter; uses, F and c with a leading axis of steps."""
    found = []
    for key, param in structure.step.params.items():
        effective = without_units(param.op.effective(weights[key]))
        x, y = without_units(tuple(uses[key]))
        links = [Link(reach, F[key][reach.group]) for reach in structure.reach[key]]
        pre = param.op.presynaptic(x, y, effective)
        name, signal = structure.name_of(param), None if c is None else c[key]
        found.append(Parameter(name, param.op, effective, pre, links, signal))
    return found


def at_rest(structure: Structure) -> list[Parameter]:
    """Parameters as `Rule.begin` needs them: zeros of one step's shapes."""
    found: list[Parameter] = []

    def made(weights: Values, uses: dict[int, Use]) -> Any:
        F: dict[int, Any] = {}
        for key, reaches in structure.reach.items():
            y = u.get_mantissa(uses[key].y)
            F[key] = {r.group: [r.widen(y)] * structure.groups[r.group].size for r in reaches}
        found[:] = parameters(structure, weights, uses, F, None)
        return [(p.weight, p.pre, [link.F for link in p.links]) for p in found]

    weights = {key: param.value for key, param in structure.step.params.items()}
    likes = jax.eval_shape(made, weights, jax.tree.map(lambda leaf: leaf[None], structure.uses))
    zeros = jax.tree.map(lambda like: np.zeros(like.shape, like.dtype), likes)
    return [
        p._replace(
            weight=weight,
            pre=pre,
            links=[link._replace(F=own) for link, own in zip(p.links, F, strict=True)],
        )
        for p, (weight, pre, F) in zip(found, zeros, strict=True)
    ]


def refuse_unsupported(structure: Structure, needs: tuple[str, ...]) -> None:
    """Refuse an operation that does not define what a rule needs, or not in the weight's shape."""
    for key, param in structure.step.params.items():
        op, name = param.op, structure.name_of(param)

        def made(x: Any, y: Any, weight: Any, op: Any = op) -> dict[str, Any]:
            pre = op.presynaptic(x, y, weight)
            methods = {
                "outer": lambda: op.outer(pre, y, weight),
                "spread": lambda: op.spread(y[0], weight),
                "total": lambda: op.total(op.outer(pre, y, weight), weight),
                "pull_back": lambda: op.pull_back(pre, y, weight),
            }
            return {method: methods[method]() for method in needs}

        x, y = jax.tree.map(lambda leaf: leaf[None], without_units(tuple(structure.uses[key])))
        effective = jax.eval_shape(op.effective, param.value)
        weight = without_units(effective)
        try:
            found = jax.eval_shape(made, x, y, weight)
        except OperationError as error:
            raise OperationError(f"{name}: {error}") from error
        for method in {"total", "pull_back"} & set(found):
            got, wanted = (jax.tree.map(jnp.shape, tree) for tree in (found[method], weight))
            if got != wanted:
                raise ShapeError(
                    f"{name}: {type(op).__name__}.{method} gives {got}, the effective weight has "
                    f"the shape {wanted}",
                    got=got,
                    needs=wanted,
                )


def weight_gradients(step: Step, values: Values, by_effective: list[Any], direct: Any) -> Values:
    """The gradients by the parameters with traces, of those by their effective weights (LEARN-7).

    `direct` are those of what uses a parameter without its operation, by the parameters' leaves.
    """
    weights = [values[key] for key in step.params]
    found = conjugate(step.by_identity(list(step.params.values()), weights, direct))
    for (key, param), gradient in zip(step.params.items(), by_effective, strict=True):
        effective, pull_back = jax.vjp(param.op.effective, values[key])
        pulled = pull_back(with_leaves(effective, jax.tree.leaves(gradient)))[0]
        found[key] = jax.tree.map(jnp.add, found[key], pulled)
    return found


def as_weights(parameters: list[Parameter], gradients: list[Any]) -> list[Any]:
    """Gradients by effective weights with these weights' dtypes: of real ones the real part."""

    def as_leaf(weight: jax.Array, gradient: jax.Array) -> jax.Array:
        real = gradient if is_complex(weight) or not is_complex(gradient) else gradient.real
        return real.astype(weight.dtype)

    pairs = zip(parameters, gradients, strict=True)
    return [jax.tree.map(as_leaf, p.weight, gradient) for p, gradient in pairs]


def readable(structure: Structure, key: int, by_group: dict[int, list[Any]], per: Any) -> Any:
    """The d traces of each group that a parameter reaches, by hidden state, with their units.

    `per` is the unit, or tree of units, that the hidden states' units are divided by. A state's
    entry is like its value, with a trace in the place of each leaf; that of a leaf with several
    variables for each neuron has an axis of them behind its own, and that of a complex leaf at last
    one of its real and its imaginary part.
    """
    found = {}
    for reach in structure.reach[key]:
        group, traces = structure.groups[reach.group], iter(by_group[reach.group])
        extra = iter(group.extra)
        for state, name in zip(group.states, group.names, strict=True):
            leaves, tree = jax.tree.flatten(state.value, is_leaf=_is_quantity)
            entries = []
            for leaf in leaves:
                shape = next(extra)
                several = [next(traces) for _ in range(math.prod(shape))]
                if is_complex(leaf):
                    imaginary = [next(traces) for _ in range(math.prod(next(extra)))]
                    pairs = zip(several, imaginary, strict=True)
                    several, shape = [e for pair in pairs for e in pair], (*shape, 2)
                unit = u.get_unit(leaf)
                entries.append(
                    jax.tree.map(
                        lambda unit_w, *e, unit=unit, shape=shape: u.Quantity(
                            jnp.stack(e, -1).reshape(*e[0].shape, *shape) if shape else e[0],
                            unit=unit / unit_w,
                        ),
                        per,
                        *several,
                        is_leaf=lambda x: isinstance(x, u.Unit),
                    )
                )
            found[name] = jax.tree.unflatten(tree, entries)
    return found


def units_of(tree: Any) -> Any:
    """The units of a tree of arrays and quantities."""
    return jax.tree.map(u.get_unit, tree, is_leaf=_is_quantity)


def _is_quantity(leaf: Any) -> bool:
    return isinstance(leaf, u.Quantity)
