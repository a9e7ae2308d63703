"""What layers and parameters are given, and what they refuse."""

from __future__ import annotations

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale import errors, nn

ONES = jnp.ones


def constant(number):
    return lambda shape: jnp.full(shape, number)


def test_positional_arguments_are_those_of_earlier_versions():
    """Each option by its place, from braintrace 0.2.6 and brainscale 0.0.x."""
    x = jnp.arange(1.0, 4.0)
    layer = nn.Linear(3, 2, constant(2.0), constant(1.0), np.eye(3, 2), "named")
    np.testing.assert_allclose(layer(x), 2 * x[:2] + 1)
    assert layer.name == "named"
    np.testing.assert_allclose(nn.SignedWLinear(3, 2, constant(-2.0), -ONES(2))(x), -12 * ONES(2))
    cell = nn.ValinaRNNCell(3, 2, constant(-1.0), constant(1.0), constant(2.0), "relu", "named")
    cell.init_state()
    np.testing.assert_allclose(cell(x), 6 - 2 + 2 * ONES(2))
    for kind in (nn.GRUCell, nn.MGUCell, nn.LSTMCell, nn.CFNCell):
        cell = kind(3, 2, constant(1.0), constant(2.0), constant(-1.0), jnp.sin, "named")
        cell.init_state()
        np.testing.assert_allclose(cell.h.value, -ONES(2))
        assert (cell.activation, cell.name) == (jnp.sin, "named")
    cell = nn.MinimalRNNCell(3, 3, constant(1.0), constant(2.0), constant(-1.0), jnp.cos, "named")
    cell.init_state()
    gate = jax.nn.sigmoid(jnp.cos(x).sum() - 3 + 2)
    np.testing.assert_allclose(cell(x), -gate + (1 - gate) * jnp.cos(x), 1e-6)
    layer = nn.ScaledWSLinear(3, 2, constant(1.0), constant(2.0), None, False, 1e-3, "named")
    assert set(layer.weight.value) == {"weight", "bias"}
    layer = nn.Conv1d((5, 2), 4, 2, 2, "VALID", 1, 2, 2, constant(1.0), constant(3.0))
    np.testing.assert_allclose(layer(ONES((5, 2))), 5 * ONES((2, 4)))
    assert layer.out_size == (2, 4)
    np.testing.assert_allclose(nn.Embedding(3, 2, constant(4.0))(jnp.array([1])), 4 * ONES((1, 2)))


def test_sparse():
    places = (np.array([0, 2]), np.array([1, 1]), (3, 2))
    layer = nn.SparseLinear(places, constant(1.0), w_init=jnp.array([2.0, 3.0]))
    np.testing.assert_allclose(layer(jnp.array([1.0, 10.0, 100.0])), [1.0, 303.0])
    with pytest.raises(errors.StructureError, match="w_init"):
        nn.SparseLinear(places)


def test_units_pass_through_layers():
    weight = ONES((3, 2)) * u.mA
    for layer in (
        nn.Linear(3, 2, weight, None),
        nn.SignedWLinear(3, 2, weight),
        nn.ScaledWSLinear(3, 2, weight, None),
        nn.LoRA(3, 1, 2, A_init=ONES((1, 2)) * u.mA),
    ):
        assert u.get_unit(layer(ONES(3))) == u.mA
    layer = nn.Conv2d((4, 4, 1), 1, 3, lhs_dilation=2, w_init=ONES((3, 3, 1, 1)) * u.mS)
    assert layer(ONES((4, 4, 1)) * u.mV).shape == layer.out_size
    assert u.get_unit(layer(ONES((4, 4, 1)) * u.mV)) == u.mS * u.mV
    layer = nn.Conv1d((4, 1), 1, 2, w_init=ONES((2, 1, 1)) * u.mS, b_init=ONES(1) * u.mS * u.mV)
    assert layer(ONES((4, 1)) * u.mV).shape == layer.out_size == (4, 1)


def test_an_adapter_leaves_what_it_adapts_as_it_was_at_first():
    base = nn.Linear(3, 2, param_type=brainscale.FakeETraceParam)
    layer = nn.LoRA(3, 1, 2, base_module=base)
    np.testing.assert_allclose(layer(ONES(3)), base(ONES(3)))
    assert list(layer.states(brainstate.ParamState)) == [("weight",)]


def test_activation_that_is_none():
    with pytest.raises(errors.ParameterError, match="'tanhh'"):
        nn.GRUCell(2, 2, activation="tanhh")
