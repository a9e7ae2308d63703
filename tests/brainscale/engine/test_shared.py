"""Operations whose y has fewer elements than there are neurons: learned exactly, or refused.

A model sees y as it is without a learner; what an element of it enters says `reach.py`. The
gradient is that of plain reverse mode through the whole run, as these models have one layer.
"""

from __future__ import annotations

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale import ElemWiseParam, ETraceParam, errors
from compared import double_precision
from es_truth import es_truth
from odd_models import K, Model, array, batched, dense
from truth import difference, learned, run, stepwise, through_time

pytestmark = pytest.mark.usefixtures("compiled_fast")

T = 6


class Shared(Model):
    """Neurons of two variables, given shared numbers: each `use` makes one of them of y.

    Parameters
    ----------
    batch, shape
        Of the neurons.
    uses : list of (shape of y, function from y to what broadcasts to the neurons)
    clocked : bool
        Whether there is an operation of an input that has no batch.
    """

    def __init__(self, batch, shape, uses, clocked=False):
        super().__init__()
        self.batch, self.shape, self.uses = batch, shape, [use for _, use in uses]
        self.shared = [
            ElemWiseParam(array(k, *y, scale=0.5) if y else 0.3 * jnp.ones(()))
            for k, (y, _) in enumerate(uses)
        ]
        self.seen_shapes = []
        self.into = dense(20, K, shape[-1])
        self.clock = dense(21, 2, shape[-1]) if clocked else None

    def init_state(self, batch_size=None, **kwargs):
        self.v = brainstate.HiddenState(batched(batch_size, *self.shape))
        self.a = brainstate.HiddenState(batched(batch_size, *self.shape))
        self.time = brainstate.ShortTermState(jnp.zeros(()))

    def update(self, x):
        ys = [param.execute() for param in self.shared]
        self.seen_shapes.append([y.shape for y in ys])
        leak, gain, *more = [use(y) for use, y in zip(self.uses, ys, strict=True)]
        y = self.into.execute(x)
        if self.clock is not None:
            y = y + self.clock.execute(jnp.stack([jnp.sin(self.time.value), 1.0]))
        self.time.value = self.time.value + 1
        before = self.v.value
        self.v.value = jax.nn.sigmoid(leak) * before - 0.2 * self.a.value + y + sum(more, 0.0)
        self.a.value = 0.7 * self.a.value + gain * jnp.tanh(before)
        return jnp.sin(self.v.value + self.a.value)


def reversed_first(y):
    """It means another thing where there is an axis of the batch."""
    return y[::-1]


