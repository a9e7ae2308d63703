"""Whether an adapter differs from the reference on a legal problem, by NUM-8's measure."""

from __future__ import annotations

import dataclasses
import functools
import warnings
from typing import Any

import numpy as np

import reference
from conformance.adapters.reference import Reference
from conformance.problems import Rule
from conformance.reference_networks import to_reference_network
from conformance.reference_values import to_reference
from reference import learning_runs

from .random_problems import Problem, draw

#: How near to equality a comparison of a problem may come (NUM-8).
MARGIN = 1e-4
#: How many weights a recurrence of a problem may have.
LARGEST = 1000
#: How large a gradient of a problem may be.
LARGE = 1e4
#: How far apart numbers are that differ, of the largest of an array (NUM-8).
APART = 1e-10

REFERENCE = Reference()

#: By capability, rules that a problem is given in turn.
RULES = {
    "learning": (
        Rule("D-RTRL"),
        Rule("ES-D-RTRL", (0.5, 0.75)),
        Rule("ES-D-RTRL", 0.98),
        Rule("ES-D-RTRL", 3),
    ),
    "hybrid": (
        Rule("hybrid", (0.5, 0.75)),
        Rule("hybrid", 0.6, {"0.weight": "D-RTRL"}),
        Rule("hybrid", 0.6, {"0.weight": "ES-D-RTRL"}),
    ),
    "eprop": tuple(Rule("e-prop", feedback=f) for f in ("symmetric", "random", "adaptive")),
    "rtrl": (Rule("RTRL"),),
    "ostl": (Rule("OSTL"),),
    "three_factor": (Rule("three-factor", 0.7),),
}


def first_difference(adapter: Any, count: int) -> int | None:
    """The seed of the first of some problems on which an adapter differs; None: on none.

    The adapter is asked for all of them in turn, those that it does not claim left out.
    """
    capabilities = [name for name in RULES if name in adapter.capabilities]
    for seed in range(count):
        with_operations = "operations" in adapter.capabilities and seed % 4 > 0
        given = problem(seed, with_operations)
        for capability in capabilities if given else ():
            which = seed // 4 % len(RULES[capability])
            expected = _expected(seed, with_operations, capability, which)
            try:
                got = record(adapter, given, RULES[capability][which])
            except Exception:  # a legal problem is refused
                return seed
            if differ(got, expected):
                return seed
    return None


def depends_on_the_past(adapter: Any, seed: int) -> bool:
    """Whether an adapter answers a problem that is like one before otherwise than the reference."""
    given = problem(seed, False)
    again = given.inputs[::-1]
    weight = 2 * given.network.layers[0].weight
    layers = (
        dataclasses.replace(given.network.layers[0], weight=weight),
        *given.network.layers[1:],
    )
    other = dataclasses.replace(given.network, layers=layers)
    for network, inputs in ((given.network, given.inputs), (given.network, again), (other, again)):
        asked = network, inputs, given.dt, RULES["learning"][0]
        if differ(adapter.traces(*asked), REFERENCE.traces(*asked)):
            return True
    return False


@functools.cache
def problem(seed: int, with_operations: bool) -> Problem | None:
    """A problem; None where it is none that may be judged."""
    with np.errstate(all="ignore"):
        try:
            found = draw(seed, with_operations)
            if any(np.size(layer.recurrent) > LARGEST for layer in found.network.layers):
                return None  # RTRL would take minutes
            network, dt = to_reference_network(found.network), to_reference(found.dt)
            is_near = learning_runs.margin(network, found.inputs, dt) < MARGIN
            given = found.inputs, found.targets, found.weights, dt, reference.Rule("D-RTRL")
            gradients = learning_runs.learn(network, *given).gradients.values()
        except reference.ShapeError:  # a window that fits nowhere
            return None
    is_unstable = any(not np.all(np.abs(gradient) < LARGE) for gradient in gradients)
    return None if is_near or is_unstable else found


@functools.cache
def _expected(seed: int, with_operations: bool, capability: str, rule: int) -> list[Any]:
    return record(REFERENCE, problem(seed, with_operations), RULES[capability][rule])


def record(adapter: Any, given: Problem, rule: Rule) -> list[Any]:
    """All that an adapter says of a problem: of a run, of learning, and of signals."""
    network, inputs, dt = given.network, given.inputs, given.dt
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        runs = {"runs": given.runs, "reset": given.reset}
        found = [adapter.traces(network, inputs, dt, rule, **runs)]
        options = {"chunk": given.chunk, "learning_rate": given.learning_rate}
        if rule.name == "three-factor":
            return [*found, adapter.reinforce(network, inputs, given.rewards, dt, rule, **options)]
        targets = given.targets, given.weights
        found.append(adapter.learn(network, inputs, *targets, dt, rule, **options))
        if "learning" in adapter.capabilities:
            found.append(adapter.learning_signals(network, inputs, *targets, dt))
    return found


def differ(got: Any, expected: Any) -> bool:
    """Whether two records, or parts of them, differ."""
    if dataclass := getattr(expected, "__dict__", None):
        return differ(vars(got), dataclass)
    if isinstance(expected, dict):
        return set(got) != set(expected) or any(differ(got[k], x) for k, x in expected.items())
    if isinstance(expected, list | tuple):
        pairs = zip(got, expected, strict=False)
        return len(got) != len(expected) or any(differ(*pair) for pair in pairs)
    if expected is None or got is None:
        return expected is not got
    got, expected = np.asarray(got), np.asarray(expected)
    if got.shape != expected.shape:
        return True
    apart = np.abs(got - expected).max(initial=0.0)
    return not apart <= APART * np.abs(expected).max(initial=0.0)
