"""Calls that must not remember: traces begin with zero, and another input has another answer."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.chapters.learning.refusals import sound_problem
from conformance.comparison import find_difference
from conformance.drawing.renumbering import with_other_numbers
from conformance.records import expected_record, make_record
from conformance.tolerances import tolerances_of


def by_each(*rules: str) -> pytest.MarkDecorator:
    """Judge by each of these rules that is claimed."""
    parameters = [pytest.param(rule, marks=pytest.mark.claims(rules=[rule])) for rule in rules]
    return pytest.mark.parametrize("rule", parameters)


@pytest.mark.clauses("TRACE-8")
@by_each("D-RTRL", "ES-D-RTRL")
def test_traces_begin_with_zero(implementation, rule):
    """Without input and bias nothing is added to them."""
    problem = sound_problem(implementation, 0, rule=rule, recurrence="none", bias="unbiased")
    network, inputs, dt, rule = problem.replace(
        inputs=np.zeros_like(problem.inputs)
    ).trace_arguments
    for name, trace in implementation.traces(network, inputs, dt, rule).traces.items():
        array = trace[0] if isinstance(trace, tuple) else trace
        assert not np.any(array), f"traces[{name!r}] are not zero without any input"


@pytest.mark.clauses("NET-1")
def test_nothing_is_remembered(implementation):
    """Another input to a network, and another network with an input, have other states."""
    problem = sound_problem(implementation, 1, recurrence="none")
    network, inputs, *others = problem.trace_arguments
    other_network = problem.with_layer(weight=-problem.network.layers[0].weight).network
    calls = (network, inputs), (network, inputs[::-1]), (other_network, inputs)
    one, *rest = (implementation.traces(*call, *others).hidden[0] for call in calls)
    for other in rest:
        assert not np.allclose(one, other), "the states are those of another call"


@pytest.mark.clauses("NET-1")
@by_each("D-RTRL", "three-factor")
def test_no_number_is_kept(implementation, rule):
    """Of other numbers of the same shapes, all else is another.

    A program that is kept for a structure has none of the numbers in it.
    """
    first_problem = sound_problem(implementation, 1, rule=rule, rate="positive", readout="leaky")
    tolerances = tolerances_of(implementation)
    first, other = (
        find_difference(
            numbered,
            make_record(implementation, numbered),
            expected_record(numbered),
            tolerances.network,
        )
        for numbered in (first_problem, with_other_numbers(first_problem, tolerances))
    )
    # What is wrong with one problem is said where it is judged alone.
    assert first or not other, f"after a call with other numbers: {other.message}"
