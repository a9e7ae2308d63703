"""The step of the GIF neuron, its trajectories and its Jacobian, against other derivations."""

from __future__ import annotations

import numpy as np
import pytest

from reference import Dynamics, Quantity
from reference.gif import Parameters, names_of

EPS = 2.0**-53
METHODS = ["exact", "exp_euler"]


def random_parameters(rng, size, J):
    """Parameters of a population whose neurons differ, as a user gives them."""
    draw = {
        "tau": (lambda: rng.uniform(5, 50, size), "ms"),
        "R": (lambda: rng.uniform(5, 50, size), "Mohm"),
        "V_rest": (lambda: rng.uniform(-80, -60, size), "mV"),
        "V_reset": (lambda: rng.uniform(-90, -60, size), "mV"),
        "V_th_inf": (lambda: rng.uniform(-55, -45, size), "mV"),
        "V_th_reset": (lambda: rng.uniform(-60, -40, size), "mV"),
        "k": (lambda: rng.uniform(0, 0.5, size), "ms^-1"),
        "R_j": (lambda: rng.uniform(-1, 1.5, size), "V V^-1"),
        "A": (lambda: rng.uniform(-2, 2, size), "nA"),
        "a": (lambda: rng.uniform(-0.1, 0.1, size), "ms^-1"),
        "b": (lambda: rng.uniform(0, 0.2, size), "ms^-1"),
    }
    return {name: Quantity(draw[field][0](), draw[field][1]) for name, field in names_of(J).items()}


def random_state(rng, shape, J):
    """A state near the threshold, so that about half the neurons spike."""
    I_j = rng.uniform(-1, 1, (J, *shape))
    return np.concatenate(
        [I_j, rng.uniform(-60, -45, (1, *shape)), rng.uniform(-60, -45, (1, *shape))]
    )


def neuron_of(p: Parameters, index) -> Parameters:
    """The parameters of one neuron."""
    return Parameters(*(field[(..., *index)] for field in p))


def slope(p, h, I):
    """dh/dt, as the equations of SPEC.md, chapter 6 stand there; R in ohm, currents in nA."""
    I_j, V, V_th = h[:-2], h[-2], h[-1]
    RI = 1e3 * p.R * 1e-9 * (sum(I_j) + I)  # V = ohm A, then mV
    return np.stack(
        [
            *(-k_j * I_one for k_j, I_one in zip(p.k, I_j, strict=True)),
            (-(V - p.V_rest) + RI) / p.tau,
            p.a * (V - p.V_rest) - p.b * (V_th - p.V_th_inf),
        ]
    )


def runge_kutta(p, h, I, dt, steps=200):
    """The classical method of order 4."""
    s = dt / steps
    for _ in range(steps):
        k1 = slope(p, h, I)
        k2 = slope(p, h + s / 2 * k1, I)
        k3 = slope(p, h + s / 2 * k2, I)
        k4 = slope(p, h + s * k3, I)
        h = h + s / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return h


@pytest.mark.parametrize("J", [0, 1, 2, 3])
def test_exact_step_solves_the_equations(J):
    rng = np.random.default_rng(J)
    neuron = Dynamics((7,), random_parameters(rng, (7,), J), J=J)
    h, I = random_state(rng, (3, 7), J), rng.uniform(-2, 2, (3, 7))
    got = neuron.step(neuron.propagator(1.5), h, I).integrated
    np.testing.assert_allclose(got, runge_kutta(neuron.parameters, h, I, 1.5), rtol=0, atol=1e-11)


def test_exp_euler_step_is_its_three_equations():
    rng = np.random.default_rng(5)
    neuron = Dynamics((9,), random_parameters(rng, (9,), 2), method="exp_euler")
    p, h, I, dt = neuron.parameters, random_state(rng, (9,), 2), rng.uniform(-2, 2, 9), 0.7
    R = p.R / 1e6
    phi = (1 - np.exp(-p.b * dt)) / p.b
    m = np.exp(-dt / p.tau)
    expected = [
        np.exp(-p.k[0] * dt) * h[0],
        np.exp(-p.k[1] * dt) * h[1],
        p.V_rest + m * (h[2] - p.V_rest) + (1 - m) * R * (h[0] + h[1] + I),
        p.V_th_inf + np.exp(-p.b * dt) * (h[3] - p.V_th_inf) + phi * p.a * (h[2] - p.V_rest),
    ]
    got = neuron.step(neuron.propagator(dt), h, I).integrated
    np.testing.assert_allclose(got, expected, rtol=1e-13)


def test_ohm_times_nanoampere():
    # 20 Mohm and 1 nA are 20 mV: the steady state.
    neuron = Dynamics((), {"R": Quantity(20.0, "Mohm"), "a": Quantity(0.0, "ms^-1")})
    state = neuron.step(neuron.propagator(1e6), neuron.initial(), 0.5).state
    np.testing.assert_allclose(state, [0, 0, -60.0, -50.0], rtol=1e-15)


