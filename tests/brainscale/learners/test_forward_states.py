"""The states that RTRL's sensitivities are of: hidden or not, of the model or from outside of it.

What others write to one is noticed, a state is known by which object it is, and what a step only
reads of one goes on as another kind of step has left it.
"""

from __future__ import annotations

import brainstate
import jax
import jax.numpy as jnp
import pytest

from brainscale import errors
from through_time import WAYS, XS, YS, B, Leaky, N, T, assert_same, compiled, squared

FIRST, SECOND = range(3), range(3, T)

pytestmark = pytest.mark.usefixtures("compiled_fast", "double_precision")


class Counting(Leaky):
    """A sum of what neurons hold, in a state that is not hidden; and a count of steps."""

    def init_state(self, batch_size=None, **kwargs):
        super().init_state(batch_size)
        self.rate = brainstate.ShortTermState(jnp.zeros((batch_size, N)))
        self.steps = brainstate.ShortTermState(jnp.zeros((), int))

    def update(self, x):
        out = super().update(x)
        self.rate.value = self.rate.value + self.h.value
        self.steps.value = self.steps.value + 1
        return out


def with_rate(out, y, model):
    return squared(out, y, model) + (model.rate.value**2).sum()


def zeros():
    return brainstate.ShortTermState(jnp.zeros((B, N)))


def sum_all(gradients):
    return jax.tree.map(lambda *leaves: sum(leaves), *gradients)


def through_time(kind, between, loss_of):
    """The gradient of the second window's losses, `between` being called before it."""
    model = kind()
    brainstate.nn.init_all_states(model, batch_size=B)

    def total():
        for t in FIRST:
            loss_of(model, t, model)
        between(model)
        return sum(loss_of(model, t, model) for t in SECOND)

    return brainstate.transform.grad(total, model.states(brainstate.ParamState))()


def in_window(way, learner, steps, loss_of):
    """The gradient of a window's losses, by a learner."""
    if way == "chunks":
        window = slice(steps.start, steps.stop)
        ts = jnp.arange(steps.start, steps.stop)
        return learner.etrace_grad(
            XS[window], YS[window], ts, lambda x, y, t: loss_of(learner, (x, y), learner.model)
        )
    params = learner.param_states
    return sum_all(
        brainstate.transform.grad(lambda t=t: loss_of(learner, t, learner.model), params)()
        for t in steps
    )


def loss_with_rate(step, t, model):
    x, y = (XS[t], YS[t]) if isinstance(t, int) else t
    return with_rate(step(x), y, model)


def zero_rate(model):
    model.rate.value = jnp.zeros((B, N))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rule", ["RTRL", "OSTL"])
def test_a_plain_state_that_others_wrote_is_noticed(rule, way):
    learner = compiled(Counting(), rule)
    for t in FIRST:
        learner(XS[t])
    zero_rate(learner.model)
    with pytest.raises(errors.HiddenPathError, match="rate is written since"):
        in_window(way, learner, SECOND, loss_with_rate)
    with pytest.raises(errors.HiddenPathError, match="rate is written since"):
        learner(XS[0])


@pytest.mark.parametrize("way", WAYS)
def test_its_sensitivity_can_be_made_zero(way):
    learner = compiled(Counting(), "RTRL")
    for t in FIRST:
        learner(XS[t])
    zero_rate(learner.model)
    learner.zero_trace("rate")
    got = in_window(way, learner, SECOND, loss_with_rate)
    assert_same(got, through_time(Counting, zero_rate, loss_with_rate))


def test_a_count_without_derivatives_may_be_written():
    learner = compiled(Counting(), "RTRL")
    learner(XS[0])
    learner.model.steps.value = jnp.zeros((), int)
    learner(XS[1])


def test_a_plain_state_that_is_another_object_is_noticed():
    learner = compiled(Counting(), "RTRL")
    learner(XS[0])
    learner.model.rate = zeros()
    with pytest.raises(errors.HiddenPathError, match="rate is written as another state"):
        learner(XS[1])
    learner.reset_traces()
    learner(XS[1])


@pytest.mark.parametrize("is_before", [False, True])
def test_a_plain_state_is_left_alone_by_the_loss(is_before):
    """A derivative that a step has no way to hand on is not left out in silence."""
    learner = compiled(Counting(), "RTRL")
    learner(XS[0])
    rate = learner.model.rate

    def loss(x):
        before = (rate.value**2).sum() if is_before else 0.0
        out = learner(x)
        if not is_before:
            rate.value = 0.5 * rate.value
        return before + out.sum()

    with pytest.raises(errors.HiddenPathError, match="rate"):
        brainstate.transform.grad(lambda: loss(XS[1]), learner.param_states)()
    with brainstate.environ.context(fit=True):  # In the gradient of a sequence they may.
        learner.etrace_grad(XS, lambda x: (rate.value**2).sum() + learner(x).sum())


def accumulate(learner, *states):
    """Make a step's loss of what is accumulated in states outside of the model."""

    def loss(x, y):
        out = learner(x)
        for i, state in enumerate(states):
            state.value = 0.9 * state.value + (i + 1) * out
            out = state.value
        return squared(out, y, None)

    return loss


