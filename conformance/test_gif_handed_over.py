"""What holds for a step holds for a run and for a derivative: units, shapes, methods, refusals."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from conformance.checks import close, raises
from conformance.gif_oracles import (
    DERIVATIVE_FACTOR,
    boolean,
    check_alike,
    check_step,
    exact,
    exact_propagator,
    exp_euler,
    stacked,
    stepped,
)
from conformance.implementation import Value
from conformance.populations import DTYPES, QUIET, UNITS, V_TH, drawn
from conformance.test_gif_step import MEETING

STEPS = 4


def ran(implementation, population, currents, **options):
    """States, (4, steps, *shape), and spikes of a run, handed over in the population's scales."""
    size, parameters, state, _, dt = population.arguments()
    handed = dataclasses.replace(population, current=currents).arguments()[3]
    states, spikes = implementation.gif_run(size, parameters, state, handed, dt, **options)
    shape = (len(currents), *population.state.shape[1:])
    return stacked(states, shape, "gif_run"), boolean(spikes, shape, "gif_run")


def check_run(implementation, population, currents, oracle=exact, **options):
    """Each step of a run is what the implementation itself makes of the state before it."""
    got, spikes = ran(implementation, population, currents, **options)
    state = population.state
    for t, current in enumerate(currents):
        current = np.broadcast_to(current, population.state.shape[1:])
        before = dataclasses.replace(population, state=state, current=current)
        one, spike = stepped(implementation, before, **options)
        call = f"step {t} of gif_run with {options}, against gif_step"
        check_alike(got[:, t], spikes[t], one, spike, oracle(before), call)
        state = got[:, t]


@pytest.mark.clauses("GIF-11")
@pytest.mark.parametrize("form", ["states", "tree"])
def test_run_by_exp_euler(implementation, form):
    rng = np.random.default_rng(31)
    population = drawn(rng, implementation.precision, (6,), dt=2.0)
    currents = rng.integers(-8, 9, (STEPS, 6)) / 4.0
    check_run(implementation, population, currents, exp_euler, method="exp_euler", form=form)


@pytest.mark.clauses("GIF-10")
@pytest.mark.parametrize("shape", [(2, 6), (6,), (2, 1), ()])
def test_run_of_a_batch(implementation, shape):
    """Behind the axis of time, currents broadcast as they do in a step (GIF-20)."""
    rng = np.random.default_rng(32)
    population = drawn(rng, implementation.precision, (6,), (2,), dt=0.5)
    check_run(implementation, population, rng.integers(-8, 9, (STEPS, *shape)) / 4.0)


def check_scaled_run(implementation, **scales):
    """One step of a run is the same in any scale; more of them may differ in a spike."""
    rng = np.random.default_rng(33)
    population = drawn(rng, implementation.precision, (6,), dt=0.5)
    currents = rng.integers(-8, 9, (1, 6)) / 4.0
    plain, spikes = ran(implementation, population, currents)
    scaled = dataclasses.replace(population, scales=scales)
    got, others = ran(implementation, scaled, currents)
    step = exact(dataclasses.replace(population, current=currents[0]))
    check_alike(got[:, 0], others[0], plain[:, 0], spikes[0], step, f"gif_run in {scales}")


@pytest.mark.clauses("GIF-20")
@pytest.mark.parametrize("scale", ["pA", "mV Mohm^-1"])
def test_run_with_currents_of_any_scale(implementation, scale):
    check_scaled_run(implementation, current=scale)


@pytest.mark.clauses("GIF-19")
@pytest.mark.parametrize("scale", ["s", "us"])
def test_run_with_steps_in_any_unit_of_time(implementation, scale):
    check_scaled_run(implementation, dt=scale)


def check_refused_run(implementation, error, what, number, unit):
    population = drawn(np.random.default_rng(34), implementation.precision, (3,))
    dtype = DTYPES[implementation.precision]
    size, parameters, state, _, dt = population.arguments()
    given = {"current": Value(np.ones((STEPS, 3), dtype), "nA"), "dt": dt}
    given[what] = Value(np.asarray(number, dtype), unit)
    arguments = (size, parameters, state, given["current"], given["dt"])
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


@pytest.mark.clauses("GIF-18")
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 1), (1, 3)])
def test_parameters_that_broadcast(implementation, shape):
    """Each as its own neurons' parameter, and none as its neighbours'."""
    rng = np.random.default_rng(35)
    population = drawn(rng, implementation.precision, (2, 3), dt=0.5)
    index = tuple(slice(n) for n in shape)
    small = {
        name: array[(0,) * (2 - len(shape)) + index]
        for name, array in population.parameters.items()
    }
    full = population.replace(**{name: np.broadcast_to(x, (2, 3)) for name, x in small.items()})
    size, _, *others = full.arguments()
    given = {
        name: Value(x.astype(DTYPES[full.precision]), UNITS[name]) for name, x in small.items()
    }
    state, spikes = implementation.gif_step(size, given, *others)
    call = f"gif_step of a population (2, 3) with parameters of shape {shape}"
    got, spikes = stacked(state, size, call), boolean(spikes, size, call)
    check_alike(got, spikes, *stepped(implementation, full), exact(full), call)


