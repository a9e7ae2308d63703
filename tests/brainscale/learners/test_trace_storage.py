"""Traces of fewer bits than they are computed in neither stall nor drift, whatever the chunk."""

from __future__ import annotations

import brainstate
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale import ETraceParam, MatMulOp, errors
from brainscale.learners.trace_storage import round_for_storage
from odd_models import Model

K, N = 30, 20
RULES = {
    "D-RTRL": brainscale.D_RTRL,
    "hybrid": lambda model, **options: brainscale.HybridDimVjpAlgorithm(
        model, 0.5, {"w": "D-RTRL"}, **options
    ),
    "e-prop": brainscale.EProp,
}


class Leaky(Model):
    """Its trace is the same for all neurons of an input, so that the spread is seen."""

    def __init__(self, leak):
        super().__init__()
        self.leak, self.w = leak, ETraceParam(jnp.zeros((K, N)), MatMulOp())

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(jnp.zeros((1, N)))

    def update(self, x):
        self.h.value = self.leak * self.h.value + self.w.execute(x)
        return self.h.value


def learner_of(leak, make=brainscale.D_RTRL, dtype=jnp.bfloat16):
    model = Leaky(leak)
    brainstate.nn.init_all_states(model)
    learner = make(model, trace_dtype=dtype)
    learner.compile_graph(jnp.zeros((1, K)))
    return learner


def trace_of(learner):
    (trace,) = jax.tree.leaves(learner.etraces["w"].value)
    return np.asarray(trace, np.float64)


def inputs(kind, steps):
    if kind == "constant":
        return jnp.ones((steps, 1, K))
    return jnp.asarray(np.random.default_rng(0).uniform(0, 2, (steps, 1, K)), jnp.float32)


@pytest.mark.parametrize("kind", ["constant", "random"])
@pytest.mark.parametrize(
    ("leak", "steps"), [(0.9, 200), (0.99, 2000), (0.999, 9999), (0.9999, 10**5)]
)
def test_means_are_exact_and_deviations_bounded(leak, steps, kind):
    learner, exact = learner_of(leak), learner_of(leak, dtype=None)
    xs = inputs(kind, steps)
    for one in (learner, exact):
        one.etrace_evolve(xs)
    wanted = trace_of(exact)
    relative = trace_of(learner) / wanted - 1
    bound = 2**-8 / np.sqrt(1 - leak**2)
    assert relative.std() < bound
    assert abs(relative.mean()) < 5 * bound / np.sqrt(relative.size)


@pytest.mark.parametrize("rule", RULES)
def test_chunks(rule):
    """Gradients of any chunk are within the bound of those of 32 bits, and so of each other."""
    leak, xs = 0.99, inputs("constant", 600)

    def gradients(dtype, chunk):
        learner = learner_of(leak, RULES[rule], dtype)
        learner.etrace_evolve(xs)
        run = brainstate.transform.jit(
            lambda: learner.etrace_grad(xs, lambda x: learner(x).sum(), chunk=chunk)
        )
        return np.asarray(run()[("w",)], np.float64)

    wanted = gradients(None, 600)
    bound = 2**-8 / np.sqrt(1 - leak**2)
    for chunk in (1, 7, 600):
        relative = gradients(jnp.bfloat16, chunk) / wanted - 1
        assert relative.std() < bound
        assert abs(relative.mean()) < 5 * bound / np.sqrt(relative.size)


def test_es_d_rtrl_does_not_depend_on_the_chunk():
    xs = inputs("random", 300)

    def learn(dtype, chunk):
        learner = learner_of(0.99, lambda m, **o: brainscale.ES_D_RTRL(m, 0.99, **o), dtype)
        got = learner.etrace_grad(xs, lambda x: learner(x).sum(), chunk=chunk)[("w",)]
        return np.asarray(got, np.float64), learner.etraces["w"].value

    (one, kept), (other, _), (wide, _) = (
        learn(jnp.bfloat16, 1),
        learn(jnp.bfloat16, 70),
        learn(None, 70),
    )
    assert {leaf.dtype for leaf in jax.tree.leaves(kept)} == {jnp.dtype(jnp.bfloat16)}
    np.testing.assert_allclose(one, other, rtol=1e-3)
    assert abs((one / wide - 1).mean()) < 0.02


def test_a_run_is_repeated_to_the_bit():
    learner, traces = learner_of(0.99), []
    for _ in range(2):
        learner.reset_state()
        learner.etrace_evolve(inputs("random", 50))
        traces.append(trace_of(learner))
    assert (traces[0] == traces[1]).all()
    assert np.unique(traces[0], axis=1).shape[1] > 1, "neurons are not rounded alike"


@pytest.mark.parametrize("state", [jnp.float16, jnp.bfloat16, jnp.float32])
@pytest.mark.parametrize("make", [brainscale.D_RTRL, lambda m: brainscale.ES_D_RTRL(m, 0.5)])
def test_by_default_traces_have_32_bits(make, state):
    model = Leaky(0.5)
    model.w.value = model.w.value.astype(state)
    model.init_state()
    model.h.value = model.h.value.astype(state)
    learner = make(model)
    learner.compile_graph(jnp.zeros((1, K), state))
    learner(jnp.ones((1, K), state))
    assert {leaf.dtype for leaf in jax.tree.leaves(learner.etraces["w"].value)} == {
        jnp.dtype(jnp.float32)
    }


@pytest.mark.parametrize(
    "dtype", [jnp.float16, jnp.int16, jnp.int8, jnp.complex64, bool, "what", 3]
)
def test_what_traces_are_not_stored_in(dtype):
    for make in (*RULES.values(), lambda m, **o: brainscale.ES_D_RTRL(m, 0.5, **o)):
        with pytest.raises(errors.ParameterError, match="trace_dtype"):
            make(Leaky(0.9), trace_dtype=dtype)


@pytest.mark.parametrize("number", [np.inf, -np.inf, np.nan, 0.0, -0.0, 1.5, -1.5])
def test_numbers_that_stay(number):
    for count in range(20):
        got = round_for_storage(jnp.full(50, number, jnp.float32), jnp.bfloat16, "w", count)
        np.testing.assert_array_equal(np.asarray(got, np.float32), np.float32(number))


@pytest.mark.parametrize("number", [1.001, -1.001, 3e38, 1e-30])
def test_numbers_between_two(number):
    """They become one of their two neighbours, as often as the mean says."""
    counts = jnp.arange(4000)
    got = jax.vmap(lambda t: round_for_storage(jnp.float32(number), jnp.bfloat16, "w", t))(counts)
    relative = np.asarray(got, np.float64) / np.float64(np.float32(number)) - 1
    assert len(np.unique(relative)) == 2
    assert abs(relative).max() < 2**-7
    assert abs(relative.mean()) < 5 * 2**-8 / np.sqrt(len(counts))
