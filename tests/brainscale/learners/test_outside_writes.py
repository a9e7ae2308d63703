"""A hidden state that others than the learner wrote is noticed, wherever that was (LEARN-1).

Programs of random calls, each compiled or not, are made with a learner, and what it then says is
compared with what a list of the calls says: whether a write came before a step, past the traces.
"""

from __future__ import annotations

import re

import brainstate
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale import errors
from odd_models import Groups, K, Model, N, batched, dense

T, BATCH = 2, 2
RULES = {
    "D-RTRL": brainscale.D_RTRL,
    "ES-D-RTRL": lambda model: brainscale.ES_D_RTRL(model, 0.5),
    "hybrid": lambda model: brainscale.HybridDimVjpAlgorithm(model, 0.5),
    "OSTL": brainscale.OSTL,
    "RTRL": brainscale.RTRL,
}

pytestmark = pytest.mark.usefixtures("compiled_fast", "step_length")


class Counting(Model):
    """Neurons, and what they have put out so far."""

    def __init__(self):
        super().__init__()
        self.w = dense(0, K, N)

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(batched(batch_size, N))
        self.total = brainscale.ETraceState(batched(batch_size, N))

    def update(self, x):
        self.h.value = jnp.tanh(0.9 * self.h.value + self.w.execute(x))
        self.total.value = self.total.value + self.h.value
        return self.total.value


def sequence(length=T):
    return jnp.asarray(np.random.default_rng(0).normal(size=(length, BATCH, K)), jnp.float32)


def learner_of(rule="D-RTRL"):
    model = Counting()
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    learner = RULES[rule](model)
    learner.compile_graph(sequence()[0])
    return learner


def begin_total(learner):
    learner.model.total.value = jnp.zeros((BATCH, N))


# What is done with a learner, by whether the traces are zero before it, and of these states.


def step(learner):
    brainstate.transform.grad(lambda: learner(sequence()[0]).sum(), learner.param_states)()


def steps(learner):
    learner.etrace_grad(sequence(), lambda x: learner(x).sum())


def evolve(learner):
    learner.etrace_evolve(sequence())


def write(learner):
    begin_total(learner)


def infer(learner):
    brainstate.transform.for_loop(learner.model, sequence())


def write_and_zero(learner):
    begin_total(learner)
    learner.zero_trace("total")


def infer_and_put_back(learner):
    states = learner.model.states(brainstate.HiddenState).values()
    before = [state.value for state in states]
    learner.model(sequence()[0])
    for state, value in zip(states, before, strict=True):
        state.value = value


def reset(learner):
    learner.reset_state(BATCH)


def read(learner):
    return learner.count, learner.model.total.value.sum()


STEPS, WRITES = (step, steps, evolve), (write, infer)
CALLS = (*STEPS, *WRITES, write_and_zero, infer_and_put_back, reset, read)


def is_refused(calls, is_at_rest, is_written):
    """Whether a program is refused, and the state of things after it."""
    for call in calls:
        if call in STEPS:
            if is_written:
                return True, is_at_rest, is_written
            is_at_rest = False
        elif call in WRITES:
            is_written = not is_at_rest
        elif call is write_and_zero and is_written == "all":
            return True, is_at_rest, is_written
        elif call is reset:
            is_at_rest, is_written = True, False
    return False, is_at_rest, is_written


@pytest.mark.parametrize("seed", range(8))
def test_programs(seed):
    """Pieces of calls, each piece compiled or not, and compiled pieces called again."""
    rng = np.random.default_rng(seed)
    simple = [call for call in CALLS if call is not write_and_zero]
    learner, known, at_rest, written = learner_of(), [], True, False
    for _ in range(10):
        if known and rng.random() < 0.5:
            calls, run = known[rng.integers(len(known))]
        else:
            calls = [simple[i] for i in rng.integers(len(simple), size=rng.integers(1, 3))]

            def run(calls=calls):
                for call in calls:
                    call(learner)

            if rng.random() < 0.6:
                # At rest or not is not known there: nor is a write that comes before a step.
                calls = [infer_and_put_back if call in WRITES else call for call in calls]
                run = brainstate.transform.jit(lambda calls=calls: [c(learner) for c in calls][:0])
            known.append((calls, run))
        refused, rest, now = is_refused(calls, at_rest, written)
        if refused:
            with pytest.raises(errors.HiddenPathError, match="zero_trace"):
                run()
            learner.reset_state(BATCH)
            at_rest, written = True, False
        else:
            run()
            at_rest, written = rest, now


