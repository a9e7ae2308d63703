"""One step with the derivatives of all that it changes by every parameter (SPEC.md, RTRL, OSTL).

A *direction* is one entry of one parameter; there are P of them. The derivatives of a state in all
directions, its *sensitivity*, go forward in time with the state.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import brainstate
import jax
import jax.numpy as jnp
import numpy as np

from ..errors import StructureError
from .inputs import refuse_empty, refuse_written_parameters
from .linearity import NOT_TRANSPOSED, not_transposed, refuse_bent
from .pure_function import PureFunction, Values
from .pure_step import conjugate, floats, with_floats
from .single_step import cotangent

__all__ = ["Carried", "SensitiveStep"]

Carried = dict[str, list[jax.Array]]
"""By the name of a state, for each of its floating-point leaves (P, *leaf)."""


class Made(NamedTuple):
    """What a step leaves."""

    out: Any
    after: Values
    carried: Carried
    """Sensitivities of the states that it writes."""
    of_out: list[jax.Array]
    """Those of the floating-point leaves of its result."""
    pull_back: Callable
    """From cotangents of the leaves of result and states to those of parameters, states, args."""


class SensitiveStep:
    """One step of a model as a pure function, with what it writes and what it may be trained by.

    Parameters
    ----------
    function : callable
        Makes one step of a model.
    args : tuple
        Its arguments, or their likes.
    name_of : callable
        From a state to its name.
    """

    def __init__(self, function: Callable, args: tuple[Any, ...], name_of: Callable[[Any], str]):
        self._function = PureFunction(function, args)
        self.states, written = self._function.states, self._function.written
        hidden = [s for s in self.states if isinstance(s, brainstate.HiddenState)]
        refuse_empty(hidden, name_of)
        self.params = [s for s in self.states if isinstance(s, brainstate.ParamState)]
        self.written = [s for s in self.states if id(s) in written]
        refuse_written_parameters(self.written, name_of)
        self.names = [name_of(s) for s in self.written]
        self.param_names = [name_of(s) for s in self.params]
        _refuse_same_names(self.names)
        _refuse_same_names(self.param_names)
        self.sizes = [sum(leaf.size for leaf in floats(s.value)) for s in self.params]

    def values(self) -> Values:
        """What the states hold now, and what the step takes from the traces around it."""
        return self._function.values()

    def at_rest(self) -> Carried:
        """Sensitivities of zero."""
        P = sum(self.sizes)
        return {
            name: [jnp.zeros((P, *leaf.shape), leaf.dtype) for leaf in floats(s.value)]
            for name, s in zip(self.names, self.written, strict=True)
        }

    def make(self, values: Values, args: tuple[Any, ...], carried: Carried) -> Made:
        """Make a step from these values, the states having these sensitivities."""
        trees = {
            "params": [values[id(s)] for s in self.params],
            "written": [values[id(s)] for s in self.written],
            "args": args,
        }

        def step(*leaves: list[Any]) -> Any:
            new = {name: with_floats(trees[name], x) for name, x in zip(trees, leaves, strict=True)}
            now = dict(values)
            for name, states in (("params", self.params), ("written", self.written)):
                now |= {id(s): v for s, v in zip(states, new[name], strict=True)}
            out, found = self._function(now, new["args"])
            after = {id(s): v for s, v in zip(self.states, found, strict=True)}
            return (floats(out), floats([after[id(s)] for s in self.written])), (out, after)

        point = [floats(tree) for tree in trees.values()]
        results, pull_back, (out, after) = jax.vjp(step, *point, has_aux=True)
        refuse_bent(pull_back, results)
        # The transpose of the pull-back: surrogate gradients have no forward mode of their own.
        push = jax.linear_transpose(pull_back, results)
        still = [jnp.zeros_like(leaf) for leaf in point[2]]
        before = [leaf for name in self.names for leaf in carried[name]]

        def along(direction: Any) -> Any:
            by_param, by_state = direction
            try:
                return push((by_param, by_state, still))[0]
            except NOT_TRANSPOSED as error:
                raise not_transposed(error) from error

        if self.params:
            of_out, of_states = jax.vmap(along)((self._directions(point[0]), before))
        else:  # JAX maps over no direction of none.
            of_out, of_states = jax.tree.map(lambda y: jnp.zeros((0, *y.shape), y.dtype), results)
        left = iter(of_states)
        after_carried = {name: [next(left) for _ in carried[name]] for name in self.names}
        return Made(out, values | after, after_carried, of_out, pull_back)

    def _directions(self, leaves: list[jax.Array]) -> list[jax.Array]:
        """For each leaf of the parameters, its P tangents."""
        P, first, found = sum(self.sizes), 0, []
        for leaf in leaves:
            one = np.zeros((P, leaf.size), leaf.dtype)
            one[first : first + leaf.size] = np.eye(leaf.size)
            found.append(jnp.asarray(one.reshape(P, *leaf.shape)))
            first += leaf.size
        return found

    def as_params(self, along: jax.Array, params: list[Any]) -> list[Any]:
        """Derivatives in each direction, (P, ...), as trees like the parameters'."""
        leaves, first = [], 0
        for leaf in floats(params):
            own = along[first : first + leaf.size]
            leaves.append(own.reshape(*leaf.shape, *along.shape[1:]).astype(leaf.dtype))
            first += leaf.size
        return conjugate(with_floats(params, leaves))

    def differentiable(
        self, values: Values, args: tuple[Any, ...], carried: Carried
    ) -> tuple[Any, list[Any], Carried]:
        """A step's result, what it writes, and the sensitivities after it.

        Derivatives by the parameters of what is made of the first two go back in time, through the
        sensitivities; those by the arguments are of this step.
        """
        weights = [values[id(s)] for s in self.params]
        rest = {k: v for k, v in values.items() if k not in {id(s) for s in self.params}}

        @jax.custom_vjp
        def run(weights: Any, args: Any, rest: Any, carried: Carried) -> Any:
            return forward(weights, args, rest, carried)[0]

        def forward(weights: Any, args: Any, rest: Any, carried: Carried) -> Any:
            values = rest | {id(s): v for s, v in zip(self.params, weights, strict=True)}
            made = self.make(values, args, carried)
            changed = [made.after[id(s)] for s in self.written]
            tangents = [*made.of_out, *(leaf for own in made.carried.values() for leaf in own)]
            return (made.out, changed, made.carried), (tangents, made.pull_back, weights, args)

        def backward(kept: Any, cotangents: Any) -> Any:
            tangents, pull_back, weights, args = kept
            given = (floats(conjugate(cotangents[0])), floats(conjugate(cotangents[1])))
            pairs = zip([*given[0], *given[1]], tangents, strict=True)
            met = (_over_directions(tangent, ct) for ct, tangent in pairs)
            along = functools.reduce(jnp.add, met)
            by_args = pull_back(given)[2]
            return self.as_params(along, weights), cotangent(args, by_args), None, None

        run.defvjp(forward, backward)
        return run(weights, args, rest, carried)


def _refuse_same_names(names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise StructureError(
                f"a step uses several states named {name}, which are not told apart: make them "
                "attributes of the model, or give them names",
                got=names,
            )


def _over_directions(tangent: jax.Array, ct: jax.Array) -> jax.Array:
    """A cotangent met by each direction's tangent: (P,)."""
    return tangent.reshape(len(tangent), -1) @ ct.reshape(-1)
