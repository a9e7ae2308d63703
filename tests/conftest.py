"""Every test starts at the precision a user starts with."""

from __future__ import annotations

import brainstate
import jax
import pytest


@pytest.fixture(autouse=True)
def single_precision():
    """An adapter sets the precision of the whole process; take that back."""
    jax.config.update("jax_enable_x64", False)
    brainstate.environ.set(precision=32)
