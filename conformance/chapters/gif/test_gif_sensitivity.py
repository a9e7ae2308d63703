"""Derivatives with respect to parameters: GIF-25 to GIF-31, NUM-10."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from conformance.checks import check_close
from conformance.drawing.numbered import FEW, SEEDS
from conformance.oracles.gif_sensitivities import (
    OPTIONS,
    find_meeting,
    judged_gradient,
    judged_run,
    quiet_run,
)

FIRST, LATER, ALL = slice(0, 1), slice(1, None), slice(None)

WITH_OPTIONS = pytest.mark.parametrize("options", OPTIONS)
REST = pytest.mark.parametrize("options", [name for name in OPTIONS if name != "default"])


@pytest.mark.clauses("GIF-25")
def test_integrated_values(implementation):
    """Of a long step far below the threshold."""
    record = quiet_run(implementation, "exact")
    where = ~find_meeting(record.run.population)
    record.check("state", FIRST, where, "gif_sensitivity of 4 ms")


@pytest.mark.clauses("GIF-25")
@FEW
@given(seed=SEEDS)
def test_integrated_values_of_a_short_step(implementation, seed):
    record = judged_run(implementation, seed, "default")
    record.check("state", FIRST, record.integrates, "gif_sensitivity of 0.5 ms")


@pytest.mark.clauses("GIF-26")
@FEW
@given(seed=SEEDS)
def test_integrated_values_by_exponential_euler(implementation, seed):
    record = judged_run(implementation, seed, "exp_euler")
    call = "gif_sensitivity(method='exp_euler')"
    record.check("state", FIRST, record.integrates, call)


@pytest.mark.clauses("GIF-27")
def test_rates_that_meet_or_vanish(implementation):
    record = quiet_run(implementation, "exact")
    where = find_meeting(record.run.population)
    record.check("state", FIRST, where, "gif_sensitivity where rates meet")


@pytest.mark.clauses("GIF-28")
@FEW
@given(seed=SEEDS)
def test_spike(implementation, seed):
    record = judged_run(implementation, seed, "default")
    record.check("spike", FIRST, True, "gif_sensitivity")


@pytest.mark.clauses("GIF-28")
@REST
def test_spike_of_another_surrogate(implementation, options):
    record = judged_run(implementation, 0, options)
    record.check("spike", FIRST, True, f"gif_sensitivity with {OPTIONS[options]}")


@pytest.mark.clauses("GIF-29")
@FEW
@given(seed=SEEDS)
def test_step_with_its_reset(implementation, seed):
    record = judged_run(implementation, seed, "default")
    record.check("state", FIRST, ~record.integrates, "gif_sensitivity")


@pytest.mark.clauses("GIF-29")
@REST
def test_step_with_its_reset_by_options(implementation, options):
    record = judged_run(implementation, 0, options)
    call = f"gif_sensitivity with {OPTIONS[options]}"
    record.check("state", FIRST, ~record.integrates, call)


@pytest.mark.clauses("GIF-30")
@FEW
@given(seed=SEEDS)
def test_run(implementation, seed):
    record = judged_run(implementation, seed, "default")
    record.check("state", LATER, True, "gif_sensitivity")
    record.check("spike", LATER, True, "gif_sensitivity")


@pytest.mark.clauses("GIF-30")
@REST
def test_run_by_options(implementation, options):
    record = judged_run(implementation, 0, options)
    call = f"gif_sensitivity with {OPTIONS[options]}"
    record.check("state", LATER, True, call)
    record.check("spike", LATER, True, call)


@pytest.mark.clauses("GIF-31")
@FEW
@given(seed=SEEDS)
def test_gradient_of_parameters_in_common(implementation, seed):
    wanted, tolerance, got = judged_gradient(implementation, seed)
    assert set(got) == set(wanted), f"gif_gradient: got the parameters {[*got]}"
    for name, expected in wanted.items():
        shape = np.shape(got[name])
        assert shape == expected.shape, f"gif_gradient: {name} of {expected.shape} has {shape}"
        check_close(got[name], expected, tolerance[name], f"gif_gradient by {name}")


@pytest.mark.clauses("NUM-10")
@pytest.mark.needs("gif", "gif_sensitivity")
@WITH_OPTIONS
def test_derivatives_agree_with_the_reference(implementation, options):
    record = judged_run(implementation, 0, options)
    call = f"gif_sensitivity with {OPTIONS[options]}"
    record.check("state", ALL, True, call)
    record.check("spike", ALL, True, call)
