"""Learning signals, gradients and updates, against complex numbers and the true gradient."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from conformance.protocol.claims import SPIKING
from reference import Layer, Network, Rule
from reference.learning import full_gradient, learn, learning_signals, run_traces
from reference.networks import make_neurons

from ..complex_network import STEP, ComplexNetwork, gradients
from ..learning_problems import (
    DT,
    KINDS,
    LOCAL,
    RECURRENCES,
    SHARED,
    problem_of,
    random_layer,
    single,
    stacked,
)
from .oracles import assert_equal, relative_difference

DRTRL = Rule("D-RTRL")
STACKS = [("LIF", "ALIF", "GIF"), ("cable", "synapse_LIF", "leaky"), ("GIFTree", "leaky", "ALIF")]


def oracle(problem, cut="nothing"):
    """The derivatives of the loss by complex steps."""

    def make():
        B = problem.inputs.shape[1]
        return ComplexNetwork(problem.network, 1.0, B, problem.initial(), cut)

    return gradients(make, problem.inputs, problem.targets, problem.weights)


def assert_spikes(problem, emitted):
    """10 to 30 % of the steps of each layer that spikes have a spike."""
    for layer, s in zip(problem.network.layers, emitted, strict=True):
        if layer.kind in SPIKING:
            assert 0.1 <= s.mean() <= 0.3, layer.kind


@pytest.mark.parametrize("cut", ["nothing", "recurrences", "operations"])
@pytest.mark.parametrize(("kind", "recurrence"), RECURRENCES + SHARED)
def test_full_gradient(kind, recurrence, cut):
    problem = single(kind, recurrence, seed=3)
    assert_equal(full_gradient(*problem.arguments, cut), oracle(problem, cut))


@pytest.mark.parametrize("cut", ["nothing", "recurrences", "operations"])
def test_full_gradient_of_stacked_layers(cut):
    problem = stacked(STACKS[0], "dense", seed=5)
    assert_equal(full_gradient(*problem.arguments, cut), oracle(problem, cut))


@pytest.mark.parametrize(("kind", "recurrence"), RECURRENCES + SHARED)
def test_d_rtrl_of_one_layer(kind, recurrence):
    """Exact where not recurrent, or recurrent element by element; else without that path."""
    problem = single(kind, recurrence, seed=3)
    got = learn(*problem.arguments, DRTRL)
    assert_spikes(problem, got.traced.emitted)
    cut = "recurrences" if recurrence == "dense" else "nothing"
    assert_equal(got.gradients, full_gradient(*problem.arguments, cut))
    assert_equal(got.gradients, oracle(problem, cut))
    if recurrence == "dense":
        assert relative_difference(got.gradients, full_gradient(*problem.arguments)) > 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_d_rtrl_with_a_loss_at_the_end_only(kind):
    weights = np.zeros(12)
    weights[-1] = 2.0
    problem = single(kind, seed=4, weights=weights)
    got = learn(*problem.arguments, DRTRL)
    assert_equal(got.gradients, oracle(problem))
    assert not got.losses[:-1].any()


@pytest.mark.parametrize("kind", ["leaky", "cable"])
def test_d_rtrl_of_smooth_neurons_by_differences(kind):
    problem = single(kind, "element-wise", seed=3)
    got = learn(*problem.arguments, DRTRL)
    layer, step = problem.network.layers[0], 1e-4
    for name in ("weight", "bias", "recurrent"):
        w = getattr(layer, name)
        expected = np.zeros(w.shape)
        for index in np.ndindex(w.shape):
            losses = []
            for sign in (1, -1):
                moved = w.copy()
                moved[index] += sign * step
                layers = (dataclasses.replace(layer, **{name: moved}),)
                network = dataclasses.replace(problem.network, layers=layers)
                losses.append(learn(network, *problem.arguments[1:], DRTRL).losses.sum())
            expected[index] = (losses[0] - losses[1]) / (2 * step)
        atol = 1e-5 * np.abs(expected).max()
        np.testing.assert_allclose(got.gradients[f"0.{name}"], expected, rtol=0, atol=atol)


@pytest.mark.parametrize("recurrence", [None, "dense"])
@pytest.mark.parametrize("kinds", STACKS, ids="-".join)
def test_d_rtrl_of_stacked_layers(kinds, recurrence):
    """What no trainable operation carries through time, and all of the same step (LEARN-5)."""
    problem = stacked(kinds, recurrence, seed=5)
    got = learn(*problem.arguments, DRTRL).gradients
    assert_equal(got, oracle(problem, "operations"))
    assert_equal(got, full_gradient(*problem.arguments, "operations"))
    assert relative_difference(got, full_gradient(*problem.arguments)) > 0.01
    top = {name: got[name] for name in ("2.weight", "2.bias", "readout.weight", "readout.bias")}
    if recurrence is None:
        exact = full_gradient(*problem.arguments)
        assert_equal(top, {name: exact[name] for name in top})


@pytest.mark.parametrize(("kind", "recurrence"), RECURRENCES)
def test_learning_signals(kind, recurrence):
    """c and λ of each step, by complex steps within it (LEARN-1)."""
    problem = stacked([kind, "synapse_LIF", kind], recurrence, seed=5, T=4)
    got = learning_signals(*problem.arguments)
    run = run_traces(problem.network, problem.inputs, DT, DRTRL)
    hidden, emitted = [problem.initial()], [[np.zeros((2, N)) for N in (4, 3, 3)]]
    for t in range(4):
        hidden.append([h[t] for h in run.hidden])
        emitted.append([s[t] for s in run.emitted])
    for t in range(4):
        for l, (c, signal) in enumerate(got):
            d = signal.shape[-1]
            for b, n, j in np.ndindex(2, c.shape[2], d + 1):
                network = ComplexNetwork(problem.network, 1.0, 2, hidden[t])
                network.s = [s.astype(complex) for s in emitted[t]]
                extra = [np.zeros((2, N), complex) for N in (4, 3, 3)]
                if j == d:
                    extra[l][b, n] = 1j * STEP
                else:
                    network.h[l][b, n, j] += 1j * STEP
                out = network.step(problem.inputs[t], extra)
                loss = 0.5 * problem.weights[t] * np.sum((out - problem.targets[t]) ** 2)
                exact = c[t, b, n] if j == d else signal[t, b, n, j]
                np.testing.assert_allclose(exact, loss.imag / STEP, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("decay_or_rank", [0.0, 0.5, 3, 0.95])
@pytest.mark.parametrize("kind", KINDS)
def test_es_d_rtrl_of_one_step(kind, decay_or_rank):
    """LEARN-9: exact at T = 1, for any decay. A first step with a surrogate that is not 0."""
    problem = single(kind, seed=1, T=1, B=8, N=6)
    exact = full_gradient(*problem.arguments)
    got = learn(*problem.arguments, Rule("ES-D-RTRL", decay_or_rank)).gradients
    np.testing.assert_allclose(got.pop("readout.weight"), exact.pop("readout.weight"), rtol=1e-12)
    assert_equal(got, exact)


@pytest.mark.parametrize("kind", KINDS)
def test_es_d_rtrl_without_memory(kind):
    """LEARN-9: with α = 0 it is Σ_t x c."""
    problem = single(kind, "dense", seed=3)
    got = learn(*problem.arguments, Rule("ES-D-RTRL", 0.0))
    ((c, _),) = learning_signals(*problem.arguments)
    s = np.concatenate([np.zeros((1, 2, 4)), got.traced.emitted[0][:-1]])
    expected = {
        "0.weight": np.einsum("tbk,tbn->kn", problem.inputs, c),
        "0.bias": c.sum(axis=(0, 1)),
        "0.recurrent": np.einsum("tbk,tbn->kn", s, c),
    }
    assert_equal({name: got.gradients[name] for name in expected}, expected)


@pytest.mark.parametrize("recurrence", [None, "element-wise"])
@pytest.mark.parametrize("kind", LOCAL)
def test_es_d_rtrl_in_its_second_form(kind, recurrence):
    """LEARN-3: where the loss sees h(t) alone, ε_x(t) Σ_i (∂L/∂h_i) ε_f,i(t) / (1 − α^t)."""
    problem, alpha = single(kind, recurrence, seed=3), 0.8
    rule, x = Rule("ES-D-RTRL", alpha), problem.inputs
    got = learn(*problem.arguments, rule)
    assert_spikes(problem, got.traced.emitted)
    layer = problem.network.layers[0]
    neurons = make_neurons(kind, 4, layer.parameters, 1.0)
    expected = dict.fromkeys(got.traced.traces, 0.0)
    for t in range(1, len(x) + 1):
        run = run_traces(problem.network, x[:t], DT, rule)
        error = problem.weights[t - 1] * (run.outputs[-1] - problem.targets[t - 1])
        slope = neurons.emission(run.hidden[0][-1]).slope
        g = (error @ problem.network.readout.T)[..., np.newaxis] * slope
        for name, (eps_x, eps_f) in run.traces.items():
            meeting = np.sum(g * eps_f, axis=-1) / (1 - alpha**t)
            if eps_x is None:
                expected[name] += (1 - alpha**t) / (1 - alpha) * meeting.sum(axis=0)
            else:
                expected[name] += eps_x.T @ meeting
    assert_equal({name: got.gradients[name] for name in expected}, expected)


def test_es_d_rtrl_of_gif_neurons_and_stacks():
    """LEARN-3 as it stands, the traces of t − 1 being those of a shorter run."""
    problem, alpha = stacked(("GIF", "LIF"), "dense", seed=5, T=8), 0.6
    rule, x = Rule("ES-D-RTRL", alpha), problem.inputs
    got, signals = learn(*problem.arguments, rule).gradients, learning_signals(*problem.arguments)
    runs = [run_traces(problem.network, x[:t], DT, rule).traces for t in range(1, 9)]
    for l in (0, 1):
        c, signal = signals[l]
        expected = 0.0
        for t in range(1, 9):
            before = 0.0 if t == 1 else runs[t - 2][f"{l}.weight"][1]
            factor = (1 - alpha) * c[t - 1] + alpha * np.sum(signal[t - 1] * before, axis=-1)
            expected = expected + runs[t - 1][f"{l}.weight"][0].T @ factor / (1 - alpha**t)
        np.testing.assert_allclose(got[f"{l}.weight"], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("function", ["identity", "square", "absolute"])
@pytest.mark.parametrize("masked", [False, True])
def test_masks_and_weight_functions(function, masked):
    """LEARN-7: each pulled back once, at the parameter's value."""
    rng = np.random.default_rng(3)
    layer = random_layer("synapse_LIF", 3, 4, rng, "dense", weight_function=function)
    if masked:
        masks = {"mask": rng.random((3, 4)) < 0.7, "recurrent_mask": 1.0 - np.eye(4)}
        layer = dataclasses.replace(layer, **masks)
    problem = problem_of([layer], rng, T=15)
    got = learn(*problem.arguments, DRTRL)
    assert_equal(got.gradients, oracle(problem, "recurrences"))
    if masked:
        assert not got.gradients["0.weight"][~layer.mask].any()
        assert not np.diag(got.gradients["0.recurrent"]).any()
        assert got.traced.traces["0.weight"][:, ~layer.mask].any()  # of effective weights


