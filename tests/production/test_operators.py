"""What each operation says of itself, against autodiff (SPEC.md, chapter 9)."""

from __future__ import annotations

import brainevent
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale import errors
from brainscale.operators import ConvOp, ElemWiseOp, EmbeddingOp, LoraOp, MatMulOp, SpMatMulOp

rng = np.random.default_rng(0)


def array(*shape):
    return jnp.asarray(rng.normal(size=shape), jnp.float32)


SPARSE = jnp.array([[1.0, 0, 2], [0, 0, 0], [0, 3, 0], [4, 5, 0]])

CASES = {
    "dense": (MatMulOp(), array(4, 3), array(5, 2, 4)),
    "dense with bias": (MatMulOp(), {"weight": array(4, 3), "bias": array(3)}, array(5, 2, 4)),
    "masked": (
        MatMulOp(np.eye(4, 3), lambda w: w**2),
        {"weight": array(4, 3), "bias": array(3)},
        array(5, 2, 4),
    ),
    "element-wise": (ElemWiseOp(jnp.tanh), array(3), None),
    "embedding": (EmbeddingOp(weight_fn=jnp.tanh), array(4, 3), rng.integers(0, 4, (5, 2))),
    "low rank": (LoraOp(0.5), {"B": array(4, 2), "A": array(2, 3)}, array(5, 2, 4)),
    "CSR": (SpMatMulOp(brainevent.CSR.fromdense(SPARSE), jnp.tanh), array(5), array(5, 2, 4)),
    "CSC": (SpMatMulOp(brainevent.CSC.fromdense(SPARSE)), array(5), array(5, 2, 4)),
    "COO": (SpMatMulOp((*np.nonzero(SPARSE), (4, 3))), array(5), array(5, 2, 4)),
    "convolution 1": (ConvOp(2, "VALID"), array(3, 2, 4), array(5, 2, 9, 2)),
    "convolution 2": (
        ConvOp((1, 2), 1, groups=2, weight_fn=jnp.tanh, weight_mask=rng.random((3, 3, 2, 6)) > 0.5),
        {"weight": array(3, 3, 2, 6), "bias": array(6)},
        array(5, 2, 4, 5, 4),
    ),
    "convolution 3": (ConvOp(dilation=2), array(2, 2, 2, 1, 2), array(5, 2, 3, 4, 3, 1)),
}
"""An operation, its parameter's value, and inputs of five steps and two members of a batch."""


@pytest.mark.parametrize("name", CASES)
def test_traces_and_gradients_are_the_operation_s_own(name):
    op, w, x = CASES[name]
    weight = op.effective(w)

    def put_out(weight):
        y = op.apply(x, weight)
        return y if x is not None else jnp.broadcast_to(y, (5, 2, *y.shape))

    y, pull_back = jax.vjp(put_out, weight)
    pre, c, f = op.presynaptic(x, y, weight), array(*y.shape), array(*y.shape[1:])
    trace = op.outer(pre, c, weight)
    (wanted,) = pull_back(c)
    same(op.pull_back(pre, c, weight), wanted)
    same(op.total(trace, weight), wanted)
    # An entry of a trace belongs to one neuron: what scales the neuron scales the entry.
    same(jax.tree.map(jnp.multiply, trace, op.spread(f, weight)), op.outer(pre, c * f, weight))


def same(got, wanted):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 2e-4, 1e-5), got, wanted)


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
        (errors.ValueTypeError, lambda: brainscale.FakeETraceParam(w, w)),
    ):
        with pytest.raises(error):
            call()


def test_execute_is_the_operation():
    w, x = array(2, 3), array(4, 2)
    plain = (brainscale.NonTempParam, brainscale.FakeETraceParam)
    for kind in (brainscale.ETraceParam, *plain):
        np.testing.assert_allclose(kind(w, MatMulOp()).execute(x), x @ w, 1e-5)
    for kind in plain:
        np.testing.assert_allclose(kind(w, lambda x, w: x @ w + 1).execute(x), x @ w + 1, 1e-5)
    for kind in (brainscale.ElemWiseParam, brainscale.FakeElemWiseParam):
        np.testing.assert_allclose(kind(w, jnp.exp).execute(), jnp.exp(w), 1e-5)
        np.testing.assert_allclose(kind(w).execute(), w)
