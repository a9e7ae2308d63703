"""Steps of several kinds, with one learner: other states, other orders, other constants."""

from __future__ import annotations

import brainstate
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale import errors
from through_time import (
    XS,
    YS,
    B,
    Leaky,
    N,
    T,
    assert_same,
    compiled,
    gradient_by_steps,
    gradient_through_time,
    weight,
)

pytestmark = pytest.mark.usefixtures("double_precision")


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
    gradients = [
        grad(lambda t=t: loss_of(learner, t), params, check_states=False)() for t in range(T)
    ]
    return jax.tree.map(lambda *leaves: sum(leaves), *gradients)


def by_sequences(learner):
    gradients = []
    for t in range(T):
        with brainstate.environ.context(is_other=t % 2 == 1):
            of_step = lambda x, y: ((learner(x) - y) ** 2).sum()  # noqa: E731
            gradients.append(learner.etrace_grad(XS[t : t + 1], YS[t : t + 1], of_step))
    return jax.tree.map(lambda *leaves: sum(leaves), *gradients)


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


# Rules for derivatives that become other ones, though the step's program stays the same.


def by_backward_pass(rule):
    function = jax.custom_vjp(lambda v: v)
    function.defvjp(lambda v: (v, None), lambda _, g: (rule(g),))
    return function


def by_tangents(rule):
    function = jax.custom_jvp(lambda v: v)
    function.defjvp(lambda values, g: (values[0], rule(g[0])))
    return function


class Ruled(Leaky):
    """What neurons keep passes a function whose rule for derivatives is `rule`, as it is then."""

    def __init__(self, make=by_backward_pass):
        super().__init__()
        self.function, self.rule = make(lambda g: self.rule(g)), lambda g: g

    def advance(self, x):
        self.h.value = jnp.tanh(self.function(0.8 * self.h.value) + self.w.execute(x))


class RuledBetween(Ruled):
    """A layer below is learned through the function."""

    def __init__(self, make):
        super().__init__(make)
        self.v, self.rule = brainscale.ETraceParam(weight(3, N, N), brainscale.MatMulOp()), zero

    def init_state(self, batch_size=None, **kwargs):
        super().init_state(batch_size)
        self.g = brainstate.HiddenState(jnp.zeros((batch_size, N)))

    def update(self, x):
        super().advance(x)
        self.g.value = jnp.tanh(self.v.execute(self.function(self.h.value)))
        return self.g.value @ self.r.value


def zero(g):
    return 0 * g


def clip(g):
    return jnp.clip(g, -0.05, 0.05)


def test_a_backward_pass_that_clips_later():
    learner = compiled(Ruled())
    gradient_by_steps(learner, steps=range(2))
    learner.model.rule = clip
    with pytest.raises(errors.OperationError, match="no linear function"):
        gradient_by_steps(learner, steps=range(2, T))


def test_a_backward_pass_that_clips_in_an_environment():
    learner = compiled(Ruled())
    learner.model.rule = lambda g: clip(g) if brainstate.environ.get("fit", False) else g
    gradient_by_steps(learner, steps=range(2))
    with (
        brainstate.environ.context(fit=True),
        pytest.raises(errors.OperationError, match="no linear function"),
    ):
        gradient_by_steps(learner, steps=range(2, T))


@pytest.mark.parametrize("make", [by_backward_pass, by_tangents])
def test_a_rule_that_mixes_neurons_later(make):
    model, matrix = Ruled(make), np.eye(N)
    model.rule = lambda g: g @ matrix
    learner = compiled(model)
    matrix[:] = 0.1
    with pytest.raises(errors.LateralPathError):
        gradient_by_steps(learner)


@pytest.mark.parametrize("make", [by_backward_pass, by_tangents])
def test_a_derivative_that_is_there_later(make):
    learner, model = compiled(RuledBetween(make)), RuledBetween(make)
    learner.model.rule = model.rule = lambda g: g
    # The layer above has no leak to remember the one below by.
    assert_same(gradient_by_steps(learner), gradient_through_time(model))


def test_a_rule_that_is_used_for_no_derivative_may_fail():
    def fail(g):
        raise NotImplementedError

    class Unused(Ruled):
        def update(self, x):
            return super().update(x) + jax.lax.stop_gradient(self.function(x)).sum()

        def advance(self, x):
            Leaky.advance(self, x)

    model = Unused()
    model.rule = fail
    assert_same(gradient_by_steps(compiled(model)), gradient_through_time(Unused()))


# Kinds of steps in which what a parameter puts out enters other neurons.


class EntersOthers(Leaky):
    """In the other kind of step neurons are entered by the outputs of their opposites."""

    def update(self, x, is_other=False):
        self.is_other = is_other
        return super().update(x)

    def turn(self, y):
        return y[..., ::-1] if self.is_other else y

    def advance(self, x):
        self.h.value = jnp.tanh(0.8 * self.h.value + self.turn(self.w.execute(x)))


class EntersFewer(EntersOthers):
    """In the other kind of step one neuron in two is entered."""

    def turn(self, y):
        if self.is_other:
            return y
        return jnp.concatenate([y[:, : N // 2], jnp.zeros_like(y[:, N // 2 :])], 1)


class SharedBias(EntersOthers):
    """Numbers that the batch shares are those of other neurons in the other kind."""

    def __init__(self):
        super().__init__()
        self.b = brainscale.ElemWiseParam(weight(9, N))

    def advance(self, x):
        y = self.w.execute(x) + self.turn(self.b.execute())
        self.h.value = jnp.tanh(0.8 * self.h.value + y)


class SharedByBatch(SharedBias):
    """In the other kind of step a number is shared by the neurons of one entry of the batch."""

    def __init__(self):
        super().__init__()
        self.b = brainscale.ElemWiseParam(weight(9, 2))

    def turn(self, b):
        return b[:, None] if self.is_other else jnp.tile(b, N // 2)


@pytest.mark.parametrize("way", [by_steps, by_sequences])
@pytest.mark.parametrize("rule", ["D_RTRL", "ES_D_RTRL", "RTRL"])
@pytest.mark.parametrize(
    ("kind", "name"),
    [(EntersOthers, "w"), (EntersFewer, "w"), (SharedBias, "b"), (SharedByBatch, "b")],
)
def test_other_neurons_are_refused(kind, name, rule, way):
    options = {"decay_or_rank": 0.5} if rule == "ES_D_RTRL" else {}
    learner = compiled(made_by(kind()), rule, **options)
    if rule == "RTRL":
        assert_same(way(learner), truth(kind))
        return
    with pytest.raises(
        errors.StructureError, match=rf"^{name} (enters other neurons|has no trace)"
    ):
        way(learner)


@pytest.mark.parametrize("way", [by_steps, by_sequences])
def test_the_same_neurons_in_another_program_are_no_others(way):
    class Same(EntersOthers):
        def turn(self, y):
            return y[..., ::-1][..., ::-1] + 0.1 if self.is_other else y

    assert_same(way(compiled(made_by(Same()))), truth(Same))
