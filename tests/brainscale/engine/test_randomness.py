"""Steps that draw random numbers or call back: gradients are of the numbers that were drawn.

The checks of brainstate's random functions are ordered callbacks, which a step keeps and its
derivatives do without.
"""

from __future__ import annotations

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import io_callback

import brainscale
from brainscale import errors
from odd_models import K, Model, N, array, batched, dense
from truth import difference

T, BATCH = 4, 2
ES = brainscale.ES_D_RTRL

pytestmark = pytest.mark.usefixtures("compiled_fast")


@pytest.fixture(autouse=True)
def while_fitting(single_precision):
    with jax.enable_x64(True), brainstate.environ.context(precision=64, dt=1.0 * u.ms, fit=True):
        yield


def sequence():
    return jnp.asarray(np.random.default_rng(0).normal(size=(T, BATCH, K)))


class Drawing(Model):
    """A layer of leaky neurons; subclasses draw, or call back, between its states or its inputs."""

    def __init__(self):
        super().__init__()
        self.w = dense(0, K, N)
        self.drop = brainstate.nn.Dropout(0.5)
        self.readout = brainstate.ParamState(array(1, N, 2))
        self.called = []

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(batched(batch_size, N))

    def update(self, x):
        self.h.value = self.kept(self.h.value) + self.w.execute(self.read_input(x))
        return jnp.tanh(self.h.value) @ self.readout.value

    def read_input(self, x):
        return x

    def kept(self, h):
        return 0.9 * h

    def call(self, h):
        jax.debug.callback(self.called.append, h.sum(), ordered=True)


class DroppedInputs(Drawing):
    def read_input(self, x):
        return self.drop(x)


class DroppedStates(Drawing):
    def kept(self, h):
        return 0.9 * self.drop(h)


class Bernoulli(Drawing):
    def kept(self, h):
        return h * brainstate.random.bernoulli(0.7, (BATCH, N))


class Binomial(Drawing):
    def kept(self, h):
        return h * brainstate.random.binomial(3.0, 0.5, (BATCH, N)) / 3


class Choosing(Drawing):
    def kept(self, h):
        is_large = h.sum() > 0
        branches = [lambda h: 0.9 * h, lambda h: 0.4 * h]
        return brainstate.transform.ifelse([is_large, ~is_large], branches, h)


class CallingInBranch(Drawing):
    def kept(self, h):
        def refuse(h):
            jax.debug.callback(_refuse, ordered=True)
            return 0.4 * h

        return jax.lax.cond((h**2).sum() >= 0, lambda h: 0.9 * h, refuse, h)


class Calling(Drawing):
    def kept(self, h):
        def body(h, _):
            self.call(h)
            return 0.9 * h, None

        return jax.jit(lambda h: jax.lax.scan(body, h, None, length=1)[0])(h)


def _refuse():
    raise AssertionError("this branch is not taken")


def loss_of(out):
    return (out**2).sum()


def begun(kind, rule=None):
    """A model, its learner if there is a rule, and the random numbers to be drawn."""
    model = kind()
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    learner = rule and rule(model)
    if rule:
        learner.compile_graph(sequence()[0])
    brainstate.random.seed(3)
    return learner or model


def in_chunks(learner):
    def run():
        return learner.etrace_grad(sequence(), lambda x: loss_of(learner(x)), chunk=3)

    return brainstate.transform.jit(run)()


def in_steps(learner):
    gradient = brainstate.transform.grad(lambda x: loss_of(learner(x)), learner.param_states)
    gradients = brainstate.transform.jit(
        lambda: brainstate.transform.for_loop(gradient, sequence())
    )()
    return jax.tree.map(lambda g: g.sum(0), gradients)


def step_by_step(learner):
    gradient = brainstate.transform.grad(lambda x: loss_of(learner(x)), learner.param_states)
    return jax.tree.map(lambda *each: sum(each), *[gradient(x) for x in sequence()])


def through_time(kind):
    model = begun(kind)

    def total():
        return brainstate.transform.for_loop(lambda x: loss_of(model(x)), sequence()).sum()

    gradient = brainstate.transform.grad(total, model.states(brainstate.ParamState))
    return brainstate.transform.jit(gradient)()


KINDS = (DroppedInputs, DroppedStates, Bernoulli, Binomial, Choosing, CallingInBranch, Calling)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient(kind):
    wanted = through_time(kind)
    assert difference(in_chunks(begun(kind, brainscale.D_RTRL)), wanted) < 1e-10
    assert difference(in_steps(begun(kind, brainscale.D_RTRL)), wanted) < 1e-10


@pytest.mark.parametrize("rule", [brainscale.RTRL, brainscale.OSTL])
def test_gradient_by_other_rules(rule):
    wanted = through_time(DroppedStates)
    for way in (in_chunks, step_by_step):
        assert difference(way(begun(DroppedStates, rule)), wanted) < 1e-10


@pytest.mark.parametrize("rule", [lambda m: ES(m, 0.5), brainscale.EProp])
def test_steps_are_chunks_by_rules_that_approximate(rule):
    wanted = step_by_step(begun(DroppedInputs, rule))
    assert difference(in_chunks(begun(DroppedInputs, rule)), wanted) < 1e-10


@pytest.mark.parametrize("way", [in_chunks, in_steps])
def test_a_step_calls_back_once(way):
    learner = begun(Calling, brainscale.D_RTRL)
    way(learner)
    jax.effects_barrier()
    assert len(learner.model.called) == T


class Reading(Drawing):
    """What is kept is multiplied by numbers from outside, which are others each time."""

    ordered = False

    def kept(self, h):
        def read():
            self.called.append(None)
            return np.cos(np.arange(float(h.size)) + len(self.called)).reshape(h.shape)

        return h * io_callback(read, jax.ShapeDtypeStruct(h.shape, h.dtype), ordered=self.ordered)


class ReadingInOrder(Reading):
    ordered = True


class CallingOnly(Drawing):
    def kept(self, h):
        io_callback(lambda: None, None)
        return 0.9 * h


@pytest.mark.parametrize("kind", [Reading, ReadingInOrder, CallingOnly])
def test_other_effects_are_refused(kind):
    with pytest.raises(errors.StructureError, match=r"io_callback.*jax\.debug\.callback.*RTRL"):
        begun(kind, brainscale.D_RTRL)


def test_what_is_read_from_outside_is_read_once_by_rtrl():
    learner = begun(Reading, brainscale.RTRL)
    in_steps(learner)
    assert len(learner.model.called) == T
