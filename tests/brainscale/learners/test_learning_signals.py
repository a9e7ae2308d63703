"""`learning_signals`: c and lambda of each step (SPEC.md, LEARN-1), against plain derivatives."""

from __future__ import annotations

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale import MultiStepData, errors
from odd_models import K, Model, N, array, batched, dense

pytestmark = pytest.mark.usefixtures("compiled_fast", "double_precision", "step_length")

T, BATCH = 4, 2
LEAK, GAIN = 0.8, 0.5


class TwoLayers(Model):
    """Leaky neurons in millivolts; above them, others, whose input is new and old elements."""

    def __init__(self):
        super().__init__()
        self.into, self.up = dense(0, K, N, u.mV), dense(1, 2 * N, N)

    def init_state(self, batch_size=None, **kwargs):
        self.lower = brainstate.HiddenState(batched(batch_size, N) * u.mV)
        self.upper = brainstate.HiddenState(batched(batch_size, N))

    def update(self, x):
        self.lower.value = LEAK * self.lower.value + self.into.execute(x)
        new = jnp.tanh(self.lower.value.to_decimal(u.mV))
        y = self.up.execute(jnp.concatenate([new, self.upper.value], -1))
        self.upper.value = jnp.tanh(GAIN * self.upper.value + y)
        return self.upper.value


def sequences():
    return array(3, T, BATCH, K), array(4, T, BATCH, N)


def loss_of(learner):
    return lambda x, target: ((learner(x) - target) ** 2).sum() * u.pA


def learner_of(kind=brainscale.D_RTRL, model=TwoLayers, **options):
    model = model()
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    learner = kind(model, **options)
    learner.compile_graph(sequences()[0][0])
    return learner


def by_hand(model):
    """For each step the derivatives by y of both operations and by both states before it."""
    W, V = model.into.value.to_decimal(u.mV), model.up.value

    def step(lower, upper, y_into, y_up, x, target):
        lower = LEAK * lower + x @ W + y_into
        # Old elements of an operation's input are held fixed, new ones are not.
        new = jnp.concatenate([jnp.tanh(lower), jax.lax.stop_gradient(upper)], -1)
        upper = jnp.tanh(GAIN * upper + new @ V + y_up)
        return ((upper - target) ** 2).sum(), (lower, upper)

    signals, zero = [], jnp.zeros((BATCH, N))
    lower = upper = zero
    for x, target in zip(*sequences(), strict=True):
        gradient = jax.grad(step, (0, 1, 2, 3), has_aux=True)
        (*found_step,), (lower, upper) = gradient(lower, upper, zero, zero, x, target)
        signals.append(found_step)
    return [jnp.stack(leaves) for leaves in zip(*signals, strict=True)]


def numbers(quantity, unit):
    assert u.get_unit(quantity).has_same_dim(unit)
    return u.get_mantissa(quantity.in_unit(unit))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (brainscale.D_RTRL, {}),
        (brainscale.ES_D_RTRL, {"decay_or_rank": 0.9}),
        (brainscale.RTRL, {}),
    ],
    ids=["D-RTRL", "ES-D-RTRL", "RTRL"],
)
def test_signals_are_derivatives_within_a_step(kind, options):
    learner = learner_of(kind, **options)
    lower, upper, into, up = by_hand(learner.model)
    c, by_state = brainstate.transform.jit(
        lambda: learner.learning_signals(*sequences(), step_fn=loss_of(learner))
    )()
    assert set(c) == {"into", "up"}
    assert set(by_state) == {"lower", "upper"}
    for got, wanted, unit in [
        (c["into"], into, u.pA / u.mV),
        (c["up"], up, u.pA),
        (by_state["lower"], lower, u.pA / u.mV),
        (by_state["upper"], upper, u.pA),
    ]:
        np.testing.assert_allclose(numbers(got, unit), wanted, rtol=1e-12, atol=1e-14)


