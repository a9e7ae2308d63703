"""Derivatives by what stands around a step, and of what it leaves: right, or an error."""

from __future__ import annotations

import brainstate
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale import errors
from through_time import (
    WAYS,
    XS,
    YS,
    B,
    Leaky,
    N,
    T,
    assert_same,
    compiled,
    gradient_by_chunks,
    gradient_by_steps,
    gradient_through_time,
    squared,
)

pytestmark = pytest.mark.usefixtures("double_precision")

EXACT = ["D_RTRL", "RTRL"]


class Scaled(Leaky):
    """What a loss makes of `scale` multiplies the output, by one of several ways."""

    def __init__(self):
        super().__init__()
        self.scale = brainstate.ParamState(jnp.array(0.7))
        self.kept = brainstate.ShortTermState(jnp.ones(()))
        self.frozen = brainscale.FakeETraceParam(jnp.eye(N), brainscale.MatMulOp())
        self.gain = 1.0

    def update(self, x):
        out = super().update(x) * self.gain * self.kept.value
        return self.frozen.execute(out) * brainstate.environ.get("gain", 1.0)


def by_attribute(model, gain):
    model.gain = gain


def by_state(model, gain):
    model.kept.value = gain


def by_frozen_weight(model, gain):
    model.frozen.value = gain * jnp.eye(N)


def by_environment(model, gain):
    return brainstate.environ.context(gain=gain)


@pytest.mark.parametrize("rule", EXACT)
@pytest.mark.parametrize("put", [by_attribute, by_state, by_frozen_weight, by_environment])
def test_what_a_loss_puts_around_a_step(put, rule):
    def loss_of(step, x, y, model):
        around = put(model, jnp.cos(model.scale.value))
        if around is None:
            return squared(step(x), y, model)
        with around:
            return squared(step(x), y, model)

    model = Scaled()
    brainstate.nn.init_all_states(model, batch_size=B)
    params = model.states(brainstate.ParamState)
    grad = brainstate.transform.grad
    wanted = grad(lambda: sum(loss_of(model, XS[t], YS[t], model) for t in range(T)), params)()
    model = Scaled()
    learner = compiled(model, rule)
    params = model.states(brainstate.ParamState)
    found = [grad(lambda t=t: loss_of(learner, XS[t], YS[t], model), params)() for t in range(T)]
    assert_same(jax.tree.map(lambda *leaves: sum(leaves), *found), wanted)


class Rated(Leaky):
    """A running rate, in a state that is not hidden."""

    kind = brainstate.ShortTermState

    def init_state(self, batch_size=None, **kwargs):
        super().init_state(batch_size)
        self.rate = self.kind(jnp.zeros((batch_size, N)))

    def heard(self):
        return self.h.value

    def update(self, x):
        out = super().update(x)
        self.rate.value = 0.9 * self.rate.value + 0.1 * self.heard()
        return out


class HiddenRate(Rated):
    kind = brainstate.HiddenState


class StoppedRate(Rated):
    def heard(self):
        return jax.lax.stop_gradient(self.h.value)


def of_rate(out, y, model):
    return squared(out, y, model) + (model.rate.value**2).sum()


@pytest.mark.parametrize("way", WAYS)
def test_a_state_that_remembers_and_is_read(way):
    with pytest.raises(errors.HiddenPathError, match="rate carries a derivative"):
        WAYS[way](compiled(Rated()), of_rate)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("kind", "rule", "loss"),
    [
        (Rated, "RTRL", of_rate),
        (Rated, "D_RTRL", squared),
        (HiddenRate, "D_RTRL", of_rate),
        (StoppedRate, "D_RTRL", of_rate),
    ],
)
def test_a_state_that_remembers(kind, rule, loss, way):
    assert_same(WAYS[way](compiled(kind(), rule), loss), gradient_through_time(kind(), loss))


@pytest.mark.parametrize("loss", [squared, of_rate])
def test_in_a_loop_it_is_not_a_number(loss):
    learner = compiled(Rated())

    def total():
        step = lambda x, y: loss(learner(x), y, learner.model)  # noqa: E731
        return brainstate.transform.for_loop(step, XS, YS).sum()

    gradient = brainstate.transform.grad(total, learner.model.w)()
    if loss is of_rate:
        assert np.isnan(gradient).all()
    else:
        wanted = gradient_through_time(Rated(), loss)[("w",)]
        np.testing.assert_allclose(gradient, wanted, rtol=1e-9)


class Begun(Leaky):
    """The first state is learned."""

    def __init__(self):
        super().__init__()
        self.h0 = brainstate.ParamState(jnp.full((N,), 0.3))

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(jnp.broadcast_to(self.h0.value, (batch_size, N)))


def write_and_reset(learner):
    learner.model.h.value = jnp.broadcast_to(learner.model.h0.value, (B, N))
    learner.reset_traces()


@pytest.mark.parametrize("rule", EXACT)
@pytest.mark.parametrize("begin", [lambda learner: learner.reset_state(B), write_and_reset])
@pytest.mark.parametrize("is_in_loop", [False, True])
def test_a_learned_first_state_is_refused(begin, rule, is_in_loop):
    learner = compiled(Begun(), rule)

    def total():
        begin(learner)
        step = lambda x, y: squared(learner(x), y, learner.model)  # noqa: E731
        if is_in_loop:
            return brainstate.transform.for_loop(step, XS, YS).sum()
        return step(XS[0], YS[0])

    with pytest.raises(errors.HiddenPathError, match="h holds before the first step"):
        brainstate.transform.grad(total, learner.param_states)()


@pytest.mark.parametrize("rule", EXACT)
def test_a_gradient_by_a_hidden_state_is_refused(rule):
    learner = compiled(Leaky(), rule)
    loss = lambda: squared(learner(XS[0]), YS[0], learner.model)  # noqa: E731
    with pytest.raises(errors.HiddenPathError, match="h holds before the first step"):
        brainstate.transform.grad(loss, {"h": learner.model.h})()


@jax.custom_vjp
def clip_gradient(x):
    return x


clip_gradient.defvjp(lambda x: (x, None), lambda _, ct: (jnp.clip(ct, -0.1, 0.1),))


class ClippedReadout(Leaky):
    """What comes back to the readout's weight is clipped, step by step."""

    def update(self, x):
        self.advance(x)
        return self.h.value @ clip_gradient(self.r.value)


@pytest.mark.parametrize("chunk", [1, 4, 6])
def test_a_clipped_plain_weight_is_clipped_step_by_step(chunk):
    wanted = gradient_through_time(ClippedReadout())
    assert_same(gradient_by_chunks(compiled(ClippedReadout()), chunk=chunk), wanted)
    assert_same(gradient_by_steps(compiled(ClippedReadout())), wanted)


class ClippedInTraining(Leaky):
    def advance(self, x):
        super().advance(x)
        if brainstate.environ.get("fit", False):
            self.h.value = clip_gradient(self.h.value)


@pytest.mark.parametrize("way", WAYS)
def test_what_clips_in_training_alone_is_refused(way):
    learner = compiled(ClippedInTraining())
    refused = pytest.raises(errors.OperationError, match="no linear function")
    with brainstate.environ.context(fit=True), refused:
        WAYS[way](learner)


def test_what_clips_in_step_fn_is_refused():
    learner = compiled(Leaky())

    def step(x, y):
        out = learner(x)
        learner.model.h.value = clip_gradient(learner.model.h.value)
        return squared(out, y, learner.model)

    with pytest.raises(errors.OperationError, match="no linear function"):
        learner.etrace_grad(XS, YS, step)
