"""Several steps in one call, a warm-up without a loss, and `compile`."""

from __future__ import annotations

import inspect

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
import brainscale.learners.compile
from brainscale import MultiStepData, SingleStepData, errors
from odd_models import Gates, K, M, Model, N, ThreeLayers, batched, dense
from truth import difference

pytestmark = pytest.mark.usefixtures("compiled_fast", "step_length")

T, BATCH = 5, 2


class Two(Model):
    """Two inputs: one is multiplied by the other."""

    def __init__(self):
        super().__init__()
        self.w, self.r = dense(0, K, N), dense(1, N, N)

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(batched(batch_size, N))

    def update(self, x, gain):
        y = self.w.execute(x) + self.r.execute(self.h.value)
        self.h.value = jnp.tanh(0.9 * self.h.value + gain * y)
        return self.h.value


def sequences(*widths):
    rng = np.random.default_rng(0)
    return tuple(jnp.asarray(rng.normal(size=(T, BATCH, n)), jnp.float32) for n in widths)


def learner_of(kind, *inputs, rule="d_rtrl", **options):
    return brainscale.compile(kind(), rule, *inputs, batch_size=BATCH, **options)


def one_by_one(learner, *inputs):
    return jnp.stack([learner(*step) for step in zip(*inputs, strict=True)])


def left(learner):
    """Everything that a learner changes."""
    states = learner.states(brainstate.ShortTermState)
    return {path: state.value for path, state in states.items()}


def close(got, wanted, tolerance=1e-5):
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


# Several steps.


def test_one_step_is_the_bare_step():
    xs, gains = sequences(K, 1)
    learner, bare = learner_of(Two, xs[0], gains[0]), learner_of(Two, xs[0], gains[0])
    for x, gain in zip(xs, gains, strict=True):
        close(learner(SingleStepData(x), gain), bare(x, gain))
    close(left(learner), left(bare))


@pytest.mark.parametrize("call", ["learner", "update", "jit"])
def test_several_steps_are_made_in_order(call):
    xs, gains = sequences(K, 1)
    learner, bare = learner_of(Two, xs[0], gains[0]), learner_of(Two, xs[0], gains[0])
    calls = {
        "learner": learner,
        "update": learner.update,
        "jit": brainstate.transform.jit(lambda *args: learner(*args)),
    }
    outs = calls[call](MultiStepData(xs), MultiStepData(gains))
    close(outs, one_by_one(bare, xs, gains))
    close(left(learner), left(bare))
    assert learner.count.value == T


@pytest.mark.parametrize("wrapped", [lambda x: x, SingleStepData])
def test_one_step_beside_several_is_given_to_each(wrapped):
    xs, gains = sequences(K, 1)
    learner, bare = learner_of(Two, xs[0], gains[0]), learner_of(Two, xs[0], gains[0])
    outs = learner(MultiStepData(xs), wrapped(gains[2]))
    close(outs, one_by_one(bare, xs, jnp.broadcast_to(gains[2], gains.shape)))


class OfTree(Two):
    def update(self, both):
        return super().update(both["x"], both["gain"])


def test_data_may_be_within_a_tree_and_a_tree_within_data():
    xs, gains = sequences(K, 1)
    like = {"x": xs[0], "gain": gains[0]}
    learner, other = learner_of(OfTree, like), learner_of(OfTree, like)
    bare = learner_of(Two, xs[0], gains[0])
    wanted = one_by_one(bare, xs, gains)
    close(learner({"x": MultiStepData(xs), "gain": MultiStepData(gains)}), wanted)
    close(other(MultiStepData({"x": xs, "gain": gains})), wanted)


def test_units_are_kept():
    data = MultiStepData(jnp.ones((T, 2)) * u.mV)
    (leaf,) = jax.tree.leaves(data)
    assert leaf.shape == (T, 2)
    doubled = jax.tree.map(lambda x: 2 * x, data)
    assert u.get_unit(doubled.data) == u.mV
    assert repr(doubled).startswith("MultiStepData(")


def test_compile_graph_takes_wrapped_data():
    xs, gains = sequences(K, 1)
    learner = learner_of(Two, MultiStepData(xs), SingleStepData(gains[0]))
    assert learner(xs[0], gains[0]).shape == (BATCH, N)


