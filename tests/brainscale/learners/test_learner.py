"""What a user does with a learner, and what it refuses (SPEC.md, chapter 10)."""

from __future__ import annotations

import brainpy.state
import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale import FakeETraceParam, MatMulOp, errors
from odd_models import Frozen, K, Model, N, batched, dense
from recurrent_layer import BATCH, Recurrent, T, close, gradients, learner_of, loss_of, sequences

pytestmark = pytest.mark.usefixtures("step_length")


def test_batch_by_vmap():
    """A learner of one member of the batch, mapped over the batch."""
    learner, whole = learner_of(batch=None), learner_of()
    states = [learner.model.h, learner.count, *learner.etraces.values()]
    for state in states:
        state.value = jax.tree.map(lambda v: jnp.broadcast_to(v, (BATCH, *v.shape)), state.value)
    results = brainstate.transform.vmap(
        lambda x, y: learner.etrace_grad(x, y, loss_of(learner), chunk=4),
        in_axes=1,
        in_states={0: states},
        out_states={0: states},
    )(*sequences())
    close(jax.tree.map(lambda g: g.sum(0), results), gradients(whole))


def test_traces_of_16_bits():
    learner = learner_of(trace_dtype=jnp.bfloat16)
    results = gradients(learner, chunk=2)
    (trace,) = jax.tree.leaves(learner.etraces["w"].value)
    assert trace.dtype == jnp.bfloat16
    close(results, gradients(learner_of(), chunk=2), 1e-2)


def test_results_that_are_asked_for():
    learner = learner_of()

    def step(x, y):
        out = learner(x)
        return ((out - y) ** 2).sum(), out

    gradients, losses, outs = learner.etrace_grad(
        *sequences(), step_fn=step, chunk=4, has_aux=True, return_value=True
    )
    assert losses.shape == (T,)
    assert outs.shape == (T, BATCH, N)
    close(losses, ((outs - sequences()[1]) ** 2).sum((1, 2)))
    assert set(gradients) == {("w",), ("r",)}


def test_an_index_from_outside_of_the_step():
    """Known to a compiled function's caller alone."""
    learner, (xs, _) = learner_of(), sequences()
    which = jnp.arange(BATCH) % 2

    @brainstate.transform.jit
    def run(xs, which):
        def loss(x):
            return jnp.take_along_axis(learner(x), which[:, None], -1).sum()

        return learner.etrace_grad(xs, loss, chunk=4)

    got = run(xs, which)
    learner.reset_state(BATCH)
    wanted = learner.etrace_grad(xs, lambda x: learner(x)[jnp.arange(BATCH), which].sum(), chunk=4)
    close(got, wanted)


def test_only_the_gradients_that_are_asked_for():
    """All traces go on, and what is asked for later is right."""
    learner, whole = learner_of(), learner_of()
    for asked in ("w", "r"):
        results = gradients(learner, grad_states={asked: getattr(learner.model, asked)})
        assert set(results) == {asked}
        close(results[asked], gradients(whole)[(asked,)])


def test_what_is_frozen_has_neither_trace_nor_gradient():
    learner = learner_of(Frozen)
    assert {path[0] for path in learner.param_states} == {"into", "back", "readout"}
    assert set(learner.etraces) == {"into", "back"}
    xs, _ = sequences()
    gradients = learner.etrace_grad(xs, lambda x: learner(x).sum(), chunk=4)
    assert {path[0] for path in gradients} == {"into", "back", "readout"}
    with pytest.raises(errors.StateNameError):
        learner.get_etrace_of("lateral")


class FrozenTwice(Recurrent):
    def __init__(self):
        super().__init__()
        self.fixed = FakeETraceParam(jnp.ones((N, N)), MatMulOp(), "fixed")

    def advanced(self, y):
        return y + self.fixed.execute(self.h.value) + self.fixed.execute(self.h.value)


class FrozenReadout(Recurrent):
    """A frozen operation that reaches no hidden state."""

    def __init__(self):
        super().__init__()
        self.fixed = FakeETraceParam(jnp.eye(N), MatMulOp())

    def update(self, x):
        return self.fixed.execute(super().update(x))


def test_a_frozen_readout_passes_signals():
    close(gradients(learner_of(FrozenReadout)), gradients(learner_of()))


