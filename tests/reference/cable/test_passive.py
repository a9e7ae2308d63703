"""The passive cable, against NEURON, a dense solution, closed forms and finite differences."""

from __future__ import annotations

import numpy as np
import pytest

from reference import Cable, Morphology, Quantity
from reference.cable import tree_solve
from reference.errors import InputError, ParameterError, ShapeError, StateNameError, UnitError

from .cells import NEURON, matrix, of_neuron, random_morphology, random_parameters, section


def mV(array):
    return Quantity(np.asarray(array, float), "mV")


def nA(array):
    return Quantity(np.asarray(array, float), "nA")


def ms(number):
    return Quantity(np.float64(number), "ms")


def random_cable(seed, size=(), **options):
    rng = np.random.default_rng(seed)
    morphology = random_morphology(rng, **options)
    return Cable(size, morphology, random_parameters(rng, size, len(morphology)))


@pytest.mark.parametrize("k", range(len(NEURON)))
def test_potentials_are_neurons(k):
    """Every potential at every step. NEURON solves for the change of V and rounds otherwise."""
    cable, currents = of_neuron(NEURON[k])
    got = cable.run(cable.initial(), nA(currents), ms(NEURON[k]["dt"])).array
    wanted = np.array(NEURON[k]["potentials"])
    np.testing.assert_array_equal(cable.initial().array, wanted[0])
    np.testing.assert_allclose(got, wanted[1:], rtol=0, atol=3e-12)
    assert np.ptp(wanted) > 0.1


def test_neuron_has_enough_cells():
    assert len(NEURON) >= 20
    assert np.shape(NEURON[0]["potentials"]) == (801, 6)


@pytest.mark.parametrize("seed", range(20))
def test_step_is_the_dense_solution(seed):
    cable, rng = random_cable(seed), np.random.default_rng(seed)
    n, V = len(cable.morphology), cable.initial().array
    I, dt = rng.uniform(-0.1, 0.1, n), rng.choice([0.01, 0.1, 10])
    M, per_dt, G = matrix(cable, dt)
    b = np.zeros(len(M))
    b[:n] = per_dt[:n] * V + G[:n] * cable.E + I
    wanted = np.linalg.solve(M, b)[:n]
    got = cable.step(mV(V), nA(I), ms(dt)).array
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-9)


def test_small_capacitance_beside_large_conductance_is_not_lost():
    """Ten decimal orders: the mean over a short thick cable moves as if it were one point."""
    cable = Cable((), Morphology([section("a", 50, length=1e-3, diam=50)]), {"g": zero_g()})
    V = np.full(50, -65.0)
    C = cable.capacitance()
    got = cable.step(mV(V), nA([1e-6] + [0.0] * 49), ms(0.025)).array
    wanted = -65 + 0.025 * 1e-6 / C.sum()
    np.testing.assert_allclose(np.sum(C * got) / C.sum(), wanted, rtol=1e-14)


def zero_g():
    return Quantity(np.float64(0), "S cm^-2")


@pytest.mark.parametrize("size", [(), (2, 3)])
@pytest.mark.parametrize("batch", [(), (4,)])
def test_run_is_steps_bit_for_bit(size, batch):
    """The compiled loop, neuron by neuron, and the plain one over whole arrays."""
    cable, rng = random_cable(5, size), np.random.default_rng(5)
    V = cable.initial(batch)
    currents = rng.uniform(-0.1, 0.1, (7, *V.array.shape))
    potentials = cable.run(V, nA(currents), ms(0.1)).array
    for t in range(7):
        V = cable.step(V, nA(currents[t]), ms(0.1))
        np.testing.assert_array_equal(potentials[t], V.array)


def test_solve_is_numbas_bit_for_bit():
    m, rng = random_morphology(np.random.default_rng(6)), np.random.default_rng(6)
    e, b = rng.uniform(0, 1, len(m.parent)), rng.normal(size=len(m.parent))
    system = (m.order, m.parent, m.conductance, e, b)
    import numba

    compiled = numba.njit(lambda *system: tree_solve.solve(*system))
    np.testing.assert_array_equal(tree_solve.solve(*system), compiled(*system))


