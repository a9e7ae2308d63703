"""What a step of the cable takes and refuses, a run and a derivative do, too."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from conformance.checks import check_close, raises
from conformance.drawing.cells import UNITS, Cells, cylinder, draw_cells, number, three_sections
from conformance.drawing.seeded import generator
from conformance.drawing.sharing import remember
from conformance.oracles.cables import FACTOR, inverse, potentials, step
from conformance.protocol.implementation import Value

CALLS = ("step", "run", "derivative")


def of_each_call(ways: Iterable[str]) -> list[tuple[str, str]]:
    """Each call with each of the ways; a derivative has neither potentials nor a current."""
    ways = [*ways]
    some = [way for way in ways if not way.startswith(("potentials", "current"))]
    return [(name, way) for name in CALLS for way in (some if name == "derivative" else ways)]


def call(implementation: Any, name: str, arguments: tuple[Any, ...]) -> Any:
    """What a call returns of the arguments of a step; a run is of that one step.

    A derivative is of a population of one, whose parameters have the compartments alone.
    """
    size, sections, parameters, V, current, dt = arguments
    if name == "derivative":
        return implementation.cable_jacobian(sections, parameters, dt)
    if name == "run":
        current = Value(current.array[np.newaxis], current.unit)
        return implementation.cable_run(size, sections, parameters, V, current, dt)
    return implementation.cable_step(size, sections, parameters, V, current, dt)


def cells_of(name: str, rng: np.random.Generator, precision: int, **options: Any) -> Cells:
    """Cells of a size that a call can have."""
    size = () if name == "derivative" else options.pop("size", (3,))
    batch = () if name == "derivative" else options.pop("batch", ())
    options.setdefault("sections", three_sections(precision))
    return draw_cells(rng, precision, size, batch, dt=1.0, **options)


#: Potentials, or the two derivatives.
Arrays = dict[str, np.ndarray]


def make_call(implementation: Any, name: str, cells: Cells) -> Arrays:
    """Make a call with cells, check types and shapes, and return plain numbers."""
    got = call(implementation, name, cells.arguments())
    if name == "derivative":
        return {part: np.asarray(got[part]) for part in ("current", "state")}
    shape = cells.V.shape if name == "step" else (1, *cells.V.shape)
    return {"V": potentials(got, shape, f"cable_{name}").reshape(cells.V.shape)}


def solve_call(name: str, cells: Cells) -> tuple[Arrays, Arrays]:
    """Compute the result of a call from the equation, with the sizes of NUM-6 and NUM-7."""
    if name == "derivative":
        solution, size, per_dt = inverse(cells)
        factors = {"current": 1.0, "state": per_dt}
        return {k: solution * x for k, x in factors.items()}, {
            k: size * x for k, x in factors.items()
        }
    solution = step(cells)
    return {"V": solution.V}, {"V": solution.size}


def check(name: str, cells: Cells, got: Arrays, wanted: Arrays, what: str, slack: int = 2) -> None:
    """Two times one step, by one implementation; or a step and what it must be."""
    for part, size in solve_call(name, cells)[1].items():
        tolerance = slack * FACTOR * cells.epsilon * size
        check_close(got[part], wanted[part], tolerance, f"{part} of a {name} with {what}")


SCALES = {
    "potentials-in-volts": {"V": "V"},
    "potentials-in-microvolts": {"V": "uV"},
    "leak": {"g": "pS um^-2", "E": "V"},
    "current-in-picoampere": {"current": "pA"},
    "dt-in-microseconds": {"dt": "us"},
}


@remember
def plain(implementation: Any, name: str) -> tuple[Cells, Arrays]:
    """Make a call with whole numbers that differ from compartment to compartment."""
    rng = generator(112)
    cells = cells_of(name, rng, implementation.precision)
    shape, full_shape = cells.V.shape, cells.parameters["g"].shape
    cells = cells.replace(
        g=rng.integers(0, 2, full_shape), E=rng.integers(-80, -60, full_shape),
        V=rng.integers(-80, -40, shape), current=rng.integers(-3, 4, shape),
    )  # fmt: skip
    return cells, make_call(implementation, name, cells)


@pytest.mark.clauses("CABLE-10")
@pytest.mark.parametrize(("name", "way"), of_each_call(SCALES))
def test_scales(implementation, name, way):
    cells, plain_result = plain(implementation, name)
    variant = dataclasses.replace(cells, scales=SCALES[way])
    check(name, cells, make_call(implementation, name, variant), plain_result, way)


@pytest.mark.clauses("CABLE-6")
@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
@pytest.mark.parametrize(("name", "what"), of_each_call(["potentials", "leak", "current", "dt"]))
def test_dtypes(implementation, name, dtype, what):
    """A value may be an integer, and of less precision than what it is written into."""
    cells, plain_result = plain(implementation, name)
    names = {"potentials": ["V"], "leak": ["g", "E"]}.get(what, [what])
    variant = dataclasses.replace(cells, dtypes=dict.fromkeys(names, dtype))
    check(name, cells, make_call(implementation, name, variant), plain_result, f"{what} of {dtype}")


@pytest.mark.clauses("CABLE-9")
@pytest.mark.parametrize("shapes", [((), (6,)), ((1,), ()), ((6,), (1,)), (None, ()), ((), None)])
def test_derivative_by_parameters_of_any_shape(implementation, shapes):
    """Left out, too: then they have their defaults."""
    p, rng = implementation.precision, generator(113)
    numbers = {"g": (0, 1e-2), "E": (-90, -50)}
    numbers = {
        k: rng.uniform(*ends, shape)
        for (k, ends), shape in zip(numbers.items(), shapes, strict=True)
        if shape is not None
    }
    cells = cells_of("derivative", rng, p, **{"g": 1e-4, "E": -70.0} | numbers)
    _, sections, _, _, _, dt = cells.arguments()
    values = {k: number(x, UNITS[k], p) for k, x in numbers.items()}
    got = implementation.cable_jacobian(sections, values, dt)
    check("derivative", cells, got, solve_call("derivative", cells)[0], f"g, E of shapes {shapes}")


@pytest.mark.clauses("CABLE-7")
@pytest.mark.parametrize("name", ["step", "run"])
@pytest.mark.parametrize(
    ("size", "batch"),
    [((3,), (2, 2)), ((2, 1, 2, 2), ())],
    ids=["two-batch-axes", "four-population-axes"],
)
def test_populations_and_batches_of_more_axes(implementation, name, size, batch):
    """Each cell is one of its own, as on a single axis."""
    cells = cells_of(name, generator(114), implementation.precision, size=size, batch=batch)
    flat = dataclasses.replace(
        cells,
        parameters={
            k: np.broadcast_to(x, cells.V.shape).reshape(-1, 6) for k, x in cells.parameters.items()
        },
        V=cells.V.reshape(-1, 6),
        current=cells.current.reshape(-1, 6),
    )
    got = {k: x.reshape(-1, 6) for k, x in make_call(implementation, name, cells).items()}
    flat_result = make_call(implementation, name, flat)
    check(name, flat, got, flat_result, f"cells {size} in a batch {batch}")


@pytest.mark.clauses("CABLE-2")
@pytest.mark.parametrize("name", ["step", "run"])
def test_many_sections(implementation, name):
    p, rng = implementation.precision, generator(115)
    check_cells(implementation, name, cells_of(name, rng, p, sections=twenty_sections(p, rng)))


@pytest.mark.clauses("CABLE-9")
def test_derivatives_of_many_sections(implementation):
    p, rng = implementation.precision, generator(115)
    cells = cells_of("derivative", rng, p, sections=twenty_sections(p, rng))
    check_cells(implementation, "derivative", cells)


def check_cells(implementation, name, cells):
    solution, _ = solve_call(name, cells)
    what = f"{len(cells.sections)} sections"
    check(name, cells, make_call(implementation, name, cells), solution, what, slack=1)


def twenty_sections(precision, rng):
    """A tree of twenty sections."""
    return [
        cylinder(
            precision, f"s{k}", 1 + k % 2, rng.uniform(20, 60), rng.uniform(1, 4),
            **({"parent": f"s{int(rng.integers(k))}", "parent_loc": 1.0} if k else {}),
        )
        for k in range(20)
    ]  # fmt: skip


@pytest.mark.clauses("CABLE-2")
def test_a_run_is_of_its_own_numbers(implementation):
    """Whatever the run before it was of: only then may a program be kept."""
    for seed, dt in ((116, 0.5), (117, 2.0)):
        cells = cells_of("run", generator(seed), implementation.precision)
        cells = dataclasses.replace(cells, dt=dt)
        got = make_call(implementation, "run", cells)
        check(
            "run", cells, got, make_call(implementation, "step", cells), f"{dt} ms, against a step"
        )


@remember
def good(implementation: Any, name: str) -> tuple[Any, ...]:
    """Arguments that are right."""
    return cells_of(name, generator(118), implementation.precision).arguments()


BAD = (
    ("ParameterError", "g", -1e-6, "S cm^-2"),
    ("ParameterError", "E", np.nan, "mV"),
    ("UnitError", "g", 1e-4, None),
    ("UnitError", "g", 1e-4, "S"),
    ("UnitError", "E", -70.0, "nA"),
    ("ShapeError", "g", np.full(5, 1e-4), "S cm^-2"),
    ("ParameterError", "dt", -0.5, "ms"),
    ("ParameterError", "dt", 0.0, "ms"),
    ("ParameterError", "dt", np.inf, "ms"),
    ("UnitError", "dt", 0.5, None),
    ("UnitError", "dt", 0.5, "mV"),
    ("ShapeError", "dt", np.full(2, 0.5), "ms"),
    ("UnitError", "current", np.zeros(6), None),
    ("UnitError", "current", np.zeros(6), "mV"),
    ("ShapeError", "current", np.zeros(5), "nA"),
)
"""The error with which what by that name is that number in that unit is refused."""


@pytest.mark.clauses("CABLE-10")
@pytest.mark.parametrize(("name", "what"), of_each_call(["g", "E", "dt", "current"]))
def test_what_is_refused(implementation, name, what):
    size, sections, parameters, V, current, dt = good(implementation, name)
    for error, _, wrong, unit in (bad for bad in BAD if bad[1] == what):
        wrong = {what: number(wrong, unit, implementation.precision)}
        values = {"current": current, "dt": dt} | {k: x for k, x in wrong.items() if k not in UNITS}
        other_parameters = parameters | {k: x for k, x in wrong.items() if k in UNITS}
        arguments = (size, sections, other_parameters, V, values["current"], values["dt"])
        raises(error, call, implementation, name, arguments)
