"""What a GIF neuron's spikes and variables are: GIF-22."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.checks import check_boolean, check_value
from conformance.drawing.populations import DTYPES, STATE_UNITS, draw_population
from conformance.protocol.implementation import Value


def format_shape(shape: tuple[int, ...]) -> str:
    """Write a shape as a part of a test's id."""
    return "-".join(map(str, shape)) or "none"


FORMS = pytest.mark.parametrize("form", ["states", "tree"])
SHAPES = pytest.mark.parametrize(
    ("batch", "size"), [((), (3,)), ((2,), (3,)), ((), (2, 3)), ((), (1,))], ids=format_shape
)


def check_state(state, shape, call):
    assert set(state) == set(STATE_UNITS), f"{call}: got the variables {[*state]}"
    for name, unit_name in STATE_UNITS.items():
        check_value(state[name], shape, unit_name, f"{call}: {name}")


@pytest.mark.clauses("GIF-22")
@FORMS
@SHAPES
def test_step(implementation, form, batch, size):
    population = draw_population(np.random.default_rng(22), implementation.precision, size, batch)
    state, spikes = implementation.gif_step(*population.arguments(), form=form)
    check_state(state, (*batch, *size), "gif_step")
    check_boolean(spikes, (*batch, *size), "gif_step")


@pytest.mark.clauses("GIF-22")
@FORMS
def test_run(implementation, form):
    population = draw_population(np.random.default_rng(22), implementation.precision, (3,), (2,))
    size, parameters, state, _, dt = population.arguments()
    shape = (4, 2, 3)
    currents = Value(np.ones(shape, DTYPES[implementation.precision]), "nA")
    states, spikes = implementation.gif_run(size, parameters, state, currents, dt, form=form)
    check_state(states, shape, "gif_run")
    check_boolean(spikes, shape, "gif_run")


@pytest.mark.clauses("GIF-22")
@FORMS
@pytest.mark.parametrize("batch", [None, 2])
def test_initial_state(implementation, form, batch):
    state = implementation.gif_initial((3,), batch, {}, form)
    check_state(state, (3,) if batch is None else (batch, 3), "gif_initial")
