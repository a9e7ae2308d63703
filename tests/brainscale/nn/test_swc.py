"""Cells from SWC files: as NEURON reads them, or refused with the file, the line and the row."""

from __future__ import annotations

import itertools
import json
import re
import warnings

import brainunit as u
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import brainscale
from brainscale import errors, nn
from repository import ROOT

HELPERS = ROOT / "tests" / "brainscale" / "helpers"
CELL = HELPERS.joinpath("cell.swc").read_text("utf-8").partition("\n")[2]
#: Random cells as NEURON 9.0.2 reads them (Import3d): areas, um², of the sections; how many
#: compartments the rule d_lambda of 0.1 gives each; potentials, mV, of each section's middle at
#: rest, with 0.1 nA into the middle of the first, 3 compartments a section, g = 10⁻⁴ S cm^-2.
FROM_NEURON = json.loads(ROOT.joinpath("tests/brainscale/nn/neuron_cells.json").read_text("utf-8"))


@pytest.fixture
def write(tmp_path):
    """What writes a file and says where it is."""

    def write(text, encoding="utf-8"):
        path = tmp_path / "cell.swc"
        path.write_text(text, encoding, newline="")
        return path

    return write


def shape(compartments):
    """All numbers of compartments that have no names."""
    cut = compartments
    return (cut.area, cut.cm, cut.R_left, cut.R_right, cut.nodes, cut.conductance)


def check_same(compartments, others):
    for a, b in zip(shape(compartments), shape(others), strict=True):
        np.testing.assert_array_equal(a, b)


def solve_at_rest(compartments, current, g=1e-4, E=-70.0):
    """The potentials of all compartments, mV, with a current into one, {compartment: nA}."""
    n, nodes = len(compartments), len(compartments) + len(compartments.junctions)
    M, I = np.zeros((nodes, nodes)), np.zeros(nodes)
    for (a, b), conductance in zip(compartments.nodes, compartments.conductance, strict=True):
        M[[a, b], [a, b]] += conductance
        M[[a, b], [b, a]] -= conductance
    leak = 1e-2 * g * compartments.area
    M[range(n), range(n)] += leak
    I[:n] += leak * E
    for compartment, nA in current.items():
        I[compartment] += nA
    return np.linalg.solve(M, I)[:n]


@pytest.mark.parametrize("cell", FROM_NEURON, ids=lambda cell: f"soma-of-{cell['soma']}")
def test_as_neuron_reads_it(cell, write):
    path = write("\n".join(cell["rows"]))
    compartments = nn.from_swc(path, 3)
    sections = compartments.sections.values()
    areas = sorted(compartments.area[list(section)].sum() for section in sections)
    np.testing.assert_allclose(areas, cell["areas"], rtol=2e-6)
    middle = {compartments.site(f"{next(iter(compartments.sections))}(0.5)"): 0.1}
    V = solve_at_rest(compartments, middle)
    at_middles = sorted(V[section[1]] for section in sections)
    np.testing.assert_allclose(at_middles, cell["voltages"], rtol=1e-6)
    by_length = nn.from_swc(path, d_lambda=0.1).sections.values()
    assert sorted(map(len, by_length)) == cell["counts"]