def accumulated_through_time(count=1):
    model = Leaky()
    brainstate.nn.init_all_states(model, batch_size=B)
    states = [zeros() for _ in range(count)]
    loss = accumulate(model, *states)

    def total():
        for t in FIRST:
            model(XS[t])
        return sum(loss(XS[t], YS[t]) for t in SECOND)

    return brainstate.transform.grad(total, model.states(brainstate.ParamState))()


def second_window(learner, *states):
    return learner.etrace_grad(XS[3:], YS[3:], accumulate(learner, *states))


def test_an_accumulator_is_another_than_that_of_its_class_before():
    learner = compiled(Leaky(), "RTRL")
    first = zeros()
    learner.etrace_grad(XS[:3], YS[:3], accumulate(learner, first))
    assert_same(second_window(learner, zeros()), accumulated_through_time())


def test_two_accumulators_of_one_class_are_told_apart():
    learner = compiled(Leaky(), "RTRL")
    for t in FIRST:
        learner(XS[t])
    assert_same(second_window(learner, zeros(), zeros()), accumulated_through_time(2))


def test_one_goes_on_from_sequence_to_sequence():
    learner = compiled(Leaky(), "RTRL")
    loss = accumulate(learner, zeros())
    windows = [learner.etrace_grad(XS[w], YS[w], loss) for w in (slice(0, 3), slice(3, T))]
    whole = compiled(Leaky(), "RTRL")
    wanted = whole.etrace_grad(XS, YS, accumulate(whole, zeros()))
    assert_same(sum_all(windows), wanted)


def test_an_accumulator_that_others_wrote_is_noticed():
    learner, state = compiled(Leaky(), "RTRL"), zeros()
    learner.etrace_grad(XS[:3], YS[:3], accumulate(learner, state))
    state.value = jnp.zeros((B, N))
    with pytest.raises(errors.HiddenPathError, match="ShortTermState is written since"):
        second_window(learner, state)
    learner.zero_trace(state)
    assert_same(second_window(learner, state), accumulated_through_time())


def test_a_compiled_function_has_the_accumulator_that_it_was_compiled_with():
    learner, state = compiled(Leaky(), "RTRL"), zeros()
    loss = accumulate(learner, state)
    run = brainstate.transform.jit(lambda xs, ys: learner.etrace_grad(xs, ys, loss))
    first = run(XS[:3], YS[:3])
    run(XS[:3], YS[:3])
    learner.reset_state(B)
    learner.etrace_grad(XS[:3], YS[:3], accumulate(learner, zeros()))
    learner.reset_state(B)
    state.value = jnp.zeros((B, N))
    assert_same(run(XS[:3], YS[:3]), first)


def test_an_accumulator_that_a_traced_function_makes_is_refused():
    learner = compiled(Leaky(), "RTRL")

    def run(xs, ys):
        return learner.etrace_grad(xs, ys, accumulate(learner, zeros()))

    with pytest.raises(errors.StructureError, match="make it before"):
        brainstate.transform.jit(run)(XS, YS)


class Holding(Leaky):
    """Even steps keep what neurons hold, odd ones use what is kept."""

    def init_state(self, batch_size=None, **kwargs):
        super().init_state(batch_size)
        self.kept = zeros()

    def update(self, x):
        out = super().update(x)
        if brainstate.environ.get("is_odd", False):
            return out * (1 + self.kept.value)
        self.kept.value = self.h.value
        return out


class HoldingWithin(Holding):
    """Neurons take what is kept."""

    def update(self, x):
        is_odd = brainstate.environ.get("is_odd", False)
        more = self.kept.value if is_odd else 0.0
        self.h.value = jnp.tanh(0.5 * self.h.value + self.w.execute(x) + more)
        if not is_odd:
            self.kept.value = self.h.value
        return self.h.value @ self.r.value


KINDS = {"held": Holding, "held within": HoldingWithin}


def loss_of_kind(step, t):
    with brainstate.environ.context(is_odd=bool(t % 2)):
        return squared(step(XS[t]), YS[t], None)


def by_kinds(way, learner):
    gradients = []
    for t in range(T):
        if way == "steps":
            gradient = brainstate.transform.grad(
                lambda t=t: loss_of_kind(learner, t), learner.param_states
            )
            gradients.append(gradient())
            continue
        with brainstate.environ.context(is_odd=bool(t % 2)):
            window = XS[t : t + 1], YS[t : t + 1]
            gradients.append(learner.etrace_grad(*window, accumulate(learner)))
    return sum_all(gradients)


@pytest.mark.parametrize("is_odd_first", [False, True])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rule", ["RTRL", "OSTL"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_step_only_reads_goes_on_as_another_kind_left_it(kind, rule, way, is_odd_first):
    model = KINDS[kind]()
    brainstate.nn.init_all_states(model, batch_size=B)
    wanted = brainstate.transform.grad(
        lambda: sum(loss_of_kind(model, t) for t in range(T)), model.states(brainstate.ParamState)
    )()
    with brainstate.environ.context(is_odd=is_odd_first):
        learner = compiled(KINDS[kind](), rule)
    assert_same(by_kinds(way, learner), wanted)
