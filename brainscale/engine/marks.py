"""Marks in a program: where its operations take what they take, and put out what they put out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
from jax.ad_checkpoint import checkpoint_name
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

__all__ = ["Mark", "MarkedProgram", "find_unfollowed", "is_of_debugging", "mark"]

_PREFIX = "brainscale mark:"
_NAME = re.compile(rf"{_PREFIX} (\d+) ([xwy]) (\d+)")


class Mark(NamedTuple):
    """A place in a program.

    Attributes
    ----------
    operation : int
        Which of the step's operations.
    what : str
        Its input `x`, its weight `w`, or its output `y`.
    leaf : int
        Which leaf of that tree.
    """

    operation: int
    what: str
    leaf: int


def mark(tree: Any, operation: int, what: str) -> Any:
    """The same tree, its leaves marked in the program that is being traced."""
    leaves, structure = jax.tree.flatten(tree)
    marked = [
        checkpoint_name(leaf, f"{_PREFIX} {operation} {what} {i}") for i, leaf in enumerate(leaves)
    ]
    return jax.tree.unflatten(structure, marked)


def _find_mark(equation: Any) -> Mark | None:
    """The mark that an equation is; a model may have names of its own."""
    found = equation.primitive.name == "name" and _NAME.fullmatch(equation.params["name"])
    return Mark(int(found[1]), found[2], int(found[3])) if found else None


def is_of_debugging(effect: Any) -> bool:
    """Whether an effect is that of `jax.debug`: a callback that has no result."""
    return type(effect).__name__ in ("DebugEffect", "OrderedDebugEffect")


def _without_debugging(jaxpr: Any) -> Any:
    """A program, and the programs within it, without callbacks of `jax.debug`.

    Mapped over steps, both branches of a condition are computed, and a check that is made in one of
    them would be made where the step does not make it.
    """
    if not any(map(is_of_debugging, jaxpr.effects)):
        return jaxpr
    equations = []
    for equation in jaxpr.eqns:
        effects = {e for e in equation.effects if not is_of_debugging(e)}
        if effects != equation.effects:
            if not equation.outvars and not effects:
                continue
            params = {key: _silent(value) for key, value in equation.params.items()}
            equation = equation.replace(params=params, effects=effects)
        equations.append(equation)
    effects = {e for e in jaxpr.effects if not is_of_debugging(e)}
    return jaxpr.replace(eqns=equations, effects=effects)


def _silent(param: Any) -> Any:
    """A parameter of an equation, the programs in it without callbacks of `jax.debug`."""
    if isinstance(param, ClosedJaxpr):
        return param.replace(jaxpr=_without_debugging(param.jaxpr))
    if isinstance(param, Jaxpr):
        return _without_debugging(param)
    return type(param)(map(_silent, param)) if type(param) in (tuple, list) else param


class MarkedProgram:
    """A program in which other values may stand where it is marked.

    It is evaluated for derivatives, and so it calls nothing back that is for debugging: the step
    itself does.

    Parameters
    ----------
    program : ClosedJaxpr
    is_replaced : callable
        From a mark, whether what the program has there is of no use: it is not computed.
    """

    def __init__(self, program: Any, is_replaced: Callable[[Mark], bool]):
        self._program, self._is_replaced = _silent(program), is_replaced
        self._parts = _split(self._program.jaxpr, is_replaced)

    def evaluate(self, inputs: Iterable[Any], at_mark: Callable[[Mark, Any], Any]) -> list[Any]:
        """The results of the program.

        Parameters
        ----------
        inputs : iterable of arrays
        at_mark : callable
            From a mark, and from what the program has there, or None, to what stands there.
        """
        jaxpr, consts = self._program.jaxpr, self._program.consts
        found = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *inputs], strict=True))

        def of(atom: Any) -> Any:
            return atom.val if isinstance(atom, Literal) else found[atom]

        for part in self._parts:
            if part.mark is None:
                values = jax.core.eval_jaxpr(part.program, (), *map(of, part.program.invars))
                found.update(zip(part.program.outvars, values, strict=True))
            else:
                (equation,) = part.program.eqns
                value = None if self._is_replaced(part.mark) else of(equation.invars[0])
                found[equation.outvars[0]] = at_mark(part.mark, value)
        return [of(atom) for atom in jaxpr.outvars]


class _Part(NamedTuple):
    """Equations between two marks, or the one of a mark."""

    program: Any
    mark: Mark | None


def _split(jaxpr: Any, is_replaced: Callable[[Mark], bool]) -> list[_Part]:
    """What is needed of a program, in the order in which it is computed."""
    needed = _find_variables(jaxpr.outvars)
    variables = [*jaxpr.constvars, *jaxpr.invars, *(v for e in jaxpr.eqns for v in e.outvars)]
    order = {v: i for i, v in enumerate(variables)}
    found: list[_Part] = []
    equations: list[Any] = []

    def take(until: Mark | None, needed: set[Any]) -> None:
        """Make a part of the equations that were met; what others need of it, it puts out."""
        if equations:
            made = [v for equation in equations for v in equation.outvars]
            taken = _find_variables(v for equation in equations for v in equation.invars)
            program = jaxpr.replace(
                constvars=[],
                invars=sorted(taken.difference(made), key=order.__getitem__),
                outvars=[v for v in made if v in needed],
                eqns=equations[::-1],
            )
            found.append(_Part(program, until))
            equations.clear()

    after = set(needed)
    for equation in reversed(jaxpr.eqns):
        if needed.isdisjoint(equation.outvars):
            continue
        marked = _find_mark(equation)
        if marked is not None:
            take(None, after)
            equations.append(equation)
            take(marked, needed)
        else:
            equations.append(equation)
        if marked is None or not is_replaced(marked):
            needed |= _find_variables(equation.invars)
        if marked is not None:
            after = set(needed)
    take(None, after)
    return found[::-1]


def _find_variables(atoms: Iterable[Any]) -> set[Any]:
    return {atom for atom in atoms if not isinstance(atom, Literal)}


def find_unfollowed(program: Any) -> set[int]:
    """The operations whose output is made of more than their marked inputs, weights and constants.

    Parameters
    ----------
    program : ClosedJaxpr
        Constants of it that are traced count as more: they are others in another trace.
    """
    jaxpr, consts = program.jaxpr, zip(program.jaxpr.constvars, program.consts, strict=True)
    known = {variable for variable, c in consts if not isinstance(c, jax.core.Tracer)}
    made_by = {variable: e for e in jaxpr.eqns for variable in e.outvars}
    marks = {id(e): found for e in jaxpr.eqns if (found := _find_mark(e)) is not None}
    outputs = [(e, marks[id(e)]) for e in jaxpr.eqns if id(e) in marks and marks[id(e)].what == "y"]
    return {
        at.operation
        for e, at in outputs
        if not _is_of_marked(e, at.operation, made_by, marks, known)
    }


def _is_of_marked(
    equation: Any,
    operation: int,
    made_by: dict[Any, Any],
    marks: dict[int, Mark],
    known: set[Any],
) -> bool:
    """Whether all that an equation is made of is known or goes through an operation's own marks."""
    seen, left = set(known), [equation]
    while left:
        for variable in _find_variables(left.pop().invars) - seen:
            seen.add(variable)
            source = made_by.get(variable)
            at = marks.get(id(source))
            if source is None or (at is not None and at.operation != operation):
                return False
            if at is None:
                left.append(source)
    return True
