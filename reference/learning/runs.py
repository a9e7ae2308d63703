"""Whole runs of networks: traces, gradients, learning signals, and updates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import ParameterError, ShapeError
from ..networks import Model, Network
from ..values import is_integer, read_plain, read_positive
from .forward_sensitivity import FullLearner
from .learner import Learned, Learner, Traced
from .rules import FULL, Rule
from .three_factor import ThreeFactor


class Parts(NamedTuple):
    """What runs are made of; a wrong implementation replaces some of it."""

    model: type[Model] = Model
    learner: type[Learner] = Learner  #: by traces
    full: type[FullLearner] = FullLearner  #: by RTRL or OSTL
    rewarded: type[ThreeFactor] = ThreeFactor

    def learner_of(self, model: Model, rule: Rule) -> Learner:
        """A new learner by a rule."""
        if rule.name in FULL:
            return self.full(model, rule)
        if rule.name == "three-factor":
            return self.rewarded(model, rule)
        return self.learner(model, rule)


PARTS = Parts()


def run_traces(
    network: Network,
    inputs: Any,
    dt: Any,
    rule: Rule,
    *,
    runs: Sequence[int] = (),
    reset: bool = False,
    parts: Parts = PARTS,
) -> Traced:
    """Run a network and keep the traces of a rule (TRACE-3 to TRACE-8).

    Parameters
    ----------
    network : Network
    inputs : (T, B, K) array
    dt : Quantity, a time
    rule : Rule
    runs : sequence of int
        Lengths that sum to T; none: one run of T steps.
    reset : bool
        Whether states and traces are reset before the last of the runs.
    parts : Parts

    Raises
    ------
    ShapeError, InputError, ParameterError
        As LEARN-18 and TRACE-6 say; `runs` that do not sum to T.
    LateralPathError, UnreachedError, ParameterUseError, HiddenPathError, and those of parameters
        As `Model` says.
    """
    model, inputs = _model(network, inputs, dt, parts, rule)
    learner = parts.learner_of(model, rule)
    lengths = list(runs) or [len(inputs)]
    if sum(lengths) != len(inputs):
        raise ShapeError("runs", f"lengths {lengths}", f"lengths that sum to {len(inputs)}")
    start = 0
    for i, length in enumerate(lengths):
        if reset and 0 < i == len(lengths) - 1:
            model.reset()
            learner.make_traces()
        for x in inputs[start : start + length]:
            learner.step(x)
        start += length
    return learner.traced()


def learn(
    network: Network,
    inputs: Any,
    targets: Any,
    weights: Any,
    dt: Any,
    rule: Rule,
    *,
    chunk: Any = 1,
    learning_rate: float | None = None,
    parts: Parts = PARTS,
) -> Learned:
    """Learn from targets (LEARN-1 to LEARN-13).

    Parameters
    ----------
    network : Network
    inputs : (T, B, K) array
    targets : (T, B, M) array
    weights : (T,) array
        m(t).
    dt : Quantity, a time
    rule : Rule
    chunk : int
        C.
    learning_rate : float, optional
        η: after each chunk w ← w − η ∇w (LEARN-11).
    parts : Parts

    Raises
    ------
    ShapeError, InputError, ParameterError
        As LEARN-18 and TRACE-6 say.
    LateralPathError, UnreachedError, ParameterUseError, HiddenPathError, and those of parameters
        As `Model` says.
    """
    model, inputs = _model(network, inputs, dt, parts, rule)
    targets, weights = _targets(model, inputs, targets, weights)
    if rule.name == "three-factor":
        raise ParameterError("rule", "'three-factor'", "one that learns from targets")
    learner = parts.learner_of(model, rule)

    def step(t: int) -> float:
        return learner.step(inputs[t], targets[t], weights[t])

    return _learned(learner, step, len(inputs), chunk, learning_rate)


def reinforce(
    network: Network,
    inputs: Any,
    rewards: Any,
    dt: Any,
    rule: Rule,
    *,
    chunk: Any = 1,
    learning_rate: float | None = None,
    parts: Parts = PARTS,
) -> Learned:
    """Learn from rewards (THREE-1 to THREE-5).

    Parameters
    ----------
    rewards : (T, B) array
        M(t).
    network, inputs, dt, rule, chunk, learning_rate, parts
        As of `learn`, and so are the errors (LEARN-18, THREE-5).
    """
    model, inputs = _model(network, inputs, dt, parts, rule)
    rewards = read_plain(rewards, inputs.shape[:2], "rewards")
    learner = parts.rewarded(model, rule)

    def step(t: int) -> float:
        return learner.rewarded(inputs[t], rewards[t])

    return _learned(learner, step, len(inputs), chunk, learning_rate)


def _learned(
    learner: Learner, step: Callable[[int], float], T: int, chunk: Any, rate: float | None
) -> Learned:
    """What T steps leave; `step` makes step t and returns its loss (LEARN-10, LEARN-11)."""
    if not is_integer(chunk) or chunk < 1:
        raise ParameterError("chunk", repr(chunk), "an integer >= 1")
    losses, parameters = np.zeros(T), learner.model.parameters
    for t in range(T):
        if rate is not None and t % chunk == 0:
            learner.clear()
        losses[t] = step(t)
        if rate is not None and ((t + 1) % chunk == 0 or t + 1 == T):
            gradients = learner.taken()
            for name, gradient in gradients.items():
                parameters[name] = parameters[name] - rate * gradient
    if rate is None:
        gradients = learner.taken()
    return Learned(losses, gradients, parameters, learner.traced())


def learning_signals(
    network: Network, inputs: Any, targets: Any, weights: Any, dt: Any, parts: Parts = PARTS
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each layer c, (T, B, N), and λ, (T, B, N, d), of each step (LEARN-1).

    Parameters and errors are as of `learn`.
    """
    model, inputs = _model(network, inputs, dt, parts)
    targets, weights = _targets(model, inputs, targets, weights)
    found = []
    for x, target, m in zip(inputs, targets, weights, strict=True):
        steps, out = model.step(x)
        found.append(model.signals(steps, m * (out - target)))
    return [
        (np.array([at[l][0] for at in found]), np.array([at[l][1] for at in found]))
        for l in range(len(model.neurons))
    ]


def _model(
    network: Network, inputs: Any, dt: Any, parts: Parts = PARTS, rule: Rule | None = None
) -> tuple[Model, np.ndarray]:
    """A new model and the inputs it is given, (T, B, K), checked (LEARN-18)."""
    length = read_positive(dt, "ms", "dt")
    batch = read_plain(inputs, (None, None, None), "inputs").shape[1]
    # RTRL follows any path (RTRL-3).
    options = {"any_path": True} if rule is not None and rule.name == "RTRL" else {}
    model = parts.model(network, length, batch, **options)
    found = model.read_inputs(inputs)
    if 0 in found.shape[:2]:
        raise ShapeError("inputs", f"the shape {found.shape}", "a step and an entry of the batch")
    return model, found


def _targets(
    model: Model, inputs: np.ndarray, targets: Any, weights: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Targets, (T, B, M), and weights, (T,), checked (LEARN-18)."""
    T, B, M = *inputs.shape[:2], model.parameters["readout.weight"].shape[1]
    return read_plain(targets, (T, B, M), "targets"), read_plain(weights, (T,), "weights")
