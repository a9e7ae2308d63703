"""What the reference refuses to learn, by the error that the law names."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from reference import Layer, Network, Quantity, Rule
from reference.errors import ShapeError
from reference.learning import learn, learning_signals, run_traces

from ..learning_problems import DT, single, stacked

DRTRL = Rule("D-RTRL")


def replaced(problem, layer=None, **fields):
    """The network with other fields; `layer` are those of its first layer."""
    first = dataclasses.replace(problem.network.layers[0], **(layer or {}))
    layers = (first, *problem.network.layers[1:])
    return dataclasses.replace(problem.network, layers=layers, **fields)


@pytest.mark.parametrize(
    ("layer", "fields", "error"),
    [
        ({"lateral": np.zeros((4, 4))}, {}, "LateralPathError"),
        ({}, {"skip": np.zeros((3, 2))}, "UnreachedError"),
        ({}, {"tied": True}, "ParameterUseError"),
        ({}, {"output_decay": 0.5}, "HiddenPathError"),
        ({"kind": "GIF", "parameters": {}, "recurrent": np.zeros(4)}, {}, "ParameterError"),
        ({"kind": "GIFTree", "parameters": {}, "recurrent": np.zeros(4)}, {}, "ParameterError"),
        ({"weight_function": "cube"}, {}, "ParameterError"),
        ({"weight": np.zeros((3, 4, 1))}, {}, "ShapeError"),
        ({"bias": np.zeros(3)}, {}, "ShapeError"),
        ({"recurrent": np.zeros((4, 3))}, {}, "ShapeError"),
        ({"mask": np.ones((4, 3))}, {}, "ShapeError"),
        ({"recurrent_mask": np.ones(4)}, {}, "ShapeError"),
        ({"weight": np.full((3, 4), np.nan)}, {}, "InputError"),
        ({"weight": Quantity(np.ones((3, 4)), "mA")}, {}, "UnitError"),
        ({}, {"readout": np.zeros((5, 2))}, "ShapeError"),
        ({}, {"readout_bias": np.zeros(3)}, "ShapeError"),
        ({}, {"layers": ()}, "ShapeError"),
    ],
)
def test_networks_that_are_refused(layer, fields, error):
    problem = stacked(("LIF", "ALIF"), seed=3)
    network = (
        replaced(problem, layer, **fields)
        if "layers" not in fields
        else Network((), np.ones((1, 1)))
    )
    for call in (
        lambda: learn(network, *problem.arguments[1:], DRTRL),
        lambda: run_traces(network, problem.inputs, DT, DRTRL),
        lambda: learning_signals(network, *problem.arguments[1:]),
    ):
        with pytest.raises((TypeError, ValueError)) as caught:
            call()
        assert type(caught.value).__name__ == error


def spoilt(array, value):
    """The array with one entry replaced."""
    array = array.copy()
    array.flat[-1] = value
    return array


@pytest.mark.parametrize(
    ("which", "change", "error"),
    [
        (1, lambda x: x[..., :-1], "ShapeError"),
        (1, lambda x: x[0], "ShapeError"),
        (1, lambda x: spoilt(x, np.nan), "InputError"),
        (1, lambda x: Quantity(x, "mA"), "UnitError"),
        (2, lambda x: x[:-1], "ShapeError"),
        (2, lambda x: x[..., :1], "ShapeError"),
        (2, lambda x: spoilt(x, np.inf), "InputError"),
        (3, lambda x: x[:-1], "ShapeError"),
        (3, lambda x: spoilt(x, np.nan), "InputError"),
        (4, lambda x: Quantity(-1.0, "ms"), "ParameterError"),
        (4, lambda x: 1.0, "UnitError"),
    ],
)
def test_inputs_that_are_refused(which, change, error):
    arguments = list(single("LIF", seed=3).arguments)
    arguments[which] = change(arguments[which])
    for call in (lambda: learn(*arguments, DRTRL), lambda: learning_signals(*arguments)):
        with pytest.raises((TypeError, ValueError)) as caught:
            call()
        assert type(caught.value).__name__ == error


@pytest.mark.parametrize("chunk", [0, -1, 1.0, True, None, "1"])
def test_chunks_that_are_refused(chunk):
    with pytest.raises(ValueError, match="chunk") as caught:
        learn(*single("leaky").arguments, DRTRL, chunk=chunk)
    assert type(caught.value).__name__ == "ParameterError"


@pytest.mark.parametrize(("T", "B"), [(0, 2), (3, 0)])
def test_runs_of_nothing(T, B):
    problem = stacked(("LIF", "ALIF"), seed=3)
    inputs = np.ones((T, B, problem.inputs.shape[2]))
    with pytest.raises(ShapeError, match="inputs"):
        run_traces(problem.network, inputs, DT, DRTRL)


def test_a_layer_of_no_neurons():
    problem = single("leaky", seed=3)
    weight = np.ones((problem.inputs.shape[2], 0))
    network = Network((Layer("leaky", weight),), np.ones((0, 1)))
    with pytest.raises(ShapeError, match="no neurons"):
        run_traces(network, problem.inputs, DT, DRTRL)
