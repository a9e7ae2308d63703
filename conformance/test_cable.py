"""The passive cable: CABLE-1 to CABLE-9, NUM-6, NUM-7."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from conformance.cable_oracles import (
    AREA_TO_NANOFARAD,
    FACTOR,
    check_step,
    compartments,
    inverse,
    potentials,
    step,
    stepped,
)
from conformance.cells import Cells, chain, drawn, drawn_sections, number, three_sections
from conformance.checks import close
from conformance.populations import FEW, SEEDS
from conformance.reference_values import to_reference
from conformance.tolerances import tolerances_of
from reference import Cable, Morphology, Quantity, Section

STEPS = 20


def cells_of(implementation: Any, seed: int, **options: Any) -> Cells:
    return drawn(np.random.default_rng(seed), implementation.precision, **options)


def ran(implementation: Any, cells: Cells, currents: np.ndarray) -> np.ndarray:
    """The implementation's potentials after each step, mV."""
    *arguments, _, dt = cells.arguments()
    got = implementation.cable_run(*arguments, cells.value(currents, "nA"), dt)
    return potentials(got, currents.shape, "cable_run")


def referee(cells: Cells) -> Cable:
    """The reference's population."""
    sections = [Section(**to_reference(dict(vars(section)))) for section in cells.sections]
    return Cable(cells.size, Morphology(sections), to_reference(cells.given()))


@pytest.mark.clauses("CABLE-1")
@pytest.mark.parametrize("size", [(1,), (4,), (2, 3)])
@pytest.mark.parametrize("batch", [None, 5])
def test_state(implementation, size, batch):
    sections = three_sections(implementation.precision)
    V, num_state, varshape = implementation.cable_initial(size, batch, sections, {})
    own = size if batch is None else (batch, *size)
    assert num_state == 6, f"num_state is {num_state}, there are 6 compartments"
    assert tuple(varshape) == own, f"varshape is {varshape}, expected {own}"
    got = potentials(V, (*own, 6), "cable_initial")
    assert np.all(got == -65), f"the initial potentials are {got}, expected -65 mV"


@pytest.mark.clauses("CABLE-1")
@pytest.mark.parametrize("shape", [(), (6,), (3, 1), (3, 6)])
def test_initial_potentials(implementation, shape):
    p = implementation.precision
    V0 = np.arange(np.prod(shape)).reshape(shape) / 4 - 70
    given = {"V0": number(V0, "mV", p)}
    V, _, _ = implementation.cable_initial((3,), 2, three_sections(p), given)
    got, wanted = potentials(V, (2, 3, 6), "cable_initial"), np.broadcast_to(V0, (2, 3, 6))
    assert np.array_equal(got, wanted), f"cable_initial: got {got}, expected {wanted}"


@pytest.mark.clauses("CABLE-2")
@FEW
@given(seed=SEEDS)
def test_step_solves_the_equation(implementation, seed):
    cells = cells_of(implementation, seed)
    check_step(stepped(implementation, cells), step(cells), cells.epsilon, "cable_step")


@pytest.mark.clauses("CABLE-2")
@pytest.mark.parametrize("dt", [1e-3, 0.025, 1.0, 50.0, 1e4])
def test_steps_of_any_length(implementation, dt):
    p = implementation.precision
    cells = cells_of(implementation, 2, sections=three_sections(p), dt=dt)
    check_step(stepped(implementation, cells), step(cells), cells.epsilon, f"a step of {dt} ms")


@pytest.mark.clauses("CABLE-2")
@pytest.mark.parametrize("nseg", [1, 60])
def test_steps_of_a_chain(implementation, nseg):
    """Many compartments, which a compiled implementation may solve in another way."""
    cells = cells_of(implementation, 3, sections=chain(implementation.precision, nseg), dt=0.1)
    check_step(stepped(implementation, cells), step(cells), cells.epsilon, f"nseg={nseg}")


