"""What is drawn, by number: problems of one number are the same in all tests of a run.

So tests of several clauses judge one record of a problem, and `--seed` draws others for all.
"""

from __future__ import annotations

import hypothesis
import numpy as np
from hypothesis import strategies
from hypothesis.internal.conjecture import providers

__all__ = ["COUNT", "FEW", "SEEDS", "begin", "generator"]

COUNT = max(2, hypothesis.settings().max_examples // 5)
"""How many populations are drawn: each is many examples already, and may cost a compilation."""

SEEDS = strategies.sampled_from(range(COUNT))

FEW = hypothesis.settings(max_examples=COUNT, phases=[hypothesis.Phase.generate])
"""No number is simpler than another, so that nothing is to be gained by shrinking."""

_session = {"seed": 0}


def begin(seed: int) -> None:
    """Draw other problems from here on, by the seed alone."""
    _session["seed"] = seed
    # Hypothesis also draws the numbers that stand in the modules that are loaded, an adapter's
    # among them, and has no setting against it: one seed would be another for each adapter.
    providers._get_local_constants = providers.Constants
    providers.CONSTANTS_CACHE.cache.clear()


def generator(*numbers: int) -> np.random.Generator:
    """The random numbers of the problem of these numbers."""
    return np.random.default_rng((_session["seed"], *numbers))
