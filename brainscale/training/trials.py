"""Batches of trials of several lengths, padded to few."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..checks.arguments import check_array, check_integer
from ..engine.inputs import as_arrays, length_of
from ..errors import ParameterError, ShapeError, StructureError
from ..learners.trials import read_weights

__all__ = ["Trials"]


class Trials:
    """A batch for `fit` of which not all counts: sequences, a mask, and the trials' lengths.

    Parameters
    ----------
    *sequences : trees of arrays, shape (T, B, ...)
        As `step_fn` is given them, step by step.
    mask : array of bool or numbers, (T,) or (T, B), optional
        The weight of each step's loss, or of each trial's, as of `etrace_grad`.
    lengths : array of int, (B,), optional
        How many steps each trial has, as of `etrace_grad`.

    Raises
    ------
    StructureError, ValueTypeError, ShapeError, DtypeError, ParameterError, InputError
        No sequence; and what `etrace_grad` refuses of a mask and of lengths.

    Examples
    --------
    >>> trials = [(np.zeros((n, 3)), np.zeros((n, 1))) for n in (5, 9, 7)]
    >>> batch = brainscale.Trials.padded(trials)
    >>> batch.sequences[0].shape, batch.lengths
    ((12, 3, 3), array([5, 9, 7]))
    """

    __module__ = "brainscale"

    def __init__(self, *sequences: Any, mask: Any = None, lengths: Any = None):
        if not sequences:
            raise StructureError("Trials are of sequences, got none")
        self.sequences = as_arrays(sequences, "a sequence", allow_likes=False)
        read_weights(mask, lengths, self.sequences)
        self.mask, self.lengths = mask, lengths

    def __repr__(self) -> str:
        return f"Trials{jax.tree.map(np.shape, self.sequences)!r}"

    @classmethod
    def padded(
        cls, trials: Sequence[Sequence[Any]], buckets: Sequence[int] | None = None
    ) -> Trials:
        """Make a batch of trials of several lengths, with zeros behind the end of each.

        Parameters
        ----------
        trials : list of tuples of trees of arrays, shape (T, ...)
            The sequences of each trial, of one length, which is its own.
        buckets : sequence of int, optional
            The lengths that batches have: `fit` compiles a program for each. A batch has the
            shortest one that holds its longest trial. None: 1, 2, 3, 4, 6, 8, 12, 16, 24, ..., so
            that less than a third is padding where trials are of one length.

        Raises
        ------
        StructureError, ShapeError, ValueTypeError
            No trial; sequences of a trial of several lengths; trials of other shapes; what is no
            array of numbers.
        ParameterError
            Buckets that are no integers from 1, or none that holds the longest trial.
        """
        made = _read_trials(trials)
        lengths = np.array([length_of(trial) for trial in made])
        steps = _find_bucket(int(lengths.max()), buckets)

        def pad(*leaves: Any) -> np.ndarray:
            shapes = {np.shape(leaf)[1:] for leaf in leaves}
            if len(shapes) > 1:
                raise ShapeError(f"trials differ in more than their lengths: {shapes}", got=shapes)
            arrays = [np.asarray(check_array(leaf, "what is padded")) for leaf in leaves]
            kinds = {array.dtype for array in arrays}
            # One trial's numbers may be whole, and another's not.
            kind = kinds.pop() if len(kinds) == 1 else jnp.result_type(*kinds)
            joint = np.zeros((steps, len(arrays), *shapes.pop()), kind)
            for b, array in enumerate(arrays):
                joint[: len(array), b] = array
            return joint

        return cls(*jax.tree.map(pad, *made), lengths=lengths)


def _read_trials(trials: Any) -> list[Any]:
    """Read trials, each a tuple of trees of arrays, of one structure."""
    is_list = isinstance(trials, (tuple, list)) and len(trials) > 0
    if not is_list or not all(isinstance(trial, (tuple, list)) and trial for trial in trials):
        raise StructureError(
            f"a batch is a list of at least one trial, each a tuple of arrays, got {trials!r}",
            got=trials,
        )
    made = [as_arrays(tuple(trial), "a trial", allow_likes=False) for trial in trials]
    if len({jax.tree.structure(trial) for trial in made}) > 1:
        raise StructureError("trials are of one structure, got several")
    return made


def _find_bucket(longest: int, buckets: Sequence[int] | None) -> int:
    """Find the shortest bucket that holds so many steps."""
    if buckets is None:
        power = 1 << max(longest - 1, 0).bit_length()
        three_quarters = power * 3 // 4
        return three_quarters if three_quarters >= longest else power
    if not isinstance(buckets, (tuple, list)):
        raise ParameterError(f"buckets are integers in a list, got {buckets!r}", got=buckets)
    found = [n for n in (check_integer(n, "a bucket") for n in buckets) if n >= longest]
    if not found:
        raise ParameterError(f"no bucket of {list(buckets)} holds {longest} steps", got=buckets)
    return min(found)
