"""What a step takes from around it: the environment, and values of functions around a learner."""

from __future__ import annotations

import brainstate
import brainunit as u
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale import errors

pytestmark = pytest.mark.usefixtures("double_precision")

T = 5
XS = np.cos(np.arange(6.0 * T)).reshape(T, 2, 3)
LATERAL = np.sin(np.arange(16.0)).reshape(4, 4) / 2
EXACT = {"D_RTRL": {}, "RTRL": {}}
RULES = {**EXACT, "ES_D_RTRL": {"decay_or_rank": 0.5}}


class Leaky(brainstate.nn.Module):
    """Leaky neurons whose input is `drive`n."""

    def __init__(self):
        super().__init__()
        w = jnp.sin(jnp.arange(12.0)).reshape(3, 4)
        self.w = brainscale.ETraceParam(w, brainscale.MatMulOp())
        self.gain = 1.0

    def init_state(self, batch_size=None):
        self.h = brainstate.HiddenState(jnp.zeros((batch_size, 4)))

    def leak(self):
        return 0.8

    def drive(self, y):
        return y

    def update(self, x):
        self.h.value = self.leak() * self.h.value + self.drive(self.w.execute(x))
        return self.h.value


class OfTime(Leaky):
    def drive(self, y):
        return y * jnp.cos(brainstate.environ.get("t"))


class Scaled(Leaky):
    def drive(self, y):
        return y * self.gain


def learner_of(kind, rule="D_RTRL"):
    return brainscale.compile(kind(), rule, XS[0], batch_size=2, **RULES[rule])


def through_time(kind, step, *more):
    """The gradient by the weight of the sum of what steps of the model alone return."""
    model = kind()
    brainstate.nn.init_all_states(model, batch_size=2)
    each = step(model)
    loop = brainstate.transform.for_loop
    return brainstate.transform.grad(lambda: loop(each, XS, *more).sum(), model.w)()


def at_time(model):
    def step(x, t):
        with brainstate.environ.context(t=t):
            return (model(x) ** 2).sum()

    return step


def with_gain(model):
    def step(x, t):
        getattr(model, "model", model).gain = jnp.cos(t)
        return (model(x) ** 2).sum()

    return step


def grad_in_loop(learner, step, *more):
    grad = brainstate.transform.grad(step, learner.param_states)
    loop = brainstate.transform.for_loop
    return brainstate.transform.jit(lambda: loop(grad, XS, *more))()[("w",)].sum(0)


def loop_in_grad(learner, step, *more):
    def total():
        return brainstate.transform.for_loop(step, XS, *more).sum()

    grad = brainstate.transform.grad(total, learner.param_states)
    return brainstate.transform.jit(grad)()[("w",)]


def eagerly(learner, step, *more):
    grad = brainstate.transform.grad(step, learner.param_states)
    return sum(grad(*items)[("w",)] for items in zip(XS, *more, strict=True))


@pytest.mark.parametrize("way", [grad_in_loop, loop_in_grad, eagerly])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("kind", "step"), [(OfTime, at_time), (Scaled, with_gain)])
def test_a_value_of_a_function_around(kind, step, rule, way):
    """A time in the environment, or an attribute, that is traced."""
    ts = jnp.arange(float(T))
    with brainstate.environ.context(t=0.0):
        one, other = learner_of(kind, rule), learner_of(kind, rule)
    got = way(one, step(one), ts)
    sequence = other.etrace_grad(XS, ts, step(other))[("w",)]
    np.testing.assert_allclose(got, sequence, rtol=1e-10)
    if rule in EXACT:
        np.testing.assert_allclose(got, through_time(kind, step, ts), rtol=1e-10)


class LateralInTraining(Leaky):
    def drive(self, y):
        return y + self.h.value @ LATERAL if brainstate.environ.get("fit", False) else y


class CentredInTraining(Leaky):
    def drive(self, y):
        is_fitted = brainstate.environ.get("fit", False)
        return y - y.mean(-1, keepdims=True) if is_fitted else y


class OtherLeakInTraining(Leaky):
    def leak(self):
        return 0.5 if brainstate.environ.get("fit", False) else 0.8


def squared(model):
    return lambda x: (model(x) ** 2).sum()


