"""Operations of users that lack what a rule needs, or have it wrong."""

from __future__ import annotations

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import pytest

import brainscale
from brainscale import ETraceParam, MatMulOp, errors
from odd_models import K, N, array
from recurrent_layer import Recurrent, close, gradients, learner_of

pytestmark = pytest.mark.usefixtures("step_length")


def without(*methods):
    """A dense operation that leaves something of itself undefined, as a user's may."""

    def undefined(name):
        return lambda self, *args: getattr(brainscale.ETraceOp, name)(self, *args)

    return type("HalfOp", (MatMulOp,), {name: undefined(name) for name in methods})


def learner_with(op, rule=brainscale.D_RTRL, **options):
    class Half(Recurrent):
        def __init__(self):
            super().__init__()
            self.w = ETraceParam(array(0, K, N), op())

    return learner_of(Half, rule, **options)


@pytest.mark.parametrize("method", ["effective", "apply", "presynaptic", "outer", "spread"])
def test_an_operation_that_lacks_what_a_rule_needs(method):
    with pytest.raises(errors.OperationError, match=rf"HalfOp .*`{method}`"):
        learner_with(without(method))


def test_a_rule_needs_of_an_operation_what_it_uses():
    half = without("spread", "outer")
    with pytest.raises(errors.OperationError, match=r"^w: HalfOp"):
        learner_with(half)
    es = {"rule": brainscale.ES_D_RTRL, "decay_or_rank": 0.9}
    close(gradients(learner_with(half, **es)), gradients(learner_of(**es)))


def test_an_operation_whose_gradient_has_another_shape_than_its_weight():
    class Wrong(MatMulOp):
        def pull_back(self, pre, c, weight):
            return super().pull_back(pre, c, weight).T

    with pytest.raises(errors.ShapeError, match=r"^w: Wrong\.pull_back"):
        learner_with(Wrong)


class Squashed(MatMulOp):
    """An `apply` of its own, and the derivative of the class above."""

    def apply(self, x, weight):
        y = super().apply(x, weight)
        return y * u.math.tanh(y / u.get_unit(y))


class Doubled(MatMulOp):
    def outer(self, pre, f, weight):
        return jax.tree.map(lambda e: 2 * e, super().outer(pre, f, weight))


class PulledBackTwice(MatMulOp):
    def pull_back(self, pre, c, weight):
        return 2 * super().pull_back(pre, c, weight)


@pytest.mark.parametrize("op", [Squashed, Doubled, PulledBackTwice])
def test_an_operation_whose_methods_are_not_its_derivative(op):
    with pytest.raises(
        errors.OperationError, match=rf"^w: what {op.__name__}\..* is not the deriv"
    ):
        learner_with(op)


def test_what_a_rule_does_not_use_is_not_looked_at():
    learner_with(Doubled, brainscale.ES_D_RTRL, decay_or_rank=0.9)
    with pytest.raises(errors.OperationError, match="PulledBackTwice"):
        learner_with(PulledBackTwice, brainscale.ES_D_RTRL, decay_or_rank=0.9)


# Methods of one's own that are right for one step, or for the gradient, and wrong for traces.


class Einsum(brainscale.ETraceOp):
    """A dense operation that a user has written, without the parts of this package."""

    def effective(self, w):
        return w

    def apply(self, x, weight):
        return x @ weight

    def presynaptic(self, x, y, weight):
        return x

    def outer(self, pre, f, weight):
        return jnp.einsum("s...k,s...n->...kn", pre, f)

    def spread(self, f, weight):
        return f[..., None, :]


class CalledOtherwise(Einsum):
    def __call__(self, x, w):
        return jnp.tanh(super().__call__(x, w))


class CalledDoubly(MatMulOp):
    def __call__(self, x, w):
        return 2 * super().__call__(x, w)


class SpreadByRows(Einsum):
    """Right in shape, where there are as many rows as columns."""

    def spread(self, f, weight):
        return f[..., :, None]


class SpreadTwice(Einsum):
    def spread(self, f, weight):
        return 2 * super().spread(f, weight)


class OuterOfTheFirst(Einsum):
    def outer(self, pre, f, weight):
        return jnp.einsum("...k,...n->...kn", pre, f)[0]


class OuterOfTheLast(Einsum):
    def outer(self, pre, f, weight):
        return jnp.einsum("...k,...n->...kn", pre, f)[-1]

    def pull_back(self, pre, c, weight):
        return jnp.einsum("sbk,sbn->kn", pre, c)


class OuterOfOneStep(Einsum):
    def outer(self, pre, f, weight):
        return super().outer(pre.reshape(1, *pre.shape[1:]), f, weight)


