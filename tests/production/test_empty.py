"""Models without a neuron, and batches without an entry, are refused by name (NET-4)."""

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


def test_a_masked_parameter_is_no_value():
    """It would lose its mask."""
    tau = u.Quantity(np.ma.array([5.0, 6.0], mask=[False, True]), unit=u.ms)
    with pytest.raises(brainscale.errors.ValueTypeError, match="masked"):
        brainscale.nn.GIF(2, tau=tau)
