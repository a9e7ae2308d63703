"""The further rules, each against reverse mode with what the rule leaves out stopped."""

from __future__ import annotations

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
import brainscale.nn as nn
from brainscale import NonTempParam, errors
from brainscale.engine.step_graph import find_step_graph
from odd_layers import LAYERS
from odd_models import Encoded, Gates, Groups, K, Model, N, Slips, ThreeLayers, array, dense
from truth import difference, learned, stepwise, truth

pytestmark = pytest.mark.usefixtures("compiled_fast", "double_precision", "step_length")

T, BATCH, M = 6, 2, 3
LAYER = {kind.__name__: kind for kind in LAYERS}


def squared(out, y, model):
    return ((out - y[..., : out.shape[-1]]) ** 2).sum()


def sequences():
    rng = np.random.default_rng(5)
    return jnp.asarray(rng.normal(size=(T, BATCH, K))), jnp.asarray(rng.normal(size=(T, BATCH, 9)))


def through_time(model, xs, ys, params, without_past=()):
    """Reverse mode over the sequence; derivatives of states `without_past` end with each step."""

    def run():
        brainstate.nn.init_all_states(model, batch_size=BATCH)
        states = model.states(brainstate.ShortTermState)

        def step(x, y):
            loss = squared(model(x), y, model)
            for name in without_past:
                state = states[name]
                state.value = jax.tree.map(jax.lax.stop_gradient, state.value)
            return loss

        return brainstate.transform.for_loop(step, xs, ys).sum()

    return brainstate.transform.jit(brainstate.transform.grad(run, params))()


class Fed(Model):
    """What a rule of traces refuses: fixed lateral paths, a weight used twice, other memory."""

    def __init__(self):
        super().__init__()
        self.w, self.lateral = dense(0, K, K), array(1, K, K)

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(jnp.zeros((batch_size, K)))
        self.out = brainstate.ShortTermState(jnp.zeros((batch_size, K)))

    def update(self, x):
        y = self.w.execute(x) + self.w.execute(jnp.sin(self.h.value))
        self.h.value = jnp.tanh(0.8 * self.h.value @ self.lateral + y)
        self.out.value = 0.5 * self.out.value + self.h.value
        return self.out.value


@pytest.mark.parametrize(
    "kind",
    [ThreeLayers, Gates, Slips, Encoded, Fed, LAYER["GRUCell"], LAYER["LRUCell"]],
    ids=lambda kind: kind.__name__,
)
def test_rtrl_is_the_gradient_through_time(kind):
    model, (xs, ys) = kind(), sequences()
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    wanted = through_time(model, xs, ys, model.states(brainstate.ParamState))
    learner = brainscale.RTRL(model)
    assert difference(learned(learner, xs, ys, squared, BATCH, 4), wanted) < 1e-10
    assert difference(stepwise(learner, xs, ys, squared, BATCH), wanted) < 1e-10


@pytest.mark.parametrize(
    "kind",
    [ThreeLayers, Gates, LAYER["GRUCell"], LAYER["Convolutions"]],
    ids=lambda kind: kind.__name__,
)
def test_ostl_is_the_gradient_through_time_within_a_layer(kind):
    model, (xs, ys) = kind(), sequences()
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    params = model.states(brainscale.ETraceParam)
    graph = find_step_graph(model, (xs[0],), str, list(params.values()))
    states, others = model.states(brainstate.ShortTermState), {}
    for path, param in params.items():
        of_layer = {id(s) for s in graph.states_of_layer(id(param))}
        others[path] = [name for name, state in states.items() if id(state) not in of_layer]
    wanted = {}
    for path, param in params.items():
        wanted |= through_time(model, xs, ys, {path: param}, others[path])
    learner = brainscale.OSTL(model)
    got = learned(learner, xs, ys, squared, BATCH, 4)
    assert difference({k: got[k] for k in wanted}, wanted) < 1e-10
    got = stepwise(learner, xs, ys, squared, BATCH)
    assert difference({k: got[k] for k in wanted}, wanted) < 1e-10


