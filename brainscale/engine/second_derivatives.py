"""Second derivatives by parameters: right where all steps are within what they are taken of.

Traces are first derivatives. Of steps that were made before, a second derivative would leave out
the whole past.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jax.custom_derivatives import SymbolicZero, zero_from_primal

from ..errors import HiddenPathError
from .leaves import is_float
from .surroundings import Surroundings

__all__ = ["check_loop", "watch_past"]


def watch_past(params: Any, past: Any, count: Any, surroundings: Surroundings) -> Any:
    """Give parameters, by which no derivative is taken of gradients that hold a past from outside.

    Parameters
    ----------
    params : tree
        As the step that makes gradients, or the sequence, reads them.
    past : tree
        The traces before.
    count : array, shape ()
        How many steps they are of.
    surroundings : Surroundings

    Raises
    ------
    HiddenPathError
        When derivatives are made. Where the number of steps is known no earlier than a compiled
        function runs, and outside of a loop, derivatives are not a number then.
    """

    @jax.custom_jvp
    def keep(params: Any, past: Any, count: Any) -> Any:
        return params

    @functools.partial(keep.defjvp, symbolic_zeros=True)
    def derive(primals: Any, tangents: Any) -> tuple[Any, Any]:
        params, _, count = primals
        of_params, of_past, _ = tangents
        # A past that has derivatives was made in the function that is differentiated.
        is_outside = all(map(_is_zero, jax.tree.leaves(of_past, is_leaf=_is_zero)))
        of_params = jax.tree.map(_fill, of_params, params, is_leaf=_is_zero)
        has_past = _find_past(count, surroundings) if is_outside else None
        return params, of_params if has_past is None else _spoil(of_params, has_past)

    return keep(params, past, count)


def check_loop(surroundings: Surroundings) -> None:
    """Refuse a gradient of what a loop does, or a compiled function, within another gradient.

    JAX drops the rule of `watch_past` where it linearizes what is compiled.

    Raises
    ------
    HiddenPathError
        The function in which the outer gradient is taken does not begin the traces anew.
    """
    if surroundings.is_in_loop and surroundings.is_in_gradient() and not surroundings.is_begun:
        raise _make_error()


def _find_past(count: Any, surroundings: Surroundings) -> Any:
    """Find whether steps were made before the function: an array of bool; None: there were none.

    Raises
    ------
    HiddenPathError
        There were; within a loop, where nothing tells its first step, there may have been.
    """
    if surroundings.is_begun:
        return None
    if surroundings.is_in_loop:
        raise _make_error()
    if isinstance(count, Tracer):
        return count > 0
    if count > 0:
        raise _make_error()
    return None


def _make_error() -> HiddenPathError:
    return HiddenPathError(
        "a second derivative of what the learner's steps lead to would leave out the steps that "
        "were made before, or may have been: begin the traces anew within the function that is "
        "differentiated (reset_traces, reset_state), in none of its branches and loops, and make "
        "all steps in the inner gradient, or learn by BPTT"
    )


def _spoil(tangents: Any, is_wrong: jax.Array) -> Any:
    """Make tangents not a number, and so what they are pulled back to: by a product."""
    factor = jnp.where(is_wrong, jnp.nan, 1.0)

    def spoil_leaf(leaf: jax.Array) -> jax.Array:
        return leaf * factor.astype(leaf.dtype) if is_float(leaf) else leaf

    return jax.tree.map(spoil_leaf, tangents)


def _is_zero(tangent: Any) -> bool:
    return isinstance(tangent, SymbolicZero)


def _fill(tangent: Any, primal: Any) -> Any:
    return zero_from_primal(primal) if _is_zero(tangent) else tangent
