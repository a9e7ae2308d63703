"""Complex states, weights and inputs learn as the pairs of real ones that they are."""

from __future__ import annotations

import brainstate
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale import ElemWiseParam, ETraceParam, MatMulOp, errors
from compared import double_precision
from odd_models import K, M, Model, N, array, batched
from truth import difference, learned, stepwise, through_time

pytestmark = pytest.mark.usefixtures("compiled_fast")

T, BATCH = 6, 2


def complex_array(seed, *shape):
    return array(seed, *shape) + 1j * array(seed + 100, *shape)


def sequences(complex_inputs=False):
    rng = np.random.default_rng(5)
    xs, ys = (rng.normal(size=(T, BATCH, n)) for n in (K, M))
    return jnp.asarray(xs + 1j * xs[::-1] if complex_inputs else xs), jnp.asarray(ys)


def squared(out, y, model):
    return (jnp.abs(out - y) ** 2).sum()


class LinearUnit(Model):
    """A linear recurrent unit with a complex state, weights and eigenvalues."""

    def __init__(self):
        super().__init__()
        self.rate = ElemWiseParam(array(0, N) - 1 + 1j * array(1, N))
        self.into = ETraceParam(complex_array(2, K, N), MatMulOp())
        self.readout = brainstate.ParamState(complex_array(3, N, M))

    def init_state(self, batch_size=None, **kwargs):
        self.s = brainstate.HiddenState(batched(batch_size, N).astype(complex))

    def update(self, x):
        self.s.value = jnp.exp(self.rate.execute()) * self.s.value + self.into.execute(x)
        return (self.s.value @ self.readout.value).real


class Pair(Model):
    """The same of real states and weights."""

    def __init__(self):
        super().__init__()
        self.decay, self.turn = ElemWiseParam(array(0, N) - 1), ElemWiseParam(array(1, N))
        self.re, self.im = (ETraceParam(array(k, K, N), MatMulOp()) for k in (2, 102))
        self.readout = [brainstate.ParamState(array(k, N, M)) for k in (3, 103)]

    def init_state(self, batch_size=None, **kwargs):
        self.a = brainstate.HiddenState(batched(batch_size, N))
        self.b = brainstate.HiddenState(batched(batch_size, N))

    def update(self, x):
        radius, angle = jnp.exp(self.decay.execute()), self.turn.execute()
        cos, sin, a, b = (
            radius * jnp.cos(angle),
            radius * jnp.sin(angle),
            self.a.value,
            self.b.value,
        )
        self.a.value = cos * a - sin * b + self.re.execute(x)
        self.b.value = sin * a + cos * b + self.im.execute(x)
        return self.a.value @ self.readout[0].value - self.b.value @ self.readout[1].value


def of_pair(gradients):
    """JAX's derivative by x + iy is that by x less i that by y."""
    decay, turn, re, im, *readout = (
        gradients[key]
        for key in (("decay",), ("turn",), ("re",), ("im",), ("readout", 0), ("readout", 1))
    )
    return {
        ("rate",): decay - 1j * turn,
        ("into",): re - 1j * im,
        ("readout",): readout[0] - 1j * readout[1],
    }


RULES = {
    "D-RTRL": brainscale.D_RTRL,
    "ES-D-RTRL": lambda model: brainscale.ES_D_RTRL(model, 0.8),
    "hybrid": lambda model: brainscale.HybridDimVjpAlgorithm(model, 0.8),
    "e-prop": brainscale.EProp,
    "RTRL": brainscale.RTRL,
    "OSTL": brainscale.OSTL,
}


@pytest.mark.parametrize("rule", RULES.values(), ids=[*RULES])
def test_a_complex_state_is_two_real_ones(rule):
    with double_precision():
        case = *sequences(), squared, BATCH
        wanted = of_pair(learned(rule(Pair()), *case, 4))
        assert difference(learned(rule(LinearUnit()), *case, 4), wanted) < 1e-10
        assert difference(stepwise(rule(LinearUnit()), *case), wanted) < 1e-10


@pytest.mark.parametrize("kind", [LinearUnit, Pair])
def test_a_linear_recurrent_unit_is_exact(kind):
    with double_precision():
        xs, ys = sequences()
        wanted, _ = through_time(kind(), xs, ys, BATCH, squared)
        got = learned(brainscale.D_RTRL(kind()), xs, ys, squared, BATCH, 4)
        assert difference(got, wanted) < 1e-10


