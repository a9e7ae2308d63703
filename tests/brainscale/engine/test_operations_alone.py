"""An operation is a function of its input and weight, and a weight is used by its own operation."""

from __future__ import annotations

import brainstate
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale import errors
from through_time import WAYS, K, Leaky, N, assert_same, compiled, gradient_through_time

pytestmark = pytest.mark.usefixtures("double_precision")

X = np.cos(np.arange(6.0)).reshape(2, 3)
RULES = {"D_RTRL": {}, "ES_D_RTRL": {"decay_or_rank": 0.5}}


class Net(brainstate.nn.Module):
    """Leaky neurons behind a weight whose operation takes more than its input and weight.

    Parameters
    ----------
    more : callable
        From the net to what multiplies the weight.
    """

    def __init__(self, more):
        super().__init__()
        w = jnp.sin(jnp.arange(12.0)).reshape(3, 4)
        self.gain = brainstate.ParamState(jnp.array(2.0))
        self.other = brainscale.ETraceParam(w, brainscale.MatMulOp())
        self.w = brainscale.ETraceParam(w, brainscale.MatMulOp(weight_fn=lambda w: w * more(self)))

    def init_state(self, batch_size=None):
        self.h = brainstate.HiddenState(jnp.ones((batch_size, 4)))
        self.scale = brainstate.ShortTermState(jnp.array(2.0))

    def update(self, x):
        self.scale.value = self.scale.value / 2
        self.within = jnp.cos(self.scale.value)
        y = self.other.execute(x)
        self.h.value = 0.8 * self.h.value + self.w.execute(x) + y
        return self.h.value


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("more", "named"),
    [
        (lambda net: net.scale.value, "scale"),
        (lambda net: net.gain.value, "gain"),
        (lambda net: net.h.value[:1], "h"),
        (lambda net: net.other.value[0, 0], "other"),
        (lambda net: net.within, "another value of the step"),
        (lambda net: brainstate.random.bernoulli(0.5, (3, 4)), "w"),
    ],
)
def test_a_weight_function_of_more_than_the_weight_is_refused(more, named, rule):
    with pytest.raises(errors.OperationError, match=rf"^w: .*{named}"):
        brainscale.compile(Net(more), rule, X, batch_size=2, **RULES[rule])


def test_a_mask_or_a_constant_is_no_more():
    mask = np.arange(12).reshape(3, 4) % 2
    learner = brainscale.compile(Net(lambda net: mask * jnp.ones(4)), "D_RTRL", X, batch_size=2)
    assert learner.etrace_grad(X[None], squared(learner))[("w",)].any()


def squared(model):
    return lambda x: (model(x) ** 2).sum()


class Frozen(Net):
    """A frozen operation that takes more; the weight's takes no more."""

    def __init__(self, more):
        super().__init__(lambda net: 1.0)
        fixed = jnp.cos(jnp.arange(16.0)).reshape(4, 4)
        self.fixed = brainscale.FakeETraceParam(fixed, lambda x, w: more(self) * (x @ w))

    def update(self, x):
        self.h.value = self.h.value + self.fixed.execute(self.h.value)
        return super().update(x)


@pytest.mark.parametrize(
    ("more", "named"), [(lambda net: net.gain.value, "gain"), (lambda net: net.h.value, "h")]
)
def test_a_frozen_operation_of_what_is_learned_is_refused(more, named):
    with pytest.raises(errors.OperationError, match=rf"^fixed: .*reads {named}\)"):
        brainscale.compile(Frozen(more), "D_RTRL", X, batch_size=2)


def test_a_frozen_operation_of_another_state_is_right():
    """A state that is neither learned nor hidden has no derivative."""
    model = Frozen(lambda net: net.scale.value)
    learner = brainscale.compile(model, "D_RTRL", X, batch_size=2)
    got = learner.etrace_grad(X[None], squared(learner))[("w",)]
    plain = Frozen(lambda net: net.scale.value)
    brainstate.nn.init_all_states(plain, batch_size=2)
    truth = brainstate.transform.grad(lambda: squared(plain)(X), plain.w)()
    np.testing.assert_allclose(got, truth, rtol=1e-10)


class Closing(Leaky):
    """A readout or a drive by a frozen weight; `more` is what its operation takes beside x and w.

    Parameters
    ----------
    more : callable
        From the net to what multiplies what the operation puts out.
    weight : callable, optional
        From the net to what multiplies its weight, in each step.
    is_recurrent : bool
        Whether what it puts out drives the neurons.
    """

    def __init__(self, more=lambda net: 1.0, weight=None, is_recurrent=False):
        super().__init__()
        self.more, self.weight, self.is_recurrent = more, weight, is_recurrent
        self.s = brainstate.ParamState(jnp.array(0.7))
        self.base = jnp.cos(jnp.arange(1.0 * K * N)).reshape(K, N)
        self.f = brainscale.FakeETraceParam(self.base, lambda x, w: (x @ w) * self.more(self))

    def init_state(self, batch_size=None, **kwargs):
        super().init_state(batch_size)
        self.kept = brainstate.ShortTermState(jnp.zeros((batch_size, N)))

    def update(self, x):
        self.before, self.of_s = self.h.value, jnp.cos(self.s.value)
        if self.weight is not None:
            self.f.value = self.base * self.weight(self)
        drive = self.f.execute(x) if self.is_recurrent else 0.0
        self.h.value = jnp.tanh(0.8 * self.h.value + self.w.execute(x) + drive)
        self.now = self.kept.value = self.h.value
        out = self.h.value @ self.r.value * self.s.value
        return out if self.is_recurrent else out + self.f.execute(x)


