"""A recurrent layer whose step can be changed, its learner, and gradients over a sequence."""

from __future__ import annotations

import brainstate
import jax
import jax.numpy as jnp
import numpy as np

import brainscale
from odd_models import K, Model, N, batched, dense

T, BATCH = 6, 3


class Recurrent(Model):
    """A recurrent layer; subclasses change its step."""

    def __init__(self):
        super().__init__()
        self.w, self.r = dense(0, K, N), dense(1, N, N)

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(batched(batch_size, N))

    def update(self, x):
        y = self.w.execute(x) + self.r.execute(self.h.value)
        self.h.value = self.advanced(y)
        return self.h.value

    def advanced(self, y):
        return 0.9 * jnp.tanh(self.h.value) + y


def sequences(batch=(BATCH,)):
    rng = np.random.default_rng(0)
    made = [rng.normal(size=(T, *batch, n)).astype(np.float32) for n in (K, N)]
    return tuple(map(jnp.asarray, made))


def learner_of(kind=Recurrent, rule=brainscale.D_RTRL, batch=BATCH, **options):
    model = kind()
    brainstate.nn.init_all_states(model, batch_size=batch)
    learner = rule(model, **options)
    learner.compile_graph(sequences()[0][0] if batch else sequences(())[0][0])
    return learner


def loss_of(learner):
    return lambda x, y: ((learner(x) - y) ** 2).sum()


def gradients(learner, chunk=4, **options):
    return learner.etrace_grad(*sequences(), loss_of(learner), chunk=chunk, **options)


def close(got, wanted, tolerance=1e-5):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        assert jnp.abs(a - b).max() <= tolerance * jnp.abs(b).max()
