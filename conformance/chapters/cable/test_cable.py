"""The passive cable: CABLE-1 to CABLE-9, NUM-6, NUM-7."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from conformance.chapters.cable.records import (
    ALIKE,
    AT_REST,
    WITHOUT_LEAK,
    batch_step,
    derivatives,
    mixed_step,
    referee,
)
from conformance.checks import check_close
from conformance.drawing.cells import chain, draw_cells, number, three_sections
from conformance.drawing.numbered import FEW, SEEDS
from conformance.drawing.seeded import generator
from conformance.drawing.sharing import remember
from conformance.oracles.cables import (
    AREA_TO_NANOFARAD,
    FACTOR,
    check_step,
    compartments,
    inverse,
    potentials,
    run_step,
    step,
)
from conformance.tolerances import tolerances_of
from conformance.translation.values import to_reference


@pytest.mark.clauses("CABLE-1")
@pytest.mark.parametrize(
    ("size", "batch"), [((1,), None), ((3, 3), None), ((4,), 5), ((2, 3), 12), ((3,), 3)]
)
def test_state(implementation, size, batch):
    sections = three_sections(implementation.precision)
    V, num_state, varshape = implementation.cable_initial(size, batch, sections, {})
    full_shape = size if batch is None else (batch, *size)
    assert num_state == 6, f"num_state is {num_state}, there are 6 compartments"
    assert tuple(varshape) == full_shape, f"varshape is {varshape}, expected {full_shape}"
    got = potentials(V, (*full_shape, 6), "cable_initial")
    assert np.all(got == -65), f"the initial potentials are {got}, expected -65 mV"


@pytest.mark.clauses("CABLE-1")
@pytest.mark.parametrize("shape", [(), (6,), (6, 1), (6, 6)])
def test_initial_potentials(implementation, shape):
    """Of six cells of six compartments, so that no axis can be told from its size."""
    p = implementation.precision
    V0 = np.arange(np.prod(shape)).reshape(shape) / 4 - 70
    parameters = {"V0": number(V0, "mV", p)}
    V, _, _ = implementation.cable_initial((6,), 6, three_sections(p), parameters)
    got, initial = potentials(V, (6, 6, 6), "cable_initial"), np.broadcast_to(V0, (6, 6, 6))
    assert np.array_equal(got, initial), f"cable_initial: got {got}, expected {initial}"


@pytest.mark.clauses("CABLE-2")
@FEW
@given(seed=SEEDS)
def test_step_solves_the_equation(implementation, seed):
    """Of a mixed population, and of populations and batches of several axes."""
    for cells, exact_step, got in (
        mixed_step(implementation, seed),
        batch_step(implementation, seed),
    ):
        check_step(got, exact_step, cells.epsilon, f"cable_step of potentials {got.shape}")


@pytest.mark.clauses("CABLE-2")
@pytest.mark.parametrize("dt", [1e-3, 50.0, 1e4])
def test_steps_of_any_length(implementation, dt):
    p = implementation.precision
    cells = draw_cells(generator(72), p, sections=three_sections(p), dt=dt)
    check_step(run_step(implementation, cells), step(cells), cells.epsilon, f"a step of {dt} ms")


@pytest.mark.clauses("CABLE-2")
@pytest.mark.parametrize("nseg", [1, 30])
def test_steps_of_a_chain(implementation, nseg):
    """Many compartments, which a compiled implementation may solve in another way."""
    p = implementation.precision
    cells = draw_cells(generator(73), p, (2, 2), (2,), sections=chain(p, nseg), dt=0.1)
    check_step(run_step(implementation, cells), step(cells), cells.epsilon, f"nseg={nseg}")


@pytest.mark.clauses("CABLE-3")
@FEW
@given(seed=SEEDS)
def test_charge_is_conserved(implementation, seed):
    cells, exact_step, got = mixed_step(implementation, seed)
    c = compartments(cells.sections)
    C = c.cm * c.area * AREA_TO_NANOFARAD
    without_leak = (slice(None), WITHOUT_LEAK)
    grown = np.sum(C * (got - cells.V), -1)[without_leak]
    charge = cells.dt * np.sum(cells.current, -1)[without_leak]
    tolerance = FACTOR * cells.epsilon * np.sum(C * exact_step.size, -1)[without_leak]
    check_close(grown, charge, tolerance, "the charge in pC that a step adds without leak")


@pytest.mark.clauses("CABLE-4")
@FEW
@given(seed=SEEDS)
def test_rest_is_kept(implementation, seed):
    cells, exact_step, got = mixed_step(implementation, seed)
    tolerance = FACTOR * cells.epsilon * exact_step.size[:, AT_REST]
    check_close(got[:, AT_REST], -70.0, tolerance, "V after cable_step at rest")


@pytest.mark.clauses("CABLE-4")
@FEW
@given(seed=SEEDS)
def test_rest_is_approached(implementation, seed):
    """From potentials all alike, where they stay alike: V' = (V + λ E)/(1 + λ), λ = dt g/cm."""
    cells, exact_step, got = mixed_step(implementation, seed)
    rate = cells.dt * 0.1
    tolerance = 2 * FACTOR * cells.epsilon * exact_step.size[:, ALIKE]
    solution = (-50 - 70 * rate) / (1 + rate)
    check_close(got[:, ALIKE], solution, tolerance, "V after cable_step, uniform")


