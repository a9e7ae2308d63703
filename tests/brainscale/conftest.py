"""What tests of the package share: each file names in `pytestmark` what all of its tests need."""

from __future__ import annotations

import brainstate
import brainunit as u
import jax
import pytest


@pytest.fixture
def double_precision(single_precision):
    """Numbers of 64 bits, in all threads; `single_precision` takes the setting back."""
    jax.config.update("jax_enable_x64", True)
    brainstate.environ.set(precision=64)


@pytest.fixture
def step_length():
    """Steps of a millisecond."""
    with brainstate.environ.context(dt=1.0 * u.ms):
        yield
