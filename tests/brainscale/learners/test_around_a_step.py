"""What a loss does with hidden states before or after the learner's step (LEARN-1)."""

from __future__ import annotations

import brainstate
import jax.numpy as jnp
import pytest

from brainscale import errors
from two_layers import BATCH, RULES, close, compiled, named, sequence

pytestmark = pytest.mark.usefixtures("step_length")


def read_before(learner, x):
    return learner.model.low.value.sum() + learner(x).sum()


def read_of_an_etrace_state_before(learner, x):
    return learner.model.high.value.sum() + learner(x).sum()


def write_before(learner, x):
    learner.model.low.value = jnp.ones_like(learner.model.low.value) * learner.model.out.value.sum()
    return learner(x).sum()


def infer_before(learner, x):
    return learner.model(x).sum() + learner(x).sum()


def write_after(learner, x):
    out = learner(x)
    learner.model.low.value = 0 * learner.model.low.value
    return out.sum()


def write_between(learner, x):
    out = learner(x)
    learner.model.high.value = 0.5 * learner.model.high.value
    return out.sum() + learner(x).sum()


def read_before_a_loop(learner, x):
    before = learner.model.low.value.sum()
    return before + brainstate.transform.for_loop(lambda x: learner(x), x[None]).sum()


def write_after_in_a_loop(learner, x):
    return brainstate.transform.for_loop(lambda x: write_after(learner, x), x[None]).sum()


def reset_after(learner, x):
    out = learner(x)
    brainstate.nn.reset_all_states(learner.model, batch_size=BATCH)
    learner.model.low.value = jnp.zeros_like(learner.model.low.value)
    return out.sum()


REFUSED = [
    read_before,
    read_of_an_etrace_state_before,
    write_before,
    infer_before,
    write_after,
    write_between,
    read_before_a_loop,
    write_after_in_a_loop,
    reset_after,
]


def read_after(learner, x):
    return learner(x).sum() + learner.model.low.value.sum()


def two_steps(learner, x):
    return read_after(learner, x) + read_after(learner, 2 * x)


def a_loop(learner, x):
    out = brainstate.transform.for_loop(lambda x: read_after(learner, x), jnp.stack([x, 2 * x]))
    return out.sum()


def reset_before(learner, x):
    learner.reset_state(BATCH)
    return read_after(learner, x)


def reset_after_with_traces(learner, x):
    out = read_after(learner, x)
    learner.reset_state(BATCH)
    return out


@pytest.mark.parametrize("compiling", [brainstate.transform.jit, lambda function: function])
@pytest.mark.parametrize("loss", REFUSED, ids=lambda loss: loss.__name__)
@pytest.mark.parametrize("rule", ["D-RTRL", "RTRL"])
def test_refused(rule, loss, compiling):
    learner, x = compiled(rule), sequence()[0]
    gradient = brainstate.transform.grad(lambda: loss(learner, x), learner.param_states)
    before = {k: s.value for k, s in learner.states().items()}
    with pytest.raises(errors.HiddenPathError, match=r"(low|high) is .* (before|after)"):
        compiling(gradient)()
    close({k: s.value for k, s in learner.states().items()}, before)


@pytest.mark.parametrize(
    ("one", "other"),
    [(two_steps, a_loop), (read_after, reset_before), (read_after, reset_after_with_traces)],
)
@pytest.mark.parametrize("rule", RULES)
def test_not_refused(rule, one, other):
    """Two ways to write the same."""
    gradients = []
    for loss in (one, other):
        learner, x = compiled(rule), sequence()[0]
        gradient = brainstate.transform.grad(
            lambda loss=loss, learner=learner, x=x: loss(learner, x), learner.param_states
        )
        gradients.append(named(brainstate.transform.jit(gradient)()))
    close(*gradients)


def test_read_and_written_outside_of_the_gradient():
    learner, x = compiled("D-RTRL"), sequence()[0]
    gradient = brainstate.transform.grad(lambda x: learner(x).sum(), learner.param_states)

    @brainstate.transform.jit
    def run(x):
        spikes = learner.model.low.value.sum()
        gradients = gradient(x)
        learner.model.low.value = 0 * learner.model.low.value
        learner.reset_traces()
        return spikes, gradients

    run(x), run(x)
