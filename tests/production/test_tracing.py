"""A model's own code runs once for each program that a learner makes of it."""

from __future__ import annotations

import brainstate
import jax.numpy as jnp
import pytest

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
