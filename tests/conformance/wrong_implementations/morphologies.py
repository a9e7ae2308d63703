"""Wrong morphologies."""

from __future__ import annotations

import math

import numpy as np

import reference
from conformance.protocol.implementation import Value
from reference.cable.morphology import MEGOHM_UM_PER_OHM_CM

from .cable_bases import MorphologyAdapter, of_sections, of_tree, sections_with, trees_with
from .wrong import Wrong


class InAlphabeticalOrder(reference.Morphology):
    def __init__(self, sections):
        super().__init__(sorted(sections, key=lambda each: each.name))


class RootFirst(reference.Morphology):
    """Compartments in the order of the tree, not of the list."""

    def __init__(self, sections):
        super().__init__(reference.Morphology(sections).parents_first)


def diameter_of_the_nearest_point(self, s):
    return float(self.diams[np.argmin(np.abs(self.arc - s))])


def mean_diameter(self, s):
    return float(np.mean(self.diams))


def without_inner_points(self, section, start, end):
    return [(end - start, section.diameter(start), section.diameter(end))]


def cylinder_area(self, l, d1, d2):
    return math.pi * (d1 + d2) / 2 * l


def area_with_ends(self, l, d1, d2):
    ends = math.pi * (d1**2 + d2**2) / 4 * 1e-3
    return math.pi * (d1 + d2) / 2 * math.hypot(l, (d2 - d1) / 2) + ends


def cone_with_whole_difference(self, l, d1, d2):
    return math.pi * (d1 + d2) / 2 * math.hypot(l, d2 - d1)


def resistance_of_the_mean_diameter(self, Ra, l, d1, d2):
    return MEGOHM_UM_PER_OHM_CM * 4 * Ra * l / (math.pi * ((d1 + d2) / 2) ** 2)


def resistance_of_the_radius(self, Ra, l, d1, d2):
    return MEGOHM_UM_PER_OHM_CM * Ra * l / (math.pi * d1 * d2)


def area_of_single_precision(self, l, d1, d2):
    return float(np.float32(reference.Morphology.frustum_area(self, l, d1, d2)))


def start_at_the_end_for_0(self, section):
    parent = {other.name: k for k, other in enumerate(self.sections)}
    if section.parent is not None and section.parent_loc == 0:
        return len(self) + 1 + parent[section.parent]
    return reference.Morphology.start(self, section)


def start_at_the_nearest_end(self, section):
    parent = {other.name: k for k, other in enumerate(self.sections)}
    if section.parent is not None and 0.5 <= section.parent_loc <= 1:
        return len(self) + 1 + parent[section.parent]
    return reference.Morphology.start(self, section)


def start_in_the_middle_for_0(self, section):
    if section.parent is not None and section.parent_loc == 0:
        return self.first[section.parent]
    return reference.Morphology.start(self, section)


def half_of_the_parent_too(self, section):
    """As if each child had the parent's half resistance to itself."""
    left = self.R_left[self.first[section.name]]
    if section.parent is not None and section.parent_loc == 1:
        parent = next(other for other in self.sections if other.name == section.parent)
        return 1 / (left + self.R_right[self.compartment(parent, 1.0)])
    return 1 / left


def whole_first_compartment(self, section):
    first = self.first[section.name]
    return 1 / (self.R_left[first] + self.R_right[first])


def only_the_left_half(self, i):
    return 1 / self.R_left[i]


def right_for_left(self, i):
    return 1 / (self.R_left[i - 1] + self.R_right[i])


def without_siblings(self):
    """Only what goes to the parent; children of one junction do not see each other."""
    g = reference.Morphology.coupling(self)
    parents = {section.name: section.parent for section in self.sections}
    of = {self.first[s.name] + i: s.name for s in self.sections for i in range(s.nseg)}
    for a, b in np.argwhere(g > 0):
        if of[a] != of[b] and parents[of[a]] == parents[of[b]]:
            g[a, b] = 0
    return g


def site_rounded(self, section, loc):
    last = section.nseg - 1
    return self.first[section.name] + min(round(loc * last), last)


def site_at_the_end_is_none(self, section, loc):
    return self.first[section.name] + math.floor(loc * section.nseg)


class SitesOfSinglePrecision(MorphologyAdapter):
    def site(self, sections, site):
        if isinstance(site, str) and site.endswith(")") and "(" in site:
            name, loc = site[:-1].rsplit("(", 1)
            if loc.replace(".", "").isdigit():
                site = f"{name}({float(np.float32(loc))!r})"
        return super().site(sections, site)