@pytest.mark.parametrize(
    ("change", "encoding"),
    {
        "byte-order mark": (lambda text: text, "utf-8-sig"),
        "two bytes a letter": (lambda text: text, "utf-16"),
        "commas": (lambda text: text.replace(" ", ","), "utf-8"),
        "commas and blanks": (lambda text: text.replace(" ", ", "), "utf-8"),
        "semicolons": (lambda text: text.replace(" ", ";"), "utf-8"),
        "tabs": (lambda text: text.replace(" ", "\t"), "utf-8"),
        "padded": (lambda text: re.sub("^|$", "  ", text, flags=re.M).replace(" ", "   "), "utf-8"),
        "carriage returns": (lambda text: text.replace("\n", "\r\n"), "utf-8"),
        "more columns": (lambda text: text.replace("\n", " 7 x\n"), "utf-8"),
        "comments": (lambda text: "# Größe\n\n" + text.replace("\n", " # µm\n"), "latin-1"),
        "decimals": (lambda text: re.sub(r"(?m)^(\d+) (\d+)", r"\1.0 \2.0", text), "utf-8"),
        "exponents": (lambda text: text.replace(" 30 ", " 3e1 "), "utf-8"),
        "other order": (lambda text: "\n".join(text.splitlines()[::-1]), "utf-8"),
        "other ids": (
            lambda text: re.sub(r"(?m)^(\d+)|\b(\d+)$", r"7\1\2", text).replace("-71", "-1"),
            "utf-8",
        ),
    }.values(),
    ids=[
        *("byte-order-mark", "two-bytes-a-letter", "commas", "commas-and-blanks", "semicolons"),
        *("tabs", "padded", "carriage-returns", "more-columns", "comments", "decimals"),
        *("exponents", "other-order", "other-ids"),
    ],
)
def test_styles_that_are_seen(change, encoding, write):
    plain = nn.from_swc(write(CELL), 2)
    other = nn.from_swc(write(change(CELL), encoding), 2)
    sort = np.argsort(plain.area), np.argsort(other.area)
    for a, b in zip(shape(plain)[:4], shape(other)[:4], strict=True):
        np.testing.assert_array_equal(a[sort[0]], b[sort[1]])
    assert len(plain.sections) == len(other.sections) == 4


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("30 5 0 1", "nan 5 0 1", "line 4: needs finite x, y, z"),
        ("30 5 0 1", "inf 5 0 1", "line 4: needs finite x, y, z"),
        ("5 0 1 3\n5", "5 0 inf 3\n5", "line 4: needs an id of at least 0 and a finite radius"),
        ("5 0 1 3\n5", "5 0 nan 3\n5", "line 4: row 4 has the radius nan um"),
        ("5 0 1 3\n5", "5 0 0 3\n5", "line 4: row 4 has the radius 0 um"),
        ("5 0 1 3\n5", "5 0 -1 3\n5", "line 4: row 4 has the radius -1 um"),
        ("1 3\n5", "1 9\n5", "line 4: row 4 has the parent 9, which is no row's id"),
        ("1 3\n5", "1 4\n5", "line 4: row 4 is its own ancestor"),
        ("2 3 10 0 0 1 1", "2 3 10 0 0 1 4", "line 2: row 2 is its own ancestor"),
        ("1 3\n5", "1 3.5\n5", "line 4: needs integers for id, kind and parent"),
        ("30 5", "x 5", "line 4: needs numbers"),
        ("30 5", "3_0 5", "line 4: needs numbers"),
        ("30 5 0 1", "1e308 5 0 1", "line 4: row 4 reaches farther than 1e+09 um"),
        ("30 5 0 1 3", "30 5 0 1e300 3", "line 4: row 4 reaches farther than 1e+09 um"),
        ("30 5 0 1", "20 1e-320 0 1", "has compartments whose area or resistance"),
        ("30 5", "5", "line 4: needs id kind x y z radius parent"),
        ("5 3 30 -5", "4 3 30 -5", "line 5: row 4 has the id of line 4"),
        ("30 5 0", "20 0 0", "line 4: row 4 lies where its parent, row 3, lies"),
        ("-5 0 1 3\n", "-5 0 1 -1\n", "line 5: row 5 is the root of a second tree; tree=1"),
        ("5 3 30 -5", "5 1 30 -5", "line 5: row 5 is of a second soma, which row 1 is not of"),
        (CELL, "1 3 0 0 0 5 -1\n", "line 1: row 1 is all that there is"),
        (CELL, "# nothing\n", "has no row"),
        (
            CELL,
            CELL + "6 1 0 9 0 5 1\n7 1 0 -9 0 5 1\n8 1 9 0 0 5 1\n",
            "line 1: row 1 is where a soma branches, into 3",
        ),
    ],
)
def test_what_may_not_be_is_refused_with_its_row(old, new, said, write):
    text = CELL.replace(old, new)
    assert text != CELL
    path = write(text)
    with pytest.raises(errors.MorphologyError) as error:
        nn.read_swc(path)
    assert f"{path}" in str(error.value)
    assert said in str(error.value)