@pytest.mark.clauses("CABLE-5")
def test_current_into_sites(implementation):
    """Two into one compartment, one for all neurons, one for each of a square batch; in a scale of
    its own; into all compartments."""
    p, rng = implementation.precision, generator(74)
    cells = draw_cells(rng, p, (3,), (3,), three_sections(p))
    sites = {"axon(1)": (3, 3), "soma(0.3)": (3,), "dendrite(0.5)": (), "dendrite(0.6)": (3, 1)}
    sites |= {"axon(0)": (), "dendrite(0)": (3,), "dendrite(1)": (3, 3)}
    where = {"axon(1)": 2, "soma(0.3)": 0, "dendrite(0.5)": 4, "dendrite(0.6)": 4}
    where |= {"axon(0)": 1, "dendrite(0)": 3, "dendrite(1)": 5}
    parameters, whole = {}, np.zeros(cells.V.shape)
    for site, shape in sites.items():
        parameters[site] = number(rng.uniform(-0.1, 0.1, shape), "nA", p)
        whole[..., where[site]] += parameters[site].array
    parameters["axon(1)"] = number(1e3 * parameters["axon(1)"].array, "pA", p)
    exact_step = step(dataclasses.replace(cells, current=whole))
    got = run_step(implementation, cells, parameters)
    check_step(got, exact_step, 2 * cells.epsilon, f"cable_step with currents at {[*parameters]}")


@pytest.mark.clauses("CABLE-5")
@pytest.mark.parametrize("shape", [(), (6,), (6, 1), (6, 1, 6)])
def test_current_of_fewer_axes(implementation, shape):
    """Of six by six cells of six compartments, so that no axis can be told from its size."""
    p, rng = implementation.precision, generator(75)
    cells = draw_cells(rng, p, (6,), (6,), three_sections(p))
    current = number(rng.uniform(-0.1, 0.1, shape), "nA", p)
    exact_step = step(cells.replace(current=current.array))
    got = run_step(implementation, cells, current)
    check_step(got, exact_step, cells.epsilon, f"cable_step with a current of shape {shape}")


@pytest.mark.clauses("CABLE-5")
def test_current_into_no_site(implementation):
    p = implementation.precision
    cells = draw_cells(generator(76), p, sections=three_sections(p)).replace(current=0.0)
    check_step(
        run_step(implementation, cells, {}), step(cells), cells.epsilon, "cable_step, no site"
    )


