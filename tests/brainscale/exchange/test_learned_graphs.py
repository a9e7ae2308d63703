"""Graphs that learn: gradients beside plain `jax.grad` where a rule is exact, and by the law."""

from __future__ import annotations

import itertools

import brainstate
import brainunit as u
import nir
import numpy as np
import pytest

import brainscale
from brainscale import ETraceParam, NonTempParam
from nir_by_hand import STEP, graph_of, neurons
from through_time import (
    XS,
    YS,
    B,
    K,
    N,
    T,
    assert_same,
    compiled,
    gradient_by_chunks,
    gradient_through_time,
    squared,
)
from truth import truth

pytestmark = pytest.mark.usefixtures("compiled_fast", "double_precision", "step_length")

RNG = np.random.default_rng(3)
INTO, AGAIN, READ = (RNG.normal(0, 2, size) for size in ((N, K), (N, N), (N, N)))


def feedforward(kind, v_reset):
    """Neurons behind an Affine and a Scale, and a readout."""
    scale = nir.Scale(RNG.uniform(0.5, 1, N))
    into = nir.Affine(INTO, RNG.normal(size=N))
    read = nir.Linear(READ)
    middle = neurons(kind, (N,), v_reset=v_reset)
    return graph_of(into, scale, middle, read, shape=(K,), out=(N,))


def recurrent(kind):
    nodes = {
        "in": nir.Input(np.array([K])),
        "into": nir.Linear(INTO),
        "neurons": neurons(kind, (N,)),
        "again": nir.Affine(AGAIN, np.zeros(N)),
        "read": nir.Linear(READ),
        "out": nir.Output(np.array([N])),
    }
    chain = ["in", "into", "neurons", "read", "out"]
    edges = [*itertools.pairwise(chain), ("neurons", "again"), ("again", "neurons")]
    return nir.NIRGraph(nodes, edges)


def read(graph, **options):
    """With a surrogate that is as wide as the neurons' potentials, so that all of it counts."""
    return brainscale.from_nir(graph, STEP, spk_scale=2 * u.volt, **options)


def assert_says_something(gradient):
    for name, value in gradient.items():
        for key, entries in (value if isinstance(value, dict) else {"": value}).items():
            assert np.abs(entries).max() > 1e-3, (name, key)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("LIF", {}),
        ("LIF", {"reset_step": "next", "reset": "subtract"}),
        ("CubaLIF", {"current": "old"}),
        ("LIF", {"spike_step": "next"}),
        ("LI", {"integrator": "exponential"}),
    ],
)
def test_a_feedforward_graph_learns_exactly(kind, options):
    graph = feedforward(kind, v_reset="reset" not in options)
    wanted = gradient_through_time(read(graph, **options))
    assert_says_something(wanted)
    assert_same(gradient_by_chunks(compiled(read(graph, **options))), wanted)


def test_which_weights_have_traces():
    """Those that lead to neurons; a readout's gradient is that of each step."""
    model = read(recurrent("LIF"))
    kinds = {name: type(model.node[name].weight) for name in ("into", "again", "read")}
    assert kinds == {"into": ETraceParam, "again": ETraceParam, "read": NonTempParam}


@pytest.mark.parametrize("kind", ["LIF", "CubaLIF"])
def test_a_recurrent_graph_learns_by_the_law_of_d_rtrl(kind):
    """Without what goes through the recurrent weight: its input is held fixed."""
    graph = recurrent(kind)
    wanted = truth(read(graph), {}, XS, YS, squared, B)
    assert_says_something(wanted)
    assert_same(gradient_by_chunks(compiled(read(graph))), wanted)


def test_a_recurrent_graph_learns_exactly_by_rtrl():
    graph = recurrent("LIF")
    wanted = gradient_through_time(read(graph))
    assert_says_something(wanted)
    by_d_rtrl = gradient_by_chunks(compiled(read(graph)))
    again = ("node", "again", "weight")
    assert not np.allclose(by_d_rtrl[again]["weight"], wanted[again]["weight"])
    assert_same(gradient_by_chunks(compiled(read(graph), "RTRL")), wanted)


def test_an_image_learns_exactly_by_rtrl():
    """Convolutions, pools and two layers of neurons."""
    kernels = [RNG.normal(0, 1, (2, 1, 2, 2)), RNG.normal(0, 1, (2, 2, 2, 2))]
    pool = nir.SumPool2d(np.array([2, 2]), np.array([1, 1]), np.array([0, 0]))
    graph = graph_of(
        nir.Conv2d(None, kernels[0], 1, 0, 1, 1, np.zeros(2)),
        neurons("LIF", (2, 3, 3)),
        pool,
        nir.Conv2d(None, kernels[1], 1, 0, 1, 1, np.zeros(2)),
        neurons("LI", (2, 1, 1)),
        nir.Flatten(np.array([2, 1, 1]), 0),
        shape=(1, 4, 4),
        out=(2,),
    )
    xs = RNG.normal(0, 2, (T, B, 1, 4, 4))

    def gradient(rule):
        learner = brainscale.compile(read(graph), rule, xs[0], batch_size=B)
        return brainstate.transform.jit(
            lambda: learner.etrace_grad(xs, step_fn=lambda x: (learner(x) ** 2).sum())
        )()

    model = read(graph)
    brainstate.nn.init_all_states(model, batch_size=B)
    by_time = brainstate.transform.grad(
        lambda: sum((model(x) ** 2).sum() for x in xs), model.states(brainstate.ParamState)
    )
    wanted = brainstate.transform.jit(by_time)()
    assert_says_something({k: {"weight": v["weight"]} for k, v in wanted.items()})
    assert_same(gradient("RTRL"), wanted)