@pytest.mark.parametrize("rule", [DRTRL, Rule("ES-D-RTRL", 0.7)])
def test_chunks_change_nothing_without_updates(rule):
    problem = single("ALIF", "dense", seed=3)
    one = learn(*problem.arguments, rule)
    for chunk in (5, 12, np.int64(100)):
        several = learn(*problem.arguments, rule, chunk=chunk)
        assert_equal(several.gradients, one.gradients, 0.0)


@pytest.mark.parametrize("chunk", [1, 5, 12, 20])
def test_online_updates(chunk):
    """LEARN-11, for leaky neurons with the recurrences written out and weights that change."""
    problem, eta = single("leaky", seed=3), 0.05
    got = learn(*problem.arguments, DRTRL, chunk=chunk, learning_rate=eta)
    layer, x = problem.network.layers[0], problem.inputs
    W, beta, out, bias = (
        w.copy() for w in (layer.weight, layer.bias, problem.network.readout,
                           problem.network.readout_bias)
    )  # fmt: skip
    a = np.exp(-1 / layer.parameters["tau"].array)
    h, eps, eps_bias = np.zeros((2, 4)), np.zeros((2, 3, 4)), np.zeros((2, 4))
    dW, dbeta, dout, dbias = (np.zeros_like(w) for w in (W, beta, out, bias))
    for t in range(12):
        if t % chunk == 0:
            dW, dbeta, dout, dbias = (np.zeros_like(w) for w in (W, beta, out, bias))
        h = a * h + x[t] @ W + beta
        eps, eps_bias = a * eps + x[t][..., np.newaxis], a * eps_bias + 1
        error = h @ out + bias - problem.targets[t]
        np.testing.assert_allclose(
            got.losses[t], 0.5 * problem.weights[t] * np.sum(error**2), rtol=1e-11
        )
        error = problem.weights[t] * error
        g = error @ out.T
        dW, dbeta = dW + np.einsum("bn,bkn->kn", g, eps), dbeta + np.sum(g * eps_bias, axis=0)
        dout, dbias = dout + h.T @ error, dbias + error.sum(axis=0)
        if (t + 1) % chunk == 0 or t == 11:
            W, beta, out, bias = (
                W - eta * dW,
                beta - eta * dbeta,
                out - eta * dout,
                bias - eta * dbias,
            )
    names = ("0.weight", "0.bias", "readout.weight", "readout.bias")
    assert_equal(got.gradients, dict(zip(names, (dW, dbeta, dout, dbias), strict=True)))
    assert_equal(got.parameters, dict(zip(names, (W, beta, out, bias), strict=True)))
    np.testing.assert_allclose(got.traced.traces["0.weight"][..., 0], eps, rtol=1e-12)
    np.testing.assert_allclose(got.traced.hidden[0][-1, ..., 0], h, rtol=1e-11)


