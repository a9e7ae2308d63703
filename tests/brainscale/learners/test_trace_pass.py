"""The kernel that reads and writes a trace once in a step: it is judged, and is what it is said."""

from __future__ import annotations

import brainstate
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale.learners import trace_pass
from conformance.adapters import brainscale_learning
from conformance.adapters.brainscale import implementation
from conformance.judgement import judge
from conformance.plans.factors import LayerPlan, Plan


@pytest.fixture
def calls(monkeypatch):
    """The traces that the kernel was made for, small ones too: d and the shape of each."""
    calls = []
    compute = trace_pass._compute_by_kernel

    def note(x, coefficients, trace):
        calls.append((len(trace), trace[0].shape))
        return compute(x, coefficients, trace)

    monkeypatch.setattr(trace_pass, "LEAST_NUMBERS", 0)
    monkeypatch.setattr(trace_pass, "_compute_by_kernel", note)
    return calls


@pytest.mark.parametrize(
    ("kind", "d", "precision"),
    [("LIF", 1, 32), ("ALIF", 2, 64), ("GIF", 4, 32), ("synapse_LIF", 2, 64)],
)
def test_judged(calls, kind, d, precision, monkeypatch):
    # Of chunks of one step, which the adapter makes by gradients of single steps.
    monkeypatch.setattr(brainscale_learning, "_run_stepwise", brainscale_learning._run_in_chunks)
    layer = LayerPlan(kind=kind, recurrence="dense", bias="biased", mask="both")
    plan = Plan(stack=(layer,), chunk="one", batch="few")
    judge(implementation(precision), plan, seed=0)
    assert {size for size, _ in calls} == {d}


@pytest.mark.parametrize("axes", [(), (2,), (2, 3)])
@pytest.mark.parametrize("d", [1, 3])
def test_equal_to_its_definition(axes, d):
    rng = np.random.default_rng(0)
    B, K, N = int(np.prod(axes)), 5, 7
    x, coefficients = (
        jnp.asarray(rng.normal(size=shape), jnp.float32)
        for shape in ((B, K), (B, 2 * d + d * d, N))
    )
    trace = [jnp.asarray(rng.normal(size=(B, K, N)), jnp.float32) for _ in range(d)]
    args = x, coefficients, trace
    for function in (trace_pass._compute, jax.jit(trace_pass._compute)):
        for got, expected in zip(
            jax.tree.leaves(function(*args)),
            jax.tree.leaves(trace_pass.compute_plainly(*args)),
            strict=True,
        ):
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


class Leaky(brainstate.nn.Module):
    """h(t) = 0.9 h(t−1) + x W + b, of any axes of the batch."""

    def __init__(self):
        super().__init__()
        weight = {"weight": jnp.arange(15.0).reshape(5, 3) / 20, "bias": jnp.ones(3)}
        self.w = brainscale.ETraceParam(weight, brainscale.MatMulOp())

    def init_state(self, batch_size=None):
        axes = () if batch_size is None else (batch_size,)
        self.h = brainscale.ETraceState(jnp.zeros((*axes, 3)))

    def update(self, x):
        self.h.value = 0.9 * self.h.value + self.w.execute(x)
        return self.h.value


def learn(scale, least, monkeypatch):
    monkeypatch.setattr(trace_pass, "LEAST_NUMBERS", least)
    model = Leaky()
    brainstate.nn.init_all_states(model, batch_size=4)
    learner = brainscale.D_RTRL(model)
    xs = jnp.asarray(np.random.default_rng(1).normal(size=(6, 4, 5)), jnp.float32)
    learner.compile_graph(xs[0])

    def loss(x):
        return ((scale * learner(x)) ** 2).sum()

    first = learner.etrace_grad(xs, step_fn=loss, chunk=1)
    return sum((leaf**2).sum() for leaf in jax.tree.leaves(first))


def test_what_it_makes_has_a_derivative(calls, monkeypatch):
    scale = jnp.float32(1.3)
    derivatives = [jax.grad(learn)(scale, least, monkeypatch) for least in (0, 10**9)]
    assert calls
    np.testing.assert_allclose(derivatives[0], derivatives[1], rtol=1e-5)


def test_members_of_a_map(calls):
    rng = np.random.default_rng(0)
    x, coefficients, e = (
        jnp.asarray(rng.normal(size=shape), jnp.float32)
        for shape in ((3, 2, 5), (3, 2, 8, 7), (3, 2, 5, 7))
    )
    args = x, coefficients, [e, 2 * e]
    results = (jax.vmap(f)(*args) for f in (trace_pass._compute, trace_pass.compute_plainly))
    for got, expected in zip(*map(jax.tree.leaves, results), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    assert calls


def test_small_traces_and_stored_ones_are_not_its_own(monkeypatch):
    def refuse(*args):
        raise AssertionError("the kernel was made")

    monkeypatch.setattr(trace_pass, "_compute_by_kernel", refuse)
    learn(jnp.float32(1.0), trace_pass.LEAST_NUMBERS, monkeypatch)
    monkeypatch.setattr(trace_pass, "LEAST_NUMBERS", 0)
    model = Leaky()
    brainstate.nn.init_all_states(model, batch_size=4)
    learner = brainscale.D_RTRL(model, trace_dtype="bfloat16")
    xs = jnp.ones((3, 4, 5))
    learner.compile_graph(xs[0])
    learner.etrace_grad(xs, step_fn=lambda x: (learner(x) ** 2).sum(), chunk=1)