RULES = {
    "D-RTRL": ("d_rtrl", {}),
    "ES-D-RTRL": ("es_d_rtrl", {"decay_or_rank": 0.9}),
    "RTRL": ("rtrl", {}),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", [ThreeLayers, Gates], ids=lambda kind: kind.__name__)
def test_gradients_of_several_steps_are_their_sum(kind, rule):
    """Online: the derivative of what is made of all results goes back in time by traces alone."""
    xs, ys = sequences(K, M)
    name, options = RULES[rule]
    learner = learner_of(kind, xs[0], rule=name, **options)
    with_sequence = learner_of(kind, xs[0], rule=name, **options)

    def loss(xs, ys):
        return ((learner(MultiStepData(xs)) - ys) ** 2).sum()

    gradient = brainstate.transform.grad(loss, learner.param_states, return_value=True)
    gradients, value = brainstate.transform.jit(gradient)(xs, ys)
    wanted, losses = with_sequence.etrace_grad(
        xs, ys, lambda x, y: ((with_sequence(x) - y) ** 2).sum(), chunk=T, return_value=True
    )
    assert difference(gradients, wanted) < 1e-5
    close(value, losses.sum())
    close(left(learner), left(with_sequence), 1e-3)


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (lambda xs, g: (MultiStepData(xs), MultiStepData(g[1:])), errors.ShapeError),
        (lambda xs, g: (MultiStepData(xs[:0]), g[0]), errors.ShapeError),
        (lambda xs, g: (MultiStepData(xs), g), errors.ShapeError),
        (lambda xs, g: (MultiStepData(xs[0]), g[0]), errors.ShapeError),
        (lambda xs, g: (MultiStepData(jnp.zeros(())), g[0]), errors.ShapeError),
        (lambda xs, g: (MultiStepData(SingleStepData(xs)), g[0]), errors.StructureError),
        (lambda xs, g: (SingleStepData(MultiStepData(xs)), g[0]), errors.StructureError),
        (lambda xs, g: (MultiStepData(xs * jnp.nan), g[0]), errors.InputError),
    ],
)
def test_what_is_ambiguous_is_refused(args, error):
    xs, gains = sequences(K, 1)
    learner = learner_of(Two, xs[0], gains[0])
    learner(xs[0], gains[0])
    before = left(learner)
    with pytest.raises(error):
        learner(*args(xs, gains))
    close(left(learner), before, 0)


def test_a_step_of_etrace_grad_is_one():
    xs, gains = sequences(K, 1)
    learner = learner_of(Two, xs[0], gains[0])

    def step(x, gain):
        return learner(MultiStepData(x[None]), gain).sum()

    with pytest.raises(errors.ParameterUseError, match="MultiStepData within a step"):
        learner.etrace_grad(xs, gains, step)
    with pytest.raises(errors.StructureError, match="bare sequences"):
        learner.etrace_grad(MultiStepData(xs), gains, step)
    gradients = learner.etrace_grad(xs, gains, lambda x, g: learner(SingleStepData(x), g).sum())
    assert jnp.abs(gradients[("w",)]).max() > 0


@pytest.mark.parametrize("rule", ["d_rtrl", "rtrl"])
def test_traces_by_parameter_by_name_and_by_path(rule):
    xs, gains = sequences(K, 1)
    learner = learner_of(Two, xs[0], gains[0], rule=rule)
    learner(MultiStepData(xs), MultiStepData(gains))
    wanted = learner.get_etrace_of(learner.model.w)
    close(learner.get_etrace_of("w"), wanted)
    close(learner.get_etrace_of(("w",)), wanted)
    assert isinstance(learner.etraces["w"], brainscale.EligibilityTrace)
    assert all(jnp.abs(leaf).max() > 0 for leaf in jax.tree.leaves(wanted))


# A warm-up.


def test_evolving_is_one_step_after_the_other():
    xs, gains = sequences(K, 1)
    learner, bare = learner_of(Two, xs[0], gains[0]), learner_of(Two, xs[0], gains[0])
    assert learner.etrace_evolve(xs[:3], gains[:3]) is None
    outs = learner.etrace_evolve(xs[3:], gains[3:], return_outputs=True)
    wanted = one_by_one(bare, xs, gains)
    close(outs, wanted[3:])
    close(left(learner), left(bare))
    assert jnp.abs(jax.tree.leaves(learner.etraces["w"].value)[0]).max() > 0


def test_evolving_refuses():
    xs, gains = sequences(K, 1)
    learner = learner_of(Two, xs[0], gains[0])
    before = left(learner)
    for error, call in (
        (errors.ShapeError, lambda: learner.etrace_evolve(xs, gains[1:])),
        (errors.ShapeError, lambda: learner.etrace_evolve(xs[..., :2], gains)),
        (errors.StructureError, lambda: learner.etrace_evolve(MultiStepData(xs), gains)),
        (errors.InputError, lambda: learner.etrace_evolve(xs * jnp.inf, gains)),
        (errors.NotCompiledError, lambda: brainscale.D_RTRL(Two()).etrace_evolve(xs, gains)),
    ):
        with pytest.raises(error):
            call()
    close(left(learner), before, 0)


# compile.


@pytest.mark.parametrize("name", brainscale.learners.compile.RULES)
def test_rules_by_name(name):
    kind = brainscale.learners.compile.RULES[name]
    needed = inspect.signature(kind.__init__).parameters
    options = {"decay_or_rank": 0.9} if "decay_or_rank" in needed else {}
    options |= {"decay": 0.5} if "decay" in needed else {}
    (x, gain) = (leaf[0] for leaf in sequences(K, 1))
    learner = learner_of(Two, x, gain, rule=f" {name.upper()} ", **options)
    assert type(learner) is kind
    assert learner(x, gain).shape == (BATCH, N)


