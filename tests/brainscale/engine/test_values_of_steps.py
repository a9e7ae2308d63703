"""What a step is given and returns: NumPy arrays under `vmap`, and what is no array at all."""

from __future__ import annotations

import brainstate
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import brainscale
from brainscale import errors
from through_time import XS, YS, B, Leaky, N, compiled, squared

RULES = "D_RTRL", "ES_D_RTRL", "RTRL", "OSTL"

pytestmark = pytest.mark.usefixtures("compiled_fast", "double_precision")


class Single(Leaky):
    """Without a batch; what comes out is multiplied by a state that holds a NumPy array."""

    gain = 1.0

    def __init__(self):
        super().__init__()
        self.scale = brainstate.ShortTermState(np.full(N, 2.0))

    def init_state(self, **kwargs):
        self.h = brainstate.HiddenState(jnp.zeros(N))

    def update(self, x):
        return super().update(x) * self.scale.value * self.gain


def mapped_learner(rule):
    model = Single()
    options = dict(decay_or_rank=0.5) if rule == "ES_D_RTRL" else {}
    learner = getattr(brainscale, rule)(model, **options)

    @brainstate.transform.vmap_new_states(state_tag="new", axis_size=B)
    def begin():
        brainstate.nn.init_all_states(model)
        learner.compile_graph(XS[0, 0])

    begin()
    return learner


def gradient_of(learner, run):
    return brainstate.transform.grad(lambda: squared(run(), YS[0], None), learner.model.w)()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("compiled_by", [lambda f: f, brainstate.transform.jit])
def test_numpy_is_mapped_as_any_array(rule, compiled_by):
    def find(array):
        learner = mapped_learner(rule)
        mapped = brainstate.nn.Vmap(learner, vmap_states="new")
        return compiled_by(lambda: gradient_of(learner, lambda: mapped(array)))()

    np.testing.assert_allclose(find(XS[0]), find(jnp.asarray(XS[0])), rtol=1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_numpy_that_a_mapped_step_takes_from_around_it(rule):
    def find(gains):
        learner = mapped_learner(rule)
        states = {0: learner.states("new")}

        def run(x, gain):
            learner.model.gain = gain
            try:
                return learner(x)
            finally:
                learner.model.gain = 1.0

        mapped = brainstate.transform.vmap(run, in_states=states, out_states=states)
        return gradient_of(learner, lambda: mapped(jnp.asarray(XS[0]), gains))

    gains = np.arange(1.0, B + 1)
    np.testing.assert_allclose(find(gains), find(jnp.asarray(gains)), rtol=1e-12)


NO_ARRAYS = {
    "text": "text",
    "text in a list": [jnp.ones(2), "text"],
    "an object": {"a": object()},
    "NumPy of text": np.array(["text"]),
    "a function": jnp.sum,
}


@pytest.mark.parametrize("what", NO_ARRAYS)
@pytest.mark.parametrize("rule", ["D_RTRL", "RTRL", "OSTL"])
def test_aux_that_is_no_array_is_refused(rule, what):
    learner = compiled(Leaky(), rule)

    def step(x, y):
        return squared(learner(x), y, None), NO_ARRAYS[what]

    with pytest.raises(errors.ValueTypeError, match=r"aux.*arrays and numbers"):
        learner.etrace_grad(XS, YS, step, has_aux=True)


@pytest.mark.parametrize("aux", [None, 3, True, {"a": (1.5, None)}, np.float32(2), 1j])
def test_aux_of_numbers_is_stacked(aux):
    learner = compiled(Leaky())
    step = lambda x, y: (squared(learner(x), y, None), aux)  # noqa: E731
    _, got = learner.etrace_grad(XS, YS, step, has_aux=True)
    assert jax.tree.structure(got) == jax.tree.structure(aux)
    assert all(leaf.shape == (len(XS),) for leaf in jax.tree.leaves(got))


@pytest.mark.parametrize("what", NO_ARRAYS)
@pytest.mark.parametrize("rule", ["D_RTRL", "RTRL", "OSTL", "EProp"])
def test_a_result_of_the_model_that_is_no_array_is_refused(rule, what):
    class Odd(Leaky):
        def update(self, x):
            return super().update(x), NO_ARRAYS[what]

    with pytest.raises(errors.ValueTypeError, match=r"update returns.*arrays and numbers"):
        compiled(Odd(), getattr(brainscale, rule))


@pytest.mark.parametrize("is_compiled", [False, True])
@pytest.mark.parametrize("loss", ["number", "text"])
def test_what_fit_is_given_that_is_no_array_is_refused(loss, is_compiled):
    model = Leaky()
    learner = compiled(model) if is_compiled else brainscale.D_RTRL(model)

    def step(x, y):
        number = squared(learner(x), y, None)
        return (number, {"said": "text"}) if loss == "number" else "text"

    with pytest.raises((errors.ValueTypeError, errors.ShapeError)):
        brainscale.fit(learner, step, lambda i: (XS, YS), 1, optax.sgd(0.1), progress=False)
