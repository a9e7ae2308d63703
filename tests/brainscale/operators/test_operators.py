"""What each operation says of itself, against autodiff (SPEC.md, chapter 9)."""

from __future__ import annotations

import brainevent
import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale import errors
from brainscale.operators import (
    ConvOp,
    ElemWiseOp,
    EmbeddingOp,
    GroupedMatMulOp,
    LoraOp,
    MatMulOp,
    SpMatMulOp,
)

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
    "grouped": (GroupedMatMulOp(), array(3, 2, 4), array(5, 2, 6)),
    "grouped with bias": (
        GroupedMatMulOp(rng.random((2, 3, 3)) > 0.4, jnp.tanh),
        {"weight": array(2, 3, 3), "bias": array(6)},
        array(5, 2, 6),
    ),
    "low rank": (LoraOp(0.5), {"B": array(4, 2), "A": array(2, 3)}, array(5, 2, 4)),
    "CSR": (SpMatMulOp(brainevent.CSR.fromdense(SPARSE), jnp.tanh), array(5), array(5, 2, 4)),
    "CSC": (SpMatMulOp(brainevent.CSC.fromdense(SPARSE)), array(5), array(5, 2, 4)),
    "masked COO": (
        SpMatMulOp((*np.nonzero(SPARSE), (4, 3)), jnp.tanh, np.array([1, 0, 1, 1, 0])),
        *(array(5), array(5, 2, 4)),
    ),
    "repeated entries": (
        SpMatMulOp(([0, 3, 0, 0], [2, 1, 2, 2], (4, 3))),
        *(array(4), array(5, 2, 4)),
    ),
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


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "bias" in str(case[1])])
def test_a_bias_has_one_input(name):
    """Of each member of a batch one number, wherever y is: what HYBRID-2 counts."""
    op, w, x = CASES[name]
    pre = op.presynaptic(x, op.apply(x, op.effective(w)), w)
    assert pre["bias"].size == 5 * 2


def test_groups_do_not_mix():
    """Each group is a dense operation of its own inputs, biases and outputs."""
    w, b, x = array(3, 2, 4), array(12), array(5, 6)
    y = GroupedMatMulOp()(x, {"weight": w, "bias": b})
    for g in range(3):
        block = slice(4 * g, 4 * g + 4)
        same(y[:, block], x[:, 2 * g : 2 * g + 2] @ w[g] + b[block])


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


PLACES = ([0, 1], [1, 2], (2, 3))


@pytest.mark.parametrize(
    ("error", "call"),
    [
        *(
            (errors.ParameterError, lambda places=places: SpMatMulOp(places))
            for places in (
                ([0, 2], [1, 2], (2, 3)),
                ([0, -1], [1, 2], (2, 3)),
                ([0, 1], [1, 3], (2, 3)),
                ([0, 1], [1.0, 2.0], (2, 3)),
                ([0, 1, 1], [1, 2], (2, 3)),
                ([[0, 1]], [[1, 2]], (2, 3)),
                ([0, 1], [1, 2], (2, 3, 1)),
                ([], [], (2, 0)),
            )
        ),
        (
            errors.ShapeError,
            lambda: SpMatMulOp(PLACES, weight_mask=[1.0])(jnp.ones(2), jnp.ones(2)),
        ),
        (errors.ShapeError, lambda: SpMatMulOp(PLACES)(jnp.ones(2), jnp.ones(3))),
        (errors.ShapeError, lambda: SpMatMulOp(PLACES)(jnp.ones(3), jnp.ones(2))),
        *(
            (errors.ParameterError, lambda options=options: ConvOp(**options))
            for options in (
                {"strides": 0},
                {"strides": (1, 1.5)},
                {"dilation": -1},
                {"groups": True},
                {"padding": "FULL"},
                {"padding": -1},
                {"padding": [(0, -1)]},
            )
        ),
        *(
            (errors.ParameterError, lambda op=op: op(jnp.ones((5, 2)), jnp.ones((2, 2, 2))))
            for op in (ConvOp((1, 1)), ConvOp(dilation=(1, 2)), ConvOp(padding=[(1, 1), (0, 0)]))
        ),
        *(
            (errors.ShapeError, lambda op=op, x=x, w=w: op(jnp.ones(x), w))
            for op, x, w in (
                (ConvOp(), (5, 3), jnp.ones((2, 2, 2))),
                (ConvOp(), (5,), jnp.ones((2, 2))),
                (ConvOp(groups=2), (5, 4), jnp.ones((2, 2, 3))),
                (ConvOp(padding="VALID"), (2, 2), jnp.ones((3, 2, 2))),
                (ConvOp(weight_mask=np.ones((1, 1, 2))), (5, 2), jnp.ones((2, 2, 2))),
                (ConvOp(), (5, 2), {"weight": jnp.ones((2, 2, 2)), "bias": jnp.ones(1)}),
                (GroupedMatMulOp(), (4,), jnp.ones((4, 4))),
                (GroupedMatMulOp(), (2,), jnp.ones((2, 2, 3))),
                (GroupedMatMulOp(), (), jnp.ones((1, 1, 3))),
                (GroupedMatMulOp(np.ones((2, 3))), (4,), jnp.ones((2, 2, 3))),
                *(
                    (GroupedMatMulOp(), (4,), {"weight": jnp.ones((2, 2, 3)), "bias": bias})
                    for bias in (jnp.ones(3), jnp.ones((2, 3)))
                ),
                (LoraOp(), (4,), {"B": jnp.ones((4, 2)), "A": jnp.ones(2)}),
                (LoraOp(), (4,), {"B": jnp.ones((4, 2)), "A": jnp.ones((3, 2))}),
                (LoraOp(), (3,), {"B": jnp.ones((4, 2)), "A": jnp.ones((2, 2))}),
            )
        ),
        *(
            (errors.ParameterError, lambda alpha=alpha: LoraOp(alpha))
            for alpha in (np.nan, np.inf, "1", True)
        ),
        (errors.StructureError, lambda: LoraOp()(jnp.ones(4), {"B": jnp.ones((4, 2))})),
        (errors.DtypeError, lambda: EmbeddingOp()(jnp.ones(2), jnp.ones((3, 2)))),
        (errors.StructureError, lambda: EmbeddingOp()(1, {"weight": jnp.ones((3, 2))})),
        (errors.InputError, lambda: EmbeddingOp()(jnp.array([0, 3]), jnp.ones((3, 2)))),
        (errors.InputError, lambda: EmbeddingOp()(np.array(-1), jnp.ones((3, 2)))),
    ],
)
def test_what_operations_refuse(error, call):
    """OP-12, OP-13: nothing is clamped, dropped or broadcast."""
    with pytest.raises(error):
        call()


