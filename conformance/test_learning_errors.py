"""What learning refuses: LEARN-14 to LEARN-18, and how: ERR-1, ERR-2."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.checks import is_a, raises, says
from conformance.learned import D_RTRL, ES_D_RTRL, RULES
from conformance.messages import any_of
from conformance.tasks import LOCAL, Task, task

RULE = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


def of(implementation, *kinds: str, recurrence: str = "dense") -> Task:
    return task(implementation.precision, kinds or ("LIF",), recurrence)


def refused(implementation, given: Task, error: str, rule=D_RTRL, **options) -> Exception:
    """The error of learning, and of a run without it where both must refuse."""
    caught = raises(error, implementation.learn, *given.given, rule, **options)
    is_a(caught, error)
    return caught


@pytest.mark.clauses("LEARN-14", "ERR-1")
@RULE
@pytest.mark.parametrize("l", [0, 1])
def test_lateral_path(implementation, rule, l):
    given = of(implementation, "LIF", "LIF")
    N = given.network.layers[l].weight.shape[1]
    lateral = given.with_layer(l, lateral=np.full((N, N), 0.5))
    refused(implementation, lateral, "LateralPathError", rule)
    raises("LateralPathError", implementation.traces, *lateral.driven, rule)


@pytest.mark.clauses("LEARN-14")
def test_lateral_path_of_two_neurons(implementation):
    """One connection is enough, and its strength does not matter."""
    given = of(implementation)
    N = given.network.layers[0].weight.shape[1]
    lateral = np.zeros((N, N))
    lateral[0, 1] = 2.0**-20
    refused(implementation, given.with_layer(lateral=lateral), "LateralPathError")


@pytest.mark.clauses("LEARN-15", "ERR-1", "ERR-2")
@RULE
@pytest.mark.parametrize("kind", ["LIF", "cable"])
def test_unreached(implementation, rule, kind):
    given = of(implementation, kind)
    skip = np.ones((given.inputs.shape[2], given.targets.shape[2]))
    says(refused(implementation, given.replace(skip=skip), "UnreachedError", rule), "skip")


@pytest.mark.clauses("LEARN-16", "ERR-1", "ERR-2")
@RULE
def test_used_twice(implementation, rule):
    p = implementation.precision
    given = task(p, ("LIF", "LIF"), K=4, sizes=(4, 4)).replace(tied=True)
    says(refused(implementation, given, "ParameterUseError", rule), "weight")


@pytest.mark.clauses("LEARN-17", "ERR-1")
@RULE
@pytest.mark.parametrize("kind", LOCAL)
def test_hidden_path(implementation, rule, kind):
    given = of(implementation, kind, recurrence="none").replace(output_decay=0.5)
    refused(implementation, given, "HiddenPathError", rule)


@pytest.mark.clauses("LEARN-18", "ERR-1")
@pytest.mark.parametrize(
    ("name", "cut"),
    [
        ("inputs", np.s_[..., :-1]),
        ("inputs", np.s_[0]),
        ("targets", np.s_[..., :-1]),
        ("targets", np.s_[:-1]),
        ("targets", np.s_[:, 0]),
        ("weights", np.s_[:-1]),
        ("weights", np.s_[:, np.newaxis]),
    ],
)
def test_wrong_shape(implementation, name, cut):
    given = of(implementation)
    refused(implementation, given.replace(**{name: getattr(given, name)[cut]}), "ShapeError")


@pytest.mark.clauses("LEARN-18", "ERR-1")
@pytest.mark.parametrize(
    ("name", "cut"),
    [
        ("weight", np.s_[:-1]),
        ("weight", np.s_[0]),
        ("bias", np.s_[:-1]),
        ("recurrent", np.s_[:-1]),
        ("recurrent", np.s_[:, :-1]),
        ("mask", np.s_[:-1]),
        ("recurrent_mask", np.s_[..., :-1]),
    ],
)
def test_wrong_shape_of_a_layer(implementation, name, cut):
    given = task(implementation.precision, ("LIF",), "dense", masked=True)
    array = getattr(given.network.layers[0], name)
    refused(implementation, given.with_layer(**{name: array[cut]}), "ShapeError")


@pytest.mark.clauses("LEARN-18", "ERR-1")
@RULE
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["inputs", "targets", "weights"])
def test_not_finite(implementation, name, wrong, rule):
    given = of(implementation)
    array = getattr(given, name).copy()
    array.flat[-1] = wrong
    refused(implementation, given.replace(**{name: array}), "InputError", rule)
    refused(implementation, given.replace(**{name: array}), "InputError", rule, chunk=5)


@pytest.mark.clauses("LEARN-18", "ERR-1", "ERR-2")
@RULE
@pytest.mark.parametrize("wrong", [0, -1, 1.5, 1.0, True, "2"], ids=repr)
def test_wrong_chunk(implementation, rule, wrong):
    error = refused(implementation, of(implementation), "ParameterError", rule, chunk=wrong)
    says(error, "chunk", any_of("True", "bool", 1) if wrong is True else float(wrong))


@pytest.mark.clauses("LEARN-18")
def test_neither_decay_nor_rank(implementation):
    """Learning refuses what traces refuse."""
    given = of(implementation)
    wrong = type(ES_D_RTRL)("ES-D-RTRL", 1.5)
    refused(implementation, given, "ParameterError", wrong)
