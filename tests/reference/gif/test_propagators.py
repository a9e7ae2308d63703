"""The propagators against closed forms in decimal arithmetic (GIF-3 to GIF-6, GIF-11)."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.oracles.gif_closed_forms import propagator
from reference import Dynamics, Quantity
from reference.gif.exponential import exponential

EPS = 2.0**-53


def dynamics(tau, R, k, a, b, method="exact"):
    """One neuron with these rates in 1/ms, τ in ms and R in ohm."""
    numbers = {"tau": (tau, "ms"), "R": (R, "ohm"), "a": (a, "ms^-1"), "b": (b, "ms^-1")}
    for j, rate in enumerate(k, 1):
        numbers |= {f"k{j}": (rate, "ms^-1"), f"A{j}": (0.0, "nA")}
    parameters = {name: Quantity(number, unit) for name, (number, unit) in numbers.items()}
    parameters |= {f"R{j}": 1.0 for j in range(1, len(k) + 1)}
    return Dynamics((), parameters, method=method, J=len(k))


def roundings(tau, R, k, a, b, dt):
    """The largest relative error of an entry of the exact propagator, in units of ε."""
    E, e_c = propagator(tau, R, k, a, b, dt)
    got = dynamics(tau, R, k, a, b).propagator(dt)
    pairs = [*zip(got.E.flat, E.flat, strict=True), *zip(got.e_c, e_c, strict=True)]
    tiny = np.finfo(float).tiny / EPS  # below it, numbers have fewer bits
    return max(abs(x - y) / max(abs(y), tiny) for x, y in pairs) / EPS


# Rates and steps with few bits: each product of two is exact, and what is left is the method's own.
RATES = [0.0, 2.0**-10, 1 / 64, 3 / 64, 1 / 16, 1 / 8, 5 / 16, 1.0]
STEPS = [2.0**i for i in range(-10, 22, 3)]


@pytest.mark.parametrize("dt", STEPS)
def test_exact_propagator_entry_by_entry(dt):
    worst, where = 0.0, None
    for k in RATES:
        for b in RATES:
            error = roundings(16.0, 1e8, [k, 1 / 32], -0.3, b, dt)
            if error > worst:
                worst, where = error, (k, b)
    assert worst <= 16, f"an entry is {worst} roundings off at k, b = {where} per ms, dt = {dt} ms"


@pytest.mark.parametrize("dt", [1e-9, 0.01, 0.1, 1.0, 7.0, 1e3])
def test_decay_is_the_exponential_function_bit_for_bit(dt):
    rates = [0.3, 0.07, 1 / 20.0, 0.011]
    E = dynamics(20.0, 2e7, rates[:2], 0.1, rates[3]).propagator(dt).E
    np.testing.assert_array_equal(np.diagonal(E), np.exp([-rate * dt for rate in rates]))


DEGENERATE = {
    "k1 = 1/tau": ([1 / 16, 0.25], 0.5),
    "k1 = k2": ([0.25, 0.25], 0.5),
    "k1 = k2 = 1/tau": ([1 / 16, 1 / 16], 0.5),
    "b = 1/tau": ([0.25, 0.5], 1 / 16),
    "b = k1": ([0.25, 0.5], 0.25),
    "b = k1 = 1/tau": ([1 / 16, 0.5], 1 / 16),
    "k1 = 0": ([0.0, 0.5], 0.25),
    "b = 0": ([0.25, 0.5], 0.0),
    "all zero": ([0.0, 0.0], 0.0),
    "all 1/tau": ([1 / 16, 1 / 16], 1 / 16),
}


@pytest.mark.parametrize("dt", [2.0**-7, 0.5, 16.0, 1024.0])
@pytest.mark.parametrize("case", DEGENERATE)
def test_rates_that_meet_or_vanish(case, dt):
    k, b = DEGENERATE[case]
    error = roundings(16.0, 2e7, k, 0.1, b, dt)
    assert error <= 16, f"{case}: an entry is {error} roundings off"


@pytest.mark.parametrize("difference", [1e-3, 1e-6, 1e-9, 1e-12, 1e-15])
def test_rates_that_nearly_meet(difference):
    k = [0.05 * (1 + difference), 0.05]
    assert roundings(20.0, 2e7, k, 0.1, 0.05 * (1 - difference), 10.0) <= 16


@pytest.mark.parametrize("J", [0, 1, 3, 5])
def test_any_number_of_currents(J):
    k = [0.5, 0.25, 0.0, 1 / 16, 0.25][:J]
    E, e_c = propagator(16.0, 1e8, k, 0.1, 1 / 8, 2.0)
    got = dynamics(16.0, 1e8, k, 0.1, 1 / 8).propagator(2.0)
    assert got.E.shape == (J + 2, J + 2)
    np.testing.assert_allclose(got.E, E, rtol=16 * EPS, atol=0)
    np.testing.assert_allclose(got.e_c, e_c, rtol=16 * EPS, atol=0)


def test_step_without_end():
    got = dynamics(20.0, 2e7, [0.1, 0.05], 0.005, 0.01).propagator(1e300)
    np.testing.assert_array_equal(got.E, np.zeros((4, 4)))
    # The steady state of a constant input: V − V_rest = R I, V_th − V_th∞ = (a/b) R I.
    np.testing.assert_allclose(got.e_c, [0, 0, 20.0, 10.0], rtol=2e-13)


def test_propagators_compose():
    neuron = dynamics(20.0, 2e7, [0.2, 0.02], 0.005, 0.01)
    E, e_c = neuron.propagator(0.1)
    total_E, total_c = np.eye(4), np.zeros(4)
    for _ in range(500):
        total_E, total_c = E @ total_E, E @ total_c + e_c
    once = neuron.propagator(50.0)
    np.testing.assert_allclose(total_E, once.E, rtol=1e-12, atol=0)
    np.testing.assert_allclose(total_c, once.e_c, rtol=1e-12, atol=0)


def test_each_neuron_has_its_own_number_of_squarings():
    tau = np.array([[1e-3, 1.0], [20.0, 1e6]])
    together = Dynamics((2, 2), {"tau": Quantity(tau, "ms")}).propagator(3.0)
    for index in np.ndindex(2, 2):
        alone = Dynamics((), {"tau": Quantity(tau[index], "ms")}).propagator(3.0)
        np.testing.assert_array_equal(together.E[(..., *index)], alone.E)
        np.testing.assert_array_equal(together.e_c[(..., *index)], alone.e_c)


def test_exponential_of_a_nilpotent_matrix():
    M = np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 3.0, 0.0]])
    expected = np.array([[1.0, 0.0, 0.0], [20.0, 1.0, 0.0], [300.0, 30.0, 1.0]])
    np.testing.assert_allclose(exponential(M, 10.0), expected, rtol=16 * EPS)


@pytest.mark.parametrize("b", [0.0, 1e-12, 0.01, 3.0])
def test_exp_euler(b):
    tau, R, k, a, dt = 20.0, 2e7, [0.2, 0.0], -0.4, 0.7
    got = dynamics(tau, R, k, a, b, "exp_euler").propagator(dt)
    # Each variable is a linear equation of its own, as `propagator` has it for one rate and input.
    decay, drive = propagator(tau, R, [0.0], 0.0, 0.0, dt)
    _, threshold = propagator(1 / b if b else 1.0, 1e6, [], 0.0, 0.0, dt)
    phi = threshold[0] / b if b else dt
    expected = np.zeros((4, 4))
    expected[0, 0], expected[1, 1] = np.exp(-0.2 * dt), 1.0
    expected[2] = [drive[1], drive[1], decay[1, 1], 0.0]
    expected[3, 2:] = a * phi, np.exp(-b * dt)
    np.testing.assert_allclose(got.E, expected, rtol=16 * EPS, atol=0)
    np.testing.assert_allclose(got.e_c, [0, 0, drive[1], 0], rtol=16 * EPS, atol=0)