@pytest.mark.clauses("CABLE-2")
def test_a_run_is_its_steps(implementation):
    """Each current acts in its own step."""
    cells = cells_of(implementation, 12, sections=three_sections(implementation.precision), dt=0.1)
    rng = np.random.default_rng(12)
    currents = cells.value(rng.uniform(-0.5, 0.5, (5, *cells.V.shape)), "nA").array
    got, now = ran(implementation, cells, currents), cells
    for t, current in enumerate(currents):
        now = dataclasses.replace(now, current=np.asarray(current, float))
        check_step(got[t], step(now), now.epsilon, f"step {t} of cable_run")
        now = now.replace(V=got[t])


@pytest.mark.clauses("CABLE-3")
@FEW
@given(seed=SEEDS)
def test_charge_is_conserved(implementation, seed):
    cells = cells_of(implementation, seed, g=0.0)
    c = compartments(cells.sections)
    C = c.cm * c.area * AREA_TO_NANOFARAD
    grown = np.sum(C * (stepped(implementation, cells) - cells.V), -1)
    injected = cells.dt * np.sum(cells.current, -1)
    tolerance = FACTOR * cells.epsilon * np.sum(C * step(cells).size, -1)
    close(grown, injected, tolerance, "the charge in pC that a step adds without leak")


@pytest.mark.clauses("CABLE-4")
@FEW
@given(seed=SEEDS)
def test_rest_is_kept(implementation, seed):
    cells = cells_of(implementation, seed, E=-70.0, V=-70.0, current=0.0)
    tolerance = FACTOR * cells.epsilon * step(cells).size
    close(stepped(implementation, cells), -70.0, tolerance, "V after cable_step at rest")


@pytest.mark.clauses("CABLE-4")
@FEW
@given(seed=SEEDS)
def test_rest_is_approached(implementation, seed):
    """From potentials all alike, where they stay alike: V' = (V + λ E)/(1 + λ), λ = dt g/cm."""
    cells = cells_of(implementation, seed, E=-70.0, V=-50.0, current=0.0, g=1e-4)
    sections = [
        dataclasses.replace(section, cm=number(1.0, "uF cm^-2", cells.precision))
        for section in cells.sections
    ]
    cells = cells.replace(sections=sections)
    rate = cells.dt * 0.1
    tolerance = FACTOR * cells.epsilon * step(cells).size
    wanted = (-50 - 70 * rate) / (1 + rate)
    close(stepped(implementation, cells), wanted, tolerance, "V after cable_step, uniform")


@pytest.mark.clauses("CABLE-5")
@FEW
@given(seed=SEEDS)
def test_current_into_sites(implementation, seed):
    """Two into one compartment, one for all neurons, and one for each of a batch."""
    p, rng = implementation.precision, np.random.default_rng(seed)
    cells = cells_of(implementation, seed, sections=three_sections(p), size=(3,), batch=(2,))
    sites = {"axon(1)": (2, 3), "soma(0.3)": (3,), "dendrite(0.5)": (), "dendrite(0.6)": (2, 1)}
    where = {"axon(1)": 2, "soma(0.3)": 0, "dendrite(0.5)": 4, "dendrite(0.6)": 4}
    given, whole = {}, np.zeros(cells.V.shape)
    for site, shape in sites.items():
        given[site] = number(rng.uniform(-0.1, 0.1, shape), "nA", p)
        whole[..., where[site]] += given[site].array
    wanted = step(dataclasses.replace(cells, current=whole))
    got = stepped(implementation, cells, given)
    check_step(got, wanted, cells.epsilon, f"cable_step with currents at {[*given]}")


@pytest.mark.clauses("CABLE-5")
@pytest.mark.parametrize("shape", [(), (6,), (3, 1), (1, 6), (2, 1, 6), (2, 3, 6)])
def test_current_of_fewer_axes(implementation, shape):
    p, rng = implementation.precision, np.random.default_rng(5)
    options = {"sections": three_sections(p), "size": (3,), "batch": (2,)}
    cells = cells_of(implementation, 5, **options)
    current = cells.value(rng.uniform(-0.1, 0.1, shape), "nA")
    wanted = step(cells.replace(current=current.array))
    got = stepped(implementation, cells, current)
    check_step(got, wanted, cells.epsilon, f"cable_step with a current of shape {shape}")


