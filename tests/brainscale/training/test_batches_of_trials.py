"""`brainscale.fit` over batches of trials of several lengths."""

from __future__ import annotations

import itertools

import brainstate
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import brainscale
from brainscale import Trials, errors
from through_time import XS, YS, B, Leaky, T

pytestmark = pytest.mark.usefixtures("compiled_fast", "double_precision")

LENGTHS = np.array([3, T])
ACTIVE = np.arange(T)[:, None] < LENGTHS


def train(batches, iterations=1, *, step=None, **options):
    learner = brainscale.D_RTRL(Leaky())
    step = step_of(learner) if step is None else step(learner)
    options = dict(optimizer=optax.sgd(0.05), progress=False) | options
    optimizer = options.pop("optimizer")
    history = brainscale.fit(learner, step, batches, iterations, optimizer, **options)
    return history, learner


def step_of(learner):
    def step(x, y):
        loss = ((learner(x) - y) ** 2).sum(-1)
        return loss, {"each": 2 * loss, "all": jnp.ones(())}

    return step


def trained_alone(trials):
    """Plain descent by the gradient of the trials, each alone, written out; the sum of losses."""
    model = Leaky()
    params = model.states(brainstate.ParamState)

    def total():
        losses = 0.0
        for xs, ys in trials:
            brainstate.nn.init_all_states(model, batch_size=1)
            for x, y in zip(xs, ys, strict=True):
                losses = losses + ((model(x[None]) - y) ** 2).sum()
        return losses

    gradients, loss = brainstate.transform.grad(total, params, return_value=True)()
    for path, param in params.items():
        param.value = param.value - 0.05 * gradients[path]
    return model, loss


def assert_like(learner, model):
    for path, param in model.states(brainstate.ParamState).items():
        got = learner.param_states[path].value
        np.testing.assert_allclose(got, param.value, rtol=1e-9, err_msg=str(path))


def test_it_learns_from_each_trial_as_if_alone():
    trials = [(XS[:n, b], YS[:n, b]) for b, n in enumerate(LENGTHS)]
    history, learner = train(lambda i: Trials.padded(trials, [4, 10]))
    model, loss = trained_alone(trials)
    assert_like(learner, model)
    count = LENGTHS.sum()
    assert history["loss"][0] == pytest.approx(loss / count, rel=1e-12)
    assert history["each"][0] == pytest.approx(2 * loss / count, rel=1e-12)
    assert history["all"][0] == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("every", [1, 4])
def test_updates_within_trials(every):
    """What comes after an end does not count, be it NaN or another trial's numbers."""
    xs, ys = (np.where(ACTIVE[..., None], array, np.nan) for array in (XS, YS))
    got, learner = train(lambda i: Trials(xs, ys, lengths=LENGTHS), 2, every=every)
    wanted, other = train(lambda i: Trials(XS, YS, mask=ACTIVE), 2, every=every)
    assert_like(learner, other.model)
    for name in wanted:
        np.testing.assert_allclose(got[name], wanted[name], rtol=1e-9)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint64])
def test_integers_of_any_size_are_lengths(kind):
    made = {k: lambda i, k=k: Trials(XS, YS, lengths=LENGTHS.astype(k)) for k in (kind, np.int32)}
    losses = [train(make, every=4)[0]["loss"] for make in made.values()]
    np.testing.assert_array_equal(*losses)


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [(1, 0.3, float), (True, 2, int), (np.float32(1), 0.3, float), (1, 1j, complex)],
)
def test_numbers_of_several_dtypes(one, other, kind):
    """In one that holds them all, whatever the first trial's is."""
    trials = [np.full((2, 1), one), np.full((3, 1), other)]
    for order in (trials, trials[::-1]):
        joint = Trials.padded([(array,) for array in order]).sequences[0]
        assert joint.dtype == kind
        for b, array in enumerate(order):
            np.testing.assert_array_equal(joint[: len(array), b], array)


