"""Backward passes that are not linear in what comes back are refused, and no others.

The number of random ones is that of the environment's BRAINSCALE_PROGRAMS.
"""

from __future__ import annotations

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from random_backward import BENT, LINEAR, SHAPE, WITHIN, random_backward

from brainscale.engine.dependence.proportion import find_bend

COUNT = int(os.environ.get("BRAINSCALE_PROGRAMS", "100"))
LIKE = jax.ShapeDtypeStruct(SHAPE, jnp.float32)


def bend_of(function):
    return find_bend(jax.make_jaxpr(function)(LIKE, LIKE), [True, False])


@pytest.mark.parametrize("name", LINEAR)
def test_linear(name):
    assert bend_of(LINEAR[name]) == ""
    rng = np.random.default_rng(0)
    g, other, v = (jnp.asarray(rng.normal(size=SHAPE), jnp.float32) for _ in range(3))
    one, two, both = (LINEAR[name](x, v) for x in (g, other, g - 2 * other))
    np.testing.assert_allclose(both, one - 2 * two, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", BENT)
def test_not_linear(name):
    assert bend_of(BENT[name]) != ""


@pytest.mark.parametrize("around", WITHIN)
def test_within(around):
    assert bend_of(lambda g, v: WITHIN[around](LINEAR["box"], g, v)) == ""
    for name in ("clip", "affine", "whole"):
        assert bend_of(lambda g, v, n=name: WITHIN[around](BENT[n], g, v)) != ""


def test_random_backward_passes():
    for seed in range(COUNT):
        function, name, linear = random_backward(np.random.default_rng(seed))
        assert (bend_of(function) == "") == linear, f"seed {seed}: {name}"
