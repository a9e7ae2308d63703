"""A training loop: gradients by a learner, updates by an optimizer, runs that can be killed."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import brainstate
import jax
import jax.numpy as jnp
import numpy as np

from ..checks.arguments import check_flag, check_function, check_integer, check_path, is_real
from ..checks.hints import ArrayLike
from ..engine.inputs import as_arrays, length_of, shapes_of
from ..errors import (
    CheckpointWarning,
    DivergedError,
    ParameterError,
    ShapeError,
    StructureError,
    ValueTypeError,
)
from ..learners.base import ETraceAlgorithm
from ..learners.renewal import kept_if_refused
from .checkpoints import Checkpoints
from .iteration import Batch, Iteration
from .trials import Trials

if TYPE_CHECKING:
    import optax
    from braintools.optim import OptaxOptimizer

__all__ = ["fit"]

Callback: TypeAlias = Callable[[int, dict[str, float]], bool | None]
StepFunction: TypeAlias = Callable[..., ArrayLike | tuple[ArrayLike, Mapping[str, ArrayLike]]]


def fit(
    learner: ETraceAlgorithm,
    step_fn: StepFunction,
    batches: Callable[[int], tuple[Any, ...] | Trials],
    iterations: int,
    optimizer: optax.GradientTransformation | OptaxOptimizer,
    *,
    every: int | None = None,
    chunk: int | None = None,
    clip: float | None = None,
    reset: bool = True,
    progress: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
    save_every: int = 100,
    keep: int = 3,
    callback: Callback | None = None,
) -> dict[str, np.ndarray]:
    """Train a learner's parameters, one batch of sequences an iteration.

    Parameters
    ----------
    learner : ETraceAlgorithm
        Such as `D_RTRL`. One that is not compiled has its model's states initialised for the batch,
        and is compiled.
    step_fn : callable
        Given one step of each sequence, calls the learner once and returns the step's loss, a
        number; or the loss and a dict of numbers, the metrics. Of `Trials` with lengths, or with a
        mask of each trial, the loss is that of each, (B,), and metrics may be.
    batches : callable
        From the iteration, from 0, to a tuple of sequences: trees of arrays, shape (T, ...), the
        first (T, B, ...) with B the size of the batch; or `Trials`. T may change from batch to
        batch: a program is compiled for each. What it returns must depend on nothing but
        the iteration and `brainstate.random`, for a run that is resumed to be the same run.
    iterations : int
        How many, from 1, those of the run that is resumed included.
    optimizer : optax.GradientTransformation or braintools.optim.OptaxOptimizer
        One of optax's trains the model's parameters, which it sees as a dict by dotted path, and
        begins anew. One of braintools' trains those that were registered with it, by default the
        same, and goes on from where it is. One that asks for a `value`, as
        `optax.contrib.reduce_on_plateau` does, is given the loss whose gradient it is given, the
        sum over the steps of the update.
    every : int, optional
        Parameters are updated after so many steps, and after the last one of a sequence. 1: truly
        online (LEARN-11). None: once per sequence.
    chunk : int, optional
        For how many steps the gradient is computed at a time, a matter of time and memory alone
        (LEARN-10). None: as many as are fast, and take about a gigabyte or as much as the traces.
    clip : float, optional
        The largest norm of a gradient, that of all parameters' numbers together.
    reset : bool
        States are initialised again, and traces zero, before each batch; traces are zero after it,
        too, as nobody reads them. If not, both go on.
    progress : bool
        Show a progress bar.
    checkpoint : path, optional
        A folder. A run goes on from the last complete checkpoint that is found there.
    save_every : int
        Iterations from one checkpoint to the next; the last iteration has one too.
    keep : int
        How many checkpoints are kept.
    callback : callable, optional
        Called after each iteration, before it is saved, with its number and its loss and metrics.
        The run ends with this iteration where it returns True.

    Returns
    -------
    dict from "loss" and the names of metrics to arrays, shape (iterations,)
        Means over the steps of each iteration, by weight where there is a mask or lengths, those
        before a resumption included; of fewer iterations, where `callback` has ended the run.

    Raises
    ------
    ParameterError, ShapeError, StructureError, ValueTypeError, InputError
        Options out of range; batches of other shapes than the first; results of `step_fn` or
        optimizers that are none; inputs that are NaN or infinite. What is refused of the first
        batch leaves the learner and the optimizer as they were.
    DivergedError
        A loss or a parameter became NaN or infinite. The learner is as it was before that
        iteration, which is not saved.
    CheckpointError
        The checkpoint is that of another model, optimizer or run, or none can be read: the model is
        as it was. Or none can be written there.
    MissingPackageError
        A checkpoint is asked for without orbax-checkpoint, which is to be installed.

    Warns
    -----
    CheckpointWarning
        The last checkpoint is damaged, and the run goes on from the one before; or the run has
        ended already, so that nothing is done.

    Notes
    -----
    Optimizers see a parameter's number in the parameter's unit, which it keeps (LEARN-12): a
    learning rate, Adam's epsilon and `clip` are such numbers.

    brainstate's environment has ``fit=True`` meanwhile.
    """
    for name, value in dict(iterations=iterations, save_every=save_every, keep=keep).items():
        check_integer(value, name)
    for name, value in dict(every=every, chunk=chunk).items():
        check_integer(value, name, optional=True)
    if clip is not None and not (is_real(clip) and 0 < clip < np.inf):
        raise ParameterError(f"clip must be a number above 0, or None, got {clip!r}", got=clip)
    if not isinstance(learner, ETraceAlgorithm):
        raise ValueTypeError(f"fit trains a learner, got {type(learner).__name__}", got=learner)
    for name, function, count in (("step_fn", step_fn, None), ("batches", batches, 1)):
        check_function(function, name, count)
    if callback is not None:
        check_function(callback, "callback", 2)
    progress, reset = check_flag(progress, "progress"), check_flag(reset, "reset")
    check_path(checkpoint, "checkpoint")
    limit = None if clip is None else float(clip)
    with (
        brainstate.environ.context(fit=True),
        Checkpoints(checkpoint, save_every, keep) as store,
    ):
        iteration = Iteration(learner, step_fn, optimizer, every, chunk, limit, reset)
        return _iterate_all(iteration, _Batches(batches), iterations, store, progress, callback)


class _Batches:
    """Batches that differ in nothing but their number of steps."""

    def __init__(self, batches: Callable[[int], tuple[Any, ...] | Trials]):
        self.batches = batches
        self.like: Any = None

    def __call__(self, iteration: int) -> Batch:
        batch = self.batches(iteration)
        if not isinstance(batch, (tuple, Trials)):
            raise StructureError(
                f"batches({iteration}) must be a tuple of sequences, or brainscale.Trials, got "
                f"{type(batch).__name__}",
                got=batch,
            )
        trials = batch if isinstance(batch, Trials) else Trials(*batch)
        given = as_arrays(trials.sequences, "a batch", allow_likes=False)
        sequences = jax.tree.map(jnp.asarray, given)
        length_of(sequences)
        got = shapes_of(sequences)
        if jax.tree.leaves(sequences)[0].ndim < 2:
            raise ShapeError(f"the first sequence has the axes (T, B, ...), got {got}", got=got)
        like = shapes_of(jax.tree.map(lambda leaf: leaf[0], sequences))
        self.like = like if self.like is None else self.like
        if like != self.like:
            raise ShapeError(
                f"a step of batches({iteration}) is of {like}, of the first one of {self.like}",
                got=like,
                needs=self.like,
            )
        return Batch(sequences, trials.mask, trials.lengths)


def _iterate_all(
    iteration: Iteration,
    batches: _Batches,
    iterations: int,
    store: Checkpoints,
    progress: bool,
    callback: Callback | None,
) -> dict[str, np.ndarray]:
    """Make all iterations that are left, and give the history of all, (iterations,) each."""
    import tqdm

    batch = batches(min(store.last, iterations - 1))
    check_function(iteration.step_fn, "step_fn", len(batch.sequences))
    with kept_if_refused(*iteration.list_changed()):
        iteration.compile(batch)
        batch = iteration.check(batch)
        states = iteration.states()
        history = store.restore(states)
        if store.folder is not None:
            iteration.refuse_foreign(batch)
        first, has_ended = store.last, store.ended >= iterations
        if first > iterations:
            raise ParameterError(
                f"iterations={iterations}, and the checkpoint in {store.folder} is of {first}",
                got=iterations,
                needs=first,
            )
        if has_ended:
            warnings.warn(
                f"the run in {store.folder} has ended, after {first} of {iterations} iterations: "
                "nothing is done. More iterations go on from there; another folder begins anew",
                CheckpointWarning,
                stacklevel=3,
            )
        else:
            iteration.find_written(batch)
    with tqdm.tqdm(total=iterations, initial=first, disable=not progress) as bar:
        for i in range(first, first if has_ended else iterations):
            # The random numbers of a resumed run go on only now, those of its first batch too.
            batch = batch if i == 0 else iteration.check(batches(i))
            means = _iterate_once(iteration, i, batch, store)
            _note(history, i, means)
            numbers = {name: float(mean) for name, mean in means.items()}
            bar.set_postfix({name: f"{mean:.4g}" for name, mean in numbers.items()}, refresh=False)
            bar.update()
            is_last = i + 1 == iterations
            if callback is not None:
                is_last |= _is_true(callback(i, numbers))
            iteration.settle()
            store.save(i + 1, states, history, ended=iterations if is_last else 0)
            if is_last:
                break
    return {name: np.asarray(means) for name, means in history.items()}


def _note(history: dict[str, list[np.ndarray]], i: int, means: dict[str, np.ndarray]) -> None:
    """Add an iteration's means to the history, where a metric that is in one alone is NaN."""
    for name, mean in means.items():
        history.setdefault(name, [np.full_like(mean, np.nan)] * i).append(mean)
    for name in history.keys() - means.keys():
        history[name].append(np.full_like(history[name][-1], np.nan))


def _is_true(answer: Any) -> bool:
    """Whether a callback has said True: what else it returns is nothing."""
    is_array = isinstance(answer, (np.ndarray, jax.Array)) and answer.shape == ()
    is_flag = isinstance(answer, (bool, np.bool_)) or (is_array and answer.dtype == np.bool_)
    return is_flag and bool(answer)


def _iterate_once(
    iteration: Iteration, i: int, batch: Batch, store: Checkpoints
) -> dict[str, np.ndarray]:
    """Make an iteration, and give its means; it is undone if it leaves what is not finite."""
    states = iteration.find_written(batch)
    before = [state.value for state in states]
    means, is_finite = iteration(batch)
    if is_finite:
        return means
    for state, value in zip(states, before, strict=True):
        state.restore_value(value)
    last = f"the last checkpoint is after {store.last}" if store.last else "there is no checkpoint"
    raise DivergedError(
        f"the loss ({means['loss']}) or a parameter became NaN or infinite in iteration {i}, which "
        f"is undone; {last}",
        got=means["loss"],
    )
