"""What a step of the cable takes and refuses, a run and a derivative do, too."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from conformance.cable_oracles import FACTOR, inverse, potentials, step
from conformance.cells import UNITS, Cells, cylinder, drawn, number, three_sections
from conformance.checks import close, raises
from conformance.drawing.numbered import generator
from conformance.drawing.sharing import shared
from conformance.implementation import Value

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
    return drawn(rng, precision, size, batch, dt=1.0, **options)


def check(name: str, cells: Cells, got: Any, call: str, slack: int = 1) -> None:
    """A step, or a derivative, against the equation (NUM-6, NUM-7)."""
    epsilon = slack * FACTOR * cells.epsilon
    if name == "derivative":
        wanted, size, per_dt = inverse(cells)
        close(got["current"], wanted, epsilon * size, f"the derivative by I of {call}")
        close(got["state"], wanted * per_dt, epsilon * size * per_dt, f"that by V of {call}")
        return
    shape = cells.V.shape if name == "step" else (1, *cells.V.shape)
    plain, wanted = potentials(got, shape, call).reshape(cells.V.shape), step(cells)
    close(plain, wanted.V, epsilon * wanted.size, f"V of {call}")


SCALES = {
    "potentials-in-volts": {"V": "V"},
    "potentials-in-microvolts": {"V": "uV"},
    "leak": {"g": "pS um^-2", "E": "V"},
    "current-in-picoampere": {"current": "pA"},
    "dt-in-microseconds": {"dt": "us"},
}


@pytest.mark.clauses("CABLE-10")
@pytest.mark.parametrize(("name", "way"), of_each_call(SCALES))
def test_scales(implementation, name, way):
    cells = cells_of(name, generator(111), implementation.precision)
    handed = dataclasses.replace(cells, scales=SCALES[way])
    got = call(implementation, name, handed.arguments())
    check(name, cells, got, f"a {name} with {way}", slack=2)


@pytest.mark.clauses("CABLE-6")
@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
@pytest.mark.parametrize(("name", "what"), of_each_call(["potentials", "leak", "current", "dt"]))
def test_dtypes(implementation, name, dtype, what):
    """A value may be an integer, and of less precision than what it is written into."""
    rng, names = generator(112), {"potentials": ["V"], "leak": ["g", "E"]}.get(what, [what])
    cells = cells_of(name, rng, implementation.precision)
    own = cells.parameters["g"].shape
    cells = cells.replace(
        g=rng.integers(0, 2, own), E=rng.integers(-80, -60, own),
        V=rng.integers(-80, -40, cells.V.shape), current=rng.integers(-3, 4, cells.V.shape),
    )  # fmt: skip
    handed = dataclasses.replace(cells, dtypes=dict.fromkeys(names, dtype))
    check(name, cells, call(implementation, name, handed.arguments()), f"{what} of {dtype}")


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
    given = {k: number(x, UNITS[k], p) for k, x in numbers.items()}
    got = implementation.cable_jacobian(sections, given, dt)
    check("derivative", cells, got, f"g, E of shapes {shapes}", slack=2)


@pytest.mark.clauses("CABLE-7")
@pytest.mark.parametrize("name", ["step", "run"])
@pytest.mark.parametrize(
    ("size", "batch"),
    [((3,), (2, 2)), ((2, 1, 2, 2), ())],
    ids=["two-batch-axes", "four-population-axes"],
)
def test_populations_and_batches_of_more_axes(implementation, name, size, batch):
    cells = cells_of(name, generator(114), implementation.precision, size=size, batch=batch)
    check(name, cells, call(implementation, name, cells.arguments()), f"cells {size} in {batch}")


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
    got = call(implementation, name, cells.arguments())
    check(name, cells, got, f"a {name} of {len(cells.sections)} sections")


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
        check("run", cells, call(implementation, "run", cells.arguments()), f"a run of {dt} ms")


@shared
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
        given = {"current": current, "dt": dt} | {k: x for k, x in wrong.items() if k not in UNITS}
        changed = parameters | {k: x for k, x in wrong.items() if k in UNITS}
        arguments = (size, sections, changed, V, given["current"], given["dt"])
        raises(error, call, implementation, name, arguments)