class Mixed(LinearUnit):
    """Complex and real states of a neuron, functions that are not holomorphic, a shared number."""

    def __init__(self):
        super().__init__()
        self.shared = ElemWiseParam(jnp.asarray(0.4 + 0.3j))
        self.real = ETraceParam(array(4, K, N), MatMulOp())

    def init_state(self, batch_size=None, **kwargs):
        super().init_state(batch_size)
        self.h = brainstate.HiddenState(batched(batch_size, N))

    def update(self, x):
        s, h, shared = self.s.value, self.h.value, self.shared.execute()
        y = self.into.execute(x) + self.real.execute(x)
        self.s.value = 0.5 * jnp.exp(1j * h) * s.conj() + shared * jnp.abs(y) + y
        self.h.value = jnp.abs(shared) * h + jnp.tanh(s.imag) * self.rate.execute().imag
        return self.s.value @ self.readout.value + self.h.value[:, :M]


@pytest.mark.parametrize("rule", ["D-RTRL", "e-prop", "RTRL"])
def test_what_is_not_holomorphic_is_exact(rule):
    with double_precision():
        xs, ys = sequences(complex_inputs=True)
        wanted, _ = through_time(Mixed(), xs, ys, BATCH, squared)
        learner = RULES[rule](Mixed())
        got = learned(learner, xs, ys, squared, BATCH, 4)
        assert difference(stepwise(learner, xs, ys, squared, BATCH), got) < 1e-10
        assert difference(got, wanted) < 1e-10


def test_traces_of_complex_states_have_both_parts():
    for rule in (brainscale.D_RTRL, brainscale.RTRL):
        learner = rule(Mixed())
        brainstate.nn.init_all_states(learner.model, batch_size=BATCH)
        learner.compile_graph(sequences()[0][0])
        trace = learner.get_etrace_of("into")
        assert jax.tree.leaves(trace["h"])[0].shape == (
            (BATCH, K, N) if rule is brainscale.D_RTRL else (K, N, BATCH, N)
        )
        assert jax.tree.leaves(trace["s"])[0].shape == (*jax.tree.leaves(trace["h"])[0].shape, 2)


def test_derivatives_by_complex_arguments():
    with double_precision():
        (xs, ys), model = sequences(complex_inputs=True), Mixed()
        brainstate.nn.init_all_states(model, batch_size=BATCH)
        learner = brainscale.D_RTRL(model)
        learner.compile_graph(xs[0])

        def loss(step):
            gradient = brainstate.transform.grad(lambda x: squared(step(x), ys[0], None), argnums=0)
            return brainstate.transform.jit(gradient)

        states = list(model.states(brainstate.ShortTermState).values())
        first = [state.value for state in states]
        wanted = loss(model)(xs[0])
        for state, value in zip(states, first, strict=True):
            state.value = value
        np.testing.assert_allclose(loss(learner)(xs[0]), wanted, atol=1e-12)


def sparse(seed):
    rows, columns = np.nonzero(np.random.default_rng(seed).random((K, N)) < 0.5)
    return brainscale.SpMatMulOp((rows, columns, (K, N))), complex_array(seed, len(rows))


OPERATIONS = {
    "dense": lambda: (
        MatMulOp(weight_mask=np.arange(K * N).reshape(K, N) % 3 > 0, weight_fn=jnp.tanh),
        {"weight": complex_array(1, K, N), "bias": complex_array(2, N)},
    ),
    "real": lambda: (MatMulOp(), array(1, K, N)),
    "grouped": lambda: (
        brainscale.GroupedMatMulOp(weight_fn=jnp.tanh),
        {"weight": complex_array(9, K, 1, 2), "bias": complex_array(2, 2 * K)},
    ),
    "sparse": lambda: sparse(3),
    "low-rank": lambda: (
        brainscale.LoraOp(),
        {"B": complex_array(4, K, 2), "A": complex_array(5, 2, N)},
    ),
    "convolution": lambda: (
        brainscale.ConvOp(),
        {"weight": complex_array(6, 3, 1, 2), "bias": complex_array(7, 2)},
    ),
    "real-convolution": lambda: (brainscale.ConvOp(), array(6, 3, 1, 2)),
    "embedding": lambda: (brainscale.EmbeddingOp(), complex_array(8, 3, N)),
}


