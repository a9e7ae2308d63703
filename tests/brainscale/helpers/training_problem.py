"""A small problem for `brainscale.fit`."""

from __future__ import annotations

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import optax

import brainscale
from odd_models import K, Model, N, batched, dense

T, BATCH = 5, 2


class Leaky(Model):
    """A layer with weights in nA, and a plain readout."""

    def __init__(self):
        super().__init__()
        self.w = dense(0, K, N, u.nA)
        self.readout = brainstate.ParamState(jnp.linspace(-1.0, 2.0, N))

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(batched(batch_size, N) * u.nA)

    def update(self, x):
        self.h.value = 0.9 * self.h.value + self.w.execute(x)
        return (self.h.value / u.nA) @ self.readout.value


def batches(iteration):
    rng = np.random.default_rng(iteration)
    return rng.normal(size=(T, BATCH, K)), rng.normal(size=(T, BATCH))


def learner_of(kind=Leaky):
    return brainscale.D_RTRL(kind())


def step_of(learner):
    def step(x, y):
        out = learner(x)
        return ((out - y) ** 2).sum(), {"above": (out > y).mean()}

    return step


def fit(learner, iterations=2, optimizer=None, *, batches=batches, step=None, **options):
    optimizer = optax.sgd(0.01) if optimizer is None else optimizer
    options = dict(progress=False) | options
    step = step_of(learner) if step is None else step
    return brainscale.fit(learner, step, batches, iterations, optimizer, **options)


def values_of(learner):
    return {str(path): state.value for path, state in learner.model.states().items()}


def equal(a, b):
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.array_equal(x, y) for x, y in pairs)
