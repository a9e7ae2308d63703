"""Derivatives with respect to parameters, against complex steps (GIF-25 to GIF-31)."""

from __future__ import annotations

import numpy as np
import pytest

from reference import Quantity
from reference.gif import UNITS, LearnedDynamics, gradient, names_of
from reference.gif.slopes import chain

STEP = 1e-30
EPS = 2.0**-53

DEFAULTS = {
    "tau": 16.0, "R": 20e6, "V_rest": -70.0, "V_reset": -75.0, "V_th_inf": -52.0,
    "V_th_reset": -47.5, "k1": 0.2, "k2": 0.05, "R1": 0.5, "R2": -1.25, "A1": 1.5, "A2": -0.7,
    "a": 0.05, "b": 0.02,
}  # fmt: skip
"""In the units of the table, of neurons that spike in some of the steps below."""

RATES = {
    "apart": {},
    "k1 = 1/tau": {"k1": 1 / 16},
    "k1 = k2": {"k1": 0.05},
    "b = 1/tau": {"b": 1 / 16},
    "all 1/tau": {"k1": 1 / 16, "k2": 1 / 16, "b": 1 / 16},
    "nearly 1/tau": {"k1": (1 + 1e-9) / 16, "k2": (1 - 1e-7) / 16, "b": (1 + 1e-5) / 16},
    "none": {"k1": 0.0, "k2": 0.0, "b": 0.0},
}

T, N = 7, 5
CURRENTS = 2 * np.cos(np.arange(T * N).reshape(T, N)) + 1
STATE = np.stack([
    np.linspace(-1, 1, N), np.linspace(0.5, -0.5, N),
    np.linspace(-58, -38, N), np.linspace(-53, -49, N),
])  # fmt: skip


def neurons(method="exact", **changes):
    numbers = DEFAULTS | changes
    return LearnedDynamics(
        (N,),
        {
            name: numbers[name] if UNITS[field] is None else Quantity(numbers[name], UNITS[field])
            for name, field in names_of(2).items()
        },
        method=method,
    )


def complex_exponential(M):
    """exp(M) of a matrix of complex numbers, as its series."""
    total = term = np.eye(len(M), dtype=complex)
    for i in range(1, 40):
        term = term @ M / i
        total = total + term
    return total


def complex_propagator(p, dt, method):
    """E with e_c as its last column, in complex numbers."""
    q, R = 1 / p["tau"], p["R"] / 1e6
    if method == "exact":
        M = np.zeros((5, 5), complex)
        M[range(4), range(4)] = -p["k1"], -p["k2"], -q, -p["b"]
        M[2, [0, 1, 4]] = R * q
        M[3, 2] = p["a"]
        return complex_exponential(M * dt)[:4]
    E = np.zeros((4, 5), complex)
    E[range(4), range(4)] = np.exp(-dt * np.array([p["k1"], p["k2"], q, p["b"]]))
    E[2, [0, 1, 4]] = R * (1 - np.exp(-dt * q))
    # The mean of e^{−b s} over a step, as its series.
    term = mean = np.ones((), complex)
    for i in range(1, 40):
        term = term * (-p["b"] * dt) / (i + 1)
        mean = mean + term
    E[3, 2] = p["a"] * dt * mean
    return E


def complex_run(p, dt, method, *, alpha=0.3, width=1.0, scale=20.0, detach_reset=False):
    """The states (T, 4, N) and spikes (T, N) of a run, whose imaginary parts are derivatives."""
    E = complex_propagator(p, dt, method)
    o = np.array([0, 0, p["V_rest"], p["V_th_inf"]])[:, None]
    h, states, spikes = STATE.astype(complex), [], []
    for I in CURRENTS:
        h = o + E[:, :4] @ (h - o) + E[:, 4:] * I
        x = (h[2] - h[3]) / scale
        psi = alpha * np.maximum(0, width - np.abs(x.real))
        z = (x.real > 0) + 1j * psi * x.imag
        bound = np.where(h[3].real > p["V_th_reset"].real, h[3], p["V_th_reset"])
        reset = [p["R1"] * h[0] + p["A1"], p["R2"] * h[1] + p["A2"], p["V_reset"] + 0 * h[2], bound]
        h = h + (z.real if detach_reset else z) * (np.stack(reset) - h)
        states.append(h)
        spikes.append(z)
    return np.stack(states), np.stack(spikes)