@pytest.mark.parametrize("radius", ["0", "nan", "-1"])
def test_a_radius_that_is_none_may_be_mended(radius, write):
    mended = CELL.replace("5 0 1 3\n5", f"5 0 {radius} 3\n5")
    with pytest.warns(UserWarning, match="line 4: row 4 has the radius"):
        cell = nn.read_swc(write(mended), mend=True)
    assert len(cell.mended) == 1
    check_same(cell.morphology.compartments, nn.from_swc(write(CELL)))


def test_a_root_without_radius_is_not_mended(write):
    with pytest.raises(errors.MorphologyError, match="row 1 has no radius"):
        nn.read_swc(write(CELL.replace("0 0 0 5", "0 0 0 0")), mend=True)


def test_a_row_at_its_parents_place_may_be_left_out(write):
    """Several in a row, at a branch: their children are those of the row that stays."""
    twins = "1 1 0 0 0 5 -1\n2 3 10 0 0 1 1\n3 3 20 0 0 1 2\n6 3 20 0 0 1 3\n7 3 20 0 0 1 6\n"
    twins += "4 3 30 5 0 1 7\n5 3 30 -5 0 1 6\n"
    with pytest.warns(UserWarning, match="row 6 lies where its parent, row 3, lies, and 1 more"):
        cell = nn.read_swc(write(twins), mend=True)
    assert len(cell.mended) == 2
    check_same(cell.morphology.compartments, nn.from_swc(write(CELL)))


def test_one_tree_of_several(write):
    second = "6 3 100 0 0 1 -1\n7 3 110 0 0 1 6\n"
    kept = nn.read_swc(write(CELL + second), tree=4)
    assert {*kept.compartment_of} == {1, 2, 3, 4, 5}
    other = nn.read_swc(write(CELL + second), tree=7)
    assert [*other.morphology.sections] == ["basal_dendrite_0"]
    assert other.compartment_of == {6: 0, 7: 0}
    with pytest.raises(errors.MorphologyError, match="has no row 8"):
        nn.read_swc(write(CELL + second), tree=8)


def test_a_soma_behind_a_neurite(write):
    """First rows are an axon's: the tree is read from its soma outwards."""
    rows = "1 2 -30 0 0 1 -1\n2 2 -10 0 0 1 1\n3 1 0 0 0 5 2\n4 3 10 0 0 1 3\n5 3 30 0 0 1 4\n"
    turned = "3 1 0 0 0 5 -1\n2 2 -10 0 0 1 3\n1 2 -30 0 0 1 2\n4 3 10 0 0 1 3\n5 3 30 0 0 1 4\n"
    cells = [nn.read_swc(write(text), 2) for text in (rows, turned)]
    check_same(*(cell.morphology.compartments for cell in cells))
    assert cells[0].compartment_of == cells[1].compartment_of


def test_a_neurite_may_begin_at_the_somas_end(write):
    soma = "1 1 0 0 0 5 -1\n2 1 10 0 0 5 1\n3 1 20 0 0 5 2\n"
    cell = nn.read_swc(write(soma + "4 3 20 0 0 1 3\n5 3 120 0 0 1.5 4\n"))
    dend = cell.morphology.sections["basal_dendrite_0"]
    np.testing.assert_array_equal(dend.profile, [[0.0, 100.0], [2.0, 3.0]])
    assert (dend.parent, dend.parent_loc) == ("soma", 1.0)


