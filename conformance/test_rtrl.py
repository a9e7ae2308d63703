"""Real-time recurrent learning in full: RTRL-1 to RTRL-3, and OSTL: OSTL-1 to OSTL-3."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.checks import raises
from conformance.learned import (
    D_RTRL,
    TOLERANCES,
    agree,
    agree_by_name,
    agree_learned,
    learned,
    true_gradient,
    wanted,
)
from conformance.populations import rounded
from conformance.problems import Rule
from conformance.tasks import Task, task, with_feedback

RTRL, OSTL = Rule("RTRL"), Rule("OSTL")
NETWORKS = [(("ALIF",), "dense"), (("GIFTree",), "dense"), (("LIF", "GIF"), "dense")]
NETWORKS += [(("cable", "ALIF"), "dense"), (("synapse_LIF", "leaky"), "element-wise")]
NETWORK = pytest.mark.parametrize(
    ("kinds", "recurrence"), NETWORKS, ids=["-".join([*kinds, r]) for kinds, r in NETWORKS]
)
#: What traces cannot follow (LEARN-14 to LEARN-17), and the error of it.
REFUSED = {
    "lateral": "LateralPathError",
    "skip": "UnreachedError",
    "tied": "ParameterUseError",
    "output_decay": "HiddenPathError",
}


def of(implementation, kinds, recurrence="dense", **options) -> Task:
    return task(implementation.precision, kinds, recurrence, **options)


def with_path(given: Task, *paths: str) -> Task:
    """The network with paths that traces cannot follow."""
    rng, network = np.random.default_rng(5), given.network
    N = network.layers[0].weight.shape[1]
    if "lateral" in paths:
        lateral = rounded(rng.normal(size=(N, N)) / N, given.precision)
        given = given.with_layer(lateral=lateral)
    K, M = given.inputs.shape[2], given.targets.shape[2]
    found = {
        "skip": rounded(rng.normal(size=(K, M)), given.precision),
        "tied": True,
        "output_decay": 0.5,
    }
    return given.replace(**{path: found[path] for path in paths if path in found})


def agrees_with_differences(got, given: Task, names: tuple[str, ...]) -> None:
    """The gradient along one direction, and what the reference's losses gain along it.

    Neurons are leaky, so that the losses are quadratic in each of these parameters, and central
    differences are exact.
    """
    for i, name in enumerate(names):
        w, rng = _parameter(given, name), np.random.default_rng(i)
        step = 0.25 * rng.choice([-1.0, 1.0], w.shape)
        up, down = (wanted(_moved(given, name, w + s * step), RTRL).losses.sum() for s in (1, -1))
        gradient = float(np.sum(got.gradients[name] * step))
        close_to = TOLERANCES[given.precision] * 10 * max(up, down)
        assert abs(gradient - (up - down) / 2) <= close_to, (
            f"along a direction of {name} the gradient is {gradient}, and the loss gains "
            f"{(up - down) / 2}"
        )


def _parameter(given: Task, name: str) -> np.ndarray:
    l, _, part = name.partition(".")
    if l.isdigit():
        return getattr(given.network.layers[int(l)], part)
    return getattr(given.network, {"weight": "readout", "bias": "readout_bias"}.get(part, l))


def _moved(given: Task, name: str, w: np.ndarray) -> Task:
    l, _, part = name.partition(".")
    if l.isdigit():
        return given.with_layer(int(l), **{part: w})
    return given.replace(**{{"weight": "readout", "bias": "readout_bias"}.get(part, l): w})


@pytest.mark.clauses("RTRL-1")
@NETWORK
def test_rtrl(implementation, kinds, recurrence):
    given = of(implementation, kinds, recurrence)
    got, expected = learned(implementation, given, RTRL), wanted(given, RTRL)
    agree_learned(got, expected, given)


@pytest.mark.clauses("RTRL-1")
@pytest.mark.parametrize("chunk", [1, 5])
def test_derivatives_go_on(implementation, chunk):
    """With updates that change parameters in their first digit."""
    given = of(implementation, ("leaky",))
    options = {"chunk": chunk, "learning_rate": 2.0**-9}
    got, expected = learned(implementation, given, RTRL, **options), wanted(given, RTRL, **options)
    agree_learned(got, expected, given)


@pytest.mark.clauses("RTRL-1", "LEARN-7")
@pytest.mark.parametrize("function", ["square", "absolute"])
def test_masks_and_weight_functions(implementation, function):
    given = of(implementation, ("synapse_LIF",), weight_function=function, masked=True)
    options = {"chunk": 1, "learning_rate": 2.0**-13}
    got, expected = learned(implementation, given, RTRL, **options), wanted(given, RTRL, **options)
    agree_learned(got, expected, given)


@pytest.mark.clauses("RTRL-2")
@pytest.mark.parametrize("kinds", [("leaky",), ("leaky", "leaky")], ids="-".join)
def test_rtrl_is_exact(implementation, kinds):
    given = of(implementation, kinds)
    names = ("0.weight", "0.bias", "readout.weight", "readout.bias")
    names += ("1.weight", "1.bias") if len(kinds) > 1 else ()
    agrees_with_differences(learned(implementation, given, RTRL), given, names)


@pytest.mark.clauses("RTRL-2")
def test_rtrl_of_one_weight(implementation):
    """h(t) = u h(t-1) + x(t) w from a = 0, whose derivatives by u are those of powers of u."""
    given = of(implementation, ("leaky",), T=4, B=1, K=1, sizes=(1,))
    layer = given.network.layers[0]
    x = given.inputs[:, 0, 0] * layer.weight[0, 0] + layer.bias[0]
    u = layer.recurrent[0, 0] + np.exp(-1 / layer.parameters["tau"].array[0])
    powers = np.subtract.outer(np.arange(4), np.arange(4))
    h = np.where(powers >= 0, u ** np.maximum(powers, 0), 0.0) @ x
    slope = np.where(powers > 0, powers * u ** np.maximum(powers - 1, 0), 0.0) @ x
    out = h[:, np.newaxis] * given.network.readout[0] + given.network.readout_bias
    error = given.weights[:, np.newaxis] * (out - given.targets[:, 0])
    expected = np.sum(error @ given.network.readout[0] * slope)
    got = learned(implementation, given, RTRL).gradients["0.recurrent"]
    agree(got, np.array([[expected]]), given, "gradients['0.recurrent']")


@pytest.mark.clauses("RTRL-2")
@pytest.mark.parametrize("kind", ["ALIF", "GIF"])
def test_rtrl_of_a_leaky_readout(implementation, kind):
    """Where D-RTRL is exact, too (LEARN-8)."""
    given = with_feedback(of(implementation, (kind,), "none"), 0.75)
    got, expected = learned(implementation, given, RTRL).gradients, wanted(given, D_RTRL).gradients
    agree_by_name(got, expected, given, "gradients")


@pytest.mark.clauses("RTRL-3")
@pytest.mark.parametrize("path", REFUSED)
def test_paths_that_traces_cannot_follow(implementation, path):
    options = {"K": 4, "sizes": (4, 4)} if path == "tied" else {}
    given = with_path(of(implementation, ("LIF", "ALIF"), **options), path)
    got, expected = learned(implementation, given, RTRL), wanted(given, RTRL)
    agree_learned(got, expected, given)


@pytest.mark.clauses("RTRL-3", "RTRL-2")
def test_paths_that_traces_cannot_follow_are_exact(implementation):
    given = with_path(of(implementation, ("leaky",)), "lateral", "skip", "output_decay")
    names = ("0.weight", "0.bias", "readout.weight", "readout.bias", "skip")
    agrees_with_differences(learned(implementation, given, RTRL), given, names)


@pytest.mark.clauses("OSTL-1")
@NETWORK
def test_ostl(implementation, kinds, recurrence):
    given = of(implementation, kinds, recurrence)
    got, expected = learned(implementation, given, OSTL), wanted(given, OSTL)
    agree_learned(got, expected, given)


@pytest.mark.clauses("OSTL-1")
def test_ostl_with_a_leaky_readout(implementation):
    given = with_feedback(of(implementation, ("LIF", "ALIF")), 0.75)
    got, expected = learned(implementation, given, OSTL), wanted(given, OSTL)
    agree_learned(got, expected, given)


@pytest.mark.clauses("OSTL-1")
def test_ostl_with_updates(implementation):
    given, options = of(implementation, ("leaky", "leaky")), {"chunk": 5}
    options["learning_rate"] = 2.0**-13
    got, expected = learned(implementation, given, OSTL, **options), wanted(given, OSTL, **options)
    agree_learned(got, expected, given)


@pytest.mark.clauses("OSTL-1", "LEARN-14")
@pytest.mark.parametrize("path", REFUSED)
def test_ostl_refuses(implementation, path):
    options = {"K": 4, "sizes": (4, 4)} if path == "tied" else {}
    given = with_path(of(implementation, ("LIF", "LIF"), **options), path)
    raises(REFUSED[path], implementation.learn, *given.given, OSTL)


@pytest.mark.clauses("OSTL-2")
@pytest.mark.parametrize("kind", ["ALIF", "GIF", "cable"])
def test_ostl_of_one_layer_is_exact(implementation, kind):
    given = of(implementation, (kind,))
    got = learned(implementation, given, OSTL)
    agree_by_name(got.gradients, true_gradient(given), given, "gradients")


@pytest.mark.clauses("OSTL-2")
def test_ostl_of_the_last_layer_is_exact(implementation):
    given = of(implementation, ("LIF", "ALIF"))
    got, exact = learned(implementation, given, OSTL).gradients, true_gradient(given)
    last = [name for name in exact if not name.startswith("0.")]
    agree_by_name(
        {name: got[name] for name in last}, {name: exact[name] for name in last}, given, "gradients"
    )


@pytest.mark.clauses("OSTL-3")
@pytest.mark.parametrize("recurrence", ["none", "element-wise"])
def test_ostl_is_d_rtrl(implementation, recurrence):
    given = of(implementation, ("LIF", "ALIF"), recurrence)
    got, expected = learned(implementation, given, OSTL), wanted(given, D_RTRL)
    agree_by_name(got.gradients, expected.gradients, given, "gradients")