def test_updates_of_masked_and_squared_weights_of_spiking_layers():
    """A run up to the update, and the update, say what the next chunk begins with."""
    rng = np.random.default_rng(3)
    fields = {"weight_function": "square", "mask": rng.random((3, 4)) < 0.7}
    layers = [random_layer("ALIF", 3, 4, rng, "dense", **fields), random_layer("GIF", 4, 3, rng)]
    problem, eta = problem_of(layers, rng), 1e-3
    first = learn(*(a[:7] if isinstance(a, np.ndarray) else a for a in problem.arguments), DRTRL)
    both = learn(*problem.arguments, DRTRL, chunk=7, learning_rate=eta)
    np.testing.assert_array_equal(both.losses[:7], first.losses)
    whole = learn(*problem.arguments, DRTRL)
    assert both.losses[7] != whole.losses[7]
    for name, w in both.parameters.items():
        l, _, part = name.partition(".")
        arguments = {
            "readout.weight": problem.network.readout,
            "readout.bias": problem.network.readout_bias,
        }
        w0 = arguments[name] if l == "readout" else getattr(problem.network.layers[int(l)], part)
        np.testing.assert_allclose(
            w, w0 - eta * (first.gradients[name] + both.gradients[name]), rtol=1e-13, atol=1e-15
        )