def around(first, *others):
    """First, and then the others within one compiled function."""

    def run(learner):
        first(learner)
        brainstate.transform.jit(lambda: [other(learner) for other in others][:0])()

    return run


def in_one_loop(learner):
    def body(x):
        learner(x)
        begin_total(learner)

    brainstate.transform.for_loop(body, sequence())


def another_state(learner):
    learner.model.total = brainscale.ETraceState(jnp.zeros((BATCH, N)))


@pytest.mark.parametrize(
    "program",
    [
        around(step, write, step),
        around(step, infer, steps),
        around(read, step, write),
        around(read, step, write, step),
        around(steps, write, evolve),
        in_one_loop,
        lambda learner: (step(learner), another_state(learner), step(learner)),
        lambda learner: (step(learner), infer(learner), learner.zero_trace("total")),
    ],
)
@pytest.mark.parametrize("rule", ["D-RTRL", "RTRL"])
def test_refused(rule, program):
    learner = learner_of(rule)
    with pytest.raises(errors.HiddenPathError, match=r"(h|total) is written.*zero_trace"):
        program(learner)


@pytest.mark.parametrize("call", STEPS)
@pytest.mark.parametrize("rule", ["D-RTRL", "RTRL"])
def test_between_calls_of_what_is_compiled(rule, call):
    """What was compiled before the write is not called; what begins anew is."""
    learner = learner_of(rule)
    run = brainstate.transform.jit(lambda: call(learner))
    anew = brainstate.transform.jit(lambda: (reset(learner), call(learner))[:0])
    run(), anew(), run()
    for change in WRITES:
        change(learner)
        with pytest.raises(errors.HiddenPathError, match="zero_trace"):
            run()
        anew()
        run()


@pytest.mark.parametrize(
    "program",
    [
        around(step, reset, step, write, reset, step),
        around(step, write_and_zero, step, write_and_zero),
        around(write, step, infer_and_put_back, step),
        lambda learner: (step(learner), infer(learner), around(read, reset, step)(learner)),
    ],
)
@pytest.mark.parametrize("rule", ["D-RTRL", "RTRL"])
def test_not_refused(rule, program):
    learner = learner_of(rule)
    program(learner)
    step(learner)


@pytest.mark.parametrize("order", [list, reversed])
def test_a_run_that_is_put_back(order):
    """Whoever writes the traces, too, puts back what belongs together."""
    learner = learner_of()
    steps(learner)
    saved = [(state, jax.tree.map(jnp.copy, state.value)) for state in learner.states().values()]
    steps(learner)
    for state, value in order(saved):
        state.value = value
    step(learner)
    begin_total(learner)
    with pytest.raises(errors.HiddenPathError):
        step(learner)


@pytest.mark.parametrize("rule", RULES)
def test_gradient_past_a_zeroed_trace(rule):
    """What begins anew is no function of the weights; what goes on is."""
    xs = sequence(4)

    def gradient(zeroing):
        learner = learner_of(rule)
        learner.etrace_evolve(xs[:2])
        zeroing(learner)
        gradients = learner.etrace_grad(xs[2:], lambda x: (learner(x) ** 2).sum())
        return gradients["w",]

    def through_time(weight):
        h = total = jnp.zeros((BATCH, N))
        loss = 0.0
        for t, x in enumerate(xs):
            h = jnp.tanh(0.9 * h + x @ weight)
            total = (0 if t == 2 else total) + h
            loss = loss + (total**2).sum() * (t >= 2)
        return loss

    got = gradient(write_and_zero)
    jitted = gradient(lambda learner: brainstate.transform.jit(lambda: write_and_zero(learner))())
    np.testing.assert_allclose(got, jitted, rtol=1e-5)
    if rule in ("D-RTRL", "RTRL", "OSTL"):
        wanted = jax.grad(through_time)(learner_of().model.w.value)
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_what_has_no_trace():
    learner = learner_of()
    for name in ("w", "none", ("model", "h")):
        with pytest.raises(errors.StateNameError, match="no hidden state"):
            learner.zero_trace(name)
    with pytest.raises(errors.NotCompiledError):
        brainscale.D_RTRL(Counting()).zero_trace("h")


@pytest.mark.parametrize("wrong", [None, 3, "nope", ("h", "h"), [1], 1.5])
def test_zero_trace_of_what_is_no_hidden_state(wrong):

    model = Groups()
    brainstate.nn.init_all_states(model, batch_size=2)
    learner = brainscale.D_RTRL(model)
    learner.compile_graph(jnp.ones((2, K)))
    with pytest.raises(errors.StateNameError, match=re.escape(repr(wrong))):
        learner.zero_trace(wrong)
