"""The arrays of a program that its text alone determines, computed when one is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer, eval_jaxpr
from jax.extend.core import Literal

__all__ = ["Constants", "as_set", "find_inner_program", "maker_of"]


def as_set(text: str) -> frozenset[str]:
    """Make a set of words."""
    return frozenset(text.split())


CALLS = as_set(
    "call jit pjit closed_call composite core_call remat remat2 checkpoint custom_jvp_call "
    "custom_vjp_call custom_vjp_call_jaxpr custom_lin"
)
"""Primitives that run another program on the same arguments."""


def find_inner_program(equation: Any) -> tuple[Any, list[Any]] | None:
    """Find the program that a call runs, and the constants that it closes over, or None."""
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
    new_shape = [1] * len(shape)
    for axis, size in zip(broadcast_dimensions, x.shape, strict=True):
        new_shape[axis] = size
    return np.broadcast_to(x.reshape(new_shape), shape)


def _iota(*, dtype: Any, shape: Any, dimension: int, **_: Any) -> np.ndarray:
    new_shape = [-1 if axis == dimension else 1 for axis in range(len(shape))]
    return np.broadcast_to(np.arange(shape[dimension], dtype=dtype).reshape(new_shape), shape)


def _exprel(x: np.ndarray, **_: Any) -> np.ndarray:
    return np.divide(np.expm1(x), x, out=np.ones_like(x), where=x != 0)


def _divide(x: np.ndarray, y: np.ndarray, **_: Any) -> np.ndarray:
    if not np.issubdtype(x.dtype, np.integer):
        with np.errstate(all="ignore"):
            return np.divide(x, y)
    # Towards zero, and -1 where it is by zero, as XLA has it.
    whole = np.abs(x) // np.where(y == 0, 1, np.abs(y))
    return np.where(y == 0, -1, np.sign(x) * np.sign(y) * whole).astype(x.dtype)


def _make_element_wise(function: Callable) -> Callable:
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
    name: _make_element_wise(function)
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
    makers : list of (callable returning an array, or None)
        For each of its constants and arguments what gives its value, if that is known.
    """

    def __init__(self, jaxpr: Any, makers: list[Callable[[], Any] | None]):
        self._jaxpr = jaxpr
        variables = [*jaxpr.constvars, *jaxpr.invars]
        self._makers = {v: maker for v, maker in zip(variables, makers, strict=True) if maker}
        self._values: dict[Any, np.ndarray] = {}

    def maker(self, atom: Any) -> Callable[[], np.ndarray] | None:
        """Give what computes a variable's value, or None where it is not known."""
        return (lambda: self.value(atom)) if self.is_known(atom) else None

    def is_known(self, atom: Any) -> bool:
        """Whether a variable or literal has a value that is known."""
        return isinstance(atom, Literal) or atom in self._makers

    def value(self, atom: Any) -> np.ndarray:
        """Compute the value of what is known."""
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
        inner, makers = find_inner_program(equation), {}
        if all(self.is_known(atom) for atom in equation.invars):
            for k, variable in enumerate(equation.outvars):
                makers[variable] = lambda k=k: self._compute(equation)[k]
        if inner is not None:
            # Of a call with arguments that are not known some results may be.
            inner_constants = self._enter(*inner, equation)
            pairs = zip(equation.outvars, inner[0].outvars, strict=True)
            makers |= {v: maker for v, atom in pairs if (maker := inner_constants.maker(atom))}
        self._makers |= {v: maker for v, maker in makers.items() if _is_plain(v)}

    def _enter(self, jaxpr: Any, consts: list[Any], equation: Any) -> Constants:
        """Find what is known within the program that a call runs."""
        inner_constants = Constants(
            jaxpr, [*map(maker_of, consts), *map(self.maker, equation.invars)]
        )
        for inner_equation in jaxpr.eqns:
            inner_constants.note(inner_equation)
        return inner_constants

    def _compute(self, equation: Any) -> list[np.ndarray]:
        """Compute the results of an equation whose operands are known."""
        values = [self.value(atom) for atom in equation.invars]
        if equation.primitive.name in EVALUATED:
            return [EVALUATED[equation.primitive.name](*values, **equation.params)]
        variables = [
            *dict.fromkeys(atom for atom in equation.invars if not isinstance(atom, Literal))
        ]
        program = self._jaxpr.replace(
            constvars=[], invars=variables, outvars=equation.outvars, eqns=[equation]
        )
        with jax.ensure_compile_time_eval():
            # One program, also of a primitive that is made of several.
            compute = jax.jit(lambda *arguments: eval_jaxpr(program, (), *arguments))
            return compute(*map(self.value, variables))


def maker_of(const: Any) -> Callable[[], Any] | None:
    """Give what computes a constant that is known.

    One is not that belongs to a trace around this one, lies on other hosts, or is no number.
    """
    not_here = isinstance(const, Tracer) or not getattr(const, "is_fully_addressable", True)
    is_key = jnp.issubdtype(const.dtype, jax.dtypes.extended)
    return None if not_here or is_key else lambda: const


def _is_plain(variable: Any) -> bool:
    """Whether a variable is an array of numbers, and no key of random numbers."""
    dtype = getattr(variable.aval, "dtype", None)
    return dtype is not None and not jnp.issubdtype(dtype, jax.dtypes.extended)
