"""Training by `brainscale.fit`: what it computes, refuses and reports."""

from __future__ import annotations

import brainstate
import braintools
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import brainscale
from brainscale import errors
from odd_models import K, N, batched
from training_problem import BATCH, Leaky, T, batches, equal, fit, learner_of, step_of, values_of

pytestmark = pytest.mark.usefixtures("step_length")


def by_hand(learner, iterations, rate, every, reset):
    """Plain gradient descent, written out; every=1 by derivatives of steps, as LEARN-11 says."""
    brainstate.nn.init_all_states(learner.model, batch_size=BATCH)
    learner.compile_graph(jnp.asarray(batches(0)[0][0]))
    step, losses, params = step_of(learner), [], learner.param_states

    def loss(x, y):
        return step(x, y)[0]

    def gradient(xs, ys):
        if every == 1:
            grad = brainstate.transform.grad(loss, params, return_value=True)
            gradients, value = grad(xs[0], ys[0])
            return gradients, value[None]
        return learner.etrace_grad(xs, ys, loss, chunk=2, return_value=True)

    @brainstate.transform.jit
    def update(xs, ys):
        gradients, values = gradient(xs, ys)
        for path, param in params.items():
            param.value = jax.tree.map(lambda w, g: w - rate * g, param.value, gradients[path])
        return values

    for i in range(iterations):
        if reset and i:
            for state in (learner.model.h, learner.count, *learner.etraces.values()):
                state.value = jax.tree.map(jnp.zeros_like, state.value)
        xs, ys = map(jnp.asarray, batches(i))
        length = every or T
        losses_by_step = [
            update(xs[t : t + length], ys[t : t + length]) for t in range(0, T, length)
        ]
        losses.append(jnp.concatenate(losses_by_step).mean())
    return np.array(losses)


@pytest.mark.parametrize(
    ("every", "reset"), [(1, True), (2, False), (None, True)], ids=["online", "parts", "sequences"]
)
def test_it_is_the_loop_that_one_would_write(every, reset):
    """Two batches, and the same states, traces and parameters after them."""
    learner, plain = learner_of(), learner_of()
    history = fit(learner, every=every, reset=reset, chunk=1)
    losses = by_hand(plain, 2, 0.01, every, reset)
    if reset:  # Nobody reads what a batch leaves.
        plain.reset_traces()
    assert history["loss"] == pytest.approx(losses, rel=1e-5)
    got = (values_of(learner), [trace.value for trace in learner.etraces.values()])
    wanted = (values_of(plain), [trace.value for trace in plain.etraces.values()])
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        assert jnp.abs(a - b).max() <= 1e-5 * jnp.abs(b).max()
    assert learner.count.value == plain.count.value == (0 if reset else 2 * T)


def test_history_and_callback():
    """Means over all steps, though the last update is made of fewer."""
    learner, seen = learner_of(), []
    history = fit(
        learner, 2, optax.sgd(0.0), every=2, callback=lambda *arguments: seen.append(arguments)
    )
    assert set(history) == {"loss", "above"}
    assert [i for i, _ in seen] == [0, 1]
    for i, means in seen:
        xs, ys = map(jnp.asarray, batches(i))
        brainstate.nn.init_all_states(learner.model, batch_size=BATCH)
        outs = brainstate.transform.for_loop(learner.model, xs)
        wanted = {"loss": ((outs - ys) ** 2).sum(-1).mean(), "above": (outs > ys).mean()}
        for name, mean in wanted.items():
            assert history[name][i] == pytest.approx(float(mean), rel=1e-5)
            assert means[name] == history[name][i]


@pytest.mark.parametrize("kind", ["optax", "braintools"])
def test_optimizers_see_numbers_in_the_unit_of_the_parameter(kind):
    """Adam's first step is its learning rate, whatever the gradient."""
    learner = learner_of()
    before = learner.model.w.value
    fit(learner, 1, optax.adam(0.25) if kind == "optax" else braintools.optim.Adam(0.25))
    change = learner.model.w.value - before
    assert u.get_unit(learner.model.w.value) == u.nA
    assert np.abs(u.get_mantissa(change)) == pytest.approx(0.25, rel=1e-4)


def test_gradients_are_clipped_together():
    learner = learner_of()
    before = values_of(learner)
    fit(learner, 1, optax.sgd(1.0), clip=0.5)
    after = values_of(learner)
    changes = [
        jax.tree.leaves(after[name])[0] - jax.tree.leaves(before[name])[0] for name in before
    ]
    assert np.sqrt(sum((change**2).sum() for change in changes)) == pytest.approx(0.5, rel=1e-4)


def test_only_what_an_optimizer_knows_is_trained():
    learner = learner_of()
    before = values_of(learner)
    optimizer = braintools.optim.SGD(0.01)
    optimizer.register_trainable_weights({"weight": learner.model.w})
    fit(learner, 1, optimizer)
    assert equal(learner.model.readout.value, before["('readout',)"])
    assert not equal(learner.model.w.value, before["('w',)"])
    assert optimizer.step_count.value == 1


