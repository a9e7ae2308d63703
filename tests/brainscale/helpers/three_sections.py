"""A soma, an axon, and a dendrite given by points."""

from __future__ import annotations

import brainunit as u
import numpy as np

from brainscale.nn import Morphology, Section


def three_sections():
    return Morphology(
        Section("soma", length=20 * u.um, diam=10 * u.um),
        Section("axon", 2, length=100 * u.um, diam=1 * u.um, parent="soma"),
        Section(
            "dendrite",
            3,
            positions=np.array([[0.0, 0, 0], [100, 0, 0], [200, 0, 0]]) * u.um,
            diams=np.array([2.0, 3, 2]) * u.um,
            parent="soma",
        ),
    )