class Readout(Model):
    """Recurrent neurons with a plain readout that is an operation."""

    readout_of = staticmethod(lambda: nn.Linear(N, M, param_type=NonTempParam))

    def __init__(self):
        super().__init__()
        brainstate.random.seed(1)
        self.into = dense(0, K + N, N, u.nA, 4.0)
        self.neurons = brainscale.nn.GIF(N, R=90 * u.Mohm, tau=6 * u.ms)
        self.readout = self.readout_of()

    def init_state(self, batch_size=None, **kwargs):
        self.s = brainstate.ShortTermState(jnp.zeros((batch_size, N)))

    def emit(self, x):
        self.s.value = self.neurons(self.into.execute(jnp.concatenate([x, self.s.value], -1)))
        return self.s.value

    def update(self, x):
        return self.readout(self.emit(x))


class Filtered(Readout):
    readout_of = staticmethod(lambda: nn.FilteredReadout(N, M, tau=3 * u.ms))


def test_symmetric_e_prop_is_d_rtrl():
    (xs, ys), model = sequences(), Filtered()
    wanted = learned(brainscale.D_RTRL(model), xs, ys, squared, BATCH, 4)
    assert difference(learned(brainscale.EProp(model), xs, ys, squared, BATCH, 4), wanted) == 0
    assert difference(wanted, truth(model, {}, xs, ys, squared, BATCH)) < 1e-10


@pytest.mark.parametrize("feedback", ["random", "adaptive"])
@pytest.mark.parametrize("kind", [Readout, Filtered])
def test_feedback_in_the_weight_s_place(kind, feedback):
    """D-RTRL of the loss whose derivative by what is read is B times the error, which is held."""
    (xs, ys), model = sequences(), kind()
    learner = brainscale.EProp(model, feedback)
    got = learned(learner, xs, ys, squared, BATCH, 4)
    by_step = stepwise(learner, xs, ys, squared, BATCH)
    ((name, B),) = learner.feedback.items()
    assert name.endswith("weight")
    read = model.readout.linear if kind is Filtered else model.readout

    def loss_by_feedback(out, y, model):
        error = jax.lax.stop_gradient(2 * (out - y[..., :M]))
        r = model.readout.r.value if kind is Filtered else model.s.value
        return (error * (r @ B.value)).sum()

    wanted = learned(brainscale.D_RTRL(model), xs, ys, loss_by_feedback, BATCH, 3)
    exact = learned(brainscale.D_RTRL(model), xs, ys, squared, BATCH, 3)
    path = next(k for k, s in model.states(brainstate.ParamState).items() if s is read.weight)
    into = {("into",): wanted[("into",)], path: exact[path]}
    for gradients in (got, by_step):
        assert difference({k: gradients[k] for k in into}, into) < 1e-10
        if feedback == "adaptive":
            by_B = {"": gradients[("feedback", name)]}
            assert difference(by_B, {"": exact[path]["weight"]}) < 1e-10
        else:
            assert set(gradients) == set(into)


class Masked(Readout):
    mask = np.arange(N * M).reshape(N, M) % 3
    readout_of = staticmethod(lambda: nn.Linear(N, M, w_mask=Masked.mask, param_type=NonTempParam))


@pytest.mark.parametrize("kind", [Readout, Masked])
def test_feedback_comes_to_the_weight(kind):
    """With weight decay of both (Kolen and Pollack 1994), to the weight that is effective."""
    (xs, ys), model = sequences(), kind()
    learner = brainscale.EProp(model, "adaptive")
    mask = kind.mask if kind is Masked else 1
    apart = []
    for _ in range(5):
        gradients = learned(learner, xs, ys, squared, BATCH, T)
        apart.append(
            next(iter(learner.feedback.values())).value
            - mask * model.readout.weight.value["weight"]
        )
        for key, state in learner.param_states.items():
            state.value = jax.tree.map(
                lambda w, g: (1 - 0.1) * w - 1e-3 * g, state.value, gradients[key]
            )
    np.testing.assert_allclose(apart[-1], 0.9**4 * apart[0], rtol=1e-10, atol=1e-12)


