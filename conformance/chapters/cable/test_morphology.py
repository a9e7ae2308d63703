"""Compartments and what couples them: MORPH-1 to MORPH-7, NUM-5."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from conformance.checks import check_close
from conformance.drawing.cells import (
    chain,
    cylinder,
    draw_section,
    draw_sections,
    points,
    three_sections,
)
from conformance.drawing.cells import compartments as count
from conformance.drawing.layouts import LAYOUTS, lay_out
from conformance.drawing.numbered import FEW, SEEDS
from conformance.drawing.seeded import generator
from conformance.oracles.cables import GEOMETRY_FACTOR, compartments, plain
from conformance.protocol.implementation import Value
from conformance.tolerances import tolerances_of

UNITS = {"area": "um^2", "R_left": "Mohm", "R_right": "Mohm", "coupling": "uS"}


def cut(implementation: Any, sections: list) -> dict[str, np.ndarray]:
    """Cut sections into compartments: the implementation's numbers, with their shapes checked."""
    got, n = implementation.morphology(sections), count(sections)
    for name in UNITS:
        shape, right_shape = np.shape(got[name].array), (n, n) if name == "coupling" else (n,)
        assert shape == right_shape, (
            f"morphology: {name} has the shape {shape}, expected {right_shape}"
        )
    return {name: plain(got[name], unit) for name, unit in UNITS.items()}


def check(implementation: Any, sections: list, *names: str) -> None:
    """Some of the results against integrals along the sections (NUM-5)."""
    got, integrals = cut(implementation, sections), compartments(sections)
    epsilon = GEOMETRY_FACTOR * tolerances_of(implementation).epsilon
    for name in names:
        exact = getattr(integrals, name)
        tolerance = epsilon * integrals.accuracy * exact
        if name == "coupling":
            # What vanishes may do so by cancellation.
            floor = epsilon * exact.max(initial=0.0)
            tolerance = np.maximum(epsilon * integrals.accuracy.max() * exact, floor)
        check_close(got[name], exact, tolerance, f"{name} of morphology")


def rng_of(seed: int) -> np.random.Generator:
    return generator(61, seed)


@pytest.mark.clauses("MORPH-1")
def test_compartments_are_in_the_order_given(implementation):
    """Of cylinders, each of another diameter; the first hangs on the last."""
    p = implementation.precision
    sections = [
        cylinder(p, "b", 2, 10, 1, parent="a", parent_loc=1.0),
        cylinder(p, "c", 3, 30, 3, parent="b", parent_loc=0.5),
        cylinder(p, "a", 1, 20, 8),
    ]
    areas = np.pi * np.array([5, 5, 30, 30, 30, 160])
    check_close(cut(implementation, sections)["area"], areas, 1e-5 * areas, "area of morphology")


@pytest.mark.clauses("MORPH-1")
def test_more_than_ten_sections_are_in_the_order_given(implementation):
    p = implementation.precision
    names = [f"s{k}" for k in (3, 12, 1, 11, 2, 10, 0, 9, 8, 7, 6, 5, 4)]
    sections = [
        cylinder(p, name, 1, 10, k + 1, **({} if k == 6 else {"parent": "s0", "parent_loc": 1}))
        for k, name in enumerate(names)
    ]
    areas = np.pi * 10 * np.arange(1, 14)
    check_close(cut(implementation, sections)["area"], areas, 1e-5 * areas, "area of 13 sections")


@pytest.mark.clauses("MORPH-1")
def test_compartments_run_from_the_start(implementation):
    p = implementation.precision
    cone = [points(p, "cone", 4, [[0, 0, 0], [0, 3, 4], [0, 6, 8]], [1, 3, 5])]
    area = cut(implementation, cone)["area"]
    assert np.all(np.diff(area) > 0), f"the areas of a cone that widens are {area}"


@pytest.mark.clauses("MORPH-1")
@pytest.mark.parametrize("nseg", [1, 2, 3, 7, 30])
def test_compartments_are_of_equal_length(implementation, nseg):
    p = implementation.precision
    sections = [cylinder(p, "a", nseg, 90, 2)]
    areas = np.full(nseg, 90 * 2 * np.pi / nseg)
    tolerance = GEOMETRY_FACTOR * tolerances_of(implementation).epsilon * nseg * areas
    check_close(cut(implementation, sections)["area"], areas, tolerance, f"area with nseg={nseg}")


