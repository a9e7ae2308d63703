"""Ways from a step to later ones past the learner, in a function whose gradient is taken: refused.

Where their derivative is stopped, or of one step alone, gradients are those of the model alone.
"""

from __future__ import annotations

import brainstate
import jax
import jax.numpy as jnp
import pytest
from brainstate.transform import for_loop, grad, jit, scan

from brainscale.errors import HiddenPathError, ParameterUseError
from through_time import XS, YS, B, K, Leaky, N, T, assert_same, compiled, squared, weight

pytestmark = pytest.mark.usefixtures("double_precision")

RULES = ["D_RTRL", "RTRL"]


class Fed(Leaky):
    """Leaky neurons that a plain state drives, too, whose result is as wide as their input."""

    def init_state(self, batch_size=None, **kwargs):
        super().init_state(batch_size)
        self.s = brainstate.ShortTermState(jnp.zeros((batch_size, N)))

    def advance(self, x):
        y = self.w.execute(x)
        self.h.value = jnp.tanh(0.8 * self.h.value + y + 0.5 * self.s.value)

    def update(self, x):
        return super().update(x)[:, :K]


class Counting(Fed):
    """Neurons that write this state themselves."""

    def advance(self, x):
        super().advance(x)
        self.s.value = 0.9 * self.s.value


class Integrator(brainstate.nn.Module):
    """A leaky readout, which is no part of a model."""

    def __init__(self):
        super().__init__()
        self.v = brainstate.HiddenState(jnp.zeros((B, K)))

    def update(self, x):
        self.v.value = 0.9 * self.v.value + x
        return self.v.value


def squares(out):
    return (out**2).sum()


# What a function does with a model and what makes its steps, `step`.


def feed_back(model, step):
    x, total = XS[0], 0.0
    for _ in range(T):
        x = step(x)
        total += squares(x)
    return total


def feed_back_in_a_loop(model, step):
    def body(x, _):
        x = step(x)
        return x, squares(x)

    return scan(body, jnp.asarray(XS[0]), jnp.arange(T))[1].sum()


def feed_back_encoded(model, step):
    x, total = jnp.tanh(XS[0] * model.r.value[0, 0]), 0.0
    for _ in range(T):
        x = step(x * model.r.value[0, 0])
        total += squares(x)
    return total


def capture(model, step):
    """The result of a step goes into a program that is compiled around the next one."""
    out = step(XS[0])
    return squares(jit(lambda x: step(x + out))(XS[1]))


def put_after(model, step, keep=lambda value: value):
    def body(x):
        out = step(x)
        model.s.value = keep(0.5 * model.h.value)
        return squares(out)

    return sum(body(x) for x in XS)


def put_after_in_a_loop(model, step, keep=lambda value: value):
    def body(x):
        out = step(x)
        model.s.value = keep(0.5 * model.h.value)
        return squares(out)

    return for_loop(body, XS).sum()


def put_after_what_is_compiled(model, step):
    def body(x):
        out = jit(step)(x)
        model.s.value = 0.5 * model.h.value
        return squares(out)

    return sum(body(x) for x in XS)


def put_after_one_step(model, step):
    out = step(XS[0])
    model.s.value = 0.5 * model.h.value
    return squares(out)


FED_BACK = [feed_back, feed_back_in_a_loop, feed_back_encoded, capture]
PUT = [put_after, put_after_in_a_loop, put_after_what_is_compiled, put_after_one_step]


def gradient_by(learner, function, step=None):
    return grad(lambda: function(learner.model, step or learner), learner.param_states)()


def gradient_alone(model, function):
    brainstate.nn.init_all_states(model, batch_size=B)
    return grad(lambda: function(model, model), model.states(brainstate.ParamState))()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("function", FED_BACK)
def test_a_result_that_comes_back_as_an_input_is_refused(function, rule):
    with pytest.raises(HiddenPathError, match=r"(argument|captures) of the learner's step|holds"):
        gradient_by(compiled(Fed(), rule), function)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("function", PUT)
def test_a_plain_state_that_a_function_puts_for_later_steps_is_refused(function, rule):
    with pytest.raises(HiddenPathError, match=r"\bs (is written past|of) the learner's step"):
        gradient_by(compiled(Fed(), rule), function)


@pytest.mark.parametrize("function", [put_after_in_a_loop, put_after_one_step])
def test_so_is_one_that_the_step_writes_too(function):
    with pytest.raises(HiddenPathError, match=r"\bs\b"):
        gradient_by(compiled(Counting(), "RTRL"), function)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("function", [put_after, put_after_in_a_loop])
def test_with_its_derivative_stopped_it_is_as_in_the_model_alone(function, rule):
    def stopped(model, step):
        return function(model, step, jax.lax.stop_gradient)

    got = gradient_by(compiled(Fed(), rule), stopped)
    assert_same(got, gradient_alone(Fed(), stopped))


@pytest.mark.parametrize("rule", RULES)
def test_a_result_that_comes_back_with_its_derivative_stopped_is_an_input(rule):
    def stopped(model, step):
        return feed_back(model, lambda x: step(jax.lax.stop_gradient(x)))

    got = gradient_by(compiled(Fed(), rule), stopped)
    assert_same(got, gradient_alone(Fed(), stopped))


