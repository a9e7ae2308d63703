"""What holds for a step holds for a run and for a derivative: units, shapes, methods, refusals."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from conformance.chapters.gif.records import run_population
from conformance.checks import raises
from conformance.drawing.populations import DTYPES, UNITS, draw_population
from conformance.drawing.seeded import generator
from conformance.drawing.sharing import remember
from conformance.oracles.gif_steps import (
    check_alike,
    exact,
    exp_euler,
    read_spikes,
    run_step,
    stack_state,
)
from conformance.protocol.implementation import Value

STEPS = 4


def check_run(implementation, population, currents, oracle=exact, **options):
    """Each step of a run is what the implementation itself makes of the state before it.

    The steps are made as one batch.
    """
    got, spikes = run_population(implementation, population, currents, **options)
    state = np.concatenate([population.state[:, np.newaxis], got[:, :-1]], axis=1)
    whole = np.stack([np.broadcast_to(I, population.state.shape[1:]) for I in currents])
    flat = (-1, *population.size)
    before = dataclasses.replace(
        population, state=state.reshape(4, *flat), current=whole.reshape(flat)
    )
    call = f"gif_run with {options}, against steps of gif_step"
    check_alike(
        got.reshape(4, *flat), spikes.reshape(flat), *run_step(implementation, before, **options),
        oracle(before), call,
    )  # fmt: skip


@pytest.mark.clauses("GIF-11")
@pytest.mark.parametrize("form", ["states", "tree"])
def test_run_by_exp_euler(implementation, form):
    population = draw_population(generator(41), implementation.precision, (6,), dt=2.0)
    currents = generator(42).integers(-8, 9, (STEPS, 6)) / 4.0
    check_run(implementation, population, currents, exp_euler, method="exp_euler", form=form)


@pytest.mark.clauses("GIF-10")
@pytest.mark.parametrize(
    ("shape", "form"), [((3, 3, 3), "tree"), ((3,), "states"), ((3, 1, 1), "tree")]
)
def test_run_of_a_batch(implementation, shape, form):
    """Behind the axis of time, currents broadcast as they do in a step (GIF-20)."""
    population = draw_population(generator(43), implementation.precision, (3, 3), (3,), dt=0.5)
    population = population.replace(layout=len(shape) + 1)
    currents = generator(44, len(shape)).integers(-8, 9, (STEPS, *shape)) / 4.0
    check_run(implementation, population, currents, form=form)


@remember
def plain_run(implementation, form):
    """A run of one step, whose spikes no change of scale may turn into another state."""
    population = draw_population(generator(45), implementation.precision, (6,), dt=0.5)
    currents = generator(46).integers(-8, 9, (1, 6)) / 4.0
    return population, currents, *run_population(implementation, population, currents, form=form)


def check_scaled_run(implementation, form, **scales):
    """One step of a run is the same in any scale; more of them may differ in a spike."""
    population, currents, plain, spikes = plain_run(implementation, form)
    scaled = dataclasses.replace(population, scales=scales)
    got, others = run_population(implementation, scaled, currents, form=form)
    step = exact(dataclasses.replace(population, current=currents[0]))
    call = f"gif_run of the {form} in {scales}"
    check_alike(got[:, 0], others[0], plain[:, 0], spikes[0], step, call)


@pytest.mark.clauses("GIF-20")
@pytest.mark.parametrize(("form", "scale"), [("states", "pA"), ("tree", "mV Mohm^-1")])
def test_run_with_currents_of_any_scale(implementation, form, scale):
    check_scaled_run(implementation, form, current=scale)


@pytest.mark.clauses("GIF-19")
@pytest.mark.parametrize(("form", "scale"), [("tree", "s"), ("states", "us")])
def test_run_with_steps_in_any_unit_of_time(implementation, form, scale):
    check_scaled_run(implementation, form, dt=scale)


def check_refused_run(implementation, error, what, number, unit):
    population = draw_population(generator(47), implementation.precision, (3,))
    dtype = DTYPES[implementation.precision]
    size, parameters, state, _, dt = population.arguments()
    values = {"current": Value(np.ones((STEPS, 3), dtype), "nA"), "dt": dt}
    values[what] = Value(np.asarray(number, dtype), unit)
    arguments = (size, parameters, state, values["current"], values["dt"])
    raises(error, implementation.gif_run, *arguments)


@pytest.mark.clauses("GIF-20")
@pytest.mark.parametrize(
    ("error", "shape", "unit"),
    [
        ("UnitError", (STEPS, 3), None),
        ("UnitError", (STEPS, 3), "mV"),
        ("ShapeError", (STEPS, 2), "nA"),
        ("ShapeError", (STEPS, 2, 3), "nA"),
    ],
)
def test_run_with_bad_currents(implementation, error, shape, unit):
    check_refused_run(implementation, error, "current", np.ones(shape), unit)


@pytest.mark.clauses("GIF-19")
@pytest.mark.parametrize(
    ("error", "number", "unit"),
    [
        ("ParameterError", 0.0, "ms"),
        ("ParameterError", np.nan, "ms"),
        ("UnitError", 0.5, None),
        ("UnitError", 0.5, "mV"),
    ],
)
def test_run_with_steps_of_a_bad_length(implementation, error, number, unit):
    check_refused_run(implementation, error, "dt", number, unit)


@pytest.mark.clauses("GIF-18")
@pytest.mark.parametrize("name", UNITS)
def test_parameter_of_another_unit_in_the_tree_form(implementation, name):
    dtype = DTYPES[implementation.precision]
    bare, length = (Value(np.asarray(1.0, dtype), unit) for unit in (None, "m"))
    for wrong in (length,) if UNITS[name] is None else (bare, length):
        raises("UnitError", implementation.gif_initial, (3,), None, {name: wrong}, "tree")


SHAPES = ((), (1,), (3,), (3, 1), (1, 3), (1, 1), (3, 3))


@pytest.mark.clauses("GIF-18")
@pytest.mark.parametrize(("first", "form"), [(0, "states"), (3, "tree")])
def test_parameters_that_broadcast(implementation, first, form):
    """Each of another shape, to a square population; none as its neighbours'."""
    full = draw_population(generator(48), implementation.precision, (3, 3), (3,), dt=0.5)
    small = {}
    for k, (name, array) in enumerate(full.parameters.items()):
        shape = SHAPES[(first + k) % len(SHAPES)]
        small[name] = array[(0,) * (2 - len(shape)) + tuple(slice(n) for n in shape)]
    full = full.replace(**small)
    size, _, *others = full.arguments()
    values = {
        name: Value(x.astype(DTYPES[full.precision]), UNITS[name]) for name, x in small.items()
    }
    state, spikes = implementation.gif_step(size, values, *others, form=form)
    shape = full.state.shape[1:]
    call = f"gif_step of a population {size} with parameters of shapes {SHAPES}"
    got, spikes = stack_state(state, shape, call), read_spikes(spikes, shape, call)
    whole = run_step(implementation, full, form=form)
    check_alike(got, spikes, *whole, exact(full), call)
