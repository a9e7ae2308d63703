"""A weight function is that of the step: it may read what the step says around it."""

from __future__ import annotations

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale import errors
from through_time import (
    WAYS,
    XS,
    YS,
    K,
    Leaky,
    N,
    T,
    assert_same,
    compiled,
    gradient_through_time,
    squared,
    weight,
)

pytestmark = pytest.mark.usefixtures("double_precision")


class OfEnvironment(Leaky):
    """The weight function reads a context that `update` enters."""

    def operation(self):
        return brainscale.MatMulOp(weight_fn=lambda w: w * brainstate.environ.get("beta", 1.0))

    def update(self, x):
        with brainstate.environ.context(beta=3.0):
            return super().update(x)


class OfAttribute(Leaky):
    """The weight function reads an attribute that `update` sets, and sets back."""

    beta = 1.0

    def operation(self):
        return brainscale.MatMulOp(weight_fn=lambda w: jnp.sin(w * self.beta))

    def update(self, x):
        self.beta = 2.0
        out = super().update(x)
        self.beta = 1.0
        return out


class OfStepLength(Leaky):
    """The leak is a weight function of the time constant and of `dt`."""

    def __init__(self):
        super().__init__()
        self.tau = brainscale.ElemWiseParam(
            jnp.full(N, 5.0) * u.ms, lambda tau: u.math.exp(-brainstate.environ.get("dt") / tau)
        )

    def update(self, x):
        with brainstate.environ.context(dt=0.5 * u.ms):
            leak = self.tau.execute()
            self.h.value = jnp.tanh(leak * self.h.value + self.w.execute(x))
            return self.h.value @ self.r.value


@pytest.mark.parametrize("kind", [OfEnvironment, OfAttribute, OfStepLength])
@pytest.mark.parametrize("rule", ["D_RTRL", "RTRL"])
@pytest.mark.parametrize("way", WAYS)
def test_it_is_that_of_the_step(kind, rule, way):
    wanted = gradient_through_time(kind())
    with brainstate.environ.context(dt=1.0 * u.ms):  # another than the step's
        assert_same(WAYS[way](compiled(kind(), rule)), wanted)


@pytest.mark.parametrize("kind", [OfEnvironment, OfAttribute])
@pytest.mark.parametrize("options", [{"decay_or_rank": 0.5}, {"decay_or_rank": 2}])
def test_of_one_step_by_filters(kind, options):
    wanted = gradient_through_time(kind(), steps=range(1))
    learner = compiled(kind(), "ES_D_RTRL", **options)
    assert_same(WAYS["steps"](learner, steps=range(1)), wanted)


@jax.custom_vjp
def clip_gradient(x):
    return x


clip_gradient.defvjp(lambda x: (x, None), lambda _, ct: (jnp.clip(ct, -0.1, 0.1),))


class ClippedWeight(Leaky):
    def operation(self):
        return brainscale.MatMulOp(weight_fn=clip_gradient)


@pytest.mark.parametrize("rule", ["D_RTRL", "RTRL"])
def test_what_clips_its_gradient_is_refused(rule):
    with pytest.raises(errors.OperationError, match="no linear function"):
        WAYS["chunks"](compiled(ClippedWeight(), rule))


class Nested(Leaky):
    """An operation that executes another parameter within itself."""

    def __init__(self, kind):
        self.inner = kind(jnp.eye(N), brainscale.MatMulOp())
        super().__init__()

    def operation(self):
        return brainscale.MatMulOp(weight_fn=lambda w: self.inner.execute(w))


@pytest.mark.parametrize("kind", [brainscale.FakeETraceParam, brainscale.ETraceParam])
def test_an_operation_within_another_is_refused(kind):
    with pytest.raises(errors.OperationError, match="it uses inner"):
        compiled(Nested(kind))


class NestedReadout(Leaky):
    def __init__(self):
        super().__init__()
        self.inner = brainscale.FakeETraceParam(jnp.eye(N), brainscale.MatMulOp())
        self.outer = brainscale.FakeETraceParam(jnp.eye(N), lambda x, w: self.inner.execute(x @ w))

    def update(self, x):
        return self.outer.execute(super().update(x))


def test_a_frozen_operation_within_another_is_refused():
    model = NestedReadout()
    with pytest.raises(errors.OperationError, match=r"outer: .*it uses inner"):
        compiled(model)
    assert not hasattr(model, "h")


class IntegerPart(brainscale.MatMulOp):
    def effective(self, w):
        return w["real"] * w["count"]


class WithIntegers(Leaky):
    def __init__(self):
        super().__init__()
        value = {"real": self.w.value, "count": jnp.ones((), jnp.int32)}
        self.w = brainscale.ETraceParam(value, IntegerPart())


def test_a_parameter_with_integers_is_refused():
    with pytest.raises(errors.OperationError, match="w has a leaf of int32"):
        compiled(WithIntegers())


class OfStep(Leaky):
    """The weight is multiplied by what `factor` is in each step: a gain, or a mask."""

    factor = 1.0

    def operation(self):
        return brainscale.MatMulOp(weight_fn=lambda w: w * self.factor)


FACTORS = {
    "gains": [1.0 + t for t in range(T)],
    "masks": [np.asarray(np.random.default_rng(t).random((K, N)) > 0.5, float) for t in range(T)],
}


def gradients_of_steps(learner, before):
    gradients = []
    for t in range(T):
        before(t)
        loss = lambda t=t: squared(learner(XS[t]), YS[t], None)  # noqa: E731
        gradients.append(brainstate.transform.grad(loss, learner.param_states)())
    return gradients


@pytest.mark.parametrize("factors", FACTORS.values(), ids=[*FACTORS])
def test_another_weight_function_in_each_step_is_another_weight(factors):
    """LEARN-7 and LEARN-11: traces go on, and gradients go back through the function of now."""
    learner, updated = compiled(OfStep()), compiled(Leaky())
    got = gradients_of_steps(learner, lambda t: setattr(learner.model, "factor", factors[t]))
    by_effective = gradients_of_steps(
        updated, lambda t: setattr(updated.model.w, "value", weight(0) * factors[t])
    )
    for t in range(T):
        wanted = {("w",): by_effective[t][("w",)] * factors[t], ("r",): by_effective[t][("r",)]}
        assert_same(got[t], wanted)
