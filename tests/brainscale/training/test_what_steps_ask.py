"""What a step or an optimizer asks for beside a gradient."""

from __future__ import annotations

import brainstate
import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest
from braintools.optim import OptaxOptimizer

import brainscale
from brainscale import errors
from through_time import XS, YS, Leaky, squared

pytestmark = pytest.mark.usefixtures("compiled_fast", "double_precision")


def train(learner, step, optimizer, **options):
    options = dict(progress=False) | options
    return brainscale.fit(learner, step, lambda i: (XS, YS), 2, optimizer, **options)


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


def test_an_optimizer_that_needs_more_than_gradients_is_refused():
    model = Leaky()
    learner = brainscale.D_RTRL(model)
    before = {key: state.value for key, state in model.states(brainstate.ParamState).items()}
    with pytest.raises(errors.ValueTypeError, match=r"more than gradients .*optax\.lbfgs"):
        train(learner, lambda x, y: squared(learner(x), y, model), optax.lbfgs())
    after = model.states(brainstate.ParamState)
    assert all(after[key].value is value for key, value in before.items())
    assert learner.structure is None


def keep_values(*, asks):
    """Plain descent that keeps the losses that it is given, the last first; or nothing."""

    def update(gradients, state, params=None, *, value=jnp.nan, **_):
        steps = jax.tree.map(lambda g: -0.01 * g, gradients)
        return steps, jnp.concatenate([jnp.asarray(value)[None], state[:-1]])

    kind = optax.GradientTransformationExtraArgs if asks else optax.GradientTransformation
    return kind(lambda params: jnp.zeros(3), update)


@pytest.mark.parametrize("asks", [True, False])
def test_the_loss_is_given_to_an_optimizer_that_asks_for_it(asks):
    """That of each update: of 4 steps, and then of the 2 that are left."""
    model = Leaky()
    learner = brainscale.D_RTRL(model)
    optimizer = OptaxOptimizer(tx=keep_values(asks=asks))
    history = train(learner, lambda x, y: squared(learner(x), y, model), optimizer, every=4)
    last, first, _ = optimizer.opt_state.value
    if asks:
        assert first + last == pytest.approx(history["loss"][1] * len(XS), rel=1e-12)
        assert last != first
    else:
        assert jnp.isnan(jnp.array([first, last])).all()


@pytest.mark.parametrize(
    "kind",
    [
        optax.polyak_sgd,
        lambda: optax.chain(
            optax.adam(1e-2), optax.contrib.reduce_on_plateau(factor=0.5, patience=1)
        ),
    ],
    ids=["polyak_sgd", "reduce_on_plateau"],
)
def test_optimizers_of_optax_that_ask_for_the_loss(kind):
    model = Leaky()
    learner = brainscale.D_RTRL(model)
    history = train(learner, lambda x, y: squared(learner(x), y, model), kind())
    assert history["loss"][1] < history["loss"][0]
