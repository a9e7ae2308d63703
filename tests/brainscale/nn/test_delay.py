"""`nn.Delay`: what it puts out, and what is learned through it beside plain `jax.grad`."""

from __future__ import annotations

import brainstate
import braintools
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale import ElemWiseParam, ETraceParam, FakeETraceParam, NonTempParam, errors
from brainscale.nn import Delay, GroupedLinear
from through_time import (
    XS,
    B,
    K,
    Leaky,
    N,
    T,
    assert_same,
    compiled,
    gradient_by_chunks,
    gradient_by_steps,
    gradient_through_time,
    weight,
)

pytestmark = pytest.mark.usefixtures("compiled_fast", "double_precision", "step_length")

EACH = np.array([0, 1, 3, 2])
BETWEEN = np.array([0.25, 1.5, 2.0, 3.0])
CONNECTIONS = np.array([[0, 1, 3], [2, 2, 1]])


def run(delay, xs, batch=B):
    brainstate.nn.init_all_states(delay, batch_size=batch)
    return brainstate.transform.for_loop(delay, xs)


def by_hand(xs, delays, before=0.0):
    """x(t − d), interpolated, of each neuron."""
    wanted = np.full(xs.shape, before)
    for n, d in enumerate(np.broadcast_to(delays, xs.shape[-1:])):
        i, f = int(d), d - int(d)
        past = [np.concatenate([np.full((j, B), before), xs[: T - j, :, n]]) for j in (i, i + 1)]
        wanted[..., n] = (1 - f) * past[0][:T] + f * past[1][:T]
    return wanted


@pytest.mark.parametrize(
    "delays", [0, 2, T + 2, 1.5, np.array([0, 1, 3]), np.array([0.75, 2, 3.25])]
)
def test_what_it_puts_out(delays):
    np.testing.assert_allclose(run(Delay(K, delays), XS), by_hand(XS, delays), rtol=1e-14)


def test_each_connection_has_its_own_delay():
    got = np.array(run(Delay(K, CONNECTIONS), XS)).reshape(T, B, 2, K)
    for m in range(2):
        np.testing.assert_allclose(got[:, :, m], by_hand(XS, CONNECTIONS[m]), rtol=1e-14)


@pytest.mark.parametrize("dt", [0.1, 0.3, 1.0])
def test_times(dt):
    """In steps of `brainstate.environ`, of voltages in any scale; at first the resting one."""
    with brainstate.environ.context(dt=dt * u.ms):
        delay = Delay(K, 0.003 * u.second, state_init=braintools.init.Constant(-70 * u.mV))
        got = run(delay, XS * u.volt)
        assert delay.buffer.value.shape == (B, K, round(3 / dt))
    wanted = by_hand(1000 * XS, round(3 / dt), -70.0)
    np.testing.assert_allclose(u.get_mantissa(got), wanted, rtol=1e-12)
    assert u.get_unit(got) == u.mV
    assert u.get_unit(delay.delay.value) == u.second
    another = brainstate.environ.context(dt=0.7 * u.ms)
    with another, pytest.raises(errors.ParameterError, match="another dt"):
        delay(XS[0] * u.volt)


def test_long_times_are_whole_steps(single_precision):
    """In 32 bits 18.88 ms over 0.01 ms are less than 1888."""
    brainstate.environ.set(precision=32)
    with brainstate.environ.context(dt=0.01 * u.ms):
        delay = Delay(1, 18.88 * u.ms)
        brainstate.nn.init_all_states(delay)
        got = brainstate.transform.for_loop(delay, jnp.eye(1890, 1))
    np.testing.assert_array_equal(np.flatnonzero(got), [1888])
    assert got[1888, 0] == 1


@pytest.mark.parametrize("shape", [(2, 1), (1, 1), (1, K), (2, K)])
def test_delays_that_are_broadcast_to_connections(shape):
    delays = np.arange(np.prod(shape)).reshape(shape)
    delay = Delay(K, delays)
    got = np.array(run(delay, XS))
    assert delay.out_size == got.shape[2:] == (shape[0] * K,)
    for m, row in enumerate(delays):
        np.testing.assert_allclose(got[..., m * K : (m + 1) * K], by_hand(XS, row), rtol=1e-14)


