"""Trials of several lengths in one batch: LEARN-19 of SPEC.md, chapter 10.

Each trial learns alone, for as many steps as it has. What comes after its end is never looked at.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..errors import ParameterError, ShapeError
from ..networks import Network
from ..values import read_bare, read_plain
from .learner import Learned
from .rules import Rule
from .runs import COMPONENTS, Components, learn


@dataclasses.dataclass(frozen=True, eq=False)
class LearnedTrials:
    """The losses and gradients of a batch of trials, and what each left at its end."""

    losses: np.ndarray  #: (T,), of the trials that go on in each step
    gradients: dict[str, np.ndarray]
    hidden: list[np.ndarray]  #: for each layer (B, N, d)
    emitted: list[np.ndarray]  #: for each layer (B, N)
    traces: dict[str, np.ndarray]  #: by parameter with a trace of D-RTRL, as `DRTRL.show` has it


def learn_trials(
    network: Network,
    inputs: Any,
    targets: Any,
    weights: Any,
    lengths: Any,
    dt: Any,
    rule: Rule,
    *,
    chunk: Any = 1,
    components: Components = COMPONENTS,
) -> LearnedTrials:
    """Learn from the targets of trials that end at different steps (LEARN-19).

    Parameters
    ----------
    inputs : (T, B, K) array
    targets : (T, B, M) array
        Of trial b the first T_b rows are read, as of `inputs`.
    lengths : (B,) array of int
        T_b.
    network, weights, dt, rule, chunk, components
        As for `learn`.

    Raises
    ------
    DtypeError, ShapeError, ParameterError
        Lengths.
    ValueTypeError, UnitError, DtypeError, ShapeError, InputError, ...
        As of `learn`.
    """
    inputs = read_bare(inputs, (None, None, None), "inputs")
    T, B, _ = inputs.shape
    if not T or not B:
        raise ShapeError("inputs", f"the shape {inputs.shape}", "a step and a trial")
    targets = read_bare(targets, (T, B, None), "targets")
    weights = read_plain(weights, (T,), "weights")
    losses, alone = np.zeros(T), []
    for b, end in enumerate(read_lengths(lengths, T, B)):
        given = inputs[:end, b : b + 1], targets[:end, b : b + 1], weights[:end], dt, rule
        learned = learn(network, *given, chunk=chunk, components=components)
        losses[:end] += learned.losses
        alone.append(learned)
    return join_trials(losses, alone)


def join_trials(losses: np.ndarray, alone: list[Learned]) -> LearnedTrials:
    """Sum the gradients of trials, and put what they left side by side."""
    first, runs = alone[0], [learned.traced for learned in alone]
    layers = range(len(first.traced.hidden))
    return LearnedTrials(
        losses,
        {name: sum(learned.gradients[name] for learned in alone) for name in first.gradients},
        [np.concatenate([run.hidden[l][-1] for run in runs]) for l in layers],
        [np.concatenate([run.emitted[l][-1] for run in runs]) for l in layers],
        {
            name: np.concatenate([run.traces[name] for run in runs])
            for name, trace in first.traced.traces.items()
            if not isinstance(trace, tuple)
        },
    )


def read_lengths(lengths: Any, T: int, B: int) -> list[int]:
    """Read how many steps each of B trials has, from 1 to T."""
    numbers = read_bare(lengths, (B,), "lengths", kinds="iu")
    wrong = numbers[(numbers < 1) | (numbers > T)]
    if wrong.size:
        raise ParameterError("lengths", f"{wrong[0]}", f"1 to {T}")
    return [int(number) for number in numbers]
