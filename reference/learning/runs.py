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


class Components(NamedTuple):
    """The classes that a run uses; a wrong implementation replaces some of them."""

    model: type[Model] = Model
    learner: type[Learner] = Learner  #: by traces
    full: type[FullLearner] = FullLearner  #: by RTRL or OSTL
    three_factor: type[ThreeFactor] = ThreeFactor

    def make_learner(self, model: Model, rule: Rule) -> Learner:
        """Make the learner of a rule."""
        if rule.name in FULL:
            return self.full(model, rule)
        if rule.name == "three-factor":
            return self.three_factor(model, rule)
        return self.learner(model, rule)


COMPONENTS = Components()


def run_traces(
    network: Network,
    inputs: Any,
    dt: Any,
    rule: Rule,
    *,
    runs: Sequence[int] = (),
    reset: bool = False,
    components: Components = COMPONENTS,
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
    components : Components

    Raises
    ------
    ShapeError, InputError, ParameterError
        As LEARN-18 and TRACE-6 say; `runs` that do not sum to T.
    LateralPathError, UnreachedError, ParameterUseError, HiddenPathError, and those of parameters
        As `Model` says.
    """
    model, inputs = _make_model(network, inputs, dt, components, rule)
    learner = components.make_learner(model, rule)
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
    return learner.collect_run()


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
    components: Components = COMPONENTS,
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
    components : Components

    Raises
    ------
    ShapeError, InputError, ParameterError
        As LEARN-18 and TRACE-6 say.
    LateralPathError, UnreachedError, ParameterUseError, HiddenPathError, and those of parameters
        As `Model` says.
    """
    model, inputs = _make_model(network, inputs, dt, components, rule)
    targets, weights = _read_targets(model, inputs, targets, weights)
    if rule.name == "three-factor":
        raise ParameterError("rule", "'three-factor'", "one that learns from targets")
    learner = components.make_learner(model, rule)

    def step(t: int) -> float:
        return learner.step(inputs[t], targets[t], weights[t])

    return _run_steps(learner, step, len(inputs), chunk, learning_rate)


def reinforce(
    network: Network,
    inputs: Any,
    rewards: Any,
    dt: Any,
    rule: Rule,
    *,
    chunk: Any = 1,
    learning_rate: float | None = None,
    components: Components = COMPONENTS,
) -> Learned:
    """Learn from rewards (THREE-1 to THREE-5).

    Parameters
    ----------
    rewards : (T, B) array
        M(t).
    network, inputs, dt, rule, chunk, learning_rate, components
        As for `learn`, and so are the errors (LEARN-18, THREE-5).
    """
    model, inputs = _make_model(network, inputs, dt, components, rule)
    rewards = read_plain(rewards, inputs.shape[:2], "rewards")
    learner = components.three_factor(model, rule)

    def step(t: int) -> float:
        return learner.step_with_reward(inputs[t], rewards[t])

    return _run_steps(learner, step, len(inputs), chunk, learning_rate)


def _run_steps(
    learner: Learner, step: Callable[[int], float], T: int, chunk: Any, rate: float | None
) -> Learned:
    """Make T steps, and updates at the end of chunks (LEARN-10, LEARN-11).

    `step` makes step t and returns its loss. A `rate` of None is of no updates.
    """
    if not is_integer(chunk) or chunk < 1:
        raise ParameterError("chunk", repr(chunk), "an integer >= 1")
    losses, parameters = np.zeros(T), learner.model.parameters
    for t in range(T):
        if rate is not None and t % chunk == 0:
            learner.clear()
        losses[t] = step(t)
        if rate is not None and ((t + 1) % chunk == 0 or t + 1 == T):
            gradients = learner.collect_gradients()
            for name, gradient in gradients.items():
                parameters[name] = parameters[name] - rate * gradient
    if rate is None:
        gradients = learner.collect_gradients()
    return Learned(losses, gradients, parameters, learner.collect_run())


def learning_signals(
    network: Network,
    inputs: Any,
    targets: Any,
    weights: Any,
    dt: Any,
    components: Components = COMPONENTS,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The learning signals of all steps (LEARN-1): of each layer c, (T, B, N), λ, (T, B, N, d).

    Parameters and errors are those of `learn`.
    """
    model, inputs = _make_model(network, inputs, dt, components)
    targets, weights = _read_targets(model, inputs, targets, weights)
    signals = []
    for x, target, m in zip(inputs, targets, weights, strict=True):
        steps, out = model.step(x)
        signals.append(model.signals(steps, m * (out - target)))
    return [
        tuple(np.array([of_step[l][i] for of_step in signals]) for i in (0, 1))
        for l in range(len(model.neurons))
    ]


def _make_model(
    network: Network,
    inputs: Any,
    dt: Any,
    components: Components = COMPONENTS,
    rule: Rule | None = None,
) -> tuple[Model, np.ndarray]:
    """Make a model, and read its inputs, (T, B, K) (LEARN-18)."""
    length = read_positive(dt, "ms", "dt")
    batch = read_plain(inputs, (None, None, None), "inputs").shape[1]
    # RTRL follows any path (RTRL-3).
    options = {"any_path": True} if rule is not None and rule.name == "RTRL" else {}
    model = components.model(network, length, batch, **options)
    numbers = model.read_inputs(inputs)
    if 0 in numbers.shape[:2]:
        raise ShapeError("inputs", f"the shape {numbers.shape}", "a step and an entry of the batch")
    return model, numbers


def _read_targets(
    model: Model, inputs: np.ndarray, targets: Any, weights: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Read targets, (T, B, M), and weights, (T,) (LEARN-18)."""
    T, B, M = *inputs.shape[:2], model.parameters["readout.weight"].shape[1]
    return read_plain(targets, (T, B, M), "targets"), read_plain(weights, (T,), "weights")
