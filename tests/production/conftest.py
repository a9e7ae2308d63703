"""What tests of the production package share."""

from __future__ import annotations

import jax
import pytest


@pytest.fixture
def compiled_fast():
    """XLA without most of its optimizations, for tests of what is computed and not of how.

    Most of the time of these is spent in compiling programs that run once.
    """
    before = jax.config.values["jax_disable_most_optimizations"]
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)