@pytest.mark.parametrize("kind", [LateralInTraining, CentredInTraining])
def test_a_path_of_training_alone_is_refused(kind):
    learner = learner_of(kind)
    before = learner.model.h.value, learner.etraces["w"].value
    with brainstate.environ.context(fit=True), pytest.raises(errors.LateralPathError):
        loop_in_grad(learner, squared(learner))
    assert before == (learner.model.h.value, learner.etraces["w"].value)


def test_another_step_in_training_is_right():
    learner = learner_of(OtherLeakInTraining)
    with brainstate.environ.context(fit=True):
        got = loop_in_grad(learner, squared(learner))
        np.testing.assert_allclose(got, through_time(OtherLeakInTraining, squared), rtol=1e-10)


class TwoStates(Leaky):
    """Of one group while there is a coupling, and of two while it is zero."""

    def init_state(self, batch_size=None):
        super().init_state(batch_size)
        self.a = brainstate.HiddenState(jnp.zeros((batch_size, 4)))

    def update(self, x):
        k = brainstate.environ.get("coupling", 0.0)
        v = 0.8 * self.h.value + self.w.execute(x)
        self.a.value = 0.8 * self.a.value + v * k
        self.h.value = v - 0.1 * k * self.a.value
        return jnp.tanh(self.h.value + self.a.value)


def test_other_groups_in_training_are_refused():
    with brainstate.environ.context(coupling=0.0):
        learner = learner_of(TwoStates)
    with brainstate.environ.context(coupling=1.0):
        with pytest.raises(errors.StructureError, match="environ"):
            loop_in_grad(learner, squared(learner))
        learner.compile_graph(XS[0])
        got = loop_in_grad(learner, squared(learner))
        np.testing.assert_allclose(got, through_time(TwoStates, squared), rtol=1e-10)


class OfStep(Leaky):
    def leak(self):
        return jnp.exp(-brainstate.environ.get_dt() / (5 * u.ms))


@pytest.mark.parametrize("rule", RULES)
def test_another_length_of_a_step_in_a_compiled_function(rule):
    brainstate.environ.set(dt=1.0 * u.ms)
    learner, made = learner_of(OfStep, rule), []

    def gradient():
        made.append(1)
        return learner.etrace_grad(XS, squared(learner))[("w",)]

    compiled = brainstate.transform.jit(gradient)
    try:
        for dt in (2.0, 0.1, 3.0, 0.1):
            brainstate.environ.set(dt=dt * u.ms)
            learner.reset_state(2)
            got, count = compiled(), len(made)
            learner.reset_state(2)
            compiled()
            assert len(made) == count  # once for each length
            learner.reset_state(2)
            np.testing.assert_allclose(got, gradient(), rtol=1e-10)
    finally:
        brainstate.environ.pop("dt")


def test_an_environment_within_a_function_is_traced_once():
    learner, made = learner_of(OtherLeakInTraining), []

    @brainstate.transform.jit
    def step(x):
        made.append(1)
        with brainstate.environ.context(fit=True):
            return learner(x)

    for x in XS:
        step(x)
    assert len(made) <= 2


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("way", ["steps", "chunks"])
def test_another_context_around_a_compiled_function(rule, way):
    with brainstate.environ.context(dt=1.0 * u.ms):
        learner = learner_of(OfStep, rule)

    def gradient():
        if way == "chunks":
            return learner.etrace_grad(XS, squared(learner))[("w",)]
        loss = squared(learner)
        return brainstate.transform.grad(lambda: loss(XS[0]), learner.model.w)()

    compiled = brainstate.transform.jit(gradient)
    for dt in (1.0, 2.0, 0.1, 2.0):
        with brainstate.environ.context(dt=dt * u.ms):
            learner.reset_state(2)
            compiled()
            got = compiled()
            learner.reset_state(2)
            gradient()
            np.testing.assert_allclose(got, gradient(), rtol=1e-10)


def test_contexts_around_and_within():
    """What is said within a function has it traced anew once, at most."""
    with brainstate.environ.context(dt=1.0 * u.ms):
        learner = learner_of(OfStep)
    made = []

    @brainstate.transform.jit
    def step(x):
        made.append(1)
        with brainstate.environ.context(dt=5.0 * u.ms):
            return learner(x)

    for dt in (1.0, 2.0, 5.0, 1.0):
        with brainstate.environ.context(dt=dt * u.ms):
            count = len(made)
            step(XS[0])
            step(XS[0])
    step(XS[0])
    assert len(made) == count
