"""Dependences followed through a program: choices take all branches, loops their fixed point."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Any

from jax.extend.core import Literal

from .boxes import Box, Deps, each, united
from .constants import Constants, inner_program, maker_of, names
from .indexing import INDEXED
from .mixing import MIXES, REDUCTIONS
from .rules import MOVES, Rule, expanded, shape_of, unknown

__all__ = ["follow"]

LOOPS = names("cond custom_linear_solve scan while")
"""What runs programs whose equations are followed one by one."""
APART = (frozenset(MOVES) | REDUCTIONS | frozenset(INDEXED)) - names("broadcast_in_dim gather tile")
"""What gives no element to several of one result."""
PATIENCE = 3
"""How many times a loop is followed before what still grows is taken to reach everything."""


def follow(program: Any, inputs: list[Deps], sources: dict[int, tuple[int, ...]]) -> list[Deps]:
    """The dependences of a program's results, from those of its arguments.

    Parameters
    ----------
    program : ClosedJaxpr
    inputs : list of Deps
    sources : dict
        The shapes of what boxes are of.
    """
    known = [maker_of(const) for const in program.consts] + [None] * len(inputs)
    try:
        return _Follower(sources).through(program.jaxpr, known, [{}] * len(program.consts) + inputs)
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
                "cond": self._cond,
                "custom_linear_solve": self._solve,
                "scan": self._scan,
                "while": self._while,
            }
        )

    def through(self, jaxpr: Any, known: list[Any], inputs: list[Deps]) -> list[Deps]:
        """The dependences of the results; `known` and `inputs` are of constants and arguments."""
        constants = Constants(jaxpr, known)
        found = dict(zip([*jaxpr.constvars, *jaxpr.invars], inputs, strict=True))

        def of(atom: Any) -> Deps:
            return {} if isinstance(atom, Literal) else found.get(atom, {})

        for equation in jaxpr.eqns:
            if any(hasattr(v.aval, "inner_aval") for v in (*equation.invars, *equation.outvars)):
                raise _WrittenInPlaceError
            constants.note(equation)
            given = [of(atom) for atom in equation.invars]
            if not any(given):
                continue
            for variable, deps in zip(
                equation.outvars, self._through_one(equation, given, constants), strict=True
            ):
                if 0 not in getattr(variable.aval, "shape", (0,)):
                    found[variable] = deps
        return [of(atom) for atom in jaxpr.outvars]

    def _through_one(self, equation: Any, given: list[Deps], constants: Constants) -> list[Deps]:
        inner = inner_program(equation)
        if inner is None:
            found = self.rules.get(equation.primitive.name, unknown)(equation, given, constants)
            return found if _keeps_apart(equation) else [each(deps, _spread) for deps in found]
        jaxpr, consts = inner
        known = [*map(maker_of, consts), *map(constants.maker, equation.invars)]
        return self.through(jaxpr, known, [{}] * len(consts) + given)

    def _within(self, closed: Any, known: list[Any], inputs: list[Deps]) -> list[Deps]:
        """Through the body of a loop or a branch."""
        consts = closed.consts
        known = [*map(maker_of, consts), *known]
        return self.through(closed.jaxpr, known, [{}] * len(consts) + inputs)

    def _cond(self, equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
        known = [constants.maker(atom) for atom in equation.invars[1:]]
        branches = [
            self._within(branch, known, inputs[1:]) for branch in equation.params["branches"]
        ]
        return [
            united([*several, expanded(inputs[0], 0, len(shape_of(v)))])
            for v, *several in zip(equation.outvars, *branches, strict=True)
        ]

    def _solve(self, equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
        lengths, jaxprs = equation.params["const_lengths"], equation.params["jaxprs"]
        first = lengths.matvec + lengths.vecmat
        last = first + lengths.solve
        right = last + lengths.transpose_solve
        if any(inputs[:first]) or any(inputs[last:right]):
            return unknown(equation, inputs, constants)
        places = [*range(first, last), *range(right, len(inputs))]
        known = [constants.maker(equation.invars[k]) for k in places]
        return self._within(jaxprs.solve, known, [inputs[k] for k in places])

    def _scan(self, equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
        params, shapes = equation.params, [shape_of(atom) for atom in equation.invars]
        first = params["num_consts"]
        last = first + params["num_carry"]
        if not params["length"]:
            return inputs[first:last] + [{}] * (len(equation.outvars) - params["num_carry"])
        # The steps are an axis before those of each array: what enters a step leaves it in order.
        own = [_stepped(d, len(s)) for d, s in zip(inputs[:first], shapes, strict=False)]
        ndims = [len(shape) for shape in shapes[first:last]]
        known = [constants.maker(atom) for atom in equation.invars[:first]]
        known += [None] * (len(inputs) - first)

        def step(carry: list[Deps]) -> list[Deps]:
            stepped = [_stepped(d, n) for d, n in zip(carry, ndims, strict=True)]
            found = self._within(params["jaxpr"], known, [*own, *stepped, *inputs[last:]])
            left = [_last(d, n) for d, n in zip(found, ndims, strict=False)]
            return [*left, *found[len(ndims) :]]

        return self._fixed(step, inputs[first:last], ndims, params["length"])

    def _while(self, equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
        params = equation.params
        first = params["cond_nconsts"]
        last = first + params["body_nconsts"]
        known = [constants.maker(atom) for atom in equation.invars[:last]]
        ndims = [len(shape_of(atom)) for atom in equation.invars[last:]]
        unknown_carry = [None] * len(ndims)

        def step(carry: list[Deps]) -> list[Deps]:
            given = [*inputs[first:last], *carry]
            return self._within(params["body_jaxpr"], known[first:] + unknown_carry, given)

        carry = inputs[last:]
        made = self._fixed(step, carry, ndims, None)
        whole = [united([a, b]) for a, b in zip(carry, made, strict=True)]
        known = known[:first] + unknown_carry
        (goes_on,) = self._within(params["cond_jaxpr"], known, [*inputs[:first], *whole])
        return [
            united([deps, expanded(goes_on, 0, n)]) for deps, n in zip(whole, ndims, strict=True)
        ]

    def _fixed(
        self, step: Callable, carry: list[Deps], ndims: list[int], length: int | None
    ) -> list[Deps]:
        """What a loop leaves when following it once more changes nothing."""
        for times in itertools.count(1):
            found = step(carry)
            if times == length:
                return found
            grown = [united([a, b]) for a, b in zip(carry, found, strict=False)]
            changed = [
                {s for s, boxes in new.items() if not _covers(old.get(s, ()), boxes)}
                for old, new in zip(carry, grown, strict=True)
            ]
            if not any(changed):
                return found
            if times >= PATIENCE:
                for new, sources, ndim in zip(grown, changed, ndims, strict=True):
                    new |= {s: (self._whole(s, new[s][0], ndim),) for s in sources}
            carry = grown
        raise AssertionError  # What reaches everything does not grow.

    def _whole(self, source: int, like: Box, ndim: int) -> Box:
        return Box.whole(self.sources[source], like.ndim, "a loop")


def _keeps_apart(equation: Any) -> bool:
    """Whether an element of what an equation is given goes to one element of each result."""
    name = equation.primitive.name
    if name == "broadcast_in_dim":
        return math.prod(shape_of(equation.outvars[0])) <= math.prod(shape_of(equation.invars[0]))
    return name in APART or name in LOOPS


def _spread(box: Box) -> Box:
    return dataclasses.replace(box, spread=True)


def _covers(old: tuple[Box, ...], new: tuple[Box, ...]) -> bool:
    return all(any(one.contains(box) for one in old) for box in new)


def _stepped(deps: Deps, ndim: int) -> Deps:
    """The dependences of what is the same in each step of a loop."""
    return each(
        deps,
        lambda box: box.mapped(
            lambda array: array.reshape(
                *array.shape[: array.ndim - ndim], 1, *array.shape[array.ndim - ndim :]
            )
        ),
    )


def _last(deps: Deps, ndim: int) -> Deps:
    """The dependences of what the steps of a loop leave, one after the other."""

    def of_box(box: Box) -> Box:
        axis = box.ndim - ndim - 1
        return box.over([axis]).mapped(lambda array: array.squeeze(axis))

    return each(deps, of_box)
