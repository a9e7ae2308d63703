"""What a record must be, found in other ways: true gradients, other rules, sums written out.

The reference is held against these as any implementation is. The true gradient is that of
`reference.learning.full_gradient`, whose derivatives go forward in time and share nothing with
traces.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from conformance.comparison import agree
from conformance.plans.problem import Problem
from conformance.protocol.problems import Learned, Rule
from conformance.records import expected_learned
from conformance.translation.networks import to_reference_network
from conformance.translation.values import to_reference
from reference.learning import full_gradient

__all__ = ["find_untruth"]

Truth = tuple[str, str, np.ndarray, np.ndarray]
"""A clause, the name of a quantity, what the record has and what is true."""


def find_untruth(problem: Problem, got: Learned, tolerance: float) -> tuple[str, str] | None:
    """The clause of the first truth that learning without updates misses, and what differs."""
    for clause, call, mine, true in _truths(problem, got):
        try:
            agree(mine, true, tolerance, call)
        except AssertionError as error:
            return clause, f"{error}, by {clause}"
    return None


def _truths(problem: Problem, got: Learned) -> Iterator[Truth]:
    yield from _losses(problem, got)
    if problem.learning_rate is not None:
        return
    if problem.rule.name != "three-factor":
        yield from _readout(problem, got)
    for clause, gradients in _gradients(problem, got):
        for name, true in gradients.items():
            yield clause, f"gradients[{name!r}]", got.gradients[name], true
    if problem.rule.name == "RTRL":
        yield from _differences(problem, got)


def _losses(problem: Problem, got: Learned) -> Iterator[Truth]:
    """The losses that follow from outputs or emissions (LEARN-13, THREE-4)."""
    if problem.rule.name == "three-factor":
        filtered_emissions = [_filter(s, problem.rule.decay_or_rank) for s in got.traced.emitted]
        total = sum(r.sum(axis=2) for r in filtered_emissions)
        yield "THREE-4", "losses", got.losses, -(np.asarray(problem.rewards) * total).sum(axis=1)
    else:
        errors = (got.traced.outputs - np.asarray(problem.targets, float)) ** 2
        losses = 0.5 * np.asarray(problem.weights) * errors.sum(axis=(1, 2))
        yield "LEARN-13", "losses", got.losses, losses


def _readout(problem: Problem, got: Learned) -> Iterator[Truth]:
    """The gradients of a linear readout of emissions, or of their filter (LEARN-6, EPROP-5)."""
    network = problem.network
    if network.skip is not None or network.output_decay is not None:
        return
    readout_input = _filter(got.traced.emitted[-1], network.readout_decay)
    clause = "EPROP-5" if problem.rule.name == "e-prop" else "LEARN-6"
    error = got.traced.outputs - np.asarray(problem.targets, float)
    error = np.asarray(problem.weights, float)[:, np.newaxis, np.newaxis] * error
    weight = np.einsum("tbn,tbm->nm", readout_input, error)
    yield clause, "gradients['readout.weight']", got.gradients["readout.weight"], weight
    if network.readout_bias is not None:
        bias = error.sum(axis=(0, 1))
        yield clause, "gradients['readout.bias']", got.gradients["readout.bias"], bias


def _filter(emissions: np.ndarray, decay: float) -> np.ndarray:
    """r(t) = κ r(t−1) + s(t)."""
    filtered, r = [], np.zeros(np.shape(emissions)[1:])
    for s in np.asarray(emissions, float):
        r = decay * r + s
        filtered.append(r)
    return np.array(filtered)


def _gradients(problem: Problem, got: Learned) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """The clauses that say what gradients are beyond their rule's own, and these gradients."""
    plan, rule = problem.plan, problem.rule
    is_one_step = len(problem.inputs) == 1
    recurrences = {layer.recurrence for layer in plan.stack}
    is_exact = is_one_step or (len(plan.stack) == 1 and "dense" not in recurrences)
    if rule.name == "D-RTRL" and is_exact:
        yield "LEARN-8", _true_gradients(problem)
    if rule.name == "ES-D-RTRL" and is_one_step:
        yield "LEARN-9", _true_gradients(problem)
    if rule.name == "e-prop" and plan.variant == "first":
        yield "EPROP-2", _gradients_by(problem, Rule("D-RTRL"))
    if rule.name == "OSTL":
        last = (str(len(plan.stack) - 1), "readout")
        yield "OSTL-2", {k: g for k, g in _true_gradients(problem).items() if k.startswith(last)}
        if "dense" not in recurrences:
            yield "OSTL-3", _gradients_by(problem, Rule("D-RTRL"))
    if rule.name == "hybrid":
        of_factors = {k for k, trace in got.traced.traces.items() if isinstance(trace, tuple)}
        one = _gradients_by(problem, Rule("D-RTRL"))
        other = _gradients_by(problem, Rule("ES-D-RTRL", rule.decay_or_rank))
        yield "HYBRID-1", {k: other[k] if k in of_factors else one[k] for k in one}
        if is_exact:
            yield (
                "HYBRID-4",
                {
                    k: g
                    for k, g in _true_gradients(problem).items()
                    if is_one_step or k not in of_factors
                },
            )


def _true_gradients(problem: Problem) -> dict[str, np.ndarray]:
    """The full derivative of the summed loss."""
    arguments = to_reference_network(problem.network), to_reference(problem.inputs)
    return full_gradient(*arguments, problem.targets, problem.weights, to_reference(problem.dt))


def _gradients_by(problem: Problem, rule: Rule) -> dict[str, np.ndarray]:
    """The gradients by another rule."""
    return expected_learned(dataclasses.replace(problem, rule=rule)).gradients


def _differences(problem: Problem, got: Learned) -> Iterator[Truth]:
    """The change of the reference's losses along a direction of weights (RTRL-2).

    The losses of leaky neurons are quadratic in each array of weights on inputs: central
    differences are exact but for rounding.
    """
    stack = problem.plan.stack
    if any(x.kind != "leaky" or x.function != "identity" for x in stack) or problem.network.tied:
        return
    for l, layer in enumerate(problem.network.layers):
        w, rng = np.asarray(layer.weight, float), np.random.default_rng(l)
        step = 0.25 * rng.choice([-1.0, 1.0], w.shape)
        up, down = (_loss(problem.with_layer(l, weight=w + sign * step)) for sign in (1, -1))
        gain, largest = (up - down) / 2, max(abs(up), abs(down))
        along = float(np.sum(got.gradients[f"{l}.weight"] * step))
        # Compared as parts of the losses that are subtracted.
        yield (
            "RTRL-2",
            f"gradients['{l}.weight'] along a direction",
            np.array([along, largest]),
            np.array([gain, largest]),
        )


def _loss(problem: Problem) -> Any:
    return expected_learned(problem).losses.sum()