@pytest.mark.clauses("GIF-5")
@pytest.mark.parametrize("dt", [2.0**-20, 2.0**-40])
def test_a_tiny_step(implementation, dt):
    """Its changes are lost in the values themselves, not in those of the rates: V from V_rest."""
    population = drawn(np.random.default_rng(36), implementation.precision, dt=dt, **QUIET)
    population = population.replace(V_rest=0.0, V=0.0, a=0.0, I1=0.0, I2=0.0)
    got, spikes = stepped(implementation, population)
    check_step(got, spikes, exact(population), f"a step of {dt} ms from rest at 0 mV")


def derivative(implementation, population, **options):
    """The derivative of the step, (4, 5, *shape)."""
    got = implementation.gif_jacobian(*population.arguments(), **options)
    step = np.concatenate([got["state"], np.asarray(got["current"])[..., None]], -1)
    return np.moveaxis(step, (-2, -1), (0, 1))


@pytest.mark.clauses("GIF-14")
@pytest.mark.parametrize("dt", [0.125, 4.0])
def test_derivative_where_rates_meet_or_vanish(implementation, dt):
    """Where differentiating a formula that divides by their difference gives NaN."""
    rng = np.random.default_rng(37)
    population = drawn(rng, implementation.precision, (len(MEETING),), dt=dt, **QUIET)
    rates = {name: population.parameters[name].copy() for name in ("k1", "k2", "b")}
    for m, meeting in enumerate(MEETING):
        for name, rate in meeting.items():
            rates[name][m] = rate
    population = population.replace(tau=16.0, **rates)
    E, e_c = exact_propagator(population)
    D = np.concatenate([E, e_c[:, None]], 1)
    tolerance = DERIVATIVE_FACTOR * population.epsilon * np.abs(D)
    close(derivative(implementation, population), D, tolerance, f"gif_jacobian of {dt} ms")


@pytest.mark.clauses("GIF-14")
@pytest.mark.parametrize("scales", [{"dt": "s"}, {"tau": "s", "R": "ohm"}])
def test_derivative_in_any_scale(implementation, scales):
    population = drawn(np.random.default_rng(38), implementation.precision, (6,), dt=0.5, **QUIET)
    plain = derivative(implementation, population)
    other = derivative(implementation, dataclasses.replace(population, scales=scales))
    check_same_derivative(implementation, population, plain, other, f"gif_jacobian in {scales}")


def check_same_derivative(implementation, population, plain, other, call):
    """Two derivatives of one step, the same but for rounding; spikes and surrogate have a part."""
    step = exact(population)
    kept = ~step.undecided
    size = np.abs(plain) + step.size_reset[:, None] * np.abs(plain).max(axis=0)
    tolerance = 4 * DERIVATIVE_FACTOR * population.epsilon * size
    close(other[..., kept], plain[..., kept], tolerance[..., kept], call)


@pytest.mark.clauses("GIF-15")
def test_scale_of_the_surrogate_in_volts(implementation):
    population = drawn(np.random.default_rng(39), implementation.precision, (6,), dt=0.5)
    dtype = DTYPES[implementation.precision]
    plain, other = (
        derivative(implementation, population, scale=Value(np.asarray(number, dtype), unit))
        for number, unit in ((16.0, "mV"), (0.016, "V"))
    )
    call = "gif_jacobian with scale=0.016 V, against 16 mV"
    check_same_derivative(implementation, population, plain, other, call)


@pytest.mark.clauses("GIF-16")
def test_derivative_of_a_current_in_another_scale(implementation):
    """Where the current decides on the spike."""
    population = drawn(np.random.default_rng(39), implementation.precision, (6,), dt=0.5)
    plain = derivative(implementation, population)
    scaled = dataclasses.replace(population, scales={"current": "pA"})
    other = derivative(implementation, scaled)
    check_same_derivative(implementation, population, plain, other, "gif_jacobian in pA")


@pytest.mark.clauses("GIF-16")
def test_threshold_at_its_lower_bound_flows_or_does_not(implementation):
    """V̂_th = V_th,reset: either branch, as NUM-2 has it for a spike, but none between."""
    population = drawn(
        np.random.default_rng(40), implementation.precision, (6,), dt=0.5, a=0.0,
        V_th_inf=-64.0, V_th=-64.0, V_th_reset=-64.0, V=0.0, k1=0.25, k2=0.5, I1=0.0, I2=0.0,
    )  # fmt: skip
    E, e_c = exact_propagator(population)
    D = np.concatenate([E, e_c[:, None]], 1)
    got = derivative(implementation, population, detach_reset=True)[V_TH]
    tolerance = DERIVATIVE_FACTOR * population.epsilon * np.abs(D[V_TH])
    flows = np.all(np.abs(got - D[V_TH]) <= tolerance, axis=0)
    stops = np.all(got == 0, axis=0)
    assert np.all(flows | stops), f"V_th's row at V_th = V_th,reset: {got}, expected 0 or {D[V_TH]}"
