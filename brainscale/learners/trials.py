"""Trials in a sequence: what of it counts, and states that hold still past a trial's end."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer, eval_jaxpr
from jax.interpreters.partial_eval import dce_jaxpr

from ..checks.arguments import check_array, check_function
from ..checks.requests import check_results_of
from ..engine.inputs import as_arrays, check_finite, is_wrapped, length_of
from ..errors import DtypeError, InputError, ParameterError, ShapeError, StructureError, UnitError
from ..parameters import execute, intercepting
from .foreign_traces import TouchedStates

__all__ = ["Request", "Weights", "holding_still", "read_request", "read_weights"]


class Weights(NamedTuple):
    """What the steps of a sequence count."""

    weight: Any
    """Of each step, (T,), or of each trial's, (T, B); None: one."""
    active: Any
    """Whether a trial goes on in each step, bool, (T, B); None: all do."""


class Request(NamedTuple):
    """What is asked of steps: arrays of all of them, the function of one, and what they count."""

    function: Callable[..., Any]
    sequences: tuple[Any, ...]
    weights: Weights

    def select_counted(self) -> tuple[Any, ...]:
        """Give the sequences with nothing in them that does not count, and the weights behind.

        It traces a step where there may be numbers that are NaN or infinite.

        Raises
        ------
        InputError
            As of `select_counted`.
        """

        def find() -> list[bool]:
            example = jax.tree.map(lambda leaf: leaf[0], self.sequences)
            return find_targets(self.function, example)

        return (*select_counted(self.sequences, self.weights, find), self.weights)


def read_request(
    what: str, sequences: Any, step_fn: Any, mask: Any = None, lengths: Any = None
) -> Request:
    """Read what is asked of steps; `step_fn`, where it is None, is the last of the sequences.

    Raises
    ------
    ValueTypeError, StructureError, ShapeError
        No function of one step; wrapped sequences; those of several lengths, or of no step. And as
        of `read_weights`.
    """
    if step_fn is None and sequences:
        *sequences, step_fn = sequences
    function = check_function(step_fn, "step_fn, which returns a step's loss,", len(sequences))
    if is_wrapped(sequences):
        raise StructureError(f"{what} takes bare sequences, with a leading axis of steps")
    sequences = as_arrays(tuple(sequences), "a sequence", allow_likes=False)
    return Request(function, sequences, read_weights(mask, lengths, sequences))


def read_weights(mask: Any, lengths: Any, sequences: Any) -> Weights:
    """Read what is said of the trials of sequences.

    Raises
    ------
    ValueTypeError, DtypeError, UnitError
        What is no array of real numbers, or of integers, without a unit.
    ShapeError
        A mask that is neither (T,) nor (T, B); lengths that are not (B,).
    ParameterError, InputError
        Known lengths that are not from 1 to T; a known mask that is NaN or infinite.
    """
    steps, weight, active = length_of(sequences), None, None
    if mask is not None:
        mask = _as_bare(mask, "mask")
        if mask.ndim not in (1, 2) or mask.shape[0] != steps:
            raise ShapeError(
                f"mask is of shape ({steps},), a number for each step, or ({steps}, B), for each "
                f"trial's, got {mask.shape}",
                got=mask.shape,
            )
        if jnp.iscomplexobj(mask):
            raise DtypeError(f"mask must hold real numbers, got {mask.dtype}", got=mask.dtype)
        check_finite(mask)
        weight = mask.astype(jnp.result_type(float))
    if lengths is not None:
        lengths = _check_lengths(lengths, steps)
        active = _numpy_of(lengths).arange(steps)[:, None] < lengths
        if weight is not None and weight.shape not in ((steps,), active.shape):
            raise ShapeError(f"mask of shape {weight.shape} is of other trials than {active.shape}")
        if weight is None:
            weight = active.astype(jnp.result_type(float))
        else:
            weight = jnp.where(active, weight.reshape(steps, -1), 0)
    if weight is not None and weight.ndim == 2:
        _check_trials(sequences, weight.shape[1])
    return Weights(weight, active)


