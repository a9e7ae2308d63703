"""A refused call of `compile` or `fit` leaves model, learner and optimizer exactly as they were."""

from __future__ import annotations

import brainstate
import braintools
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import brainscale
from brainscale import errors
from through_time import XS, YS, B, Leaky, N, compiled, squared, weight

pytestmark = pytest.mark.usefixtures("compiled_fast", "double_precision")


class Lateral(Leaky):
    """A sum over neurons, of a state with a history; one that `init_state` draws; one in a list."""

    def __init__(self):
        super().__init__()
        self.kept = []

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainscale.ETraceState(brainstate.random.rand(batch_size, N), history=2)
        self.kept.append(brainstate.ShortTermState(jnp.zeros(3)))

    def advance(self, x):
        self.h.value = jnp.tanh(self.w.execute(x) + self.h.value.sum(1, keepdims=True))


class Answered(Leaky):
    """With a readout for which feedback weights are drawn."""

    def __init__(self):
        super().__init__()
        self.r = brainscale.NonTempParam(weight(1, N, N), brainscale.MatMulOp())

    def update(self, x):
        self.advance(x)
        return self.r.execute(self.h.value)


def read_all(*nodes):
    """All states, by path, with what they hold; those of histories and random numbers, too."""
    values = {"random": (0, jax.random.key_data(brainstate.random.DEFAULT.value))}
    for i, node in enumerate(nodes):
        for path, state in brainstate.graph.states(node).items():
            values[i, path] = id(state), jax.tree.leaves(state.value)
            if getattr(state, "_history", None) is not None:
                values[i, path, "past"] = id(state.history_state), state.history_state.value
    return values


def assert_unchanged(before, *nodes):
    after = read_all(*nodes)
    assert after.keys() == before.keys()
    for path, (state, leaves) in before.items():
        assert after[path][0] == state, path
        jax.tree.map(np.testing.assert_array_equal, after[path][1], leaves)


def initialised(kind):
    model = kind()
    brainstate.nn.init_all_states(model, batch_size=B)
    model.h.value = jnp.ones((B, N))
    return model


@pytest.mark.parametrize("inputs", [XS[0], XS[0, :, :1], "text"])
@pytest.mark.parametrize("seed", [None, 1])
def test_what_compile_refuses_leaves_the_model_as_it_was(inputs, seed):
    model = initialised(Lateral)
    before = read_all(model)
    with pytest.raises(errors.BrainscaleError):
        brainscale.compile(model, "D_RTRL", inputs, batch_size=B, seed=seed)
    assert_unchanged(before, model)


def return_vector(learner):
    return lambda x, y: learner(x)


def use_no_learner(learner):
    return lambda x, y: jnp.sum(x)


def write_parameter(learner):
    def step(x, y):
        learner.model.w.value = 2 * learner.model.w.value
        return squared(learner(x), y, None)

    return step


def return_text(learner):
    return lambda x, y: (squared(learner(x), y, None), {"loss": "text"})


STEPS = return_vector, use_no_learner, write_parameter, return_text
RULES = {
    "D-RTRL": brainscale.D_RTRL,
    "RTRL": brainscale.RTRL,
    "e-prop": lambda model: brainscale.EProp(model, "adaptive"),
}


@pytest.mark.parametrize("is_compiled", [False, True])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("step_of", STEPS)
def test_what_fit_refuses_leaves_all_as_it_was(step_of, rule, is_compiled):
    learner = RULES[rule](initialised(Answered))
    if is_compiled:
        learner.compile_graph(XS[0])
    optimizer = braintools.optim.OptaxOptimizer(tx=optax.sgd(0.1))
    before = read_all(learner, optimizer)
    with pytest.raises(errors.BrainscaleError):
        brainscale.fit(learner, step_of(learner), lambda i: (XS, YS), 2, optimizer, progress=False)
    assert_unchanged(before, learner, optimizer)
    assert (learner.structure is not None) == is_compiled
    assert optimizer.opt_state is None
    assert not optimizer.param_states.unique_states
    # It can be trained as if nothing had been.
    brainscale.fit(
        learner,
        lambda x, y: squared(learner(x), y, None),
        lambda i: (XS, YS),
        1,
        optimizer,
        progress=False,
    )
    trained = {id(state) for state in optimizer.param_states.unique_states}
    assert trained == {id(state) for state in learner.param_states.values()}


def test_a_learner_compiled_on_the_same_model_goes_on():
    learner = compiled(Leaky())
    learner(XS[0])
    with pytest.raises(errors.BrainscaleError):
        brainscale.compile(learner.model, "D_RTRL", XS[0, :, :1], batch_size=B)
    learner(XS[1])
    assert learner.count.value == 2
