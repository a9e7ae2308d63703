"""The rules for derivatives that parts of a program have of their own, as programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
from jax.core import eval_jaxpr
from jax.extend.core import Literal

from .leaves import is_float
from .pure_function import Likeness

__all__ = ["find_backward_programs", "list_equations"]

_RULED = ("custom_vjp", "custom_jvp", "custom_transpose", "linear_call")


def find_backward_programs(jaxpr: Any) -> list[Likeness | str]:
    """Find what the rules for derivatives in a program are now, in order.

    They may read an attribute or the environment, and be other ones later, though the program is
    the same. A rule that cannot be traced is known by its error: no derivative may ever meet it.
    """
    ruled = [e for e in list_equations(jaxpr) if e.primitive.name.startswith(_RULED)]
    return [_trace_rule(jaxpr, equation) for equation in ruled]


def list_equations(jaxpr: Any) -> Iterator[Any]:
    """List the equations of a program, and of the programs within it."""
    for equation in jaxpr.eqns:
        yield equation
        for param in jax.tree.leaves(tuple(equation.params.values()), is_leaf=_has_program):
            if _has_program(param):
                yield from list_equations(getattr(param, "jaxpr", param))


def _has_program(param: Any) -> bool:
    return hasattr(param, "eqns") or hasattr(param, "jaxpr")


def _trace_rule(jaxpr: Any, equation: Any) -> Likeness | str:
    """Trace the pull-back of one equation of a program."""
    inputs = list(dict.fromkeys(v for v in equation.invars if not isinstance(v, Literal)))
    outputs = equation.outvars
    program = jaxpr.replace(constvars=[], invars=inputs, outvars=outputs, eqns=[equation])

    def pull_back(cotangents: list[Any], values: list[Any]) -> list[Any]:
        def evaluate(leaves: list[Any]) -> list[Any]:
            rest = iter(leaves)
            new = [next(rest) if is_float(value) else value for value in values]
            return list(filter(is_float, eval_jaxpr(program, (), *new)))

        return jax.vjp(evaluate, list(filter(is_float, values)))[1](cotangents)[0]

    try:
        like_outputs, like_inputs = (
            [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in variables]
            for variables in (outputs, inputs)
        )
        cotangents = list(filter(is_float, like_outputs))
        return Likeness(jax.make_jaxpr(pull_back)(cotangents, like_inputs))
    except Exception as error:
        return type(error).__name__