@pytest.mark.clauses("CABLE-5")
def test_current_into_no_site(implementation):
    p = implementation.precision
    cells = cells_of(implementation, 6, sections=three_sections(p)).replace(current=0.0)
    check_step(
        stepped(implementation, cells, {}), step(cells), cells.epsilon, "cable_step, no site"
    )


@pytest.mark.clauses("CABLE-6")
@pytest.mark.parametrize("shape", [(), (1,), (6,), (2, 1, 6), (3, 1), (2, 3, 1), (2, 3, 6)])
def test_parameters_of_any_shape(implementation, shape):
    p, rng = implementation.precision, np.random.default_rng(7)
    options = {"sections": three_sections(p), "size": (2, 3), "dt": 1.0}
    g, E = rng.uniform(0, 1e-2, shape), rng.uniform(-90, -50, shape)
    cells = cells_of(implementation, 7, **options, g=g, E=E)
    size, sections, _, *rest = cells.arguments()
    given = {"g": number(g, "S cm^-2", p), "E": number(E, "mV", p)}
    got = implementation.cable_step(size, sections, given, *rest)
    got = potentials(got, cells.V.shape, "cable_step")
    check_step(got, step(cells), cells.epsilon, f"cable_step with g and E of shape {shape}")


@pytest.mark.clauses("CABLE-6")
def test_sections_differ(implementation):
    """In capacitance and in resistivity; a leak that is strong, so that both are seen."""
    p = implementation.precision
    cm, Ra = (1.0, 3.0, 0.5), (80.0, 300.0, 150.0)
    sections = [
        dataclasses.replace(section, cm=number(cm[k], "uF cm^-2", p), Ra=number(Ra[k], "ohm cm", p))
        for k, section in enumerate(three_sections(p))
    ]
    cells = cells_of(implementation, 8, sections=sections, g=1e-3)
    check_step(stepped(implementation, cells), step(cells), cells.epsilon, "sections that differ")


@pytest.mark.clauses("CABLE-7")
@FEW
@given(seed=SEEDS)
def test_each_neuron_is_on_its_own(implementation, seed):
    cells = cells_of(implementation, seed, size=(3,), batch=(2,))
    got = stepped(implementation, cells)
    for index in ((0, 0), (1, 2)):
        alone = cells.neuron(index)
        tolerance = 2 * FACTOR * cells.epsilon * step(alone).size
        one = stepped(implementation, alone)
        close(got[index], one[0], tolerance[0], f"neuron {index} of a batch, against it alone")


@pytest.mark.clauses("CABLE-7")
def test_a_neighbour_has_no_influence(implementation):
    p = implementation.precision
    options = {"sections": three_sections(p), "size": (6,), "batch": (2,), "dt": 0.1}
    cells, other = (cells_of(implementation, seed, **options) for seed in (10, 11))
    odd = (np.arange(6) % 2 == 1)[:, np.newaxis]
    changed = cells.replace(
        V=np.where(odd, other.V, cells.V),
        current=np.where(odd, other.current, cells.current),
        **{k: np.where(odd, other.parameters[k], x) for k, x in cells.parameters.items()},
    )
    before, after = stepped(implementation, cells), stepped(implementation, changed)
    tolerance = 2 * FACTOR * cells.epsilon * step(cells).size
    kept = (slice(None), ~odd[:, 0])
    close(after[kept], before[kept], tolerance[kept], "neurons whose neighbours are replaced")


NEURON = {
    1: (-60.992381, -61.402560, -61.801893, -61.565315, -62.080078, -62.311713),
    5: (-50.623486, -51.031811, -51.428659, -51.197113, -51.712748, -51.944860),
    10: (-58.665965,) * 6,
    20: (-65.825235,) * 6,
}
"""mV, by time in ms."""


@pytest.mark.clauses("CABLE-8")
@pytest.mark.parametrize("size", [(1,), (2,)])
def test_potentials_are_those_of_neuron(implementation, size):
    p = implementation.precision
    sections, dt = three_sections(p), number(0.025, "ms", p)
    V, _, _ = implementation.cable_initial(size, None, sections, {})
    currents = np.zeros((800, *size, 6))
    currents[:200, ..., 0] = 0.1
    got = implementation.cable_run(size, sections, {}, V, number(currents, "nA", p), dt)
    got = potentials(got, currents.shape, "cable_run")
    for t, wanted in NEURON.items():
        tolerance = {64: 1e-6, 32: 0.1}[p]
        close(got[40 * t - 1], wanted, tolerance, f"V of the three-section cell at {t} ms")