def test_units(write):
    in_nm = r"\1 \g<2>000 \g<3>000 \g<4>000 \g<5>000"
    text = re.sub(r"(?m)^(\d+ \d+) (\S+) (\S+) (\S+) (\S+)", in_nm, CELL)
    for a, b in zip(
        shape(nn.from_swc(write(text), unit=u.nmetre)), shape(nn.from_swc(write(CELL))), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    with pytest.warns(UserWarning, match="is a cell 4e.04 um wide"):
        nn.from_swc(write(text))
    for unit in (u.ms, "nm", None):
        with pytest.raises(errors.UnitError, match="unit"):
            nn.from_swc(write(CELL), unit=unit)


def test_by_region(write):
    Ra = {"soma": 100.0 * u.ohm * u.cm, "basal_dendrite": 200.0 * u.ohm * u.cm}
    cm = {"soma": 1.0 * u.uF / u.cm**2, "basal_dendrite": 0.02 * u.farad / u.metre**2}
    cut = nn.from_swc(write(CELL), {"soma": 1, "basal_dendrite": 2}, Ra=Ra, cm=cm)
    plain = nn.from_swc(write(CELL), {"soma": 1, "basal_dendrite": 2})
    np.testing.assert_allclose(cut.cm, [1.0] + 6 * [2.0])
    np.testing.assert_allclose(cut.R_left / plain.R_left, [1.0] + 6 * [2.0])
    for options in ({"Ra": {"soma": Ra["soma"]}}, {"cm": {}}, {"nseg": {"soma": 1}}):
        with pytest.raises(errors.MorphologyError, match=f"{next(iter(options))} has no value for"):
            nn.from_swc(write(CELL), **options)
    with pytest.raises(errors.MorphologyError, match="nseg or d_lambda"):
        nn.from_swc(write(CELL), 3, d_lambda=0.1)
    for too_fine in (1e-9, 1e-12, 5e-324):
        with pytest.raises(errors.MorphologyError, match=r"'soma' into compartments shorter than"):
            nn.from_swc(write(CELL), d_lambda=too_fine)
    for d_lambda in (0.0, -1.0, np.nan, True, "0.1"):
        with pytest.raises(errors.MorphologyError, match="d_lambda"):
            nn.from_swc(write(CELL), d_lambda=d_lambda)


@st.composite
def trees(draw):
    """Rows of a random tree: parents of each row, kinds that follow them, and an order."""
    n = draw(st.integers(2, 30))
    parents = [draw(st.integers(max(0, i - 4), i - 1)) for i in range(1, n)]
    has_soma = draw(st.booleans())
    kinds = [1 if has_soma else 3]
    for parent in parents:
        kinds.append(draw(st.sampled_from([2, 3, 4])) if kinds[parent] == 1 else kinds[parent])
    order = draw(st.permutations(range(n)))
    return parents, kinds, order


@settings(max_examples=60, deadline=None)
@given(tree=trees(), root=st.integers(0, 29))
def test_neither_order_nor_root_of_the_rows_matters(tree, root, tmp_path_factory):
    """The same tree written from another row, in another order, has the same compartments."""
    parents, kinds, order = tree
    n = len(kinds)
    rng = np.random.default_rng(0)
    places, radii = rng.normal(scale=20, size=(n, 3)), rng.uniform(0.5, 2, n)
    up = dict(enumerate(parents, start=1))
    turned, row = dict(up), root % n
    if kinds[0] == 1:  # Where there is no soma, the file's root is the cell's.
        path = [row]
        while path[-1] in up:
            path.append(up[path[-1]])
        turned.pop(row, None)
        turned |= {after: before for before, after in itertools.pairwise(path)}

    def read(up, order):
        table = [(kinds[i], *places[i].tolist(), float(radii[i]), up.get(i, -2) + 1) for i in order]
        rows = [" ".join(map(repr, (i + 1, *row))) for i, row in zip(order, table, strict=True)]
        file = tmp_path_factory.mktemp("tree") / "cell.swc"
        file.write_text("\n".join(rows), "utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return nn.read_swc(file, 3)

    plain, other = read(up, range(n)), read(turned, order)
    assert {*plain.compartment_of} == {*other.compartment_of} == {*range(1, n + 1)}
    cuts = [cell.morphology.compartments for cell in (plain, other)]
    assert len(cuts[0]) == len(cuts[1])
    # A root that is no soma lies where several sections begin.
    for row in range(1 if kinds[0] == 1 else 2, n + 1):
        V = [
            solve_at_rest(cut, {cell.compartment_of[row]: 0.1})
            for cell, cut in zip((plain, other), cuts, strict=True)
        ]
        np.testing.assert_allclose(sorted(V[0]), sorted(V[1]), rtol=1e-8)


def test_trees_of_any_depth(write):
    """As deep as Python's stack is not; each section but the last has a twig at its end."""
    depth = 3000
    rows = ["1 1 0 0 0 5 -1", "2 3 10 0 0 1 1"]
    for i in range(depth):
        k = 2 * i + 3
        last = 2 if i == 0 else k - 1
        rows += [f"{k} 3 {11 + i} 5 0 1 {last}", f"{k + 1} 3 {11 + i} 0 0 1 {last}"]
    compartments = nn.from_swc(write("\n".join(rows)))
    assert len(compartments) == 2 * depth + 2
    chain = [
        nn.Section(
            *(f"s{i}",),
            length=1 * u.um,
            diam=1 * u.um,
            parent=f"s{i - 1}" if i else None,
            parent_loc=0.0,
        )
        for i in range(depth)
    ]
    assert len(nn.Morphology(*chain[::-1]).compartments) == depth


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"nodes": [(3, 0), (0, 1), (1, 0), (1, 4)]}, "joined twice"),
        ({"nodes": [(3, 0), (0, 1), (1, 2)], "conductance": [1.0, 1.0, 1.0]}, "to one tree"),
    ],
)
def test_compartments_are_a_tree(change, said):
    numbers = dict(
        sections={"a": range(2), "b": range(2, 3)},
        **dict.fromkeys(("area", "cm", "R_left", "R_right"), np.ones(3)),
        nodes=[(3, 0), (0, 1), (1, 4), (4, 2)],
        conductance=np.ones(4),
        junctions=(("start", "a"), ("end", "a")),
    )
    brainscale.nn.Compartments(**numbers)
    with pytest.raises(errors.MorphologyError, match=said):
        brainscale.nn.Compartments(**numbers | change)


