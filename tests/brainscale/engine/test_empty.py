"""Models without a neuron, and batches without an entry, are refused by name (NET-4).

One without a hidden state has nothing that goes on in time, and learns all the same.
"""

from __future__ import annotations

import brainpy.state
import brainstate
import brainunit as u
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale


class Layer(brainstate.nn.Module):
    """Leaky neurons behind a dense operation."""

    def __init__(self, size: int):
        super().__init__()
        self.weight = brainscale.ETraceParam(jnp.ones((2, size)) * u.mA, brainscale.MatMulOp())
        self.neurons = brainpy.state.LIF(size)

    def update(self, x):
        return self.neurons(self.weight.execute(x))


@pytest.mark.parametrize("rule", [brainscale.D_RTRL, brainscale.RTRL], ids=["d-rtrl", "rtrl"])
@pytest.mark.parametrize(("size", "batch"), [(0, 2), (3, 0)], ids=["neurons", "batch"])
def test_nothing_to_learn(rule, size, batch):
    with brainstate.environ.context(dt=1.0 * u.ms):
        learner = rule(Layer(size))
        brainstate.nn.init_all_states(learner.model, batch_size=batch)
        with pytest.raises(brainscale.errors.ShapeError, match="no element"):
            learner.compile_graph(jnp.ones((batch, 2)))


class Stateless(brainstate.nn.Module):
    """Plain parameters, with an operation and without."""

    def __init__(self):
        super().__init__()
        self.weight = brainscale.NonTempParam(jnp.ones((2, 3)), brainscale.MatMulOp())
        self.scale = brainstate.ParamState(jnp.arange(1.0, 4.0))

    def update(self, x):
        return self.weight.execute(x) * self.scale.value


@pytest.mark.parametrize("chunk", [None, 1, 2, 4])
@pytest.mark.parametrize(
    "rule",
    [
        brainscale.D_RTRL,
        lambda model: brainscale.ES_D_RTRL(model, 0.9),
        lambda model: brainscale.HybridDimVjpAlgorithm(model, 0.9),
        brainscale.EProp,
        brainscale.OSTL,
        brainscale.RTRL,
    ],
    ids=["d-rtrl", "es-d-rtrl", "hybrid", "e-prop", "ostl", "rtrl"],
)
def test_no_hidden_state(rule, chunk):
    model = Stateless()
    xs = jnp.asarray(np.random.default_rng(0).normal(size=(5, 4, 2)), jnp.float32)
    learner = rule(model)
    learner.compile_graph(xs[0])
    gradients = learner.etrace_grad(xs, step_fn=lambda x: (learner(x) ** 2).sum(), chunk=chunk)
    of_all = brainstate.transform.grad(lambda: (model(xs) ** 2).sum(), learner.param_states)()
    assert gradients.keys() == of_all.keys()
    for name, gradient in of_all.items():
        np.testing.assert_allclose(gradients[name], gradient, rtol=1e-5)


def test_a_masked_parameter_is_no_value():
    """It would lose its mask."""
    tau = u.Quantity(np.ma.array([5.0, 6.0], mask=[False, True]), unit=u.ms)
    with pytest.raises(brainscale.errors.ValueTypeError, match="masked"):
        brainscale.nn.GIF(2, tau=tau)