class OuterOverTheBatch(Einsum):
    def outer(self, pre, f, weight):
        return jnp.einsum("s...k,s...n->kn", pre, f)


class FactorsOverSteps(Einsum):
    def presynaptic(self, x, y, weight):
        return jnp.broadcast_to(x.mean(0), x.shape)


class PulledBackOfTheFirst(Einsum):
    def pull_back(self, pre, c, weight):
        return jnp.einsum("bk,bn->kn", pre[0], c[0])


@pytest.fixture
def square():
    """A weight with as many rows as columns, for which the wrong axes have the right shapes."""

    def learner_with(op, rule="D_RTRL", **options):
        class Square(brainstate.nn.Module):
            def __init__(self):
                super().__init__()
                self.w = ETraceParam(array(0, N, N), op())

            def init_state(self, batch_size=None):
                self.h = brainstate.HiddenState(jnp.zeros((batch_size, N)))

            def update(self, x):
                self.h.value = 0.8 * self.h.value + self.w.execute(x)
                return self.h.value

        return brainscale.compile(Square(), rule, jnp.ones((2, N)), batch_size=2, **options)

    return learner_with


@pytest.mark.parametrize(
    ("op", "named"),
    [
        (CalledOtherwise, "__call__ makes is not what `apply`"),
        (CalledDoubly, "__call__ makes is not what `apply`"),
        (SpreadByRows, r"outer makes of one step.*SpreadByRows\.spread"),
        (SpreadTwice, r"outer makes of one step.*SpreadTwice\.spread"),
        (OuterOfTheFirst, "outer makes of two steps"),
        (OuterOfTheLast, "outer makes of two steps"),
        (OuterOfOneStep, "outer makes of two steps|makes of two steps.*fails"),
        (OuterOverTheBatch, r"outer makes of one step, of shape \(5, 5\)"),
        (FactorsOverSteps, "outer makes of two steps"),
        (PulledBackOfTheFirst, "pull_back makes of two steps"),
    ],
)
def test_an_operation_that_is_wrong_for_traces(op, named, square):
    with pytest.raises(errors.OperationError, match=rf"^w: what {op.__name__}.*{named}"):
        square(op)


def test_an_operation_that_is_called_otherwise_is_refused_by_all_rules(square):
    with pytest.raises(errors.OperationError, match="__call__"):
        square(CalledDoubly, "ES_D_RTRL", decay_or_rank=0.5)
    with pytest.raises(errors.OperationError, match="pull_back makes of two steps"):
        square(FactorsOverSteps, "ES_D_RTRL", decay_or_rank=0.5)
    square(CalledDoubly, "RTRL")
    square(SpreadByRows, "ES_D_RTRL", decay_or_rank=0.5)


class CalledAloud(Einsum):
    def __call__(self, x, w):
        return super().__call__(x, w) + 0


def test_an_operation_of_ones_own_that_is_right(square):
    """Whether it says itself how it is called or not."""
    square(Einsum)
    square(CalledAloud)


W = {"B": jnp.ones((3, 2)), "A": jnp.ones((2, N))}
DENSE = {"weight": jnp.ones((3, N)), "bias": jnp.ones(N)}


@pytest.mark.parametrize(
    ("kind", "args", "weight", "shape"),
    [
        (MatMulOp, (), DENSE, (2, 3)),
        (brainscale.LoraOp, (0.5,), W, (2, 3)),
        (brainscale.SpMatMulOp, (([0, 1, 2], [0, 0, 3], (3, N)),), jnp.ones(3), (2, 3)),
        (brainscale.ConvOp, (), jnp.ones((2, 3, N)), (2, 5, 3)),
        (brainscale.ElemWiseOp, (jnp.exp,), jnp.ones(N), None),
        (brainscale.EmbeddingOp, (), jnp.ones((3, N)), (2,)),
    ],
)
def test_subclasses_of_this_packages_operations_are_right(kind, args, weight, shape):
    """They are held to what users' operations are held to."""
    op = type("Own", (kind,), {"__module__": "own"})(*args)

    class Net(brainstate.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = ETraceParam(weight, op)

        def init_state(self, batch_size=None):
            more = (shape[1],) if kind is brainscale.ConvOp else ()
            self.h = brainstate.HiddenState(jnp.zeros((batch_size, *more, N)))

        def update(self, x):
            self.h.value = 0.8 * self.h.value + self.w.execute(None if shape is None else x)
            return self.h.value

    dtype = jnp.int32 if kind is brainscale.EmbeddingOp else jnp.float32
    brainscale.compile(Net(), "D_RTRL", jnp.zeros(shape or (2, 1), dtype), batch_size=2)