@pytest.mark.parametrize("kinds", STACKS, ids="-".join)
def test_learning_leaves_the_run_as_it_is(kinds):
    """LEARN-13; and the caller's arrays (LEARN-18)."""
    problem = stacked(kinds, "dense", seed=5)
    before = problem.network.layers[0].weight.copy()
    got = learn(*problem.arguments, DRTRL, learning_rate=None)
    plain = run_traces(problem.network, problem.inputs, DT, DRTRL)
    np.testing.assert_array_equal(got.traced.outputs, plain.outputs)
    error = got.traced.outputs - problem.targets
    losses = 0.5 * problem.weights * np.sum(error**2, axis=(1, 2))
    np.testing.assert_allclose(got.losses, losses, rtol=1e-12)
    learn(*problem.arguments, DRTRL, learning_rate=0.1)
    np.testing.assert_array_equal(problem.network.layers[0].weight, before)


def margin(network, inputs, dt):
    """How near to equality a comparison of a run comes."""
    return run_traces(network, inputs, dt, DRTRL).nearest


def test_margin_of_point_neurons():
    """V(0) is 1 scale away; V(1) = (1 − a) 0.9/(1 − a) = 0.9, 0.1 away; V(2) = 0.9 a, farther."""
    a = np.exp(-1 / 5)
    network = Network((Layer("LIF", np.array([[1 / (1 - a)]])),), np.ones((1, 1)))
    got = margin(network, np.array([0.9, 0.0]).reshape(2, 1, 1), DT)
    np.testing.assert_allclose(got, 0.1, rtol=1e-12)
    np.testing.assert_allclose(margin(network, np.zeros((2, 1, 1)), DT), 1.0)


def test_margin_of_others():
    assert margin(*single("leaky").arguments[:2], DT) == np.inf
    assert margin(*single("cable").arguments[:2], DT) == np.inf
    problem = single("GIF", seed=3)
    layer = problem.network.layers[0]
    neurons = make_neurons("GIF", 4, layer.parameters, 1.0)
    h, nearest = neurons.initial(2), []
    for x in problem.inputs:
        y = x @ layer.weight + layer.bias
        dynamics = neurons.dynamics
        step = dynamics.step(neurons.propagator, np.moveaxis(h, -1, 0), y)
        nearest.append(np.abs(step.integrated[2] - step.integrated[3]).min() / 20)
        bound = np.abs(step.integrated[3] - dynamics.parameters.V_th_reset) / 20
        nearest += list(bound[step.spikes])
        h = neurons.step(h, y).h
    np.testing.assert_allclose(margin(problem.network, problem.inputs, DT), min(nearest))