class TwoReadouts(Readout):
    """The second of them may be made later."""

    second = staticmethod(lambda x: 0 * x[..., :M])

    def update(self, x):
        s = self.emit(x)
        return self.readout(s) + self.second(s)


def test_a_readout_that_is_new_is_given_feedback_weights():
    (xs, ys), model = sequences(), TwoReadouts()
    learner = brainscale.EProp(model, "random")
    learned(learner, xs, ys, squared, BATCH, 4)
    ((name, first),) = learner.feedback.items()
    model.second = nn.Linear(N, M, param_type=NonTempParam)
    got = learned(learner, xs, ys, squared, BATCH, 4)
    assert learner.feedback[name] is first
    (second,) = (B for other, B in learner.feedback.items() if other != name)

    def loss_by_feedback(out, y, model):
        error = jax.lax.stop_gradient(2 * (out - y[..., :M]))
        return (error * (model.s.value @ (first.value + second.value))).sum()

    wanted = learned(brainscale.D_RTRL(model), xs, ys, loss_by_feedback, BATCH, 3)
    assert difference(got, {("into",): wanted[("into",)]}) < 1e-10


def test_e_prop_refuses():
    with pytest.raises(errors.ParameterError, match="feedback"):
        brainscale.EProp(Readout(), "sign")
    model = Groups()
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    with pytest.raises(errors.StructureError, match="NonTempParam"):
        brainscale.EProp(model, "random").compile_graph(sequences()[0][0])
    model = Readout()
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    learner = brainscale.EProp(model, "random")
    learner.compile_graph(sequences()[0][0])
    (B,) = learner.feedback.values()
    B.value = B.value[1:]
    with pytest.raises(errors.ShapeError, match="readout"):
        learner(sequences()[0][0])


@pytest.mark.parametrize("decay", [0.0, 0.7])
def test_three_factors(decay):
    """In hindsight: what is emitted at s meets the rewards after it, each decayed."""
    (xs, _), model = sequences(), Readout()
    rewards = jnp.asarray(np.random.default_rng(8).normal(size=(T, BATCH)))
    learner = brainscale.ThreeFactor(model, decay, lambda model, out: model.s.value)
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    learner.compile_graph(xs[0])
    got, losses = brainstate.transform.jit(
        lambda: learner.reward_grad(xs, rewards, chunk=4, return_value=True)
    )()
    later = jnp.stack([sum(decay ** (t - s) * rewards[t] for t in range(s, T)) for s in range(T)])

    def reward_loss(out, later, model):
        return -(later[:, None] * model.s.value).sum()

    wanted = truth(model, {}, xs, later, reward_loss, BATCH)
    assert set(got) == {("into",)}
    assert difference(got, {("into",): wanted[("into",)]}) < 1e-10
    emitted = []
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    for x in xs:
        model(x)
        emitted.append(model.s.value)
    for t in range(T):
        filtered = sum(decay ** (t - s) * emitted[s] for s in range(t + 1))
        np.testing.assert_allclose(losses[t], -(rewards[t][:, None] * filtered).sum(), atol=1e-12)
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    learner.reset_traces()

    def loss(x, reward):
        learner(x)
        return learner.modulated(reward)

    gradient = brainstate.transform.grad(loss, learner.param_states)
    gradients = brainstate.transform.jit(
        lambda: brainstate.transform.for_loop(gradient, xs, rewards)
    )()
    assert difference(jax.tree.map(lambda g: g.sum(0), gradients), got) < 1e-10


class Stacked(Readout):
    """Two layers, which emit both."""

    def __init__(self):
        super().__init__()
        self.up = dense(3, N, N, u.nA, 6.0)
        self.upper = brainscale.nn.GIFTree(N, R=90 * u.Mohm)

    def update(self, x):
        s = self.emit(x)
        return {"lower": s, "upper": self.upper(self.up.execute(s))}


