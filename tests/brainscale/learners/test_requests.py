"""What a learner is asked for that is not what its model's states are of: right, or named."""

from __future__ import annotations

import brainstate
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale import D_RTRL, RTRL, errors
from odd_models import K, Model, N, batched, dense

T, BATCH = 3, 2
RULES = {
    "D-RTRL": D_RTRL,
    "RTRL": RTRL,
    "three factors": lambda model: brainscale.ThreeFactor(model, 0.5),
}

pytestmark = pytest.mark.usefixtures("compiled_fast", "step_length")


class Layer(Model):
    def __init__(self):
        super().__init__()
        self.w = dense(0, K, N)

    def init_state(self, batch_size=None):
        self.h = brainstate.HiddenState(batched(batch_size, N))

    def update(self, x):
        self.h.value = self.combine(0.9 * self.h.value, self.w.execute(x))
        return self.h.value

    def combine(self, h, y):
        return h + y


class Stacked(Layer):
    def combine(self, h, y):
        return jnp.stack([h, y]).sum(0)


class Chosen(Layer):
    def combine(self, h, y):
        return jnp.where(h > 0, h, h + y)


class Rewritten(Layer):
    def combine(self, h, y):
        return h.at[:].set(y)


class OfOne(Layer):
    """Its states have no axis of a batch."""

    def init_state(self):
        self.h = brainstate.HiddenState(jnp.zeros(N))


class OfWhatIsGiven(Layer):
    def init_state(self, batch_size):
        super().init_state(batch_size)


def inputs(batch=BATCH, dtype="float32"):
    return np.random.default_rng(0).normal(size=(T, batch, K)).astype(dtype)


def learner_of(rule="D-RTRL", kind=Layer):
    model = kind()
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    learner = RULES[rule](model)
    learner.compile_graph(inputs()[0])
    return learner


def values_of(learner):
    return [state.value for state in learner.states().values()]


@pytest.mark.parametrize("batch", [BATCH + 1, 1])
@pytest.mark.parametrize("rule", RULES)
def test_another_batch_in_a_sequence(rule, batch):
    learner = learner_of(rule)
    before = values_of(learner)
    for call in (
        lambda xs: learner.etrace_grad(xs, lambda x: learner(x).sum()),
        learner.etrace_evolve,
        lambda xs: learner(xs[0]),
    ):
        with pytest.raises(errors.ShapeError, match=rf"\({batch}, {K}\).*\({BATCH}, {K}\)"):
            call(inputs(batch))
    assert all(a is b for a, b in zip(values_of(learner), before, strict=True))
    learner.etrace_grad(inputs(), lambda x: learner(x).sum())


@pytest.mark.parametrize("kind", [Layer, Stacked, Chosen, Rewritten])
@pytest.mark.parametrize("rule", RULES)
def test_states_of_another_batch(rule, kind):
    model = kind()
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    before = model.h.value
    with pytest.raises(errors.ShapeError, match=rf"\(3, {K}\).*\({BATCH}, {N}\).*init_all_states"):
        RULES[rule](model).compile_graph(inputs(3)[0])
    assert model.h.value is before


class Faulty(Layer):
    def combine(self, h, y):
        raise self.error


@pytest.mark.parametrize("kind", [TypeError, ValueError, KeyError])
def test_errors_of_a_model_are_its_own(kind):
    model = Faulty()
    model.error = kind("no shape of mine")
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    with pytest.raises(kind, match="no shape of mine") as caught:
        D_RTRL(model).compile_graph(inputs()[0])
    assert caught.value is model.error


@pytest.mark.parametrize("rule", RULES)
def test_how_inputs_are_given(rule):
    learner = learner_of(rule)
    for arguments in ((), (inputs()[0], inputs()[0])):
        with pytest.raises(errors.StructureError, match=r"update\(x\) is given"):
            learner.compile_graph(*arguments)
    with pytest.raises(errors.StructureError, match="by keyword, x"):
        learner(x=inputs()[0])


@pytest.mark.parametrize("dtype", [">f4", "<f4"])
@pytest.mark.parametrize("rule", RULES)
def test_byte_order(rule, dtype):
    results = []
    for xs in (inputs(), inputs(dtype=dtype)):
        learner = learner_of(rule)
        learner.compile_graph(xs[0])
        gradients = learner.etrace_grad(xs, lambda x, one=learner: one(x).sum())
        results.append([learner(xs[0]), learner(xs[0][0, :1][0] * xs[0]), gradients["w",]])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", [Layer, OfOne, OfWhatIsGiven])
@pytest.mark.parametrize("rule", RULES)
def test_begun_anew_without_a_batch(rule, kind):
    learner = RULES[rule](kind())
    learner.reset_state()
    learner.compile_graph(inputs()[0, 0])
    learner(inputs()[0, 0])
    state = learner.model.h
    learner.reset_state()
    assert learner.model.h is state
    assert not state.value.any()
    learner(inputs()[0, 0])


def test_a_batch_that_is_not_taken():
    learner = brainscale.compile(OfOne(), "d_rtrl", inputs()[0, 0])
    before = learner(inputs()[0, 0])
    for call in (
        lambda: learner.reset_state(BATCH),
        lambda: D_RTRL(OfOne()).reset_state(BATCH),
        lambda: brainscale.compile(OfOne(), "d_rtrl", inputs()[0], batch_size=BATCH),
    ):
        with pytest.raises(errors.ParameterError, match=r"OfOne\.init_state takes none"):
            call()
    np.testing.assert_array_equal(learner.model.h.value, before)