@pytest.mark.clauses("MORPH-2")
@FEW
@given(seed=SEEDS)
def test_diameter_is_interpolated(implementation, seed):
    """Points that are strictly inside the halves of compartments, and ends that are no points."""
    rng, p = rng_of(seed), implementation.precision
    for m, nseg in ((5, int(rng.integers(2, 5))), (40, 3), (90, 2), (12, np.uint8(200))):
        x = np.cumsum([0, *rng.uniform(5, 50, m - 1)])
        positions = np.stack([x, 0 * x, 0 * x], axis=1)
        sections = [points(p, "a", nseg, positions, rng.uniform(1, 10, m))]
        check(implementation, sections, "area", "R_left", "R_right")


@pytest.mark.clauses("MORPH-2")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_points_are_where_they_are_in_memory(implementation, layout):
    """In whatever order of axes and bytes."""
    rng, p = rng_of(2), implementation.precision
    straight = points(p, "a", 3, np.cumsum(rng.uniform(5, 50, (12, 3)), 0), rng.uniform(1, 9, 12))
    laid = {
        field: Value(lay_out(getattr(straight, field).array, layout), "um")
        for field in ("positions", "diams")
    }
    sections = [dataclasses.replace(straight, **laid)]
    check(implementation, sections, "area", "R_left", "R_right")


@pytest.mark.clauses("MORPH-2")
@pytest.mark.parametrize("dtype", ["int8", "int16", "uint32", "float16", "float32"])
def test_whole_numbers_of_any_dtype(implementation, dtype):
    """A value may be an integer, and of less precision than the implementation's."""
    p = implementation.precision
    positions = np.cumsum(np.eye(3)[[0, 1, 2, 0, 1]] * [[3], [5], [8], [9], [4]], axis=0)
    sections = [
        cylinder(p, "a", 2, 60, 3, Ra=110, cm=2),
        points(p, "b", 3, positions, [2, 3, 4, 2, 1], Ra=90, cm=1, parent="a", parent_loc=1),
    ]
    sections_in_dtype = [
        dataclasses.replace(section, **{
            name: Value(value.array.astype(dtype), value.unit)
            for name, value in vars(section).items()
            if isinstance(value, Value)
        })
        for section in sections
    ]  # fmt: skip
    got, exact_results = cut(implementation, sections_in_dtype), cut(implementation, sections)
    epsilon = GEOMETRY_FACTOR * tolerances_of(implementation).epsilon
    for name, exact in exact_results.items():
        tolerance = 3 * epsilon * np.abs(exact).max()
        check_close(got[name], exact, tolerance, f"{name} of sections of {dtype}")


@pytest.mark.clauses("MORPH-2")
def test_a_point_may_be_the_middle_of_a_compartment(implementation):
    check(implementation, three_sections(implementation.precision), "area", "R_left", "R_right")


@pytest.mark.clauses("MORPH-2")
def test_arc_length_runs_in_space(implementation):
    """A section that turns has the compartments of a straight one."""
    p, diams = implementation.precision, [2, 4, 1]
    straight = points(p, "a", 3, [[0, 0, 0], [5, 0, 0], [18, 0, 0]], diams)
    bent = points(p, "a", 3, [[1, 1, 1], [1, 4, 5], [1, 16, 0]], diams)
    one, other = cut(implementation, [straight]), cut(implementation, [bent])
    for name in ("area", "R_left", "R_right"):
        tolerance = 1e-5 * one[name]
        check_close(
            other[name], one[name], tolerance, f"{name} of a bent section, against a straight"
        )


@pytest.mark.clauses("MORPH-3")
@FEW
@given(seed=SEEDS)
def test_area_is_that_of_frusta(implementation, seed):
    section = draw_section(rng_of(seed), implementation.precision, "a")
    check(implementation, [section], "area")


@pytest.mark.clauses("MORPH-3")
def test_the_slope_of_a_frustum_counts_and_its_ends_do_not(implementation):
    """Of a disc, 3 um long and 8 um wider at its end: √(3² + 4²) = 5 um along its side."""
    disc = [points(implementation.precision, "a", 1, [[0, 0, 0], [3, 0, 0]], [2, 10])]
    area = cut(implementation, disc)["area"]
    side = np.pi * 6 * 5
    check_close(area, side, 1e-5 * side, "area of a steep frustum")


