"""Inputs of operations that are known before the steps are made (SPEC.md, OP-13)."""

from __future__ import annotations

from typing import Any

import jax
from jax.core import Tracer, eval_jaxpr
from jax.extend.core import Literal

from ..operators import EmbeddingOp
from .keys import StateId
from .pure_step import Step

__all__ = ["check_rows"]


def check_rows(step: Step, args: Any, over_steps: bool) -> None:
    """Refuse the indices of rows that no table has, where they follow from what is known.

    Parameters
    ----------
    step : Step
    args : tuple of trees of arrays
    over_steps : bool
        Whether the arguments have a leading axis of steps. Then what the states make of indices is
        not known beforehand.

    Raises
    ------
    InputError
    """
    values = step.values()
    later = step.changing if over_steps else set()
    known = {k: v for k, v in values.items() if k not in later}
    states = {k: v for k, v in values.items() if k in later}
    for key, param in step.params.items():
        if not isinstance(param.op, EmbeddingOp):
            continue

        def of_step(states: Any, known: Any, args: Any, key: StateId = key) -> Any:
            return step.record(states | known, args)[2][key].x

        mapped = jax.vmap(of_step, (None, None, 0)) if over_steps else of_step
        program = jax.make_jaxpr(mapped)(states, known, args)
        unknown = [jax.ShapeDtypeStruct(v.shape, v.dtype) for v in jax.tree.leaves(states)]
        x = _evaluate_known(program, [*unknown, *jax.tree.leaves((known, args))])
        if x is not None:
            param.op.refuse(x, jax.tree.leaves(param.value)[0].shape[0])


def _evaluate_known(program: Any, inputs: list[Any]) -> Any:
    """Find the one result of a program, or None if it depends on what is not known."""
    jaxpr, needed, equations = program.jaxpr, set(program.jaxpr.outvars), []
    for equation in reversed(jaxpr.eqns):
        if needed & set(equation.outvars):
            equations.append(equation)
            needed |= {atom for atom in equation.invars if not isinstance(atom, Literal)}
    pairs = zip([*jaxpr.constvars, *jaxpr.invars], [*program.consts, *inputs], strict=True)
    values = {variable: value for variable, value in pairs if variable in needed}
    if any(isinstance(v, (Tracer, jax.ShapeDtypeStruct)) for v in values.values()):
        return None
    alone = jaxpr.replace(constvars=[], invars=[*values], eqns=equations[::-1])
    with jax.ensure_compile_time_eval():
        return eval_jaxpr(alone, (), *values.values())[0]
