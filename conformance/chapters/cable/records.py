"""Steps, runs and derivatives of cables that several clauses judge."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from conformance.drawing.cells import Cells, chain, draw_cells, draw_sections, three_sections
from conformance.drawing.seeded import generator
from conformance.drawing.sharing import remember
from conformance.oracles.cables import Step, compartments, potentials, run_step, step
from conformance.translation.values import to_reference
from reference import Cable, Morphology, Section

WITHOUT_LEAK, AT_REST, ALIKE = slice(2, 4), 4, 5
"""Neurons of `mixed_step`: with g = 0; with V = E and no current; with V and E the same in all
compartments, and g/cm too."""

SHAPES = (((3, 3), (3,)), ((40, 30), ()), ((14,), (14,)), ((1,), (1,)), ((1, 2, 3), (2,)))
"""Populations and batches, squares and more than a thousand cells among them, by number."""

TOTAL = 14
"""The compartments of a drawn cell. Of one number, lest all be compiled for each."""


class JudgedStep(NamedTuple):
    """A step that an implementation made, and what it must be."""

    cells: Cells
    expected: Step
    got: np.ndarray  #: (*batch, *size, n), mV


def draw_cell(precision: int, *numbers: int) -> list[Any]:
    """Draw a random tree of `TOTAL` compartments."""
    rng = generator(*numbers)
    return draw_sections(rng, precision, int(rng.integers(4, TOTAL)), TOTAL)


@remember
def mixed_step(implementation: Any, seed: int) -> JudgedStep:
    """A step of a batch of two of six cells, of which some are as above."""
    p = implementation.precision
    cells = draw_cells(generator(62, seed), p, (6,), (2,), draw_cell(p, 63, seed))
    g, E = cells.parameters["g"].copy(), cells.parameters["E"].copy()
    V, current = cells.V.copy(), cells.current.copy()
    g[WITHOUT_LEAK] = 0.0
    E[[AT_REST, ALIKE]] = -70.0
    V[:, AT_REST], V[:, ALIKE] = -70.0, -50.0
    current[:, [AT_REST, ALIKE]] = 0.0
    g[ALIKE] = 1e-4 * compartments(cells.sections).cm
    cells = cells.replace(g=g, E=E, V=V, current=current)
    return JudgedStep(cells, step(cells), run_step(implementation, cells))


@remember
def batch_step(implementation: Any, seed: int) -> JudgedStep:
    """A step of a population and a batch of the shapes of that number, in any layout."""
    p, (size, batch) = implementation.precision, SHAPES[seed % len(SHAPES)]
    cells = draw_cells(generator(64, seed), p, size, batch, draw_cell(p, 65, seed))
    cells = cells.replace(layout=seed + 1)
    return JudgedStep(cells, step(cells), run_step(implementation, cells))


@remember
def derivatives(implementation: Any, cell: str, seed: int) -> tuple[Cells, dict[str, np.ndarray]]:
    """The implementation's derivatives of one step of one neuron."""
    p = implementation.precision
    sections = {
        "drawn": lambda: draw_cell(p, 66, seed),
        "three-sections": lambda: three_sections(p),
        "long-chain": lambda: chain(p, 25),
    }[cell]()
    cells = draw_cells(generator(67, seed), p, (), sections=sections)
    _, _, parameters, _, _, dt = cells.arguments()
    return cells, implementation.cable_jacobian(sections, parameters, dt)


def run_cable(implementation: Any, cells: Cells, currents: np.ndarray) -> np.ndarray:
    """Run all steps: the implementation's potentials after each, mV."""
    *arguments, _, dt = cells.arguments()
    got = implementation.cable_run(*arguments, cells.currents(currents), dt)
    return potentials(got, (len(currents), *cells.V.shape), "cable_run")


def referee(cells: Cells) -> Cable:
    """The reference's population."""
    sections = [Section(**to_reference(dict(vars(section)))) for section in cells.sections]
    return Cable(cells.size, Morphology(sections), to_reference(cells.parameter_values()))
