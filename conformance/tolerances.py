"""The tolerances of SPEC.md, chapter 11, by an implementation's precision or resolution.

Every test takes its tolerance from here. `tolerances_of` gives those of an implementation; while a
test runs, `tolerances_in_test` gives those of the implementation that it judges.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = [
    "BEHIND_A_PIPE",
    "EPSILON",
    "RESOLUTIONS",
    "Tolerances",
    "judging",
    "measure",
    "tolerances_at",
    "tolerances_in_test",
    "tolerances_of",
]

EPSILON = {32: 2.0**-24, 64: 2.0**-53}
"""By precision."""

NETWORK = {32: 1e-5, 64: 1e-10}
"""By precision: of the largest entry of an array (NUM-8)."""

RESOLUTIONS = {2.0**-k for k in range(12, 21)}
"""The resolutions that an implementation may state (NUM-9)."""


@dataclasses.dataclass(frozen=True)
class Tolerances:
    """The tolerances of chapter 11.

    Attributes
    ----------
    epsilon : float
        That of NUM-1 to NUM-7.
    network : float
        Of the largest absolute entry of an array (NUM-8).
    margin : float
        No comparison of a network that is judged is nearer to equality, in scales (NUM-8).
    resolution : float
        Of the largest absolute entry of an array, by how much entries may be rounded (NUM-9); or 0.
    """

    epsilon: float
    network: float
    margin: float = 1e-4
    resolution: float = 0.0

    def steps(self, T: int) -> int:
        """Give for how many of T steps errors add up: at a resolution, for sixteen at most."""
        return min(T, 16) if self.resolution else T

    def length(self, dt: float) -> float:
        """Give the length of a step, in ms: at a resolution, which rounds slow rates away, 64."""
        return min(dt, 64.0) if self.resolution else dt

    def widen(self, tolerance: np.ndarray, expected: np.ndarray) -> np.ndarray:
        """Make the tolerance of each entry that of its array, where a resolution is stated."""
        if not self.resolution:
            return tolerance
        widest = tolerance[np.isfinite(tolerance)].max(initial=self.round_off(expected))
        return np.maximum(tolerance, widest)

    def round_off(self, expected: np.ndarray) -> float:
        """Give by how much the entries of an array may be rounded; by nothing at a precision."""
        largest = np.abs(expected[np.isfinite(expected)]).max(initial=0.0)
        return 2 * self.resolution * float(largest)


def tolerances_of(implementation: Any) -> Tolerances:
    """Give the tolerances of an implementation: of its resolution if it states one."""
    return tolerances_at(implementation.precision, getattr(implementation, "resolution", None))


def tolerances_at(precision: int, resolution: float | None = None) -> Tolerances:
    """Give the tolerances at a precision, or at a resolution where one is stated."""
    if resolution is None:
        return Tolerances(EPSILON[precision], NETWORK[precision])
    network = 64 * resolution
    return Tolerances(resolution / 8, network, max(1e-4, network), resolution)


_JUDGED: contextvars.ContextVar[Any] = contextvars.ContextVar("judged", default=None)


@contextlib.contextmanager
def judging(implementation: Any) -> Iterator[None]:
    """Judge an implementation within a block."""
    token = _JUDGED.set(implementation)
    try:
        yield
    finally:
        _JUDGED.reset(token)


def tolerances_in_test(precision: int) -> Tolerances:
    """Give the tolerances of the implementation that is judged just now.

    Parameters
    ----------
    precision : int
        Whose tolerances are given where none is judged, or one without a resolution.
    """
    if getattr(_JUDGED.get(), "resolution", None) is None:
        return tolerances_at(precision)
    return tolerances_of(_JUDGED.get())


BEHIND_A_PIPE = {"STATE-10", "UNIT-6", "UNIT-7"}
"""The clauses of memory, which does not cross a pipe: who shares it, in which order numbers lie in
it, and whether an array without axes is a NumPy scalar."""


def unresolved(implementation: Any) -> set[str]:
    """Give the clauses that are not applicable to it, whatever it claims.

    Those of long runs at a resolution (NUM-9), and those of memory behind a pipe.
    """
    clauses = set() if getattr(implementation, "resolution", None) is None else {"GIF-12"}
    return clauses | (BEHIND_A_PIPE if getattr(implementation, "is_behind_pipe", False) else set())


def measure(implementation: Any) -> str:
    """Name what an implementation is judged at: "32 bits", or "the resolution 2^-15"."""
    resolution = getattr(implementation, "resolution", None)
    if resolution is None:
        return f"{implementation.precision} bits"
    return f"the resolution 2^{math.log2(resolution):g}"
