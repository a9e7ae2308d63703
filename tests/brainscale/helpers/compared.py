"""A model's gradients by a learner beside those of `truth.py` and `es_truth.py`."""

from __future__ import annotations

import contextlib

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

import brainscale
from es_truth import es_truth
from odd_models import K
from truth import difference, learned, stepwise, truth

T, DECAY = 6, 0.8
TOLERANCE = 1e-10


@contextlib.contextmanager
def double_precision():
    with jax.enable_x64(True), brainstate.environ.context(precision=64, dt=1.0 * u.ms):
        yield


def squared(out, y, model):
    return ((out - y[..., : out.shape[-1]]) ** 2).sum()


def sequences(batch):
    rng = np.random.default_rng(5)
    lead = (T,) if batch is None else (T, batch)
    return tuple(jnp.asarray(rng.normal(size=(*lead, n))) for n in (K, 9))


def assert_d_rtrl(kind, chunks=(4,)):
    """D-RTRL in chunks and a step at a time."""
    with double_precision():
        model, (xs, ys) = kind(), sequences(kind.batch)
        case = xs, ys, squared, kind.batch
        wanted = truth(model, model.new(), *case)
        learner = brainscale.D_RTRL(model)
        for chunk in chunks:
            assert difference(learned(learner, *case, chunk), wanted) < TOLERANCE
        assert difference(stepwise(learner, *case), wanted) < TOLERANCE


def assert_es_d_rtrl(kind):
    """ES-D-RTRL, of the parameters with traces."""
    with double_precision():
        model, (xs, ys) = kind(), sequences(kind.batch)
        case = xs, ys, squared, kind.batch
        wanted = es_truth(model, model.new(), *case, DECAY)
        got = learned(brainscale.ES_D_RTRL(model, DECAY), *case, 4)
        assert difference(got, wanted) < TOLERANCE
