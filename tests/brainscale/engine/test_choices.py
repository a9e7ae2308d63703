"""Models whose paths depend on choices, loops, custom derivatives and indices: learned exactly."""

from __future__ import annotations

import brainpy.state
import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import brainscale
from brainscale import errors
from odd_models import K, M, Model, N, array, batched, dense, everything
from truth import difference, truth

pytestmark = pytest.mark.usefixtures("compiled_fast", "step_length")

T, BATCH = 5, 2


def surrogate(rule):
    """A spike whose derivative is this rule of potential and cotangent, as textbooks write it."""

    @jax.custom_vjp
    def spike(v):
        return (v > 0).astype(v.dtype)

    spike.defvjp(lambda v: (spike(v), v), lambda v, g: (rule(v, g),))
    return spike


SURROGATES = {
    "box": surrogate(lambda v, g: g * (jnp.abs(v) < 0.5)),
    "triangle": surrogate(lambda v, g: g * jnp.maximum(0.0, 1 - jnp.abs(v))),
}


def substeps(h, y):
    """Integrated in four parts, with a reset within."""

    def substep(v, _):
        v = v + 0.3 * (2 * y - v)
        return jnp.where(v > 0.5, v - 0.5 * y, v), None

    return lax.scan(substep, h, None, length=4)[0]


def in_checkpoint(h, y, count):
    return jax.checkpoint(lambda h, y: 0.7 * jnp.where(h > 0, h, -h) + y)(h, y)


DYNAMICS = {
    "abs": lambda h, y, count: 0.8 * jnp.abs(h) + y,
    "abs-of-y": lambda h, y, count: 0.8 * h - jnp.abs(y),
    "where-sign": lambda h, y, count: 0.8 * jnp.where(h > 0, h, -h) + jnp.where(y > 0, y, 1 - y),
    "piecewise": lambda h, y, count: (
        0.5 * h + jnp.piecewise(y, [y < -0.3, y > 0.3], [lambda y: -y, lambda y: y, 0.1])
    ),
    "cond": lambda h, y, count: lax.cond(
        h.sum() > 0, lambda: 0.9 * h + y, lambda: 0.5 * jnp.tanh(h) - y
    ),
    "switch": lambda h, y, count: lax.switch(
        count % 3, [lambda: 0.9 * h, lambda: 0.5 * h + y, lambda: y - h * h]
    ),
    "in-scan": lambda h, y, count: lax.fori_loop(
        0, 3, lambda k, h: 0.8 * jnp.where(h > 0, h, -h) + 0.3 * y, h
    ),
    "in-map": lambda h, y, count: lax.map(
        lambda one: 0.8 * jnp.where(one[0] > 0, one[0], 1 - one[0]) + one[1], (h, y)
    ),
    "in-checkpoint": in_checkpoint,
    "substepped-reset": lambda h, y, count: substeps(h, y),
    "diagonal": lambda h, y, count: h @ jnp.diag(jnp.linspace(0.1, 0.9, N)) + y,
    "taken": lambda h, y, count: 0.8 * h + jnp.take(y, jnp.arange(N)[::-1], axis=-1),
    "reset-by-box": lambda h, y, count: 0.9 * h * (1 - SURROGATES["box"](h - 0.2)) + y,
}


class OneLayer(Model):
    """Neurons whose dynamics are a function of their state, their input and a counter."""

    def __init__(self, advance):
        super().__init__()
        self.advance, self.w = advance, dense(0, K, N)

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(batched(batch_size, N))
        self.count = brainstate.ShortTermState(jnp.zeros((), jnp.int32))

    def update(self, x):
        y = self.w.execute(x)
        self.h.value = self.advance(self.h.value, y, self.count.value)
        self.count.value = self.count.value + 1
        return jnp.sin(self.h.value)


def inputs():
    rng = np.random.default_rng(2)
    return jnp.asarray(rng.normal(size=(T, BATCH, K)), jnp.float32)


def learned(model):
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    learner = brainscale.D_RTRL(model)
    learner.compile_graph(inputs()[0])
    return brainstate.transform.jit(
        lambda: learner.etrace_grad(inputs(), lambda x: (learner(x) ** 2).sum(), chunk=T)
    )()


def plain(model):
    """The gradient of the whole run by reverse mode."""

    def loss():
        brainstate.nn.init_all_states(model, batch_size=BATCH)
        return (brainstate.transform.for_loop(model, inputs()) ** 2).sum()

    parameters = model.states(brainstate.ParamState)
    return brainstate.transform.jit(brainstate.transform.grad(loss, parameters))()


@pytest.mark.parametrize("advance", DYNAMICS.values(), ids=[*DYNAMICS])
def test_one_layer_learns_the_true_gradient(advance):
    model = OneLayer(advance)
    assert difference(learned(model), plain(model)) < 1e-5


