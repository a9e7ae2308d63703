"""Whether a program's results are in proportion to some of its arguments, for all inputs.

What is pulled back through a derivative's program must be: twice as much of it gives back twice as
much. What is not known to be so is said not to be.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import eval_jaxpr
from jax.extend.core import Literal

from .constants import Constants, inner_program, maker_of, names
from .rules import ONE_TO_ONE, SMALL

__all__ = ["NOT_TRANSPOSED", "find_bend"]

NOT_TRANSPOSED = (NotImplementedError, AssertionError, RuntimeError, ValueError)
"""What JAX raises for a function that it cannot transpose."""


@dataclasses.dataclass(frozen=True)
class _Kind:
    """How an array depends on what is pulled back.

    Attributes
    ----------
    name : str
    reason : str
        What is done to what is pulled back so that the array is not in proportion to it; empty: it
        is in proportion, or does not depend on it.
    """

    name: str
    reason: str = ""

    @property
    def depends(self) -> bool:
        return self is _LINEAR or bool(self.reason)


_ZERO, _FREE, _LINEAR = _Kind("zero"), _Kind("free"), _Kind("linear")


def _bent(reason: str) -> _Kind:
    return _Kind("bent", reason)


def _named(equation: Any) -> _Kind:
    return _bent(f"`{equation.primitive.name}` of it")


_ADDED = _bent("something else is added to it or put in its place")
_CHOSEN = _bent("it is what a choice depends on")

_FIRST = names(
    "broadcast_in_dim conj convert_element_type copy cumsum dynamic_slice fft gather imag name neg "
    "real reduce_precision reduce_sum reduce_window_sum reshape rev select_and_gather_add "
    "select_and_scatter_add slice split squeeze stop_gradient tile transpose unstack"
)
_ALL = names("add add_any complex concatenate pad stack sub")
_SUMS: dict[str, slice] = (
    dict.fromkeys(_FIRST, slice(1))
    | dict.fromkeys(_ALL, slice(None))
    | dict.fromkeys(names("scatter scatter-add scatter-sub"), slice(0, 3, 2))
    | {"dynamic_update_slice": slice(2), "triangular_solve": slice(1, 2)}
)
"""Of primitives that add or put together what some operands have, which operands these are."""
_PRODUCTS = names("conv_general_dilated dot_general mul")


def find_bend(program: Any, is_pulled: Iterable[bool]) -> str:
    """What makes a program's results not proportional to some of its arguments; empty: nothing.

    Parameters
    ----------
    program : ClosedJaxpr
    is_pulled : iterable of bool
        Which of the arguments these are.
    """
    kinds = [_LINEAR if pulled else _FREE for pulled in is_pulled]
    known = [*map(maker_of, program.consts), *(None for _ in kinds)]
    found = _through(program.jaxpr, known, [_FREE] * len(program.consts) + kinds, settled=True)
    if any(kind is _FREE for kind in found):
        return "what is given back does not depend on it"
    return next((kind.reason for kind in found if kind.reason), "")


class _Scope:
    """The kinds of the variables of one program."""

    def __init__(self, jaxpr: Any, known: list[Any], kinds: list[_Kind]):
        self.jaxpr, self.constants = jaxpr, Constants(jaxpr, known)
        self.found = dict(zip([*jaxpr.constvars, *jaxpr.invars], kinds, strict=True))

    def kind(self, atom: Any) -> _Kind:
        if isinstance(atom, Literal):
            return _FREE if np.any(np.asarray(atom.val) != 0) else _ZERO
        return self.found[atom]

    def kinds(self, atoms: Iterable[Any]) -> list[_Kind]:
        return [self.kind(atom) for atom in atoms]

    def settled(self, atoms: Iterable[Any]) -> list[_Kind]:
        """Kinds, those of constants that are zero found by their values."""
        return [
            _ZERO if self.kind(atom) is _FREE and self._is_zero(atom) else self.kind(atom)
            for atom in atoms
        ]

    def _is_zero(self, atom: Any) -> bool:
        if not self.constants.is_known(atom) or math.prod(atom.aval.shape) > SMALL:
            return False
        return not np.any(self.constants.value(atom))

    def makers(self, atoms: Iterable[Any]) -> list[Any]:
        return [self.constants.maker(atom) for atom in atoms]


def _through(
    jaxpr: Any, known: list[Any], kinds: list[_Kind], *, settled: bool = False
) -> list[_Kind]:
    """The kinds of a program's results; `known` and `kinds` are of constants and arguments."""
    scope = _Scope(jaxpr, known, kinds)
    for equation in jaxpr.eqns:
        scope.constants.note(equation)
        for variable, kind in zip(equation.outvars, _through_one(equation, scope), strict=True):
            # What has no element is in proportion to anything.
            is_empty = 0 in getattr(variable.aval, "shape", ())
            scope.found[variable] = _ZERO if is_empty else kind
    return scope.settled(jaxpr.outvars) if settled else scope.kinds(jaxpr.outvars)