def test_a_row_out_of_range_in_compiled_code_is_nan():
    table = array(3, 2) * u.mA
    rows = jax.jit(lambda x: EmbeddingOp()(x, table))(jnp.array([2, 3, -1, 0]))
    np.testing.assert_array_equal(jnp.isnan(rows.to_decimal(u.mA)).any(-1), [0, 1, 1, 0])
    np.testing.assert_array_equal(rows[0].to_decimal(u.mA), table[2].to_decimal(u.mA))


class Words(brainstate.nn.Module):
    """A table looked up with the input, or with the input plus what a state counts."""

    def __init__(self, counts=False):
        super().__init__()
        self.table, self.counts = brainscale.ETraceParam(array(4, 3), EmbeddingOp()), counts

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainscale.ETraceState(jnp.zeros((batch_size, 3)))
        self.count = brainstate.ShortTermState(jnp.zeros((), jnp.int32))

    def update(self, x):
        row = x + self.count.value if self.counts else x
        self.count.value = self.count.value + 1
        self.h.value = 0.5 * self.h.value + self.table.execute(row)
        return self.h.value


def test_a_learner_refuses_known_rows():
    xs = jnp.array([[0, 1], [2, 3], [1, 0]])
    bad = xs.at[2, 1].set(4)
    learner = brainscale.D_RTRL(Words())
    brainstate.nn.init_all_states(learner.model, batch_size=2)
    learner.compile_graph(xs[0])
    for call in (
        lambda: learner(bad[2]),
        lambda: learner.check_inputs(bad),
        lambda: learner.etrace_grad(bad, lambda x: learner(x).sum()),
        lambda: brainstate.transform.jit(
            lambda: learner.etrace_grad(bad, lambda x: learner(x).sum())
        )(),
    ):
        with pytest.raises(errors.InputError, match="4"):
            call()
        assert not learner.model.h.value.any()
    assert learner.count.value == 0
    learner.etrace_grad(xs, lambda x: learner(x).sum())
    assert learner.count.value == 3


def test_rows_that_states_choose_are_nan_where_there_are_none():
    xs = jnp.zeros((6, 2), jnp.int32)
    learner = brainscale.D_RTRL(Words(counts=True))
    brainstate.nn.init_all_states(learner.model, batch_size=2)
    learner.compile_graph(xs[0])
    _, losses = learner.etrace_grad(xs, lambda x: learner(x).sum(), return_value=True)
    np.testing.assert_array_equal(jnp.isnan(losses), [0, 0, 0, 0, 1, 1])
    with pytest.raises(errors.InputError, match="6"):
        learner(xs[0])


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
