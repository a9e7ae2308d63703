"""Small models, and their gradients by plain reverse mode through time, in double precision."""

from __future__ import annotations

import brainstate
import jax
import jax.numpy as jnp
import numpy as np

import brainscale

T, B, K, N = 6, 2, 3, 4
XS = np.cos(np.arange(float(T * B * K))).reshape(T, B, K)
YS = np.sin(np.arange(float(T * B * N))).reshape(T, B, N)


def weight(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(0, 0.5, shape or (K, N)))


class Leaky(brainstate.nn.Module):
    """Leaky neurons behind a trained weight, and a plain readout; a part for each to override."""

    def __init__(self):
        super().__init__()
        self.w = brainscale.ETraceParam(weight(0), self.operation())
        self.r = brainstate.ParamState(weight(1, N, N))

    def operation(self):
        return brainscale.MatMulOp()

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(jnp.zeros((batch_size, N)))

    def advance(self, x):
        self.h.value = jnp.tanh(0.8 * self.h.value + self.w.execute(x))

    def update(self, x):
        self.advance(x)
        return self.h.value @ self.r.value


def squared(out, y, model):
    return ((out - y) ** 2).sum()


def gradient_through_time(model, loss=squared, steps=range(T)):
    """Of the sum of the losses of the model alone, by all its parameters."""
    brainstate.nn.init_all_states(model, batch_size=B)

    def total():
        return sum(loss(model(XS[t]), YS[t], model) for t in steps)

    return brainstate.transform.grad(total, model.states(brainstate.ParamState))()


def gradient_by_steps(learner, loss=squared, steps=range(T)):
    """The sum of the gradients of single steps, each taken inside `grad`."""
    model = learner.model

    def of_step(x, y):
        return loss(learner(x), y, model)

    gradient = brainstate.transform.grad(of_step, learner.param_states)
    gradients = [gradient(XS[t], YS[t]) for t in steps]
    return jax.tree.map(lambda *leaves: sum(leaves), *gradients)


def gradient_by_chunks(learner, loss=squared, chunk=4):
    model = learner.model
    return learner.etrace_grad(XS, YS, lambda x, y: loss(learner(x), y, model), chunk=chunk)


WAYS = {"steps": gradient_by_steps, "chunks": gradient_by_chunks}


def compiled(model, rule="D_RTRL", **options):
    return brainscale.compile(model, rule, XS[0], batch_size=B, **options)


def assert_same(got, wanted):
    assert got.keys() == wanted.keys()
    for name in wanted:
        for a, b in zip(jax.tree.leaves(got[name]), jax.tree.leaves(wanted[name]), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12, err_msg=str(name))
