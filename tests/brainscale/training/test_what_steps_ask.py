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
from through_time import XS, YS, B, Leaky, squared

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


def test_an_optimizer_is_given_the_loss_of_its_gradients():
    model = Leaky()
    learner = brainscale.compile(model, "D_RTRL", XS[0], batch_size=B)
    weights = {key: state.value for key, state in learner.param_states.items()}
    gradients, losses = learner.etrace_grad(
        XS, YS, lambda x, y: squared(learner(x), y, model), return_value=True
    )
    optimizer = optax.chain(optax.scale_by_polyak(max_learning_rate=1.0), optax.scale(-1.0))
    updates, _ = optimizer.update(gradients, optimizer.init(weights), weights, value=losses.sum())
    brainscale.fit(
        learner,
        lambda x, y: squared(learner(x), y, model),
        lambda i: (XS, YS),
        1,
        optimizer,
        progress=False,
    )
    for key, state in learner.param_states.items():
        np.testing.assert_allclose(state.value, weights[key] + updates[key], rtol=1e-12)


def test_an_optimizer_that_takes_no_loss_is_given_none():
    model = Leaky()
    learner = brainscale.D_RTRL(model)
    before = model.w.value
    optimizer = optax.contrib.sam(optax.sgd(0.1), optax.sgd(0.1))
    train(learner, lambda x, y: squared(learner(x), y, model), optimizer)
    assert jnp.abs(model.w.value - before).max() > 0


def find_what_is_not_there(updates, state, params=None, **more):
    return more["value_fn"](params), state


@pytest.mark.parametrize(
    "kind",
    [
        optax.lbfgs,
        lambda: optax.GradientTransformationExtraArgs(lambda params: (), find_what_is_not_there),
    ],
    ids=["lbfgs", "of one's own"],
)
def test_an_optimizer_that_needs_more_than_a_loss_is_refused(kind):
    model = Leaky()
    learner = brainscale.D_RTRL(model)
    before = {key: state.value for key, state in model.states(brainstate.ParamState).items()}
    with pytest.raises(errors.ValueTypeError, match="gradients and their loss"):
        train(learner, lambda x, y: squared(learner(x), y, model), kind())
    after = model.states(brainstate.ParamState)
    assert all(after[key].value is value for key, value in before.items())
    assert learner.structure is None


def keep_losses(gradients, state, params=None, *, value, **_):
    """Plain descent that keeps the losses that it is given, the last first."""
    return jax.tree.map(lambda g: -0.01 * g, gradients), jnp.array([value, state[0]])


def test_the_loss_that_is_given_is_that_of_each_update():
    """Of 4 steps, and then of the 2 that are left."""
    model = Leaky()
    learner = brainscale.D_RTRL(model)
    tx = optax.GradientTransformationExtraArgs(lambda params: jnp.zeros(2), keep_losses)
    optimizer = OptaxOptimizer(tx=tx)
    history = train(learner, lambda x, y: squared(learner(x), y, model), optimizer, every=4)
    last, first = optimizer.opt_state.value
    assert first + last == pytest.approx(history["loss"][1] * len(XS), rel=1e-12)
    assert last != first


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