def by_complex_steps(name, dt, method="exact", changes=(), **options):
    """The derivatives of states and spikes with respect to one parameter."""
    p = {key: np.complex128(x) for key, x in (DEFAULTS | dict(changes)).items()}
    # A step of its own size: the tiny one of a resistance of 10^7 ohm would be lost.
    width = STEP * max(1.0, abs(p[name]))
    run = complex_run(p | {name: p[name] + 1j * width}, dt, method, **options)
    return tuple(array.imag / width for array in run)


def assert_close(got, expected, size, call):
    np.testing.assert_array_less(np.abs(got - expected), 64 * EPS * size + 1e-300, err_msg=call)


@pytest.mark.parametrize("method", ["exact", "exp_euler"])
@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize("dt", [0.1, 2.0])
def test_derivatives_of_a_run(dt, rates, method):
    derivatives = neurons(method, **RATES[rates]).follow(dt, STATE, CURRENTS)
    assert set(derivatives) == set(DEFAULTS)
    for name, got in derivatives.items():
        state, spike = by_complex_steps(name, dt, method, RATES[rates])
        assert_close(got.state, state, got.size_state, f"S by {name}")
        assert_close(got.spike, spike, got.size_spike, f"spikes by {name}")


def test_the_problem_has_all_branches():
    spikes = complex_run({k: np.complex128(x) for k, x in DEFAULTS.items()}, 2.0, "exact")[1].real
    assert 0 < spikes[0].sum() < N
    assert 0 < spikes[1:].sum() < spikes[1:].size
    derivatives = neurons().follow(2.0, STATE, CURRENTS)
    for name, got in derivatives.items():
        assert got.state.any(), name
        assert got.spike.any(), name
    at_its_bound = np.count_nonzero(derivatives["V_th_reset"].state[1, 3])
    assert 0 < at_its_bound < spikes[:2].sum()


@pytest.mark.parametrize(
    "options",
    [{"detach_reset": True}, {"alpha": 1.7, "width": 0.4, "scale": 5.0}, {"width": 3.0}],
    ids=["detached", "steep", "wide"],
)
def test_surrogates(options):
    for name, got in neurons().follow(2.0, STATE, CURRENTS, **options).items():
        state, spike = by_complex_steps(name, 2.0, **options)
        assert_close(got.state, state, got.size_state, f"S by {name}")
        assert_close(got.spike, spike, got.size_spike, f"spikes by {name}")


def test_a_gradient_is_that_of_its_neurons():
    """A batch of two; for each neuron, for all, and for one of an axis of length one."""
    state, currents = np.stack([STATE, STATE - 1], 1), np.stack([CURRENTS, 0 * CURRENTS], 1)
    derivatives = neurons().follow(2.0, state, currents)["a"]
    rng = np.random.default_rng(1)
    weights = rng.normal(size=derivatives.state.shape), rng.normal(size=derivatives.spike.shape)
    each = (weights[0] * derivatives.state).sum(1) + weights[1] * derivatives.spike
    of_all, size = gradient(derivatives, *weights, ())
    np.testing.assert_allclose(of_all, each.sum(), rtol=1e-12)
    assert size >= np.abs(each).sum()
    np.testing.assert_allclose(
        gradient(derivatives, *weights, (N,))[0], each.sum((0, 1)), rtol=1e-12
    )
    np.testing.assert_allclose(gradient(derivatives, *weights, (1,))[0], [each.sum()], rtol=1e-12)
    alone = neurons().follow(2.0, STATE - 1, 0 * CURRENTS)["a"]
    np.testing.assert_array_equal(alone.state, derivatives.state[:, :, 1])


@pytest.mark.parametrize("dt", [1e-3, 1.0, 64.0])
def test_chains_are_divided_differences(dt):
    x, y, z = (np.array(rate) for rate in (0.5, 0.125, 0.0))
    f = [np.exp(-rate * dt) for rate in (x, y, z)]
    first = [(f[1] - f[0]) / (x - y), (f[2] - f[1]) / (y - z)]
    near = {"rtol": 1e-14 + 1e-13 / dt**2}
    np.testing.assert_allclose(chain(dt, x, y), first[0], **near)
    np.testing.assert_allclose(chain(dt, x, y, z), (first[1] - first[0]) / (x - z), **near)
    np.testing.assert_allclose(chain(dt, y, x, z), chain(dt, x, y, z), rtol=1e-13)
    np.testing.assert_allclose(chain(dt, x, x, x, x), dt**3 / 6 * f[0], rtol=1e-13)
