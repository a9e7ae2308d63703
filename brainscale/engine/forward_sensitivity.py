"""One step with the derivatives of all that it changes by every parameter (SPEC.md, RTRL, OSTL).

A *direction* is one entry of one parameter; there are P of them. The derivatives of a state in all
directions, its *sensitivity*, go forward in time with the state.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import brainstate
import jax
import jax.numpy as jnp
import numpy as np

from ..errors import StructureError
from .leaves import conjugate, floats, with_floats
from .linearity import NOT_TRANSPOSED, check_pull_back, make_transpose_error
from .pure_function import PureFunction, Values
from .single_step import make_cotangent
from .step_refusals import check_not_empty, check_parameters_kept

__all__ = ["SensitiveStep", "Sensitivities", "trace_sensitive_step"]

Sensitivities = dict[str, list[jax.Array]]
"""By the name of a state, for each of its floating-point leaves (P, *leaf)."""


class SensitiveResult(NamedTuple):
    """What a step leaves."""

    out: Any
    after: Values
    sensitivities: Sensitivities
    """Those of the states that it writes."""
    of_out: list[jax.Array]
    """Those of the floating-point leaves of its result, (P, *leaf)."""
    pull_back: Callable
    """From cotangents of the leaves of result and states to those of parameters, states, args."""


@dataclasses.dataclass(frozen=True, eq=False)
class SensitiveStep:
    """One step of a model as a pure function, with what it writes and what it may be trained by.

    Attributes
    ----------
    function : PureFunction
        From the step's arguments to its result.
    params, written_states : list of State
        The parameters that it reads, and the states that it writes.
    param_names, names : list of str
        Theirs, as they were when it was traced.
    sizes : list of int
        How many directions each parameter has.
    """

    function: PureFunction
    params: list[brainstate.State]
    written_states: list[brainstate.State]
    param_names: list[str]
    names: list[str]
    sizes: list[int]

    def values(self) -> Values:
        """Read what the states hold now, and what the step takes from the traces around it."""
        return self.function.values()

    def make_zeros(self) -> Sensitivities:
        """Make sensitivities of zero."""
        P = sum(self.sizes)
        return {
            name: [jnp.zeros((P, *leaf.shape), leaf.dtype) for leaf in floats(s.value)]
            for name, s in zip(self.names, self.written_states, strict=True)
        }

    def make(
        self, values: Values, args: tuple[Any, ...], sensitivities: Sensitivities
    ) -> SensitiveResult:
        """Make a step from these values, the states having these sensitivities."""
        trees = {
            "params": [values[id(s)] for s in self.params],
            "written": [values[id(s)] for s in self.written_states],
            "args": args,
        }

        def step(*leaves: list[Any]) -> Any:
            new = {name: with_floats(trees[name], x) for name, x in zip(trees, leaves, strict=True)}
            now = dict(values)
            for name, states in (("params", self.params), ("written", self.written_states)):
                now |= {id(s): v for s, v in zip(states, new[name], strict=True)}
            out, results = self.function(now, new["args"])
            after = {id(s): v for s, v in zip(self.function.states, results, strict=True)}
            of_written = floats([after[id(s)] for s in self.written_states])
            return (floats(out), of_written), (out, after)

        point = [floats(tree) for tree in trees.values()]
        results, pull_back, (out, after) = jax.vjp(step, *point, has_aux=True)
        check_pull_back(pull_back, results)
        before = [leaf for name in self.names for leaf in sensitivities[name]]
        still = [jnp.zeros_like(leaf) for leaf in point[2]]
        tangents = self._make_directions(point[0]), before
        of_out, of_states = _push_forward(pull_back, results, tangents, still)
        next_leaves = iter(of_states)
        new = {name: [next(next_leaves) for _ in sensitivities[name]] for name in self.names}
        return SensitiveResult(out, values | after, new, of_out, pull_back)

    def _make_directions(self, leaves: list[jax.Array]) -> list[jax.Array]:
        """Make the P tangents of each leaf of the parameters: (P, *leaf)."""
        P, first, tangents = sum(self.sizes), 0, []
        for leaf in leaves:
            one = np.zeros((P, leaf.size), leaf.dtype)
            one[first : first + leaf.size] = np.eye(leaf.size)
            tangents.append(jnp.asarray(one.reshape(P, *leaf.shape)))
            first += leaf.size
        return tangents

    def as_params(self, along: jax.Array, params: list[Any]) -> list[Any]:
        """Make trees like the parameters' of derivatives in each direction, (P, ...)."""
        leaves, first = [], 0
        for leaf in floats(params):
            by_leaf = along[first : first + leaf.size]
            leaves.append(by_leaf.reshape(*leaf.shape, *along.shape[1:]).astype(leaf.dtype))
            first += leaf.size
        return conjugate(with_floats(params, leaves))

    def make_differentiable(
        self, values: Values, args: tuple[Any, ...], sensitivities: Sensitivities
    ) -> tuple[Any, list[Any], Sensitivities]:
        """Make a step's result, what it writes, and the sensitivities after it.

        Derivatives by the parameters of what is made of the first two go back in time, through the
        sensitivities; those by the arguments are of this step.
        """
        weights = [values[id(s)] for s in self.params]
        rest = {k: v for k, v in values.items() if k not in {id(s) for s in self.params}}

        @jax.custom_vjp
        def run(weights: Any, args: Any, rest: Any, before: Sensitivities) -> Any:
            return forward(weights, args, rest, before)[0]

        def forward(weights: Any, args: Any, rest: Any, before: Sensitivities) -> Any:
            values = rest | {id(s): v for s, v in zip(self.params, weights, strict=True)}
            result = self.make(values, args, before)
            changed = [result.after[id(s)] for s in self.written_states]
            of_states = [x for leaves in result.sensitivities.values() for x in leaves]
            residuals = [*result.of_out, *of_states], result.pull_back, weights, args
            return (result.out, changed, result.sensitivities), residuals

        def backward(residuals: Any, cotangents: Any) -> Any:
            tangents, pull_back, weights, args = residuals
            of_results = (floats(conjugate(cotangents[0])), floats(conjugate(cotangents[1])))
            pairs = zip([*of_results[0], *of_results[1]], tangents, strict=True)
            by_direction = (_meet_directions(tangent, ct) for ct, tangent in pairs)
            along = functools.reduce(jnp.add, by_direction)
            by_args = pull_back(of_results)[2]
            return self.as_params(along, weights), make_cotangent(args, by_args), None, None

        run.defvjp(forward, backward)
        return run(weights, args, rest, sensitivities)


