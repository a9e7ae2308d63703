"""Several steps of a learner, one after the other, in one compiled loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import brainstate
import jax

from ..checks.arguments import check_flag
from ..engine.inputs import (
    MultiStepData,
    SingleStepData,
    Wrapped,
    as_arrays,
    check_finite,
    has_several_steps,
    is_leaf,
    is_wrapped,
    length_of,
)
from ..errors import ParameterUseError, StructureError
from ..parameters import is_intercepted

__all__ = ["Stepping", "first_step", "made_stepwise"]


class Stepping:
    """What a learner does with several steps, made of its `update`, which makes one."""

    update: Callable[..., Any]

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Make a step, or the steps of a sequence, and advance the traces.

        Parameters
        ----------
        *args
            Inputs of a step, bare or as `SingleStepData`: the same as `update`. Where some are
            `MultiStepData`, all their steps are made in order, in one compiled loop; the others are
            given to each step again.

        Returns
        -------
        The model's result; of several steps, with a leading axis of steps.

        Notes
        -----
        Inside `brainstate.transform.grad`, derivatives of what is made of the results of several
        steps are the sum over the steps of this rule's gradients. None go back in time.

        Raises
        ------
        NotCompiledError, ShapeError, InputError
            As of `update`; `MultiStepData` of several lengths, or of no step.
        StructureError
            Wrapped data within wrapped data; an input by keyword.
        ParameterUseError
            Several steps within the one step that `etrace_grad` makes.
        """
        if named:
            raise StructureError(
                f"an input by keyword, {', '.join(named)}: inputs are given by their places, in "
                "the order that the model's update has",
                got=named,
            )
        if is_intercepted() and has_several_steps(args):
            raise ParameterUseError(
                "MultiStepData within a step of etrace_grad, which makes one step at a time, "
                "whatever its chunk: give the learner the step's bare input"
            )
        return made_stepwise(self.update, args)

    def etrace_evolve(self, *sequences: Any, return_outputs: bool = False) -> Any:
        """Make the steps of a sequence and advance the traces, without a loss.

        It is a warm-up: the same as ``learner(x)`` for each step, in one compiled loop.

        Parameters
        ----------
        *sequences : trees of arrays, shape (T, ...)
            The inputs.
        return_outputs : bool, default False
            Return what each step returns.

        Returns
        -------
        None, or the steps' results with a leading axis of steps.

        Raises
        ------
        NotCompiledError, ShapeError, InputError
            As of `update`; sequences of several lengths, or of no step.
        StructureError
            `MultiStepData` or `SingleStepData`: sequences are bare.
        """
        return_outputs = check_flag(return_outputs, "return_outputs")

        def step(*args: Any) -> Any:
            out = self.update(*args)
            return out if return_outputs else None

        return made_stepwise(step, tuple(MultiStepData(sequence) for sequence in sequences))


def first_step(args: Any) -> Any:
    """The arguments of the first step, bare."""
    several, step = _split(as_arrays(args))
    return step([jax.tree.map(lambda leaf: leaf[0], data) for data in several])


def made_stepwise(function: Callable[..., Any], args: Any) -> Any:
    """What the function makes of the arguments of each step, in order, bare.

    Without `MultiStepData` there is one step and its result; with it, results have a leading axis
    of steps.

    Raises
    ------
    ShapeError, StructureError, InputError
        Sequences of several lengths or of none; `MultiStepData` within `MultiStepData`; numbers
        that are NaN or infinite.
    """
    several, step = _split(as_arrays(args, allow_likes=False))
    if not several:
        return function(*step([]))
    check_finite(args)
    return brainstate.transform.for_loop(lambda *items: function(*step(list(items))), *several)


def _split(args: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """The sequences in the arguments, and what makes bare arguments of one step of each."""
    leaves, tree = jax.tree.flatten(args, is_leaf=is_leaf)
    where = [i for i, leaf in enumerate(leaves) if isinstance(leaf, MultiStepData)]
    several = [leaves[i].data for i in where]
    if any(is_wrapped(leaf.data) for leaf in leaves if isinstance(leaf, Wrapped)):
        raise StructureError("SingleStepData or MultiStepData within another of them: wrap once")
    if several:
        length_of(several)

    def step(items: list[Any]) -> Any:
        given = dict(zip(where, items, strict=True))
        bare = [leaf.data if isinstance(leaf, SingleStepData) else leaf for leaf in leaves]
        return jax.tree.unflatten(tree, [given.get(i, leaf) for i, leaf in enumerate(bare)])

    return several, step