TAKES_MORE = {
    "a hidden state": dict(more=lambda net: net.now),
    "a state that is written of one": dict(more=lambda net: net.kept.value),
    "a plain parameter": dict(more=lambda net: net.of_s),
    "of what the neurons were": dict(more=lambda net: net.before, is_recurrent=True),
    "of a state that keeps one": dict(more=lambda net: net.kept.value, is_recurrent=True),
    "a weight of a plain parameter": dict(weight=lambda net: net.of_s),
    "a weight of one that drives, plain": dict(weight=lambda net: net.of_s, is_recurrent=True),
    "a weight of a hidden state": dict(weight=lambda net: net.before[0]),
    "a weight of one that drives": dict(weight=lambda net: net.before[0], is_recurrent=True),
    "a weight of a trained one": dict(weight=lambda net: net.w.value),
}


@pytest.mark.parametrize("options", TAKES_MORE.values(), ids=[*TAKES_MORE])
def test_a_frozen_operation_that_closes_over_what_is_learned_is_refused(options):
    with pytest.raises(errors.OperationError, match=r"^f: .*frozen.*RTRL"):
        compiled(Closing(**options))


def test_a_frozen_operation_of_what_is_learned_is_right_by_rtrl():
    model = Closing(**TAKES_MORE["a weight of one that drives"])
    got = WAYS["chunks"](compiled(model, "RTRL"))
    assert_same(got, gradient_through_time(Closing(**TAKES_MORE["a weight of one that drives"])))


@pytest.mark.parametrize("way", WAYS)
def test_a_frozen_operation_of_what_has_no_derivative_is_right(way):
    def stopped(net):
        return jax.lax.stop_gradient(net.before[0] + net.of_s)

    options = dict(more=lambda net: jax.lax.stop_gradient(net.now), weight=stopped)
    got = WAYS[way](compiled(Closing(**options)))
    assert_same(got, gradient_through_time(Closing(**options)))


class UsedByValue(brainstate.nn.Module):
    """A weight that enters the model by its value, too, by way of `use`."""

    def __init__(self, use):
        super().__init__()
        self.use = use
        self.w = brainscale.ETraceParam(
            jnp.sin(jnp.arange(12.0)).reshape(3, 4), brainscale.MatMulOp()
        )
        square = jnp.cos(jnp.arange(16.0)).reshape(4, 4)
        self.v = brainscale.ETraceParam(square, brainscale.MatMulOp())
        self.leak = brainscale.ElemWiseParam(jnp.full(4, 0.7))
        self.fixed = brainscale.FakeETraceParam(square, brainscale.MatMulOp())

    def init_state(self, batch_size=None):
        self.a = brainstate.HiddenState(jnp.zeros((batch_size, 4)))
        self.mean = brainstate.ShortTermState(jnp.zeros((3, 4)))

    def update(self, x):
        y, z = self.w.execute(x), jnp.tanh(x @ self.use(self))
        self.a.value = self.leak.execute() * self.a.value + y + self.v.execute(z)
        return self.a.value + self.fixed.execute(z)


class Averaged(UsedByValue):
    """The mean of a weight's values drives the neurons."""

    def __init__(self):
        super().__init__(lambda net: jnp.ones((3, 4)))

    def update(self, x):
        out = super().update(x) + x @ self.mean.value
        self.mean.value = 0.9 * self.mean.value + self.w.value
        return out


def test_a_weight_by_its_value_in_a_state_is_refused():
    with pytest.raises(errors.HiddenPathError, match=r"^mean "):
        brainscale.compile(Averaged(), "D_RTRL", X, batch_size=2)


@pytest.mark.parametrize(
    ("use", "named"),
    [
        (lambda net: net.w.value, "w"),
        (lambda net: net.w.value + net.v.value[:3], "[vw]"),
        (lambda net: jnp.ones((3, 4)) * net.leak.value, "leak"),
    ],
)
def test_a_weight_by_its_value_in_an_input_is_refused(use, named):
    with pytest.raises(errors.ParameterUseError, match=rf"^{named} reaches the input"):
        brainscale.compile(UsedByValue(use), "D_RTRL", X, batch_size=2)
    learner = brainscale.compile(UsedByValue(use), "RTRL", X, batch_size=2)
    assert learner.etrace_grad(X[None], squared(learner))[("w",)].any()


def test_a_weight_by_its_value_without_a_derivative_is_right():
    def stopped(net):
        return jax.lax.stop_gradient(net.w.value)

    learner = brainscale.compile(UsedByValue(stopped), "D_RTRL", X, batch_size=2)
    got = learner.etrace_grad(X[None], squared(learner))[("w",)]
    plain = UsedByValue(stopped)
    brainstate.nn.init_all_states(plain, batch_size=2)
    truth = brainstate.transform.grad(lambda: squared(plain)(X), plain.w)()
    np.testing.assert_allclose(got, truth, rtol=1e-10)
