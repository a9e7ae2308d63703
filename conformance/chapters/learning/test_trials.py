"""Trials of several lengths in one batch, by each rule that learns from targets: LEARN-19."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from conformance.chapters.learning.refusals import TARGETS
from conformance.checks import check_class, check_message, raises
from conformance.comparison import agree, agree_by_variable
from conformance.drawing.trials import Trials, draw_trials
from conformance.plans.factors import levels_of
from conformance.tolerances import tolerances_of

pytestmark = pytest.mark.needs("trials")

BY_EACH = [pytest.param(rule, marks=pytest.mark.claims(rules=[rule])) for rule in TARGETS]


def trials_of(implementation: Any, rule: str, index: int) -> Trials:
    precision, resolution = implementation.precision, implementation.resolution
    return draw_trials(implementation.claims, precision, resolution, rule, index)


def some_trials(implementation: Any) -> Trials:
    """Trials by the first rule that is claimed and learns from targets."""
    rules = [rule for rule in levels_of(implementation.claims)["rule"] if rule in TARGETS]
    return trials_of(implementation, rules[0], 0)


@pytest.mark.clauses("LEARN-19")
@pytest.mark.parametrize("rule", BY_EACH)
@pytest.mark.parametrize(
    "index", [0, *(pytest.param(i, marks=pytest.mark.full) for i in range(1, 6))]
)
def test_trials_learn_as_if_alone(implementation, rule, index):
    """What stands past the ends is NaN or the index of no row; what a trial left is there."""
    trials, tolerance = (
        trials_of(implementation, rule, index),
        tolerances_of(implementation).network,
    )
    got = implementation.learn_trials(*trials.arguments, chunk=trials.problem.chunk)
    expected, where = trials.expected, f"{trials.problem}, lengths {trials.lengths}"
    for name in ("hidden", "emitted"):
        count, needed = len(getattr(got, name)), len(getattr(expected, name))
        assert count == needed, f"{name}: got {count} layers, not {needed}, in {where}"
    for l, state in enumerate(expected.hidden):
        agree_by_variable(got.hidden[l], state, tolerance, f"hidden[{l}] in {where}")
        agree(got.emitted[l], expected.emitted[l], tolerance, f"emitted[{l}] in {where}")
    agree(got.losses, expected.losses, tolerance, f"losses in {where}")
    for kind, compare in (("traces", agree_by_variable), ("gradients", agree)):
        arrays, needed_arrays = getattr(got, kind), getattr(expected, kind)
        names, needed_names = sorted(arrays), sorted(needed_arrays)
        assert names == needed_names, f"{kind}: got {names}, not {needed_names}, in {where}"
        for name, array in needed_arrays.items():
            compare(arrays[name], array, tolerance, f"{kind}[{name!r}] in {where}")


def refuse(implementation: Any, error: str, *arguments: Any) -> Exception:
    """Assert that a call is refused with an error of its classes; return the error."""
    exception = raises(error, implementation.learn_trials, *arguments)
    check_class(exception, error)
    return exception


def with_lengths(implementation: Any, change: Any) -> tuple[Any, ...]:
    """The arguments of a call whose lengths are changed."""
    trials = some_trials(implementation)
    network, inputs, targets, weights, lengths, *rest = trials.arguments
    return network, inputs, targets, weights, change(lengths.astype(np.int64), len(inputs)), *rest


@pytest.mark.clauses("LEARN-19", "ERR-1")
@pytest.mark.parametrize(
    ("error", "change"),
    [
        pytest.param("ShapeError", lambda x, T: x[:-1], id="short"),
        pytest.param("ShapeError", lambda x, T: x[:1], id="one"),
        pytest.param("ShapeError", lambda x, T: np.array(x[0]), id="number"),
        pytest.param("ShapeError", lambda x, T: x[:, np.newaxis], id="column"),
        pytest.param("DtypeError", lambda x, T: x.astype(np.float64), id="float"),
        pytest.param("DtypeError", lambda x, T: x > 0, id="bool"),
    ],
)
def test_lengths_that_are_none(implementation, error, change):
    refuse(implementation, error, *with_lengths(implementation, change))


@pytest.mark.clauses("LEARN-19", "ERR-1", "ERR-2")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda T: T + 1, id="long"),
        pytest.param(lambda T: 0, id="zero"),
        pytest.param(lambda T: -2, id="negative"),
    ],
)
def test_lengths_out_of_range(implementation, change):
    def spoil(lengths: np.ndarray, T: int) -> np.ndarray:
        return np.append(lengths[:-1], change(T))

    *_, lengths, _, _ = arguments = with_lengths(implementation, spoil)
    check_message(refuse(implementation, "ParameterError", *arguments), "lengths", lengths[-1])


@pytest.mark.clauses("LEARN-19", "ERR-1")
@pytest.mark.parametrize("name", ["inputs", "targets"])
def test_not_finite_up_to_the_end(implementation, name):
    """In the last step of a trial that is shorter than others."""
    trials = some_trials(implementation)
    arguments, place = list(trials.arguments), ["inputs", "targets"].index(name) + 1
    b = int(np.argmin(trials.lengths))
    array = arguments[place] = np.array(arguments[place])
    if array.dtype.kind != "f":  # indices of rows
        array[trials.lengths[b] - 1, b] = np.array(-1).astype(array.dtype)
    else:
        array[trials.lengths[b] - 1, b, -1] = np.nan
    refuse(implementation, "InputError", *arguments)
