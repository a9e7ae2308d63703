"""Problems by number: those of one number are the same in all tests of a run.

So tests of several clauses judge one record of a problem, and `--seed` draws others for all. How
many are drawn is the profile's: the suite's `conftest.py` has it loaded before this is imported.
"""

from __future__ import annotations

import hypothesis
from hypothesis import strategies

__all__ = ["COUNT", "FEW", "SEEDS"]

if not hypothesis.settings.get_current_profile_name().startswith("conformance"):
    raise ImportError(f"{__name__} is imported before the suite's conftest.py")

COUNT = max(2, hypothesis.settings().max_examples // 5)
"""How many populations are drawn: each is many examples already, and may cost a compilation."""

SEEDS = strategies.sampled_from(range(COUNT))

FEW = hypothesis.settings(max_examples=COUNT, phases=[hypothesis.Phase.generate])
"""No number is simpler than another, so that nothing is to be gained by shrinking."""