def test_period_of_tonic_spiking():
    # V from −70 towards −40, threshold −50, reset to −70: the period is τ ln 3.
    parameters = {"R": Quantity(20.0, "Mohm"), "V_reset": Quantity(-70.0, "mV")}
    parameters |= {
        name: Quantity(0.0, unit) for name, unit in (("a", "ms^-1"), ("A1", "nA"), ("A2", "nA"))
    }
    neuron = Dynamics((), parameters)
    dt = 0.001
    run = neuron.run(neuron.propagator(dt), neuron.initial(), np.full(150_000, 1.5))
    periods = np.diff(dt * np.flatnonzero(run.spikes))
    assert len(periods) == 5
    np.testing.assert_allclose(periods, 20 * np.log(3), atol=dt)


def test_reset_is_from_the_integrated_values():
    rng = np.random.default_rng(1)
    neuron = Dynamics((400,), random_parameters(rng, (400,), 2))
    p, h = neuron.parameters, random_state(rng, (400,), 2)
    step = neuron.step(neuron.propagator(0.5), h, rng.uniform(-2, 2, 400))
    assert 100 < step.spikes.sum() < 300
    for m in range(400):
        I1, I2, V, V_th = step.integrated[:, m]
        spikes = V > V_th
        if spikes:
            I1, I2 = p.R_j[0, m] * I1 + p.A[0, m], p.R_j[1, m] * I2 + p.A[1, m]
            V, V_th = p.V_reset[m], max(p.V_th_reset[m], V_th)
        assert bool(step.spikes[m]) == spikes
        assert step.state[:, m].tolist() == [I1, I2, V, V_th]
        taken, other = (step.reset, step.integrated) if spikes else (step.integrated, step.reset)
        assert (step.state[:, m] == taken[:, m]).all()
        assert (step.state[:, m] != other[:, m]).any()


@pytest.mark.parametrize("method", METHODS)
def test_a_spike_is_strictly_above(method):
    parameters = {"V_rest": Quantity(-50.0, "mV"), "V_th_inf": Quantity(-50.0, "mV")}
    neuron = Dynamics((3,), parameters, method=method)
    h = np.zeros((4, 3))
    h[2:] = -50.0
    h[3, 1:] = np.nextafter(-50.0, -51.0), np.nextafter(-50.0, -49.0)
    # So short a step that no bit changes.
    step = neuron.step(neuron.propagator(1e-25), h, 0.0)
    np.testing.assert_array_equal(step.integrated, h)
    assert step.spikes.tolist() == [False, True, False]


def test_a_neuron_may_spike_in_every_step():
    neuron = Dynamics((), {"R": Quantity(20.0, "Mohm")})
    run = neuron.run(neuron.propagator(0.1), neuron.initial(), np.full(20, 1e4))
    assert run.spikes.all()


def test_one_long_step_is_many_short_ones():
    rng = np.random.default_rng(2)
    parameters = random_parameters(rng, (50,), 2) | {"V_th_inf": Quantity(1e4, "mV")}
    neuron = Dynamics((50,), parameters)
    h, I = neuron.initial(), rng.uniform(-2, 2, 50)
    h[:2] = rng.uniform(-1, 1, (2, 50))
    once = neuron.step(neuron.propagator(50.0), h, I)
    many = neuron.run(neuron.propagator(0.1), h, np.tile(I, (500, 1)))
    assert not many.spikes.any()
    difference = np.abs(many.states[-1] - once.state) / (many.size.max(axis=0) * EPS)
    assert difference.max() <= 500, f"{difference.max()} ε S after 500 steps"


@pytest.mark.parametrize("method", METHODS)
def test_neurons_and_batches_are_independent(method):
    rng = np.random.default_rng(3)
    parameters = random_parameters(rng, (2, 3), 2)
    neuron = Dynamics((2, 3), parameters, method=method)
    h, I = random_state(rng, (4, 2, 3), 2), rng.uniform(-2, 2, (4, 2, 3))
    together = neuron.step(neuron.propagator(0.5), h, I)
    for index in np.ndindex(2, 3):
        parameters_of_one = {
            name: Quantity(q.array[index], q.unit) for name, q in parameters.items()
        }
        alone = Dynamics((), parameters_of_one, method=method)
        for batch in range(4):
            where = (..., batch, *index)
            step = alone.step(alone.propagator(0.5), h[where], I[where])
            for name in step._fields:
                got, expected = getattr(together, name)[where], getattr(step, name)
                np.testing.assert_array_equal(got, expected, err_msg=f"{name} of {index}")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("J", "size", "batch"), [(2, (60,), ()), (3, (2, 5), (3,)), (1, (), (4,))])
