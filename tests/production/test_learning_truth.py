"""Gradients against the truth of `truth.py`, for models of every make (LEARN-1, LEARN-2)."""

from __future__ import annotations

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from odd_layers import LAYERS
from odd_models import MODELS, K
from truth import difference, learned, stepwise, truth

import brainscale

T, BATCH = 6, 2


@pytest.fixture(autouse=True)
def double_precision(single_precision):
    with jax.enable_x64(True), brainstate.environ.context(precision=64, dt=1.0 * u.ms):
        yield


def squared(out, y, model):
    return ((out - y[..., : out.shape[-1]]) ** 2).sum()


def sequences():
    rng = np.random.default_rng(5)
    return jnp.asarray(rng.normal(size=(T, BATCH, K))), jnp.asarray(rng.normal(size=(T, BATCH, 9)))


@pytest.mark.parametrize("kind", [*MODELS, *LAYERS], ids=lambda kind: kind.__name__)
def test_gradient_is_the_truth(kind):
    model, (xs, ys) = kind(), sequences()
    wanted = truth(model, model.new(), xs, ys, squared, BATCH)
    learner = brainscale.D_RTRL(model)
    got = learned(learner, xs, ys, squared, BATCH, 4)
    assert difference(got, wanted) < 1e-10
    if kind in MODELS:
        got = learned(learner, xs, ys, squared, BATCH, 1)
        assert difference(got, wanted) < 1e-10
        assert difference(stepwise(learner, xs, ys, squared, BATCH), wanted) < 1e-10