def test_three_factors_of_each_layer_are_its_own():
    (xs, _), model = sequences(), Stacked()
    rewards = jnp.asarray(np.random.default_rng(8).normal(size=(T, BATCH)))
    learner = brainscale.ThreeFactor(model, 0.5)
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    learner.compile_graph(xs[0])
    both = brainstate.transform.jit(lambda: learner.reward_grad(xs, rewards, chunk=3))()
    alone = brainscale.ThreeFactor(model, 0.5, lambda model, out: out["lower"])
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    alone.compile_graph(xs[0])
    lower = brainstate.transform.jit(lambda: alone.reward_grad(xs, rewards, chunk=3))()
    assert difference({0: both[("into",)]}, {0: lower[("into",)]}) < 1e-10
    assert jnp.abs(u.get_mantissa(both[("up",)])).max() > 0


def test_three_factors_refuse():
    with pytest.raises(errors.ParameterError, match="decay"):
        brainscale.ThreeFactor(Readout(), 1.0)
    model = Readout()
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    learner = brainscale.ThreeFactor(model, 0.5)
    with pytest.raises(errors.NotCompiledError):
        learner.modulated(1.0)
    with pytest.raises(errors.LateralPathError):
        learner.compile_graph(sequences()[0][0])
    learner = brainscale.ThreeFactor(model, 0.5, lambda model, out: model.s.value)
    learner.compile_graph(sequences()[0][0])
    with pytest.raises(errors.ShapeError, match="reward"):
        learner.modulated(jnp.ones(BATCH + 1))


def test_hybrid_is_each_rule_by_itself():
    (xs, ys), model = sequences(), ThreeLayers()
    exact = learned(brainscale.D_RTRL(model), xs, ys, squared, BATCH, 3)
    small = learned(brainscale.ES_D_RTRL(model, (0.5, 0.8)), xs, ys, squared, BATCH, 3)
    chosen = {"forward.0": "D-RTRL", "back.1": "D-RTRL", "forward.2": "ES-D-RTRL"}
    learner = brainscale.HybridDimVjpAlgorithm(model, (0.5, 0.8), chosen)
    got = learned(learner, xs, ys, squared, BATCH, 3)
    for key, gradient in got.items():
        name = ".".join(map(str, key))
        wanted = exact if chosen.get(name) == "D-RTRL" or name == "readout" else small
        assert difference({key: gradient}, {key: wanted[key]}) < 1e-12, name
    assert difference(stepwise(learner, xs, ys, squared, BATCH), got) < 1e-10
    assert isinstance(learner.get_etrace_of("forward.0"), dict)
    assert isinstance(learner.get_etrace_of("back.0"), tuple)


def test_hybrid_has_the_smaller_trace():
    model = Groups()
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    learner = brainscale.HybridDimVjpAlgorithm(model, 0.9)
    learner.compile_graph(sequences()[0][0])
    assert isinstance(learner.get_etrace_of("bias"), dict)
    assert isinstance(learner.get_etrace_of("w"), tuple)


def test_hybrid_refuses():
    with pytest.raises(errors.ParameterError, match="BPTT"):
        brainscale.HybridDimVjpAlgorithm(Groups(), 0.9, {"w": "BPTT"})
    model = Groups()
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    learner = brainscale.HybridDimVjpAlgorithm(model, 0.9, {"v": "D-RTRL"})
    with pytest.raises(errors.StateNameError, match="'v'"):
        learner.compile_graph(sequences()[0][0])


def test_what_a_layer_is_is_known_after_compiling():
    learner = brainscale.OSTL(ThreeLayers())
    with pytest.raises(errors.NotCompiledError, match="comes before approximation"):
        learner.approximation("w", brainscale.D_RTRL(ThreeLayers()).rule, ())
