"""What depends on what, element by element: a derivative with all numbers in it made generic.

A derivative that happens to be zero where one looks (a spike far from threshold) is none the less a
path. So the linear program of the derivative is kept, each number in it that was computed is
replaced by a random one, and each choice by the sum of what it chooses from: what is zero then is
zero everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

__all__ = ["Dependence"]

Leaves = list[Any]


class Dependence:
    """Which elements of a function's results depend on which elements of its arguments.

    Parameters
    ----------
    function : callable
        From a list of floating-point arrays to a list of floating-point arrays.
    likes : list of arrays or ShapeDtypeStruct
        The arguments' shapes and dtypes.
    """

    def __init__(self, function: Callable[[Leaves], Leaves], likes: Leaves):
        rng = np.random.default_rng(0)
        self.arguments = [jax.ShapeDtypeStruct(like.shape, like.dtype) for like in likes]
        with jax.ensure_compile_time_eval():
            point = [jnp.asarray(rng.uniform(0.5, 1.5, a.shape), a.dtype) for a in self.arguments]
            results, pull_back = jax.vjp(function, point)
        self.results = [jax.ShapeDtypeStruct(r.shape, r.dtype) for r in results]
        # Outside: evaluated now, the program's own zeros would become numbers like all others.
        program = jax.make_jaxpr(pull_back)(self.results)
        with jax.ensure_compile_time_eval():
            generic = [_generic(const, rng) for const in program.consts]

        def backward(cotangents: Leaves) -> Leaves:
            return _evaluate(program.jaxpr, generic, cotangents)

        with jax.ensure_compile_time_eval():
            # Or what it computes of constants would belong to the trace that is under way.
            forward = jax.linear_transpose(backward, self.results)
        self._backward, self._forward = jax.jit(backward), jax.jit(forward)

    def forward(self, of: dict[int, Any]) -> list[np.ndarray]:
        """For each result, which elements depend on these elements of the arguments.

        `of` gives, by position, a mask that broadcasts to the argument.
        """
        return self._seen(lambda given: self._forward(given)[0], self.arguments, of)

    def backward(self, of: dict[int, Any]) -> list[np.ndarray]:
        """For each argument, on which elements these elements of the results depend."""
        return self._seen(self._backward, self.results, of)

    @staticmethod
    def _seen(program: Callable, likes: Leaves, of: dict[int, Any]) -> list[np.ndarray]:
        rng = np.random.default_rng(1)
        given = [
            np.where(of.get(i, False), rng.uniform(0.5, 1.5, like.shape), 0.0).astype(like.dtype)
            for i, like in enumerate(likes)
        ]
        with jax.ensure_compile_time_eval():
            return [np.asarray(leaf) != 0 for leaf in program(given)]


def _generic(const: Any, rng: np.random.Generator) -> Any:
    """A constant of a derivative, if it is a number, replaced; indices stay."""
    const = jnp.asarray(const)
    if jnp.issubdtype(const.dtype, jnp.floating):
        return jnp.asarray(rng.uniform(0.5, 1.5, const.shape), const.dtype)
    return jnp.ones_like(const) if const.dtype == jnp.bool_ else const


def _evaluate(jaxpr: Any, consts: Leaves, arguments: Leaves) -> Leaves:
    """A program's results, each choice in it replaced by the sum of what it chooses from."""
    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *arguments], strict=True))

    def value(atom: Any) -> Any:
        return atom.val if isinstance(atom, Literal) else known[atom]

    for equation in jaxpr.eqns:
        inputs = [value(atom) for atom in equation.invars]
        inner = equation.params.get("jaxpr")
        if equation.primitive.name == "select_n":
            outputs = [sum(inputs[1:])]
        elif equation.primitive.name in ("jit", "pjit", "closed_call"):
            outputs = _evaluate(inner.jaxpr, inner.consts, inputs)
        else:
            variables = list(
                dict.fromkeys(a for a in equation.invars if not isinstance(a, Literal))
            )
            alone = jaxpr.replace(
                constvars=[], invars=variables, outvars=equation.outvars, eqns=[equation]
            )
            outputs = jax.core.eval_jaxpr(alone, (), *(known[v] for v in variables))
        known.update(zip(equation.outvars, outputs, strict=True))
    return [value(atom) for atom in jaxpr.outvars]