class OfOperation(Model):
    """An operation of complex inputs before a complex state."""

    def __init__(self, op, weight):
        super().__init__()
        self.w = ETraceParam(weight, op)

    def made(self, x):
        if isinstance(self.w.op, brainscale.ConvOp):
            return self.w.execute(x[..., None])
        if isinstance(self.w.op, brainscale.EmbeddingOp):
            return self.w.execute((x.real[..., 0] > 0).astype(int))
        return self.w.execute(x)

    def init_state(self, batch_size=None, **kwargs):
        y = jax.eval_shape(self.made, jnp.zeros((batch_size, K), complex))
        self.s = brainstate.HiddenState(jnp.zeros(y.shape, complex))

    def update(self, x):
        self.s.value = 0.8j * self.s.value / (1 + jnp.abs(self.s.value)) + self.made(x)
        return self.s.value.reshape(len(x), -1)[:, :M]


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_of_complex_numbers(name):
    with double_precision():
        xs, ys = sequences(complex_inputs=True)
        make = lambda: OfOperation(*OPERATIONS[name]())  # noqa: E731
        wanted, _ = through_time(make(), xs, ys, BATCH, squared)
        assert (
            difference(learned(RULES["D-RTRL"](make()), xs, ys, squared, BATCH, 4), wanted) < 1e-10
        )
        # A step's gradient is the true one by ES-D-RTRL, too.
        wanted, _ = through_time(make(), xs[:1], ys[:1], BATCH, squared)
        got = learned(RULES["ES-D-RTRL"](make()), xs[:1], ys[:1], squared, BATCH, 4)
        assert difference(got, wanted) < 1e-10


TRACED = {
    "D-RTRL": brainscale.D_RTRL,
    "ES-D-RTRL": lambda model, **options: brainscale.ES_D_RTRL(model, 0.5, **options),
    "hybrid": lambda model, **options: brainscale.HybridDimVjpAlgorithm(model, 0.5, **options),
}


@pytest.mark.parametrize("rule", TRACED)
def test_complex_traces_have_no_parts_of_16_bits(rule):
    learner = TRACED[rule](LinearUnit(), trace_dtype=jnp.bfloat16)
    brainstate.nn.init_all_states(learner.model, batch_size=BATCH)
    with pytest.raises(errors.DtypeError, match=r"(into|rate) is complex.*bfloat16"):
        learner.compile_graph(sequences()[0][0])


@pytest.mark.parametrize("rule", TRACED)
@pytest.mark.parametrize("dtype", [None, jnp.float32, jnp.float64])
def test_parts_of_complex_traces_have_the_dtype_asked_for(rule, dtype):
    with double_precision():
        learner = TRACED[rule](LinearUnit(), trace_dtype=dtype)
        (xs, ys), bits = sequences(), 64 if dtype is None else jnp.finfo(dtype).bits
        gradients = learned(learner, xs, ys, squared, BATCH, 2)
        wanted = learned(TRACED[rule](LinearUnit()), xs, ys, squared, BATCH, 2)
        kept = {
            leaf.dtype.name
            for trace in learner.etraces.values()
            for leaf in jax.tree.leaves(trace.value)
        }
        assert f"complex{2 * bits}" in kept
        assert kept <= {f"complex{2 * bits}", f"float{bits}"}
        assert difference(gradients, wanted) < (1e-5 if bits == 32 else 1e-12)


def test_complex_emissions_and_losses_are_refused():
    xs, ys = sequences()
    learner = brainscale.ThreeFactor(LinearUnit(), 0.5, lambda model, out: model.s.value)
    brainstate.nn.init_all_states(learner.model, batch_size=BATCH)
    with pytest.raises(errors.DtypeError, match="emission"):
        learner.compile_graph(xs[0])
    learner = brainscale.D_RTRL(LinearUnit())
    brainstate.nn.init_all_states(learner.model, batch_size=BATCH)
    learner.compile_graph(xs[0])
    with pytest.raises(errors.ShapeError, match="complex"):
        learner.etrace_grad(xs, ys, lambda x, y: (learner(x) + 1j * y).sum())
