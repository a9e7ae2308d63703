"""Wrong morphologies and cables that are right for few points, branches, cells and compartments."""

from __future__ import annotations

import numpy as np

import reference
from conformance.protocol.implementation import Value
from reference.errors import MorphologyError

from .cable_bases import CableAdapter, of_sections, of_tree, trees_with
from .wrong import Wrong

REFUSED = ("something unvaried", "something", "something else")


class FirstTenPoints(reference.Section):
    """Of ten points, or fewer."""

    def _points(self, positions, diams):
        array = getattr(positions, "array", None)
        if np.ndim(array) == 2 and len(array) > 10 and np.shape(diams.array) == (len(array),):
            positions = reference.Quantity(array[:10], positions.unit)
            diams = reference.Quantity(diams.array[:10], diams.unit)
        return super()._points(positions, diams)


class PointsOfFortran(reference.Section):
    """Positions as they lie in memory."""

    def _number(self, what, value, needed):
        if what == "positions" and isinstance(value, reference.Quantity) and value.array.flags.fnc:
            array = value.array.ravel("K").reshape(value.array.shape)
            value = reference.Quantity(array, value.unit)
        return super()._number(what, value, needed)


class BytesOfPoints(reference.Section):
    """Positions in another order of bytes are read as if they were in the machine's own."""

    def _number(self, what, value, needed):
        foreign = isinstance(value, reference.Quantity) and not value.array.dtype.isnative
        if what == "positions" and foreign:
            value = reference.Quantity(value.array[::-1], value.unit)
        return super()._number(what, value, needed)