@pytest.mark.clauses("MORPH-4")
def test_resistance_of_a_cone(implementation):
    """Ra l/(π r1 r2), with radii of 1, 2 and 3 um at the ends and the middle."""
    cone = [points(implementation.precision, "a", 1, [[0, 0, 0], [40, 0, 0]], [2, 6])]
    halves = cut(implementation, cone)
    for name, radii in (("R_left", 1 * 2), ("R_right", 2 * 3)):
        resistance = 1e-2 * 100 * 20 / (np.pi * radii)
        check_close(halves[name], resistance, 1e-5 * resistance, f"{name} of a cone")


@pytest.mark.clauses("MORPH-4")
@FEW
@given(seed=SEEDS)
def test_resistances_are_those_of_halves(implementation, seed):
    section = draw_section(rng_of(seed), implementation.precision, "a")
    check(implementation, [section], "R_left", "R_right")


@pytest.mark.clauses("MORPH-4")
def test_resistance_of_a_cylinder(implementation):
    """Half of 200 um by 2 um at 150 ohm cm: 1.5 ohm m · 10⁻⁴ m / (π 10⁻¹² m²) = 150/π Mohm."""
    sections = [cylinder(implementation.precision, "a", 1, 200, 2, Ra=150)]
    got = cut(implementation, sections)
    for name in ("R_left", "R_right"):
        check_close(got[name], 150 / np.pi, 1e-5 * 50, f"{name} of a cylinder")


def forks(precision: int) -> dict[str, list]:
    """Trees with branches at the places that MORPH-5 tells apart."""

    def tree(*places: tuple[str, Any]) -> list:
        root = cylinder(precision, "root", 3, 60, 4)
        stem = cylinder(precision, "stem", 2, 50, 3, parent="root", parent_loc=1 / 3)
        twigs = [
            cylinder(precision, f"twig{k}", 1, 30 + k, 2, parent=parent, parent_loc=loc)
            for k, (parent, loc) in enumerate(places)
        ]
        return [*twigs, root, stem]

    return {
        "at-the-start-of-the-root": tree(("root", 0.0), ("root", 0.0)),
        "at-the-end-of-a-section": tree(("stem", 1.0), ("stem", 1.0), ("stem", 1.0)),
        "where-the-parent-starts": tree(("stem", 0.0), ("twig0", 0.0)),
        "at-the-middle-of-a-compartment": tree(("root", 0.5), ("root", 0.4)),
        "at-a-cut-between-compartments": tree(("stem", 0.5), ("root", 1 / 3)),
        "all-over": tree(("root", 0.0), ("root", 1.0), ("stem", 0.7), ("twig1", 0.2)),
        "forty-at-one-end": tree(*[("stem", 1.0)] * 40),
        "twenty-at-one-compartment": tree(*[("root", 0.5)] * 20),
        "eighty-one-after-another": tree(
            ("stem", 1.0), *((f"twig{k}", 1.0) for k in range(79))
        ),
        "at-numbers-of-other-types": tree(
            ("root", 0), ("root", 1), ("stem", np.int64(1)), ("stem", np.int8(0)),
            ("root", np.float64(0.5)), ("stem", np.float32(0.5)), ("twig1", np.float64(1.0)),
        ),
    }  # fmt: skip


@pytest.mark.clauses("MORPH-5")
@pytest.mark.parametrize("where", forks(64))
def test_sections_start_where_they_are_connected(implementation, where):
    """Which compartments are coupled, whatever the conductances."""
    sections = forks(implementation.precision)[where]
    got, coupling = cut(implementation, sections)["coupling"], compartments(sections).coupling
    least = coupling[coupling > 0].min() / 10
    apart = (got > least) != (coupling > 0)
    assert not apart.any(), (
        f"morphology, branches {where}: the compartments {np.argwhere(apart).tolist()} are coupled "
        f"by {got[apart]} uS, expected {coupling[apart]} uS"
    )


@pytest.mark.clauses("MORPH-6")
@pytest.mark.parametrize("where", forks(64))
def test_couplings_at_forks(implementation, where):
    check(implementation, forks(implementation.precision)[where], "coupling")


