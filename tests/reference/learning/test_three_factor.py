"""Three-factor learning of the reference, against complex steps and recurrences written out."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from reference import Quantity, Rule
from reference.errors import ParameterError
from reference.learning import learn, reinforce

from ..complex_network import STEP
from ..learning_problems import DT, problem_of, random_layer, single, stacked
from .oracles import DRTRL, STACKS, assert_equal, network_of


@pytest.mark.parametrize("decay", [0.0, 0.7])
@pytest.mark.parametrize(
    ("kinds", "recurrence"),
    [(("ALIF",), None), (("LIF",), "element-wise"), (("GIF", "LIF"), "dense"), (STACKS[1], None)],
)
def test_three_factors(kinds, recurrence, decay):
    """THREE-1 to THREE-4, by complex steps through each layer by itself."""
    problem, rng = stacked(kinds, recurrence, seed=5, T=8), np.random.default_rng(2)
    M = rng.normal(size=problem.inputs.shape[:2])
    got = reinforce(problem.network, problem.inputs, M, DT, Rule("three-factor", decay))

    def losses(network):
        filtered, losses = [0 * s for s in network.s], []
        for x, reward in zip(problem.inputs, M, strict=True):
            network.step(x)
            filtered = [decay * r + s for r, s in zip(filtered, network.s, strict=True)]
            losses.append(-sum(np.sum(reward @ r) for r in filtered))
        return losses

    network = network_of(problem, "local")
    expected = {n: np.zeros(w.shape) for n, w in network.parameters.items() if n[0] != "r"}
    for name, into in expected.items():
        for index in np.ndindex(into.shape):
            network = network_of(problem, "local")
            network.parameters[name][index] += 1j * STEP
            into[index] = sum(losses(network)).imag / STEP
    assert_equal(got.gradients, expected)
    real = np.real(losses(network_of(problem, "local")))
    np.testing.assert_allclose(got.losses, real, rtol=1e-11)


def test_three_factors_with_updates():
    """LEARN-11: ē and r go on; plain parameters stay."""
    layer = random_layer("leaky", 1, 1, np.random.default_rng(3))
    layer = dataclasses.replace(layer, bias=None)
    problem, (eta, decay) = problem_of([layer], np.random.default_rng(4), T=6, B=1), (0.05, 0.7)
    M = np.random.default_rng(5).normal(size=(6, 1))
    rule = Rule("three-factor", decay)
    got = reinforce(problem.network, problem.inputs, M, DT, rule, chunk=2, learning_rate=eta)
    a = np.exp(-1 / layer.parameters["tau"].array[0])
    h = e = filtered = r = gradient = 0.0
    w = float(layer.weight[0, 0])
    for t, (x, reward) in enumerate(zip(problem.inputs[:, 0, 0], M[:, 0], strict=True)):
        h, e = a * h + x * w, a * e + x
        r, filtered = decay * r + h, decay * filtered + e
        gradient -= reward * filtered
        np.testing.assert_allclose(got.losses[t], -reward * r, rtol=1e-11)
        if t % 2 == 1:
            w, gradient = w - eta * gradient, 0.0
    np.testing.assert_allclose(got.parameters["0.weight"], [[w]], rtol=1e-11)
    np.testing.assert_array_equal(got.parameters["readout.weight"], problem.network.readout)
    assert set(got.gradients) == {"0.weight"}


@pytest.mark.parametrize(
    ("rewards", "rule", "error"),
    [
        (np.ones((12, 2)), Rule("three-factor", 1.0), "ParameterError"),
        (np.ones((12, 2)), Rule("three-factor"), "ParameterError"),
        (np.ones((12, 2)), DRTRL, "ParameterError"),
        (np.ones((12, 3)), Rule("three-factor", 0.5), "ShapeError"),
        (np.full((12, 2), np.nan), Rule("three-factor", 0.5), "InputError"),
        (Quantity(np.ones((12, 2)), "mV"), Rule("three-factor", 0.5), "UnitError"),
    ],
)
def test_rewards_that_are_refused(rewards, rule, error):
    problem = single("leaky")
    with pytest.raises((TypeError, ValueError)) as caught:
        reinforce(problem.network, problem.inputs, rewards, DT, rule)
    assert type(caught.value).__name__ == error


def test_three_factors_do_not_learn_from_targets():
    with pytest.raises(ParameterError, match="targets"):
        learn(*single("leaky").arguments, Rule("three-factor", 0.5))
