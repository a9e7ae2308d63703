"""Compartments, against NEURON, against integrals, and against what branches must do."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reference import Cable, Morphology, MorphologyError, Quantity, StateNameError, UnitError
from reference.errors import DtypeError, ValueTypeError

from .cells import NEURON, matrix, of_neuron, random_morphology, section

AXIS = [[0.0, 0, 0], [10, 0, 0], [30, 0, 0]]


def three_sections():
    """The table of the three-section cell (CABLE-8)."""
    return of_neuron(NEURON[0])[0].morphology


@pytest.mark.parametrize("k", range(len(NEURON)))
def test_areas_are_neurons(k):
    got = of_neuron(NEURON[k])[0].morphology.area
    np.testing.assert_allclose(got, NEURON[k]["area"], rtol=1e-14)


def test_three_sections():
    m = three_sections()
    end = 2 / 3 * 50 / math.pi
    dendrite = [
        # 2 um at the start, 2 + 1/3 at the middle, 2 + 2/3 at the end of the first third.
        (4 * 100 / 3) / (math.pi * 2 * (7 / 3)) * 1.0,
        (4 * 100 / 3) / (math.pi * (7 / 3) * (8 / 3)) * 1.0,
        (4 * 100 / 3) / (math.pi * (8 / 3) * 3) * 1.0,
    ]
    assert end > 0
    R = [0.4 / math.pi, 100 / math.pi, 100 / math.pi]
    np.testing.assert_allclose(m.R_left[:3], R, rtol=1e-14)
    np.testing.assert_allclose(m.R_right[:3], R, rtol=1e-14)
    np.testing.assert_allclose(m.R_left[3:], np.array(dendrite)[[0, 2, 1]], rtol=1e-14)
    np.testing.assert_allclose(m.R_right[3:], np.array(dendrite)[[1, 2, 0]], rtol=1e-14)


def test_order_of_nodes():
    m = random_morphology(np.random.default_rng(3), 8)
    place = {node: k for k, node in enumerate(m.order)}
    assert sorted(m.order) == list(range(len(m) + 1 + 8))
    assert m.order[0] == m.parent[len(m)] == len(m)
    for node in m.order[1:]:
        assert place[m.parent[node]] < place[node]
        assert m.conductance[node] > 0


@pytest.mark.parametrize("seed", range(10))
def test_coupling_is_the_schur_complement(seed):
    cable = Cable((), random_morphology(np.random.default_rng(seed)), {})
    n = len(cable.morphology)
    M, per_dt, G = matrix(cable, 1.0)
    M -= np.diag(per_dt + G)
    wanted = M[:n, :n] - M[:n, n:] @ np.linalg.solve(M[n:, n:], M[n:, :n])
    np.fill_diagonal(wanted, 0)
    got = cable.morphology.coupling()
    np.testing.assert_allclose(got, -wanted, rtol=1e-10, atol=1e-14)
    np.testing.assert_array_equal(np.diag(got), 0)


def test_resistance_along_a_path():
    """Between two compartments of a chain of sections, whatever the cut."""
    for nseg in (1, 2, 5):
        m = Morphology([
            section("b", nseg, positions=AXIS, diams=[3, 1, 2], parent="a", parent_loc=1.0),
            section("a", nseg, length=50, diam=4),
        ])  # fmt: skip
        total = m.R_left.sum() + m.R_right.sum()
        cylinder = 4e-2 * 100 * 50 / (math.pi * 16)
        cones = 4e-2 * 100 / math.pi * (10 / (3 * 1) + 20 / (1 * 2))
        assert total == pytest.approx(cylinder + cones, rel=1e-14)


def test_areas_add_up_to_those_of_the_frusta():
    for nseg in (1, 2, 3, 10):
        m = Morphology([section("a", nseg, positions=AXIS, diams=[3, 1, 9])])
        wanted = math.pi * (2 * math.hypot(10, 1) + 5 * math.hypot(20, 4))
        assert m.area.sum() == pytest.approx(wanted, rel=1e-14)


def test_points_that_rounding_puts_at_one_arc_length():
    step = [[0.0, 0, 0], [100, 0, 0], [100, 1e-20, 0], [200, 0, 0]]
    m = Morphology([section("a", 3, positions=step, diams=[2, 2, 2, 2])])
    np.testing.assert_allclose(m.area, 400 * math.pi / 3, rtol=1e-14)


def test_a_chain_of_a_thousand_sections():
    """Each at the start of the one before it, all the way to the root."""
    sections = [section("s0", length=10, diam=2)]
    sections += [
        section(f"s{k}", length=10, diam=2, parent=f"s{k - 1}", parent_loc=0.0)
        for k in range(1, 1200)
    ]
    m = Morphology(sections)
    assert set(m.parent[: len(m)]) == {len(m)}


def test_sites():
    m = Morphology([section("a(b)", 4, length=10, diam=1)])
    assert [m.site(f"a(b)({loc})") for loc in (0, 0.25, ".5", "1.", "1e-1")] == [0, 1, 2, 3, 0]
    for wrong in ("a(b)", "a(0.5)", "a(b)(1.5)", "a(b)(-0)", "a(b)( 0.5)", 3, None):
        with pytest.raises(StateNameError):
            m.site(wrong)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"nseg": True}, MorphologyError),
        ({"nseg": 0}, MorphologyError),
        ({"nseg": 2.0}, MorphologyError),
        ({"name": 3}, MorphologyError),
        ({"diam": math.inf}, MorphologyError),
        ({"length": 0}, MorphologyError),
        ({"length": 1e200, "diam": 1e200}, MorphologyError),
        ({"Ra": -1}, MorphologyError),
        ({"cm": [1, 1]}, MorphologyError),
        ({"positions": AXIS}, MorphologyError),
        ({"diam": Quantity(1.0, "mV")}, UnitError),
        ({"diam": Quantity(1.0, "um um^-1")}, UnitError),
        ({"length": Quantity(1j, "um")}, DtypeError),
        ({"Ra": "much"}, ValueTypeError),
    ],
)
def test_refused_section(fields, error):
    fields_of_section = {"name": "soma", "nseg": 1, "length": 10, "diam": 1} | fields
    name, nseg = fields_of_section.pop("name"), fields_of_section.pop("nseg")
    raw = {k: x for k, x in fields_of_section.items() if isinstance(x, Quantity | str)}
    with pytest.raises(error, match=r"soma|3"):
        Morphology([section_with(name, nseg, raw, fields_of_section)])


def section_with(name, nseg, raw, unit):
    """A section some of whose quantities are given as they are."""
    from reference import Section

    from .cells import UNITS

    fields = {k: raw.get(k, Quantity(np.array(x, float), UNITS[k]) if k not in raw else None)
              for k, x in unit.items()}  # fmt: skip
    return Section(name, nseg, **fields)


@pytest.mark.parametrize(
    ("parents", "named"),
    [
        ({}, "morphology"),
        ({"a": None, "b": None}, "'b'"),
        ({"a": "a"}, "'a'"),
        ({"a": None, "b": "c", "c": "b"}, "'b' on 'c' on 'b'"),
        ({"a": None, "d": "b", "b": "c", "c": "b"}, "'b' on 'c' on 'b'"),
        ({"a": None, "b": "nowhere"}, "nowhere"),
    ],
)
def test_refused_tree(parents, named):
    sections = [
        section(name, length=10, diam=1, parent=parent, parent_loc=0.5)
        for name, parent in parents.items()
    ]
    with pytest.raises(MorphologyError, match=named):
        Morphology(sections)
