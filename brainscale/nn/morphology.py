"""Sections to compartments (SPEC.md, chapter 7).

`Section` and `Morphology` are a neutral description, checked when made, which reduces to
`Compartments`.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Mapping, Sequence

import brainunit as u
import numpy as np

from ..checks.arguments import is_integer, is_real
from ..checks.hints import QuantityLike
from ..errors import MorphologyError
from .compartments import Compartments
from .quantities import OHM_CM, UF_PER_CM2, as_number

__all__ = ["Morphology", "Section"]

_MOST_COMPARTMENTS = 2**20
"""Of a section: more would be no cell, and no machine holds what is many times as many."""


@dataclasses.dataclass(frozen=True, eq=False)
class Section:
    """An unbranched piece of cable.

    Parameters
    ----------
    name : str
    nseg : int
        Number of compartments.
    length, diam : Quantity, um
        Of a cylinder; or else
    positions, diams : Quantity, um, shapes (n, 3) and (n,)
        Of n ≥ 2 points; the diameter is linear in arc length between them.
    Ra : Quantity, ohm cm
        Axial resistivity.
    cm : Quantity, uF cm^-2
        Specific capacitance.
    parent : str, optional
        The section this one is connected to by its start; None for the root.
    parent_loc : float
        Where on the parent, from 0 (its start) to 1 (its end).

    Raises
    ------
    MorphologyError, UnitError
        MORPH-9; MORPH-10.

    Examples
    --------
    >>> soma = brainscale.nn.Section("soma", length=20 * u.um, diam=20 * u.um)
    >>> brainscale.nn.Section(
    ...     "dendrite",
    ...     nseg=5,
    ...     positions=np.array([[0, 20, 0], [0, 120, 0], [50, 200, 0]]) * u.um,
    ...     diams=np.array([2.0, 1.5, 1.0]) * u.um,
    ...     parent="soma",
    ... ).profile[0].round(1)  # The arc length at each point, um.
    array([  0. , 100. , 194.3])
    """

    name: str
    nseg: int = 1
    length: QuantityLike | None = None
    diam: QuantityLike | None = None
    positions: QuantityLike | None = None
    diams: QuantityLike | None = None
    Ra: QuantityLike = dataclasses.field(default_factory=lambda: 100.0 * OHM_CM)
    cm: QuantityLike = dataclasses.field(default_factory=lambda: 1.0 * UF_PER_CM2)
    parent: str | None = None
    parent_loc: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "_numbers", {})
        for what, name in (("name", self.name), ("parent", self.parent)):
            if not isinstance(name, str) and (what == "name" or name is not None):
                raise self.error(f"needs a {what} that is a text, got {name!r}")
        if not is_integer(self.nseg) or not 1 <= self.nseg <= _MOST_COMPARTMENTS:
            most = f", of at most {_MOST_COMPARTMENTS}"
            needs = "a positive integer" + (most if is_integer(self.nseg) else "")
            raise self.error(f"needs an nseg that is {needs}, got {self.nseg!r}")
        # Of 8 bits it could not be doubled.
        object.__setattr__(self, "nseg", int(self.nseg))
        for what, unit in (("Ra", OHM_CM), ("cm", UF_PER_CM2)):
            self._check_positive(what, unit, ())
        if self.positions is None and self.diams is None:
            for what in ("length", "diam"):
                self._check_positive(what, u.um, ())
        elif self.length is not None or self.diam is not None:
            raise self.error("is a cylinder or points, got both")
        else:
            self._check_points()
        loc = self.parent_loc
        if self.parent is not None and not (is_real(loc) and 0 <= loc <= 1):
            raise self.error(f"needs a parent_loc from 0 to 1, got {loc!r}")

    @functools.cached_property
    def profile(self) -> tuple[np.ndarray, np.ndarray]:
        """Arc length and diameter at each point, um."""
        if self.positions is None:
            length, diam = self._read_number("length", u.um), self._read_number("diam", u.um)
            return np.array([0.0, length]), np.repeat(diam, 2)
        steps = np.linalg.norm(np.diff(self._read_number("positions", u.um), axis=0), axis=1)
        return np.concatenate([[0.0], np.cumsum(steps)]), self._read_number("diams", u.um)

    def _read_number(self, what: str, unit: u.Unit) -> np.ndarray:
        """Read a quantity of this section in its unit; it is checked once."""
        numbers: dict[str, np.ndarray] = self.__dict__["_numbers"]
        if what not in numbers:
            what_of = f"{what} of section {self.name!r}"
            numbers[what] = as_number(getattr(self, what), unit, what_of)
        return numbers[what]

    def error(self, fault: str) -> MorphologyError:
        """Make the error that says this section has a fault."""
        return MorphologyError(f"section {self.name!r} {fault}", got=self.name)

    def _check_positive(self, what: str, unit: u.Unit, shape: tuple[int, ...]) -> None:
        value = getattr(self, what)
        if value is None:
            raise self.error(f"needs a {what}")
        number = self._read_number(what, unit)
        if number.shape != shape or not np.all(np.isfinite(number) & (number > 0)):
            raise self.error(f"needs a {what} of shape {shape}, finite and positive, got {value}")

    def _check_points(self) -> None:
        if self.positions is None or self.diams is None:
            raise self.error("needs both positions and diams")
        positions = self._read_number("positions", u.um)
        if positions.ndim != 2 or positions.shape[1] != 3 or len(positions) < 2:
            raise self.error(f"needs positions of shape (n, 3), n >= 2, got {positions.shape}")
        self._check_positive("diams", u.um, (len(positions),))
        if not np.all(np.isfinite(positions)):
            raise self.error("needs finite positions")
        if np.any(np.all(np.diff(positions, axis=0) == 0, axis=1)):
            raise self.error("has two successive points at one place")


class Morphology:
    """Sections connected to a tree.

    Parameters
    ----------
    *sections : Section
        In the order in which their compartments are numbered; a parent may come after its child.

    Raises
    ------
    MorphologyError
        MORPH-8.

    Examples
    --------
    >>> morphology = brainscale.nn.Morphology(
    ...     brainscale.nn.Section("soma", length=20 * u.um, diam=10 * u.um),
    ...     brainscale.nn.Section("axon", 2, length=100 * u.um, diam=1 * u.um, parent="soma"),
    ... )
    >>> len(morphology.compartments)
    3
    """

    def __init__(self, *sections: Section):
        if not sections:
            raise MorphologyError("a morphology needs a section, got none")
        for section in sections:
            if not isinstance(section, Section):
                raise MorphologyError(
                    "a morphology is made of sections, Morphology(soma, axon), each of them a "
                    f"Section, got {type(section).__name__}",
                    got=section,
                )
        self.sections: dict[str, Section] = {}
        for section in sections:
            if section.name in self.sections:
                raise section.error("is given twice")
            self.sections[section.name] = section
        self._check_tree()
        self._halves = {name: _measure_halves(section) for name, section in self.sections.items()}

    def _check_tree(self) -> None:
        for section in self.sections.values():
            if section.parent is not None and section.parent not in self.sections:
                raise section.error(f"has the unknown parent {section.parent!r}")
        rooted: set[str] = set()
        for section in self.sections.values():
            path = {section.name: None}  # A dict is a set in the order of its entries.
            parent = section.parent
            while parent is not None and parent not in rooted:
                if parent in path:
                    way = " on ".join(map(repr, [*path, parent]))
                    raise section.error(f"is in a cycle: {way}")
                path[parent] = None
                parent = self.sections[parent].parent
            rooted |= path.keys()
        roots = [section for section in self.sections.values() if section.parent is None]
        if len(roots) > 1:
            raise roots[1].error(f"is not connected to {roots[0].name!r}")

    @functools.cached_property
    def compartments(self) -> Compartments:
        """The morphology, cut (MORPH-1 to MORPH-6)."""
        ranges, first = {}, 0
        for name, section in self.sections.items():
            ranges[name] = range(first, first + section.nseg)
            first += section.nseg
        columns = zip(*self._halves.values(), strict=True)
        area, left, right = map(np.concatenate, columns)
        (root,) = (name for name, section in self.sections.items() if section.parent is None)
        junctions = (("start", root), *(("end", name) for name in self.sections))
        nodes, conductance = self._connect(ranges, left, right, junctions)
        return Compartments(
            sections=ranges,
            area=area,
            cm=np.repeat(
                [s._read_number("cm", UF_PER_CM2) for s in self.sections.values()],
                [s.nseg for s in self.sections.values()],
            ),
            R_left=left,
            R_right=right,
            nodes=nodes,
            conductance=conductance,
            junctions=junctions,
            Ra=np.repeat(
                [s._read_number("Ra", OHM_CM) for s in self.sections.values()],
                [s.nseg + 1 for s in self.sections.values()],
            ),
        )

    def _connect(
        self,
        ranges: Mapping[str, range],
        left: np.ndarray,
        right: np.ndarray,
        junctions: Sequence[tuple[str, str]],
    ) -> tuple[np.ndarray, np.ndarray]:
        """Connect the nodes: pairs of them, (m, 2), and the conductance of each, (m,), uS."""
        junction = {what: node for node, what in enumerate(junctions, start=len(left))}

        starts = self._find_starts(ranges, junction)
        nodes, resistance = [], []
        for name in self.sections:
            indices = list(ranges[name])
            chain = [starts[name], *indices, junction["end", name]]
            nodes += itertools.pairwise(chain)
            before = [0.0, *right[indices]]
            after = [*left[indices], 0.0]
            resistance += [b + a for b, a in zip(before, after, strict=True)]
        return np.array(nodes), 1 / np.array(resistance)

    def _find_starts(
        self, ranges: Mapping[str, range], junction: Mapping[tuple[str, str], int]
    ) -> dict[str, int]:
        """Find the node where each section starts."""
        starts: dict[str, int] = {}
        for section in self.sections.values():
            # All that starts at another's start starts where that does.
            path = [section.name]
            while path[-1] not in starts and section.parent is not None and section.parent_loc == 0:
                section = self.sections[section.parent]
                path.append(section.name)
            if path[-1] in starts:
                node = starts[path[-1]]
            elif section.parent is None:
                node = junction["start", section.name]
            elif section.parent_loc == 1:
                node = junction["end", section.parent]
            else:
                nseg = self.sections[section.parent].nseg
                node = ranges[section.parent][math.floor(section.parent_loc * nseg)]
            starts.update(dict.fromkeys(path, node))
        return starts


def _measure_halves(section: Section) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Measure a section's compartments: area, um², half resistances, Mohm (MORPH-2 to MORPH-4)."""
    with np.errstate(all="ignore"):
        halves = _cut_halves(section)
    if not all(np.all(np.isfinite(x) & (x > 0)) for x in halves):
        raise section.error("has compartments whose area or resistance is zero or infinite")
    return halves


def _cut_halves(section: Section) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Integrate area and axial resistance over the halves of the compartments, (nseg,) each."""
    arc, diam = section.profile
    bounds = np.linspace(0.0, arc[-1], 2 * section.nseg + 1)
    cuts = np.union1d(arc, bounds)
    d = np.interp(cuts, arc, diam)
    length, d1, d2 = np.diff(cuts), d[:-1], d[1:]
    area = np.pi * (d1 + d2) / 2 * np.hypot(length, (d2 - d1) / 2)
    # ohm cm / um = 10^4 ohm.
    resistance = 1e-2 * section._read_number("Ra", OHM_CM) * 4 * length / (np.pi * d1 * d2)
    middle = (cuts[:-1] + cuts[1:]) / 2
    half = np.searchsorted(bounds, middle) - 1
    areas = np.bincount(half, area, minlength=2 * section.nseg)
    resistances = np.bincount(half, resistance, minlength=2 * section.nseg)
    return areas[::2] + areas[1::2], resistances[::2], resistances[1::2]