def random_uses(rng, shape, batch):
    """Numbers whose y lacks axes of the neurons, has them at length one, or enters in parts."""
    whole = shape if batch is None else (batch, *shape)

    def use():
        kept = whole[rng.integers(len(whole) + 1) :]
        kept = tuple(1 if rng.random() < 0.4 else n for n in kept)
        way = rng.integers(5) if kept else 0
        if way == 1:
            return kept, reversed_first
        if way == 2:
            n = kept[-1]
            return (*kept[:-1], 2 * n), lambda y: y[..., :n] * y[..., n:]
        if way == 3:
            places = rng.integers(3, size=shape[-1])
            return (3,), lambda y: y[places]
        if way == 4 and shape[-1] % 2 == 0:
            return (2,), lambda y: jnp.tile(y, shape[-1] // 2)
        return kept, lambda y: y

    return [use() for _ in range(4)]


def sequences(batch, shape):
    rng = np.random.default_rng(5)
    lead = () if batch is None else (batch,)
    return jnp.asarray(rng.normal(size=(T, *lead, *shape[:-1], K))), jnp.asarray(
        rng.normal(size=(T, *lead, *shape))
    )


def squared(out, y, model):
    return ((out - y) ** 2).sum()


@pytest.mark.parametrize("seed", range(8))
def test_random_shapes(seed):
    """D-RTRL, in chunks and a step at a time: gradients, and what the model does."""
    rng = np.random.default_rng(seed)
    batch = (None, 2)[seed % 2]
    shape = tuple(int(n) for n in rng.integers(1, 5, size=rng.integers(1, 4)))
    with double_precision():
        model = Shared(batch, shape, random_uses(rng, shape, batch), clocked=True)
        xs, ys = sequences(batch, shape)
        wanted, outs = through_time(model, xs, ys, batch, squared)
        learner = brainscale.D_RTRL(model)
        case = xs, ys, squared, batch
        assert difference(learned(learner, *case, 4), wanted) < 1e-10
        assert difference(stepwise(learner, *case), wanted) < 1e-10
        learner.reset_state(batch)
        np.testing.assert_allclose(
            brainstate.transform.jit(lambda: run(learner, xs))(), outs, atol=1e-13
        )
    assert len({str(shapes) for shapes in model.seen_shapes}) == 1


BATCH, SHAPE = 2, (2, 4)
EVERY_KIND = [
    ((), lambda y: y),
    ((2, 1), reversed_first),
    ((1,), lambda y: y),
    ((8,), lambda y: y[:4] * y[4:]),
    ((2,), lambda y: jnp.repeat(y, 2)),
    ((BATCH, 1, 4), lambda y: y),
]


def every_kind():
    """Operations that lack axes of each kind."""
    return Shared(BATCH, SHAPE, EVERY_KIND, clocked=True)


def test_es_d_rtrl_is_the_law_s():
    """An element has a vector of all hidden variables for its eps_f."""
    with double_precision():
        case = *sequences(BATCH, SHAPE), squared, BATCH
        wanted = es_truth(every_kind(), {}, *case, 0.8)
        learner = brainscale.ES_D_RTRL(every_kind(), 0.8)
        assert difference(learned(learner, *case, 4), wanted) < 1e-10
        assert difference(stepwise(learner, *case), wanted) < 1e-10


def test_hybrid_is_of_both():
    with double_precision():
        case = *sequences(BATCH, SHAPE), squared, BATCH
        model = every_kind()
        wanted, _ = through_time(model, *case[:2], BATCH, squared)
        es = es_truth(every_kind(), {}, *case, 0.8)
        names = [".".join(map(str, path)) for path in es]
        rules = {name: ("D-RTRL", "ES-D-RTRL")[k % 2] for k, name in enumerate(names)}
        learner = brainscale.HybridDimVjpAlgorithm(model, 0.8, rules)
        wanted = {path: (wanted, es)[k % 2][path] for k, path in enumerate(es)}
        assert difference(learned(learner, *case, 4), wanted) < 1e-10


def test_symmetric_e_prop_is_exact():
    with double_precision():
        case = *sequences(BATCH, SHAPE), squared, BATCH
        wanted, _ = through_time(every_kind(), *case[:2], BATCH, squared)
        assert difference(learned(brainscale.EProp(every_kind()), *case, 4), wanted) < 1e-10


def test_three_factors_are_exact():
    """Reverse mode through filtered emissions, which meet the reward."""
    with double_precision():
        xs, _ = sequences(BATCH, SHAPE)
        rewards = jnp.asarray(np.random.default_rng(8).normal(size=(T, BATCH)))
        later = jnp.stack([sum(0.7 ** (t - s) * rewards[t] for t in range(s, T)) for s in range(T)])

        def reward_loss(outs, later, model):
            return -(later[:, :, None, None] * outs).sum()

        wanted, _ = through_time(every_kind(), xs, later, BATCH, reward_loss)
        learner = brainscale.ThreeFactor(every_kind(), 0.7)
        brainstate.nn.init_all_states(learner.model, batch_size=BATCH)
        learner.compile_graph(xs[0])
        got = brainstate.transform.jit(lambda: learner.reward_grad(xs, rewards, chunk=4))()
        assert difference(got, wanted) < 1e-10


def test_batch_by_vmap():
    """A learner of one member of the batch, mapped over the batch."""
    with double_precision():
        xs, ys = sequences(BATCH, SHAPE)
        wanted, _ = through_time(Shared(BATCH, SHAPE, EVERY_KIND[:5]), xs, ys, BATCH, squared)
        learner = brainscale.D_RTRL(Shared(None, SHAPE, EVERY_KIND[:5]))
        brainstate.nn.init_all_states(learner.model)
        learner.compile_graph(xs[0, 0])
        states = learner.model.states(brainstate.ShortTermState).values()
        states = [*states, learner.count, *learner.etraces.values()]
        for state in states:
            state.value = jax.tree.map(lambda v: jnp.stack([v] * BATCH), state.value)

        def learn(x, y):
            return learner.etrace_grad(x, y, lambda x, y: squared(learner(x), y, None), chunk=4)

        mapped = brainstate.transform.vmap(
            learn, in_axes=1, in_states={0: states}, out_states={0: states}
        )
        got = brainstate.transform.jit(mapped)(xs, ys)
        assert difference(jax.tree.map(lambda g: g.sum(0), got), wanted) < 1e-10


def test_traces_have_an_entry_for_each_neuron():
    """The copies' axes stand before the weight's; units are those of any trace."""
    learner = brainscale.D_RTRL(every_kind())
    brainstate.nn.init_all_states(learner.model, batch_size=BATCH)
    learner.compile_graph(sequences(BATCH, SHAPE)[0][0])
    traces = [learner.get_etrace_of(param)["a"] for param in learner.model.shared]
    assert [u.math.shape(trace) for trace in traces] == [
        (2, 2, 4),
        (2, 4, 2, 1),
        (2, 2, 4, 1),
        (2, 2, 8),
        (2, 2, 2, 2),
        (2, 2, 1, 4),
    ]


class Between(Model):
    """What an operation puts out, or several, goes through a function into leaky neurons."""

    def __init__(self, function):
        super().__init__()
        self.w, self.bias, self.function = dense(0, K, 4), ElemWiseParam(array(1, 4)), function

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(batched(batch_size, 4))

    def update(self, x):
        self.h.value = 0.8 * self.h.value + self.function(self.w.execute(x) + self.bias.execute())
        return self.h.value


def layer_norm(y):
    y = y - y.mean(-1, keepdims=True)
    return y / jnp.sqrt((y**2).mean(-1, keepdims=True) + 1e-3)


def layer_norm_with_stopped_statistics(y):
    mean = jax.lax.stop_gradient(y.mean(-1, keepdims=True))
    deviation = jax.lax.stop_gradient(y.std(-1, keepdims=True))
    return (y - mean) / deviation


@pytest.mark.parametrize("batch", [None, BATCH])
@pytest.mark.parametrize(
    "function",
    [
        layer_norm,
        lambda y: jax.nn.softmax(y, -1),
        lambda y: y - y.mean(-1, keepdims=True),
        lambda y: y @ (np.eye(4) + np.eye(4, k=1)),
        lambda y: y + jnp.roll(y, 1, -1),
        lambda y: jnp.cumsum(y, -1),
    ],
    ids=["layer-norm", "softmax", "less-its-mean", "matrix", "neighbours", "cumsum"],
)
def test_mixed_is_refused(function, batch):
    learner = brainscale.D_RTRL(Between(function))
    brainstate.nn.init_all_states(learner.model, batch_size=batch)
    with pytest.raises(
        errors.LateralPathError, match=r"\bw puts out.*\bh\b.*stop_gradient.*FakeETraceParam.*RTRL"
    ):
        learner.compile_graph(jnp.zeros(K) if batch is None else jnp.zeros((batch, K)))


DIAGONAL = np.diag([1.0, -2.0, 0.5, 3.0])


@pytest.mark.parametrize(
    "function",
    [
        layer_norm_with_stopped_statistics,
        lambda y: y @ DIAGONAL,
        lambda y: y @ jnp.diag(jnp.arange(4.0)) + 1,
    ],
    ids=["stopped", "diagonal", "diagonal-in-the-step"],
)
def test_what_is_no_mixture_is_learned(function):
    with double_precision():
        xs, ys = sequences(BATCH, (4,))
        wanted, _ = through_time(Between(function), xs, ys, BATCH, squared)
        got = learned(brainscale.D_RTRL(Between(function)), xs, ys, squared, BATCH, 4)
        assert difference(got, wanted) < 1e-10


class ByMatrix(Between):
    """A plain matrix, of which nothing is known before a run, between operation and neurons."""

    def __init__(self):
        super().__init__(lambda y: y @ self.matrix.value)
        self.matrix = brainstate.ParamState(jnp.asarray(DIAGONAL))


def test_a_matrix_that_only_a_run_knows():
    """It might be any; what the error says then helps one who knows better."""
    words = r"If it does not.*matrix that only a run knows.*constants"
    with double_precision():
        learner = brainscale.D_RTRL(ByMatrix())
        brainstate.nn.init_all_states(learner.model, batch_size=BATCH)
        with pytest.raises(errors.LateralPathError, match=words):
            learner.compile_graph(jnp.zeros((BATCH, K)))


class Channels(Model):
    """Images of neurons with a bias of channels and a kernel, in units."""

    def __init__(self):
        super().__init__()
        self.kernel = ETraceParam(array(0, 3, 1, 2, scale=2.0) * u.mA, brainscale.ConvOp())
        self.bias = ElemWiseParam(array(1, 2) * u.mA)
        self.leak = ElemWiseParam(jnp.zeros(()), lambda w: jnp.exp(w) * u.ms)

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(batched(batch_size, 4, 2) * u.mA)

    def update(self, x):
        image = self.kernel.execute(x[..., None])
        kept = u.math.exp(-1 * u.ms / self.leak.execute())
        self.h.value = kept * self.h.value + image + self.bias.execute()
        return u.get_mantissa(self.h.value)


@pytest.mark.parametrize("batch", [None, BATCH])
def test_channels(batch):
    with double_precision():
        xs, ys = sequences(batch, (4, 2))[1][..., 0], sequences(batch, (4, 2))[1]
        wanted, _ = through_time(Channels(), xs, ys, batch, squared)
        learner = brainscale.D_RTRL(Channels())
        assert difference(learned(learner, xs, ys, squared, batch, 4), wanted) < 1e-10
        trace = learner.get_etrace_of("bias")["h"]
        assert trace.shape == ((4, 2) if batch is None else (batch, 4, 2))