@pytest.mark.clauses("MORPH-6")
def test_coupling_along_a_chain(implementation):
    """The halves of two neighbours in a row, across compartments and sections alike."""
    sections = chain(implementation.precision)
    got = cut(implementation, sections)
    # In the order along the chain; the sections are given from its far end.
    along = [8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3]
    coupling = got["coupling"][np.ix_(along, along)]
    R = got["R_right"][along[:-1]] + got["R_left"][along[1:]]
    tolerance = GEOMETRY_FACTOR * tolerances_of(implementation).epsilon * 4 / R
    check_close(np.diag(coupling, 1), 1 / R, tolerance, "coupling along a chain")
    check_close(
        np.triu(coupling, 2), 0, tolerance.max(), "coupling between those that do not touch"
    )
    check_close(coupling, coupling.T, tolerance.max(), "coupling, against its transpose")


@pytest.mark.clauses("MORPH-6")
def test_siblings_share_the_half_of_their_parent(implementation):
    """At the end of the soma three half resistances meet in a junction (a star)."""
    got = cut(implementation, three_sections(implementation.precision))
    meet = {0: got["R_right"][0], 1: got["R_left"][1], 3: got["R_left"][3]}
    total = sum(1 / R for R in meet.values())
    for a, R_a in meet.items():
        for b, R_b in meet.items():
            if a != b:
                conductance = 1 / (R_a * R_b * total)
                check_close(
                    got["coupling"][a, b],
                    conductance,
                    1e-5 * conductance,
                    f"coupling of {a} and {b}",
                )


@pytest.mark.clauses("MORPH-6")
@FEW
@given(seed=SEEDS)
def test_couplings_of_a_tree(implementation, seed):
    check(implementation, draw_sections(rng_of(seed), implementation.precision), "coupling")


SITES = {
    "root(0)": 0,
    "root(0.0)": 0,
    "root(0.2)": 0,
    "root(0.25)": 1,
    "root(0.49999)": 1,
    "root(0.5)": 2,
    "root(.75)": 3,
    "root(0.99)": 3,
    "root(1)": 3,
    "root(1.0)": 3,
    "root(5e-1)": 2,
    "a (b)(0.3)": 4,
    "a (b)(0.3333333333333333)": 5,
    "a (b)(0.6666666666666666)": 6,
    "a (b)(1.)": 6,
}


@pytest.mark.clauses("MORPH-7")
@pytest.mark.parametrize("site", SITES)
def test_site(implementation, site):
    p = implementation.precision
    sections = [
        cylinder(p, "root", 4, 40, 2),
        cylinder(p, "a (b)", 3, 30, 1, parent="root", parent_loc=1.0),
    ]
    got = implementation.site(sections, site)
    assert got == SITES[site], f"site({site!r}): got {got}, expected {SITES[site]}"


@pytest.mark.clauses("MORPH-7")
def test_site_far_from_the_root(implementation):
    sections = forks(implementation.precision)["eighty-one-after-another"]
    got = [implementation.site(sections, f"twig{k}(0.5)") for k in (0, 79)]
    assert got == [0, 79], f"site of twig0 and of twig79: got {got}, expected [0, 79]"


@pytest.mark.clauses("MORPH-7")
@pytest.mark.parametrize("nseg", [3, 10, 25, 49, 100])
def test_site_at_every_cut(implementation, nseg):
    """k/nseg is in compartment k or, where 64-bit numbers put the product below k, before it."""
    sections = [cylinder(implementation.precision, "a", nseg, 100, 1)]
    for k in range(nseg):
        loc = k / nseg
        got, compartment = implementation.site(sections, f"a({loc!r})"), int(loc * nseg)
        assert got == compartment, (
            f"site('a({loc!r})') of {nseg}: got {got}, expected {compartment}"
        )


@pytest.mark.clauses("NUM-5")
@pytest.mark.needs("morphology")
@FEW
@given(seed=SEEDS)
def test_compartments_agree_with_the_integrals(implementation, seed):
    sections = draw_sections(rng_of(seed), implementation.precision)
    check(implementation, sections, "area", "R_left", "R_right", "coupling")


@pytest.mark.clauses("NUM-5")
@pytest.mark.needs("morphology")
def test_a_thousand_compartments_agree_with_the_integrals(implementation):
    x = np.array([0.0, 100, 350, 1000])
    positions = np.stack([x, 0 * x, 0 * x], axis=1)
    sections = [points(implementation.precision, "a", 1001, positions, [1, 5, 2, 3])]
    check(implementation, sections, "area", "R_left", "R_right")
