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

from .constants import Constants, as_set, find_inner_program, maker_of
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


def _make_bent(reason: str) -> _Kind:
    return _Kind("bent", reason)


def _bend_by(equation: Any) -> _Kind:
    return _make_bent(f"`{equation.primitive.name}` of it")


_ADDED = _make_bent("something else is added to it or put in its place")
_CHOSEN = _make_bent("it is what a choice depends on")

_FIRST = as_set(
    "broadcast_in_dim conj convert_element_type copy cumsum dynamic_slice fft gather imag name neg "
    "real reduce_precision reduce_sum reduce_window_sum reshape rev select_and_gather_add "
    "select_and_scatter_add slice split squeeze stop_gradient tile transpose unstack"
)
_ALL = as_set("add add_any complex concatenate pad stack sub")
_SUMS: dict[str, slice] = (
    dict.fromkeys(_FIRST, slice(1))
    | dict.fromkeys(_ALL, slice(None))
    | dict.fromkeys(as_set("scatter scatter-add scatter-sub"), slice(0, 3, 2))
    | {"dynamic_update_slice": slice(2), "triangular_solve": slice(1, 2)}
)
"""Of primitives that add or put together what some operands have, which operands these are."""
_PRODUCTS = as_set("conv_general_dilated dot_general mul")


def find_bend(program: Any, is_pulled: Iterable[bool]) -> str:
    """Find what makes a program's results not proportional to some arguments; empty: nothing.

    Parameters
    ----------
    program : ClosedJaxpr
    is_pulled : iterable of bool
        Which of the arguments these are.
    """
    kinds = [_LINEAR if pulled else _FREE for pulled in is_pulled]
    makers = [*map(maker_of, program.consts), *(None for _ in kinds)]
    result_kinds = _follow(
        program.jaxpr, makers, [_FREE] * len(program.consts) + kinds, settled=True
    )
    if any(kind is _FREE for kind in result_kinds):
        return "what is given back does not depend on it"
    return next((kind.reason for kind in result_kinds if kind.reason), "")


class _Scope:
    """The kinds of the variables of one program."""

    def __init__(self, jaxpr: Any, makers: list[Any], kinds: list[_Kind]):
        self.jaxpr, self.constants = jaxpr, Constants(jaxpr, makers)
        self.kind_of = dict(zip([*jaxpr.constvars, *jaxpr.invars], kinds, strict=True))

    def kind(self, atom: Any) -> _Kind:
        if isinstance(atom, Literal):
            return _FREE if np.any(np.asarray(atom.val) != 0) else _ZERO
        return self.kind_of[atom]

    def kinds(self, atoms: Iterable[Any]) -> list[_Kind]:
        return [self.kind(atom) for atom in atoms]

    def settle(self, atoms: Iterable[Any]) -> list[_Kind]:
        """Find kinds, those of constants that are zero by their values."""
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


def _follow(
    jaxpr: Any, makers: list[Any], kinds: list[_Kind], *, settled: bool = False
) -> list[_Kind]:
    """Find the kinds of a program's results; `makers`, `kinds`: of constants and arguments."""
    scope = _Scope(jaxpr, makers, kinds)
    for equation in jaxpr.eqns:
        scope.constants.note(equation)
        for variable, kind in zip(equation.outvars, _follow_equation(equation, scope), strict=True):
            # What has no element is in proportion to anything.
            is_empty = 0 in getattr(variable.aval, "shape", ())
            scope.kind_of[variable] = _ZERO if is_empty else kind
    return scope.settle(jaxpr.outvars) if settled else scope.kinds(jaxpr.outvars)


def _follow_within(program: Any, makers: list[Any], kinds: list[_Kind]) -> list[_Kind]:
    """Follow a branch, or the body of a loop."""
    makers = [*map(maker_of, program.consts), *makers]
    return _follow(program.jaxpr, makers, [_FREE] * len(program.consts) + kinds, settled=True)


def _follow_equation(equation: Any, scope: _Scope) -> list[_Kind]:
    name, kinds = equation.primitive.name, scope.kinds(equation.invars)
    count = len(equation.outvars)
    if all(kind is _FREE for kind in kinds) or not count:
        return [_FREE] * count
    inner = find_inner_program(equation)
    if inner is not None:
        makers = [*map(maker_of, inner[1]), *scope.makers(equation.invars)]
        return _follow(inner[0], makers, [_FREE] * len(inner[1]) + kinds)
    if name == "shard_map":
        return _follow(equation.params["jaxpr"], [None] * len(kinds), kinds)
    if name in ONE_TO_ONE:
        return kinds
    if name in _STRUCTURED and any(kind.depends for kind in kinds):
        return _STRUCTURED[name](equation, scope)
    return [_follow_numbers(equation, kinds, scope)] * count


