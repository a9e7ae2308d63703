"""Second derivatives of what steps lead to: right, or said not to be a number."""

from __future__ import annotations

import brainstate
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from brainscale import errors
from through_time import XS, YS, B, Leaky, compiled, squared

pytestmark = pytest.mark.usefixtures("double_precision")

EXACT = ["D_RTRL", "RTRL"]


def second_derivative(learner, steps, before=()):
    """By `w`, of the square of the gradient over some steps; others are made before, without it."""
    grad, w = brainstate.transform.grad, learner.model.w

    def slope():
        for t in before:
            learner(XS[t])

        def total():
            return sum(squared(learner(XS[t]), YS[t], learner.model) for t in steps)

        return (grad(total, w)() ** 2).sum()

    return grad(slope, w)()


@pytest.mark.parametrize("rule", EXACT)
@pytest.mark.parametrize("steps", [[0], [0, 1, 2]])
def test_second_derivatives(steps, rule):
    learner, model = compiled(Leaky(), rule), Leaky()
    brainstate.nn.init_all_states(model, batch_size=B)
    wanted = second_derivative(as_learner(model), steps)
    np.testing.assert_allclose(second_derivative(learner, steps), wanted, rtol=1e-9)


@pytest.mark.parametrize("rule", EXACT)
def test_second_derivatives_through_traces_are_refused(rule):
    with pytest.raises(errors.HiddenPathError, match="second derivative"):
        second_derivative(compiled(Leaky(), rule), [1], before=[0])


def by_single_steps(learner, steps):
    return lambda: sum(squared(learner(XS[t]), YS[t], learner.model) for t in steps)


def by_a_loop(learner, steps):
    of_step = lambda x, y: squared(learner(x), y, learner.model)  # noqa: E731
    at = np.array(steps)
    return lambda: brainstate.transform.for_loop(of_step, XS[at], YS[at]).sum()


def slopes(learner, total):
    return lambda: (brainstate.transform.grad(total, learner.model.w)() ** 2).sum()


def slopes_of_a_sequence(learner, steps):
    of_step = lambda x, y: squared(learner(x), y, learner.model)  # noqa: E731
    at = np.array(steps)

    def slope():
        return (learner.etrace_grad(XS[at], YS[at], of_step)[("w",)] ** 2).sum()

    return slope


SLOPES = {
    "single steps": lambda learner, steps: slopes(learner, by_single_steps(learner, steps)),
    "a loop": lambda learner, steps: slopes(learner, by_a_loop(learner, steps)),
    "a sequence": slopes_of_a_sequence,
}
"""Of the gradient by `w` of the losses of some steps, the sum of squares."""


def is_said(derive):
    """Whether what would be wrong is an error, or not a number."""
    try:
        gradients = derive()
    except errors.HiddenPathError as error:
        return "second derivative" in str(error)
    return all(np.isnan(leaf).all() for leaf in jax.tree.leaves(gradients))


@pytest.mark.parametrize("around", ["nothing", "jit"])
@pytest.mark.parametrize("way", SLOPES)
@pytest.mark.parametrize("rule", EXACT)
def test_second_derivatives_of_steps_after_others(rule, way, around):
    """Traces hold no second derivatives: those of steps before the function would be left out."""
    learner = compiled(Leaky(), rule)
    derive = brainstate.transform.grad(SLOPES[way](learner, [1, 2]), learner.model.w)
    learner(XS[0])
    assert is_said(brainstate.transform.jit(derive) if around == "jit" else derive)


@pytest.mark.parametrize("way", SLOPES)
@pytest.mark.parametrize("rule", EXACT)
def test_second_derivatives_of_what_begins_anew(rule, way):
    learner, model = compiled(Leaky(), rule), Leaky()
    slope = SLOPES[way](learner, [1, 2])

    def begin_anew():
        learner.reset_state(B)
        return slope()

    derive = brainstate.transform.grad(begin_anew, learner.model.w)
    learner(XS[0])
    brainstate.nn.init_all_states(model, batch_size=B)
    wanted = second_derivative(as_learner(model), [1, 2])
    np.testing.assert_allclose(derive(), wanted, rtol=1e-9)
    # Again: what the first has left is no write from outside.
    np.testing.assert_allclose(derive(), wanted, rtol=1e-9)


def test_another_learner_that_begins_anew_says_nothing():
    learner, other = compiled(Leaky()), compiled(Leaky())
    slope = SLOPES["a loop"](learner, [1, 2])

    def begin_another():
        other.reset_state(B)
        return slope()

    learner(XS[0])
    assert is_said(brainstate.transform.grad(begin_another, learner.model.w))


