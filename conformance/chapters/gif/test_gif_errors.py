"""What a GIF neuron refuses: GIF-18 to GIF-20, and how: ERR-1 to ERR-3."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from conformance.checks import check_class, check_message, raises
from conformance.drawing.populations import DTYPES, UNITS, draw_population
from conformance.messages import CURRENT, STEP
from conformance.oracles.gif_steps import stack_state
from conformance.protocol.implementation import Value
from reference import unit as units

SIZE = (3,)
FORMS = pytest.mark.parametrize("form", ["states", "tree"])
POSITIVE, NOT_NEGATIVE = ("tau",), ("k1", "k2", "b")


def value(implementation: Any, number: Any, unit: str | None) -> Value:
    return Value(np.asarray(number, DTYPES[implementation.precision]), unit)


def out_of_range() -> list[tuple[str, float]]:
    cases = [(name, number) for name in UNITS for number in (np.nan, np.inf, -np.inf)]
    cases += [(name, number) for name in POSITIVE for number in (0.0, -20.0)]
    return cases + [(name, -0.125) for name in NOT_NEGATIVE]


@pytest.mark.clauses("GIF-18")
@FORMS
@pytest.mark.parametrize(("name", "number"), out_of_range())
def test_parameter_out_of_range(implementation, form, name, number):
    for wrong in (number, [1.0, number, 1.0]):
        parameters = {name: value(implementation, wrong, UNITS[name])}
        raises("ParameterError", implementation.gif_initial, SIZE, None, parameters, form)


@pytest.mark.clauses("GIF-18")
@pytest.mark.parametrize("name", UNITS)
def test_parameter_of_another_unit(implementation, name):
    bare, length = value(implementation, 1.0, None), value(implementation, 1.0, "m")
    for wrong in (length,) if UNITS[name] is None else (bare, length):
        raises("UnitError", implementation.gif_initial, SIZE, None, {name: wrong}, "states")


@pytest.mark.clauses("GIF-18")
@pytest.mark.parametrize("name", UNITS)
def test_parameter_of_another_shape(implementation, name):
    for shape in ((2,), (4,), (3, 1), (2, 3)):
        parameters = {name: value(implementation, np.ones(shape), UNITS[name])}
        raises("ShapeError", implementation.gif_initial, SIZE, None, parameters, "states")


@pytest.mark.clauses("GIF-18")
@FORMS
@pytest.mark.parametrize("method", ["rk4", "Exact", "euler", ""])
def test_unknown_method(implementation, form, method):
    arguments = draw_population(
        np.random.default_rng(18), implementation.precision, SIZE
    ).arguments()
    options = {"method": method, "form": form}
    raises("ParameterError", implementation.gif_step, *arguments, **options)


@pytest.mark.clauses("GIF-18")
def test_all_other_values_are_allowed(implementation):
    """Negative couplings, resistances, increments and factors, and rates of zero."""
    odd = {"a": -0.08, "R": -20.0, "A1": -3.0, "R1": -1.5, "R2": 0.0, "k1": 0.0, "b": 0.0}
    odd |= {"V_reset": 20.0, "V_th_reset": 90.0, "tau": 1e-3}
    population = draw_population(np.random.default_rng(19), implementation.precision, SIZE, **odd)
    state, _ = implementation.gif_step(*population.arguments())
    got = stack_state(state, SIZE, "gif_step")
    assert np.isfinite(got).all(), f"gif_step with {odd} gives {got}"


LENGTHS = (
    ("ParameterError", 0.0, "ms"),
    ("ParameterError", -0.5, "ms"),
    ("ParameterError", np.nan, "ms"),
    ("ParameterError", np.inf, "ms"),
    ("UnitError", 0.5, "mV"),
    ("UnitError", 0.5, None),
    ("UnitError", 0.5, "ms^-1"),
)


@pytest.mark.clauses("GIF-19")
@FORMS
@pytest.mark.parametrize(("error", "number", "unit"), LENGTHS)
def test_length_of_a_step(implementation, form, error, number, unit):
    population = draw_population(np.random.default_rng(19), implementation.precision, SIZE)
    *arguments, _ = population.arguments()
    dt = value(implementation, number, unit)
    raises(error, implementation.gif_step, *arguments, dt, form=form)


CURRENTS = (
    ("UnitError", 1.0, None),
    ("UnitError", [1.0, 1.0, 1.0], None),
    ("UnitError", 0.0, None),
    ("UnitError", 1.0, "mV"),
    ("UnitError", 1.0, "nA cm^-2"),
    ("UnitError", 1.0, "nA A^-1"),
    ("ShapeError", np.ones(2), "nA"),
    ("ShapeError", np.ones(4), "nA"),
    ("ShapeError", np.ones((3, 1)), "nA"),
    ("ShapeError", np.ones((2, 3)), "nA"),
)


@pytest.mark.clauses("GIF-20")
@FORMS
@pytest.mark.parametrize(("error", "number", "unit"), CURRENTS)
def test_input_current(implementation, form, error, number, unit):
    population = draw_population(np.random.default_rng(20), implementation.precision, SIZE)
    size, parameters, state, _, dt = population.arguments()
    current = value(implementation, number, unit)
    raises(error, implementation.gif_step, size, parameters, state, current, dt, form=form)


@pytest.mark.clauses("GIF-20")
def test_input_current_beside_a_batch(implementation):
    """A current must broadcast to the state's shape, batch included, not the state's to it."""
    population = draw_population(np.random.default_rng(20), implementation.precision, SIZE, (2,))
    size, parameters, state, _, dt = population.arguments()
    for shape in ((4, 3), (3, 3), (2, 2), (1, 2, 3), (2, 1, 3)):
        current = value(implementation, np.ones(shape), "nA")
        raises("ShapeError", implementation.gif_step, size, parameters, state, current, dt)


def refusals(implementation: Any, clause: str) -> list[tuple[str, Exception, tuple[Any, ...]]]:
    """What a clause refuses: the error's name, the error, and what its message must state."""
    population = draw_population(np.random.default_rng(1), implementation.precision, SIZE)
    size, parameters, state, current, dt = population.arguments()

    def refusal(error: str, name: str, number: Any, unit: str | None, *facts: Any) -> tuple:
        changes = {name: value(implementation, number, unit)}
        caught = raises(error, implementation.gif_initial, SIZE, None, changes, "states")
        return error, caught, (name, *facts)

    def step(error: str, current: Any, dt: Any, *facts: Any, **options: Any) -> tuple:
        call = implementation.gif_step
        caught = raises(error, call, size, parameters, state, current, dt, **options)
        return error, caught, facts

    two = value(implementation, np.ones(2), "nA")
    volts = value(implementation, 1.0, "mV")
    if clause == "GIF-18":
        methods = ("rk4", "exact", "exp_euler")
        return [
            refusal("ParameterError", "tau", -20.0, "ms", -20),
            refusal("ParameterError", "k2", -0.125, "ms^-1", -0.125),
            refusal("ParameterError", "V_rest", np.nan, "mV", np.nan),
            refusal("UnitError", "A1", 1.0, "m", units("m"), units("A")),
            refusal("UnitError", "R", 1.0, None, units("ohm")),
            refusal("ShapeError", "b", np.ones(2), "ms^-1", (2,), (3,)),
            step("ParameterError", current, dt, *methods, method="rk4"),
        ]
    if clause == "GIF-19":
        return [
            step("ParameterError", current, value(implementation, -0.5, "ms"), STEP, -0.5),
            step("UnitError", current, volts, STEP, units("mV"), units("s")),
        ]
    return [
        step("UnitError", volts, dt, CURRENT, units("mV"), units("A")),
        step("ShapeError", two, dt, CURRENT, (2,), (3,)),
    ]