class NsegOfEightBits(reference.Section):
    """The number of halves is counted in the integer's own type."""

    def __init__(self, name, nseg=1, **fields):
        if isinstance(nseg, np.integer) and 2 * int(nseg) > np.iinfo(type(nseg)).max:
            nseg = max(1, (2 * int(nseg)) % (np.iinfo(type(nseg)).max + 1) // 2)
        super().__init__(name, nseg, **fields)


class LocationsAsText(reference.Section):
    def __init__(self, *arguments, parent_loc=None, **fields):
        if isinstance(parent_loc, str) and parent_loc:
            parent_loc = float(parent_loc)
        super().__init__(*arguments, parent_loc=parent_loc, **fields)


class NoNumpyLocations(reference.Section):
    def __init__(self, *arguments, parent_loc=None, **fields):
        if isinstance(parent_loc, np.integer | np.float32):
            raise MorphologyError(*REFUSED)
        super().__init__(*arguments, parent_loc=parent_loc, **fields)


def whole_locations_are_the_start(self, section):
    if section.parent is not None and isinstance(section.parent_loc, int):
        parent = next(other for other in self.sections if other.name == section.parent)
        return self.start(parent)
    return reference.Morphology.start(self, section)


def five_at_a_junction(self, section):
    """The sixth child, and those behind it, hang on the last compartment of the parent."""
    alike = [
        other
        for other in self.sections
        if (other.parent, other.parent_loc) == (section.parent, section.parent_loc)
    ]
    if section.parent is not None and section.parent_loc == 1 and alike.index(section) >= 5:
        parent = next(other for other in self.sections if other.name == section.parent)
        return self.compartment(parent, 1.0)
    return reference.Morphology.start(self, section)


class ManyInAlphabeticalOrder(reference.Morphology):
    """More than ten sections are sorted by name."""

    def __init__(self, sections):
        many = len(sections) > 10
        super().__init__(sorted(sections, key=lambda each: each.name) if many else sections)


class Runs(CableAdapter):
    """Runs that are wrong, of cables that step as they should."""

    def cable_run(self, size, sections, parameters, V, currents, dt):
        arguments = {"V": V, "currents": currents, "dt": dt, "size": size}
        arguments |= self.changed(**arguments)
        size = arguments.pop("size")
        return super().cable_run(size, sections, parameters, **arguments)


class RunsStartAlike(Runs):
    def changed(self, V, size, **others):
        batch = V.array.ndim - 1 - len(size)
        first = V.array[:1] if batch else V.array
        return {"V": Value(np.broadcast_to(first, V.array.shape), V.unit)}


class RunsOfSquares(Runs):
    """The axes of a square population are exchanged."""

    def changed(self, V, size, **others):
        square = len(size) == 2 and size[0] == size[1]
        return {"V": Value(np.swapaxes(V.array, -2, -3), V.unit)} if square else {}


class RunsInNanoampere(Runs):
    def changed(self, currents, **others):
        return {"currents": Value(currents.array, "nA")}


class RunsInMilliseconds(Runs):
    def changed(self, dt, **others):
        return {"dt": Value(dt.array, "ms")}


class RunsFromMemory(Runs):
    """Currents as they lie in memory."""

    def changed(self, currents, **others):
        array = currents.array
        array = array.ravel("K").reshape(array.shape) if array.flags.fnc else array
        return {"currents": Value(array, currents.unit)}


class RunsOfBytes(Runs):
    def changed(self, currents, **others):
        array = currents.array
        return {} if array.dtype.isnative else {"currents": Value(array * 0, currents.unit)}


class RunsFromTheLeft(Runs):
    """Currents of fewer axes are broadcast along the first ones, where they fit."""

    def changed(self, V, currents, **others):
        array, shape = currents.array, V.array.shape
        if 0 < array.ndim - 1 < len(shape) and array.shape[1:] == shape[: array.ndim - 1]:
            array = array.reshape(array.shape + (1,) * (len(shape) + 1 - array.ndim))
        return {"currents": Value(array, currents.unit)}


class AThousandAtMost(CableAdapter):
    """Cells behind the first 1024 stay as they are."""

    def cable_step(self, size, sections, parameters, V, current, dt):
        step = super().cable_step(size, sections, parameters, V, current, dt)
        flat, before = step.array.reshape(-1, step.array.shape[-1]).copy(), V.array
        flat[1024:] = before.reshape(flat.shape)[1024:]
        return Value(flat.reshape(step.array.shape), step.unit)


class ManyCompartmentsAlone(CableAdapter):
    """Of more than 64 compartments, the derivative is that of each by itself."""

    def cable_jacobian(self, sections, parameters, dt):
        jacobian = super().cable_jacobian(sections, parameters, dt)
        n = len(jacobian["state"])
        return {name: x * np.eye(n) if n > 64 else x for name, x in jacobian.items()}


class DefaultsOfAllOrNone(CableAdapter):
    """Where a leak conductance is given, the potential is that of the start."""

    def cable(self, size, sections, parameters):
        if "g" in parameters and "E" not in parameters:
            parameters = {**parameters, "E": Value(np.array(-65.0), "mV")}
        return super().cable(size, sections, parameters)


class ReversalFromTheLeft(CableAdapter):
    """E is given for neurons first, where that fits."""

    def cable(self, size, sections, parameters):
        E = parameters.get("E")
        if E is not None and len(size) == 2 and np.shape(E.array) == size[:1]:
            parameters = {**parameters, "E": Value(E.array[:, None, None], E.unit)}
        return super().cable(size, sections, parameters)


WRONG_UNVARIED_CABLES = [
    Wrong("ten_points", of_sections(FirstTenPoints), ("MORPH-2", "MORPH", "NUM-5")),
    Wrong("points_of_fortran", of_sections(PointsOfFortran), ("MORPH-2", "MORPH", "NUM-5")),
    Wrong("points_of_big_endian", of_sections(BytesOfPoints), ("MORPH-2", "MORPH", "NUM-5")),
    Wrong("nseg_of_eight_bits", of_sections(NsegOfEightBits), ("MORPH-9", "MORPH-2")),
    Wrong("locations_as_text", of_sections(LocationsAsText), ("MORPH-9",)),
    Wrong("no_numpy_locations", of_sections(NoNumpyLocations), ("MORPH-5", "MORPH", "NUM-5")),
    Wrong(
        "whole_locations_are_the_start",
        trees_with(start=whole_locations_are_the_start),
        ("MORPH-5", "MORPH-6", "NUM-5"),
    ),
    Wrong(
        "five_at_a_junction",
        trees_with(start=five_at_a_junction),
        ("MORPH-6", "MORPH-5", "NUM-5"),
    ),
    Wrong("many_in_order", of_tree(ManyInAlphabeticalOrder), ("MORPH-1", "MORPH", "NUM-5")),
    Wrong("cable_runs_start_alike", RunsStartAlike, ("CABLE-2", "CABLE", "NUM-6")),
    Wrong("cable_runs_of_squares", RunsOfSquares, ("CABLE-2", "CABLE-5")),
    Wrong("cable_runs_in_nanoampere", RunsInNanoampere, ("CABLE-10",)),
    Wrong("cable_runs_in_milliseconds", RunsInMilliseconds, ("CABLE-10",)),
    Wrong("cable_runs_from_memory", RunsFromMemory, ("CABLE-2",)),
    Wrong("cable_runs_of_bytes", RunsOfBytes, ("CABLE-2",)),
    Wrong("cable_runs_from_the_left", RunsFromTheLeft, ("CABLE-5",)),
    Wrong("a_thousand_cells", AThousandAtMost, ("CABLE-2", "NUM-6")),
    Wrong("many_compartments_alone", ManyCompartmentsAlone, ("CABLE-9",)),
    Wrong("leak_of_all_or_none", DefaultsOfAllOrNone, ("CABLE-8",)),
    Wrong("reversal_from_the_left", ReversalFromTheLeft, ("CABLE-6", "CABLE")),
]
"""The first clause is the one that is broken; the others fail with it."""