@pytest.mark.parametrize("way", ["a loop", "a sequence"])
def test_what_begins_anew_in_a_branch_says_nothing(way):
    learner = compiled(Leaky())
    jit, cond = brainstate.transform.jit, brainstate.transform.cond
    slope = SLOPES[way](learner, [1, 2])

    def begin_in_a_branch():
        cond(jnp.zeros((), bool), lambda: learner.reset_state(B), lambda: None)
        return jit(slope)()

    learner(XS[0])
    assert is_said(brainstate.transform.grad(begin_in_a_branch, learner.model.w))


@pytest.mark.parametrize("around", [brainstate.transform.jit, brainstate.transform.checkpoint])
@pytest.mark.parametrize("rule", EXACT)
def test_second_derivatives_of_a_compiled_sequence(rule, around):
    learner, model = compiled(Leaky(), rule), Leaky()
    slope = around(SLOPES["a sequence"](learner, [1, 2]))
    grad = brainstate.transform.grad
    with pytest.raises(errors.HiddenPathError, match="second derivative"):
        grad(lambda: slope(), learner.model.w)()

    def begin_anew():
        learner.reset_state(B)
        return slope()

    brainstate.nn.init_all_states(model, batch_size=B)
    wanted = second_derivative(as_learner(model), [1, 2])
    np.testing.assert_allclose(grad(begin_anew, learner.model.w)(), wanted, rtol=1e-9)


@pytest.mark.parametrize("way", SLOPES)
def test_what_is_compiled_is_of_what_is_around_it(way):
    """Traced first where traces are begun anew, and called again where they are not."""
    learner, count = compiled(Leaky()), []
    slope = SLOPES[way](learner, [1, 2])
    compiled_slope = brainstate.transform.jit(lambda: (count.append(None), slope())[1])
    grad = brainstate.transform.grad

    def begin_anew():
        learner.reset_state(B)
        return compiled_slope()

    derive = grad(begin_anew, learner.model.w)
    learner(XS[0])
    begun = derive()
    traced = len(count)
    np.testing.assert_array_equal(derive(), begun)
    assert len(count) == traced
    assert is_said(grad(lambda: compiled_slope(), learner.model.w))


@pytest.mark.parametrize("rule", EXACT)
def test_second_derivatives_by_a_readout(rule):
    """On which no trace depends."""
    learner, model = compiled(Leaky(), rule), Leaky()
    learner(XS[0])
    brainstate.nn.init_all_states(model, batch_size=B)

    def by_readout(learner):
        slope = SLOPES["single steps"](learner, [1, 2])

        def begin_anew():
            if learner.model is not model:
                learner.reset_state(B)
            return slope()

        return brainstate.transform.grad(begin_anew, learner.model.r)()

    np.testing.assert_allclose(by_readout(learner), by_readout(as_learner(model)), rtol=1e-9)


@pytest.mark.parametrize("rule", [*EXACT, "EProp"])
def test_a_loss_after_a_gradient(rule):
    """The square of one step's gradient, and the loss of the next step."""
    learner, model = compiled(Leaky(), rule), Leaky()
    brainstate.nn.init_all_states(model, batch_size=B)

    def derive(learner):
        slope = SLOPES["single steps"](learner, [0])
        later = by_single_steps(learner, [1])
        return brainstate.transform.grad(lambda: slope() + later(), learner.model.w)()

    np.testing.assert_allclose(derive(learner), derive(as_learner(model)), rtol=1e-9)


@pytest.mark.parametrize("rule", EXACT)
def test_a_hessian(rule):
    """Right for the first step, said after others, whichever mode is around which."""
    learner, model = compiled(Leaky(), rule), Leaky()
    brainstate.nn.init_all_states(model, batch_size=B)

    def hessian(step, model):
        loss = lambda: squared(step(XS[0]), YS[0], model)  # noqa: E731
        return brainstate.transform.hessian(loss, model.w)

    wanted = hessian(model, model)()
    np.testing.assert_allclose(hessian(learner, learner.model)(), wanted, rtol=1e-9, atol=1e-12)
    assert is_said(hessian(learner, learner.model))


def as_learner(model):
    """A model in the place of a learner."""

    class Plain:
        def __init__(self):
            self.model = model

        def __call__(self, x):
            return model(x)

    return Plain()
