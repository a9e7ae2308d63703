"""What each operation says of itself, against autodiff (SPEC.md, chapter 9)."""

from __future__ import annotations

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale import ElemWiseOp, MatMulOp, errors

rng = np.random.default_rng(0)


def array(*shape):
    return jnp.asarray(rng.normal(size=shape), jnp.float32)


CASES = {
    "dense": (MatMulOp(), array(4, 3), array(5, 2, 4)),
    "dense with bias": (MatMulOp(), {"weight": array(4, 3), "bias": array(3)}, array(5, 2, 4)),
    "masked": (
        MatMulOp(np.eye(4, 3), lambda w: w**2),
        {"weight": array(4, 3), "bias": array(3)},
        array(5, 2, 4),
    ),
    "element-wise": (ElemWiseOp(jnp.tanh), array(3), None),
}
"""An operation, its parameter's value, and inputs of five steps and two members of a batch."""


@pytest.mark.parametrize("name", CASES)
def test_traces_and_gradients_are_the_operation_s_own(name):
    op, w, x = CASES[name]
    weight = op.effective(w)
    y = jnp.broadcast_to(op.apply(x, weight), (5, 2, 3))
    pre, c = op.presynaptic(x, y, weight), array(5, 2, 3)
    _, pull_back = jax.vjp(lambda w: jnp.broadcast_to(op.apply(x, w), (5, 2, 3)), weight)
    (wanted,) = pull_back(c)
    for got in (op.pull_back(pre, c, weight), op.total(op.outer(pre, c, weight), weight)):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-4, 1e-5), got, wanted)
    f = array(2, 3)
    spread = jax.tree.map(jnp.multiply, op.outer(pre, c, weight), op.spread(f, weight))
    scaled = op.outer(pre, c * f, weight)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-4, 1e-5), spread, scaled)


def test_mask_and_weight_function_each_once():
    w = 2.0 * jnp.ones((2, 2))
    np.testing.assert_allclose(MatMulOp(np.eye(2), lambda w: w**2).effective(w), 4 * np.eye(2))
    shifted = MatMulOp(np.eye(2), lambda w: w + 1, apply_weight_fn_before_mask=False)
    np.testing.assert_allclose(shifted.effective(w), 2 * np.eye(2) + 1)


def test_refusals():
    w = jnp.ones((2, 3))
    mixed = {"weight": w * u.mA, "bias": jnp.ones(3)}
    for error, call in (
        (errors.ShapeError, lambda: MatMulOp()(jnp.ones(3), w)),
        (errors.ShapeError, lambda: MatMulOp()(jnp.ones(2), jnp.ones(2))),
        (errors.ShapeError, lambda: MatMulOp(jnp.ones((3, 2)))(jnp.ones(2), w)),
        (errors.StructureError, lambda: MatMulOp()(jnp.ones(2), {"w": w})),
        (errors.StructureError, lambda: ElemWiseOp()(jnp.ones(2), w)),
        (
            errors.UnitError,
            lambda: MatMulOp()(jnp.ones(2), mixed),
        ),
        (errors.ValueTypeError, lambda: brainscale.ETraceParam(w, jnp.tanh)),
    ):
        with pytest.raises(error):
            call()


def test_execute_is_the_operation():
    w, x = array(2, 3), array(4, 2)
    for kind in (brainscale.ETraceParam, brainscale.NonTempParam):
        np.testing.assert_allclose(kind(w, MatMulOp()).execute(x), x @ w, 1e-5)
    np.testing.assert_allclose(brainscale.ElemWiseParam(w, jnp.exp).execute(), jnp.exp(w), 1e-5)
