"""States that a step writes and that are not hidden, put or read by a loss before the step."""

from __future__ import annotations

import brainstate
import jax
import jax.numpy as jnp
import numpy as np
import pytest

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
    gradient_by_chunks,
    gradient_through_time,
    squared,
)

pytestmark = pytest.mark.usefixtures("double_precision")

EXACT = ["D_RTRL", "RTRL"]
transform = brainstate.transform
grad = transform.grad


class Fading(Leaky):
    """A gain that each step multiplies the output by, and halves."""

    kept = 0.5

    def __init__(self):
        super().__init__()
        self.s = brainstate.ParamState(jnp.array(0.7))
        self.gain = brainstate.ShortTermState({"of all": jnp.array(0.9), "steps": jnp.array(0)})

    def update(self, x):
        gain = self.gain.value["of all"]
        out = super().update(x) * gain
        self.gain.value = {"of all": self.fade(gain), "steps": self.gain.value["steps"] + 1}
        return out

    def fade(self, gain):
        return gain * 0.5


def put(model, scale=1.0):
    model.gain.value = {"of all": jnp.cos(scale * model.s.value), "steps": jnp.array(0)}


def summed(gradients):
    return jax.tree.map(lambda *leaves: sum(leaves), *gradients)


def put_and_step(step, model, t):
    put(model, 1.0 + t)
    return squared(step(XS[t]), YS[t], model) + model.gain.value["of all"] ** 2


def wanted_of_put_each_time():
    model = Fading()
    brainstate.nn.init_all_states(model, batch_size=B)
    total = lambda: sum(put_and_step(model, model, t) for t in range(T))  # noqa: E731
    return grad(total, model.states(brainstate.ParamState))()


def in_single_steps(learner):
    model, params = learner.model, learner.param_states
    return summed([grad(lambda t=t: put_and_step(learner, model, t), params)() for t in range(T)])


def in_one_gradient(learner):
    total = lambda: sum(put_and_step(learner, learner.model, t) for t in range(T))  # noqa: E731
    return grad(total, learner.param_states)()


def in_what_is_compiled(learner):
    def total():
        of_step = lambda t: put_and_step(learner, learner.model, t)  # noqa: E731
        return sum(transform.jit(lambda t=t: of_step(t))() for t in range(T))

    return grad(total, learner.param_states)()


def in_a_loop(learner):
    def step(x, y, t):
        put(learner.model, 1.0 + t)
        out = learner(x)
        return squared(out, y, None) + learner.model.gain.value["of all"] ** 2

    total = lambda: transform.for_loop(step, XS, YS, np.arange(float(T))).sum()  # noqa: E731
    return grad(total, learner.param_states)()


@pytest.mark.parametrize("rule", EXACT)
@pytest.mark.parametrize("way", [in_single_steps, in_one_gradient, in_what_is_compiled, in_a_loop])
def test_put_where_the_step_is_made(way, rule):
    assert_same(way(compiled(Fading(), rule)), wanted_of_put_each_time())


BETWEEN = {
    "jit": lambda step: transform.jit(step)(),
    "loop": lambda step: transform.for_loop(lambda _: step(), jnp.zeros(1)).sum(),
}


@pytest.mark.parametrize("rule", EXACT)
@pytest.mark.parametrize("between", BETWEEN)
def test_put_outside_of_what_is_traced_is_refused(between, rule):
    learner = compiled(Fading(), rule)

    def loss():
        put(learner.model)
        return BETWEEN[between](lambda: squared(learner(XS[0]), YS[0], None))

    with pytest.raises(errors.HiddenPathError, match="gain holds before the first step"):
        grad(loss, learner.param_states)()


@pytest.mark.parametrize("rule", EXACT)
@pytest.mark.parametrize("between", [*BETWEEN, ""])
def test_put_by_a_constant(between, rule):
    learner, model = compiled(Fading(), rule), Fading()
    brainstate.nn.init_all_states(model, batch_size=B)

    def gradient(step, model):
        def loss():
            model.gain.value = {"of all": jnp.array(0.3), "steps": jnp.array(0)}
            of_step = lambda: squared(step(XS[0]), YS[0], None)  # noqa: E731
            return BETWEEN[between](of_step) if between else of_step()

        return grad(loss, model.states(brainstate.ParamState), check_states=False)()

    assert_same(gradient(learner, learner.model), gradient(model, model))


@pytest.mark.parametrize("rule", EXACT)
def test_by_the_state_itself(rule):
    learner, model = compiled(Leaner(), rule), Leaner()
    brainstate.nn.init_all_states(model, batch_size=B)

    def gradient(step, model):
        return grad(lambda: squared(step(XS[0]), YS[0], None), {"gain": model.gain})()["gain"]

    np.testing.assert_allclose(gradient(learner, learner.model), gradient(model, model), rtol=1e-9)