class SitesOfUnknownSections(reference.Morphology):
    def site(self, site):
        known = isinstance(site, str) and site.partition("(")[0] in self.first
        return super().site(site) if known or not isinstance(site, str) else 0


class SitesOutside(reference.Morphology):
    """A location beyond the end is the end."""

    def site(self, site):
        try:
            return super().site(site)
        except reference.StateNameError:
            name, _, loc = site.partition("(") if isinstance(site, str) else ("", "", "")
            try:
                beyond = name in self.first and 1 < float(loc.removesuffix(")")) < math.inf
            except ValueError:
                beyond = False
            if not beyond:
                raise
            return self.first[name]


class NamesTwice(reference.Morphology):
    """A later section of a name is left out."""

    def __init__(self, sections):
        kept = {}
        for section in sections:
            kept.setdefault(section.name, section)
        super().__init__(list(kept.values()))


class SecondRoots(reference.Morphology):
    """A second root is connected to the first."""

    def __init__(self, sections):
        roots = [section for section in sections if section.parent is None]
        for other in roots[1:]:
            other.parent, other.parent_loc = roots[0].name, 1.0
        super().__init__(sections)


class CyclesAreCut(reference.Morphology):
    def _sort_sections(self):
        try:
            return super()._sort_sections()
        except reference.MorphologyError as error:
            if "cycle" not in str(error):
                raise
            for section in self.sections[1:]:
                section.parent, section.parent_loc = self.sections[0].name, 1.0
            self.sections[0].parent = None
            return super()._sort_sections()


class EmptyIsOne(MorphologyAdapter):
    def morphology(self, sections):
        if len(sections) == 0:
            nothing = np.zeros(0)
            units = {"area": "um^2", "R_left": "Mohm", "R_right": "Mohm"}
            empty = {name: Value(nothing, unit) for name, unit in units.items()}
            return {**empty, "coupling": Value(np.zeros((0, 0)), "uS")}
        return super().morphology(sections)


class TrueIsOne(reference.Section):
    def __init__(self, name, nseg=1, **others):
        super().__init__(name, int(nseg) if isinstance(nseg, bool) else nseg, **others)


class WholeFloats(reference.Section):
    def __init__(self, name, nseg=1, **others):
        whole = isinstance(nseg, float) and nseg.is_integer()
        super().__init__(name, int(nseg) if whole else nseg, **others)


class NegativeResistivity(reference.Section):
    """Ra may be negative."""

    def _positive(self, what, value, needed, shape=()):
        if what == "Ra":
            array = self._number(what, value, needed)
            if array.shape == shape and np.all(np.isfinite(array)) and np.all(array < 0):
                return -array
        return super()._positive(what, value, needed, shape)


class LocationsAreClipped(reference.Section):
    def __init__(self, name, nseg=1, *, parent_loc=None, **others):
        if isinstance(parent_loc, float) and not math.isnan(parent_loc):
            parent_loc = min(max(parent_loc, 0.0), 1.0)
        super().__init__(name, nseg, parent_loc=parent_loc, **others)


class BareIsMicrometre(reference.Section):
    def _number(self, what, value, needed):
        if isinstance(value, np.ndarray | float | int) and needed == "um":
            value = reference.Quantity(np.asarray(value, float), "um")
        return super()._number(what, value, needed)


class ScalesAreIgnored(reference.Section):
    def _number(self, what, value, needed):
        if isinstance(value, reference.Quantity) and what == "length":
            super()._number(what, value, needed)
            value = reference.Quantity(value.array, needed)
        return super()._number(what, value, needed)


