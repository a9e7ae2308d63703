"""Trials of several lengths in one batch, and steps that weigh, beside plain `jax.grad` of each.

What is compared with is each trial's own run of as many steps as it has, unrolled.
"""

from __future__ import annotations

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale import errors
from through_time import XS, YS, B, K, Leaky, N, T, assert_same, weight

pytestmark = pytest.mark.usefixtures("compiled_fast", "double_precision")

LENGTHS = np.array([3, T])
MASK = np.array([[1.0, 0.0], [0.5, 2.0], [0.0, 1.0], [7.0, 0.0], [1.0, 1.0], [0.0, -1.0]])
ENDED = np.arange(T)[:, None] >= LENGTHS
"""Which steps come after a trial."""


class Recurrent(Leaky):
    """A dense recurrence beside the leak, which D-RTRL approximates and RTRL does not."""

    def __init__(self):
        super().__init__()
        self.u = brainscale.ETraceParam(weight(2, N, N), brainscale.MatMulOp())

    def advance(self, x):
        y = self.w.execute(x) + self.u.execute(self.h.value)
        self.h.value = jnp.tanh(0.8 * self.h.value + y)


class Several(Leaky):
    """States of every kind: with a history, not hidden, shared by trials, never written."""

    def init_state(self, batch_size=None, **kwargs):
        super().init_state(batch_size)
        self.g = brainscale.ETraceGroupState(jnp.zeros((batch_size, N, 2)), history=2)
        self.e = brainscale.ETraceTreeState({"a": jnp.zeros((batch_size, N))})
        self.seen = brainstate.ShortTermState(jnp.zeros((batch_size, K)))
        self.steps = brainstate.ShortTermState(jnp.zeros(()))
        self.both = brainstate.ShortTermState(
            {"seen": jnp.zeros(batch_size), "steps": jnp.zeros(())}
        )
        self.unused = brainstate.HiddenState(jnp.zeros(7))

    def advance(self, x):
        super().advance(x)
        both = self.both.value
        self.both.value = {"seen": both["seen"] + x.sum(-1), "steps": both["steps"] + 1}
        g = self.g.value
        self.g.value = 0.5 * g + jnp.stack([self.h.value, g[..., 0]], -1)
        self.e.set_value({"a": 0.9 * self.e.get_value("a") + self.h.value})
        self.h.value = self.h.value + 0.1 * self.g.value[..., 1] + 0.1 * self.e.get_value("a")
        self.seen.value = self.seen.value + x
        self.steps.value = self.steps.value + 1


def loss_of(model):
    return lambda x, y: ((model(x) - y) ** 2).sum(-1)


def alone(kind, b, length, weights):
    """The gradient of one trial of a batch, run alone for as many steps as it has."""
    model = kind()
    brainstate.nn.init_all_states(model, batch_size=1)
    loss = loss_of(model)

    def total():
        trial = slice(b, b + 1)
        return sum(
            m * loss(XS[t, trial], YS[t, trial])[0] for t, m in enumerate(weights[:length, b])
        )

    gradient = brainstate.transform.grad(total, model.states(brainstate.ParamState))
    return brainstate.transform.jit(gradient)(), model


def each_alone(kind, lengths=(T,) * B, weights=None):
    weights = np.ones((T, B)) if weights is None else weights
    results = [alone(kind, b, length, weights) for b, length in enumerate(lengths)]
    return jax.tree.map(lambda *leaves: sum(leaves), *(g for g, _ in results)), [
        m for _, m in results
    ]


def learned(kind, rule, xs=XS, ys=YS, step_of=loss_of, **options):
    learner = brainscale.compile(kind(), rule, XS[0], batch_size=B)
    return learner.etrace_grad(xs, ys, step_of(learner), **options), learner


def begun(kind, rule, batch):
    model = kind()
    brainstate.nn.init_all_states(model, batch_size=batch)
    learner = rule(model)
    learner.compile_graph(XS[0, :batch])
    return learner


