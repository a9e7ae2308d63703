"""JAX's own transformations know of no states: around a learner they are refused."""

from __future__ import annotations

import brainstate
import jax
import jax.numpy as jnp
import pytest

from brainscale import errors
from through_time import XS, Leaky, assert_same, compiled, gradient_by_steps

pytestmark = pytest.mark.usefixtures("compiled_fast", "double_precision")

transform = brainstate.transform

JAX_S_OWN = {
    "jit": jax.jit,
    "checkpoint": jax.checkpoint,
    "cond": lambda f: lambda x: jax.lax.cond(x.sum() > 0, f, jnp.sum, x),
    "scan": lambda f: lambda x: jax.lax.scan(lambda c, x: (c + f(x), None), 0.0, x[None])[0],
    "vmap": lambda f: lambda x: jax.vmap(f)(x[None])[0],
    "grad": lambda f: lambda x: jax.grad(f)(x).sum(),
    "eval_shape": lambda f: lambda x: jnp.zeros(jax.eval_shape(f, x).shape),
}

AROUND = {
    "nothing": lambda f, learner: f,
    "a gradient": lambda f, learner: transform.grad(f, learner.param_states),
    "what is compiled": lambda f, learner: transform.jit(f),
    "a loop": lambda f, learner: lambda x: transform.for_loop(f, x[None]),
}


def make_step(learner):
    return lambda x: (learner(x) ** 2).sum()


def make_sequence(learner):
    return lambda x: learner.etrace_grad(x[None], make_step(learner))[("w",)].sum()


def assert_refused(rule, make, transformation, around):
    model = Leaky()
    learner = compiled(model, rule)
    states = *model.states().values(), *learner.etraces.values(), learner.count
    before = [state.value for state in states]
    function = around(transformation(make(learner)), learner)
    with pytest.raises(errors.StructureError, match="transformation of JAX"):
        function(jnp.asarray(XS[0]))
    assert all(state.value is value for state, value in zip(states, before, strict=True))


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("transformation", JAX_S_OWN)
def test_a_step_within_one_is_refused(transformation, around):
    assert_refused("D_RTRL", make_step, JAX_S_OWN[transformation], AROUND[around])


@pytest.mark.parametrize("make", [make_step, make_sequence])
@pytest.mark.parametrize("rule", ["D_RTRL", "RTRL"])
def test_under_rules_and_of_sequences(rule, make):
    assert_refused(rule, make, jax.checkpoint, AROUND["what is compiled"])


def test_a_step_of_a_sequence_within_one_is_refused():
    learner = compiled(Leaky(), "RTRL")
    with pytest.raises(errors.StructureError, match="transformation of JAX"):
        learner.etrace_grad(XS, jax.checkpoint(make_step(learner)))


@pytest.mark.parametrize("name", ["jit", "checkpoint", "vmap"])
def test_those_of_brainstate_are_taken(name):
    wanted = gradient_by_steps(compiled(Leaky()), lambda out, y, model: (out**2).sum(), range(1))
    learner = compiled(Leaky())
    wrap = {
        "jit": transform.jit,
        "checkpoint": transform.checkpoint,
        "vmap": lambda f: lambda x: f(x) + 0 * transform.vmap(transform.jit(jnp.sum))(x).sum(),
    }[name]
    gradient = transform.grad(wrap(make_step(learner)), learner.param_states)
    assert_same(gradient(jnp.asarray(XS[0])), wanted)
