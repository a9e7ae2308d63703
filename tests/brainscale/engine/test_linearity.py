"""Backward passes that are not linear in what comes back are refused, and no others.

The number of random ones is that of the environment's BRAINSCALE_PROGRAMS.
"""

from __future__ import annotations

import os

import brainstate
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import brainscale
from brainscale import errors
from brainscale.engine.dependence.proportion import find_bend
from odd_models import K, Model, N, batched, dense
from random_backward import BENT, LINEAR, SHAPE, WITHIN, random_backward

COUNT = int(os.environ.get("BRAINSCALE_PROGRAMS", "100"))
LIKE = jax.ShapeDtypeStruct(SHAPE, jnp.float32)


def bend_of(function):
    return find_bend(jax.make_jaxpr(function)(LIKE, LIKE), [True, False])


@pytest.mark.parametrize("name", LINEAR)
def test_linear(name):
    assert bend_of(LINEAR[name]) == ""
    rng = np.random.default_rng(0)
    g, other, v = (jnp.asarray(rng.normal(size=SHAPE), jnp.float32) for _ in range(3))
    one, two, both = (LINEAR[name](x, v) for x in (g, other, g - 2 * other))
    np.testing.assert_allclose(both, one - 2 * two, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", BENT)
def test_not_linear(name):
    assert bend_of(BENT[name]) != ""


@pytest.mark.parametrize("around", WITHIN)
def test_within(around):
    assert bend_of(lambda g, v: WITHIN[around](LINEAR["box"], g, v)) == ""
    for name in ("clip", "affine", "whole"):
        assert bend_of(lambda g, v, n=name: WITHIN[around](BENT[n], g, v)) != ""


def test_random_backward_passes():
    for seed in range(COUNT):
        function, name, linear = random_backward(np.random.default_rng(seed))
        assert (bend_of(function) == "") == linear, f"seed {seed}: {name}"


# What learners make of it.


class Ruled(Model):
    """Neurons whose state and input pass a function with this backward pass."""

    def __init__(self, rule):
        super().__init__()
        self.w = dense(0, K, N)
        self.function = jax.custom_vjp(lambda x: x)
        self.function.defvjp(lambda x: (x, None), lambda _, g: (rule(g),))

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(batched(batch_size, N))

    def update(self, x):
        y = self.w.execute(x)
        self.h.value = 0.9 * self.function(self.h.value) + self.function(y)
        return self.h.value


def learned(rule, name):
    xs = jnp.ones((3, 2, K))
    learner = brainscale.compile(Ruled(rule), name, xs[0], batch_size=2)
    return learner.etrace_grad(xs, lambda x: (learner(x) ** 2).sum())


def looping(rule):
    return lambda g: lax.while_loop(lambda c: c[0] < 1, lambda c: (c[0] + 1, rule(c[1])), (0, g))[1]


NOT_LINEAR = {
    "affine": (lambda g: g + 0.1, "added"),
    "constant": (jnp.ones_like, "added|does not depend on it"),
    "whole numbers": (lambda g: (4 * g).astype(int) / 4.0, "convert_element_type"),
    "clipped in a loop": (looping(lambda g: jnp.clip(g, -0.1, 0.1)), "`(min|max|clamp)`"),
    # What these do mixes neurons, too: the reason is said, and not what follows from it.
    "normalised": (lambda g: g / (1 + jnp.linalg.norm(g)), "`div`"),
    "chosen": (lambda g: lax.cond(g.sum() > 1, lambda: g, lambda: 2 * g), "choice"),
    "outside": (
        lambda g: jax.pure_callback(np.tanh, g, g, vmap_method="sequential"),
        "pure_callback",
    ),
}


@pytest.mark.parametrize("learner", ["D_RTRL", "RTRL"])
@pytest.mark.parametrize(("rule", "words"), NOT_LINEAR.values(), ids=[*NOT_LINEAR])
def test_a_learner_refuses(rule, words, learner):
    with pytest.raises(errors.OperationError, match=rf"({words}).*clip"):
        learned(rule, learner)


def test_a_loop_that_only_rtrl_cannot_follow():
    halved = looping(lambda g: 0.5 * g)
    learned(halved, "D_RTRL")
    with pytest.raises(errors.OperationError, match=r"lax\.scan"):
        learned(halved, "RTRL")
