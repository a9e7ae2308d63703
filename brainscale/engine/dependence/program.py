"""Dependences followed through a program: choices take all branches, loops their fixed point."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Any

from jax.extend.core import Literal

from .boxes import Box, Deps, map_boxes, unite
from .constants import Constants, as_set, find_inner_program, maker_of
from .indexing import INDEXED
from .mixing import MIXES, REDUCTIONS
from .rules import MOVES, Rule, expand, follow_unknown, shape_of

__all__ = ["follow"]

LOOPS = as_set("cond custom_linear_solve scan while")
"""What runs programs whose equations are followed one by one."""
APART = (frozenset(MOVES) | REDUCTIONS | frozenset(INDEXED)) - as_set(
    "broadcast_in_dim gather tile"
)
"""What gives no element to several of one result."""
PATIENCE = 3
"""How many times a loop is followed before what still grows is taken to reach everything."""


def follow(program: Any, inputs: list[Deps], sources: dict[int, tuple[int, ...]]) -> list[Deps]:
    """Follow a program: the dependences of its results, from those of its arguments.

    Parameters
    ----------
    program : ClosedJaxpr
    inputs : list of Deps
    sources : dict
        The shapes of what boxes are of.
    """
    makers = [maker_of(const) for const in program.consts] + [None] * len(inputs)
    try:
        return _Follower(sources).follow(program.jaxpr, makers, [{}] * len(program.consts) + inputs)
    except _WrittenInPlaceError:
        return [
            {
                s: (Box.whole(shape, len(v.aval.shape), "an array written in place"),)
                for s, shape in sources.items()
            }
            for v in program.jaxpr.outvars
        ]


class _WrittenInPlaceError(Exception):
    """The program has arrays that are written in place, which nothing here follows."""


class _Follower:
    """Follows programs within programs."""

    def __init__(self, sources: dict[int, tuple[int, ...]]):
        self.sources = sources
        self.rules: dict[str, Rule] = (
            MOVES
            | MIXES
            | INDEXED
            | {
                "cond": self._follow_cond,
                "custom_linear_solve": self._follow_solve,
                "scan": self._follow_scan,
                "while": self._follow_while,
            }
        )

    def follow(self, jaxpr: Any, makers: list[Any], inputs: list[Deps]) -> list[Deps]:
        """Follow a program to its results; `makers` and `inputs` are of constants and arguments."""
        constants = Constants(jaxpr, makers)
        deps_of = dict(zip([*jaxpr.constvars, *jaxpr.invars], inputs, strict=True))

        def read(atom: Any) -> Deps:
            return {} if isinstance(atom, Literal) else deps_of.get(atom, {})

        for equation in jaxpr.eqns:
            if any(hasattr(v.aval, "inner_aval") for v in (*equation.invars, *equation.outvars)):
                raise _WrittenInPlaceError
            constants.note(equation)
            operands = [read(atom) for atom in equation.invars]
            if not any(operands):
                continue
            for variable, deps in zip(
                equation.outvars, self._follow_equation(equation, operands, constants), strict=True
            ):
                if 0 not in getattr(variable.aval, "shape", (0,)):
                    deps_of[variable] = deps
        return [read(atom) for atom in jaxpr.outvars]

    def _follow_equation(
        self, equation: Any, operands: list[Deps], constants: Constants
    ) -> list[Deps]:
        inner = find_inner_program(equation)
        if inner is None:
            results = self.rules.get(equation.primitive.name, follow_unknown)(
                equation, operands, constants
            )
            return (
                results
                if _keeps_apart(equation)
                else [map_boxes(deps, _mark_spread) for deps in results]
            )
        jaxpr, consts = inner
        makers = [*map(maker_of, consts), *map(constants.maker, equation.invars)]
        return self.follow(jaxpr, makers, [{}] * len(consts) + operands)

    def _follow_within(self, program: Any, makers: list[Any], inputs: list[Deps]) -> list[Deps]:
        """Follow the body of a loop or a branch."""
        consts = program.consts
        makers = [*map(maker_of, consts), *makers]
        return self.follow(program.jaxpr, makers, [{}] * len(consts) + inputs)

    def _follow_cond(self, equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
        makers = [constants.maker(atom) for atom in equation.invars[1:]]
        branches = [
            self._follow_within(branch, makers, inputs[1:])
            for branch in equation.params["branches"]
        ]
        return [
            unite([*several, expand(inputs[0], 0, len(shape_of(v)))])
            for v, *several in zip(equation.outvars, *branches, strict=True)
        ]

    def _follow_solve(self, equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
        lengths, jaxprs = equation.params["const_lengths"], equation.params["jaxprs"]
        first = lengths.matvec + lengths.vecmat
        last = first + lengths.solve
        right = last + lengths.transpose_solve
        if any(inputs[:first]) or any(inputs[last:right]):
            return follow_unknown(equation, inputs, constants)
        places = [*range(first, last), *range(right, len(inputs))]
        makers = [constants.maker(equation.invars[k]) for k in places]
        return self._follow_within(jaxprs.solve, makers, [inputs[k] for k in places])

    def _follow_scan(self, equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
        params, shapes = equation.params, [shape_of(atom) for atom in equation.invars]
        first = params["num_consts"]
        last = first + params["num_carry"]
        if not params["length"]:
            return inputs[first:last] + [{}] * (len(equation.outvars) - params["num_carry"])
        # The steps are an axis before those of each array: what enters a step leaves it in order.
        consts = [_add_step_axis(d, len(s)) for d, s in zip(inputs[:first], shapes, strict=False)]
        ndims = [len(shape) for shape in shapes[first:last]]
        makers = [constants.maker(atom) for atom in equation.invars[:first]]
        makers += [None] * (len(inputs) - first)

        def step(carry: list[Deps]) -> list[Deps]:
            step_carry = [_add_step_axis(d, n) for d, n in zip(carry, ndims, strict=True)]
            results = self._follow_within(
                params["jaxpr"], makers, [*consts, *step_carry, *inputs[last:]]
            )
            new_carry = [_drop_step_axis(d, n) for d, n in zip(results, ndims, strict=False)]
            return [*new_carry, *results[len(ndims) :]]

        return self._find_fixed_point(step, inputs[first:last], ndims, params["length"])

    def _follow_while(self, equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
        params = equation.params
        first = params["cond_nconsts"]
        last = first + params["body_nconsts"]
        makers = [constants.maker(atom) for atom in equation.invars[:last]]
        ndims = [len(shape_of(atom)) for atom in equation.invars[last:]]
        unknown_carry = [None] * len(ndims)

        def step(carry: list[Deps]) -> list[Deps]:
            operands = [*inputs[first:last], *carry]
            return self._follow_within(
                params["body_jaxpr"], makers[first:] + unknown_carry, operands
            )

        carry = inputs[last:]
        new_carry = self._find_fixed_point(step, carry, ndims, None)
        whole = [unite([a, b]) for a, b in zip(carry, new_carry, strict=True)]
        makers = makers[:first] + unknown_carry
        (goes_on,) = self._follow_within(params["cond_jaxpr"], makers, [*inputs[:first], *whole])
        return [unite([deps, expand(goes_on, 0, n)]) for deps, n in zip(whole, ndims, strict=True)]

    def _find_fixed_point(
        self, step: Callable, carry: list[Deps], ndims: list[int], length: int | None
    ) -> list[Deps]:
        """Find what a loop leaves when following it once more changes nothing."""
        for times in itertools.count(1):
            results = step(carry)
            if times == length:
                return results
            new_carry = [unite([a, b]) for a, b in zip(carry, results, strict=False)]
            growing = [
                {s for s, boxes in new.items() if not _covers(old.get(s, ()), boxes)}
                for old, new in zip(carry, new_carry, strict=True)
            ]
            if not any(growing):
                return results
            if times >= PATIENCE:
                for new, sources, ndim in zip(new_carry, growing, ndims, strict=True):
                    new |= {s: (self._make_whole(s, new[s][0], ndim),) for s in sources}
            carry = new_carry
        raise AssertionError  # What reaches everything does not grow.

    def _make_whole(self, source: int, like: Box, ndim: int) -> Box:
        return Box.whole(self.sources[source], like.ndim, "a loop")


def _keeps_apart(equation: Any) -> bool:
    """Whether an element of what an equation is given goes to one element of each result."""
    name = equation.primitive.name
    if name == "broadcast_in_dim":
        return math.prod(shape_of(equation.outvars[0])) <= math.prod(shape_of(equation.invars[0]))
    return name in APART or name in LOOPS


def _mark_spread(box: Box) -> Box:
    return dataclasses.replace(box, spread=True)


def _covers(old: tuple[Box, ...], new: tuple[Box, ...]) -> bool:
    return all(any(one.contains(box) for one in old) for box in new)


def _add_step_axis(deps: Deps, ndim: int) -> Deps:
    """Make the dependences of what is the same in each step of a loop."""
    return map_boxes(
        deps,
        lambda box: box.move(
            lambda array: array.reshape(
                *array.shape[: array.ndim - ndim], 1, *array.shape[array.ndim - ndim :]
            )
        ),
    )


def _drop_step_axis(deps: Deps, ndim: int) -> Deps:
    """Make the dependences of what the steps of a loop leave, one after the other."""

    def follow_box(box: Box) -> Box:
        axis = box.ndim - ndim - 1
        return box.merge([axis]).move(lambda array: array.squeeze(axis))

    return map_boxes(deps, follow_box)