def _numpy_of(*arrays: Any) -> Any:
    """Give NumPy where all are its arrays: what it makes is known, in a compiled function too."""
    return np if all(isinstance(array, np.ndarray) for array in arrays) else jnp


def _as_bare(value: Any, what: str) -> Any:
    """Read an array of numbers that has no unit."""
    array = as_arrays(check_array(value, what), what)
    if isinstance(array, u.Quantity) and not array.unit.is_unitless:
        raise UnitError(f"{what} has no unit, got {array.unit}", got=array.unit)
    return u.get_mantissa(array)


def _check_lengths(lengths: Any, steps: int) -> Any:
    lengths = _as_bare(lengths, "lengths")
    lengths = lengths if isinstance(lengths, Tracer) else np.asarray(lengths)
    if lengths.ndim != 1 or not lengths.size:
        raise ShapeError(f"lengths are (B,), one for each trial, got {lengths.shape}")
    if not jnp.issubdtype(lengths.dtype, jnp.integer):
        raise DtypeError(f"lengths must be integers, got {lengths.dtype}", got=lengths.dtype)
    if not isinstance(lengths, Tracer) and (lengths.min() < 1 or lengths.max() > steps):
        raise ParameterError(f"lengths are from 1 to {steps}, got {lengths}", got=lengths)
    return lengths


def _check_trials(sequences: Any, count: int) -> None:
    """Refuse sequences whose second axis, if they have one, is not that of the trials."""
    for leaf in jax.tree.leaves(sequences):
        if leaf.ndim > 1 and leaf.shape[1] != count:
            raise ShapeError(
                f"sequences have the axes (T, B, ...) with B = {count} trials, got {leaf.shape}",
                got=leaf.shape,
            )


def select_counted(
    sequences: tuple[Any, ...], weights: Weights, find_targets: Callable[[], list[bool]]
) -> tuple[Any, ...]:
    """Give sequences in which nothing is left that does not count.

    Past its end each sequence of a trial holds the last value. What is NaN or infinite in a target,
    and weighs nothing, is zero.

    Parameters
    ----------
    sequences : tuple of trees of arrays
    weights : Weights
    find_targets : callable
        Which of the leaves reach no state: what is compared with the results.

    Raises
    ------
    InputError
        What is left is known and not finite.
    """
    if weights.active is not None:
        active = weights.active
        sequences = jax.tree.map(lambda leaf: _hold_last(leaf, active), sequences)
    leaves, tree = jax.tree.flatten(sequences)
    if all(map(_is_known_finite, leaves)):
        return sequences
    is_target = find_targets()
    if weights.weight is not None:
        pairs = zip(leaves, is_target, strict=True)
        leaves = [_drop_unweighed(x, weights.weight) if is_one else x for x, is_one in pairs]
        sequences = jax.tree.unflatten(tree, leaves)
    paths = jax.tree_util.tree_flatten_with_path(sequences)[0]
    for (path, leaf), is_one in zip(paths, is_target, strict=True):
        _check_leaf(leaf, is_one, path)
    return sequences


def _hold_last(leaf: Any, active: Any) -> Any:
    if leaf.ndim < 2:
        return leaf
    numpy = _numpy_of(leaf, active)
    steps, trials = map(numpy.arange, active.shape)
    last = numpy.maximum(active.sum(0) - 1, 0)
    held = numpy.asarray(leaf)[numpy.minimum(steps[:, None], last), trials]
    if not jnp.issubdtype(leaf.dtype, jnp.inexact):
        return held
    # Lengths that are not known may be zero: such a trial has no last value.
    is_none = ~active.any(0).reshape(-1, *(1,) * (leaf.ndim - 2))
    return numpy.where(is_none & ~numpy.isfinite(held), leaf.dtype.type(0), held)


def _drop_unweighed(leaf: Any, weight: Any) -> Any:
    """Make zero of what is not finite and has no weight."""
    if not jnp.issubdtype(leaf.dtype, jnp.inexact):
        return leaf
    unweighed = weight == 0
    if unweighed.ndim > leaf.ndim:
        unweighed = unweighed.all(1)
    unweighed = unweighed.reshape(*unweighed.shape, *(1,) * (leaf.ndim - unweighed.ndim))
    numpy = _numpy_of(leaf, unweighed)
    return numpy.where(unweighed & ~numpy.isfinite(leaf), leaf.dtype.type(0), leaf)