def test_a_weight_in_the_loss():
    learner, plain = learner_of(), learner_of()

    def step(x, y):
        return loss_of(learner)(x, y) + 0.1 * (learner.model.w.value**2).sum()

    gradient = learner.etrace_grad(*sequences(), step, chunk=4)[("w",)]
    close(gradient, gradients(plain)[("w",)] + 0.2 * T * plain.model.w.value)


class Noisy(Recurrent):
    def advanced(self, y):
        return 0.9 * self.h.value + y * (brainstate.random.rand(*y.shape) > 0.5)


def test_random_numbers_are_the_same_whatever_the_chunk():
    results = []
    for chunk in (1, 4):
        brainstate.random.seed(1)
        results.append(gradients(learner_of(Noisy), chunk))
    close(*results)


class Substeps(Recurrent):
    def advanced(self, y):
        def substep(h, _):
            return h + 0.1 * (jnp.tanh(y) - h), None

        return jax.lax.scan(substep, self.h.value, None, length=4)[0]


def test_dynamics_may_loop():
    close(gradients(learner_of(Substeps), 1), gradients(learner_of(Substeps), T))


def test_continuing_is_one_run():
    whole, halves = learner_of(), learner_of()
    wanted = gradients(whole)
    xs, ys = sequences()
    results = [
        halves.etrace_grad(xs[i], ys[i], loss_of(halves), chunk=3)
        for i in (slice(None, 2), slice(2, None))
    ]
    close(jax.tree.map(jnp.add, *results), wanted)
    close(halves.etraces["w"].value, whole.etraces["w"].value)
    assert halves.count.value == T


def test_reset_is_a_new_start():
    learner = learner_of()
    wanted = gradients(learner)
    learner.reset_state(BATCH)
    assert learner.count.value == 0
    close(gradients(learner), wanted)


def test_inference_leaves_traces_alone():
    learner = learner_of()
    learner.model(sequences()[0][0])
    assert not jax.tree.leaves(learner.etraces["w"].value)[0].any()


def test_large_and_compiled():
    """Compiled reductions have been seen to be wrong at such sizes and not at small ones."""

    class Large(Model):
        def __init__(self):
            super().__init__()
            self.w, self.neurons = dense(0, 300, 200, u.mA, 6.0), brainpy.state.ALIF(200)

        def update(self, x):
            return self.neurons(self.w.execute(x))

    xs = jnp.asarray(np.random.default_rng(0).normal(size=(T, 16, 300)), jnp.float32)
    gradients = []
    for chunk in (1, T):
        model = Large()
        brainstate.nn.init_all_states(model, batch_size=16)
        learner = brainscale.D_RTRL(model)
        learner.compile_graph(xs[0])
        run = brainstate.transform.jit(
            lambda learner=learner, chunk=chunk: learner.etrace_grad(
                xs, lambda x: learner(x).sum(), chunk=chunk
            )
        )
        gradients.append(run())
    assert jnp.abs(jax.tree.leaves(gradients[0])[0]).max() > 0
    close(*gradients)


# The traces.


def test_traces_have_the_law_s_units():
    class Leaky(Model):
        def __init__(self):
            super().__init__()
            self.w, self.neurons = dense(0, K, N, u.mA), brainpy.state.ALIF(N)

        def update(self, x):
            return self.neurons(self.w.execute(x))

    learner = learner_of(Leaky)
    learner(sequences()[0][0])
    trace = learner.get_etrace_of(learner.model.w)
    assert set(trace) == {"neurons.V", "neurons.a"}
    assert u.get_unit(trace["neurons.V"]) == u.mV / u.mA
    assert u.get_unit(trace["neurons.a"]) == u.UNITLESS / u.mA
    assert trace["neurons.V"].shape == (BATCH, K, N)
    learner = learner_of(Leaky, brainscale.ES_D_RTRL, decay_or_rank=0.9)
    learner(sequences()[0][0])
    x, by_state = learner.get_etrace_of("w")
    assert x.shape == (BATCH, K)
    assert by_state["neurons.V"].shape == (BATCH, N)
    assert u.get_unit(by_state["neurons.V"]) == u.mV / u.mA


