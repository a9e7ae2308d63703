"""Runs of tasks, by an implementation and by the reference, and whether they agree (NUM-8)."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from conformance.checks import close
from conformance.problems import Learned, Rule, Traced
from conformance.reference_networks import to_reference_network, to_reference_rule
from conformance.reference_values import to_reference
from conformance.tasks import Task
from reference import learning_runs
from reference.full_gradient import full_gradient

D_RTRL = Rule("D-RTRL")
ES_D_RTRL = Rule("ES-D-RTRL", 0.75)
RULES = [D_RTRL, ES_D_RTRL]


@dataclasses.dataclass(frozen=True, eq=False)
class Rewards:
    """What three-factor learning is given in the place of targets."""

    array: np.ndarray  # (T, B)


#: Of the largest entry, by precision (NUM-8).
TOLERANCES = {32: 1e-5, 64: 1e-10}


@functools.cache
def traced(implementation: Any, task: Task, rule: Rule, **options: Any) -> Traced:
    """The implementation's run without learning."""
    return implementation.traces(*task.driven, rule, **options)


@functools.cache
def learned(implementation: Any, task: Task, rule: Rule, **options: Any) -> Learned:
    """The implementation's run that learns."""
    return implementation.learn(*task.given, rule, **options)


@functools.cache
def wanted_traced(task: Task, rule: Rule, **options: Any) -> Traced:
    """The reference's run without learning."""
    network, inputs, dt = _given(task)[0], task.inputs, _given(task)[-1]
    return learning_runs.run_traces(network, inputs, dt, to_reference_rule(rule), **options)


@functools.cache
def wanted(task: Task, rule: Rule, **options: Any) -> Learned:
    """The reference's run that learns."""
    return learning_runs.learn(*_given(task), to_reference_rule(rule), **options)


@functools.cache
def rewarded(
    implementation: Any, task: Task, rewards: Rewards, rule: Rule, **options: Any
) -> Learned:
    """The implementation's run that learns from rewards."""
    network, inputs, dt = task.driven
    return implementation.reinforce(network, inputs, rewards.array, dt, rule, **options)


@functools.cache
def wanted_rewarded(task: Task, rewards: Rewards, rule: Rule, **options: Any) -> Learned:
    """The reference's run that learns from rewards."""
    given = _given(task)[0], task.inputs, rewards.array, _given(task)[-1]
    return learning_runs.reinforce(*given, to_reference_rule(rule), **options)


@functools.cache
def wanted_signals(task: Task) -> list[tuple[np.ndarray, np.ndarray]]:
    """The reference's learning signals."""
    return learning_runs.learning_signals(*_given(task))


@functools.cache
def true_gradient(task: Task) -> dict[str, np.ndarray]:
    """The reference's derivative of the summed loss, nothing left out."""
    return full_gradient(*_given(task))


def _given(task: Task) -> tuple[Any, ...]:
    return to_reference_network(task.network), *to_reference(task.given[1:])


def agree(got: Any, expected: Any, task: Task, call: str) -> None:
    """An array, within the tolerance of the largest entry."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape, f"{call}: got shape {got.shape}, not {expected.shape}"
    largest = np.abs(expected).max(initial=0.0)
    close(got, expected, TOLERANCES[task.precision] * largest, call)


def agree_by_variable(got: Any, expected: Any, task: Task, call: str) -> None:
    """An array whose last axis is of a neuron's variables, each by itself."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape, f"{call}: got shape {got.shape}, not {expected.shape}"
    for i in range(expected.shape[-1]):
        agree(got[..., i], expected[..., i], task, f"{call}, variable {i}")


def agree_runs(got: Traced, expected: Traced, task: Task) -> None:
    """States, emissions and outputs."""
    for l, (mine, other) in enumerate(zip(got.hidden, expected.hidden, strict=True)):
        agree_by_variable(mine, other, task, f"hidden[{l}]")
    for l, (mine, other) in enumerate(zip(got.emitted, expected.emitted, strict=True)):
        agree(mine, other, task, f"emitted[{l}]")
    agree(got.outputs, expected.outputs, task, "outputs")


def agree_traces(got: Traced, expected: Traced, task: Task, *only: str) -> None:
    """The traces of parameters whose names end so; without that, of all."""
    assert set(got.traces) == set(expected.traces), (
        f"traces: got {sorted(got.traces)}, expected {sorted(expected.traces)}"
    )
    for name, trace in expected.traces.items():
        if only and not name.endswith(only):
            continue
        mine, call = got.traces[name], f"traces[{name!r}]"
        if not isinstance(trace, tuple):
            agree_by_variable(mine, trace, task, call)
            continue
        if trace[0] is None:
            assert mine[0] is None, f"{call}: got an eps_x, expected None"
        else:
            agree(mine[0], trace[0], task, f"{call}, eps_x")
        agree_by_variable(mine[1], trace[1], task, f"{call}, eps_f")


def agree_learned(got: Learned, expected: Learned, task: Task) -> None:
    """All that learning leaves."""
    agree(got.losses, expected.losses, task, "losses")
    agree_by_name(got.gradients, expected.gradients, task, "gradients")
    agree_by_name(got.parameters, expected.parameters, task, "parameters")
    agree_traces(got.traced, expected.traced, task)
    agree_runs(got.traced, expected.traced, task)


def agree_by_name(
    got: dict[str, Any], expected: dict[str, Any], task: Task, call: str, *only: str
) -> None:
    """Gradients or parameters whose names end so; without that, all."""
    assert set(got) == set(expected), f"{call}: got {sorted(got)}, expected {sorted(expected)}"
    for name, array in expected.items():
        if not only or name.endswith(only):
            agree(got[name], array, task, f"{call}[{name!r}]")
