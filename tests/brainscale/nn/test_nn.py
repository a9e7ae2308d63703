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
    for kind in (nn.MiniGRU, nn.MiniLSTM):
        cell = kind(3, 2, constant(1.0), constant(2.0), constant(-1.0), "named")
        cell.init_state()
        gate = jax.nn.sigmoid(x.sum() - 2 + 2)
        kept = 1 - gate if kind is nn.MiniGRU else gate
        np.testing.assert_allclose(cell(x), (gate * 8 - kept) * ONES(2), 1e-6)
        assert cell.name == "named"
    cell = nn.URLSTMCell(3, 2, constant(1.0), constant(-1.0), jnp.sin, "named")
    cell.init_state()
    np.testing.assert_allclose(cell.c.value, -ONES(2))
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


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (nn.MiniGRU, [-0.6556552993, 0.8878450494, 1.1950786264]),
        (nn.MiniLSTM, [-0.5109638311, 0.4151843355, 0.8540489581]),
        (nn.URLSTMCell, [0.0816436943, -0.0726462217, -0.1102967043]),
    ],
)
def test_cells_step_as_braintrace_s_do(kind, wanted):
    """Three steps of braintrace 0.2.6 at 64 bits, from weights that anyone can write down."""
    cell = kind(2, 3)
    for path, state in cell.states(brainstate.ParamState).items():
        first = sum(map(ord, path[0]))
        state.value = jax.tree.map(
            lambda leaf, first=first: jnp.sin(first + np.arange(leaf.size)).reshape(leaf.shape),
            state.value,
        )
    cell.init_state()
    for t in range(3):
        h = cell(jnp.cos(np.arange(2.0) + t))
    np.testing.assert_allclose(h, wanted, 1e-5)


def test_a_lone_neuron_s_gates_begin_in_the_middle():
    np.testing.assert_array_equal(nn.URLSTMCell(2, 1).bias.value, [0.0])


def test_sparse():
    places = (np.array([0, 2]), np.array([1, 1]), (3, 2))
    layer = nn.SparseLinear(places, constant(1.0), w_init=jnp.array([2.0, 3.0]))
    np.testing.assert_allclose(layer(jnp.array([1.0, 10.0, 100.0])), [1.0, 303.0])
    with pytest.raises(errors.StructureError, match="w_init"):
        nn.SparseLinear(places)


def test_grouped():
    layer = nn.GroupedLinear((5, 4), (5, 6), groups=2, b_init=jnp.arange(6.0))
    assert layer.weight.value["weight"].shape == (2, 2, 3)
    assert (layer.in_size, layer.out_size) == ((5, 4), (5, 6))
    np.testing.assert_array_equal(layer(jnp.zeros((5, 4))), jnp.tile(jnp.arange(6.0), (5, 1)))
    mask = np.array([[[1, 0]], [[0, 1]]])
    weight = jnp.array([[[1.0, 2.0]], [[3.0, 4.0]]])
    layer = nn.GroupedLinear(2, 4, groups=2, w_init=weight, b_init=None, w_mask=mask)
    assert set(layer.weight.value) == {"weight"}
    np.testing.assert_allclose(layer(jnp.array([1.0, 10.0])), [1, 0, 0, 40])


def test_groups_begin_apart_as_dense_layers_of_their_size_do():
    brainstate.random.seed(0)
    first, second = nn.GroupedLinear(800, 600, groups=2).weight.value["weight"]
    assert not np.allclose(first, second)
    dense = nn.Linear(400, 300).weight.value["weight"]
    np.testing.assert_allclose([first.std(), second.std()], dense.std(), rtol=0.02)


@pytest.mark.parametrize(
    ("sizes", "groups", "error", "said"),
    [
        ((10, 9), 3, errors.ShapeError, "in_size must end with a multiple of 3 groups"),
        ((12, (3, 8)), 3, errors.ShapeError, "out_size must end with a multiple of 3 groups"),
        ((4, 4), 0, errors.ParameterError, "groups must be an integer of at least 1"),
        ((4, 4), 2.0, errors.ParameterError, "groups must be an integer of at least 1"),
        ((4, 4), True, errors.ParameterError, "groups must be an integer of at least 1"),
    ],
)
def test_groups_that_are_refused(sizes, groups, error, said):
    with pytest.raises(error, match=said):
        nn.GroupedLinear(*sizes, groups=groups)


def test_units_pass_through_layers():
    weight = ONES((3, 2)) * u.mA
    for layer in (
        nn.Linear(3, 2, weight, None),
        nn.SignedWLinear(3, 2, weight),
        nn.ScaledWSLinear(3, 2, weight, None),
        nn.GroupedLinear(3, 3, groups=3, w_init=lambda s: ONES(s) * u.mA, b_init=None),
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
