"""A morphology cut into compartments: SPEC.md, chapter 7.

The unit of lengths is um, of areas um^2, of resistances Mohm, of conductances uS.

References
----------
Rall 1959, Experimental Neurology 1:491; the cut into compartments and the nodes are those of NEURON
(Hines and Carnevale 1997, Neural Computation 9:1179).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import MorphologyError, StateNameError
from .sections import Section

#: 1 ohm cm um / um^2 is 10^-2 Mohm.
MEGOHM_UM_PER_OHM_CM = 1e-2

#: "name(loc)", loc a decimal number.
SITE = re.compile(r"(.*)\(((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\)", re.DOTALL)


class Morphology:
    """Sections connected to a tree, as a network of nodes.

    The nodes are the n compartments in the order of MORPH-1; behind them the junctions: n is at the
    start of the root, n + 1 + k at the end of section k.

    Parameters
    ----------
    sections : sequence of Section

    Attributes
    ----------
    area : (n,) array, um^2
    cm : (n,) array, uF cm^-2
    R_left, R_right : (n,) array, Mohm
        The axial resistances of a compartment's two halves.
    order : (nodes,) array of int
        The nodes, each behind its parent; the first is the root's start.
    parent : (nodes,) array of int
        The node next to each on the way to the root's start, which is its own parent.
    conductance : (nodes,) array, uS
        Of each node to its parent; 0 for the root's start.

    Raises
    ------
    MorphologyError
        As MORPH-8 says.
    """

    def __init__(self, sections: Sequence[Section]):
        self.sections = tuple(sections)
        self._check_names()
        self.parents_first = self._sort_sections()
        self.first, n = {}, 0
        for section in self.sections:
            self.first[section.name] = n
            n += section.nseg
        self.area, self.R_left, self.R_right = np.zeros(n), np.zeros(n), np.zeros(n)
        self.cm = np.zeros(n)
        for section in self.sections:
            self._cut(section)
        self._connect(n)

    def __len__(self) -> int:
        """The number n of compartments."""
        return len(self.area)

    def site(self, site: Any) -> int:
        """The compartment at a site "name(loc)" (MORPH-7).

        Raises
        ------
        StateNameError
            As MORPH-11 says.
        """
        subject, match = f"site {site!r}", SITE.fullmatch(site) if isinstance(site, str) else None
        if match is None:
            raise StateNameError(subject, repr(site), "the form 'name(loc)', as in 'soma(0.5)'")
        name, loc = match[1], float(match[2])
        if name not in self.first:
            raise StateNameError(subject, f"the section {name!r}", f"one of {[*self.first]}")
        if loc > 1:
            raise StateNameError(subject, f"the location {match[2]}", "a location from 0 to 1")
        section = next(section for section in self.sections if section.name == name)
        return self.compartment(section, loc)

    def compartment(self, section: Section, loc: float) -> int:
        """The compartment of a section that has a location in it (MORPH-7)."""
        return self.first[section.name] + min(math.floor(loc * section.nseg), section.nseg - 1)

    def coupling(self) -> np.ndarray:
        """The conductances between compartments that remain without junctions, (n, n), uS.

        A junction has no area, so the currents into it add up to zero: it is taken out by joining
        each two of its neighbours a, b by g_a g_b / Σ g.
        """
        nodes, n = len(self.parent), len(self)
        g = np.zeros((nodes, nodes))
        for node in self.order[1:]:
            g[node, self.parent[node]] = g[self.parent[node], node] = self.conductance[node]
        for junction in range(n, nodes):
            neighbours, total = np.flatnonzero(g[junction]), g[junction].sum()
            for a in neighbours:
                for b in neighbours:
                    g[a, b] += 0 if a == b else g[a, junction] * g[junction, b] / total
            g[junction], g[:, junction] = 0, 0
        return g[:n, :n]

    def bounds(self, section: Section) -> list[float]:
        """The arc lengths that bound the halves of a section's compartments (MORPH-1, MORPH-2)."""
        halves = 2 * section.nseg
        return [k / halves * section.length for k in range(halves + 1)]

    def frusta(
        self, section: Section, start: float, end: float
    ) -> list[tuple[float, float, float]]:
        """Length and two diameters of each frustum of a half, from `start` to `end` (MORPH-2)."""
        inside = [s for s in section.arc if start < s < end]
        cuts = [start, *inside, end]
        d = [section.diameter(s) for s in cuts]
        return [(cuts[i + 1] - cuts[i], d[i], d[i + 1]) for i in range(len(cuts) - 1)]

    def frustum_area(self, l: float, d1: float, d2: float) -> float:
        """The lateral area, um^2 (MORPH-3)."""
        return math.pi * (d1 + d2) / 2 * math.hypot(l, (d2 - d1) / 2)

    def frustum_resistance(self, Ra: float, l: float, d1: float, d2: float) -> float:
        """The axial resistance, Mohm (MORPH-4)."""
        # Not divided by the product, which may be too small for a number.
        return MEGOHM_UM_PER_OHM_CM * 4 * Ra * l / (math.pi * d1) / d2

    def start(self, section: Section) -> int:
        """The node where a section starts (MORPH-5)."""
        n = len(self)
        names = [other.name for other in self.sections]
        while section.parent is not None:
            k, loc = names.index(section.parent), section.parent_loc
            if loc == 1:
                return n + 1 + k
            if loc > 0:
                return self.compartment(self.sections[k], float(loc))
            section = self.sections[k]
        return n

    def first_conductance(self, section: Section) -> float:
        """Of a section's first compartment to the node where it starts, uS (MORPH-6)."""
        return 1 / self.R_left[self.first[section.name]]

    def inner_conductance(self, i: int) -> float:
        """Of compartment i to the one before it in its section, uS (MORPH-6)."""
        return 1 / (self.R_right[i - 1] + self.R_left[i])

    def end_conductance(self, section: Section) -> float:
        """Of the junction at a section's end to its last compartment, uS (MORPH-6)."""
        return 1 / self.R_right[self.first[section.name] + section.nseg - 1]

    def _check_names(self) -> None:
        """Refuse an empty morphology, names given twice and unknown parents (MORPH-8)."""
        if not self.sections:
            raise MorphologyError("morphology", "no sections", "at least one")
        names = [section.name for section in self.sections]
        for k, section in enumerate(self.sections):
            if section.name in names[:k]:
                raise section.error("name", "a name given already", "a name of its own")
            if section.parent is not None and section.parent not in names:
                got = f"{section.parent!r}, which is no section"
                raise section.error("parent", got, f"one of {names}")

    def _sort_sections(self) -> list[Section]:
        """Sort the sections, each behind its parent; refuse sections of no tree (MORPH-8)."""
        roots = [section for section in self.sections if section.parent is None]
        for other in roots[1:]:
            needs = f"one, since {roots[0].name!r} has none already"
            raise other.error("parent", "no parent", needs)
        order = list(roots)
        for section in order:  # which grows meanwhile
            order += [child for child in self.sections if child.parent == section.name]
        for section in self.sections:
            if section not in order:
                raise section.error("parent", self._path(section), "a way to a root")
        return order

    def _path(self, section: Section) -> str:
        """Describe the way from a section into a cycle."""
        parents, names = {other.name: other.parent for other in self.sections}, [section.name]
        while names[-1] not in names[:-1]:
            names.append(parents[names[-1]])
        return f"a cycle: {' on '.join(map(repr, names))}"

    def _cut(self, section: Section) -> None:
        """Add up areas and resistances of a section's compartments (MORPH-3, MORPH-4)."""
        bounds = self.bounds(section)
        for i in range(section.nseg):
            row = self.first[section.name] + i
            self.cm[row] = section.cm
            for k, resistance in ((2 * i, self.R_left), (2 * i + 1, self.R_right)):
                for l, d1, d2 in self.frusta(section, bounds[k], bounds[k + 1]):
                    self.area[row] += self.frustum_area(l, d1, d2)
                    resistance[row] += self.frustum_resistance(section.Ra, l, d1, d2)
            cut = (self.area[row], self.R_left[row], self.R_right[row])
            if not all(0 < x < math.inf for x in cut):
                got = "an area of {} um^2, resistances of {} and {} Mohm".format(*cut)
                raise section.error(f"compartment {i}", got, "finite and positive numbers")

    def _connect(self, n: int) -> None:
        """Connect all nodes to a tree (MORPH-5, MORPH-6)."""
        nodes = n + 1 + len(self.sections)
        self.parent, self.conductance = np.full(nodes, n), np.zeros(nodes)
        order = [n]
        for section in self.parents_first:
            first = self.first[section.name]
            last, end = first + section.nseg - 1, n + 1 + self.sections.index(section)
            self.parent[first] = self.start(section)
            self.conductance[first] = self.first_conductance(section)
            for i in range(first + 1, last + 1):
                self.parent[i], self.conductance[i] = i - 1, self.inner_conductance(i)
            self.parent[end], self.conductance[end] = last, self.end_conductance(section)
            order += [*range(first, last + 1), end]
        self.order = np.array(order)