@pytest.mark.parametrize("seed", range(5))
def test_steady_state(seed):
    """Long after, the leak carries the current: the solution of G (V − E) = −L V + I."""
    cable = random_cable(seed)
    cable.g = cable.g + 1e-5
    n, rng = len(cable.morphology), np.random.default_rng(seed)
    I = rng.uniform(-0.01, 0.01, n)
    M, per_dt, G = matrix(cable, 1.0)
    b = np.zeros(len(M))
    b[:n] = G[:n] * cable.E + I
    wanted = np.linalg.solve(M - np.diag(per_dt), b)[:n]
    V = cable.initial()
    for _ in range(30):
        V = cable.step(V, nA(I), ms(1e3))
    np.testing.assert_allclose(V.array, wanted, rtol=0, atol=1e-9)


def test_steady_state_of_a_sealed_cable():
    """V(x) = I R∞ cosh((L − x)/λ)/sinh(L/λ), λ = √(d/(4 Ra g)), R∞ = 4 Ra λ/(π d²)."""
    L, d, Ra, g, nseg = 0.1, 2e-4, 100.0, 1e-4, 1001  # cm, cm, ohm cm, S cm^-2
    cable = Cable((), Morphology([section("a", nseg, length=L * 1e4, diam=d * 1e4)]), {})
    V = mV(np.full(nseg, -70.0))
    for _ in range(60):
        V = cable.step(V, {"a(0)": nA(0.01)}, ms(1e3))
    length = np.sqrt(d / (4 * Ra * g))
    x = (np.arange(nseg) + 0.5) * L / nseg
    R = 4 * Ra * length / (np.pi * d**2) * 1e-6  # Mohm
    wanted = -70 + 0.01 * R * np.cosh((L - x) / length) / np.sinh(L / length)
    np.testing.assert_allclose(V.array, wanted, rtol=0, atol=2e-3)


def decay_error(nseg, mode=2, dt=1e-4):
    """How far the rate of decay of cos(m π x/L) is from the cable equation's, in 1/ms.

    Of a sealed cylinder the rate is 1/τ (1 + (m π λ/L)²), τ = cm/g, λ² = d/(4 Ra g).
    """
    L, d, Ra, g = 0.08, 2e-4, 100.0, 1e-4
    cable = Cable((), Morphology([section("a", nseg, length=L * 1e4, diam=d * 1e4)]), {})
    x = (np.arange(nseg) + 0.5) / nseg
    shape = np.cos(mode * np.pi * x)
    after = cable.step(mV(-70 + 10 * shape), nA(0.0), ms(dt)).array + 70
    share = np.sum(after * shape) / np.sum(10 * shape**2)
    np.testing.assert_allclose(after, 10 * share * shape, rtol=0, atol=1e-10)
    rate = (1 / share - 1) / dt  # of an implicit Euler step
    tau, length = 1e-3 / g, np.sqrt(d / (4 * Ra * g))
    return abs(rate - (1 + (mode * np.pi * length / L) ** 2) / tau)


def test_decay_converges_to_the_cable_equation():
    """Of second order in the length of a compartment."""
    errors = np.array([decay_error(nseg) for nseg in (5, 10, 20, 40, 80)])
    orders = np.log2(errors[:-1] / errors[1:])
    assert np.all(np.abs(orders - 2) < 0.1), (errors, orders)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dt", [0.025, 2.0])
def test_derivatives_are_those_of_finite_differences(seed, dt):
    cable, rng = random_cable(seed, (2,)), np.random.default_rng(seed)
    n, V = len(cable.morphology), cable.initial().array
    I = rng.uniform(-0.1, 0.1, V.shape)
    got = cable.jacobian(ms(dt))
    for j in range(n):
        for name, scale in (("state", 1.0), ("current", 1e-2)):
            nudge = np.zeros(V.shape)
            nudge[:, j] = scale
            change = (nudge, 0) if name == "state" else (0, nudge)
            up = cable.step(mV(V + change[0]), nA(I + change[1]), ms(dt)).array
            down = cable.step(mV(V - change[0]), nA(I - change[1]), ms(dt)).array
            wanted = (up - down) / (2 * scale)
            close = {"rtol": 1e-9, "atol": 1e-8}
            np.testing.assert_allclose(getattr(got, name)[:, j].T, wanted, **close)


