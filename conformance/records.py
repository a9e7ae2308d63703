"""Records of one problem: all that the calls of an implementation, or of the reference, return."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from conformance.plans.problem import Problem
from conformance.protocol.claims import SPIKING
from conformance.protocol.problems import Learned, Traced
from conformance.translation.networks import to_reference_network, to_reference_rule
from conformance.translation.values import to_reference
from reference.learning import (
    COMPONENTS,
    Components,
    learn,
    learning_signals,
    reinforce,
    run_traces,
)

__all__ = [
    "ExpectedRecord",
    "Record",
    "expected_learned",
    "expected_record",
    "make_record",
]

Signals = list[tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True, eq=False)
class Record:
    """What the calls of a problem returned; None where a call was not made."""

    learned: Learned | None
    #: Of a run without learning, in the problem's calls.
    traced: Traced | None
    #: c and λ of each layer (LEARN-1).
    signals: Signals | None
    #: What an implementation said of a call that it does not have and of which all else is judged.
    missing: str = ""


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class ExpectedRecord(Record):
    """The reference's record."""

    #: The least distance of a comparison to equality in any of the runs (NUM-8).
    nearest: float
    #: The share of layers that spike, and of parameters that have a gradient, of those that can.
    liveliness: float


def make_record(implementation: Any, problem: Problem, learning: bool = True) -> Record:
    """Make the calls of a problem that an implementation claims; those that learn if `learning`."""
    capabilities, rule = set(implementation.capabilities), problem.rule.name
    has_traces = "traces" in capabilities or rule not in ("D-RTRL", "ES-D-RTRL")
    learns = learning and ("learning" in capabilities or rule not in ("D-RTRL", "ES-D-RTRL"))
    network, inputs, dt = problem.network, problem.inputs, problem.dt
    learned = traced = signals = None
    missing = ""
    if learns and rule == "three-factor":
        call = network, inputs, problem.rewards, dt, problem.rule
        learned = implementation.reinforce(*call, **problem.learning)
    elif learns:
        call = network, inputs, problem.targets, problem.weights, dt
        learned = implementation.learn(*call, problem.rule, **problem.learning)
        if rule == "D-RTRL" and problem.learning_rate is None:
            try:
                signals = implementation.learning_signals(*call)
            except NotImplementedError as error:
                missing = f"raised NotImplementedError: {error}"
    if has_traces and (problem.runs or not learns):
        traced = implementation.traces(*problem.trace_arguments, **problem.calls)
    return Record(learned, traced, signals, missing)


@functools.lru_cache(maxsize=4096)
def expected_learned(problem: Problem, components: Components = COMPONENTS) -> Any:
    """Let the reference learn, or a reference with other components."""
    arguments = to_reference_network(problem.network), to_reference(problem.inputs)
    rule, dt = to_reference_rule(problem.rule), to_reference(problem.dt)
    if rule.name == "three-factor":
        call = *arguments, problem.rewards, dt, rule
        return reinforce(*call, **problem.learning, components=components)
    call = *arguments, problem.targets, problem.weights, dt, rule
    return learn(*call, **problem.learning, components=components)


@functools.lru_cache(maxsize=4096)
def expected_record(problem: Problem, components: Components = COMPONENTS) -> ExpectedRecord:
    """Make the record of the reference, or of a reference with other components."""
    arguments = to_reference_network(problem.network), to_reference(problem.inputs)
    rule, dt = to_reference_rule(problem.rule), to_reference(problem.dt)
    signals = None
    if rule.name == "D-RTRL" and problem.learning_rate is None:
        call = *arguments, problem.targets, problem.weights, dt
        signals = learning_signals(*call, components)
    learned = expected_learned(problem, components)
    # Without updates and a reset, the calls of a run leave what one call leaves (TRACE-8).
    traced = learned.traced
    if problem.runs or problem.learning_rate is not None:
        inputs = to_reference(problem.trace_arguments[1])
        call = arguments[0], inputs, dt, rule
        traced = run_traces(*call, **problem.calls, components=components)
    nearest = min(learned.traced.nearest, traced.nearest)
    liveliness = _liveliness(problem, learned)
    return ExpectedRecord(learned, traced, signals, nearest=nearest, liveliness=liveliness)


def _liveliness(problem: Problem, learned: Any) -> float:
    shares = [float(np.any(gradient)) for gradient in learned.gradients.values()]
    for layer, emitted in zip(problem.network.layers, learned.traced.emitted, strict=True):
        if layer.kind in SPIKING:
            shares.append(float(0.02 <= emitted.mean() <= 0.7))
    return float(np.mean(shares))