class Leaner(Leaky):
    """A gain that each step moves by a parameter."""

    def __init__(self):
        super().__init__()
        self.gain = brainstate.ShortTermState(jnp.array(0.9))
        self.p = brainstate.ParamState(jnp.array(0.2))

    def update(self, x):
        self.gain.value = 0.5 * self.gain.value + self.p.value
        return super().update(x) * self.gain.value


def by_single_steps(learner):
    loss = lambda t: squared(learner(XS[t]), YS[t], None)  # noqa: E731
    params = learner.param_states
    return summed([grad(lambda t=t: loss(t), params)() for t in range(T)])


def by_one_gradient(learner):
    total = lambda: sum(squared(learner(XS[t]), YS[t], None) for t in range(T))  # noqa: E731
    return grad(total, learner.param_states)()


def by_one_loop(learner):
    step = lambda x, y: squared(learner(x), y, None)  # noqa: E731
    return grad(lambda: transform.for_loop(step, XS, YS).sum(), learner.param_states)()


def by_compiled_steps(learner):
    step = transform.jit(lambda x: learner(x))
    total = lambda: sum(squared(step(XS[t]), YS[t], None) for t in range(T))  # noqa: E731
    return grad(total, learner.param_states)()


@pytest.mark.parametrize("way", [by_single_steps, by_one_gradient, by_one_loop, by_compiled_steps])
def test_what_a_step_leaves_is_no_path_through_time(way):
    gradients = way(compiled(Leaner()))
    assert_same(gradients, gradient_by_chunks(compiled(Leaner())))
    through_time = gradient_through_time(Leaner())[("p",)]
    assert not np.isclose(gradients[("p",)], through_time, rtol=1e-3)


@pytest.mark.parametrize("way", [by_one_gradient, by_one_loop, by_compiled_steps])
def test_by_rtrl_it_is_through_time_in_its_traces_alone(way):
    assert_same(way(compiled(Leaner(), "RTRL")), gradient_through_time(Leaner()))


class Rated(Leaky):
    """A running rate, of which no output is made."""

    def init_state(self, batch_size=None, **kwargs):
        super().init_state(batch_size)
        self.rate = brainstate.ShortTermState(jnp.zeros((batch_size, N)))

    def heard(self):
        return self.h.value

    def update(self, x):
        out = super().update(x)
        self.rate.value = 0.9 * self.rate.value + 0.1 * self.heard()
        return out


class StoppedRate(Rated):
    def heard(self):
        return jax.lax.stop_gradient(self.h.value)


def read(model):
    return (model.rate.value**2).sum()


def read_before_a_step(learner):
    return read(learner.model) + squared(learner(XS[1]), YS[1], None)


def read_before_a_loop(learner):
    step = lambda x: read_before_a_step(learner)  # noqa: E731
    return read(learner.model) + transform.for_loop(step, jnp.zeros(2)).sum()


def read_in_a_loop(learner):
    return transform.for_loop(lambda x: read_before_a_step(learner), jnp.zeros(2)).sum()


def decay_before_a_step(learner):
    learner.model.rate.value = 0.5 * learner.model.rate.value
    return squared(learner(XS[1]), YS[1], None)


@pytest.mark.parametrize("rule", EXACT)
@pytest.mark.parametrize(
    "loss", [read_before_a_step, read_before_a_loop, read_in_a_loop, decay_before_a_step]
)
def test_a_state_that_remembers_is_refused_before_the_step(loss, rule):
    learner = compiled(Rated(), rule)
    learner(XS[0])
    with pytest.raises(errors.HiddenPathError, match="rate is read or written before"):
        grad(lambda: loss(learner), learner.param_states)()


@pytest.mark.parametrize("rule", EXACT)
def test_a_state_that_does_not_remember_is_read_before_the_step(rule):
    """It is made of what has no derivative."""
    learner, model = compiled(StoppedRate(), rule), StoppedRate()
    brainstate.nn.init_all_states(model, batch_size=B)

    def total(step, model, steps):
        return sum(read(model) + squared(step(XS[t]), YS[t], None) for t in steps)

    params = learner.param_states
    gradients = [grad(lambda t=t: total(learner, learner.model, [t]), params)() for t in range(T)]
    wanted = grad(lambda: total(model, model, range(T)), model.states(brainstate.ParamState))()
    assert_same(summed(gradients), wanted)


@pytest.mark.parametrize("rule", EXACT)
def test_begun_anew_it_may_be_read(rule):
    learner = compiled(Rated(), rule)

    def loss():
        learner.reset_state(B)
        return read_before_a_step(learner) + read_before_a_step(learner)

    def after_steps():
        return sum(squared(learner(XS[1]), YS[1], None) for _ in range(2))

    if rule == "D_RTRL":
        with pytest.raises(errors.HiddenPathError, match="rate carries a derivative"):
            grad(loss, learner.param_states)()
    else:
        grad(loss, learner.param_states)()
    learner.reset_state(B)
    grad(after_steps, learner.param_states)()
