"""Random numbers by the suite's seed and a number: the same in all tests of a run."""

from __future__ import annotations

import numpy as np
from hypothesis.internal.conjecture import providers

__all__ = ["begin", "generator"]

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