def test_neurons_of_several_axes():
    delay = Delay((K, 2), CONNECTIONS.T)
    got = np.array(run(delay, np.stack([XS, 2 * XS], -1)))
    assert delay.out_size == (K, 2)
    for m, scale in enumerate([1, 2]):
        np.testing.assert_allclose(got[..., m], by_hand(scale * XS, CONNECTIONS[m]), rtol=1e-14)


def test_a_delay_begins_anew():
    delay = Delay(K, EACH[:K], state_init=np.arange(3.0))
    first = run(delay, XS)
    brainstate.nn.reset_all_states(delay, batch_size=B)
    np.testing.assert_array_equal([delay(x) for x in XS], first)
    with pytest.raises(errors.ShapeError, match="buffer"):
        brainstate.nn.reset_all_states(delay, batch_size=B + 1)


class Read(Leaky):
    """A readout of what neurons put out some steps before."""

    delays = EACH
    kind, longest = FakeETraceParam, None

    def __init__(self):
        super().__init__()
        self.delay = Delay(N, self.delays, self.longest, param_type=self.kind)

    def late(self, x):
        return self.delay(x)

    def update(self, x):
        self.advance(x)
        return self.late(self.h.value) @ self.r.value


class ReadLearned(Read):
    """At learned delays, which are plain."""

    delays = BETWEEN
    kind, longest = NonTempParam, 4


class Entering(Read):
    """What neurons put out enters others, each one other, some steps later."""

    def init_state(self, batch_size=None, **kwargs):
        super().init_state(batch_size)
        self.g = brainstate.HiddenState(jnp.zeros((batch_size, N)))

    def update(self, x):
        self.advance(x)
        self.g.value = jnp.tanh(0.7 * self.g.value + self.late(self.h.value))
        return self.g.value @ self.r.value


class EnteringLearned(Entering):
    delays = BETWEEN
    kind, longest = ETraceParam, 4


class Spiking(Read):
    """Spikes of neurons with voltages, in mV, and times."""

    delays = EACH * u.ms

    def update(self, x):
        self.advance(x)
        spikes = braintools.surrogate.sigmoid(self.h.value - 0.2, 4.0)
        return self.late(spikes) @ self.r.value


class Above(Read):
    """A layer with a weight for each connection, of inputs at delays of their own."""

    def __init__(self):
        super().__init__()
        self.delay = Delay(K, np.tile(CONNECTIONS, (2, 1)))
        self.w = GroupedLinear(K * N, N, groups=N, w_init=weight(0, N, K, 1), b_init=None)

    def advance(self, x):
        self.h.value = jnp.tanh(0.8 * self.h.value + self.w(self.late(x)))

    def update(self, x):
        self.advance(x)
        return self.h.value @ self.r.value


class Loop(Read):
    """A dense recurrence of delayed output, and a layer above, with learned delays."""

    def __init__(self):
        super().__init__()
        self.delay = Delay(N, BETWEEN, 4, param_type=ETraceParam)
        self.u = ETraceParam(weight(3, N, N), brainscale.MatMulOp())

    def advance(self, x):
        back = self.u.execute(self.late(self.h.value))
        self.h.value = jnp.tanh(0.8 * self.h.value + self.w.execute(x) + back)

    def update(self, x):
        self.advance(x)
        return self.h.value @ self.r.value


def unrolled(kind):
    """A model whose delays are made of a list of all that was, and of nothing of `Delay`."""
    model, past = kind(), []
    first = np.asarray(u.get_mantissa(model.delay.delay.value))

    def find(j, n):
        return past[-1 - j][:, n] if j < len(past) else jnp.zeros(B)

    def late(x):
        past.append(x)
        now, columns = u.get_mantissa(model.delay.delay.value), []
        for at in np.ndindex(first.shape):
            i, f = int(first[at]), now[at] - int(first[at])
            columns.append((1 - f) * find(i, at[-1]) + f * find(i + 1, at[-1]))
        return jnp.stack(columns, -1)

    model.late = late
    return model


EXACT = [
    *((kind, "D_RTRL") for kind in (Read, ReadLearned, Entering, EnteringLearned, Spiking, Above)),
    *((kind, "OSTL") for kind in (Read, EnteringLearned)),
    *((kind, "RTRL") for kind in (ReadLearned, Entering, Loop)),
]


