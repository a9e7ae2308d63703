"""The arrays of a program that its text alone determines, computed when one is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer, eval_jaxpr
from jax.extend.core import Literal

__all__ = ["Constants", "inner_program", "maker_of", "names"]


def names(text: str) -> frozenset[str]:
    """A set of words."""
    return frozenset(text.split())


CALLS = names(
    "call jit pjit closed_call composite core_call remat remat2 checkpoint custom_jvp_call "
    "custom_vjp_call custom_vjp_call_jaxpr custom_lin"
)
"""Primitives that run another program on the same arguments."""


def inner_program(equation: Any) -> tuple[Any, list[Any]] | None:
    """The program that a call runs, and the constants that it closes over, or None."""
    if equation.primitive.name not in CALLS:
        return None
    for name in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        inner = equation.params.get(name)
        if inner is None:
            continue
        jaxpr, consts = getattr(inner, "jaxpr", inner), getattr(inner, "consts", [])
        if len(jaxpr.invars) == len(equation.invars):
            return jaxpr, list(consts)
    return None


def _broadcast(x: np.ndarray, *, shape: Any, broadcast_dimensions: Any, **_: Any) -> np.ndarray:
    own = [1] * len(shape)
    for axis, size in zip(broadcast_dimensions, x.shape, strict=True):
        own[axis] = size
    return np.broadcast_to(x.reshape(own), shape)


def _iota(*, dtype: Any, shape: Any, dimension: int, **_: Any) -> np.ndarray:
    own = [-1 if axis == dimension else 1 for axis in range(len(shape))]
    return np.broadcast_to(np.arange(shape[dimension], dtype=dtype).reshape(own), shape)


def _exprel(x: np.ndarray, **_: Any) -> np.ndarray:
    return np.divide(np.expm1(x), x, out=np.ones_like(x), where=x != 0)


def _divide(x: np.ndarray, y: np.ndarray, **_: Any) -> np.ndarray:
    if not np.issubdtype(x.dtype, np.integer):
        with np.errstate(all="ignore"):
            return np.divide(x, y)
    # Towards zero, and -1 where it is by zero, as XLA has it.
    whole = np.abs(x) // np.where(y == 0, 1, np.abs(y))
    return np.where(y == 0, -1, np.sign(x) * np.sign(y) * whole).astype(x.dtype)


def _element_wise(function: Callable) -> Callable:
    return lambda *values, **_: function(*values)


EVALUATED: dict[str, Callable] = {
    "iota": _iota,
    "broadcast_in_dim": _broadcast,
    "reshape": lambda x, *, new_sizes, **_: x.reshape(new_sizes),
    "squeeze": lambda x, *, dimensions, **_: x.squeeze(tuple(dimensions)),
    "transpose": lambda x, *, permutation: x.transpose(permutation),
    "convert_element_type": lambda x, *, new_dtype, **_: x.astype(new_dtype),
    "exprel": _exprel,
    "div": _divide,
    "concatenate": lambda *xs, dimension: np.concatenate(xs, dimension),
    "select_n": lambda which, *cases: (
        np.choose(which.astype(int), cases) if which.shape == cases[0].shape else cases[int(which)]
    ),
} | {
    name: _element_wise(function)
    for name, function in {
        **{"add": np.add, "sub": np.subtract, "mul": np.multiply, "eq": np.equal},
        **{"lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal},
        **{"ne": np.not_equal, "and": np.bitwise_and, "or": np.bitwise_or, "neg": np.negative},
    }.items()
}
"""What NumPy computes at once, where JAX would compile."""


class Constants:
    """Which variables of a program are known, and their values.

    Parameters
    ----------
    jaxpr : Jaxpr
    known : list of (callable returning an array, or None)
        For each of its constants and arguments.
    """

    def __init__(self, jaxpr: Any, known: list[Callable[[], Any] | None]):
        self._jaxpr = jaxpr
        variables = [*jaxpr.constvars, *jaxpr.invars]
        self._makers = {v: make for v, make in zip(variables, known, strict=True) if make}
        self._values: dict[Any, np.ndarray] = {}

    def maker(self, atom: Any) -> Callable[[], np.ndarray] | None:
        """What gives a variable's value, or None where it is not known."""
        return (lambda: self.value(atom)) if self.is_known(atom) else None

    def is_known(self, atom: Any) -> bool:
        """Whether a variable or literal has a value that is known."""
        return isinstance(atom, Literal) or atom in self._makers

    def value(self, atom: Any) -> np.ndarray:
        """The value of what is known."""
        if isinstance(atom, Literal):
            # JAX declares of a literal's `aval` no dtype, which it has.
            return np.asarray(atom.val, atom.aval.dtype)  # pyright: ignore[reportAttributeAccessIssue]
        if atom not in self._values:
            self._values[atom] = np.asarray(self._makers[atom]())
        return self._values[atom]

    def note(self, equation: Any) -> None:
        """Remember how an equation makes those of its results that what is known determines."""
        if equation.effects:
            return
        inner, makers = inner_program(equation), {}
        if all(self.is_known(atom) for atom in equation.invars):
            for k, variable in enumerate(equation.outvars):
                makers[variable] = lambda k=k: self._computed(equation)[k]
        if inner is not None:
            # Of a call with arguments that are not known some results may be.
            within = self._within(*inner, equation)
            pairs = zip(equation.outvars, inner[0].outvars, strict=True)
            makers |= {v: make for v, atom in pairs if (make := within.maker(atom))}
        self._makers |= {v: make for v, make in makers.items() if _is_plain(v)}

    def _within(self, jaxpr: Any, consts: list[Any], equation: Any) -> Constants:
        """What is known within the program that a call runs."""
        within = Constants(jaxpr, [*map(maker_of, consts), *map(self.maker, equation.invars)])
        for own in jaxpr.eqns:
            within.note(own)
        return within

    def _computed(self, equation: Any) -> list[np.ndarray]:
        values = [self.value(atom) for atom in equation.invars]
        if equation.primitive.name in EVALUATED:
            return [EVALUATED[equation.primitive.name](*values, **equation.params)]
        used = [*dict.fromkeys(atom for atom in equation.invars if not isinstance(atom, Literal))]
        alone = self._jaxpr.replace(
            constvars=[], invars=used, outvars=equation.outvars, eqns=[equation]
        )
        with jax.ensure_compile_time_eval():
            # One program, also of a primitive that is made of several.
            made = jax.jit(lambda *given: eval_jaxpr(alone, (), *given))
            return made(*map(self.value, used))


def maker_of(const: Any) -> Callable[[], Any] | None:
    """What gives a constant that is known.

    One is not that belongs to a trace around this one, lies on other hosts, or is no number.
    """
    not_here = isinstance(const, Tracer) or not getattr(const, "is_fully_addressable", True)
    is_key = jnp.issubdtype(const.dtype, jax.dtypes.extended)
    return None if not_here or is_key else lambda: const


def _is_plain(variable: Any) -> bool:
    """Whether a variable is an array of numbers, and no key of random numbers."""
    dtype = getattr(variable.aval, "dtype", None)
    return dtype is not None and not jnp.issubdtype(dtype, jax.dtypes.extended)
