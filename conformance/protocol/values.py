"""Values and sections of cells, described neutrally (SPEC.md, chapters 1 and 7)."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Value:
    """An array and the name of its unit (SPEC.md, chapter 1); None: bare."""

    array: np.ndarray
    unit: str | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Section:
    """A section of a morphology (SPEC.md, chapter 7). Fields hold anything where input is bad.

    The shape is `length` and `diam`, or `positions` (m, 3) and `diams` (m,). A section with a
    `parent` is connected to it at `parent_loc`.
    """

    name: Any
    nseg: Any
    length: Any = None
    diam: Any = None
    positions: Any = None
    diams: Any = None
    Ra: Any = Value(np.array(100.0), "ohm cm")
    cm: Any = Value(np.array(1.0), "uF cm^-2")
    parent: Any = None
    parent_loc: Any = None
