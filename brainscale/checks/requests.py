"""What a learner is asked for, and what is refused of it before a step is made."""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp

from ..errors import BrainscaleError, ParameterError, ShapeError, StructureError, ValueTypeError
from .arguments import LARGEST, check_integer, is_integer

__all__ = [
    "check_batch",
    "check_chunk",
    "check_result",
    "check_results_of",
    "map_params",
    "needs_fitting",
    "needs_initialised",
    "split_loss",
]

_MISMATCH = re.compile(
    "incompatible (shapes|types)|same shapes?|shapes that differ|cannot reshape|inconsistent sizes"
    "|does not match previous terms|update shape|contracting dimensions",
    re.IGNORECASE,
)
"""What JAX says of arrays whose shapes do not fit each other."""


def map_params(function: Callable[[brainstate.ParamState], Any], params: Any) -> Any:
    """Map a function over parameters, in the mappings and sequences that it was in.

    Raises
    ------
    ValueTypeError
        Anything that is no parameter.
    """
    if isinstance(params, brainstate.ParamState):
        return function(params)
    if isinstance(params, Mapping):
        return {key: map_params(function, value) for key, value in params.items()}
    if isinstance(params, (list, tuple)):
        return type(params)([map_params(function, value) for value in params])
    raise ValueTypeError(
        "grad_states must be a ParamState, or a mapping or sequence of them, got "
        f"{type(params).__name__}",
        got=params,
    )


def check_batch(batch_size: Any) -> Any:
    """Check what states may be initialised with: an integer of at least 0, a tuple, or None.

    Raises
    ------
    ParameterError
    """
    axes = batch_size if isinstance(batch_size, (tuple, list)) else (batch_size,)
    if batch_size is not None and not all(is_integer(n) and 0 <= n <= LARGEST for n in axes):
        raise ParameterError(
            f"batch_size must be an integer of at least 0, a tuple of them or None, got "
            f"{batch_size!r}",
            got=batch_size,
        )
    return batch_size


def check_chunk(chunk: Any) -> int:
    """Check how many steps are made at a time: an integer of at least 1.

    Raises
    ------
    ParameterError
    """
    return check_integer(chunk, "chunk, if it is not None,")


def split_loss(out: Any, has_aux: bool, weight: Any = None) -> tuple[Any, Any]:
    """Split what a `step_fn` returned into the loss and what is beside it.

    With a weight, () or (B,), the loss is of its shape, and what is given is the weighted sum.

    Raises
    ------
    StructureError
        No pair, where `has_aux` says that there is one.
    ShapeError
        A loss that is not a floating-point number, or not one for each trial.
    """
    if has_aux and not (isinstance(out, (tuple, list)) and len(out) == 2):
        raise StructureError(
            f"step_fn returns (loss, aux) as has_aux=True says, got {type(out).__name__}", got=out
        )
    loss, aux = out if has_aux else (out, None)
    is_number = isinstance(u.get_mantissa(loss), (jax.Array, float)) or hasattr(loss, "dtype")
    needs = () if weight is None else weight.shape
    if not is_number or u.math.shape(loss) != needs:
        got = u.math.shape(loss) if is_number else type(loss).__name__
        what = "has a number for each trial, as mask and lengths do" if needs else "is a number"
        raise ShapeError(f"a step's loss {what}, of shape {needs}, got {got}", got=got, needs=needs)
    if not jnp.issubdtype(u.math.get_dtype(loss), jnp.floating):
        raise ShapeError(
            f"a step's loss is a real floating-point number, got one of {u.math.get_dtype(loss)}",
            got=u.math.get_dtype(loss),
        )
    if weight is not None:
        # What is not a number has no weight where the weight is 0.
        loss = jax.tree.map(
            lambda x: jnp.where(weight == 0, 0, weight.astype(x.dtype) * x).sum(), loss
        )
    return loss, aux


def check_result(tree: Any, what: str) -> None:
    """Check that what a step returns is a tree of arrays and numbers.

    Raises
    ------
    ValueTypeError
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        try:
            jax.typeof(leaf)
        except TypeError as error:
            raise ValueTypeError(
                f"{what}{jax.tree_util.keystr(path)} is {leaf!r}, of type {type(leaf).__name__}, "
                "and a step returns arrays and numbers, in containers: leave it out, and keep it "
                "outside of the step",
                got=leaf,
            ) from error


def check_results_of(
    function: Callable[..., Any], what: str = "what the model's update returns"
) -> Callable[..., Any]:
    """Make a function of one that makes a step, which checks its results.

    Raises
    ------
    ValueTypeError
        By what is made, as of `check_result`.
    """

    def make(*args: Any) -> Any:
        out = function(*args)
        check_result(out, what)
        return out

    return make


@contextlib.contextmanager
def needs_initialised() -> Iterator[None]:
    """Say what comes first where a module lacks the states that `init_state` makes.

    Raises
    ------
    StructureError
    """
    try:
        yield
    except AttributeError as error:
        if not isinstance(error.obj, brainstate.nn.Module):
            raise
        raise StructureError(
            f"{type(error.obj).__name__} has no {error.name!r} when a step is made: "
            "brainstate.nn.init_all_states(model, batch_size) comes before a step and before "
            "compile_graph, or use brainscale.compile, which does both",
            got=error.obj,
        ) from error


@contextlib.contextmanager
def needs_fitting(
    model: brainstate.nn.Module, args: tuple[Any, ...], shapes: Callable[[], tuple[Any, Any]]
) -> Iterator[None]:
    """Say what does not fit where a model cannot make a step of its arguments.

    Parameters
    ----------
    model : brainstate.nn.Module
    args : tuple
        What its `update` is given.
    shapes : callable
        From nothing to the shapes of the arguments and of the hidden states, to be shown.

    Raises
    ------
    StructureError
        The model's `update` does not take so many arguments.
    ShapeError
        JAX was given shapes that do not fit each other. Any other error is the model's own.
    """
    try:
        yield
    except BrainscaleError:
        raise
    except (TypeError, ValueError) as error:
        if isinstance(error, TypeError):
            _refuse_other_arguments(model, args)
        if not _MISMATCH.search(str(error)):
            raise
        got, states = shapes()
        raise ShapeError(
            f"a step cannot be made of inputs {got} and hidden states {states}: {error} Where "
            "their batches differ, give inputs of the states' batch, or initialise the states for "
            "that of the inputs, as brainstate.nn.init_all_states(model, batch_size=...) and "
            "brainscale.compile do",
            got=got,
            needs=states,
        ) from error


def _refuse_other_arguments(model: brainstate.nn.Module, args: tuple[Any, ...]) -> None:
    signature = inspect.signature(model.update)
    try:
        signature.bind(*args)
    except TypeError as error:
        raise StructureError(
            f"{type(model).__name__}.update{signature} is given {len(args)} inputs ({error}): "
            "example inputs are those of one step",
            got=len(args),
        ) from error