EXACT = [
    *((Leaky, "D_RTRL"), (Several, "D_RTRL"), (Leaky, "OSTL")),
    *((Recurrent, "OSTL"), (Recurrent, "RTRL")),
]


@pytest.mark.parametrize(("kind", "rule"), EXACT)
def test_trials_of_several_lengths(kind, rule):
    """Each as if alone, whatever comes after its end; its states are those at its end."""
    xs, ys = (np.where(ENDED[..., None], np.nan, array) for array in (XS, YS))
    got, learner = learned(kind, rule, xs, ys, lengths=LENGTHS, chunk=4)
    wanted, models = each_alone(kind, LENGTHS)
    assert_same(got, wanted)
    for path, state in learner.model.states(brainstate.ShortTermState).items():
        ends = [model.states()[path] for model in models]
        for b in range(B):
            mine, alone = (
                jax.tree.leaves((s.value, getattr(s, "_history", None) and s.history_state.value))
                for s in (state, ends[b])
            )
            for x, y in zip(mine, alone, strict=True):
                if x.ndim == 0:
                    assert x == T, path
                    continue
                np.testing.assert_allclose(x[b], y[0], rtol=1e-12, err_msg=str(path))


@pytest.mark.parametrize(
    "rule",
    [brainscale.D_RTRL, lambda model: brainscale.ES_D_RTRL(model, 0.5)],
    ids=["D-RTRL", "ES-D-RTRL"],
)
def test_what_is_approximate_is_that_of_each_trial_alone(rule):
    """So it is by rules that are not exact: a dense recurrence by D-RTRL, and ES-D-RTRL."""
    kind = Recurrent if rule is brainscale.D_RTRL else Leaky
    learner = begun(kind, rule, B)
    got = learner.etrace_grad(XS, YS, loss_of(learner), lengths=LENGTHS)
    gradients = []
    for b, length in enumerate(LENGTHS):
        window = slice(None, length), slice(b, b + 1)
        alone = begun(kind, rule, 1)
        steps = np.ones((length, 1))
        gradients.append(alone.etrace_grad(XS[window], YS[window], loss_of(alone), mask=steps))
    assert_same(got, jax.tree.map(lambda *leaves: sum(leaves), *gradients))


def test_traces_hold_still_past_the_end():
    """Of D-RTRL: those that the trial left when it ended."""
    _, learner = learned(Leaky, "D_RTRL", lengths=LENGTHS)
    _, short = learned(Leaky, "D_RTRL", XS[: LENGTHS[0]], YS[: LENGTHS[0]], mask=np.ones((3, B)))
    got, wanted = (u.get_mantissa(x.get_etrace_of("w")["h"]) for x in (learner, short))
    np.testing.assert_allclose(got[0], wanted[0], rtol=1e-12)
    assert jnp.abs(got[1] - wanted[1]).max() > 1e-3


@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("is_compiled", [False, True])
def test_steps_that_weigh(lengths, is_compiled):
    """A target that is missing where nothing weighs is none, in compiled code, too."""
    ys = np.where(MASK[..., None] == 0, np.nan, YS)

    def gradient(ys, mask):
        return learner.etrace_grad(XS, ys, loss_of(learner), mask=mask, lengths=lengths)

    learner = brainscale.compile(Leaky(), "D_RTRL", XS[0], batch_size=B)
    gradient = brainstate.transform.jit(gradient) if is_compiled else gradient
    got = gradient(ys, MASK)
    assert_same(got, each_alone(Leaky, (T,) * B if lengths is None else lengths, MASK)[0])


def test_a_weight_for_each_step():
    """Of the step's loss, a number: as if `step_fn` had multiplied it."""
    got, _ = learned(
        Leaky, "D_RTRL", mask=MASK[:, 0], step_of=lambda m: lambda x, y: ((m(x) - y) ** 2).sum()
    )
    assert_same(got, each_alone(Leaky, weights=np.repeat(MASK[:, :1], B, 1))[0])


