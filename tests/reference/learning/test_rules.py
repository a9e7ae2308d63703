"""Decays, hybrid learning and e-prop of the reference, against complex numbers and written out."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from reference import Rule
from reference.errors import ParameterError, ShapeError, StateNameError
from reference.learning import full_gradient, learn, run_traces
from reference.networks import make_neurons

from ..complex_network import STEP
from ..learning_problems import DT, single, stacked
from .oracles import (
    DRTRL,
    OSTL,
    RTRL,
    STACKS,
    assert_equal,
    network_of,
    oracle,
    relative_difference,
    replace_fields,
)


@pytest.mark.parametrize("kind", ["ALIF", "GIF", "cable"])
def test_two_decays(kind):
    """TRACE-5, LEARN-3: with the D, F, c and λ of a run, written out."""
    problem, (of_x, of_f) = single(kind, "dense", seed=3), (0.6, 0.8)
    rule = Rule("ES-D-RTRL", (of_x, of_f))
    got = learn(*problem.arguments, rule)
    layer, network = problem.network.layers[0], problem.network
    neurons = make_neurons(kind, 4, layer.parameters, 1.0)
    h, s = neurons.initial(2), np.zeros((2, 4))
    eps_x, eps_f, expected = np.zeros((2, 3)), np.zeros(h.shape), 0.0
    for t, x in enumerate(problem.inputs, start=1):
        step = neurons.step(h, x @ layer.weight + layer.bias + s @ layer.recurrent)
        error = step.s @ network.readout + network.readout_bias - problem.targets[t - 1]
        g = problem.weights[t - 1] * error @ network.readout.T
        eps_x = of_x * eps_x + x
        signal = (1 - of_f) * g * step.q + of_f * np.sum(g[..., np.newaxis] * step.S * eps_f, -1)
        expected = expected + eps_x.T @ signal / (1 - of_f**t)
        eps_f = of_f * np.einsum("bnij,bnj->bni", step.D, eps_f) + (1 - of_f) * step.F
        h, s = step.h, step.s
    np.testing.assert_allclose(got.gradients["0.weight"], expected, rtol=1e-10, atol=1e-12)
    got_x, got_f = got.traced.traces["0.weight"]
    np.testing.assert_allclose(got_x, eps_x, rtol=1e-12)
    np.testing.assert_allclose(got_f, eps_f, rtol=1e-12)


@pytest.mark.parametrize("decays", [(0.5,), (0.5, 1.0), (0.5, None), [0.5, 0.5, 0.5], {0.5, 0.6}])
def test_what_is_no_pair_of_decays(decays):
    with pytest.raises(ParameterError):
        learn(*single("leaky").arguments, Rule("ES-D-RTRL", decays))


@pytest.mark.parametrize("recurrence", [None, "dense", "element-wise"])
@pytest.mark.parametrize("kind", ["ALIF", "synapse_LIF", "cable"])
def test_leaky_readout(kind, recurrence):
    """NET-3; D-RTRL with it is exact where LEARN-8 says so."""
    problem = replace_fields(single(kind, recurrence, seed=3), readout_decay=0.7)
    assert_equal(full_gradient(*problem.arguments), oracle(problem, "nothing"))
    got = learn(*problem.arguments, DRTRL).gradients
    assert_equal(got, oracle(problem, "nothing" if recurrence != "dense" else "recurrences"))


@pytest.mark.parametrize("kinds", STACKS, ids="-".join)
def test_leaky_readout_of_stacked_layers(kinds):
    problem = replace_fields(stacked(kinds, "dense", seed=5), readout_decay=0.7)
    got = learn(*problem.arguments, DRTRL)
    assert_equal(got.gradients, oracle(problem, "operations"))
    network = network_of(problem, "nothing")
    for t, x in enumerate(problem.inputs):
        np.testing.assert_allclose(got.traced.outputs[t], network.step(x).real, rtol=1e-11)
        np.testing.assert_allclose(got.traced.hidden[-1][t, ..., -1], network.r.real, rtol=1e-11)


@pytest.mark.parametrize("wrong", [1.0, -0.1, np.nan, "0.5", True])
def test_decays_of_a_readout_that_are_refused(wrong):
    problem = replace_fields(single("leaky"), readout_decay=wrong)
    with pytest.raises(ParameterError, match="readout_decay"):
        learn(*problem.arguments, DRTRL)


def test_hybrid():
    """HYBRID-1, HYBRID-2: each parameter has the trace and the gradient of its rule."""
    problem, decays = stacked(("LIF", "ALIF"), "dense", seed=5), (0.6, 0.8)
    chosen = {"0.weight": "D-RTRL", "1.bias": "ES-D-RTRL"}
    got = learn(*problem.arguments, Rule("hybrid", decays, chosen))
    both = {name: learn(*problem.arguments, rule) for name, rule in
            (("D-RTRL", DRTRL), ("ES-D-RTRL", Rule("ES-D-RTRL", decays)))}  # fmt: skip
    # Sizes are (3, 4) and (4, 3), (4, 4) and (3, 3): d = 1 below, d = 2 above.
    rules = dict.fromkeys(got.traced.traces, "ES-D-RTRL") | {"0.bias": "D-RTRL", **chosen}
    for name, rule in rules.items():
        trace, wanted = got.traced.traces[name], both[rule].traced.traces[name]
        assert isinstance(trace, tuple) == (rule == "ES-D-RTRL"), name
        pairs = zip(trace, wanted, strict=True) if isinstance(trace, tuple) else [(trace, wanted)]
        for one, other in pairs:
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(got.gradients[name], both[rule].gradients[name])


@pytest.mark.parametrize(
    ("kind", "K", "N", "is_full"),
    [("leaky", 2, 2, True), ("leaky", 3, 2, False), ("ALIF", 2, 2, False), ("cable", 1, 3, True)],
)
def test_hybrid_has_the_smaller_trace(kind, K, N, is_full):
    problem = single(kind, K=K, N=N)
    got = run_traces(problem.network, problem.inputs, DT, Rule("hybrid", 0.5)).traces
    assert isinstance(got["0.weight"], np.ndarray) == is_full
    assert isinstance(got["0.bias"], np.ndarray)


@pytest.mark.parametrize(
    ("rules", "decay", "error"),
    [
        ({"0.wheel": "D-RTRL"}, 0.5, StateNameError),
        ({"readout.weight": "D-RTRL"}, 0.5, StateNameError),
        ({"0.weight": "RTRL"}, 0.5, ParameterError),
        ({"0.weight": "D-RTRL"}, 1.5, ParameterError),
        (None, None, ParameterError),
    ],
)
def test_hybrid_refuses(rules, decay, error):
    with pytest.raises(error):
        learn(*single("leaky").arguments, Rule("hybrid", decay, rules))


def by_feedback(problem, B):
    """Σ_t ⟨∂L(t)/∂out(t) held fixed, what the readout is given Bᵀ⟩ by complex steps."""
    plain, errors = network_of(problem, "operations"), []
    for x, target, m in zip(problem.inputs, problem.targets, problem.weights, strict=True):
        errors.append(m * (plain.step(x).real - target))
    gradients = {}
    for name, w in plain.parameters.items():
        if name.startswith("readout"):
            continue
        gradients[name] = np.zeros(w.shape)
        for index in np.ndindex(w.shape):
            network = network_of(problem, "operations")
            network.parameters[name][index] += 1j * STEP
            for x, error in zip(problem.inputs, errors, strict=True):
                network.step(x)
                gradients[name][index] += np.sum(error * (network.seen @ B)).imag / STEP
    return gradients


@pytest.mark.parametrize("feedback", ["random", "adaptive"])
@pytest.mark.parametrize(("kinds", "decay"), [(("ALIF",), 0.7), (("LIF", "GIF"), 0.0)])
def test_e_prop(kinds, decay, feedback):
    """EPROP-1, EPROP-4, EPROP-5."""
    problem = stacked(kinds, "dense", seed=5)
    B = np.random.default_rng(1).normal(size=problem.network.readout.shape)
    problem = replace_fields(problem, feedback=B, readout_decay=decay)
    got = learn(*problem.arguments, Rule("e-prop", feedback=feedback)).gradients
    exact = learn(*problem.arguments, DRTRL).gradients
    expected = exact | by_feedback(problem, B)
    if feedback == "adaptive":
        expected["readout.feedback"] = exact["readout.weight"]
    assert_equal(got, expected)
    assert relative_difference(got, exact) > 0.1


def test_symmetric_e_prop_is_d_rtrl():
    """EPROP-2, also while the readout changes; whatever B the network has."""
    problem = stacked(("LIF", "leaky"), "dense", seed=5)
    arguments = replace_fields(problem, feedback=np.ones((3, 2))).arguments
    rule, options = Rule("e-prop", feedback="symmetric"), {"chunk": 5, "learning_rate": 1e-2}
    got, expected = learn(*arguments, rule, **options), learn(*arguments, DRTRL, **options)
    assert_equal(got.parameters, expected.parameters, 0.0)


def test_feedback_moves_with_the_readout_or_not():
    """EPROP-3, EPROP-4: after one update, from which the next gradient is made."""
    problem, eta = single("leaky", "dense", seed=3), 1e-2
    B = np.random.default_rng(1).normal(size=problem.network.readout.shape)
    problem = replace_fields(problem, feedback=B)
    first = learn(*(x[:6] if isinstance(x, np.ndarray) else x for x in problem.arguments), DRTRL)
    moved = B - eta * first.gradients["readout.weight"]
    options = {"chunk": 6, "learning_rate": eta}
    adaptive = learn(*problem.arguments, Rule("e-prop", feedback="adaptive"), **options)
    random = learn(*problem.arguments, Rule("e-prop", feedback="random"), **options)
    assert "readout.feedback" not in random.parameters
    expected = moved - eta * adaptive.gradients["readout.weight"]
    np.testing.assert_allclose(adaptive.parameters["readout.feedback"], expected, rtol=1e-12)
    assert (
        relative_difference(random.gradients, {"0.weight": adaptive.gradients["0.weight"]}) > 1e-3
    )


@pytest.mark.parametrize(
    ("feedback", "B", "error"),
    [
        ("other", np.ones((4, 2)), ParameterError),
        (None, np.ones((4, 2)), ParameterError),
        ("random", None, ParameterError),
        ("random", np.ones((2, 4)), ShapeError),
        ("adaptive", np.ones((4, 1)), ShapeError),
    ],
)
def test_e_prop_refuses(feedback, B, error):
    problem = replace_fields(single("leaky"), feedback=B)
    with pytest.raises(error):
        learn(*problem.arguments, Rule("e-prop", feedback=feedback))


@pytest.mark.parametrize(
    "rule", [Rule("RTRL", 0.5), Rule("OSTL", 0.5), Rule("e-prop", 0.5, None, "random")]
)
def test_rules_without_a_decay(rule):
    with pytest.raises(ParameterError, match="decay"):
        learn(*single("leaky").arguments, rule)


@pytest.mark.parametrize("rule", [DRTRL, Rule("ES-D-RTRL", (0.6, 0.8)), OSTL, RTRL], ids=str)
@pytest.mark.parametrize("shape", [(), (1,)], ids=str)
def test_a_shared_weight_is_many_that_are_equal(rule, shape):
    """OP-14: the same traces as of a number for each neuron; the gradient is their sum."""
    problem = single("ALIF", "element-wise", seed=3)
    (layer,) = problem.network.layers
    N, beta, v = len(layer.bias), layer.bias.mean(), layer.recurrent.mean()

    def of(shape):
        arrays = {"bias": np.full(shape, beta), "recurrent": np.full(shape, v)}
        arguments = replace_fields(
            problem, layers=(dataclasses.replace(layer, **arrays),)
        ).arguments
        return learn(*arguments, rule, chunk=5, learning_rate=0.0)

    shared, separate = of(shape), of((N,))
    for name, trace in separate.traced.traces.items():
        np.testing.assert_equal(shared.traced.traces[name], trace)
    for name in ("0.bias", "0.recurrent"):
        assert shared.gradients[name].shape == shape
        wanted = separate.gradients[name].sum()
        np.testing.assert_allclose(shared.gradients[name], np.full(shape, wanted), rtol=1e-12)
    assert np.abs(separate.gradients["0.recurrent"]).min() > 0
