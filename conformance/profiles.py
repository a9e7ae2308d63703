"""Profiles: how much of the suite is run (SPEC.md, chapter 14)."""

from __future__ import annotations

import dataclasses

__all__ = ["PROFILES", "Profile"]


@dataclasses.dataclass(frozen=True)
class Profile:
    """How far the suite looks.

    Attributes
    ----------
    name : str
        That of the option `--profile`.
    strength : int
        Problems of chapters 9 and 10 cover all combinations of levels of this many factors.
    max_examples : int
        How many examples Hypothesis draws for each property.
    """

    name: str
    strength: int
    max_examples: int


PROFILES = {
    "smoke": Profile("smoke", 1, 1),
    "quick": Profile("quick", 2, 5),
    "full": Profile("full", 3, 25),
}
"""By name. `smoke` makes one valid call of each method; a mark `full` keeps a test for `full`."""