class Local(Model):
    """Two layers without units, which emit the upper one's states."""

    def __init__(self):
        super().__init__()
        self.into, self.up = dense(0, K, N), dense(1, N, N)

    def init_state(self, batch_size=None, **kwargs):
        self.lower = brainstate.HiddenState(batched(batch_size, N))
        self.upper = brainstate.HiddenState(batched(batch_size, N))

    def update(self, x):
        self.lower.value = jnp.tanh(LEAK * self.lower.value + self.into.execute(x))
        self.upper.value = jnp.tanh(GAIN * self.upper.value + self.up.execute(self.lower.value))
        return self.upper.value


def test_no_signal_passes_through_an_operation_of_a_local_rule():
    c, by_state = {}, {}
    for name, kind, options in [
        ("global", brainscale.D_RTRL, {}),
        ("local", brainscale.ThreeFactor, {"decay": 0.5}),
    ]:
        learner = learner_of(kind, Local, **options)
        c[name], by_state[name] = learner.learning_signals(*sequences(), loss_of(learner))
    for signals, key in ((c, "into"), (by_state, "lower")):
        assert np.abs(u.get_mantissa(signals["global"][key])).max() > 0
        np.testing.assert_array_equal(u.get_mantissa(signals["local"][key]), 0)
    for signals, key in ((c, "up"), (by_state, "upper")):
        got, wanted = (u.get_mantissa(signals[name][key]) for name in ("local", "global"))
        np.testing.assert_allclose(got, wanted, rtol=1e-12)


class Shapes(Model):
    """A complex state, and one with two variables for each neuron."""

    def __init__(self):
        super().__init__()
        self.into = dense(0, K, N)

    def init_state(self, batch_size=None, **kwargs):
        self.z = brainstate.HiddenState(batched(batch_size, N).astype(complex))
        self.pair = brainscale.ETraceGroupState(batched(batch_size, N, 2))

    def update(self, x):
        self.z.value = (0.5 + 0.3j) * self.z.value + self.into.execute(x)
        self.pair.value = 0.5 * self.pair.value + jnp.stack(
            [self.z.value.real, self.z.value.imag], -1
        )
        return self.pair.value[..., 1] + self.z.value.real


def test_shapes_of_signals():
    learner = learner_of(model=Shapes)
    c, by_state = learner.learning_signals(*sequences(), lambda x, y: (learner(x) * y).sum())
    _, y = sequences()
    assert c["into"].shape == (T, BATCH, N)
    # The result has h(t) = 0.5 p_1(t-1) + Im z(t) + Re z(t).
    wanted = jnp.stack([jnp.zeros_like(y), 0.5 * y], -1)
    np.testing.assert_allclose(u.get_mantissa(by_state["pair"]), wanted, atol=1e-14)
    wanted = jnp.stack([(0.5 + 0.3) * y, (0.5 - 0.3) * y], -1)
    np.testing.assert_allclose(u.get_mantissa(by_state["z"]), wanted, atol=1e-14)


def test_states_and_traces_stay_as_they_are():
    learner = learner_of()
    learner(sequences()[0][0])
    before = {path: state.value for path, state in learner.states().items()}
    learner.learning_signals(*sequences(), loss_of(learner))
    after = {path: state.value for path, state in learner.states().items()}
    for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_is_refused():
    model = TwoLayers()
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    learner = brainscale.D_RTRL(model)
    xs, ys = sequences()
    with pytest.raises(errors.NotCompiledError, match="compile_graph"):
        learner.learning_signals(xs, ys, loss_of(learner))
    learner.compile_graph(xs[0])
    with pytest.raises(errors.StructureError, match="does not call the learner"):
        learner.learning_signals(xs, ys, lambda x, y: y.sum())
    with pytest.raises(errors.StructureError, match="bare sequences"):
        learner.learning_signals(MultiStepData(xs), ys, loss_of(learner))
    with pytest.raises(errors.ShapeError, match="leading axis"):
        learner.learning_signals(xs, ys[1:], loss_of(learner))
    with pytest.raises(errors.ShapeError, match="a number"):
        learner.learning_signals(xs, ys, lambda x, y: learner(x))
    with pytest.raises(errors.InputError, match="NaN"):
        learner.learning_signals(xs.at[0].set(jnp.nan), ys, loss_of(learner))
    with pytest.raises(errors.BrainscaleError, match="step_fn"):
        learner.learning_signals(xs, ys)