def _within(closed: Any, known: list[Any], kinds: list[_Kind]) -> list[_Kind]:
    """Through a branch, or the body of a loop."""
    known = [*map(maker_of, closed.consts), *known]
    return _through(closed.jaxpr, known, [_FREE] * len(closed.consts) + kinds, settled=True)


def _through_one(equation: Any, scope: _Scope) -> list[_Kind]:
    name, kinds = equation.primitive.name, scope.kinds(equation.invars)
    count = len(equation.outvars)
    if all(kind is _FREE for kind in kinds) or not count:
        return [_FREE] * count
    inner = inner_program(equation)
    if inner is not None:
        known = [*map(maker_of, inner[1]), *scope.makers(equation.invars)]
        return _through(inner[0], known, [_FREE] * len(inner[1]) + kinds)
    if name == "shard_map":
        return _through(equation.params["jaxpr"], [None] * len(kinds), kinds)
    if name in ONE_TO_ONE:
        return kinds
    if name in _STRUCTURED and any(kind.depends for kind in kinds):
        return _STRUCTURED[name](equation, scope)
    return [_of_numbers(equation, kinds, scope)] * count


def _of_numbers(equation: Any, kinds: list[_Kind], scope: _Scope) -> _Kind:
    """What a primitive makes that runs no program."""
    name, depend = equation.primitive.name, any(kind.depends for kind in kinds)
    if depend and not all(map(_is_inexact, equation.outvars)):
        return _named(equation)
    if name in _SUMS:
        added, rest = kinds[_SUMS[name]], [*kinds]
        del rest[_SUMS[name]]
        if any(kind.depends for kind in rest) or (
            _fills(equation) and any(k.depends for k in added)
        ):
            return _named(equation)
        return _sum(scope.settled(equation.invars[_SUMS[name]]) if depend else added)
    if name == "select_n":
        return _selected(
            kinds[0], _sum(scope.settled(equation.invars[1:]) if depend else kinds[1:])
        )
    if name in _PRODUCTS:
        return _product(equation, kinds)
    if name == "div":
        if kinds[0] is not _ZERO and kinds[1].depends:
            return _named(equation)
        return kinds[0]
    if not depend:
        return _FREE
    return _LINEAR if _is_transposed(equation, scope) else _named(equation)


def _sum(kinds: list[_Kind]) -> _Kind:
    """Of what is one of these, or the sum of them, or has them as parts."""
    for kind in kinds:
        if kind.reason:
            return kind
    left = {*kinds} - {_ZERO}
    return _ADDED if len(left) > 1 else left.pop() if left else _ZERO


def _selected(index: _Kind, cases: _Kind) -> _Kind:
    return _CHOSEN if index.depends and cases is not _ZERO else cases