def test_a_loss_that_is_no_number_where_it_has_no_weight():
    def step_of(model):
        loss = loss_of(model)
        return lambda x, y, m: loss(x, y) + jnp.log(m)

    learner = brainscale.compile(Leaky(), "D_RTRL", XS[0], batch_size=B)
    mask = (MASK > 0).astype(float)
    options = dict(step_fn=step_of(learner), mask=mask, return_value=True)
    got, losses = learner.etrace_grad(XS, YS, mask, **options)
    assert_same(got, each_alone(Leaky, weights=mask)[0])
    assert np.isfinite(losses).all()


def test_a_trial_without_a_step_is_none():
    """Where lengths are not known when it is asked for: whatever is in its padding."""
    learner = brainscale.compile(Leaky(), "D_RTRL", XS[0], batch_size=B)
    xs = np.where(np.arange(T)[:, None, None] >= np.array([[0], [T]]), np.nan, XS)

    def gradient(lengths):
        return learner.etrace_grad(xs, YS, loss_of(learner), lengths=lengths)

    got = brainstate.transform.jit(gradient)(np.array([0, T]))
    assert_same(got, alone(Leaky, 1, T, np.ones((T, B)))[0])


def test_a_target_that_trials_share():
    """It is missing where no trial weighs, and no error there; what is not missing stays."""
    mask = np.array([[1.0, 0.0], [0.0, 0.0], *[[1.0, 1.0]] * (T - 2)])
    shared = np.where(np.arange(T) == 1, np.nan, YS[:, 0, 0])

    def step_of(model):
        return lambda x, y, shared: (((model(x) - y - shared) ** 2).sum(-1), (y, shared))

    learner = brainscale.compile(Leaky(), "D_RTRL", XS[0], batch_size=B)
    options = dict(step_fn=step_of(learner), mask=mask, lengths=np.full(B, T), has_aux=True)
    got, aux = learner.etrace_grad(XS, YS, shared, **options)
    np.testing.assert_array_equal(aux[0], YS)
    np.testing.assert_array_equal(aux[1], np.nan_to_num(shared))
    targets = YS + np.nan_to_num(shared)[:, None, None]
    assert_same(got, learned(Leaky, "D_RTRL", ys=targets, mask=mask)[0])
    with pytest.raises(errors.InputError, match=r"a target .*\[2\] at \(0,\)"):
        learner.etrace_grad(XS, YS, np.where(np.arange(T) == 0, np.nan, shared), **options)


def spoiled(array, value=np.nan):
    array = np.array(array)
    array[4, 1, 0] = value
    return array


@pytest.mark.parametrize(
    ("error", "says", "options"),
    [
        (errors.InputError, r"a target is .*\[1\] at \(4, 1, 0\).* mask 0", dict(ys=spoiled(YS))),
        (errors.InputError, "a target", dict(ys=spoiled(YS, np.inf), mask=np.ones((T, B)))),
        (errors.InputError, r"an input .*\[0\]", dict(xs=spoiled(XS), mask=np.zeros((T, B)))),
        (errors.InputError, "an input", dict(xs=spoiled(XS), lengths=LENGTHS)),
        (errors.InputError, "NaN", dict(mask=np.full(T, np.nan))),
        (errors.ShapeError, "each trial", dict(mask=np.ones((T, B, 1)))),
        (errors.ShapeError, "each trial", dict(mask=np.ones(T + 1))),
        (errors.ShapeError, "B = 3", dict(mask=np.ones((T, 3)))),
        (errors.ShapeError, "lengths are", dict(lengths=np.ones((2, 2), int))),
        (errors.ShapeError, "other trials", dict(lengths=LENGTHS, mask=np.ones((T, 3)))),
        (errors.ParameterError, "from 1 to 6", dict(lengths=np.array([0, 3]))),
        (errors.ParameterError, "from 1 to 6", dict(lengths=np.array([3, 7]))),
        (errors.DtypeError, "integers", dict(lengths=np.array([3.0, 4.0]))),
        (errors.DtypeError, "real", dict(mask=1j * np.ones(T))),
        (errors.ValueTypeError, "mask", dict(mask="all")),
        (errors.UnitError, "mask has no unit, got mV", dict(mask=np.ones(T) * u.mV)),
        (errors.UnitError, "lengths has no unit", dict(lengths=LENGTHS * u.ms)),
        (
            errors.ShapeError,
            "number for each trial",
            dict(lengths=LENGTHS, step_of=lambda m: lambda x, y: m(x).sum()),
        ),
    ],
)
def test_refused(error, says, options):
    with pytest.raises(error, match=says):
        learned(Leaky, "D_RTRL", **options)


