"""Functions that are traced between a gradient and a step: what is refused without is with them."""

from __future__ import annotations

import brainstate
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
    gradient_through_time,
    squared,
)

pytestmark = pytest.mark.usefixtures("double_precision")

EXACT = ["D_RTRL", "RTRL"]
transform = brainstate.transform
grad = transform.grad


def loop(step):
    return transform.for_loop(lambda _: step(), jnp.zeros(1)).sum()


def loop_of_loops(step):
    return loop(lambda: loop(step))


BETWEEN = {
    "jit": lambda step: transform.jit(step)(),
    "remat": lambda step: transform.checkpoint(step)(),
    "cond": lambda step: transform.cond(jnp.array(True), step, lambda: jnp.zeros(())),
    "loop": loop,
    "jit in a loop": lambda step: loop(lambda: transform.jit(step)()),
    "loop of loops": loop_of_loops,
}


@pytest.mark.parametrize("rule", EXACT)
@pytest.mark.parametrize("between", BETWEEN)
def test_a_gradient_by_a_hidden_state_is_refused(between, rule):
    learner = compiled(Leaky(), rule)

    def loss():
        step = lambda: squared(learner(XS[0]), YS[0], learner.model)  # noqa: E731
        return BETWEEN[between](step)

    with pytest.raises(errors.HiddenPathError, match="h holds before the first step"):
        grad(loss, {"h": learner.model.h})()


@pytest.mark.parametrize("rule", EXACT)
def test_after_steps_of_another_learner_it_is_refused(rule):
    one, other = compiled(Leaky(), rule), compiled(Leaky(), rule)

    def loss():
        return sum(squared(learner(XS[0]), YS[0], None) for learner in (one, other))

    with pytest.raises(errors.HiddenPathError, match="h holds before the first step"):
        grad(loss, {"h": other.model.h})()


@pytest.mark.parametrize("rule", EXACT)
def test_in_what_was_compiled_before_it_is_refused(rule):
    learner = compiled(Leaky(), rule)
    step = transform.jit(lambda: squared(learner(XS[0]), YS[0], None))
    step()
    with pytest.raises(errors.HiddenPathError, match="h holds before the first step"):
        grad(step, {"h": learner.model.h})()


class Member(Leaky):
    """One member of a batch."""

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(jnp.zeros(N))


def mapped(rule, kind=Member):
    """A learner of one member, and it mapped over the batch."""
    learner = getattr(brainscale, rule)(kind())

    @transform.vmap_new_states(state_tag="new", axis_size=B)
    def begin():
        brainstate.nn.init_all_states(learner.model)
        learner.compile_graph(XS[0, 0])

    begin()
    return learner, brainstate.nn.Vmap(learner, vmap_states="new")


@pytest.mark.parametrize("rule", EXACT)
def test_through_a_map_it_is_refused(rule):
    learner, step = mapped(rule)
    loss = lambda: squared(step(jnp.asarray(XS[0])), YS[0], None)  # noqa: E731
    with pytest.raises(errors.HiddenPathError, match="h holds before the first step"):
        grad(loss, {"h": learner.model.h})()


@pytest.mark.parametrize("rule", EXACT)
@pytest.mark.parametrize("between", BETWEEN)
def test_gradients_by_parameters(between, rule):
    """Of several steps, by what none of them had before."""
    learner = compiled(Leaky(), rule)

    def total():
        step = lambda t: squared(learner(XS[t]), YS[t], learner.model)  # noqa: E731
        return sum(BETWEEN[between](lambda t=t: step(t)) for t in range(T))

    assert_same(grad(total, learner.param_states)(), gradient_through_time(Leaky()))


@pytest.mark.parametrize("rule", EXACT)
def test_a_loop_of_what_was_compiled_before(rule):
    learner = compiled(Leaky(), rule)
    step = transform.jit(lambda x: learner(x))
    step(XS[0])
    learner.reset_state(B)

    def total():
        return transform.for_loop(lambda x, y: squared(step(x), y, None), XS, YS).sum()

    assert_same(grad(total, learner.param_states)(), gradient_through_time(Leaky()))