SHAPES = {
    "none-and-compartments": ((), (6,)),
    "batches-and-neurons": ((6, 1, 1), (6, 1)),
    "all-and-one": ((6, 6, 6), (1,)),
    "compartments-and-all": ((6,), (1, 6, 6)),
}
"""Of g and of E."""


@pytest.mark.clauses("CABLE-6")
@pytest.mark.parametrize("shapes", SHAPES)
def test_parameters_of_any_shape(implementation, shapes):
    p, rng = implementation.precision, generator(77)
    options = {"sections": three_sections(p), "size": (6, 6), "dt": 1.0}
    g, E = SHAPES[shapes]
    g, E = rng.uniform(0, 1e-2, g), rng.uniform(-90, -50, E)
    cells = draw_cells(rng, p, **options, g=g, E=E)
    size, sections, _, *rest = cells.arguments()
    parameters = {"g": number(g, "S cm^-2", p), "E": number(E, "mV", p)}
    got = implementation.cable_step(size, sections, parameters, *rest)
    got = potentials(got, cells.V.shape, "cable_step")
    check_step(got, step(cells), cells.epsilon, f"cable_step with g, E of shapes {SHAPES[shapes]}")


@pytest.mark.clauses("CABLE-6")
def test_sections_differ(implementation):
    """In capacitance and in resistivity; a leak that is strong, so that both are seen."""
    p = implementation.precision
    cm, Ra = (1.0, 3.0, 0.5), (80.0, 300.0, 150.0)
    sections = [
        dataclasses.replace(section, cm=number(cm[k], "uF cm^-2", p), Ra=number(Ra[k], "ohm cm", p))
        for k, section in enumerate(three_sections(p))
    ]
    cells = draw_cells(generator(78), p, sections=sections, g=1e-3)
    check_step(run_step(implementation, cells), step(cells), cells.epsilon, "sections that differ")


@pytest.mark.clauses("CABLE-7")
@pytest.mark.parametrize("index", [(0, 0), (1, 5)])
def test_each_neuron_is_on_its_own(implementation, index):
    cells, _, got = mixed_step(implementation, 0)
    alone = cells.neuron(index)
    tolerance = 2 * FACTOR * cells.epsilon * step(alone).size
    one = run_step(implementation, alone)
    check_close(got[index], one[0], tolerance[0], f"neuron {index} of a batch, against it alone")


@pytest.mark.clauses("CABLE-7")
def test_a_neighbour_has_no_influence(implementation):
    cells, exact_step, before = mixed_step(implementation, 0)
    other = draw_cells(
        generator(79), cells.precision, cells.size, cells.V.shape[:1], cells.sections, cells.dt
    )
    odd = (np.arange(len(cells.parameters["g"])) % 2 == 1)[:, np.newaxis]
    altered = cells.replace(
        V=np.where(odd, other.V, cells.V),
        current=np.where(odd, other.current, cells.current),
        **{k: np.where(odd, other.parameters[k], x) for k, x in cells.parameters.items()},
    )
    after = run_step(implementation, altered)
    tolerance = 2 * FACTOR * cells.epsilon * exact_step.size
    even = (slice(None), ~odd[:, 0])
    check_close(after[even], before[even], tolerance[even], "neurons whose neighbours are replaced")


NEURON = {
    1: (-60.992381, -61.402560, -61.801893, -61.565315, -62.080078, -62.311713),
    5: (-50.623486, -51.031811, -51.428659, -51.197113, -51.712748, -51.944860),
    10: (-58.665965,) * 6,
    20: (-65.825235,) * 6,
}
"""mV, by time in ms."""


