"""Random cells, and populations of them in some state.

A population has one cell, and parameters, potentials and currents that differ from neuron to neuron
and from compartment to compartment. All numbers are drawn so that the implementation's precision
holds them exactly.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from conformance.drawing.layouts import lay_out
from conformance.drawing.populations import DTYPES, round_to
from conformance.protocol.implementation import Section, Value
from conformance.tolerances import tolerances_in_test
from reference import unit

UNITS = {"g": "S cm^-2", "E": "mV", "V0": "mV"}

#: Where a section is connected, besides anywhere.
LOCATIONS = (0.0, 1.0, 0.5, 1 / 3, 0.75)


def number(array: Any, unit: str | None, precision: int) -> Value:
    """Make a value in a precision."""
    return Value(np.asarray(array, DTYPES[precision]), unit)


def cylinder(precision: int, name: str, nseg: int, length: float, diam: float, **rest: Any):
    """A cylinder, in um; Ra in ohm cm and cm in uF cm^-2 as plain numbers."""
    return Section(
        name, nseg, number(length, "um", precision), number(diam, "um", precision),
        **_quantities(precision, rest),
    )  # fmt: skip


def points(precision: int, name: str, nseg: int, positions: Any, diams: Any, **rest: Any):
    """A section of points, in um; Ra in ohm cm and cm in uF cm^-2 as plain numbers."""
    return Section(
        name, nseg, positions=number(positions, "um", precision),
        diams=number(diams, "um", precision), **_quantities(precision, rest),
    )  # fmt: skip


def _quantities(precision: int, rest: dict[str, Any]) -> dict[str, Any]:
    rest = {"Ra": 100.0, "cm": 1.0} | rest
    units = {"Ra": "ohm cm", "cm": "uF cm^-2"}
    return {
        name: number(x, units[name], precision) if name in units else x for name, x in rest.items()
    }


def three_sections(precision: int) -> list[Section]:
    """The cell of CABLE-8."""
    axis = [[0, 0, 0], [100, 0, 0], [200, 0, 0]]
    where = {"parent": "soma", "parent_loc": 1.0}
    return [
        cylinder(precision, "soma", 1, 20, 10),
        cylinder(precision, "axon", 2, 100, 1, **where),
        points(precision, "dendrite", 3, axis, [2, 3, 2], **where),
    ]


def chain(precision: int, nseg: int = 4) -> list[Section]:
    """Three sections end to end; the parent of one comes behind it."""
    return [
        cylinder(precision, "distal", nseg, 80, 1, parent="middle", parent_loc=1.0),
        cylinder(precision, "middle", nseg, 60, 2, Ra=150, parent="proximal", parent_loc=1.0),
        cylinder(precision, "proximal", nseg, 40, 4, cm=2),
    ]


def draw_section(
    rng: np.random.Generator, precision: int, name: str, nseg: int | None = None, **rest: Any
) -> Section:
    """Draw a random cylinder, or up to thirty points in space."""
    nseg = int(rng.integers(1, 5)) if nseg is None else nseg
    # An integer of NumPy is as good as one of Python.
    nseg = (int, np.int64, np.uint8)[rng.integers(3)](nseg)
    rest = {"Ra": rng.uniform(50, 200), "cm": rng.uniform(0.5, 2), **rest}
    if rng.random() < 0.4:
        return cylinder(precision, name, nseg, rng.uniform(5, 150), rng.uniform(1, 15), **rest)
    count = int(rng.integers(2, rng.choice([6, 31])))
    steps = rng.normal(size=(count, 3))
    steps *= (rng.uniform(5, 50, count) / np.linalg.norm(steps, axis=1))[:, np.newaxis]
    diams = rng.uniform(1, 10, count)
    section = points(precision, name, nseg, np.cumsum(steps, axis=0), diams, **rest)
    arrays = {
        field: Value(lay_out(value.array, int(rng.integers(6))), value.unit)
        for field, value in (("positions", section.positions), ("diams", section.diams))
    }
    return dataclasses.replace(section, **arrays)


def draw_location(rng: np.random.Generator) -> Any:
    """Draw a location on the parent, a number of Python or of NumPy."""
    loc = float(rng.random() if rng.random() < 0.3 else rng.choice(LOCATIONS))
    kinds = (float, np.float64, int, np.int64) if loc in (0, 1) else (float, np.float64)
    return kinds[rng.integers(len(kinds))](loc)


def draw_sections(
    rng: np.random.Generator,
    precision: int,
    count: int | None = None,
    total: int | None = None,
) -> list[Section]:
    """Draw a random tree of one to fourteen sections, in random order.

    In a third of the trees all others are connected to the end of the first section. With a
    `total`, they have that many compartments.
    """
    count = int(rng.integers(1, 15)) if count is None else count
    nseg: list[int | None] = [None] * count
    if total is not None:
        nseg = [*map(int, 1 + rng.multinomial(total - count, [1 / count] * count))]
    star = rng.random() < 1 / 3
    sections = [draw_section(rng, precision, "s0", nseg[0])]
    for k in range(1, count):
        where = (0, 1.0) if star else (rng.integers(k), draw_location(rng))
        parent = {"parent": f"s{where[0]}", "parent_loc": where[1]}
        sections.append(draw_section(rng, precision, f"s{k}", nseg[k], **parent))
    return [sections[k] for k in rng.permutation(count)]


def compartments(sections: list[Section]) -> int:
    """The number of compartments."""
    return sum(int(section.nseg) for section in sections)


@dataclasses.dataclass(frozen=True)
class Cells:
    """A population of cells in some state, under a constant current, as plain numbers.

    Attributes
    ----------
    sections : list of Section
        Of n compartments.
    parameters : dict of (*size, n) arrays
        In `UNITS`.
    V : (*batch, *size, n) array, mV
    current : (*batch, *size, n) array, nA
    dt : float, ms
    precision : int
        That of the implementation to be judged.
    scales : mapping from "g", "E", "V", "current" and "dt" to units
        In which to hand them over, where not in S cm^-2, mV, nA and ms.
    dtypes : mapping from the same names to dtypes
        In which to hand them over, where not in the precision's.
    layout : int, optional
        Lays the arrays out in memory, each another way than its neighbours.
    """

    sections: list[Section]
    parameters: dict[str, np.ndarray]
    V: np.ndarray
    current: np.ndarray
    dt: float
    precision: int
    scales: Mapping[str, str] = dataclasses.field(default_factory=dict)
    dtypes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    layout: int | None = None

    @property
    def size(self) -> tuple[int, ...]:
        return self.parameters["g"].shape[:-1]

    @property
    def epsilon(self) -> float:
        return tolerances_in_test(self.precision).epsilon

    def value(self, name: str, array: Any, own_unit: str) -> Value:
        """Make a `Value` of numbers in one unit, in the unit of `scales` where that has one."""
        unit_name = self.scales.get(name, own_unit)
        if unit_name != own_unit:
            array = array * 10.0 ** (unit(own_unit).scale - unit(unit_name).scale)
        array = np.array(array, self.dtypes.get(name, DTYPES[self.precision]))
        if self.layout is not None:
            array = lay_out(array, self.layout + sum(name.encode()))
        return Value(array, unit_name)

    def parameter_values(self) -> dict[str, Value]:
        """The parameters as `Value`s of the protocol."""
        return {name: self.value(name, x, UNITS[name]) for name, x in self.parameters.items()}

    def currents(self, array: np.ndarray) -> Value:
        """Currents in nA as a `Value` of the protocol."""
        return self.value("current", array, "nA")

    def arguments(self) -> tuple[Any, ...]:
        """The arguments of `cable_step`."""
        V, dt = self.value("V", self.V, "mV"), self.value("dt", self.dt, "ms")
        return self.size, self.sections, self.parameter_values(), V, self.currents(self.current), dt

    def replace(self, **changes: Any) -> Cells:
        """Another population, with parameters or attributes replaced."""
        parameters, others = dict(self.parameters), {}
        for name, change in changes.items():
            if name in UNITS:
                array = np.broadcast_to(np.asarray(change, float), self.parameters["g"].shape)
                parameters[name] = round_to(array, self.precision)
            elif name in ("V", "current"):
                array = np.broadcast_to(np.asarray(change, float), self.V.shape)
                others[name] = round_to(array, self.precision)
            else:
                others[name] = change
        return dataclasses.replace(self, **{"parameters": parameters, **others})

    def neuron(self, index: tuple[int, ...]) -> Cells:
        """A population of one neuron, from an index into (*batch, *size)."""
        place = index[len(index) - len(self.size) :]
        parameters = {name: array[place][np.newaxis] for name, array in self.parameters.items()}
        V, current = self.V[index][np.newaxis], self.current[index][np.newaxis]
        return dataclasses.replace(self, parameters=parameters, V=V, current=current)


def draw_cells(
    rng: np.random.Generator,
    precision: int,
    size: tuple[int, ...] = (3,),
    batch: tuple[int, ...] = (),
    sections: list[Section] | None = None,
    dt: float | None = None,
    **changes: Any,
) -> Cells:
    """Draw a random population.

    Parameters
    ----------
    rng
    precision : int
    size, batch : tuple of int
    sections : list of Section
        By default a random tree.
    dt : float, ms
        By default one of 0.025, 0.1 and 1.
    **changes
        As for `Cells.replace`.
    """
    sections = draw_sections(rng, precision) if sections is None else sections
    shape = (*size, compartments(sections))
    parameters = {
        "g": rng.uniform(0, 3e-4, shape) * (rng.random(shape) < 0.8),
        "E": rng.uniform(-80, -60, shape),
    }
    dt = rng.choice([0.025, 0.1, 1.0]) if dt is None else dt
    cells = Cells(
        sections,
        {name: round_to(array, precision) for name, array in parameters.items()},
        round_to(rng.uniform(-80, -40, (*batch, *shape)), precision),
        round_to(rng.uniform(-0.1, 0.1, (*batch, *shape)), precision),
        float(round_to(dt, precision)),
        precision,
    )
    return cells.replace(**changes)
