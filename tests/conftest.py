"""Every test starts at the precision a user starts with."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def single_precision():
    """Whatever precision an adapter has set for the process, and that again afterwards."""
    if "brainstate" not in sys.modules:  # The reference is tested without it.
        yield
        return
    import brainstate
    import jax

    precision, x64 = brainstate.environ.get_precision(), jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", False)
    brainstate.environ.set(precision=32)
    yield
    jax.config.update("jax_enable_x64", x64)
    brainstate.environ.set(precision=precision)