def test_rules_by_class_with_options():
    (xs, gains) = sequences(K, 1)
    learner = learner_of(
        Two, xs[0], gains[0], rule=brainscale.ES_D_RTRL, decay_or_rank=7, trace_dtype=jnp.bfloat16
    )
    assert learner.etraces["w"].value[0].dtype == jnp.bfloat16
    assert brainscale.pp_prop is brainscale.ES_D_RTRL


class Random(Two):
    def init_state(self, batch_size=None, **kwargs):
        shape = (N,) if batch_size is None else (batch_size, N)
        self.h = brainstate.HiddenState(brainstate.random.rand(*shape))


def test_a_seed_is_of_the_states_alone():
    (x, gain) = (leaf[0] for leaf in sequences(K, 1))
    brainstate.random.seed(1)
    expected = brainstate.random.rand(3)
    brainstate.random.seed(1)
    one, two = (learner_of(Random, x, gain, seed=5).model.h.value for _ in range(2))
    np.testing.assert_array_equal(brainstate.random.rand(3), expected)
    np.testing.assert_array_equal(one, two)
    other = learner_of(Random, x, gain, seed=6).model.h.value
    assert (one != other).all()


class WithoutBatch(Two):
    def init_state(self):
        self.h = brainstate.HiddenState(jnp.zeros(N))


def test_states_begin_anew_and_parameters_stay():
    (x, gain) = (leaf[0] for leaf in sequences(K, 1))
    model = Two()
    first = brainscale.compile(model, "d_rtrl", x, gain, batch_size=BATCH)
    first(x, gain)
    weight = model.w.value
    brainscale.compile(model, "d_rtrl", x, gain, batch_size=BATCH)
    assert not model.h.value.any()
    np.testing.assert_array_equal(model.w.value, weight)
    one = brainscale.compile(WithoutBatch(), "d_rtrl", x[0], gain[0])
    assert one(x[0], gain[0]).shape == (N,)


def test_compile_refuses():
    (x, gain) = (leaf[0] for leaf in sequences(K, 1))
    with pytest.raises(errors.ParameterError, match=r"'bptt' is no rule.*d_rtrl.*pp_prop"):
        learner_of(Two, x, gain, rule="bptt")
    for rule in (3, dict, brainscale.D_RTRL(Two())):
        with pytest.raises(errors.ParameterError, match="is no rule"):
            learner_of(Two, x, gain, rule=rule)
    with pytest.raises(errors.ParameterError, match="example inputs"):
        learner_of(Two)
    with pytest.raises(errors.ParameterError, match="batch_size"):
        learner_of(Two, x, gain, vmap=True)
    with pytest.raises(errors.ValueTypeError, match="Module"):
        brainscale.compile(lambda x: x, "d_rtrl", x)


def test_compile_says_what_it_found_if_asked(capsys):
    (x, gain) = (leaf[0] for leaf in sequences(K, 1))
    learner_of(Two, x, gain)
    assert not capsys.readouterr().out
    learner = learner_of(Two, x, gain, verbose=1)
    assert capsys.readouterr().out == f"{learner.show_graph(verbose=False)}\n"


@pytest.mark.parametrize("name", ["d_rtrl", "ostl"])
def test_what_a_learner_is_called(name):
    (x, gain) = (leaf[0] for leaf in sequences(K, 1))
    learner = learner_of(Two, x, gain, rule=name)
    kind = type(learner).__name__
    title, inputs, groups, traces, _ = repr(learner).splitlines()
    assert title == f"<{kind} of Two"
    assert inputs.startswith(f"  inputs: (((2, {K})")
    assert groups == "  hidden groups: {h}"
    numbers = sum(
        leaf.size for leaf in jax.tree.leaves([e.value for e in learner.etraces.values()])
    )
    assert traces.startswith(f"  traces: w, r ({numbers} numbers, ")
    assert repr(type(learner)(Two())) == f"<{kind} of Two, not compiled>"


def test_what_a_state_looks_like():
    """Its dtype, its shape, its unit and its numbers."""
    V = brainscale.ETraceState(np.full((2, 3), -70.0, np.float32) * u.mV, name="V")
    numbers = "[[-70., -70., -70.], [-70., -70., -70.]]"
    assert f"value=float32[2,3] mV: {numbers}," in repr(V)
    tree = brainscale.ETraceTreeState({"a": np.zeros(2, np.int8), "b": np.ones(()) * u.nA})
    assert "'a': int8[2]: [0, 0]" in repr(tree)
    assert "'b': float32[] nA: 1." in repr(tree)
    long = repr(brainscale.ETraceState(np.zeros((30, 40), np.float32)))
    assert "value=float32[30,40]" in long
    assert "0.," not in long
