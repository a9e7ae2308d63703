"""A learner in a branch of a choice: what the other branch may do to hidden states."""

from __future__ import annotations

import brainstate
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale import errors

pytestmark = pytest.mark.usefixtures("double_precision")

T = 5
XS = np.cos(np.arange(6.0 * T)).reshape(T, 2, 3)
LEARNS = jnp.array([True, False, True, False, True])


class Net(brainstate.nn.Module):
    def __init__(self):
        super().__init__()
        w = jnp.sin(jnp.arange(12.0)).reshape(3, 4)
        self.w = brainscale.ETraceParam(w, brainscale.MatMulOp())

    def init_state(self, batch_size=None):
        self.h = brainstate.HiddenState(jnp.zeros((batch_size, 4)))

    def update(self, x):
        self.h.value = 0.8 * self.h.value + self.w.execute(x)
        return self.h.value


class Sham:
    """The model where a learner would be."""

    def __init__(self, model):
        self.model = model

    def __call__(self, x):
        return self.model(x)

    def reset_traces(self):
        h = self.model.h
        h.value = jax.lax.stop_gradient(h.value)

    def zero_trace(self, state):
        state.value = jax.lax.stop_gradient(state.value)


def squared(out):
    return (out**2).sum()


def model_alone(learner, x):
    return squared(learner.model(x))


def write(learner, x):
    learner.model.h.value = learner.model.h.value * 0.1
    return 0.0


def inner_write(learner, x):
    return brainstate.transform.jit(lambda: write(learner, x))()


def model_and_back(learner, x):
    h = learner.model.h.value
    out = squared(learner.model(x))
    learner.model.h.value = h
    return jax.lax.stop_gradient(out)


def nothing(learner, x):
    return 0.0


def begin_anew(learner, x):
    learner.model.h.value = jnp.zeros_like(learner.model.h.value)
    learner.reset_traces()
    return 0.0


def write_and_say_so(learner, x):
    learner.model.h.value = jnp.ones_like(learner.model.h.value)
    learner.zero_trace(learner.model.h)
    return 0.0


def step(learner, x):
    return squared(learner(x))


def twice(learner, x):
    return 2 * squared(learner(x))


def cond(learns, one, other, x):
    return brainstate.transform.cond(learns, one, other, x)


def cond_turned(learns, one, other, x):
    return brainstate.transform.cond(~learns, other, one, x)


def switch(learns, one, other, x):
    return brainstate.transform.switch(learns.astype(int), [other, one], x)


def switch_turned(learns, one, other, x):
    return brainstate.transform.switch(1 - learns.astype(int), [one, other, other], x)


def ifelse(learns, one, other, x):
    conditions = [learns, True]
    return brainstate.transform.ifelse(conditions, [one, other], x, check_cond=False)


CHOICES = [cond, cond_turned, switch, switch_turned, ifelse]


def chosen(choose, learner, other):
    """A step of the learner, or what else there is."""
    return lambda x, learns: choose(
        learns, lambda x: step(learner, x) + 0.0, lambda x: other(learner, x) + 0.0, x
    )


def gradient(choose, other):
    """The sum of the gradients of each step, compiled."""
    learner = brainscale.compile(Net(), "D_RTRL", XS[0], batch_size=2)
    grad = brainstate.transform.grad(chosen(choose, learner, other), learner.param_states)
    loop = brainstate.transform.for_loop
    return brainstate.transform.jit(lambda: loop(grad, XS, LEARNS))()[("w",)].sum(0)


def through_time(choose, other):
    model = Net()
    brainstate.nn.init_all_states(model, batch_size=2)
    each = chosen(choose, Sham(model), other)
    loop = brainstate.transform.for_loop
    return brainstate.transform.grad(lambda: loop(each, XS, LEARNS).sum(), model.w)()


@pytest.mark.parametrize("choose", CHOICES)
@pytest.mark.parametrize("other", [model_alone, write, inner_write])
def test_a_write_in_another_branch_is_refused(choose, other):
    with pytest.raises(errors.HiddenPathError, match=r"^h is (written|read or written)"):
        gradient(choose, other)


@pytest.mark.parametrize("choose", CHOICES)
@pytest.mark.parametrize("other", [nothing, begin_anew, write_and_say_so, twice])
def test_another_branch_that_traces_know_of_is_right(choose, other):
    got = gradient(choose, other)
    np.testing.assert_allclose(got, through_time(choose, other), rtol=1e-10)


@pytest.mark.parametrize("choose", [cond, switch_turned, ifelse])
def test_a_write_in_another_branch_that_is_taken_back_is_right(choose):
    """Where the learner's branch is traced first: else its gradient begins with a read."""
    np.testing.assert_allclose(
        gradient(choose, model_and_back), through_time(choose, nothing), rtol=1e-10
    )


def test_branches_of_traces_that_have_ended_are_not_kept():
    """A model that is traced again and again without a step of the learner."""
    learner = brainscale.compile(Net(), "D_RTRL", XS[0], batch_size=2)
    writes = learner.count._branches
    for _ in range(4):
        infer = brainstate.transform.StatefulFunction(
            lambda x, learns: brainstate.transform.cond(
                learns, lambda x: model_alone(learner, x), lambda x: nothing(learner, x), x
            )
        )
        infer.make_jaxpr(XS[0], LEARNS[0])
    assert len(writes._writes) == 1
    learner.reset_traces()
    assert not writes._writes