@pytest.mark.parametrize(("kind", "rule"), EXACT)
def test_gradients_are_those_of_the_whole_run(kind, rule):
    wanted = gradient_through_time(unrolled(kind))
    got = gradient_by_chunks(compiled(kind(), rule))
    assert_same(got, wanted)
    assert all(jnp.abs(leaf).max() > 1e-6 for leaf in jax.tree.leaves(wanted))


def test_single_steps():
    wanted = gradient_through_time(unrolled(EnteringLearned))
    assert_same(gradient_by_steps(compiled(EnteringLearned())), wanted)


def test_the_buffer_is_of_its_neurons_group():
    graph = str(compiled(Read()).show_graph(verbose=False))
    assert "h, delay.buffer" in graph or "delay.buffer, h" in graph


@pytest.mark.parametrize("d", [-0.5, 7.0])
def test_beyond_the_buffer_a_delay_is_at_its_end(d):
    """And has no derivative there."""
    model = ReadLearned()
    model.delay.delay.value = jnp.full(N, d)
    wanted = by_hand(np.ones((T, B, N)), np.clip(d, 0, 4))
    brainstate.nn.init_all_states(model, batch_size=B)
    got = [model.delay(jnp.ones((B, N))) for _ in range(T)]
    np.testing.assert_allclose(got, wanted)
    gradient = gradient_by_chunks(compiled(model))[("delay", "delay")]
    np.testing.assert_array_equal(gradient, np.zeros(N))


@pytest.mark.parametrize("d", [0, 1, 2])
def test_the_derivative_by_a_delay_of_whole_steps(d):
    """It is that from above, and at the end of the buffer that from below."""
    delay = Delay(K, float(d), 2, param_type=NonTempParam)

    def total():
        return sum(y.sum() for y in run(delay, XS))

    got = brainstate.transform.grad(total, delay.delay)()
    below = min(d, 1)
    wanted = by_hand(XS, below + 1) - by_hand(XS, below)
    np.testing.assert_allclose(got, wanted.sum(), rtol=1e-12)


class OfBrainstate(Leaky):
    """The delay that a user would take first."""

    def __init__(self):
        super().__init__()
        self.late = brainstate.nn.Delay(jnp.zeros((B, N)), time=2.0 * u.ms)

    def update(self, x):
        self.advance(x)
        self.late.update(self.h.value)
        return self.late.retrieve_at_time(-2.0 * u.ms) @ self.r.value


def test_a_delay_of_brainstate_is_refused_with_its_mend():
    now = brainstate.environ.context(i=0, t=0.0 * u.ms)
    with now, pytest.raises(errors.HiddenPathError, match=r"brainscale\.nn\.Delay, in the place"):
        compiled(OfBrainstate())


@pytest.mark.parametrize(
    ("error", "says", "options"),
    [
        (errors.ParameterError, "from 0 to", dict(delay=-1)),
        (errors.ParameterError, "max_delay=2", dict(delay=EACH[:3], max_delay=2)),
        (errors.ParameterError, "finite", dict(delay=np.inf)),
        (errors.UnitError, "a unit such as ms", dict(delay=1 * u.mV)),
        (errors.UnitError, "max_delay", dict(delay=1 * u.ms, max_delay=3)),
        (errors.ShapeError, "delay", dict(delay=np.ones(K + 1))),
        (errors.ShapeError, "delay", dict(delay=np.ones((2, 2, K)))),
        (errors.ShapeError, "no entry", dict(delay=np.ones((0, K)))),
        (errors.ParameterError, "number of steps", dict(delay=1, max_delay=1e12)),
        (errors.DtypeError, "state_init is of real", dict(delay=1, state_init=1j * np.ones(K))),
        (errors.ValueTypeError, "param_type", dict(delay=1, param_type=ElemWiseParam)),
    ],
)
def test_refused(error, says, options):
    with pytest.raises(error, match=says):
        brainstate.nn.init_all_states(Delay(K, **options))


def test_inputs_that_are_refused():
    delay = Delay(K, 1)
    with pytest.raises(errors.StructureError, match="init_all_states"):
        delay(XS[0])
    run(delay, XS)
    with pytest.raises(errors.UnitError, match="the input"):
        delay(XS[0] * u.mV)
    with pytest.raises(errors.ShapeError, match="the input"):
        delay(XS[0, :, :1])
    with pytest.raises(errors.DtypeError, match="real and the imaginary part"):
        delay(XS[0] * 1j)
