"""Eligibility traces, against complex numbers, closed forms and plain recurrences."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.protocol.claims import SPIKING
from reference import Layer, Network, ParameterError, Quantity, Rule, ShapeError
from reference.learning import run_traces
from reference.networks import make_neurons
from reference.traces import read_decay

from ..complex_network import STEP, ComplexNetwork
from ..learning_problems import (
    DT,
    RECURRENCES,
    problem_of,
    single,
    stacked,
)

DRTRL = Rule("D-RTRL")


def trace_by_complex_steps(problem, l, name):
    """∂h_l(T)/∂w with the inputs of all trainable operations stopped: (..., B, N, d).

    For the trace of a dense operation it is that of one neuron's column; other columns are 0.
    """
    w = getattr(problem.network.layers[l], name)
    traces = []
    for index in np.ndindex(w.shape):
        B = problem.inputs.shape[1]
        network = ComplexNetwork(problem.network, 1.0, B, problem.initial(), cut="operations")
        network.parameters[f"{l}.{name}"][index] += 1j * STEP
        for x in problem.inputs:
            network.step(x)
        n = index[-1]
        others = np.delete(network.h[l].imag, n, axis=1)
        assert not others.any()
        traces.append(network.h[l].imag[:, n] / STEP)
    return np.moveaxis(np.array(traces).reshape((*w.shape, *traces[0].shape)), w.ndim, 0)


@pytest.mark.parametrize(("kind", "recurrence"), RECURRENCES)
def test_d_rtrl_traces_are_derivatives_of_the_state(kind, recurrence):
    """TRACE-3 and TRACE-4; 10 to 30 % of the steps have a spike."""
    problem = single(kind, recurrence, seed=3)
    got = run_traces(problem.network, problem.inputs, DT, DRTRL)
    if kind in SPIKING:
        assert 0.1 <= got.emitted[0].mean() <= 0.3
    names = ["weight", "bias"] + (["recurrent"] if recurrence else [])
    assert set(got.traces) == {f"0.{name}" for name in names}
    for name in names:
        expected = trace_by_complex_steps(problem, 0, name)
        assert np.mean(expected != 0) > 0.5 or (name == "recurrent" and kind in SPIKING)
        assert got.traces[f"0.{name}"].shape == expected.shape
        scale = np.abs(expected).max()
        np.testing.assert_allclose(got.traces[f"0.{name}"], expected, rtol=0, atol=1e-12 * scale)


def test_traces_of_stacked_layers():
    problem = stacked(["synapse_LIF", "ALIF", "GIF"], "dense", seed=5)
    got = run_traces(problem.network, problem.inputs, DT, DRTRL)
    for l in range(3):
        for name in ("weight", "bias", "recurrent"):
            expected = trace_by_complex_steps(problem, l, name)
            scale = np.abs(expected).max()
            trace = got.traces[f"{l}.{name}"]
            np.testing.assert_allclose(trace, expected, rtol=0, atol=1e-12 * scale)


def test_hidden_states_emissions_and_outputs():
    problem = stacked(["cable", "GIFTree", "leaky"], None, seed=6)
    got = run_traces(problem.network, problem.inputs, DT, DRTRL)
    network = ComplexNetwork(problem.network, 1.0, 2, problem.initial())
    for t, x in enumerate(problem.inputs):
        np.testing.assert_allclose(got.outputs[t], network.step(x).real, rtol=1e-11, atol=1e-11)
        for l in range(3):
            np.testing.assert_allclose(got.hidden[l][t], network.h[l].real, rtol=1e-11, atol=1e-11)
            np.testing.assert_allclose(got.emitted[l][t], network.s[l].real, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("kind", ["ALIF", "GIF", "cable"])
def test_es_d_rtrl_is_its_two_recurrences(kind):
    """TRACE-5, with the D and F that a population gives."""
    problem, alpha = single(kind, "dense", seed=3), 0.7
    traces = run_traces(problem.network, problem.inputs, DT, Rule("ES-D-RTRL", alpha)).traces
    run = run_traces(problem.network, problem.inputs, DT, DRTRL)
    layer = problem.network.layers[0]
    neurons = make_neurons(kind, 4, layer.parameters, 1.0)
    h, s = neurons.initial(2), np.zeros((2, 4))
    eps_x, eps_s, eps_f = np.zeros((2, 3)), np.zeros((2, 4)), np.zeros(h.shape)
    for t, x in enumerate(problem.inputs):
        step = neurons.step(h, x @ layer.weight + layer.bias + s @ layer.recurrent)
        eps_x, eps_s = alpha * eps_x + x, alpha * eps_s + s
        eps_f = alpha * np.einsum("bnij,bnj->bni", step.D, eps_f) + (1 - alpha) * step.F
        h, s = run.hidden[0][t], run.emitted[0][t]
    for name, inputs in (("weight", eps_x), ("recurrent", eps_s), ("bias", None)):
        got_x, got_f = traces[f"0.{name}"]
        np.testing.assert_allclose(got_f, eps_f, rtol=1e-12)
        assert (got_x is None) == (inputs is None)
        if inputs is not None:
            np.testing.assert_allclose(got_x, inputs, rtol=1e-12)


@pytest.mark.parametrize("T", [1, 2, 7])
def test_es_d_rtrl_in_closed_form(T):
    """Where D = α and F is constant, it is (1 + α^T)/(1 + α) times the trace of D-RTRL."""
    rng, alpha = np.random.default_rng(T), 0.8
    layer = Layer(
        "leaky", rng.normal(size=(3, 4)), parameters={"tau": Quantity(-1 / np.log(alpha), "ms")}
    )
    problem = problem_of([layer], rng, T=T)
    exact = run_traces(problem.network, problem.inputs, DT, DRTRL).traces["0.weight"]
    rule = Rule("ES-D-RTRL", alpha)
    eps_x, eps_f = run_traces(problem.network, problem.inputs, DT, rule).traces["0.weight"]
    got = np.einsum("bk,bni->bkni", eps_x, eps_f) / (1 - alpha**T)
    np.testing.assert_allclose(got, (1 + alpha**T) / (1 + alpha) * exact, rtol=1e-12)


def test_traces_are_neither_clipped_nor_normalised():
    """The cable is linear, so its traces are, over twelve decades; no input leaves no trace."""
    problem = single("cable", seed=3)
    small, large, none = (
        run_traces(problem.network, factor * problem.inputs, DT, DRTRL).traces
        for factor in (1e-6, 1e6, 0.0)
    )
    scale = np.abs(large["0.weight"]).max()
    assert scale > 1e6
    np.testing.assert_allclose(
        1e12 * small["0.weight"], large["0.weight"], rtol=0, atol=1e-12 * scale
    )
    assert not none["0.weight"].any()
    assert np.all(none["0.bias"] > 0)
    np.testing.assert_array_equal(none["0.bias"], large["0.bias"])


def same_traces(got, expected):
    """Whether all traces have equal bits; those of ES-D-RTRL are pairs."""
    flat = [
        [part for trace in traces.values() for part in (trace if type(trace) is tuple else [trace])]
        for traces in (got, expected)
    ]
    return list(got) == list(expected) and all(map(np.array_equal, *flat))


@pytest.mark.parametrize("rule", [DRTRL, Rule("ES-D-RTRL", 0.9)])
def test_runs_and_resets(rule):
    """TRACE-8."""
    problem = single("ALIF", "dense", seed=3)
    network, x = problem.network, problem.inputs
    whole = run_traces(network, x, DT, rule)
    in_runs = run_traces(network, x, DT, rule, runs=(5, 3, 4))
    anew = run_traces(network, x, DT, rule, runs=(5, 3, 4), reset=True)
    last = run_traces(network, x[8:], DT, rule)
    assert same_traces(in_runs.traces, whole.traces)
    assert same_traces(anew.traces, last.traces)
    assert not same_traces(anew.traces, whole.traces)
    np.testing.assert_array_equal(anew.hidden[0][8:], last.hidden[0])
    np.testing.assert_array_equal(anew.hidden[0][:8], whole.hidden[0][:8])
    cleared = run_traces(network, x, DT, rule, runs=(12, 0), reset=True).traces
    for trace in cleared.values():
        kept = trace if isinstance(trace, tuple) else (trace,)
        assert not any(np.any(part) for part in kept if part is not None)
    with pytest.raises(ShapeError):
        run_traces(network, x, DT, rule, runs=(5, 3))


@pytest.mark.parametrize(
    ("decay_or_rank", "alpha"),
    [(0.0, 0.0), (0, 0.0), (0.5, 0.5), (1, 0.0), (3, 0.5), (np.int64(19), 0.9), (0.999, 0.999)],
)
def test_decays_and_ranks(decay_or_rank, alpha):
    assert read_decay(decay_or_rank) == alpha


@pytest.mark.parametrize(
    "decay_or_rank",
    [1.0, 2.0, -0.1, -1, np.nan, np.inf, True, False, np.True_, None, "0.5", 0.5j, [0.5]],
)
def test_what_is_neither(decay_or_rank):
    with pytest.raises(ParameterError):
        read_decay(decay_or_rank)
    problem = single("leaky")
    with pytest.raises(ParameterError):
        run_traces(problem.network, problem.inputs, DT, Rule("ES-D-RTRL", decay_or_rank))


@pytest.mark.parametrize("rule", [Rule("BPTT"), Rule("D-RTRL", 0.5)])
def test_unknown_rules(rule):
    problem = single("leaky")
    with pytest.raises(ParameterError):
        run_traces(problem.network, problem.inputs, DT, rule)


def test_element_wise_recurrence_begins_with_what_the_first_state_emits():
    layer = Layer("cable", np.zeros((1, 1)), recurrent=np.array([0.01]))
    network = Network((layer,), np.ones((1, 1)))
    got = run_traces(network, np.zeros((1, 1, 1)), DT, DRTRL)
    still = run_traces(
        Network((Layer("cable", np.zeros((1, 1)), bias=np.array([0.005])),), np.ones((1, 1))),
        np.zeros((1, 1, 1)), DT, DRTRL,
    )  # fmt: skip
    np.testing.assert_allclose(got.hidden[0], still.hidden[0], rtol=1e-14)
