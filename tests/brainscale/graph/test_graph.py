"""What `show_graph` says and draws."""

from __future__ import annotations

import sys

import brainstate
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale import errors
from odd_models import (
    MODELS,
    Encoded,
    K,
    M,
    Model,
    N,
    Slips,
    ThreeLayers,
    TwoPopulations,
    batched,
    dense,
)
from odd_models import Frozen as FrozenOperations

pytestmark = pytest.mark.usefixtures("compiled_fast", "step_length")

T, BATCH = 5, 2


class GRU(Model):
    def __init__(self):
        super().__init__()
        self.cell = brainscale.nn.GRUCell(K, N)
        self.out = brainscale.nn.Linear(N, M, param_type=brainscale.NonTempParam)

    def update(self, x):
        return self.out(self.cell(x))


class FeedForward(Model):
    """One layer that is not recurrent."""

    def __init__(self):
        super().__init__()
        self.w = dense(0, K, N)

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(batched(batch_size, N))

    def update(self, x):
        self.h.value = 0.9 * jnp.tanh(self.h.value) + self.w.execute(x)
        return self.h.value


class Frozen(FeedForward):
    """A bias is kept from learning."""

    def __init__(self):
        super().__init__()
        self.bias = brainstate.ParamState(jnp.ones(N))

    def update(self, x):
        return super().update(x) + jax.lax.stop_gradient(self.bias.value)


class ElementWise(FeedForward):
    """Recurrent element by element."""

    def __init__(self):
        super().__init__()
        self.v = brainscale.ElemWiseParam(jnp.full(N, 0.5))

    def update(self, x):
        y = self.w.execute(x) + self.v.execute() * self.h.value
        self.h.value = jnp.tanh(y)
        return self.h.value


class Recurrent(FeedForward):
    """Recurrent through an operation, by what it returned one step before."""

    def __init__(self):
        super().__init__()
        self.r = dense(1, N, N)

    def init_state(self, batch_size=None, **kwargs):
        super().init_state(batch_size)
        self.last = brainstate.ShortTermState(batched(batch_size, N))

    def update(self, x):
        y = self.w.execute(x) + self.r.execute(self.last.value)
        self.h.value = 0.9 * jnp.tanh(self.h.value) + y
        self.last.value = jnp.sin(self.h.value)
        return self.last.value


class TwoLayers(FeedForward):
    def __init__(self):
        super().__init__()
        self.upper = dense(1, N, N)

    def init_state(self, batch_size=None, **kwargs):
        super().init_state(batch_size)
        self.k = brainstate.HiddenState(batched(batch_size, N))

    def update(self, x):
        y = self.upper.execute(super().update(x))
        self.k.value = 0.8 * jnp.tanh(self.k.value) + y
        return self.k.value


class Read(FeedForward):
    """With a plain readout."""

    def __init__(self):
        super().__init__()
        self.out = brainscale.NonTempParam(jnp.ones((N, M)), brainscale.MatMulOp())

    def update(self, x):
        return self.out.execute(super().update(x))


def learner_of(kind, rule="d_rtrl", **options):
    like = jnp.zeros((BATCH, K))
    return brainscale.compile(kind(), rule, like, batch_size=BATCH, **options)


def graph_of(kind, **options):
    return learner_of(kind, **options).show_graph(verbose=False)


# What is approximate.

CROSSED = {
    FeedForward: {"w": ()},
    ElementWise: {"w": (), "v": ()},
    Recurrent: {"w": ("r",), "r": ("r",)},
    TwoLayers: {"w": ("upper",), "upper": ()},
    GRU: {
        "cell.Wz.weight": ("cell.Wz.weight", "cell.Wr.weight", "cell.Wh.weight"),
        "cell.Wr.weight": ("cell.Wh.weight",),
        "cell.Wh.weight": ("cell.Wz.weight", "cell.Wr.weight", "cell.Wh.weight"),
    },
}


@pytest.mark.parametrize("kind", CROSSED, ids=lambda kind: kind.__name__)
def test_what_is_left_out(kind):
    approximations = {node.name: node.approximate for node in graph_of(kind).traced}
    assert approximations == {
        name: f"paths through time that cross {', '.join(crossed)} are left out (LEARN-8)"
        if crossed
        else ""
        for name, crossed in CROSSED[kind].items()
    }


SPIKING = (ThreeLayers, TwoPopulations, FrozenOperations)
"""Where no neuron spikes, what is left out is nothing."""


