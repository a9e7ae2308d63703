"""Kinds of neurons: their steps and derivatives, against complex numbers and differences."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.protocol.claims import SPIKING
from reference import Quantity
from reference.networks import make_neurons

from ..complex_network import STEP, emission, numbers, step
from ..learning_problems import KINDS, LOCAL, random_layer


def states_near_threshold(kind, layer, rng, N):
    """States and inputs at which 10 to 90 % of neurons spike, with surrogates that are not 0."""
    B = 4
    y = rng.normal(size=(B, N))
    if kind.startswith("GIF"):
        currents = rng.uniform(-1, 1, (B, N, 2))
        return np.concatenate([currents, rng.uniform(-60, -45, (B, N, 2))], axis=-1), y
    if kind == "cable":
        return rng.uniform(-80, -50, (B, N, 6)), y
    d = 1 if kind in ("leaky", "LIF") else 2
    return rng.uniform(0.2, 2.2, (B, N, d)), 2 + 2 * y


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_and_its_derivatives(kind):
    """h', s and D, F, S, q of the table, by complex steps (NET-1, TRACE-2)."""
    rng, N = np.random.default_rng(1), 6
    layer = random_layer(kind, 3, N, rng)
    h, y = states_near_threshold(kind, layer, rng, N)
    got, p = make_neurons(kind, N, layer.parameters, 1.0).step(h, y), numbers(layer)
    after, s = step(kind, p, h.astype(complex), y.astype(complex), 1.0)
    np.testing.assert_allclose(got.h, after.real, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(got.s, s.real, rtol=1e-12, atol=1e-12)
    if kind in SPIKING:
        assert 0.1 < got.s.mean() < 0.9
        assert np.mean(got.q != 0) > 0.3
        assert np.mean(np.any(got.S != 0, axis=-1)) > 0.3
    d = h.shape[-1]
    assert got.D.shape == (*h.shape, d)
    for j in range(d + 1):
        change = np.zeros((*h.shape[:2], d + 1), complex)
        change[..., j] = 1j * STEP
        after, s = step(kind, p, h + change[..., :d], y + change[..., d], 1.0)
        D, S = (got.F, got.q) if j == d else (got.D[..., j], got.S[..., j])
        np.testing.assert_allclose(D, after.imag / STEP, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(S, s.imag / STEP, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("kind", LOCAL)
def test_what_a_state_emits(kind):
    rng, N = np.random.default_rng(2), 6
    layer = random_layer(kind, 3, N, rng)
    h, _ = states_near_threshold(kind, layer, rng, N)
    got = make_neurons(kind, N, layer.parameters, 1.0).emission(h)
    for j in range(h.shape[-1]):
        change = np.zeros(h.shape, complex)
        change[..., j] = 1j * STEP
        s = emission(kind, numbers(layer), h + change)
        np.testing.assert_allclose(got.s, s.real, rtol=1e-12)
        np.testing.assert_allclose(got.slope[..., j], s.imag / STEP, rtol=1e-12)


@pytest.mark.parametrize("kind", ["leaky", "cable"])
def test_smooth_neurons_by_differences(kind):
    rng = np.random.default_rng(3)
    layer = random_layer(kind, 3, 5, rng)
    h, y = states_near_threshold(kind, layer, rng, 5)
    neurons = make_neurons(kind, 5, layer.parameters, 1.0)
    got, d = neurons.step(h, y), h.shape[-1]
    for j in range(d + 1):
        change = np.zeros(d + 1)
        change[j] = 1.0  # the step is linear
        up = neurons.step(h + change[:d], y + change[d])
        down = neurons.step(h - change[:d], y - change[d])
        D, S = (got.F, got.q) if j == d else (got.D[..., j], got.S[..., j])
        np.testing.assert_allclose(D, (up.h - down.h) / 2, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(S, (up.s - down.s) / 2, rtol=1e-9, atol=1e-11)


def test_initial_states():
    for kind in KINDS:
        h = make_neurons(kind, 3, {}, 1.0).initial(2)
        first = {"cable": [-65.0] * 6, "GIF": [0, 0, -70, -50], "GIFTree": [0, 0, -70, -50]}
        np.testing.assert_array_equal(h, np.broadcast_to(first.get(kind, [0.0]), h.shape))


def test_the_cell_is_that_of_the_document():
    """NEURON's potentials after 1 ms of 0.1 nA into the soma (CABLE-8)."""
    neurons = make_neurons("cable", 1, {}, 0.025)
    h = neurons.initial(1)
    for _ in range(40):
        h = neurons.step(h, np.array([[0.1]])).h
    expected = [-60.992381, -61.402560, -61.801893, -61.565315, -62.080078, -62.311713]
    np.testing.assert_allclose(h[0, 0], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "parameters", "error"),
    [
        ("LIF", {"tua": Quantity(5.0, "ms")}, "ParameterError"),
        ("LIF", {"beta": Quantity(5.0, "mV")}, "ParameterError"),
        ("LIF", {"tau": Quantity(0.0, "ms")}, "ParameterError"),
        ("ALIF", {"tau_a": Quantity(-1.0, "ms")}, "ParameterError"),
        ("synapse_LIF", {"R": Quantity(np.nan, "ohm")}, "ParameterError"),
        ("LIF", {"V_th": Quantity(0.0, "mV")}, "ParameterError"),
        ("LIF", {"tau": 5.0}, "UnitError"),
        ("leaky", {"tau": Quantity(5.0, "mV")}, "UnitError"),
        ("LIF", {"R": Quantity(np.ones(2), "ohm")}, "ShapeError"),
        ("GIF", {"tau": Quantity(-5.0, "ms")}, "ParameterError"),
        ("cable", {"g": Quantity(1e-4, "S cm^-2")}, "ParameterError"),
        ("spiky", {}, "ParameterError"),
    ],
)
def test_parameters_that_are_refused(kind, parameters, error):
    with pytest.raises((TypeError, ValueError)) as caught:
        make_neurons(kind, 3, parameters, 1.0)
    assert type(caught.value).__name__ == error