REFUSING = pytest.mark.parametrize(
    "clause",
    [pytest.param(c, marks=pytest.mark.clauses(c)) for c in ("GIF-18", "GIF-19", "GIF-20")],
)


@pytest.mark.clauses("ERR-1")
@REFUSING
def test_errors_are_of_their_classes(implementation, clause):
    for name, caught, _ in refusals(implementation, clause):
        check_class(caught, name)


@pytest.mark.clauses("ERR-2")
@REFUSING
def test_messages_say_what_and_why(implementation, clause):
    for _, caught, facts in refusals(implementation, clause):
        check_message(caught, *facts)


@pytest.mark.clauses("ERR-3", "GIF-18")
def test_a_parameters_unit_goes_before_its_shape(implementation):
    wrong = {"V_rest": value(implementation, np.ones(2), "m")}
    raises("UnitError", implementation.gif_initial, SIZE, None, wrong, "states")


@pytest.mark.clauses("ERR-3", "GIF-20")
def test_a_currents_unit_goes_before_its_shape(implementation):
    population = draw_population(np.random.default_rng(3), implementation.precision, SIZE)
    size, parameters, state, _, dt = population.arguments()
    wrong = value(implementation, np.ones(2), "m")
    raises("UnitError", implementation.gif_step, size, parameters, state, wrong, dt)
