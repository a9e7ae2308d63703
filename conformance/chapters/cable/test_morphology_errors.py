"""What a morphology refuses: MORPH-8 to MORPH-11, and how: ERR-1 to ERR-3."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from conformance.checks import check_class, check_close, check_message, raises
from conformance.drawing.cells import cylinder, number, points, three_sections
from conformance.messages import any_of
from conformance.protocol.implementation import Section, Value
from reference import unit as units

AXIS = [[0.0, 0, 0], [10, 0, 0], [30, 0, 0]]


def replace_axon(precision: int, name: str = "axon", **changes: Any) -> list[Section]:
    """The three-section cell with fields of a section replaced."""
    return [
        dataclasses.replace(section, **changes) if section.name == name else section
        for section in three_sections(precision)
    ]


def tree(precision: int, *parents: tuple[str, Any]) -> list[Section]:
    """Cylinders by name and parent."""
    return [
        cylinder(
            precision, name, 1, 20, 2, parent=parent, parent_loc=None if parent is None else 1.0
        )
        for name, parent in parents
    ]


TREES = {
    "a name given twice": ("b", [("a", None), ("b", "a"), ("b", "a")]),
    "the root's name given twice": ("a", [("a", None), ("a", None)]),
    "an unknown parent": ("b", [("a", None), ("b", "nowhere")]),
    "its own parent": ("b", [("a", None), ("b", "b")]),
    "its own parent, alone": ("a", [("a", "a")]),
    "a cycle of two": ("b|c", [("a", None), ("b", "c"), ("c", "b")]),
    "a cycle of three, and none outside": ("a|b|c", [("a", "c"), ("b", "a"), ("c", "b")]),
    "a branch of a cycle": ("b|c|d", [("a", None), ("d", "b"), ("b", "c"), ("c", "b")]),
    "two without parent": ("a|b", [("a", None), ("b", None)]),
    "two without parent, far apart": ("a|c", [("a", None), ("b", "a"), ("c", None), ("d", "c")]),
}


@pytest.mark.clauses("MORPH-8")
@pytest.mark.parametrize("case", TREES)
def test_what_is_no_tree(implementation, case):
    names, parents = TREES[case]
    sections = tree(implementation.precision, *parents)
    caught = raises("MorphologyError", implementation.morphology, sections)
    check_message(caught, any_of(*names.split("|")))


@pytest.mark.clauses("MORPH-8")
def test_no_sections(implementation):
    raises("MorphologyError", implementation.morphology, [])


@pytest.mark.clauses("MORPH-9")
@pytest.mark.parametrize("nseg", [0, -1, 2.0, 1.5, True, "2", None, np.float64(2)])
def test_number_of_compartments(implementation, nseg):
    sections = replace_axon(implementation.precision, nseg=nseg)
    check_message(raises("MorphologyError", implementation.morphology, sections), "axon", "nseg")


@pytest.mark.clauses("MORPH-9")
@pytest.mark.parametrize("nseg", [np.int32(2), np.uint8(2), np.int8(120), np.uint8(250)])
def test_number_of_compartments_of_numpy(implementation, nseg):
    sections = replace_axon(implementation.precision, nseg=nseg)
    areas, shape = implementation.morphology(sections)["area"].array, (4 + int(nseg),)
    assert np.shape(areas) == shape, f"nseg={nseg!r}: {np.shape(areas)} compartments, not {shape}"


QUANTITIES = {"length": "um", "diam": "um", "Ra": "ohm cm", "cm": "uF cm^-2"}


@pytest.mark.clauses("MORPH-9")
@pytest.mark.parametrize("field", QUANTITIES)
@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, np.inf, [1.0, 1.0]])
def test_number_out_of_range(implementation, field, wrong):
    p = implementation.precision
    sections = replace_axon(p, **{field: number(wrong, QUANTITIES[field], p)})
    check_message(raises("MorphologyError", implementation.morphology, sections), "axon", field)


POINTS = {
    "one point": (AXIS[:1], [1.0]),
    "no points": (np.zeros((0, 3)), []),
    "two coordinates": (np.array(AXIS)[:, :2], [1.0, 2.0, 3.0]),
    "no axis of coordinates": ([0.0, 10.0, 30.0], [1.0, 2.0, 3.0]),
    "two successive at one place": ([*AXIS, AXIS[-1]], [1.0, 2.0, 3.0, 4.0]),
    "all at one place": ([AXIS[0]] * 3, [1.0, 2.0, 3.0]),
    "NaN": ([*AXIS, [np.nan, 0, 0]], [1.0, 2.0, 3.0, 4.0]),
    "infinite": ([*AXIS, [0, np.inf, 0]], [1.0, 2.0, 3.0, 4.0]),
    "too few diameters": (AXIS, [1.0, 2.0]),
    "too many diameters": (AXIS, [1.0, 2.0, 3.0, 4.0]),
    "one diameter": (AXIS, 1.0),
    "a diameter of zero": (AXIS, [1.0, 0.0, 3.0]),
    "a negative diameter": (AXIS, [1.0, -2.0, 3.0]),
    "a diameter that is NaN": (AXIS, [1.0, np.nan, 3.0]),
    "an infinite diameter": (AXIS, [1.0, 2.0, np.inf]),
}


@pytest.mark.clauses("MORPH-9")
@pytest.mark.parametrize("case", POINTS)
def test_points(implementation, case):
    wrong = points(implementation.precision, "spine", 2, *POINTS[case])
    check_message(raises("MorphologyError", implementation.morphology, [wrong]), "spine")


@pytest.mark.clauses("MORPH-9")
def test_points_may_return(implementation):
    """Only successive points must be apart."""
    p = implementation.precision
    loop = points(p, "loop", 1, [AXIS[0], AXIS[1], AXIS[0]], [2.0, 2, 2])
    area = implementation.morphology([loop])["area"].array
    check_close(area, 40 * np.pi, 1e-4, "area of a section that returns")


@pytest.mark.clauses("MORPH-9")
def test_one_shape_and_no_other(implementation):
    p = implementation.precision
    um = {"length": number(10, "um", p), "diam": number(2, "um", p)}
    um |= {"positions": number(AXIS, "um", p), "diams": number([1, 2, 3], "um", p)}
    combinations = [(), ("length",), ("diam",), ("positions",), ("diams",), tuple(um)]
    combinations += [
        ("length", "diam", "positions"),
        ("diam", "positions", "diams"),
        ("length", "diams"),
    ]
    for names in combinations:
        section = Section("nose", 1, **{name: um[name] for name in names})
        check_message(raises("MorphologyError", implementation.morphology, [section]), "nose")


@pytest.mark.clauses("MORPH-9")
@pytest.mark.parametrize(
    "loc",
    [-0.001, 1.001, np.nan, np.inf, -np.inf, 2, -1, np.int64(2), np.float64(1.001), "0.5", ""],
)
def test_location_on_the_parent(implementation, loc):
    sections = replace_axon(implementation.precision, parent_loc=loc)
    caught = raises("MorphologyError", implementation.morphology, sections)
    check_message(caught, "axon", any_of("loc", "parent_loc", "location"))


@pytest.mark.clauses("MORPH-9")
@pytest.mark.parametrize(("length", "diam"), [(1e200, 1e200), (1e-200, 1e-200), (1e100, 1e-150)])
@pytest.mark.parametrize("unit", ["um", "m"])
def test_beyond_what_numbers_hold(implementation, length, diam, unit):
    """The numbers are fine, what they make is not."""
    huge = Section("huge", 1, Value(np.array(length), unit), Value(np.array(diam), unit))
    check_message(raises("MorphologyError", implementation.morphology, [huge]), "huge")


@pytest.mark.clauses("MORPH-10")
def test_another_scale_is_converted(implementation):
    p = implementation.precision
    changes = {"length": (1e-4, "m"), "diam": (1e-3, "mm"), "Ra": (1.0, "ohm m")}
    changes |= {"cm": (1e-2, "F m^-2")}
    scaled = replace_axon(p, **{name: number(*x, p) for name, x in changes.items()})
    for k, section in enumerate(scaled):
        if section.name == "dendrite":
            positions = number([[0, 0, 0], [0.1, 0, 0], [0.2, 0, 0]], "mm", p)
            diams = number([2000, 3000, 2000], "nm", p)
            scaled[k] = dataclasses.replace(section, positions=positions, diams=diams)
    got, unscaled = (implementation.morphology(s) for s in (scaled, three_sections(p)))
    for name, value in unscaled.items():
        tolerance = 1e-5 * np.max(value.array)
        check_close(
            got[name].array, value.array, tolerance, f"{name} of a morphology in other scales"
        )


@pytest.mark.clauses("MORPH-10")
@pytest.mark.parametrize("field", QUANTITIES)
@pytest.mark.parametrize("unit", [None, "mV", "um^2", "um um^-1"])
def test_wrong_unit(implementation, field, unit):
    p = implementation.precision
    sections = replace_axon(p, **{field: number(2.0, unit, p)})
    check_message(raises("UnitError", implementation.morphology, sections), "axon", field)


@pytest.mark.clauses("MORPH-10")
@pytest.mark.parametrize("field", ["positions", "diams"])
@pytest.mark.parametrize("unit", [None, "ms"])
def test_wrong_unit_of_points(implementation, field, unit):
    p = implementation.precision
    (good,) = (s for s in three_sections(p) if s.name == "dendrite")
    wrong = number(getattr(good, field).array, unit, p)
    sections = replace_axon(p, "dendrite", **{field: wrong})
    check_message(raises("UnitError", implementation.morphology, sections), "dendrite", field)


SITES = (
    *("nose(0.5)", "Soma(0.5)", " soma(0.5)", "(0.5)"),
    *("soma(1.001)", "soma(-0.5)", "soma(2)", "soma(nan)", "soma(inf)", "soma(1e9)"),
    *("soma", "soma()", "soma(0.5", "soma 0.5", "soma(x)", "soma(0.5)(0.5)", "soma(0.5) ", ""),
    *("soma[0]", "soma(0,5)", "soma(0x1)", "soma(0.5.5)", "soma(1_0e-2)"),
    *(0, 0.5, None, ("soma", 0.5), b"soma(0.5)"),
)


@pytest.mark.clauses("MORPH-11")
@pytest.mark.parametrize("site", SITES)
def test_no_site(implementation, site):
    raises("StateNameError", implementation.site, three_sections(implementation.precision), site)


def refusals(implementation: Any, clause: str) -> list[tuple[str, Exception, tuple[Any, ...]]]:
    """What a clause refuses: the error's name, the error, and what its message must state."""
    p = implementation.precision

    def refusal(error: str, sections: Any, *facts: Any) -> tuple:
        return error, raises(error, implementation.morphology, sections), facts

    def site(name: Any, *facts: Any) -> tuple:
        exception = raises("StateNameError", implementation.site, three_sections(p), name)
        return "StateNameError", exception, facts

    return {
        "MORPH-8": lambda: [
            refusal("MorphologyError", tree(p, ("a", None), ("bee", "sea")), "bee", "sea"),
            refusal("MorphologyError", tree(p, ("a", None), ("bee", "bee")), "bee"),
        ],
        "MORPH-9": lambda: [
            refusal("MorphologyError", replace_axon(p, nseg=-3), "axon", "nseg", -3),
            refusal(
                "MorphologyError", replace_axon(p, diam=number(-8, "um", p)), "axon", "diam", -8
            ),
            refusal("MorphologyError", replace_axon(p, parent_loc=1.5), "axon", 1.5),
        ],
        "MORPH-10": lambda: [
            refusal(
                "UnitError",
                replace_axon(p, diam=number(8, "mV", p)),
                "axon",
                "diam",
                units("mV"),
                units("um"),
            ),
        ],
        "MORPH-11": lambda: [
            site("nose(0.5)", "nose", "soma"),
            site("soma(7)", "soma", 7),
            site("soma", "soma"),
        ],
    }[clause]()


REFUSING = pytest.mark.parametrize(
    "clause",
    [pytest.param(f"MORPH-{i}", marks=pytest.mark.clauses(f"MORPH-{i}")) for i in range(8, 12)],
)


@pytest.mark.clauses("ERR-1")
@REFUSING
def test_errors_are_of_their_classes(implementation, clause):
    for name, caught, _ in refusals(implementation, clause):
        check_class(caught, name)


@pytest.mark.clauses("ERR-2")
@REFUSING
def test_messages_say_what_and_why(implementation, clause):
    for _, caught, facts in refusals(implementation, clause):
        check_message(caught, *facts)


@pytest.mark.clauses("ERR-3", "MORPH-9", "MORPH-10")
def test_unit_goes_before_range(implementation):
    p = implementation.precision
    sections = replace_axon(p, diam=number([-1.0, np.nan], "mV", p))
    raises("UnitError", implementation.morphology, sections)