WRONG_MORPHOLOGIES = [
    Wrong(
        "alphabetical_compartments",
        of_tree(InAlphabeticalOrder),
        ("MORPH-1", "MORPH-2", "MORPH-5", "MORPH-6", "MORPH-7", "NUM-5"),
    ),
    Wrong("compartments_in_tree_order", of_tree(RootFirst), ("MORPH-1", "MORPH", "NUM-5")),
    Wrong(
        "nearest_diameter",
        sections_with(diameter=diameter_of_the_nearest_point),
        ("MORPH-2", "MORPH-3", "MORPH-4", "MORPH-6", "NUM-5"),
    ),
    Wrong(
        "mean_diameter",
        sections_with(diameter=mean_diameter),
        ("MORPH-1", "MORPH-2", "MORPH-3", "MORPH-4", "MORPH-6", "NUM-5"),
    ),
    Wrong(
        "frusta_without_points",
        trees_with(frusta=without_inner_points),
        ("MORPH-2", "MORPH-3", "MORPH-6", "NUM-5"),
    ),
    Wrong(
        "cylinders_for_frusta",
        trees_with(frustum_area=cylinder_area),
        ("MORPH-3", "MORPH-2", "NUM-5"),
    ),
    Wrong(
        "ends_have_area",
        trees_with(frustum_area=area_with_ends),
        ("MORPH-3", "MORPH-1", "MORPH-2", "MORPH-9", "NUM-5"),
    ),
    Wrong(
        "cones_of_diameters",
        trees_with(frustum_area=cone_with_whole_difference),
        ("MORPH-3", "MORPH-2", "NUM-5"),
    ),
    Wrong(
        "resistance_of_cylinders",
        trees_with(frustum_resistance=resistance_of_the_mean_diameter),
        ("MORPH-4", "MORPH-2", "MORPH-6", "MORPH-9", "NUM-5"),
    ),
    Wrong(
        "resistance_of_radii",
        trees_with(frustum_resistance=resistance_of_the_radius),
        ("MORPH-4", "MORPH-2", "MORPH-6", "MORPH-9", "NUM-5"),
    ),
    Wrong("start_taken_as_end", trees_with(start=start_at_the_end_for_0), ("MORPH-5", "MORPH-6")),
    Wrong(
        "nearest_end_of_the_parent",
        trees_with(start=start_at_the_nearest_end),
        ("MORPH-5", "MORPH-6", "NUM-5"),
    ),
    Wrong(
        "start_taken_as_middle", trees_with(start=start_in_the_middle_for_0), ("MORPH-5", "MORPH-6")
    ),
    Wrong(
        "siblings_share_no_half",
        trees_with(first_conductance=half_of_the_parent_too),
        ("MORPH-6", "NUM-5"),
    ),
    Wrong(
        "whole_for_half",
        trees_with(first_conductance=whole_first_compartment),
        ("MORPH-6", "NUM-5"),
    ),
    Wrong(
        "half_resistance_forgotten",
        trees_with(inner_conductance=only_the_left_half),
        ("MORPH-6", "NUM-5"),
    ),
    Wrong("halves_swapped", trees_with(inner_conductance=right_for_left), ("MORPH-6", "NUM-5")),
    Wrong("siblings_uncoupled", trees_with(coupling=without_siblings), ("MORPH-6", "MORPH-5")),
    Wrong(
        "sites_rounded",
        trees_with(compartment=site_rounded),
        ("MORPH-7", "MORPH-5", "MORPH-6", "NUM-5"),
    ),
    Wrong("sites_of_single_precision", SitesOfSinglePrecision, ("MORPH-7", "MORPH-11")),
    Wrong(
        "areas_of_single_precision",
        trees_with(frustum_area=area_of_single_precision),
        ("NUM-5", "MORPH-1", "MORPH-2", "MORPH-3"),
    ),
    Wrong("names_twice", of_tree(NamesTwice), ("MORPH-8",)),
    Wrong("second_roots", of_tree(SecondRoots), ("MORPH-8",)),
    Wrong("cycles_are_cut", of_tree(CyclesAreCut), ("MORPH-8", "ERR-1", "ERR-2")),
    Wrong("empty_morphologies", EmptyIsOne, ("MORPH-8",)),
    Wrong("true_is_one_segment", of_sections(TrueIsOne), ("MORPH-9",)),
    Wrong("whole_floats_of_segments", of_sections(WholeFloats), ("MORPH-9",)),
    Wrong("negative_resistivity", of_sections(NegativeResistivity), ("MORPH-9",)),
    Wrong("locations_are_clipped", of_sections(LocationsAreClipped), ("MORPH-9", "ERR-1", "ERR-2")),
    Wrong("bare_lengths", of_sections(BareIsMicrometre), ("MORPH-10",)),
    Wrong("scales_of_lengths", of_sections(ScalesAreIgnored), ("MORPH-10",)),
    Wrong(
        "sites_of_unknown_sections",
        of_tree(SitesOfUnknownSections),
        ("MORPH-11", "MORPH-7", "ERR-1", "ERR-2"),
    ),
    Wrong("sites_outside", of_tree(SitesOutside), ("MORPH-11", "ERR-1", "ERR-2")),
]
