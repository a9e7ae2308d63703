"""What a step or an optimizer asks for beside a gradient."""

from __future__ import annotations

import brainstate
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import brainscale
from brainscale import errors
from through_time import XS, YS, Leaky, squared

pytestmark = pytest.mark.usefixtures("compiled_fast", "double_precision")


def train(learner, step, optimizer):
    return brainscale.fit(learner, step, lambda i: (XS, YS), 2, optimizer, progress=False)


def test_a_reward_is_learned_from_by_what_is_not_compiled_yet():
    model = Leaky()
    learner = brainscale.ThreeFactor(model, 0.5, lambda model, out: model.h.value)

    def step(x, reward):
        learner(x)
        return learner.modulated(reward[:, 0])

    before = model.w.value
    history = train(learner, step, optax.sgd(0.1))
    assert np.abs(history["loss"]).min() > 0
    assert jnp.abs(model.w.value - before).max() > 0


@pytest.mark.parametrize("kind", [optax.lbfgs, optax.polyak_sgd])
def test_an_optimizer_that_needs_more_than_gradients_is_refused(kind):
    model = Leaky()
    learner = brainscale.D_RTRL(model)
    before = {key: state.value for key, state in model.states(brainstate.ParamState).items()}
    with pytest.raises(errors.ValueTypeError, match="more than gradients"):
        train(learner, lambda x, y: squared(learner(x), y, model), kind())
    after = model.states(brainstate.ParamState)
    assert all(after[key].value is value for key, value in before.items())
    assert learner.structure is None