def _is_known_finite(leaf: Any) -> bool:
    if not jnp.issubdtype(leaf.dtype, jnp.inexact):
        return True
    return not isinstance(leaf, Tracer) and _is_finite(leaf)


def _is_finite(leaf: Any) -> bool:
    try:
        check_finite(leaf)
    except InputError:
        return False
    return True


def _check_leaf(leaf: Any, is_target: bool, path: Any) -> None:
    if _is_finite(leaf):
        return
    what, mend = "an input", ""
    if is_target:
        what, mend = "a target", ": one that is missing is to have the mask 0"
    where = f"sequences{jax.tree_util.keystr(path)}"
    if getattr(leaf, "is_fully_addressable", True):
        first = np.argwhere(~np.isfinite(np.asarray(leaf)))[0]
        where += f" at {tuple(map(int, first))}"
    raise InputError(f"{what} is NaN or infinite, {where}{mend}", got=leaf)


def find_targets(function: Callable[..., Any], items: tuple[Any, ...]) -> list[bool]:
    """Find which leaves of a step's arguments reach no state that it writes."""
    step = brainstate.transform.StatefulFunction(
        check_results_of(function, "what step_fn returns"), return_only_write=True
    )
    with intercepting(traced=execute):
        step.make_jaxpr(*items)
        program = step.get_jaxpr(*items)
        results = len(jax.tree.leaves(step.get_out_shapes(*items)[0]))
    # Made anew, for JAX to know its arguments by name.
    evaluate = functools.partial(eval_jaxpr, program.jaxpr, program.consts)
    program = jax.make_jaxpr(evaluate)(*program.in_avals)
    asked = [i >= results for i in range(len(program.out_avals))]
    _, used = dce_jaxpr(program.jaxpr, asked)
    return [not is_used for is_used in used[: len(jax.tree.leaves(items))]]


@contextlib.contextmanager
def holding_still(model: brainstate.nn.Module, active: Any) -> Iterator[None]:
    """Have the states of trials that have ended be after a step what they were before it.

    What a state that is not hidden holds without an axis of trials goes on.

    Parameters
    ----------
    model : brainstate.nn.Module
    active : array of bool, (B,), or None
        Which trials go on; None: all.

    Raises
    ------
    ShapeError
        A hidden state without the axis of trials as its first.
    """
    if active is None:
        yield
        return
    own = [s for s in model.states().values() if not isinstance(s, brainstate.ParamState)]
    own += [s.history_state for s in own if getattr(s, "_history", None) is not None]
    ids = set(map(id, own))
    # What reads a state that the step does not touch would make it one of the step's.
    with TouchedStates() as inside:
        yield
    for state, old in zip(inside.states, inside.original_state_values, strict=True):
        new = state.value
        pairs = zip(jax.tree.leaves(new), jax.tree.leaves(old), strict=True)
        if id(state) in ids and any(a is not b for a, b in pairs):
            if isinstance(state, brainstate.HiddenState):
                _check_hidden(state, old, active.shape)
            # Past `value`, for which it would be another write, and one more entry of a history.
            state.restore_value(jax.tree.map(lambda a, b: _select(active, a, b), new, old))


def _check_hidden(state: brainstate.HiddenState, value: Any, trials: tuple[int, ...]) -> None:
    if any(jnp.shape(leaf)[:1] != trials for leaf in jax.tree.leaves(value)):
        raise ShapeError(
            f"lengths are those of {trials[0]} trials, and the hidden state "
            f"{state.name or type(state).__name__} is of shape {u.math.shape(value)}: its first "
            "axis is to be that of the trials",
            got=u.math.shape(value),
        )


def _select(active: jax.Array, new: Any, old: Any) -> Any:
    if jnp.shape(old)[:1] != active.shape:
        return new
    return jnp.where(active.reshape(-1, *(1,) * (jnp.ndim(new) - 1)), new, old)