@pytest.mark.clauses("CABLE-9")
@FEW
@given(seed=SEEDS)
def test_derivatives(implementation, seed):
    check_derivatives(implementation, cells_of(implementation, seed, size=()))


@pytest.mark.clauses("CABLE-9")
@pytest.mark.parametrize("dt", [0.025, 10.0])
def test_derivatives_of_the_three_section_cell(implementation, dt):
    sections = three_sections(implementation.precision)
    check_derivatives(
        implementation, cells_of(implementation, 9, size=(), sections=sections, dt=dt)
    )


def check_derivatives(implementation: Any, cells: Cells) -> None:
    """Both against M⁻¹ (NUM-7)."""
    _, sections, given, _, _, dt = cells.arguments()
    got = implementation.cable_jacobian(sections, given, dt)
    wanted, size, per_dt = inverse(cells)
    shapes = {name: np.shape(array) for name, array in got.items()}
    assert shapes == dict.fromkeys(("state", "current"), wanted.shape), f"cable_jacobian: {shapes}"
    tolerance = FACTOR * cells.epsilon * size
    close(got["current"], wanted, tolerance, "the derivative by I of cable_jacobian")
    close(got["state"], wanted * per_dt, tolerance * per_dt, "that by V of cable_jacobian")


@pytest.mark.clauses("NUM-6")
@pytest.mark.needs("cable")
@FEW
@given(seed=SEEDS)
def test_step_agrees_with_the_reference(implementation, seed):
    cells = cells_of(implementation, seed, size=(2, 3), batch=(4,))
    V, current, dt = map(to_reference, cells.arguments()[3:])
    cable = referee(cells)
    wanted, size = cable.step(V, current, dt).array, cable.scale(V, current, dt)
    got = stepped(implementation, cells)
    close(got, wanted, FACTOR * cells.epsilon * size, "V after cable_step")


@pytest.mark.clauses("NUM-6")
@pytest.mark.needs("cable")
@FEW
@given(seed=SEEDS)
def test_trajectory_agrees_with_the_reference(implementation, seed):
    cells = cells_of(implementation, seed, dt=0.1)
    rng = np.random.default_rng(seed)
    currents = np.asarray(rng.uniform(-0.1, 0.1, (STEPS, *cells.V.shape)), np.float32)
    *_, V, _, dt = cells.arguments()
    V, inputs, dt = (to_reference(x) for x in (V, cells.value(currents, "nA"), dt))
    cable = referee(cells)
    wanted = cable.run(V, inputs, dt).array
    before = [V, *(Quantity(after, "mV") for after in wanted[:-1])]
    size = max(
        np.max(cable.scale(start, to_reference(cells.value(current, "nA")), dt))
        for start, current in zip(before, currents, strict=True)
    )
    tolerance = tolerances_of(implementation).steps(STEPS) * FACTOR * cells.epsilon * size
    close(ran(implementation, cells, currents), wanted, tolerance, f"V in {STEPS} steps")


@pytest.mark.clauses("NUM-7")
@pytest.mark.needs("cable")
@FEW
@given(seed=SEEDS)
def test_derivatives_agree_with_the_reference(implementation, seed):
    sections = drawn_sections(np.random.default_rng(seed), implementation.precision)
    cells = cells_of(implementation, seed, size=(), sections=sections)
    _, _, given, _, _, dt = cells.arguments()
    wanted = referee(cells).jacobian(to_reference(dt))
    got = implementation.cable_jacobian(sections, given, dt)
    _, size, per_dt = inverse(cells)
    tolerance = FACTOR * tolerances_of(implementation).epsilon * size
    close(got["current"], wanted.current, tolerance, "the derivative by I of cable_jacobian")
    close(got["state"], wanted.state, tolerance * per_dt, "that by V of cable_jacobian")
