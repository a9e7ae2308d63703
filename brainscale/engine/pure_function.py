"""A function that reads and writes states, as a pure function of their values."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import brainstate
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer, eval_jaxpr

from .inputs import as_arrays
from .keys import StateId, id_of

__all__ = ["CAPTURED", "Likeness", "PureFunction", "Values", "holding", "values_of"]

Values = dict[StateId, Any]
"""The values of states, by the identity of the state; and what is `CAPTURED`."""

CAPTURED = StateId(0)
"""The key, which no state has, of arrays that a function takes from the traces around it: a time in
`brainstate.environ`, an attribute that is set in a loss. Derivatives are made in other traces."""


class PureFunction:
    """A function of states and arguments, traced once, whose results are made of given values.

    Parameters
    ----------
    function : callable
    args : tuple
        Its arguments, or their likes.

    Attributes
    ----------
    program : ClosedJaxpr
    states : tuple of State
        Those that it reads or writes.
    written_ids : set of StateId
        The identities of those that it writes.
    result : tree of ShapeDtypeStruct
        Like what it returns.
    likeness : Likeness
        Of the program.
    """

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...]):
        self._function = brainstate.transform.StatefulFunction(function, return_only_write=False)
        self._function.make_jaxpr(*args)
        self.program = self._function.get_jaxpr(*args)
        self.states = self._function.get_states(*args)
        self.written_ids: set[StateId] = {id_of(s) for s in self._function.get_write_states(*args)}
        self.result = self._function.get_out_shapes(*args)[0]
        self.likeness = Likeness(self.program)

    def values(self) -> Values:
        """Read what the states hold now, and what is captured."""
        captured = [const for const in self.program.consts if _is_traced(const)]
        return {**values_of(self.states), CAPTURED: captured}

    def __call__(self, values: Values, args: tuple[Any, ...]) -> tuple[Any, list[Any]]:
        """Make the result, and what each state holds afterwards, of these values."""
        with holding(self.states, values):
            self._function.make_jaxpr(*args)
            program = self._function.get_jaxpr(*args)
            tree = self._function.get_out_treedef(*args)
        consts = program.consts
        if program is self.program:
            captured = iter(values[CAPTURED])
            consts = [next(captured) if _is_traced(c) else c for c in consts]
        leaves = jax.tree.leaves((args, [values[id_of(s)] for s in self.states]))
        results = eval_jaxpr(program.jaxpr, consts, *leaves)
        return jax.tree.unflatten(tree, results)


class Likeness:
    """What is kept of a program to tell whether a later one is the same, of the same constants.

    A rule for derivatives that a program has of its own is known by its name.

    Parameters
    ----------
    program : ClosedJaxpr
    """

    def __init__(self, program: Any):
        self._jaxpr = program.jaxpr
        # What the program holds of NumPy may be changed in place.
        self._constants = [c.copy() if isinstance(c, np.ndarray) else c for c in program.consts]

    @functools.cached_property
    def _words(self) -> str:
        """The program as text, without the addresses of objects."""
        return re.sub(r"0x[0-9a-f]+", "", str(self._jaxpr))

    def __eq__(self, other: object) -> bool:
        """Whether the other is of the same program, of the same constants."""
        if not isinstance(other, Likeness) or self is other:
            return self is other
        mine, others = self._constants, other._constants
        return (
            self._words == other._words
            and len(mine) == len(others)
            and all(map(_is_same, mine, others))
        )


def _is_same(some: Any, other: Any) -> bool:
    """Whether two constants are equal; of what is traced nothing is known but its shape."""
    if _is_traced(some) or _is_traced(other):
        return _is_traced(some) and _is_traced(other) and jax.typeof(some) == jax.typeof(other)
    if jnp.issubdtype(some.dtype, jax.dtypes.prng_key):
        return some is other
    return some is other or np.array_equal(some, other, equal_nan=some.dtype.kind in "fc")


def _is_traced(value: Any) -> bool:
    return isinstance(value, Tracer)


def values_of(states: Iterable[brainstate.State]) -> Values:
    """Read what states hold now, Python numbers as arrays."""
    return {id_of(s): as_arrays(s.value, s.name or type(s).__name__) for s in states}


@contextlib.contextmanager
def holding(states: Iterable[brainstate.State], values: Values) -> Iterator[None]:
    """Have states hold these values while this lasts, and tell no trace of it.

    A step that is traced within `vmap`, or when derivatives are made, has other values than its
    states then hold.
    """
    former = [(state, vars(state)["_value"]) for state in states]
    try:
        for state, _ in former:
            vars(state)["_value"] = values[id_of(state)]
        yield
    finally:
        for state, value in former:
            vars(state)["_value"] = value