@pytest.mark.parametrize("rule", RULES)
def test_an_encoder_learns_one_step_at_a_time_and_else_is_refused(rule):
    encoder = brainstate.ParamState(weight(5, K, K))
    learner = compiled(Leaky(), rule)
    of_step = lambda x, y: squared(learner(x @ encoder.value), y, None)  # noqa: E731
    got = grad(of_step, encoder)(XS[0], YS[0])

    alone = Leaky()
    brainstate.nn.init_all_states(alone, batch_size=B)
    wanted = grad(lambda: squared(alone(XS[0] @ encoder.value), YS[0], None), encoder)()
    assert_same({"encoder": got}, {"encoder": wanted})
    with pytest.raises(HiddenPathError, match="one step at a time"):
        grad(lambda: for_loop(of_step, XS, YS).sum(), encoder)()


# Parameters that are written between steps.


def decay(model, step):
    out = step(XS[0])
    model.w.value = 0.9 * model.w.value
    return squares(out) + squares(step(XS[1]))


def decay_in_a_loop(model, step):
    def body(x):
        out = step(x)
        model.w.value = jax.lax.stop_gradient(0.9 * model.w.value)
        return squares(out)

    return for_loop(body, XS).sum()


def descend(model, step):
    params = model.states(brainstate.ParamState)
    inner = grad(lambda: squares(step(XS[0])), params)()
    for path, param in params.items():
        param.value = param.value - 0.1 * inner[path]
    return squares(step(XS[1]))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("function", [decay, decay_in_a_loop, descend])
def test_a_parameter_that_changes_between_steps_is_refused(function, rule):
    learner = compiled(Leaky(), rule)
    before = learner.model.w.value
    with pytest.raises(ParameterUseError, match=r"w is written after a step.*for each step"):
        gradient_by(learner, function)
    assert learner.model.w.value is before


@pytest.mark.parametrize("rule", RULES)
def test_updates_between_gradients_go_on_in_a_loop(rule):
    learner = compiled(Leaky(), rule)
    params = learner.param_states

    def body(x, y):
        gradients, loss = grad(lambda: squared(learner(x), y, None), params, return_value=True)()
        for path, param in params.items():
            param.value = param.value - 0.01 * gradients[path]
        return loss

    losses = jit(lambda: for_loop(body, XS, YS))()
    assert losses.shape == (T,)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("wrapped", [lambda f: f, jit])
def test_a_hidden_state_of_another_module_is_refused(wrapped, rule):
    learner, readout = compiled(Fed(), rule), Integrator()
    of_step = wrapped(lambda x: squares(readout(learner(x))))
    with pytest.raises(HiddenPathError, match=r"of the model.*part of the model"):
        grad(of_step, learner.param_states)(XS[0])


def test_it_may_follow_what_has_no_derivative():
    learner, readout = compiled(Fed(), "D_RTRL"), Integrator()

    def of_step(x):
        out = learner(x)
        readout(jax.lax.stop_gradient(out))
        return squares(out)

    got = grad(of_step, learner.param_states)(XS[0])
    assert_same(got, gradient_alone(Fed(), lambda model, step: squares(step(XS[0]))))


# Several learners, and plain parameters.


def test_learners_beside_one_another_in_one_gradient():
    one, two = (compiled(Leaky(), "D_RTRL") for _ in range(2))
    params = {"one": one.model.w, "two": two.model.w}
    got = grad(lambda: sum(squares(one(x)) + squares(two(2 * x)) for x in XS), params)()

    models = Leaky(), Leaky()
    for model in models:
        brainstate.nn.init_all_states(model, batch_size=B)
    total = lambda: sum(squares(models[0](x)) + squares(models[1](2 * x)) for x in XS)  # noqa: E731
    assert_same(got, grad(total, {"one": models[0].w, "two": models[1].w})())


def test_a_learner_in_front_of_another_learns_within_the_step():
    front, back = compiled(Fed(), "D_RTRL"), compiled(Leaky(), "D_RTRL")
    params = {"front": front.model.w, "back": back.model.w}
    got = grad(lambda: squares(back(front(XS[0]))), params)()

    models = Fed(), Leaky()
    for model in models:
        brainstate.nn.init_all_states(model, batch_size=B)
    wanted = grad(
        lambda: squares(models[1](models[0](XS[0]))), {"front": models[0].w, "back": models[1].w}
    )()
    assert_same(got, wanted)


class Biased(Leaky):
    """Neurons and a result that plain parameters drive."""

    def __init__(self):
        super().__init__()
        self.p = brainstate.ParamState(weight(3, N))

    def advance(self, x):
        self.h.value = jnp.tanh(0.8 * self.h.value + self.w.execute(x) + self.p.value)


def move(model, step, name):
    def body(x):
        out = step(x)
        param = getattr(model, name)
        param.value = param.value * (1 + out.mean())
        return squares(out)

    return sum(body(x) for x in XS)


@pytest.mark.parametrize("rule", RULES)
def test_a_plain_parameter_that_enters_states_may_not_change_between_steps(rule):
    with pytest.raises(ParameterUseError, match=r"\bp is written after a step"):
        gradient_by(compiled(Biased(), rule), lambda model, step: move(model, step, "p"))


def test_one_that_enters_the_result_alone_may():
    learner = compiled(Biased(), "D_RTRL")
    of_w = {"w": learner.model.w}
    got = grad(lambda: move(learner.model, learner, "r"), of_w)()
    alone = Biased()
    brainstate.nn.init_all_states(alone, batch_size=B)
    assert_same(got, grad(lambda: move(alone, alone, "r"), {"w": alone.w})())
