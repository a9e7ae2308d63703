"""Two layers with a frozen operation between them, learned by any rule."""

from __future__ import annotations

import brainstate
import jax
import jax.numpy as jnp
import numpy as np

import brainscale
from brainscale import FakeETraceParam, MatMulOp
from odd_models import K, Model, N, array, batched, dense

T, BATCH = 3, 2


RULES = {
    "D-RTRL": brainscale.D_RTRL,
    "ES-D-RTRL": lambda model: brainscale.ES_D_RTRL(model, 0.5),
    "e-prop": lambda model: brainscale.EProp(model, "random"),
    "RTRL": brainscale.RTRL,
    "OSTL": brainscale.OSTL,
}


class TwoLayers(Model):
    """A frozen operation lies between the layers; the order of attributes is not that of use."""

    def __init__(self):
        super().__init__()
        self.z = dense(0, K, N)
        self.fixed = {"between": FakeETraceParam(array(1, N, N), MatMulOp())}
        self.a = dense(2, N, N)
        self.out = brainscale.NonTempParam(array(3, N, 2), MatMulOp())

    def init_state(self, batch_size=None, **kwargs):
        self.low = brainstate.HiddenState(batched(batch_size, N))
        self.high = brainscale.ETraceState(batched(batch_size, N))

    def update(self, x):
        self.low.value = 0.9 * self.low.value + self.z.execute(x)
        y = self.fixed["between"].execute(jnp.tanh(self.low.value)) + self.a.execute(
            jnp.tanh(self.low.value)
        )
        self.high.value = 0.8 * self.high.value + y
        return self.out.execute(jnp.tanh(self.high.value))


def sequence(batch=BATCH):
    return jnp.asarray(np.random.default_rng(3).normal(size=(T, batch, K)), jnp.float32)


def nothing(learner):
    pass


def compiled(rule, change=nothing, batch=BATCH):
    model = TwoLayers()
    brainstate.nn.init_all_states(model, batch_size=batch)
    learner = RULES[rule](model)
    change(learner)
    learner.compile_graph(sequence(batch)[0])
    return learner


def step(learner, x):
    """A step and its gradients, from names."""

    def loss():
        return (learner(x) ** 2).sum()

    gradients, value = brainstate.transform.grad(loss, learner.param_states, return_value=True)()
    return named(gradients), value


def over(learner, xs):
    results = learner.etrace_grad(xs, lambda x: (learner(x) ** 2).sum(), return_value=True)
    return named(results[0]), results[1]


def named(gradients):
    return {".".join(map(str, k)): v for k, v in gradients.items()}


def close(got, wanted, what=""):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6, err_msg=what)