TOKENS = ["nan", "inf", "-1", "0", "1e400", "1e-320", "1e308", "9" * 30, "x", "1.5", "", "é", "4"]


@settings(max_examples=150, deadline=None)
@given(
    places=st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 6), st.sampled_from(TOKENS)), min_size=1
    ),
    options=st.sampled_from([{}, {"mend": True}, {"tree": 3}, {"d_lambda": 0.1}]),
)
def test_any_file_is_a_cell_or_refused_by_name(places, options, tmp_path_factory):
    rows = [row.split() for row in CELL.splitlines()]
    for row, column, token in places:
        rows[row][column] = token
    path = tmp_path_factory.mktemp("any") / "cell.swc"
    path.write_text("\n".join(" ".join(row) for row in rows), "utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            cell = nn.read_swc(path, **options)
        except errors.MorphologyError as error:
            refusal = str(error)
        else:
            refusal = ""
    if refusal:
        assert str(path) in refusal or "d_lambda" in refusal
        return
    compartments = cell.morphology.compartments
    assert all(np.all(np.isfinite(numbers)) for numbers in shape(compartments))
    assert {*cell.compartment_of.values()} <= {*range(len(compartments))}


def test_a_file_that_is_not_there(tmp_path):
    for path in (tmp_path / "none.swc", tmp_path):
        with pytest.raises(errors.FileError, match=re.escape(f"{path}: ")) as caught:
            nn.read_swc(path)
        assert isinstance(caught.value, OSError)
    with pytest.raises(errors.ValueTypeError, match="path must be a path, got None"):
        nn.read_swc(None)


def test_more_compartments_than_there_can_be(write):
    with pytest.raises(errors.MorphologyError, match="at most"):
        nn.read_swc(write(CELL), nseg=2**70)
