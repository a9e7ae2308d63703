"""RTRL and OSTL of the reference, against complex steps and recurrences written out."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from reference.learning import learn

from ..learning_problems import problem_of, random_layer, stacked
from .oracles import OSTL, RTRL, STACKS, assert_equal, oracle, relative_difference, replace_fields


@pytest.mark.parametrize("recurrence", [None, "dense", "element-wise"])
@pytest.mark.parametrize("kinds", [("ALIF",), ("synapse_LIF", "ALIF"), STACKS[1]], ids="-".join)
def test_rtrl_and_ostl(kinds, recurrence):
    """RTRL-2, OSTL-1, OSTL-2: by complex steps through all, and through the parameter's layer."""
    problem = replace_fields(stacked(kinds, recurrence, seed=5), readout_decay=0.7)
    full, cut = (learn(*problem.arguments, rule).gradients for rule in (RTRL, OSTL))
    assert_equal(full, oracle(problem, "nothing"))
    assert_equal(cut, oracle(problem, "layers"))
    if len(kinds) == 1:
        assert_equal(cut, full)
    else:
        assert relative_difference(cut, full) > 0.01


def test_rtrl_and_ostl_of_gif_neurons():
    problem = stacked(("GIF", "LIF"), "dense", seed=5, T=6)
    assert_equal(learn(*problem.arguments, RTRL).gradients, oracle(problem, "nothing"))
    assert_equal(learn(*problem.arguments, OSTL).gradients, oracle(problem, "layers"))


@pytest.mark.parametrize("function", ["square", "absolute"])
def test_rtrl_of_masks_and_weight_functions(function):
    rng = np.random.default_rng(3)
    layer = random_layer("synapse_LIF", 3, 4, rng, "dense", weight_function=function)
    masks = {"mask": rng.random((3, 4)) < 0.7, "recurrent_mask": 1.0 - np.eye(4)}
    problem = problem_of([dataclasses.replace(layer, **masks)], rng, T=15)
    assert_equal(learn(*problem.arguments, RTRL).gradients, oracle(problem, "nothing"))


def with_all_paths(recurrence="dense"):
    """A network of all that LEARN-14 to LEARN-17 are about."""
    rng = np.random.default_rng(5)
    problem = stacked(("ALIF", "leaky"), recurrence, seed=5, K=4, sizes=(4, 4))
    below, above = problem.network.layers
    layers = (dataclasses.replace(below, lateral=rng.normal(size=(4, 4))), above)
    fields = {"skip": rng.normal(size=(4, 2)), "tied": True, "output_decay": 0.6}
    return replace_fields(problem, layers=layers, **fields)


@pytest.mark.parametrize("recurrence", [None, "dense", "element-wise"])
def test_rtrl_follows_any_path(recurrence):
    """RTRL-3."""
    problem = with_all_paths(recurrence)
    got = learn(*problem.arguments, RTRL)
    assert "1.weight" not in got.gradients
    assert_equal(got.gradients, oracle(problem, "nothing"))
    with pytest.raises(ValueError, match="fixed path"):
        learn(*problem.arguments, OSTL)


def test_rtrl_with_updates():
    """RTRL-1: h = a h + u w, derivatives that go on while w changes."""
    layer = random_layer("leaky", 1, 1, np.random.default_rng(3))
    layer = dataclasses.replace(layer, bias=None, weight_function="square")
    problem, eta = problem_of([layer], np.random.default_rng(4), T=6, B=1, M=1), 0.05
    got = learn(*problem.arguments, RTRL, learning_rate=eta)
    a = np.exp(-1 / layer.parameters["tau"].array[0])
    start = layer.weight, problem.network.readout, problem.network.readout_bias
    w, out, bias = (float(x.flat[0]) for x in start)
    h = e = 0.0
    for x, target, m in zip(problem.inputs, problem.targets, problem.weights, strict=True):
        h, e = a * h + float(x[0, 0]) * w**2, a * e + 2 * w * float(x[0, 0])
        error = m * (h * out + bias - float(target[0, 0]))
        w, out, bias = w - eta * error * out * e, out - eta * error * h, bias - eta * error
    expected = {"0.weight": w, "readout.weight": out, "readout.bias": bias}
    for name, number in expected.items():
        np.testing.assert_allclose(float(got.parameters[name].flat[0]), number, rtol=1e-11)
