"""Runs of the passive cable: each of its steps is one (CABLE-2, CABLE-5, CABLE-10, NUM-6)."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given

from conformance.chapters.cable.records import draw_cell, referee, run_cable
from conformance.checks import check_close
from conformance.drawing.cells import chain, draw_cells, three_sections
from conformance.drawing.numbered import FEW, SEEDS
from conformance.drawing.populations import round_to
from conformance.drawing.seeded import generator
from conformance.oracles.cables import FACTOR, check_step, step
from conformance.tolerances import tolerances_of
from conformance.translation.values import to_reference
from reference import Quantity

STEPS = 20


def check_run(implementation, cells, currents, slack=1):
    """Each step, from the implementation's own potentials before it."""
    currents = round_to(currents, cells.precision)
    got, now = run_cable(implementation, cells, currents), cells
    for t, current in enumerate(currents):
        whole = np.broadcast_to(current, cells.V.shape)
        now = dataclasses.replace(now, current=whole)
        check_step(got[t], step(now), slack * now.epsilon, f"step {t} of cable_run")
        now = dataclasses.replace(now, V=got[t])


@pytest.mark.clauses("CABLE-2")
@pytest.mark.parametrize("layout", [1, 4], ids=["one-layout", "another"])
def test_a_run_is_its_steps(implementation, layout):
    """Each current acts in its own step; of a square batch of a square population."""
    p, rng = implementation.precision, generator(81, layout)
    cells = draw_cells(rng, p, (3, 3), (3,), three_sections(p), dt=0.1, layout=layout)
    check_run(implementation, cells, rng.uniform(-0.5, 0.5, (12, *cells.V.shape)))


@pytest.mark.clauses("CABLE-2")
def test_a_run_of_a_long_chain(implementation):
    """Of many compartments, which may be solved in another way."""
    p, rng = implementation.precision, generator(82)
    cells = draw_cells(rng, p, (2,), (3,), chain(p, 25), dt=0.1)
    check_run(implementation, cells, rng.uniform(-0.5, 0.5, (4, *cells.V.shape)))


@pytest.mark.clauses("CABLE-5")
@pytest.mark.parametrize("shape", [(6,), (6, 1)])
def test_run_with_currents_of_fewer_axes(implementation, shape):
    """Behind the axis of time they broadcast as in a step; no axis can be told from its size."""
    p, rng = implementation.precision, generator(83)
    cells = draw_cells(rng, p, (6,), (6,), three_sections(p), dt=0.1)
    check_run(implementation, cells, rng.uniform(-0.5, 0.5, (6, *shape)))


SCALES = {
    "small": {"current": "pA", "dt": "us", "g": "pS um^-2", "E": "uV"},
    "made-of-others": {
        "current": "mV Mohm^-1",
        "dt": "kHz^-1",
        "g": "mm^-2 Gohm^-1",
        "E": "nA GHz^-1 pF^-1",
    },
}


@pytest.mark.clauses("CABLE-10")
@pytest.mark.parametrize("scales", SCALES)
def test_run_in_any_scale(implementation, scales):
    p, rng = implementation.precision, generator(84)
    cells = draw_cells(rng, p, (2,), (2,), three_sections(p), dt=0.1)
    cells = dataclasses.replace(cells, scales=SCALES[scales])
    check_run(implementation, cells, rng.uniform(-0.5, 0.5, (3, *cells.V.shape)), slack=2)


@pytest.mark.clauses("NUM-6")
@pytest.mark.needs("cable")
@FEW
@given(seed=SEEDS)
def test_trajectory_agrees_with_the_reference(implementation, seed):
    p, rng = implementation.precision, generator(85, seed)
    cells = draw_cells(rng, p, (3,), (2,), draw_cell(p, 86, seed), dt=0.1)
    currents = round_to(rng.uniform(-0.1, 0.1, (STEPS, *cells.V.shape)), p)
    *_, V, _, dt = cells.arguments()
    V, inputs, dt = (to_reference(x) for x in (V, cells.currents(currents), dt))
    cable, reference_potentials, size = referee(cells), [], 0.0
    for row in inputs.array:
        current = Quantity(row, "nA")
        size = max(size, np.max(cable.scale(V, current, dt)))
        V = cable.step(V, current, dt)
        reference_potentials.append(V.array)
    steps = tolerances_of(implementation).steps(STEPS)
    tolerance = steps * FACTOR * cells.epsilon * size
    check_close(
        run_cable(implementation, cells, currents),
        reference_potentials,
        tolerance,
        f"V in {STEPS} steps",
    )