def trace_sensitive_step(
    function: Callable[..., Any], args: tuple[Any, ...], name_of: Callable[[Any], str]
) -> SensitiveStep:
    """Trace one step of a model, of which nothing is refused but what has no derivative.

    Parameters
    ----------
    function : callable
        Makes one step of a model.
    args : tuple
        Its arguments, or their likes.
    name_of : callable
        From a state to its name.

    Raises
    ------
    ShapeError, ParameterUseError, StructureError
        No neuron; a parameter that the step writes; states of one name.
    """
    pure = PureFunction(function, args)
    hidden = [s for s in pure.states if isinstance(s, brainstate.HiddenState)]
    check_not_empty(hidden, name_of)
    params = [s for s in pure.states if isinstance(s, brainstate.ParamState)]
    written_states = [s for s in pure.states if id(s) in pure.written_ids]
    check_parameters_kept(written_states, name_of)
    names = [name_of(s) for s in written_states]
    param_names = [name_of(s) for s in params]
    _check_distinct(names)
    _check_distinct(param_names)
    sizes = [sum(leaf.size for leaf in floats(s.value)) for s in params]
    return SensitiveStep(pure, params, written_states, param_names, names, sizes)


def _check_distinct(names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise StructureError(
                f"a step uses several states named {name}, which are not told apart: make them "
                "attributes of the model, or give them names",
                got=names,
            )


def _push_forward(pull_back: Callable, results: Any, tangents: Any, still: Any) -> Any:
    """Push tangents of parameters and states, (P, *leaf), forward to those of a step's results.

    Parameters
    ----------
    pull_back : callable
        From cotangents like the results to those of parameters, states and arguments.
    results : tree of arrays
    tangents : tuple of lists of arrays
    still : list of arrays
        The arguments' tangents, which are zero.
    """
    # The transpose of the pull-back: surrogate gradients have no forward mode of their own.
    push = jax.linear_transpose(pull_back, results)

    def push_one(direction: Any) -> Any:
        by_param, by_state = direction
        try:
            return push((by_param, by_state, still))[0]
        except NOT_TRANSPOSED as error:
            raise make_transpose_error(error) from error

    if tangents[0]:
        return jax.vmap(push_one)(tangents)
    # JAX maps over no direction of none.
    return jax.tree.map(lambda y: jnp.zeros((0, *y.shape), y.dtype), results)


def _meet_directions(tangent: jax.Array, ct: jax.Array) -> jax.Array:
    """Sum a cotangent against each direction's tangent, (P, *leaf): (P,)."""
    return tangent.reshape(len(tangent), -1) @ ct.reshape(-1)
