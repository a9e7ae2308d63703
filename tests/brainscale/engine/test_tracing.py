"""A model's own code runs once for each program that a learner makes of it, which is marked."""

from __future__ import annotations

import brainstate
import jax.numpy as jnp
import numpy as np
import pytest
from jax.ad_checkpoint import checkpoint_name

import brainscale

T, BATCH, K, N = 5, 4, 3, 2

RULES = {
    "D-RTRL": brainscale.D_RTRL,
    "ES-D-RTRL": lambda model: brainscale.ES_D_RTRL(model, 0.9),
    "e-prop": brainscale.EProp,
}


class Counted(brainstate.nn.Module):
    """A layer with a recurrence that says how often its step is traced."""

    def __init__(self):
        super().__init__()
        self.w = brainscale.ETraceParam(jnp.ones((K, N)), brainscale.MatMulOp())
        self.r = brainscale.ETraceParam(jnp.ones((N, N)), brainscale.MatMulOp())
        self.count = 0

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainscale.ETraceState(jnp.zeros((batch_size, N)))

    def update(self, x):
        self.count += 1
        y = self.w.execute(x) + self.r.execute(jnp.tanh(self.h.value))
        self.h.value = 0.9 * self.h.value + y
        return self.h.value.sum()


@pytest.fixture(params=RULES)
def learner(request):
    model = Counted()
    learner = RULES[request.param](model)
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    learner.compile_graph(jnp.ones((BATCH, K)))
    assert model.count == 1
    model.count = 0
    return learner


def test_a_step_that_is_compiled(learner):
    @brainstate.transform.jit
    def gradients(x):
        return brainstate.transform.grad(lambda: learner(x), learner.param_states)()

    for _ in range(3):
        gradients(jnp.ones((BATCH, K)))
    assert learner.model.count == 1


@pytest.mark.parametrize("chunk", [1, 2, T])
def test_a_sequence(learner, chunk):
    x = jnp.ones((T, BATCH, K))
    learner.etrace_grad(x, step_fn=lambda x: learner(x), chunk=chunk)
    assert learner.model.count == 1


class Named(Counted):
    """Has names of its own in its program."""

    def update(self, x):
        x = checkpoint_name(checkpoint_name(x, ""), "brainscale 0 y 0")
        return checkpoint_name(super().update(checkpoint_name(x, " ")), "brainscale y")


def gradients_of(kind):
    model = kind()
    learner = brainscale.D_RTRL(model)
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    learner.compile_graph(jnp.ones((BATCH, K)))
    x = jnp.linspace(0, 1, T * BATCH * K).reshape(T, BATCH, K)
    return learner.etrace_grad(x, step_fn=lambda x: learner(x), chunk=2)


def test_a_model_has_names_of_its_own():
    for plain, named in zip(
        gradients_of(Counted).values(), gradients_of(Named).values(), strict=True
    ):
        np.testing.assert_allclose(named, plain, rtol=1e-6)


@pytest.mark.parametrize("rule", [brainscale.D_RTRL, brainscale.RTRL])
def test_a_gradient_of_the_first_step_may_be_differentiated(rule):
    """A penalty on gradients is no silent zero: (x wT)^2 with w of ones has a truth by hand."""
    model = Counted()
    learner = rule(model)
    brainstate.nn.init_all_states(model, batch_size=1)
    learner.compile_graph(jnp.ones((1, K)))

    def penalty():
        gradient = brainstate.transform.grad(
            lambda: (learner(jnp.ones((1, K))) ** 2).sum(), {"w": model.w}
        )()
        return sum((value**2).sum() for value in gradient.values())

    # y = sum over w is K N; d(y^2)/dw = 2 y; sum of squares is K N (2 y)^2, by w 8 K N y.
    twice = brainstate.transform.grad(penalty, {"w": model.w})()["w"]
    np.testing.assert_allclose(twice, 8.0 * (K * N) ** 2, rtol=1e-6)
