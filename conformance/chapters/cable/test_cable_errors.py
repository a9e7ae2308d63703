"""What the cable refuses: CABLE-10, CABLE-11 and MORPH-11, and how: ERR-1 to ERR-3."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from conformance.checks import check_class, check_close, check_message, names_of, raises
from conformance.drawing.cells import Cells, draw_cells, number, three_sections
from conformance.drawing.seeded import generator
from conformance.messages import CURRENT, STEP
from conformance.oracles.cables import FACTOR, plain, potentials, run_step, step
from reference import unit as units

SIZE = (3,)


def cells_of(implementation: Any, seed: int = 1, **options: Any) -> Cells:
    p = implementation.precision
    options = {"sections": three_sections(p), "size": SIZE, "dt": 0.1} | options
    return draw_cells(generator(87, seed), p, **options)


def arguments_with(implementation: Any, name: str, wrong: Any, unit: str | None) -> tuple[Any, ...]:
    """The arguments of a step with a parameter replaced."""
    p = implementation.precision
    size, sections, parameters, *rest = cells_of(implementation).arguments()
    return size, sections, parameters | {name: number(wrong, unit, p)}, *rest


@pytest.mark.clauses("CABLE-10")
@pytest.mark.parametrize(
    ("name", "unit", "wrong"),
    [
        *(("g", "S cm^-2", wrong) for wrong in (-1e-6, np.nan, np.inf)),
        *(("E", "mV", wrong) for wrong in (np.nan, np.inf, -np.inf)),
    ],
)
def test_parameter_out_of_range(implementation, name, unit, wrong):
    for array in (wrong, [1e-4] * 5 + [wrong]):
        arguments = arguments_with(implementation, name, array, unit)
        check_message(raises("ParameterError", implementation.cable_step, *arguments), name)


@pytest.mark.clauses("CABLE-10")
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_initial_potential_out_of_range(implementation, wrong):
    p = implementation.precision
    parameters = {"V0": number(wrong, "mV", p)}
    raises(
        "ParameterError", implementation.cable_initial, SIZE, None, three_sections(p), parameters
    )


@pytest.mark.clauses("CABLE-10")
@pytest.mark.parametrize("name", ["g", "E"])
@pytest.mark.parametrize("unit", [None, "ms", "S", "mV V^-1", "S cm^-2 ms^-1"])
def test_parameter_of_another_unit(implementation, name, unit):
    arguments = arguments_with(implementation, name, 1.0, unit)
    check_message(raises("UnitError", implementation.cable_step, *arguments), name)


@pytest.mark.clauses("CABLE-10")
@pytest.mark.parametrize("unit", [None, "nA"])
def test_initial_potential_of_another_unit(implementation, unit):
    p = implementation.precision
    parameters = {"V0": number(-65, unit, p)}
    raises("UnitError", implementation.cable_initial, SIZE, None, three_sections(p), parameters)


WRONG_SHAPES = ((2,), (5,), (3,), (2, 6), (6, 1), (3, 3), (2, 3, 6))


@pytest.mark.clauses("CABLE-10")
@pytest.mark.parametrize(("name", "unit"), [("g", "S cm^-2"), ("E", "mV")])
@pytest.mark.parametrize("shape", WRONG_SHAPES)
def test_parameter_of_another_shape(implementation, name, unit, shape):
    arguments = arguments_with(implementation, name, np.ones(shape), unit)
    check_message(raises("ShapeError", implementation.cable_step, *arguments), name)


LENGTHS = (
    *(("ParameterError", wrong, "ms") for wrong in (0.0, -0.025, np.nan, np.inf)),
    *(("UnitError", 0.025, unit) for unit in (None, "mV", "ms^-1")),
    ("ShapeError", [0.025, 0.025], "ms"),
)


@pytest.mark.clauses("CABLE-10")
@pytest.mark.parametrize(("error", "wrong", "unit"), LENGTHS)
def test_length_of_a_step(implementation, error, wrong, unit):
    *arguments, _ = cells_of(implementation).arguments()
    dt = number(wrong, unit, implementation.precision)
    raises(error, implementation.cable_step, *arguments, dt)


@pytest.mark.clauses("CABLE-10")
@pytest.mark.parametrize("unit", [None, "mV", "nA cm^-2", "nA A^-1"])
def test_current_of_another_unit(implementation, unit):
    p = implementation.precision
    *arguments, _, dt = cells_of(implementation).arguments()
    for current in (number(0.0, unit, p), {"soma(0.5)": number(0.0, unit, p)}):
        raises("UnitError", implementation.cable_step, *arguments, current, dt)


@pytest.mark.clauses("CABLE-10")
@pytest.mark.parametrize("shape", WRONG_SHAPES)
def test_current_of_another_shape(implementation, shape):
    *arguments, _, dt = cells_of(implementation).arguments()
    current = number(np.zeros(shape), "nA", implementation.precision)
    raises("ShapeError", implementation.cable_step, *arguments, current, dt)


@pytest.mark.clauses("CABLE-10")
@pytest.mark.parametrize("shape", [(2,), (6,), (3, 1), (1, 3), (3, 6)])
def test_current_into_a_site_of_another_shape(implementation, shape):
    *arguments, _, dt = cells_of(implementation).arguments()
    current = {"soma(0.5)": number(np.zeros(shape), "nA", implementation.precision)}
    raises("ShapeError", implementation.cable_step, *arguments, current, dt)


@pytest.mark.clauses("CABLE-10")
def test_another_scale_is_converted(implementation):
    p = implementation.precision
    cells = cells_of(implementation, g=1e-4, E=-72.0, current=0.25)
    size, sections, _, V, *_ = cells.arguments()
    parameters = {"g": number(1.0, "S m^-2", p), "E": number(-0.072, "V", p)}
    dt = number(1e-4, "s", p)
    exact_step = step(cells)
    tolerance = 2 * FACTOR * cells.epsilon * exact_step.size
    for current in (number(250, "pA", p), number(2.5e-4, "uA", p)):
        got = implementation.cable_step(size, sections, parameters, V, current, dt)
        got = potentials(got, cells.V.shape, "cable_step")
        check_close(got, exact_step.V, tolerance, "V after cable_step in other scales")
    V0 = {"V0": number(-0.0625, "V", p)}
    got, _, _ = implementation.cable_initial(size, None, sections, V0)
    check_close(plain(got, "mV"), -62.5, 1e-4, "initial potentials in V")


@pytest.mark.clauses("MORPH-11")
@pytest.mark.needs("cable")
@pytest.mark.parametrize("site", ["nose(0.5)", "soma(1.5)", "soma", 0, None])
def test_current_into_no_site(implementation, site):
    *arguments, _, dt = cells_of(implementation).arguments()
    current = {site: number(0.1, "nA", implementation.precision)}
    raises("StateNameError", implementation.cable_step, *arguments, current, dt)


def call_unless_refused(call: Any, *arguments: Any) -> Any:
    """Make a call: its result, or None where it raises `InputError`."""
    try:
        return call(*arguments)
    except Exception as error:
        if "InputError" not in names_of(error):
            raise
        return None


def check_lost(got: np.ndarray, cells: Cells, bad: np.ndarray, call: str) -> None:
    """Bad neurons are NaN all over, the others as they would be."""
    exact_step = step(cells)
    assert np.isnan(got[..., bad, :]).all(), f"{call}: those neurons have {got[..., bad, :]}"
    tolerance = FACTOR * cells.epsilon * exact_step.size
    check_close(
        got[..., ~bad, :],
        exact_step.V[..., ~bad, :],
        tolerance[..., ~bad, :],
        f"{call}: the others",
    )


@pytest.mark.clauses("CABLE-11")
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("compartment", [0, 2, 5])
def test_current_that_is_no_number(implementation, wrong, compartment):
    """Either the step is refused, or the neuron is lost and no other is affected."""
    cells, bad = cells_of(implementation, batch=(2,)), np.arange(3) == 1
    current = cells.current.copy()
    current[:, 1, compartment] = wrong
    got = call_unless_refused(run_step, implementation, cells, cells.currents(current))
    if got is not None:
        check_lost(got, cells, bad, f"cable_step with {wrong} nA into compartment {compartment}")


@pytest.mark.clauses("CABLE-11")
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_current_into_a_site_that_is_no_number(implementation, wrong):
    cells, bad = cells_of(implementation), np.arange(3) == 2
    current = {"dendrite(1)": cells.currents(np.array([0.1, 0.1, wrong]))}
    got = call_unless_refused(run_step, implementation, cells, current)
    if got is not None:
        clean = np.zeros(cells.V.shape)
        clean[:, 5] = 0.1
        check_lost(got, cells.replace(current=clean), bad, f"cable_step with {wrong} nA at a site")


@pytest.mark.clauses("CABLE-11")
def test_run_with_a_current_that_is_no_number(implementation):
    """In the middle of a run, where a compiled program knows no value."""
    cells, bad = cells_of(implementation), np.arange(3) == 0
    currents = np.repeat(cells.current[np.newaxis], 4, 0)
    currents[2, 0, 4] = np.nan
    *arguments, _, dt = cells.arguments()
    got = call_unless_refused(implementation.cable_run, *arguments, cells.currents(currents), dt)
    if got is not None:
        got = potentials(got, currents.shape, "cable_run")
        assert np.isfinite(got[:2]).all(), f"cable_run: before the NaN, V is {got[:2]}"
        assert np.isnan(got[2:, bad]).all(), f"cable_run: after it, V is {got[2:, bad]}"
        assert np.isfinite(got[:, ~bad]).all(), f"cable_run: of the others, V is {got[:, ~bad]}"


@pytest.mark.clauses("ERR-1", "ERR-2", "CABLE-10")
def test_errors_and_what_they_say(implementation):
    p = implementation.precision
    *arguments, current, dt = cells_of(implementation).arguments()
    volts, two = number(1.0, "mV", p), number(np.zeros(2), "nA", p)
    nowhere = {"nose(0.5)": number(1.0, "nA", p)}
    cases = [
        ("ParameterError", arguments_with(implementation, "g", -0.5, "S cm^-2"), ("g", -0.5)),
        (
            "UnitError",
            arguments_with(implementation, "E", 1.0, "ms"),
            ("E", units("ms"), units("mV")),
        ),
        ("ShapeError", arguments_with(implementation, "E", np.ones(2), "mV"), ("E", (2,), (3, 6))),
        ("ParameterError", (*arguments, current, number(-0.5, "ms", p)), (STEP, -0.5)),
        ("UnitError", (*arguments, volts, dt), (CURRENT, units("mV"), units("nA"))),
        ("ShapeError", (*arguments, two, dt), (CURRENT, (2,), (3, 6))),
        ("StateNameError", (*arguments, nowhere, dt), ("nose", "soma")),
    ]
    for error, call, facts in cases:
        caught = raises(error, implementation.cable_step, *call)
        check_class(caught, error)
        check_message(caught, *facts)


@pytest.mark.clauses("ERR-3", "CABLE-10")
def test_unit_goes_before_shape(implementation):
    p = implementation.precision
    wrong = number(np.ones(2), "m", p)
    raises(
        "UnitError",
        implementation.cable_step,
        *arguments_with(implementation, "E", np.ones(2), "m"),
    )
    *arguments, _, dt = cells_of(implementation).arguments()
    raises("UnitError", implementation.cable_step, *arguments, wrong, dt)
