"""A learner of one member of a batch, mapped over the batch: what the axis of a batch gives."""

from __future__ import annotations

import brainstate
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale import errors
from odd_models import Encoded, Gates, Groups, K, Slips, Synapses, TreeOfShapes, TwoPopulations
from truth import difference

T, BATCH = 6, 3
ES = brainscale.ES_D_RTRL
RULES = {
    "D-RTRL": brainscale.D_RTRL,
    "ES-D-RTRL": lambda model: ES(model, 0.5),
    "hybrid": lambda model: brainscale.HybridDimVjpAlgorithm(model, 0.5),
    "e-prop": brainscale.EProp,
    "OSTL": brainscale.OSTL,
    "RTRL": brainscale.RTRL,
}

KINDS = (TwoPopulations, Gates, Slips, Synapses, TreeOfShapes, Encoded, Groups)
"""Whose states are brainpy's, brainstate's and brainscale's own, of one variable and of several."""

pytestmark = pytest.mark.usefixtures("compiled_fast", "double_precision", "step_length")


def sequence():
    # Strong enough that all neurons spike.
    return jnp.asarray(10 * abs(np.random.default_rng(1).normal(size=(T, BATCH, K))))


def begin(model, learner, *, twice=False):
    """States and traces of each member of the batch, as programs for braintrace make them."""

    @brainstate.transform.vmap_new_states(state_tag="new", axis_size=BATCH)
    def run():
        brainstate.nn.init_all_states(model)
        learner.compile_graph(sequence()[0, 0])
        if twice:
            learner.reset_traces()

    run()
    return brainstate.nn.Vmap(learner, vmap_states="new")


def summed(step, learner, compiling=brainstate.transform.jit):
    """The gradients of single steps, their sum over a loop."""
    gradient = brainstate.transform.grad(lambda x: (step(x) ** 2).sum(), learner.param_states)
    gradients = compiling(lambda: brainstate.transform.for_loop(gradient, sequence()))()
    return jax.tree.map(lambda g: g.sum(0), gradients)


def whole(kind, rule):
    """What is wanted: the batch is an axis of the states."""
    model = kind()
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    learner = RULES[rule](model)
    learner.compile_graph(sequence()[0])
    return summed(learner, learner)


def in_steps(model, learner):
    return summed(begin(model, learner), learner)


def step_by_step(model, learner):
    mapped = begin(model, learner)
    gradient = brainstate.transform.grad(lambda x: (mapped(x) ** 2).sum(), learner.param_states)
    return jax.tree.map(lambda *each: sum(each), *[gradient(x) for x in sequence()])


def begun_in_what_is_compiled(model, learner):
    @brainstate.transform.jit
    def run():
        return summed(begin(model, learner), learner, lambda function: function)

    return run()


def begun_twice_in_what_is_compiled(model, learner):
    @brainstate.transform.jit
    def run():
        mapped = begin(model, learner, twice=True)
        return summed(mapped, learner, lambda function: function)

    return run()


def of_a_loop(model, learner):
    mapped = begin(model, learner)
    gradient = brainstate.transform.grad(
        lambda xs: (brainstate.transform.for_loop(mapped, xs) ** 2).sum(), learner.param_states
    )
    return brainstate.transform.jit(gradient)(sequence())


def by_vmap(model, learner):
    begin(model, learner)
    states = {0: learner.states("new")}
    mapped = brainstate.transform.vmap(learner, in_states=states, out_states=states)
    return summed(mapped, learner)


def with_the_gradient_inside(model, learner):
    begin(model, learner)
    states = {0: learner.states("new")}
    gradients = brainstate.transform.vmap(
        lambda xs: learner.etrace_grad(xs, lambda x: (learner(x) ** 2).sum(), chunk=4),
        in_axes=1,
        in_states=states,
        out_states=states,
    )
    return jax.tree.map(lambda g: g.sum(0), gradients(sequence()))


WAYS = [
    step_by_step,
    begun_in_what_is_compiled,
    begun_twice_in_what_is_compiled,
    of_a_loop,
    by_vmap,
    with_the_gradient_inside,
]


@pytest.mark.parametrize(
    ("kind", "rule", "way"),
    [
        *((kind, "D-RTRL", in_steps) for kind in KINDS),
        *((Gates, rule, in_steps) for rule in RULES if rule != "D-RTRL"),
        *((Gates, "D-RTRL", way) for way in WAYS),
    ],
    ids=lambda x: getattr(x, "__name__", x),
)
def test_gradient(kind, rule, way):
    model = kind()
    gradients = way(model, RULES[rule](model))
    assert difference(gradients, whole(kind, rule)) < 1e-10


def train(mapped, learner):
    return lambda: summed(mapped, learner, lambda function: function)


@pytest.mark.parametrize("rule", RULES)
def test_begun_anew_outside_of_the_map(rule):
    """What is compiled goes on with traces that are zero, each member with its own."""
    model = Gates()
    learner = RULES[rule](model)
    run = brainstate.transform.jit(train(begin(model, learner), learner))
    first = run()
    learner.reset_state(BATCH)
    assert difference(run(), first) < 1e-10
    for state in learner.hidden_states.values():
        state.value = jax.tree.map(jnp.zeros_like, state.value)
    learner.reset_traces()
    assert difference(run(), first) < 1e-10


@pytest.mark.parametrize("rule", ["D-RTRL", "RTRL"])
@pytest.mark.parametrize("way", ["anew", "put back", "zeroed"])
def test_after_a_refused_call(rule, way):
    """A refusal leaves all as it was: each mend that it names is one."""
    model = Gates()
    learner = RULES[rule](model)
    mapped = begin(model, learner)
    first = brainstate.transform.jit(train(mapped, learner))()
    states = learner.hidden_states.values()
    before = [state.value for state in states]
    for state in states:
        state.value = jax.tree.map(jnp.zeros_like, state.value)
    for _ in range(2):
        with pytest.raises(errors.HiddenPathError):
            brainstate.transform.jit(train(mapped, learner))()
    if way == "anew":
        mapped = begin(model, learner)
    elif way == "put back":
        for state, value in zip(states, before, strict=True):
            state.value = value
    else:
        learner.reset_traces()
    gradients = brainstate.transform.jit(train(mapped, learner))()
    if way != "put back":
        assert difference(gradients, first) < 1e-10


@pytest.mark.parametrize("rule", RULES)
def test_traces_that_are_read_outside_of_the_map(rule):
    model = Gates()
    learner = RULES[rule](model)
    mapped = begin(model, learner)
    for x in sequence():
        mapped(x)
    name = next(iter(learner.etraces))
    trace = learner.get_etrace_of(name)
    for member in range(BATCH):
        brainstate.nn.init_all_states(model)
        alone = RULES[rule](model)
        alone.compile_graph(sequence()[0, 0])
        alone.etrace_evolve(sequence()[:, member])
        wanted = alone.get_etrace_of(name)
        for got, expected in zip(jax.tree.leaves(trace), jax.tree.leaves(wanted), strict=True):
            np.testing.assert_allclose(got[member], expected, rtol=1e-10, atol=1e-12)