class Shared(Leaky):
    """A hidden state that trials share."""

    def init_state(self, batch_size=None, **kwargs):
        super().init_state(batch_size)
        self.s = brainstate.HiddenState(jnp.zeros(N))

    def advance(self, x):
        super().advance(x)
        self.s.value = 0.5 * self.s.value + 1


def test_a_hidden_state_without_trials_is_refused():
    with pytest.raises(errors.ShapeError, match=r"hidden state .* axis is to be that of the tri"):
        learned(Shared, "D_RTRL", lengths=LENGTHS)


class ReadOut(brainstate.nn.Module):
    """A dense recurrence below a readout that e-prop gives feedback weights."""

    def __init__(self):
        super().__init__()
        rng = np.random.default_rng(0)
        self.w = brainscale.ETraceParam(jnp.asarray(rng.normal(size=(7, 4))), brainscale.MatMulOp())
        weight = jnp.asarray(rng.normal(size=(4, 2)))
        plain = brainscale.NonTempParam
        self.out = brainscale.nn.Linear(4, 2, weight, None, param_type=plain)

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainscale.ETraceState(jnp.zeros((batch_size, 4)))

    def update(self, x):
        y = self.w.execute(jnp.concatenate([x, jnp.tanh(self.h.value)], -1))
        self.h.value = 0.8 * self.h.value + jnp.tanh(y)
        return self.out(self.h.value)


@pytest.mark.parametrize(
    "rule",
    [
        lambda model: brainscale.EProp(model, feedback="random"),
        lambda model: brainscale.HybridDimVjpAlgorithm(model, decay_or_rank=0.8),
    ],
    ids=["e-prop", "hybrid"],
)
def test_rules_that_approximate_learn_as_from_each_trial_alone(rule):
    rng = np.random.default_rng(1)
    xs, ys, lengths = rng.normal(size=(7, 3, 3)), rng.normal(size=(7, 3, 2)), np.array([7, 3, 5])

    def find_gradients(xs, ys, **options):
        model = ReadOut()
        brainstate.nn.init_all_states(model, batch_size=xs.shape[1])
        learner = rule(model)
        learner.compile_graph(jnp.asarray(xs[0]))
        axes = -1 if options else None
        loss = lambda x, y: ((learner(x) - y) ** 2).sum(axes)  # noqa: E731
        return jax.tree.leaves(learner.etrace_grad(xs, ys, loss, chunk=3, **options))

    of_each = [find_gradients(xs[:n, b : b + 1], ys[:n, b : b + 1]) for b, n in enumerate(lengths)]
    for b, n in enumerate(lengths):
        xs[n:, b] = ys[n:, b] = np.nan
    for got, *of_trials in zip(find_gradients(xs, ys, lengths=lengths), *of_each, strict=True):
        np.testing.assert_allclose(got, sum(of_trials), rtol=1e-9)


def test_known_numbers_are_refused_within_a_compiled_function():
    """Lengths out of their range, and what is not finite up to a trial's end."""
    learner = begun(Leaky, brainscale.D_RTRL, B)
    loss = loss_of(learner)

    def learn(xs, lengths):
        gradient = brainstate.transform.jit(
            lambda: learner.etrace_grad(xs, YS, loss, lengths=lengths)
        )
        return gradient()

    xs = np.where(ENDED[..., None], np.nan, XS)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(learn(xs, LENGTHS)))
    with pytest.raises(errors.ParameterError, match=f"lengths are from 1 to {T}"):
        learn(xs, np.array([0, T]))
    with pytest.raises(errors.InputError, match="an input is NaN"):
        learn(xs, LENGTHS + np.array([1, 0]))