def true_gradients(learner, xs, ys):
    """Of the whole run, by plain reverse mode."""
    model = learner.model

    def loss():
        brainstate.nn.init_all_states(model, batch_size=BATCH)
        outs = brainstate.transform.for_loop(model, xs)
        return ((outs - ys) ** 2).sum()

    return brainstate.transform.jit(brainstate.transform.grad(loss, learner.param_states))()


@pytest.mark.parametrize("kind", [*CROSSED, *MODELS], ids=lambda kind: kind.__name__)
def test_exact_is_equal_to_the_true_gradient_and_approximate_is_not(kind):
    learner = learner_of(kind)
    graph = learner.show_graph(verbose=False)
    rng = np.random.default_rng(1)
    xs = jnp.asarray(rng.normal(size=(T, BATCH, K)), jnp.float32)
    ys = jnp.asarray(rng.normal(size=(T, *learner.model(xs[0]).shape)), jnp.float32)
    wanted = true_gradients(learner, xs, ys)
    learner.reset_state(BATCH)
    gradients = brainstate.transform.jit(
        lambda: learner.etrace_grad(xs, ys, lambda x, y: ((learner(x) - y) ** 2).sum(), chunk=T)
    )()
    said = {node.name: not node.approximate for node in [*graph.traced, *graph.plain]}
    for key, tree in wanted.items():
        leaves = zip(jax.tree.leaves(gradients[key]), jax.tree.leaves(tree), strict=True)
        equal = all(jnp.abs(a - b).max() <= 1e-4 * jnp.abs(b).max() for a, b in leaves)
        exact = said[".".join(map(str, key))]
        assert equal if exact else not equal or kind in SPIKING, key


def test_a_rule_that_is_approximate_is_so_everywhere():
    graph = graph_of(Slips, rule="es_d_rtrl", decay_or_rank=0.9)
    assert {node.rule for node in graph.traced} == {"ES-D-RTRL"}
    assert all("product of two sums" in node.approximate for node in graph.traced)


OTHER_RULES = [
    ("rtrl", {}, TwoLayers, {"w": "", "upper": ""}),
    ("ostl", {}, Recurrent, {"w": "", "r": ""}),
    (
        *("ostl", {}, TwoLayers),
        {"w": "paths through time that cross upper are left out (LEARN-8)", "upper": ""},
    ),
    ("e_prop", {"feedback": "symmetric"}, FeedForward, {"w": ""}),
    (
        *("e_prop", {"feedback": "random"}, Read),
        {
            "w": "signals come back through out by random feedback weights, through all else by "
            "its own (EPROP-1)"
        },
    ),
    (
        *("hybrid", {"decay_or_rank": 0.5, "rules": {"w": "D-RTRL", "r": "ES-D-RTRL"}}, Recurrent),
        {
            "w": "paths through time that cross r are left out (LEARN-8)",
            "r": "the trace is the product of two sums over time (LEARN-9)",
        },
    ),
    (
        *("three_factor", {"decay": 0.5}, FeedForward),
        {"w": "a reward is followed, and no gradient (THREE-1)"},
    ),
]


@pytest.mark.parametrize(("rule", "options", "kind", "wanted"), OTHER_RULES)
def test_what_other_rules_leave_out(rule, options, kind, wanted):
    graph = learner_of(kind, rule, **options).show_graph(verbose=False)
    assert {node.name: node.approximate for node in graph.traced} == wanted
    assert all(node.rule and node.numbers for node in graph.traced)


# The words.

OF_GRU = """\
GRU learns by D_RTRL

Hidden groups
  1  cell.h: neurons (2, 5), 1 variable each

Parameters with a trace
  cell.Wz.weight: MatMulOp of weight (9, 5), bias (5,)
      from input, group 1 one step before into group 1
      D-RTRL trace: 100 numbers, 400 B
      approximate: paths through time that cross cell.Wz.weight, cell.Wr.weight, cell.Wh.weight \
are left out (LEARN-8)
  cell.Wr.weight: MatMulOp of weight (9, 5), bias (5,)
      from input, group 1 one step before into no group, but through other operations
      D-RTRL trace: 0 numbers, 0 B
      approximate: paths through time that cross cell.Wh.weight are left out (LEARN-8)
  cell.Wh.weight: MatMulOp of weight (9, 5), bias (5,)
      from input, cell.Wr.weight, group 1 one step before into group 1
      D-RTRL trace: 100 numbers, 400 B
      approximate: paths through time that cross cell.Wz.weight, cell.Wr.weight, cell.Wh.weight \
are left out (LEARN-8)
  All traces: 200 numbers, 800 B

Plain parameters
  out.weight: weight (5, 3), bias (3,)
      into output
      exact"""