def _product(equation: Any, kinds: list[_Kind]) -> _Kind:
    if _ZERO in kinds:
        return _ZERO
    if kinds[0].depends and kinds[1].depends:
        return _named(equation)
    return kinds[0] if kinds[0].depends else kinds[1]


def _fills(equation: Any) -> bool:
    """Whether there are numbers of its own where an index is outside."""
    filled = equation.params.get("fill_value")
    return filled is not None and not np.isnan(filled) and filled != 0


def _is_inexact(variable: Any) -> bool:
    dtype = getattr(variable.aval, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jnp.inexact)


def _is_transposed(equation: Any, scope: _Scope) -> bool:
    """Whether JAX transposes an equation in what is in proportion, where it has no rule here."""
    used = [*dict.fromkeys(atom for atom in equation.invars if not isinstance(atom, Literal))]
    kinds = scope.kinds(used)
    if any(kind.reason for kind in kinds):
        return False
    alone = scope.jaxpr.replace(
        constvars=[], invars=used, outvars=equation.outvars, eqns=[equation]
    )
    places = [k for k, kind in enumerate(kinds) if kind is _LINEAR]

    def transposed(values: list[Any], cotangents: list[Any]) -> Any:
        def function(*linear: Any) -> Any:
            given = dict(enumerate(values)) | dict(zip(places, linear, strict=True))
            return eval_jaxpr(alone, (), *given.values())

        return jax.linear_transpose(function, *(values[k] for k in places))(cotangents)

    likes, outs = (
        [jax.ShapeDtypeStruct(atom.aval.shape, atom.aval.dtype) for atom in atoms]
        for atoms in (used, equation.outvars)
    )
    try:
        jax.eval_shape(transposed, likes, outs)
    except NOT_TRANSPOSED:
        return False
    return True


def _cond(equation: Any, scope: _Scope) -> list[_Kind]:
    index, *operands = equation.invars
    known, kinds = scope.makers(operands), scope.settled(operands)
    branches = [_within(branch, known, kinds) for branch in equation.params["branches"]]
    chosen = [_sum([*several]) for several in zip(*branches, strict=True)]
    return [_selected(scope.kind(index), kind) for kind in chosen]


def _scan(equation: Any, scope: _Scope) -> list[_Kind]:
    params, kinds = equation.params, scope.settled(equation.invars)
    first = params["num_consts"]
    last = first + params["num_carry"]
    known = scope.makers(equation.invars[:first]) + [None] * (len(kinds) - first)

    def step(carry: list[_Kind]) -> list[_Kind]:
        return _within(params["jaxpr"], known, [*kinds[:first], *carry, *kinds[last:]])

    carry = _fixed(lambda carry: step(carry)[: last - first], kinds[first:last])
    return [*carry, *step(carry)[last - first :]]


def _while(equation: Any, scope: _Scope) -> list[_Kind]:
    params, kinds = equation.params, scope.settled(equation.invars)
    first = params["cond_nconsts"]
    last = first + params["body_nconsts"]
    known = scope.makers(equation.invars[:last])
    carried = [None] * (len(kinds) - last)

    def step(carry: list[_Kind]) -> list[_Kind]:
        return _within(params["body_jaxpr"], known[first:] + carried, kinds[first:last] + carry)

    carry = _fixed(step, kinds[last:])
    (goes_on,) = _within(params["cond_jaxpr"], known[:first] + carried, kinds[:first] + carry)
    return [_selected(goes_on, kind) for kind in carry]


def _fixed(step: Callable[[list[_Kind]], list[_Kind]], carry: list[_Kind]) -> list[_Kind]:
    """What a loop carries when following it once more changes nothing."""
    while True:
        grown = [_sum([a, b]) for a, b in zip(carry, step(carry), strict=True)]
        if grown == carry:
            return carry
        carry = grown


_STRUCTURED = {"cond": _cond, "scan": _scan, "while": _while}
