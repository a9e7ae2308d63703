"""Steps that are rare: outputs pooled, callbacks, strict promotion, a weight without a number."""

from __future__ import annotations

import brainstate
import jax
import jax.numpy as jnp
import pytest
from brainstate.transform import grad

import brainscale
from brainscale.errors import StructureError
from through_time import XS, YS, B, K, Leaky, N, assert_same, compiled, squared, weight

pytestmark = pytest.mark.usefixtures("double_precision")


def total_of_steps(model, step):
    return sum((step(x) ** 2).sum() for x in XS)


def gradient_by(learner):
    return grad(lambda: total_of_steps(learner.model, learner), learner.param_states)()


def gradient_alone(model):
    brainstate.nn.init_all_states(model, batch_size=B)
    return grad(lambda: total_of_steps(model, model), model.states(brainstate.ParamState))()


class Pooling(Leaky):
    """Many outputs of an operation, and few neurons, each of which has their mean."""

    WIDE = 100

    def __init__(self):
        super().__init__()
        self.w.value = weight(0, K, N * self.WIDE)

    def advance(self, x):
        y = self.w.execute(x).reshape(B, N, self.WIDE).mean(-1)
        self.h.value = jnp.tanh(0.8 * self.h.value + y)


def test_hundreds_of_outputs_pooled_into_a_neuron():
    got = gradient_by(compiled(Pooling(), "D_RTRL"))
    assert_same(got, gradient_alone(Pooling()))


class Calling(Leaky):
    """Neurons whose leak a callback makes."""

    vmap_method = None

    def advance(self, x):
        h = jax.lax.stop_gradient(self.h.value)
        leak = jax.pure_callback(lambda h: 0 * h + 0.3, h, h, vmap_method=self.vmap_method)
        self.h.value = jnp.tanh(leak * self.h.value + self.w.execute(x))


class CallingOneByOne(Calling):
    vmap_method = "sequential"


def test_a_callback_says_what_several_steps_are_to_it():
    with pytest.raises(StructureError, match='vmap_method="sequential"'):
        compiled(Calling(), "D_RTRL")
    got = gradient_by(compiled(CallingOneByOne(), "D_RTRL"))
    assert_same(got, gradient_alone(CallingOneByOne()))


@pytest.mark.parametrize("rule", ["D_RTRL", "hybrid", "RTRL"])
def test_a_learner_is_as_strict_as_its_user(rule):
    options = {"decay_or_rank": 0.9} if rule == "hybrid" else {}
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        learner = compiled(Leaky(), rule, **options)
        gradient_by(learner)
        learner.etrace_grad(XS, YS, lambda x, y: squared(learner(x), y, None), chunk=2)


class Unfed(brainstate.nn.Module):
    """Neurons with a weight that has no number."""

    def __init__(self):
        super().__init__()
        self.w = brainscale.ETraceParam(jnp.ones((0, N)), brainscale.MatMulOp())

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(jnp.ones((batch_size, N)))

    def update(self, x):
        self.h.value = 0.8 * self.h.value + self.w.execute(x)
        return self.h.value


@pytest.mark.parametrize("rule", ["D_RTRL", "RTRL", "OSTL"])
def test_a_weight_without_a_number(rule):
    learner = brainscale.compile(Unfed(), rule, jnp.ones((B, 0)), batch_size=B)
    gradient = grad(lambda: learner(jnp.ones((B, 0))).sum(), learner.param_states)()
    assert gradient[("w",)].shape == (0, N)