@pytest.mark.parametrize("rule", EXACT)
@pytest.mark.parametrize("between", ["jit", "loop"])
def test_second_derivatives_through_traces_are_not_a_number(between, rule):
    learner = compiled(Leaky(), rule)
    params = learner.param_states

    def slope():
        learner.reset_traces()
        BETWEEN[between](lambda: learner(XS[0]).sum())

        def loss():
            return BETWEEN[between](lambda: squared(learner(XS[1]), YS[1], None))

        return (grad(loss, learner.model.w)() ** 2).sum()

    assert np.isnan(grad(slope, params)()[("w",)]).all()


@pytest.mark.parametrize("rule", EXACT)
def test_second_derivatives_through_traces_of_members_are_not_a_number(rule):
    learner, step = mapped(rule)
    xs = jnp.asarray(XS)

    def slope():
        learner.reset_traces()
        step(xs[0])
        loss = lambda: squared(step(xs[1]), YS[1], None)  # noqa: E731
        return (grad(loss, learner.model.w)() ** 2).sum()

    assert np.isnan(grad(slope, learner.model.w)()).all()


@pytest.mark.parametrize("rule", EXACT)
def test_second_derivatives_in_a_loop(rule):
    """Of gradients that no trace is read for."""

    def second(step, model, begin=lambda: None):
        def slope():
            def total():
                of_step = lambda x, y: squared(step(x), y, model)  # noqa: E731
                return transform.for_loop(of_step, XS[:3], YS[:3]).sum()

            begin()
            return (grad(total, model.w)() ** 2).sum()

        return grad(slope, model.w)()

    learner, model = compiled(Leaky(), rule), Leaky()
    brainstate.nn.init_all_states(model, batch_size=B)
    gradients = second(learner, learner.model, learner.reset_traces)
    np.testing.assert_allclose(gradients, second(model, model), rtol=1e-9)
    with pytest.raises(errors.HiddenPathError, match=r"second derivative.*reset_traces"):
        second(learner, learner.model)


class Rated(Member):
    """With a running rate, of which no output is made."""

    def init_state(self, batch_size=None, **kwargs):
        super().init_state(batch_size)
        self.rate = brainstate.ShortTermState(jnp.zeros(N))

    def update(self, x):
        out = super().update(x)
        self.rate.value = 0.9 * self.rate.value + 0.1 * self.h.value
        return out


@pytest.mark.parametrize(
    ("rule", "between", "name"),
    [
        ("D_RTRL", "", "h"),
        ("D_RTRL", "", "rate"),
        ("D_RTRL", "jit", "h"),
        ("D_RTRL", "loop", "rate"),
        ("RTRL", "", "rate"),
        ("RTRL", "loop", "h"),
    ],
)
def test_a_state_that_is_read_before_a_mapped_step_is_refused(rule, between, name):
    learner, step = mapped(rule, Rated)
    state, xs = getattr(learner.model, name), jnp.asarray(XS)

    def loss(is_read):
        of_step = lambda: squared(step(xs[0]), YS[0], None)  # noqa: E731
        before = (state.value**2).sum() if is_read else 0.0
        return before + (BETWEEN[between](of_step) if between else of_step())

    params = learner.param_states
    grad(lambda: loss(False), params)()
    for _ in range(2):
        with pytest.raises(errors.HiddenPathError, match=f"{name} is read or written before"):
            grad(lambda: loss(True), params)()
        grad(lambda: loss(False), params)()


@pytest.mark.parametrize("rule", EXACT)
def test_a_state_that_is_read_after_mapped_steps(rule):
    learner, step = mapped(rule)
    xs = jnp.asarray(XS)

    def of_steps(step, x, y, model):
        return squared(step(x), y, None) + (model.h.value**2).sum()

    def total(step, model):
        return sum(of_steps(step, xs[t], YS[t], model) for t in range(T))

    gradients = grad(lambda: total(step, learner.model), learner.param_states)()
    model = Leaky()
    brainstate.nn.init_all_states(model, batch_size=B)
    params = model.states(brainstate.ParamState)
    assert_same(gradients, grad(lambda: total(model, model), params)())