class Ring(OneLayer):
    """What each neuron was given in three steps, in places that a counter goes through."""

    def __init__(self):
        super().__init__(None)

    def init_state(self, batch_size=None, **kwargs):
        super().init_state(batch_size)
        self.h = brainscale.ETraceGroupState(batched(batch_size, N, 3))

    def update(self, x):
        place = self.count.value % 3
        old = self.h.value[..., place]
        self.h.value = self.h.value.at[..., place].set(0.5 * old + self.w.execute(x))
        self.count.value = self.count.value + 1
        return jnp.sin(self.h.value[..., (place + 1) % 3])


def test_a_place_that_a_counter_names():
    model = Ring()
    assert difference(learned(model), plain(model)) < 1e-5


def pooled(y, reduce):
    """Of windows that do not overlap, the first of them in part outside."""
    first = -jnp.inf if reduce is lax.max else 0.0
    return lax.reduce_window(y, first, reduce, (1, 2), (1, 2), [(0, 0), (1, 0)])


@pytest.mark.parametrize("reduce", [lax.max, lax.add], ids=["max", "sum"])
def test_what_is_pooled_enters_neurons(reduce):
    model = OneLayer(lambda h, y, count: 0.8 * h + pooled(y, reduce))
    model.w = dense(0, K, 2 * N - 1)
    assert difference(learned(model), plain(model)) < 1e-5


class TwoLayers(Model):
    """Spiking neurons of two layers."""

    def __init__(self, spike):
        super().__init__()
        options = {"spk_fun": spike, "V_th": 0.3 * u.mV}
        self.lower, self.upper = brainpy.state.LIF(N, **options), brainpy.state.LIF(N, **options)
        self.into, self.on = dense(0, K, N, u.mA, 3.0), dense(1, N, N, u.mA, 6.0)
        self.readout = brainstate.ParamState(array(2, N, M))

    def update(self, x):
        lower = self.lower(self.into.execute(x))
        return self.upper(self.on.execute(lower)) @ self.readout.value


@pytest.mark.parametrize("spike", SURROGATES.values(), ids=[*SURROGATES])
def test_signals_pass_a_surrogate_written_by_hand(spike):
    model, zeros = TwoLayers(spike), jnp.zeros((T, BATCH, M))
    gradients = learned(model)
    wanted = truth(
        model,
        {model.on: everything},
        inputs(),
        zeros,
        lambda out, target, model: (out**2).sum(),
        BATCH,
    )
    assert difference(gradients, wanted) < 1e-5


# What was overlooked.


def lateral_by_choice(h, y, count):
    total = h.sum(-1, keepdims=True)
    return 0.5 * h + jnp.where(total > 0, total, -total) + y


def lateral_in_a_branch(h, y, count):
    return lax.cond(count > 3, lambda: 0.5 * h[..., ::-1], lambda: 0.5 * h) + y


def lateral_by_counter(h, y, count):
    return 0.5 * jnp.roll(h, count, -1) + y


def lateral_in_the_rule(h, y, count):
    spread = jax.custom_vjp(lambda h: h)
    spread.defvjp(lambda h: (h, None), lambda _, g: (g + g.mean(-1, keepdims=True),))
    return 0.5 * spread(h) + y


class FilteredInABranch(OneLayer):
    """A state that is not hidden carries what was, in a branch that is not taken at first."""

    def init_state(self, batch_size=None, **kwargs):
        super().init_state(batch_size)
        self.filter = brainstate.ShortTermState(batched(batch_size, N))

    def update(self, x):
        out = super().update(x)
        old = self.filter.value
        self.filter.value = lax.cond(
            self.count.value > 3, lambda: 0.9 * old + out, lambda: jnp.zeros_like(out)
        )
        return self.filter.value


class ByValueInABranch(OneLayer):
    """A weight is used by its value, in a branch that is not taken at first."""

    def update(self, x):
        out = super().update(x)
        more = self.w.value.sum(0)
        self.h.value = lax.cond(self.count.value > 3, lambda h: h + more, lambda h: h, self.h.value)
        return out


@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        (OneLayer(lateral_by_choice), errors.LateralPathError, "neurons of h"),
        (OneLayer(lateral_in_a_branch), errors.LateralPathError, "neurons of h"),
        (OneLayer(lateral_in_the_rule), errors.LateralPathError, "neurons of h"),
        (
            OneLayer(lateral_by_counter),
            errors.LateralPathError,
            "an index that only a run knows.*constants",
        ),
        (FilteredInABranch(DYNAMICS["abs"]), errors.HiddenPathError, "filter"),
        (ByValueInABranch(DYNAMICS["abs"]), errors.ParameterUseError, "w"),
    ],
    ids=["choice", "branch", "rule", "counter", "hidden-in-branch", "value-in-branch"],
)
def test_refused(model, error, words):
    with pytest.raises(error, match=rf"\b{words}\b"):
        learned(model)