@remember
def three_section_run(implementation: Any) -> np.ndarray:
    """The potentials of the three-section cell with the defaults, 20 ms, mV."""
    p, size = implementation.precision, (2,)
    sections, dt = three_sections(p), number(0.025, "ms", p)
    V, _, _ = implementation.cable_initial(size, None, sections, {})
    currents = np.zeros((800, *size, 6))
    currents[:200, ..., 0] = 0.1
    got = implementation.cable_run(size, sections, {}, V, number(currents, "nA", p), dt)
    return potentials(got, currents.shape, "cable_run")


@pytest.mark.clauses("CABLE-8")
@pytest.mark.parametrize("t", NEURON)
def test_potentials_are_those_of_neuron(implementation, t):
    got = three_section_run(implementation)
    tolerance = {64: 1e-6, 32: 0.1}[implementation.precision]
    check_close(got[40 * t - 1], NEURON[t], tolerance, f"V of the three-section cell at {t} ms")


@pytest.mark.clauses("CABLE-8")
@pytest.mark.parametrize("name", ["g", "E"])
def test_a_parameter_left_out_has_its_default(implementation, name):
    """Where the other one is given."""
    p, rng = implementation.precision, generator(80)
    cells = draw_cells(rng, p, sections=three_sections(p), dt=1.0)
    default = {"g": {"E": -70.0}, "E": {"g": 1e-4}}[name]
    cells = cells.replace(**default)
    size, sections, parameters, *rest = cells.arguments()
    got = implementation.cable_step(size, sections, {name: parameters[name]}, *rest)
    got = potentials(got, cells.V.shape, "cable_step")
    check_step(got, step(cells), 2 * cells.epsilon, f"cable_step with {name} and no other")


@pytest.mark.clauses("CABLE-9")
@FEW
@given(seed=SEEDS)
def test_derivatives(implementation, seed):
    check_derivatives(*derivatives(implementation, "drawn", seed))


@pytest.mark.clauses("CABLE-9")
@pytest.mark.parametrize("cell", ["three-sections", "long-chain"])
def test_derivatives_of_certain_cells(implementation, cell):
    """Of few compartments and of many, which may be solved in another way."""
    check_derivatives(*derivatives(implementation, cell, 0))


def check_derivatives(cells, got):
    """Both against M⁻¹ (NUM-7)."""
    derivative, size, per_dt = inverse(cells)
    shapes = {name: np.shape(array) for name, array in got.items()}
    assert shapes == dict.fromkeys(("state", "current"), derivative.shape), (
        f"cable_jacobian: {shapes}"
    )
    tolerance = FACTOR * cells.epsilon * size
    check_close(got["current"], derivative, tolerance, "the derivative by I of cable_jacobian")
    check_close(
        got["state"], derivative * per_dt, tolerance * per_dt, "that by V of cable_jacobian"
    )


@pytest.mark.clauses("NUM-6")
@pytest.mark.needs("cable")
@FEW
@given(seed=SEEDS)
def test_step_agrees_with_the_reference(implementation, seed):
    cells, _, got = batch_step(implementation, seed)
    V, current, dt = map(to_reference, cells.arguments()[3:])
    cable = referee(cells)
    reference_potentials, size = cable.step(V, current, dt).array, cable.scale(V, current, dt)
    check_close(got, reference_potentials, FACTOR * cells.epsilon * size, "V after cable_step")


@pytest.mark.clauses("NUM-7")
@pytest.mark.needs("cable")
@FEW
@given(seed=SEEDS)
def test_derivatives_agree_with_the_reference(implementation, seed):
    cells, got = derivatives(implementation, "drawn", seed)
    reference_derivatives = referee(cells).jacobian(to_reference(cells.arguments()[-1]))
    _, size, per_dt = inverse(cells)
    tolerance = FACTOR * tolerances_of(implementation).epsilon * size
    check_close(
        got["current"],
        reference_derivatives.current,
        tolerance,
        "the derivative by I of cable_jacobian",
    )
    check_close(
        got["state"], reference_derivatives.state, tolerance * per_dt, "that by V of cable_jacobian"
    )