def test_compiled_run_is_the_plain_loop(method, J, size, batch):
    rng = np.random.default_rng(J)
    neuron = Dynamics(size, random_parameters(rng, size, J), method=method, J=J)
    propagator = neuron.propagator(0.5)
    h = random_state(rng, (*batch, *size), J)
    I = rng.uniform(-3, 3, (200, *batch, *size))
    h.flags.writeable = I.flags.writeable = False
    run = neuron.run(propagator, h, I)
    assert 0.001 < run.spikes.mean() < 0.9
    for t in range(200):
        step = neuron.step(propagator, h, I[t])
        got = run.states[t], run.spikes[t], run.integrated[t], run.size[t]
        for array, name in zip(got, ("state", "spikes", "integrated", "size"), strict=True):
            expected = getattr(step, name)
            assert array.dtype == expected.dtype
            assert array.tobytes() == expected.tobytes(), f"{name} of step {t}"
        h = step.state


def test_a_run_of_one_neuron_is_plain_numbers():
    """Neuron by neuron in Python's own arithmetic: NumPy and Numba add nothing to it."""
    rng = np.random.default_rng(8)
    neuron = Dynamics((5,), random_parameters(rng, (5,), 2))
    propagator, p = neuron.propagator(0.5), neuron.parameters
    h, I = random_state(rng, (5,), 2), rng.uniform(-3, 3, (100, 5))
    run = neuron.run(propagator, h, I)
    for m in range(5):
        E, e_c, o = (
            propagator.E[..., m].tolist(),
            propagator.e_c[:, m].tolist(),
            neuron.offset[:, m],
        )
        row = h[:, m].tolist()
        for t in range(100):
            new = []
            for i in range(4):
                total = e_c[i] * float(I[t, m])
                for j in range(4):
                    total += E[i][j] * (row[j] - float(o[j]))
                new.append(float(o[i]) + total)
            row = new
            if row[2] > row[3]:
                row[:2] = (float(p.R_j[j, m]) * row[j] + float(p.A[j, m]) for j in range(2))
                row[2:] = float(p.V_reset[m]), max(float(p.V_th_reset[m]), row[3])
            assert run.states[t, :, m].tolist() == row


def test_no_steps():
    neuron = Dynamics((3,), {})
    run = neuron.run(neuron.propagator(0.5), neuron.initial(), np.zeros((0, 3)))
    assert run.states.shape == (0, 4, 3)
    assert run.spikes.shape == (0, 3)


def test_nan_in_one_neuron_stays_there():
    neuron = Dynamics((3,), {})
    I = np.array([0.0, np.nan, 0.0])
    step = neuron.step(neuron.propagator(0.5), neuron.initial(), I)
    assert np.isnan(step.state[2]).tolist() == [False, True, False]
    assert not step.spikes.any()


def test_size_is_the_formula():
    rng = np.random.default_rng(4)
    neuron = Dynamics((), random_parameters(rng, (), 2))
    p, h, I = neuron.parameters, random_state(rng, (), 2), -1.5
    E, e_c = propagator = neuron.propagator(0.5)
    o = np.array([0, 0, p.V_rest, p.V_th_inf])
    S = np.abs(o) + np.abs(h) + np.abs(E) @ (np.abs(h) + np.abs(o)) + np.abs(e_c * I)
    step = neuron.step(propagator, h, I)
    np.testing.assert_allclose(step.size, S, rtol=1e-14)
    factor, more = [*np.abs(p.R_j), 1, 1], np.abs([*p.A, p.V_reset, p.V_th_reset])
    np.testing.assert_allclose(step.size_reset, factor * S + more, rtol=1e-14)


class Smoothed:
    """One step with a spike of derivative ψ, for one neuron, in complex numbers.

    The value of the spike at the base point is that of the hard comparison. The derivative of this
    function along the imaginary axis is exact (Squire and Trapp 1998, SIAM Review 40:110).
    """

    def __init__(self, p, dt, base, alpha, width, scale, detach):
        self.p, self.dt, self.alpha, self.width = p, dt, alpha, width
        self.scale, self.detach = scale, detach
        hat = self.integrated(*base)
        self.x = (hat[2] - hat[3]).real / scale
        self.z = float(hat[2].real > hat[3].real)

    def integrated(self, h, I):
        return runge_kutta(self.p, np.asarray(h, complex), I, self.dt, steps=40)

    def spike(self, x):
        """z plus what the integral of α max(0, w − |x|) gains from the base point."""

        def integral(x):
            side = 1.0 if x.real > 0 else -1.0
            if abs(x.real) >= self.width:
                return side * self.width**2 / 2
            return self.width * x - side * x * x / 2

        return self.z + self.alpha * (integral(x) - integral(complex(self.x)))

    def __call__(self, h, I):
        p, hat = self.p, self.integrated(h, I)
        z = self.spike((hat[2] - hat[3]) / self.scale)
        bound = hat[3] if hat[3].real > p.V_th_reset else p.V_th_reset
        after = np.array([*(p.R_j * hat[:2] + p.A), p.V_reset, bound])
        return hat + (self.z if self.detach else z) * (after - hat), z


