"""The sections of a morphology, and their checks: SPEC.md, chapter 7 (MORPH-9, MORPH-10)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import DtypeError, MorphologyError
from ..values import (
    Quantity,
    is_integer,
    is_real,
    power_between,
    split,
    times_power_of_ten,
    unit,
)

RA = Quantity(100.0, "ohm cm")
CM = Quantity(1.0, "uF cm^-2")


class Section:
    """An unbranched piece of cable: a cylinder, or points with diameters.

    Parameters
    ----------
    name : str
    nseg : int
        The number of compartments.
    length, diam : Quantity, um
        Of a cylinder.
    positions : (m, 3) Quantity, um
        Of m ≥ 2 points.
    diams : (m,) Quantity, um
        At the points.
    Ra : Quantity, ohm cm
        The axial resistivity.
    cm : Quantity, uF cm^-2
        The specific capacitance.
    parent : str, optional
        The section that this one is connected to by its start; None for the root.
    parent_loc : float, optional
        Where along the parent, from 0 to 1. The root has none.

    Attributes
    ----------
    arc : (m,) array, um
        The arc length from the start to each point; a cylinder has two.
    diams : (m,) array, um
    Ra : float, ohm cm
    cm : float, uF cm^-2

    Raises
    ------
    MorphologyError
        As MORPH-9 says.
    ValueTypeError, UnitError, DtypeError
        A quantity that is no value, of a wrong unit or without one, or of no real numbers.
    """

    def __init__(
        self,
        name: str,
        nseg: int = 1,
        *,
        length: Any = None,
        diam: Any = None,
        positions: Any = None,
        diams: Any = None,
        Ra: Any = RA,
        cm: Any = CM,
        parent: str | None = None,
        parent_loc: float | None = None,
    ):
        self.name, self.parent, self.parent_loc = name, parent, parent_loc
        if not isinstance(name, str):
            raise self.error("name", repr(name), "a text")
        if not is_integer(nseg) or nseg < 1:
            raise self.error("nseg", repr(nseg), "an integer >= 1")
        if parent is not None and not self._is_location(parent_loc):
            raise self.error("parent_loc", repr(parent_loc), "a number from 0 to 1")
        self.nseg = int(nseg)
        shape = {"length": length, "diam": diam, "positions": positions, "diams": diams}
        names = [name for name, value in shape.items() if value is not None]
        if names not in (["length", "diam"], ["positions", "diams"]):
            raise self.error("shape", f"{names}", "length and diam, or positions and diams")
        if names == ["length", "diam"]:
            L, d = self._positive("length", length, "um"), self._positive("diam", diam, "um")
            self.arc, self.diams = np.array([0.0, L]), np.array([d, d])
        else:
            self.arc, self.diams = self._points(positions, diams)
        self.Ra = float(self._positive("Ra", Ra, "ohm cm"))
        self.cm = float(self._positive("cm", cm, "uF cm^-2"))

    @property
    def length(self) -> float:
        """The length in um."""
        return float(self.arc[-1])

    def error(self, what: str, got: str, needs: str) -> MorphologyError:
        """The error that names this section and what of it is wrong (MORPH-8, MORPH-9)."""
        return MorphologyError(f"section {self.name!r}, {what}", got, needs)

    def diameter(self, s: float) -> float:
        """The diameter in um at the arc length s, linear between points (MORPH-2)."""
        j = 1
        while j < len(self.arc) - 1 and s > self.arc[j]:
            j += 1
        before, after = self.arc[j - 1], self.arc[j]
        # Two points that rounding puts at one arc length have no arc between them.
        share = (s - before) / (after - before) if after > before else 1.0
        return float(self.diams[j - 1] + share * (self.diams[j] - self.diams[j - 1]))

    def _points(self, positions: Any, diams: Any) -> tuple[np.ndarray, np.ndarray]:
        """Read the arc lengths and the diameters of the points, (m,) each."""
        points = self._number("positions", positions, "um")
        if points.ndim != 2 or points.shape[1] != 3 or len(points) < 2:
            raise self.error("positions", f"the shape {points.shape}", "the shape (m, 3), m >= 2")
        if not np.all(np.isfinite(points)):
            raise self.error("positions", f"{points[~np.isfinite(points)][0]}", "finite numbers")
        d = self._positive("diams", diams, "um", (len(points),))
        arc = [0.0]
        for i in range(1, len(points)):
            if np.array_equal(points[i], points[i - 1]):
                got = f"points {i - 1} and {i} both at {points[i].tolist()} um"
                raise self.error("positions", got, "successive points apart")
            arc.append(arc[-1] + math.dist(points[i], points[i - 1]))
        if not 0 < arc[-1] < math.inf:
            raise self.error("positions", f"a length of {arc[-1]} um", "a finite, positive length")
        return np.array(arc), d

    def _positive(
        self, what: str, value: Any, unit_name: str, shape: tuple[int, ...] = ()
    ) -> np.ndarray:
        """Read finite and positive numbers of a shape."""
        array = self._number(what, value, unit_name)
        if array.shape != shape:
            raise self.error(what, f"the shape {array.shape}", f"the shape {shape}")
        is_bad = ~(np.isfinite(array) & (array > 0))
        if np.any(is_bad):
            raise self.error(what, f"{array[is_bad][0]} {unit_name}", "finite and positive numbers")
        return array

    def _number(self, what: str, value: Any, unit_name: str) -> np.ndarray:
        """Read a value in a unit as plain float64 numbers (MORPH-10)."""
        subject = f"section {self.name!r}, {what}"
        value = np.array(value) if type(value) in (int, float) else value
        array, own_unit = split(value, subject)
        power = power_between(own_unit, unit(unit_name), subject)
        if array.dtype.kind not in "iuf":
            raise DtypeError(subject, f"the dtype {array.dtype}", "real numbers")
        return times_power_of_ten(array.astype(np.float64), power)

    @staticmethod
    def _is_location(loc: Any) -> bool:
        return is_real(loc) and 0 <= loc <= 1