class Random(Leaky):
    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(brainstate.random.rand(batch_size, N) * u.nA)

    def update(self, x):
        return super().update(0 * x)


def test_states_begin_anew_as_the_model_says():
    """Anew at random each time, within one compiled function, and in the states there were."""
    learner, calls, traced = learner_of(Random), [], []
    brainstate.nn.init_all_states(learner.model, batch_size=BATCH)
    learner.compile_graph(jnp.zeros((BATCH, K)))
    state = learner.model.h

    def step(x, y):
        calls.append(x)
        return learner(x).sum()

    history = fit(
        learner, 3, optax.sgd(0.0), step=step, callback=lambda *_: traced.append(len(calls))
    )
    first, second, third = history["loss"]
    assert len({first, second, third}) == 3
    assert second != pytest.approx(0.9**T * first, rel=1e-3)  # What it is where states go on.
    assert learner.model.h is state
    assert len(set(traced)) == 1


class Hoards(Leaky):
    """A new state in a list that is there already."""

    def __init__(self):
        super().__init__()
        self.hoard = []

    def init_state(self, batch_size=None, **kwargs):
        super().init_state(batch_size)
        self.hoard[:] = [brainstate.ShortTermState(batched(batch_size, N))]


class Diverges(Leaky):
    def update(self, x):
        return super().update(x) / (x.max() < 100.0)


def test_what_diverges_is_undone(tmp_path):
    """The last checkpoint stays, and the learner is as it was before."""
    learner, before = learner_of(Diverges), {}

    def read_batches(iteration):
        xs, ys = batches(iteration)
        return xs + 1000.0 * (iteration == 3), ys

    def keep(i, _):
        before.update(values_of(learner))

    options = dict(batches=read_batches, checkpoint=tmp_path, save_every=2, callback=keep)
    with pytest.raises(
        errors.DivergedError, match=r"iteration 3, .* the last checkpoint is after 2"
    ):
        fit(learner, 9, **options)
    assert equal(values_of(learner), before)
    assert {path.name for path in tmp_path.iterdir()} == {"2"}


def test_a_parameter_that_diverges_is_undone():
    learner = learner_of()
    before = learner.model.w.value
    with pytest.raises(errors.DivergedError, match="iteration 0"):
        fit(learner, 1, optax.sgd(np.inf))
    assert equal(learner.model.w.value, before)


@pytest.mark.parametrize(
    ("error", "names", "options"),
    [
        (errors.ParameterError, "iterations", dict(iterations=0)),
        (errors.ParameterError, "every", dict(every=0)),
        (errors.ParameterError, "every", dict(every=1.5)),
        (errors.ParameterError, "chunk", dict(chunk=True)),
        (errors.ParameterError, "save_every", dict(save_every=0)),
        (errors.ParameterError, "keep", dict(keep=0)),
        (errors.ParameterError, "clip", dict(clip=0.0)),
        (errors.ParameterError, "clip", dict(clip=np.nan)),
        (errors.ValueTypeError, "optimizer", dict(optimizer=0.01)),
        (errors.ValueTypeError, "LBFGS", dict(optimizer=braintools.optim.LBFGS(0.01))),
        (errors.StructureError, "tuple", dict(batches=lambda i: batches(i)[0])),
        (errors.ShapeError, "axes", dict(batches=lambda i: (np.zeros(T),))),
        (errors.ShapeError, "leading axis", dict(batches=lambda i: (*batches(i), np.zeros(T + 1)))),
        (errors.InputError, "NaN", dict(batches=lambda i: (batches(i)[0] * np.nan, batches(i)[1]))),
        (errors.StructureError, "call the learner", dict(step=lambda x, y: x.sum())),
    ],
)
def test_refused(error, names, options):
    learner = learner_of()
    before = learner.model.w.value
    with pytest.raises(error, match=names):
        fit(learner, **options)
    assert learner.model.w.value is before


def test_refused_while_running():
    learner = learner_of()

    def growing(i):
        return tuple(np.concatenate([array] * (i + 1), 1) for array in batches(0))

    with pytest.raises(errors.ShapeError, match=r"batches\(1\)"):
        fit(learner, batches=growing, reset=False)
    with pytest.raises(errors.ShapeError, match=r"h has come to .* compile the learner"):
        fit(learner, batches=lambda i: growing(1))
    for metrics, error in (
        ({"loss": 0.0}, errors.StructureError),
        (0.0, errors.StructureError),
        ({"current": 1 * u.nA}, errors.ShapeError),
        ({"each": jnp.zeros(2)}, errors.ShapeError),
    ):
        with pytest.raises(error):
            fit(learner, step=lambda x, y, metrics=metrics: (learner(x).sum(), metrics))
    with pytest.raises(errors.StructureError, match="same states"):
        fit(learner_of(Hoards))
    with pytest.raises(errors.ValueTypeError, match="learner"):
        brainscale.fit(learner.model, step_of(learner), batches, 1, optax.sgd(0.01))