@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize(
    ("alpha", "width", "scale"), [(0.3, 1.0, 20.0), (2.0, 0.4, 5.0), (0.0, 1.0, 20.0)]
)
def test_jacobian_by_complex_steps(alpha, width, scale, detach):
    rng = np.random.default_rng(6)
    N, dt = 30, 0.5
    neuron = Dynamics((N,), random_parameters(rng, (N,), 2))
    h, I = random_state(rng, (N,), 2), rng.uniform(-2, 2, N)
    got = neuron.jacobian(
        neuron.propagator(dt), h, I, alpha=alpha, width=width, scale=scale, detach_reset=detach
    )
    spikes = neuron.step(neuron.propagator(dt), h, I).spikes
    assert 8 < spikes.sum() < 22
    for m in range(N):
        step = Smoothed(
            neuron_of(neuron.parameters, (m,)), dt, (h[:, m], I[m]), alpha, width, scale, detach
        )
        for j in range(5):
            change = np.zeros(5, complex)
            change[j] = 1e-30j
            after, z = step(h[:, m] + change[:4], I[m] + change[4])
            expected = np.array([*after, z]).imag / 1e-30
            computed = np.array([*got.step[:, j, m], got.spike[j, m]])
            np.testing.assert_allclose(computed, expected, rtol=1e-9, atol=1e-11)


def test_jacobian_by_differences_where_no_neuron_spikes():
    rng = np.random.default_rng(7)
    parameters = random_parameters(rng, (20,), 3) | {"V_th_inf": Quantity(1e3, "mV")}
    neuron = Dynamics((20,), parameters, J=3)
    propagator = neuron.propagator(0.8)
    h, I = neuron.initial((2,)), rng.uniform(-2, 2, (2, 20))
    got = neuron.jacobian(propagator, h, I, alpha=0.0)
    assert got.step.shape == (5, 6, 2, 20)
    assert got.spike.shape == (6, 2, 20)
    assert not got.spike.any()
    for j in range(6):
        change = np.zeros((6, 1, 1))
        change[j] = 1.0  # the step is linear
        up = neuron.step(propagator, h + change[:5], I + change[5]).state
        down = neuron.step(propagator, h - change[:5], I - change[5]).state
        np.testing.assert_allclose(got.step[:, j], (up - down) / 2, rtol=1e-9, atol=1e-12)


def test_jacobian_without_spike_and_surrogate_is_the_propagator():
    neuron = Dynamics((3,), {})
    propagator = neuron.propagator(0.8)
    got = neuron.jacobian(propagator, neuron.initial(), 0.0, alpha=0.0)
    np.testing.assert_array_equal(got.step[:, :4], propagator.E)
    np.testing.assert_array_equal(got.step[:, 4], propagator.e_c)


@pytest.mark.parametrize("detach", [False, True])
def test_jacobian_sizes_are_sums_of_absolute_values(detach):
    rng = np.random.default_rng(9)
    neuron = Dynamics((50,), random_parameters(rng, (50,), 2))
    p, h, I = neuron.parameters, random_state(rng, (50,), 2), rng.uniform(-2, 2, 50)
    alpha, width, scale = 0.5, 0.8, 10.0
    options = {"alpha": alpha, "width": width, "scale": scale, "detach_reset": detach}
    propagator = neuron.propagator(0.5)
    step, got = neuron.step(propagator, h, I), neuron.jacobian(propagator, h, I, **options)
    assert np.all(np.abs(got.step) <= got.size_step)
    assert np.all(np.abs(got.spike) <= got.size_spike)
    for m in range(50):
        D = np.abs(np.column_stack([propagator.E[..., m], propagator.e_c[:, m]]))
        S, S_reset = step.size[:, m], step.size_reset[:, m]
        psi = alpha * (width + (S[2] + S[3]) / scale)
        spike = psi / scale * (D[2] + D[3])
        P = np.ones(4)
        if step.spikes[m]:
            P = np.abs([*p.R_j[:, m], 0.0, step.integrated[3, m] > p.V_th_reset[m]])
        jump = 0 * S if detach else S + S_reset
        np.testing.assert_allclose(got.size_spike[:, m], spike, rtol=1e-14)
        expected = P[:, np.newaxis] * D + np.outer(jump, spike)
        np.testing.assert_allclose(got.size_step[..., m], expected, rtol=1e-14)
