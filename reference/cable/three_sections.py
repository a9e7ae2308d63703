"""The three-section cell of CABLE-8."""

from __future__ import annotations

import numpy as np

from ..values import Quantity
from .morphology import Morphology
from .sections import Section

#: Lengths in um.
THREE_SECTIONS = {
    "soma length": np.float64(20.0),
    "soma diam": np.float64(10.0),
    "axon length": np.float64(100.0),
    "axon diam": np.float64(1.0),
    "positions": np.array([[0.0, 0.0, 0.0], [100.0, 0.0, 0.0], [200.0, 0.0, 0.0]]),
    "diams": np.array([2.0, 3.0, 2.0]),
}


def three_section_cell() -> Morphology:
    """The cell of CABLE-8."""
    um = {name: Quantity(array, "um") for name, array in THREE_SECTIONS.items()}
    where = {"parent": "soma", "parent_loc": 1.0}
    return Morphology(
        [
            Section("soma", 1, length=um["soma length"], diam=um["soma diam"]),
            Section("axon", 2, length=um["axon length"], diam=um["axon diam"], **where),
            Section("dendrite", 3, positions=um["positions"], diams=um["diams"], **where),
        ]
    )