# Refusals.


class Lateral(Recurrent):
    def advanced(self, y):
        return 0.9 * self.h.value @ jnp.ones((N, N)) + y


class LateralSpikes(Recurrent):
    """Inhibition by spikes, whose derivative is zero where it is looked at."""

    def __init__(self):
        super().__init__()
        self.neurons = brainpy.state.LIF(N)

    def update(self, x):
        inhibition = self.neurons.get_spike().sum(-1, keepdims=True)
        return self.neurons(
            (self.w.execute(x) + self.r.execute(x[..., :1] * 0 + jnp.ones(N)) - inhibition) * u.mA
        )


class Twice(Recurrent):
    def advanced(self, y):
        return y + self.r.execute(self.h.value)


class InControlFlow(Recurrent):
    def advanced(self, y):
        return y

    def update(self, x):
        y = jax.lax.cond(x.sum() > 0, self.w.execute, lambda x: x @ jnp.ones((K, N)), x)
        self.h.value = y + self.r.execute(self.h.value)
        return self.h.value


class Unused(Recurrent):
    def update(self, x):
        self.h.value = 0.9 * self.h.value + self.w.execute(x)
        return self.h.value


class ToTheOutput(Recurrent):
    def update(self, x):
        self.h.value = 0.9 * self.h.value + self.w.execute(x)
        return self.r.execute(self.h.value)


class Filtered(Recurrent):
    def init_state(self, batch_size=None, **kwargs):
        super().init_state(batch_size)
        self.filter = brainstate.ShortTermState(batched(batch_size, N))

    def update(self, x):
        self.filter.value = 0.9 * self.filter.value + super().update(x)
        return self.filter.value


class ByValue(Recurrent):
    def advanced(self, y):
        return y + self.w.value.sum(0)


@pytest.mark.parametrize(
    ("kind", "error", "names"),
    [
        (Lateral, errors.LateralPathError, "h"),
        (LateralSpikes, errors.LateralPathError, "neurons.V"),
        (Twice, errors.ParameterUseError, "r"),
        (FrozenTwice, errors.ParameterUseError, "fixed"),
        (InControlFlow, errors.ParameterUseError, "w"),
        (ByValue, errors.ParameterUseError, "w"),
        (Unused, errors.UnreachedError, "r"),
        (ToTheOutput, errors.UnreachedError, "r"),
        (Filtered, errors.HiddenPathError, "filter"),
    ],
    ids=lambda x: getattr(x, "__name__", x),
)
def test_refused(kind, error, names):
    with pytest.raises(error, match=rf"\b{names}\b"):
        learner_of(kind)


def test_misuse():
    learner, (xs, ys) = learner_of(), sequences()
    before = jax.tree.map(np.asarray, learner.etraces["w"].value)
    for error, call in (
        (errors.ShapeError, lambda: learner(xs[0, :2])),
        (errors.InputError, lambda: learner(xs[0].at[0, 0].set(jnp.nan))),
        (errors.InputError, lambda: learner.etrace_grad(xs * jnp.inf, ys, loss_of(learner))),
        (errors.ShapeError, lambda: learner.etrace_grad(xs, ys[1:], loss_of(learner))),
        (errors.ShapeError, lambda: learner.etrace_grad(xs, ys, lambda x, y: learner(x))),
        (errors.ParameterError, lambda: gradients(learner, 0)),
        (errors.ParameterError, lambda: gradients(learner, True)),
        (errors.StructureError, lambda: learner.etrace_grad(xs, lambda x: x.sum())),
        (
            errors.ParameterUseError,
            lambda: learner.etrace_grad(xs, lambda x: (learner(x) + learner(x)).sum()),
        ),
        (errors.StateNameError, lambda: learner.get_etrace_of("h")),
        (errors.NotCompiledError, lambda: brainscale.D_RTRL(learner.model)(xs[0])),
        (errors.ValueTypeError, lambda: brainscale.D_RTRL(lambda x: x)),
        (errors.ParameterError, lambda: brainscale.ES_D_RTRL(learner.model, 1.5)),
    ):
        with pytest.raises(error):
            call()
    assert (jax.tree.leaves(before)[0] == jax.tree.leaves(learner.etraces["w"].value)[0]).all()
