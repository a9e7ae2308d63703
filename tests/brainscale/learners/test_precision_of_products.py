"""Traces and gradients multiply matrices with all bits, whatever JAX is told (LEARN-10)."""

from __future__ import annotations

import brainstate
import jax
import jax.numpy as jnp
import pytest

import brainscale
from brainscale.engine.backward_programs import list_equations


class Leaky(brainstate.nn.Module):
    """h(t) = 0.9 h(t−1) + x W."""

    def __init__(self):
        super().__init__()
        self.weight = brainscale.ETraceParam(jnp.ones((5, 3)), brainscale.MatMulOp())

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainscale.ETraceState(jnp.zeros((batch_size, 3)))

    def update(self, x):
        self.h.value = 0.9 * self.h.value + self.weight.execute(x)
        return self.h.value


def find_precisions(function, *args):
    """The precision that each product of matrices in a function asks for."""
    program = brainstate.transform.StatefulFunction(function).make_jaxpr(*args).get_jaxpr(*args)
    products = [e for e in list_equations(program.jaxpr) if e.primitive.name == "dot_general"]
    return [None if e.params["precision"] is None else e.params["precision"][0] for e in products]


@pytest.mark.parametrize("rule", [brainscale.D_RTRL, lambda m: brainscale.ES_D_RTRL(m, 0.9)])
@pytest.mark.parametrize("told", [None, "bfloat16"])
def test_all_bits(rule, told):
    model, xs = Leaky(), jnp.ones((6, 2, 5))
    brainstate.nn.init_all_states(model, batch_size=2)
    learner = rule(model)
    learner.compile_graph(xs[0])

    def learn(xs):
        return learner.etrace_grad(xs, step_fn=lambda x: (learner(x) ** 2).sum(), chunk=3)

    with jax.default_matmul_precision(told):
        of_model = find_precisions(model, xs[0])
        of_learning = find_precisions(learn, xs)
    model_s = None if told is None else jax.lax.Precision.DEFAULT
    assert of_model == [model_s]
    # The model's own products stay as they are.
    assert set(of_learning) == {model_s, jax.lax.Precision.HIGHEST}
