"""Operations of users that lack what a rule needs, or have it wrong."""

from __future__ import annotations

import brainunit as u
import jax
import pytest
from odd_models import K, N, array
from test_learner import Recurrent, close, gradients, learner_of, step_length  # noqa: F401

import brainscale
from brainscale import ETraceParam, MatMulOp, errors


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