def test_few_programs():
    """One for each bucket, whatever the lengths are; and a batch may be longer than the first."""
    calls, counts = [], []

    def batches(i):
        return Trials.padded([(XS[:n, 0], YS[:n, 0]) for n in LONGEST[i]])

    def step(learner):
        def counted(x, y):
            calls.append(x)
            return step_of(learner)(x, y)

        return counted

    train(batches, len(LONGEST), step=step, callback=lambda *_: counts.append(len(calls)))
    assert [b > a for a, b in itertools.pairwise(counts)] == [False, True, False]


LONGEST = [(4, 2), (1, 4), (5, 1), (6, 6)]


def test_a_metric_that_is_no_number_where_it_has_no_weight():
    def step(learner):
        def of_step(x, y, weight):
            loss, _ = step_of(learner)(x, y)
            return loss, {"odd": loss + jnp.log(weight)}

        return of_step

    history, _ = train(lambda i: Trials(XS, YS, 1.0 * ACTIVE, mask=ACTIVE), step=step)
    np.testing.assert_allclose(history["odd"], history["loss"], rtol=1e-12)


@pytest.mark.parametrize(("longest", "bucket"), [(4, 4), (5, 9), (9, 9)])
def test_the_shortest_bucket_is_taken(longest, bucket):
    batch = Trials.padded([(np.ones((longest, 1)),), (np.ones((1, 1)),)], [9, 20, 4])
    assert batch.sequences[0].shape == (bucket, 2, 1)


def test_buckets_are_few():
    lengths = [Trials.padded([(np.zeros((n, 1)),)]).sequences[0].shape[0] for n in range(1, 26)]
    assert sorted(set(lengths)) == [1, 2, 3, 4, 6, 8, 12, 16, 24, 32]
    assert all(n <= bucket < 1.5 * n + 1 for n, bucket in enumerate(lengths, 1))


KEYS = jax.random.split(jax.random.key(0), T)


def nothing(array):
    return np.where(np.arange(T)[:, None, None] == 2, np.nan, array)


@pytest.mark.parametrize(
    ("error", "says", "make"),
    [
        (errors.InputError, "a target .* mask 0", lambda i: (XS, nothing(YS))),
        (errors.InputError, "an input", lambda i: Trials(nothing(XS), YS, lengths=LENGTHS)),
        (errors.ParameterError, "from 1 to 6", lambda i: Trials(XS, YS, lengths=LENGTHS + 1)),
        (errors.ParameterError, "no bucket", lambda i: Trials.padded([(XS,)], [4])),
        (errors.ParameterError, "a bucket", lambda i: Trials.padded([(XS,)], [0.5])),
        (errors.ShapeError, "differ", lambda i: Trials.padded([(XS,), (XS[:, :1],)])),
        (errors.StructureError, "structure", lambda i: Trials.padded([(XS,), (XS, YS)])),
        (errors.StructureError, "at least one", lambda i: Trials.padded([])),
        (errors.ValueTypeError, "what is padded", lambda i: Trials.padded([(KEYS,)])),
        (errors.StructureError, "none", lambda i: Trials()),
        (errors.ShapeError, "number for each trial", lambda i: Trials(XS, YS, lengths=LENGTHS)),
    ],
)
def test_refused(error, says, make):
    with pytest.raises(error, match=says):
        train(make, step=lambda learner: lambda x, y: ((learner(x) - y) ** 2).sum())


def test_a_batch_without_weight_changes_nothing():
    history, learner = train(lambda i: Trials(XS, YS, mask=np.zeros((T, B), bool)))
    assert history["loss"][0] == 0
    assert_like(learner, Leaky())


def test_shapes_of_a_step_stay():
    with pytest.raises(errors.ShapeError, match=r"a step of batches\(1\)"):
        train(
            lambda i: (XS, YS) if i == 0 else (XS[:, :1], YS[:, :1]),
            2,
            step=lambda learner: lambda x, y: ((learner(x) - y) ** 2).sum(),
        )