OF_FROZEN = """\
Frozen learns by ES_D_RTRL

Hidden groups
  1  h: neurons (2, 5), 1 variable each

Parameters with a trace
  w: MatMulOp of (4, 5)
      from input into group 1
      ES-D-RTRL trace: 18 numbers, 72 B
      approximate: the trace is the product of two sums over time (LEARN-9)
  All traces: 18 numbers, 72 B

Frozen parameters
  bias: (5,)"""


def test_words(capsys):
    graph = learner_of(GRU).show_graph()
    assert capsys.readouterr().out == f"{OF_GRU}\n"
    assert str(graph) == OF_GRU
    assert repr(graph) == "<Graph of GRU by D_RTRL: 1 hidden groups, 3 parameters with traces>"
    graph = graph_of(Frozen, rule="es_d_rtrl", decay_or_rank=0.9)
    assert str(graph) == OF_FROZEN
    assert not capsys.readouterr().out


def test_frozen_operations():
    graph = graph_of(FrozenOperations)
    lateral, between = (node for node in graph.traced if not node.rule)
    assert (lateral.name, lateral.groups, lateral.new, lateral.old) == ("lateral", (0,), (), (0,))
    assert (between.name, between.groups, between.new, between.old) == ("between", (1,), (0,), ())
    assert """
Frozen operations
  lateral: MatMulOp of (5, 5)
      from group 1 one step before into group 1
  between: MatMulOp of (5, 6)
      from group 1 into group 2
""" in str(graph)


def test_parameters_in_the_midst():
    encoder, leak = graph_of(Encoded).plain
    assert (encoder.into, leak.into) == (("w",), (0, "output"))
    assert encoder.approximate == leak.approximate == "paths through time are left out (LEARN-6)"


def test_three_layers():
    graph = graph_of(ThreeLayers)
    assert [group.size for group in graph.groups] == [1, 2, 4]
    assert {node.name: (node.new, node.old, node.groups) for node in graph.traced} == {
        "forward.0": (("input",), (), (0,)),
        "back.0": ((), (0,), (0,)),
        "forward.1": ((0,), (), (1,)),
        "back.1": ((), (1,), (1,)),
        "forward.2": ((1,), (), (2,)),
        "back.2": ((), (2,), (2,)),
    }
    assert graph.output == (2,)
    numbers = {node.name: node.numbers for node in graph.traced}
    assert numbers["forward.1"] == BATCH * (N * (N + 1) + N + 1) * 2


def test_before_compiling():
    with pytest.raises(errors.NotCompiledError, match="show_graph"):
        brainscale.D_RTRL(GRU()).show_graph()


# The figure.


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("kind", [GRU, Frozen, *MODELS])
def test_figure_names_everything(kind, tmp_path):
    graph = learner_of(kind).show_graph(tmp_path / "graph.png", verbose=False)
    assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")
    words = texts(graph.draw())
    names = [node.name for node in [*graph.traced, *graph.plain]]
    names += [state for group in graph.groups for state in group.states]
    assert set(names) <= set(words)
    assert {"input", "output", f"all traces: {graph.size}"} <= set(words)


def test_new_and_old_inputs_are_drawn_differently():
    from matplotlib.patches import FancyArrowPatch

    figure = graph_of(ThreeLayers).draw()
    arrows = [p for p in figure.axes[0].patches if isinstance(p, FancyArrowPatch)]
    looks = [(arrow.get_edgecolor(), arrow.get_linestyle() == "-") for arrow in arrows]
    # Three forward inputs, six outputs and the last layer's; three fed back; the readout.
    assert sorted(looks.count(look) for look in set(looks)) == [1, 3, 10]


def test_boxes_do_not_overlap():
    from matplotlib.patches import FancyBboxPatch

    for kind in (GRU, ThreeLayers, Encoded):
        patches = graph_of(kind).draw().axes[0].patches
        boxes = {
            (p.get_x(), p.get_y(), p.get_x() + p.get_width(), p.get_y() + p.get_height())
            for p in patches
            if isinstance(p, FancyBboxPatch)
        }
        for a in boxes:
            for b in boxes - {a}:
                assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_without_matplotlib(monkeypatch):
    graph = graph_of(FeedForward)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(errors.MissingPackageError, match=r"install .matplotlib"):
        graph.draw()
