"""Steps of several kinds, with one learner: other states, other orders, other constants."""

from __future__ import annotations

import brainstate
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from through_time import XS, YS, B, Leaky, N, T, assert_same, compiled, weight

import brainscale
from brainscale import errors


@pytest.fixture(autouse=True)
def double_precision(single_precision):
    jax.config.update("jax_enable_x64", True)
    brainstate.environ.set(precision=64)


class TwoStates(Leaky):
    """Two states; `is_other` says of which kind a step is."""

    def __init__(self):
        super().__init__()
        del self.r
        self.v = brainscale.ETraceParam(weight(3), brainscale.MatMulOp())

    def init_state(self, batch_size=None, **kwargs):
        self.a = brainstate.HiddenState(jnp.zeros((batch_size, N)))
        self.b = brainstate.HiddenState(jnp.zeros((batch_size, N)))


class ReadInAnotherOrder(TwoStates):
    def update(self, x, is_other=False):
        if is_other:
            _ = self.b.value
        self.a.value = 0.5 * self.a.value + self.w.execute(x)
        self.b.value = 0.9 * self.b.value * self.a.value + self.v.execute(x)
        return self.a.value + self.b.value


class LeavesAState(TwoStates):
    """In the other kind of step `a` is read alone, and `w` is not used."""

    def update(self, x, is_other=False):
        if is_other:
            self.b.value = 0.9 * self.b.value + self.a.value * self.v.execute(x)
        else:
            self.a.value = 0.5 * self.a.value + self.w.execute(x)
            self.b.value = 0.9 * self.b.value + self.v.execute(x)
        return self.a.value + self.b.value


class Coupled(TwoStates):
    """In the other kind of step the two are one group."""

    def update(self, x, is_other=False):
        coupling = 0.1 * self.b.value if is_other else 0.0
        self.a.value = 0.5 * self.a.value + self.w.execute(x) + coupling
        self.b.value = 0.9 * self.b.value + self.v.execute(x)
        return self.a.value + self.b.value


def made_by(model):
    """A step whose kind is in the environment: arguments are those of `compile_graph`."""

    class OfEnvironment(type(model)):
        def update(self, x):
            return super().update(x, brainstate.environ.get("is_other", False))

    model.__class__ = OfEnvironment
    return model


def loss_of(step, t):
    with brainstate.environ.context(is_other=t % 2 == 1):
        return ((step(XS[t]) - YS[t]) ** 2).sum()


def truth(kind):
    model = made_by(kind())
    brainstate.nn.init_all_states(model, batch_size=B)
    params = model.states(brainstate.ParamState)
    return brainstate.transform.grad(lambda: sum(loss_of(model, t) for t in range(T)), params)()


def by_steps(learner):
    params = learner.model.states(brainstate.ParamState)
    grad = brainstate.transform.grad
    found = [grad(lambda t=t: loss_of(learner, t), params, check_states=False)() for t in range(T)]
    return jax.tree.map(lambda *leaves: sum(leaves), *found)


def by_sequences(learner):
    found = []
    for t in range(T):
        with brainstate.environ.context(is_other=t % 2 == 1):
            of_step = lambda x, y: ((learner(x) - y) ** 2).sum()  # noqa: E731
            found.append(learner.etrace_grad(XS[t : t + 1], YS[t : t + 1], of_step))
    return jax.tree.map(lambda *leaves: sum(leaves), *found)


@pytest.mark.parametrize("way", [by_steps, by_sequences])
@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (ReadInAnotherOrder, "RTRL"),
        (ReadInAnotherOrder, "D_RTRL"),
        (ReadInAnotherOrder, "OSTL"),
        (LeavesAState, "RTRL"),
        (Coupled, "RTRL"),
    ],
)
def test_several_kinds_of_steps(kind, rule, way):
    learner = compiled(made_by(kind()), rule)
    assert_same(way(learner), truth(kind))


@pytest.mark.parametrize("way", [by_steps, by_sequences])
def test_other_groups_are_refused(way):
    with pytest.raises(errors.StructureError, match="hidden groups of a step"):
        way(compiled(made_by(Coupled())))


class OneName(Leaky):
    def __init__(self):
        super().__init__()
        self.p = {
            "a": {"b": brainscale.ETraceParam(weight(4), brainscale.MatMulOp())},
            "a.b": brainscale.ETraceParam(weight(5), brainscale.MatMulOp()),
        }

    def update(self, x):
        y = self.p["a"]["b"].execute(x) + self.p["a.b"].execute(x)
        self.h.value = jnp.tanh(0.8 * self.h.value + self.w.execute(x) + y)
        return self.h.value @ self.r.value


@pytest.mark.parametrize("rule", ["D_RTRL", "RTRL"])
def test_parameters_of_one_name_are_refused(rule):
    with pytest.raises(errors.StructureError, match=r"several states named p\.a\.b"):
        compiled(OneName(), rule)


class OfMatrix(Leaky):
    """Neurons meet by a matrix of NumPy, diagonal at first."""

    def __init__(self):
        super().__init__()
        self.matrix = np.eye(N)

    def update(self, x):
        self.h.value = 0.5 * self.h.value @ self.matrix + self.w.execute(x)
        return self.h.value @ self.r.value


def test_a_constant_that_is_changed_in_place():
    learner = compiled(OfMatrix())
    loss_of(learner, 0)
    learner.model.matrix[:] = 0.1
    with pytest.raises(errors.LateralPathError):
        loss_of(learner, 1)


@pytest.mark.parametrize("rule", ["RTRL", "OSTL", "D_RTRL"])
def test_double_precision_of_jax_alone(rule):
    brainstate.environ.set(precision=32)
    jax.config.update("jax_enable_x64", True)
    learner = compiled(ReadInAnotherOrder(), rule)
    step = lambda x, y: ((learner(x) - y) ** 2).sum()  # noqa: E731
    gradients = learner.etrace_grad(XS, YS, step)
    assert gradients[("w",)].dtype == jnp.float64


class WithIntegerLeaf(Leaky):
    def init_state(self, batch_size=None, **kwargs):
        value = {"v": jnp.zeros((batch_size, N)), "since": jnp.zeros((batch_size, N), jnp.int32)}
        self.h = brainscale.ETraceTreeState(value)

    def update(self, x):
        h = self.h.value
        v = jnp.tanh(0.8 * h["v"] + self.w.execute(x))
        self.h.value = {"v": v, "since": h["since"] + 1}
        return v @ self.r.value


def test_a_hidden_state_with_integers_is_named():
    with pytest.raises(errors.HiddenPathError, match=r"h .*has leaves of .*int32"):
        compiled(WithIntegerLeaf())


class OfTwoDtypes(Leaky):
    """Neurons that begin in another dtype than a step leaves."""

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(jnp.zeros((batch_size, N), jnp.float32))


def test_a_state_whose_dtype_grows_is_named():
    with pytest.raises(errors.ShapeError, match=r"h is .*float32.* before a step.*float64"):
        compiled(OfTwoDtypes())
