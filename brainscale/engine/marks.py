"""Marks in a program: where its operations take what they take, and put out what they put out."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from typing import Any, NamedTuple

import jax
from jax.ad_checkpoint import checkpoint_name
from jax.core import Tracer, eval_jaxpr
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
    """Mark the leaves of a tree in the program that is being traced."""
    leaves, structure = jax.tree.flatten(tree)
    leaves = [
        checkpoint_name(leaf, f"{_PREFIX} {operation} {what} {i}") for i, leaf in enumerate(leaves)
    ]
    return jax.tree.unflatten(structure, leaves)


def _find_mark(equation: Any) -> Mark | None:
    """Find the mark that an equation is; a model may have names of its own."""
    match = equation.primitive.name == "name" and _NAME.fullmatch(equation.params["name"])
    return Mark(int(match[1]), match[2], int(match[3])) if match else None


def is_of_debugging(effect: Any) -> bool:
    """Whether an effect is that of `jax.debug`: a callback that has no result."""
    return type(effect).__name__ in ("DebugEffect", "OrderedDebugEffect")


def _strip_debugging(jaxpr: Any) -> Any:
    """Make a program, and the programs within it, without callbacks of `jax.debug`.

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
            params = {key: _silence(value) for key, value in equation.params.items()}
            equation = equation.replace(params=params, effects=effects)
        equations.append(equation)
    effects = {e for e in jaxpr.effects if not is_of_debugging(e)}
    return jaxpr.replace(eqns=equations, effects=effects)


def _silence(param: Any) -> Any:
    """Make a parameter of an equation, its programs without callbacks of `jax.debug`."""
    if isinstance(param, ClosedJaxpr):
        return param.replace(jaxpr=_strip_debugging(param.jaxpr))
    if isinstance(param, Jaxpr):
        return _strip_debugging(param)
    return type(param)(map(_silence, param)) if type(param) in (tuple, list) else param


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
        self._program, self._is_replaced = _silence(program), is_replaced
        self._stretches = _split(self._program.jaxpr, is_replaced)

    def evaluate(self, inputs: Iterable[Any], at_mark: Callable[[Mark, Any], Any]) -> list[Any]:
        """Compute the results of the program.

        Parameters
        ----------
        inputs : iterable of arrays
        at_mark : callable
            From a mark, and from what the program has there, or None, to what stands there.
        """
        jaxpr, consts = self._program.jaxpr, self._program.consts
        value_of = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *inputs], strict=True))

        def read(atom: Any) -> Any:
            return atom.val if isinstance(atom, Literal) else value_of[atom]

        for stretch in self._stretches:
            if stretch.mark is None:
                values = eval_jaxpr(stretch.program, (), *map(read, stretch.program.invars))
                value_of.update(zip(stretch.program.outvars, values, strict=True))
            else:
                (equation,) = stretch.program.eqns
                value = None if self._is_replaced(stretch.mark) else read(equation.invars[0])
                value_of[equation.outvars[0]] = at_mark(stretch.mark, value)
        return [read(atom) for atom in jaxpr.outvars]


class _Stretch(NamedTuple):
    """Equations between two marks, or the one of a mark."""

    program: Any
    mark: Mark | None


def _split(jaxpr: Any, is_replaced: Callable[[Mark], bool]) -> list[_Stretch]:
    """Split what is needed of a program at its marks, in the order in which it is computed."""
    needed = _find_variables(jaxpr.outvars)
    variables = [*jaxpr.constvars, *jaxpr.invars, *(v for e in jaxpr.eqns for v in e.outvars)]
    order = {v: i for i, v in enumerate(variables)}
    stretches: list[_Stretch] = []
    equations: list[Any] = []

    def take(until: Mark | None, needed: set[Any]) -> None:
        """Make a stretch of the equations up to here; what others need of it, it puts out."""
        if equations:
            outputs = [v for equation in equations for v in equation.outvars]
            inputs = _find_variables(v for equation in equations for v in equation.invars)
            program = jaxpr.replace(
                constvars=[],
                invars=sorted(inputs.difference(outputs), key=order.__getitem__),
                outvars=[v for v in outputs if v in needed],
                eqns=equations[::-1],
            )
            stretches.append(_Stretch(program, until))
            equations.clear()

    after = set(needed)
    for equation in reversed(jaxpr.eqns):
        if needed.isdisjoint(equation.outvars):
            continue
        at = _find_mark(equation)
        if at is not None:
            take(None, after)
            equations.append(equation)
            take(at, needed)
        else:
            equations.append(equation)
        if at is None or not is_replaced(at):
            needed |= _find_variables(equation.invars)
        if at is not None:
            after = set(needed)
    take(None, after)
    return stretches[::-1]


def _find_variables(atoms: Iterable[Any]) -> set[Any]:
    return {atom for atom in atoms if not isinstance(atom, Literal)}


def find_unfollowed(program: Any, followed: Collection[str] = ("x", "w")) -> set[int]:
    """Find the operations whose output is made of more than their marks and constants.

    Parameters
    ----------
    program : ClosedJaxpr
        Constants of it that are traced count as more: they are others in another trace.
    followed : collection of str
        The marks of which it may be made: what a weight is made of counts, where that is none.
    """
    jaxpr, consts = program.jaxpr, zip(program.jaxpr.constvars, program.consts, strict=True)
    known = {variable for variable, c in consts if not isinstance(c, Tracer)}
    made_by = {variable: e for e in jaxpr.eqns for variable in e.outvars}
    marks = {id(e): at for e in jaxpr.eqns if (at := _find_mark(e)) is not None}
    outputs = [(e, marks[id(e)]) for e in jaxpr.eqns if id(e) in marks and marks[id(e)].what == "y"]
    return {
        at.operation
        for e, at in outputs
        if not _is_of_marked(e, at.operation, made_by, marks, known, followed)
    }


def _is_of_marked(
    equation: Any,
    operation: int,
    made_by: dict[Any, Any],
    marks: dict[int, Mark],
    known: set[Any],
    followed: Collection[str],
) -> bool:
    """Whether all that an equation is made of is known or goes through an operation's own marks."""
    followed_variables, queue = set(known), [equation]
    while queue:
        for variable in _find_variables(queue.pop().invars) - followed_variables:
            followed_variables.add(variable)
            source = made_by.get(variable)
            at = marks.get(id(source))
            if source is None or (at is not None and at.operation != operation):
                return False
            if at is None or at.what not in followed:
                queue.append(source)
    return True