def _follow_numbers(equation: Any, kinds: list[_Kind], scope: _Scope) -> _Kind:
    """Find what a primitive makes that runs no program."""
    name, is_dependent = equation.primitive.name, any(kind.depends for kind in kinds)
    if is_dependent and not all(map(_is_inexact, equation.outvars)):
        return _bend_by(equation)
    if name in _SUMS:
        summands, rest = kinds[_SUMS[name]], [*kinds]
        del rest[_SUMS[name]]
        if any(kind.depends for kind in rest) or (
            _fills(equation) and any(k.depends for k in summands)
        ):
            return _bend_by(equation)
        return _add(scope.settle(equation.invars[_SUMS[name]]) if is_dependent else summands)
    if name == "select_n":
        return _select(
            kinds[0], _add(scope.settle(equation.invars[1:]) if is_dependent else kinds[1:])
        )
    if name in _PRODUCTS:
        return _multiply(equation, kinds)
    if name == "div":
        if kinds[0] is not _ZERO and kinds[1].depends:
            return _bend_by(equation)
        return kinds[0]
    if not is_dependent:
        return _FREE
    return _LINEAR if _is_transposed(equation, scope) else _bend_by(equation)


def _add(kinds: list[_Kind]) -> _Kind:
    """Find the kind of what is one of these, or the sum of them, or has them as parts."""
    for kind in kinds:
        if kind.reason:
            return kind
    others = {*kinds} - {_ZERO}
    return _ADDED if len(others) > 1 else others.pop() if others else _ZERO


def _select(index: _Kind, cases: _Kind) -> _Kind:
    return _CHOSEN if index.depends and cases is not _ZERO else cases


def _multiply(equation: Any, kinds: list[_Kind]) -> _Kind:
    if _ZERO in kinds:
        return _ZERO
    if kinds[0].depends and kinds[1].depends:
        return _bend_by(equation)
    return kinds[0] if kinds[0].depends else kinds[1]


def _fills(equation: Any) -> bool:
    """Whether there are numbers of its own where an index is outside."""
    fill_value = equation.params.get("fill_value")
    return fill_value is not None and not np.isnan(fill_value) and fill_value != 0


def _is_inexact(variable: Any) -> bool:
    dtype = getattr(variable.aval, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jnp.inexact)


def _is_transposed(equation: Any, scope: _Scope) -> bool:
    """Whether JAX transposes an equation in what is in proportion, where it has no rule here."""
    variables = [*dict.fromkeys(atom for atom in equation.invars if not isinstance(atom, Literal))]
    kinds = scope.kinds(variables)
    if any(kind.reason for kind in kinds):
        return False
    program = scope.jaxpr.replace(
        constvars=[], invars=variables, outvars=equation.outvars, eqns=[equation]
    )
    places = [k for k, kind in enumerate(kinds) if kind is _LINEAR]

    def transpose(values: list[Any], cotangents: list[Any]) -> Any:
        def function(*linear: Any) -> Any:
            operands = dict(enumerate(values)) | dict(zip(places, linear, strict=True))
            return eval_jaxpr(program, (), *operands.values())

        return jax.linear_transpose(function, *(values[k] for k in places))(cotangents)

    likes, outs = (
        [jax.ShapeDtypeStruct(atom.aval.shape, atom.aval.dtype) for atom in atoms]
        for atoms in (variables, equation.outvars)
    )
    try:
        jax.eval_shape(transpose, likes, outs)
    except NOT_TRANSPOSED:
        return False
    return True


def _follow_cond(equation: Any, scope: _Scope) -> list[_Kind]:
    index, *operands = equation.invars
    makers, kinds = scope.makers(operands), scope.settle(operands)
    branches = [_follow_within(branch, makers, kinds) for branch in equation.params["branches"]]
    results = [_add([*several]) for several in zip(*branches, strict=True)]
    return [_select(scope.kind(index), kind) for kind in results]


def _follow_scan(equation: Any, scope: _Scope) -> list[_Kind]:
    params, kinds = equation.params, scope.settle(equation.invars)
    first = params["num_consts"]
    last = first + params["num_carry"]
    makers = scope.makers(equation.invars[:first]) + [None] * (len(kinds) - first)

    def step(carry: list[_Kind]) -> list[_Kind]:
        return _follow_within(params["jaxpr"], makers, [*kinds[:first], *carry, *kinds[last:]])

    carry = _find_fixed_point(lambda carry: step(carry)[: last - first], kinds[first:last])
    return [*carry, *step(carry)[last - first :]]


def _follow_while(equation: Any, scope: _Scope) -> list[_Kind]:
    params, kinds = equation.params, scope.settle(equation.invars)
    first = params["cond_nconsts"]
    last = first + params["body_nconsts"]
    makers = scope.makers(equation.invars[:last])
    unknown_carry = [None] * (len(kinds) - last)

    def step(carry: list[_Kind]) -> list[_Kind]:
        return _follow_within(
            params["body_jaxpr"], makers[first:] + unknown_carry, kinds[first:last] + carry
        )

    carry = _find_fixed_point(step, kinds[last:])
    (goes_on,) = _follow_within(
        params["cond_jaxpr"], makers[:first] + unknown_carry, kinds[:first] + carry
    )
    return [_select(goes_on, kind) for kind in carry]


def _find_fixed_point(
    step: Callable[[list[_Kind]], list[_Kind]], carry: list[_Kind]
) -> list[_Kind]:
    """Find what a loop carries when following it once more changes nothing."""
    while True:
        new_carry = [_add([a, b]) for a, b in zip(carry, step(carry), strict=True)]
        if new_carry == carry:
            return carry
        carry = new_carry


_STRUCTURED = {"cond": _follow_cond, "scan": _follow_scan, "while": _follow_while}