@pytest.mark.parametrize("seed", range(5))
def test_derivatives_are_those_of_the_inverse(seed):
    cable = random_cable(seed)
    n = len(cable.morphology)
    M, per_dt, _ = matrix(cable, 0.1)
    inverse = np.linalg.inv(M)
    got = cable.jacobian(ms(0.1))
    np.testing.assert_allclose(got.current, inverse[:n, :n], rtol=1e-9)
    np.testing.assert_allclose(got.state, (inverse @ np.diag(per_dt))[:n, :n], rtol=1e-9)
    # What NUM-6 rests on.
    assert np.all(inverse > 0)


@pytest.mark.parametrize("seed", range(5))
def test_scale_is_the_solution_for_absolute_values(seed):
    cable, rng = random_cable(seed), np.random.default_rng(seed)
    n, V = len(cable.morphology), cable.initial().array
    I = rng.uniform(-0.1, 0.1, n)
    M, per_dt, G = matrix(cable, 0.1)
    b, leak = np.zeros(len(M)), np.zeros(len(M))
    leak[:n] = G[:n] * cable.E
    b[:n] = per_dt[:n] * V + I
    after = np.abs(np.linalg.solve(M, b + leak))
    terms = np.abs(M) @ after + np.abs(leak)
    terms[:n] += per_dt[:n] * np.abs(V) + np.abs(I)
    wanted = np.linalg.solve(M, terms)[:n]
    np.testing.assert_allclose(cable.scale(mV(V), nA(I), ms(0.1)), wanted, rtol=1e-9)


def test_currents_at_sites():
    m = random_morphology(np.random.default_rng(1), nseg=3)
    cable, n = Cable((2,), m, {}), len(m)
    V = cable.initial((3,))
    whole = np.zeros((3, 2, n))
    whole[..., m.site("s1(1)")] += [0.1, 0.2]
    whole[..., m.site("s1(0.999)")] += 0.3
    sites = {"s1(1)": nA([0.1, 0.2]), "s1(0.999)": Quantity(300.0, "pA")}
    one, other = (cable.step(V, I, ms(0.1)).array for I in (sites, nA(whole)))
    np.testing.assert_allclose(one, other, rtol=1e-14)


@pytest.mark.parametrize(
    ("current", "dt", "error"),
    [
        (nA(np.nan), ms(0.1), InputError),
        (nA(np.zeros(2)), ms(0.1), ShapeError),
        (mV(0.0), ms(0.1), UnitError),
        (0.0, ms(0.1), UnitError),
        (nA(0.0), ms(0.0), ParameterError),
        (nA(0.0), nA(1.0), UnitError),
        ({"s0(2)": nA(0.0)}, ms(0.1), StateNameError),
        ({"s0(0)": nA(np.inf)}, ms(0.1), InputError),
        ({"s0(0)": nA(np.zeros(7))}, ms(0.1), ShapeError),
    ],
)
def test_refused_step(current, dt, error):
    cable = Cable((3,), random_morphology(np.random.default_rng(2)), {})
    V = cable.initial()
    before = V.array.copy()
    with pytest.raises(error):
        cable.step(V, current, dt)
    np.testing.assert_array_equal(V.array, before)


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"g": Quantity(-1e-9, "S cm^-2")}, ParameterError),
        ({"E": mV(np.inf)}, ParameterError),
        ({"V0": mV(np.nan)}, ParameterError),
        ({"E": mV(np.zeros(99))}, ShapeError),
        ({"g": 1e-4}, UnitError),
        ({"e": mV(0.0)}, ParameterError),
    ],
)
def test_refused_parameter(parameters, error):
    with pytest.raises(error):
        Cable((3,), random_morphology(np.random.default_rng(2)), parameters)
