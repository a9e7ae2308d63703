"""The adapter hands over what the suite gives, and nothing of its own."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.adapters.reference import implementation
from conformance.protocol.implementation import CAPABILITIES, Value, methods_of
from conformance.protocol.problems import Layer, Network, Rule
from conformance.translation.values import from_reference, to_reference
from reference import Dynamics, HiddenPathError, Quantity, StructureError, learning


@pytest.mark.parametrize("precision", [32, 64])
def test_adapter_has_what_it_claims(precision):
    adapter = implementation(precision)
    assert (adapter.name, adapter.precision) == ("reference", 64)
    assert adapter.capabilities == frozenset(CAPABILITIES)
    for capability in adapter.capabilities:
        for method in methods_of(capability):
            assert callable(getattr(adapter, method))


def test_buffers_are_not_copied():
    array = np.arange(3.0)
    assert to_reference(Value(array)) is array
    assert to_reference(Value(array, "mV")).array is array
    assert to_reference({"a": [(Value(array),)]})["a"][0][0] is array


@pytest.mark.parametrize("thing", [None, 1.0, "x", np.zeros(1), {1, 2}, object()])
def test_other_things_are_handed_over(thing):
    assert to_reference(thing) is thing
    assert to_reference([thing])[0] is thing


def test_there_and_back():
    value = from_reference(to_reference({"a": (Value(np.ones(2), "mV V^-1"), [Value(np.ones(1))])}))
    first, (second,) = value["a"]
    assert (first.unit, second.unit) == ("mV V^-1", None)
    assert type(value["a"]) is tuple


def test_states():
    adapter = implementation()
    state = adapter.make("group", Value(np.zeros((2, 3)), "mV"), names=["a", "b", "c"], history=1)
    assert adapter.kinds(state) == {"single", "group"}
    adapter.set(state, {"a": Value(np.ones(2), "V")})
    assert adapter.get(state, 0).array.tolist() == [1000, 1000]
    assert adapter.history(state).array.tolist() == [[[0, 0, 0], [0, 0, 0]]]
    adapter.write_all(state, [Value(np.full((2, 3), float(i)), "mV") for i in range(4)])
    assert adapter.history(state).array[0].tolist() == [[2, 2, 2], [2, 2, 2]]
    for how in ("copy", "deepcopy", "pickle"):
        assert adapter.read(adapter.copy(state, how)).array.tolist() == [[3, 3, 3], [3, 3, 3]]
    with pytest.raises(StructureError):
        adapter.make("tree", {})


@pytest.mark.parametrize("form", ["states", "tree"])
@pytest.mark.parametrize("method", ["exact", "exp_euler"])
def test_gif(form, method):
    adapter, dt = implementation(), Value(np.float64(0.5), "ms")
    parameters = {"R": Value(np.float64(20.0), "Mohm"), "R1": 0.5, "a": Value(np.zeros(3), "Hz")}
    state = adapter.gif_initial((3,), 2, parameters, form)
    assert state["V"].array.shape == (2, 3)
    currents = Value(np.random.default_rng(0).uniform(0, 4, (50, 1, 3)), "nA")
    options = {"method": method, "form": form}
    states, spikes = adapter.gif_run((3,), parameters, state, currents, dt, **options)
    values = {"R": Quantity(20.0, "Mohm"), "R1": 0.5, "a": Quantity(0.0, "ms^-1")}
    neuron = Dynamics((3,), values, method=method)
    run = neuron.run(neuron.propagator(0.5), neuron.initial((2,)), currents.array)
    assert spikes.any()
    np.testing.assert_array_equal(spikes, run.spikes)
    for i, name in enumerate(("I1", "I2", "V", "V_th")):
        np.testing.assert_array_equal(states[name].array, run.states[:, i])
    for t in range(50):
        current = Value(currents.array[t], "nA")
        state, z = adapter.gif_step((3,), parameters, state, current, dt, **options)
        np.testing.assert_array_equal(state["V"].array, states["V"].array[t])
        np.testing.assert_array_equal(z, spikes[t])
    defaults = adapter.gif_defaults()
    assert (defaults["tau"].array, defaults["tau"].unit, defaults["R1"]) == (20.0, "ms", 0.9)
    got = adapter.gif_jacobian((3,), parameters, state, Value(np.float64(1.0), "nA"), dt, alpha=0.5)
    shapes = {name: array.shape for name, array in got.items()}
    assert shapes == {
        "state": (2, 3, 4, 4),
        "current": (2, 3, 4),
        "spike_state": (2, 3, 4),
        "spike_current": (2, 3),
    }


def test_a_few_lines_make_a_wrong_implementation():
    adapter = implementation()

    class AtTheThreshold(Dynamics):
        def compare(self, V, V_th):
            return V >= V_th

    wrong = type("Wrong", (type(adapter),), {"dynamics": AtTheThreshold})()
    parameters = {"V_rest": Value(np.float64(-50.0), "mV"), "a": Value(np.float64(0.0), "ms^-1")}
    state = adapter.gif_initial((), None, parameters, "states")
    rest = Value(np.float64(0.0), "nA"), Value(np.float64(0.1), "ms")
    assert not adapter.gif_step((), parameters, state, *rest)[1]
    assert wrong.gif_step((), parameters, state, *rest)[1]


def small_network(**fields):
    """An adaptive layer and a readout, in the protocol's words."""
    layer = Layer("ALIF", 4 * np.eye(3), parameters={"tau": Value(np.float64(0.004), "s")})
    return Network((layer,), np.ones((3, 1)), **fields)


def test_traces_and_learning():
    adapter, dt = implementation(), Value(np.float64(1.0), "ms")
    inputs, targets = np.random.default_rng(0).uniform(0, 2, (8, 2, 3)), np.zeros((8, 2, 1))
    rule = Rule("ES-D-RTRL", 3)
    arguments = small_network(), inputs, targets, np.ones(8), dt
    learned = adapter.learn(*arguments, rule, chunk=3, learning_rate=0.1)
    assert learned.traced.emitted[0].any()
    assert set(learned.parameters) == set(learned.gradients) == {"0.weight", "readout.weight"}
    np.testing.assert_array_equal(arguments[0].layers[0].weight, 4 * np.eye(3))
    traced = adapter.traces(small_network(), Value(inputs), dt, rule, runs=(3, 5), reset=True)
    eps_x, eps_f = traced.traces["0.weight"]
    assert (eps_x.shape, eps_f.shape) == ((2, 3), (2, 3, 2))
    ((c, signal),) = adapter.learning_signals(*arguments)
    assert (c.shape, signal.shape) == ((8, 2, 3), (8, 2, 3, 2))
    with pytest.raises(HiddenPathError):
        adapter.traces(small_network(output_decay=0.5), inputs, dt, rule)


def test_a_few_lines_make_a_wrong_learner():
    class Forgetful(learning.Learner):
        def make_trace(self, name, decay_or_rank, *shape):
            return learning.make_trace("ES-D-RTRL", 0.0, *shape)

    adapter = implementation()
    wrong = type("Wrong", (type(adapter),), {"learners": Forgetful})()
    inputs = np.random.default_rng(0).uniform(0, 2, (8, 2, 3))
    arguments = (
        small_network(),
        inputs,
        np.zeros((8, 2, 1)),
        np.ones(8),
        Value(np.float64(1.0), "ms"),
    )
    right, got = (
        x.learn(*arguments, Rule("D-RTRL")).gradients["0.weight"] for x in (adapter, wrong)
    )
    assert not np.allclose(right, got)
