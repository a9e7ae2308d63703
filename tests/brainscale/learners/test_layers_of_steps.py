"""OSTL's layers are those of the steps that are made, or the step is refused (OSTL-1)."""

from __future__ import annotations

import contextlib
import copy

import brainstate
import jax
import jax.numpy as jnp
import pytest

import brainscale
from brainscale import errors
from through_time import (
    WAYS,
    XS,
    YS,
    B,
    Leaky,
    N,
    assert_same,
    compiled,
    gradient_through_time,
    squared,
    weight,
)

pytestmark = pytest.mark.usefixtures("compiled_fast", "double_precision")


class Coupled(Leaky):
    """Two states, one of which enters the other while it is fitted."""

    def __init__(self):
        super().__init__()
        del self.r
        self.v = brainscale.ETraceParam(weight(3), brainscale.MatMulOp())

    def init_state(self, batch_size=None, **kwargs):
        self.a = brainstate.HiddenState(jnp.zeros((batch_size, N)))
        self.b = brainstate.HiddenState(jnp.zeros((batch_size, N)))

    def update(self, x):
        b = self.b.value
        more = 0.5 * b if brainstate.environ.get("fit", False) else 0.0
        self.a.value = 0.5 * self.a.value + self.w.execute(x) + more
        self.b.value = 0.9 * b + self.v.execute(x)
        return jnp.tanh(self.a.value + self.b.value)


class Lateral(Leaky):
    """Neurons influence each other while they are fitted."""

    def advance(self, x):
        is_fit = brainstate.environ.get("fit", False)
        more = 0.3 * self.h.value.sum(1, keepdims=True) if is_fit else 0.0
        self.h.value = jnp.tanh(0.8 * self.h.value + self.w.execute(x) + more)


def fitted(is_fit=True):
    return brainstate.environ.context(fit=is_fit)


def learner_of(kind, is_fit):
    with fitted(is_fit):
        return compiled(kind(), "OSTL")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("copied", [False, True])
def test_a_layer_that_another_kind_of_step_has_is_refused(copied, way):
    learner = learner_of(Coupled, False)
    WAYS[way](learner)
    learner.reset_state(B)
    learner = copy.copy(learner) if copied else learner
    with fitted(), pytest.raises(errors.StructureError, match="the layer of w in a step"):
        WAYS[way](learner)
    with fitted():
        learner.compile_graph(XS[0])
        assert_same(WAYS[way](learner), gradient_through_time(Coupled()))


@pytest.mark.parametrize("way", WAYS)
def test_what_cannot_be_learned_in_another_kind_of_step_is_refused(way):
    learner = learner_of(Lateral, False)
    with fitted(), pytest.raises(errors.LateralPathError):
        WAYS[way](learner)
    learner.reset_state(B)
    assert_same(WAYS[way](learner), gradient_through_time(Lateral()))


def test_a_refused_compile_graph_leaves_the_layers_as_they_were():
    learner = learner_of(Coupled, False)
    with fitted(), pytest.raises(errors.BrainscaleError):
        learner.compile_graph(XS[0, :, :1])
    assert_same(WAYS["chunks"](learner), gradient_through_time(Coupled()))


def accumulated(learner, hidden):
    state = (brainstate.HiddenState if hidden else brainstate.ShortTermState)(jnp.zeros((B, N)))

    def loss(x, y):
        state.value = 0.9 * state.value + learner(x)
        return squared(state.value, y, None)

    return loss


@pytest.mark.parametrize("hidden", [False, True])
def test_what_step_fn_accumulates_is_refused(hidden):
    learner = compiled(Leaky(), "OSTL")
    with pytest.raises((errors.HiddenPathError, errors.LateralPathError)):
        learner.etrace_grad(XS, YS, accumulated(learner, hidden))


class ByNeuron(Leaky):
    def __init__(self):
        super().__init__()
        del self.r

    def update(self, x):
        self.advance(x)
        return self.h.value


def test_a_hidden_state_of_step_fn_joins_the_layer():
    learner, model = compiled(ByNeuron(), "OSTL"), ByNeuron()
    brainstate.nn.init_all_states(model, batch_size=B)
    loss, loss_of_model = accumulated(learner, True), accumulated(model, True)
    windows = [learner.etrace_grad(XS[w], YS[w], loss) for w in (slice(0, 3), slice(3, None))]
    wanted = brainstate.transform.grad(
        lambda: sum(loss_of_model(x, y) for x, y in zip(XS, YS, strict=True)),
        model.states(brainstate.ParamState),
    )()
    assert_same(jax.tree.map(jnp.add, *windows), wanted)


def test_a_kind_of_step_is_looked_at_once(monkeypatch):
    from brainscale.learners import layer_method

    count, find = [], layer_method._find_graph
    monkeypatch.setattr(layer_method, "_find_graph", lambda s: count.append(s) or find(s))
    learner = compiled(Coupled(), "OSTL")
    for _ in range(2):
        for x in XS[:2]:
            with contextlib.suppress(errors.StructureError):
                learner(x)
    assert not count
