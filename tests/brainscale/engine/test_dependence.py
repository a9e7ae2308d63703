"""What depends on what: no path is missed, and where none is, none is seen where it matters.

The number of random programs is that of the environment's BRAINSCALE_PROGRAMS.
"""

from __future__ import annotations

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from brainscale.engine.dependence import Dependence
from brainscale.engine.dependence.boxes import Box
from brainscale.engine.dependence.program import follow
from random_operations import SHAPE
from random_programs import random_program

COUNT = int(os.environ.get("BRAINSCALE_PROGRAMS", "100"))
LIKE = jax.ShapeDtypeStruct(SHAPE, jnp.float32)
INTEGERS = jax.ShapeDtypeStruct((3,), jnp.int32)
SIZE = int(np.prod(SHAPE))


def in_full(boxes, shape, source):
    """Boxes as a matrix from the elements of an array to those of a source."""
    pattern = np.zeros((*shape, *source), bool)
    for box in boxes:
        mask = np.ones_like(pattern)
        for axis, (low, high) in enumerate(box.bounds):
            indices = np.arange(source[axis]).reshape(
                [-1 if k == axis else 1 for k in range(len(source))]
            )
            low, high = (end.reshape(*end.shape, *(1,) * len(source)) for end in (low, high))
            mask &= (low <= indices) & (indices <= high)
        pattern |= mask & box.present.reshape(*box.present.shape, *(1,) * len(source))
    return pattern.reshape(int(np.prod(shape)), -1)


def dependence_of(function, *likes):
    return Dependence(lambda leaves, others: [function(*leaves)], list(likes or (LIKE,)), [])


def pattern_of(function, *likes):
    """Which element of a function's result depends on which of its one argument."""
    dependence = dependence_of(function, *likes)
    return in_full(dependence.between(0, 0), dependence.arguments[0], dependence.results[0]).T


def constructed(program):
    """The paths of a program of two arguments, from the elements of both to those of its result."""
    identity = np.eye(2 * SIZE, dtype=bool).reshape(2, *SHAPE, -1)
    return program.paths(list(identity)).reshape(SIZE, -1)


def analysed(program):
    def function(leaves, others):
        return [program.run(leaves, others[0])]

    dependence = Dependence(function, [LIKE, LIKE], [INTEGERS])
    return np.concatenate([in_full(dependence.between(k, 0), SHAPE, SHAPE).T for k in (0, 1)], 1)


def test_no_path_of_random_programs_is_missed():
    exact = 0
    for seed in range(COUNT):
        program = random_program(np.random.default_rng(seed), 2)
        wanted, got = constructed(program), analysed(program)
        assert not (wanted & ~got).any(), f"seed {seed}: {program}"
        exact += (wanted == got).all()
    assert exact >= 0.8 * COUNT


@pytest.mark.usefixtures("compiled_fast")
def test_derivatives_of_random_programs_are_where_paths_are():
    """What is constructed is itself held against derivatives at many points."""
    for seed in range(max(1, COUNT // 20)):
        program = random_program(np.random.default_rng(10**6 + seed), 2)
        derivative = jax.jit(jax.jacrev(program.run))
        wanted = constructed(program)
        for point in range(10):
            rng = np.random.default_rng(point)
            values = [jnp.asarray(rng.normal(size=SHAPE), jnp.float32) for _ in range(2)]
            derivatives = derivative(values, jnp.asarray(rng.integers(0, 3, 3), jnp.int32))
            matrix = np.concatenate([np.asarray(d).reshape(SIZE, -1) for d in derivatives], 1)
            seen = np.abs(matrix) > 1e-5 * np.abs(matrix).max()  # what rounding leaves is none
            assert not (seen & ~wanted).any(), f"seed {seed}: {program}"


# One kind at a time.

EACH = np.eye(SIZE, dtype=bool)
ROWS = np.kron(np.eye(2, dtype=bool), np.ones((3, 3), bool))
COLUMNS = np.kron(np.ones((2, 2), bool), np.eye(3, dtype=bool))
COUNTER = jnp.zeros((), jnp.int32)
WINDOWS = np.kron(np.eye(2, dtype=bool), [[1, 1, 0], [0, 1, 1], [0, 0, 1]]) > 0
PADDED = EACH[[0, 2, 3, 5]] | EACH[[0, 1, 3, 4]]
DILATED = EACH[[1, 4]]
SPREAD = EACH[[0, 1, 3, 4]]
GATHERED = np.array([2, 0, 0])


def ruled(rule):
    """A function with a backward pass of its own."""
    function = jax.custom_vjp(jnp.tanh)
    function.defvjp(lambda x: (jnp.tanh(x), None), lambda _, g: (rule(g),))
    return function


def pooled(x, function, strides, padding, **dilation):
    first = {lax.max: -jnp.inf, lax.add: 0.0}[function]
    return lax.reduce_window(x, first, function, (1, 2), strides, padding, **dilation)


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        (lambda x: lax.map(lambda row: jnp.where(row > 0, row, -row), x), EACH),
        (lambda x: lax.map(lambda c: jnp.where(c > 0, c, -c), x.T).T, EACH),
        (lambda x: lax.map(jnp.sort, x), ROWS),
        (lambda x: jax.vmap(lambda row: row[jnp.argmax(row)] + row)(x), ROWS),
        (lambda x: x.reshape(3, 2).T.reshape(2, 3), EACH[[0, 2, 4, 1, 3, 5]]),
        (lambda x: x[:, GATHERED], EACH[[2, 0, 0, 5, 3, 3]]),
        (lambda x: jnp.take(x, GATHERED, axis=1), EACH[[2, 0, 0, 5, 3, 3]]),
        (lambda x: jnp.take_along_axis(x, GATHERED[None], 1), EACH[[2, 0, 0, 5, 3, 3]]),
        (lambda x: lax.map(lambda row: jnp.take(row, GATHERED), x), EACH[[2, 0, 0, 5, 3, 3]]),
        (jax.jit(lambda x: jnp.sin(x[:, jnp.roll(GATHERED, 2)])), EACH[[0, 0, 2, 3, 3, 5]]),
        (jax.jit(lambda x: x @ jnp.diag(jnp.arange(1.0, 4))), EACH),
        (lambda x: jnp.diagonal(x[:, :, None] * jnp.ones(3), axis1=1, axis2=2), EACH),
        (lambda x: jnp.einsum("bi,ij->bj", x, np.diag([1.0, 2.0, 3.0])), EACH),
        (lambda x: x @ np.ones((3, 3)), ROWS),
        (lambda x: jnp.cumsum(x, 0), COLUMNS & np.tri(SIZE, dtype=bool)),
        (lambda x: x.mean(0) + 0 * x, COLUMNS),
        (lambda x: lax.reduce_window(x, 0.0, lax.add, (1, 2), (1, 1), "SAME"), WINDOWS),
        (lambda x: pooled(x, lax.max, (1, 1), "SAME"), WINDOWS),
        (lambda x: pooled(x, lax.add, (1, 2), "VALID"), EACH[[0, 3]] | EACH[[1, 4]]),
        (lambda x: pooled(x, lax.max, (1, 2), "VALID"), EACH[[0, 3]] | EACH[[1, 4]]),
        (lambda x: pooled(x, lax.max, (1, 2), [(0, 0), (1, 0)]), PADDED),
        (lambda x: pooled(x, lax.add, (1, 2), [(0, 0), (1, 0)], window_dilation=(1, 2)), DILATED),
        (lambda x: pooled(x, lax.add, (1, 2), [(0, 0), (0, 0)], base_dilation=(1, 2)), SPREAD),
        (lambda x: jnp.linalg.solve(x[:, :2, None] * jnp.eye(2), x[:, :2, None]), None),
        (lambda x: jnp.zeros_like(x) + lax.stop_gradient(x), np.zeros_like(EACH)),
        (
            lambda x: lax.cond(x.sum() > 0, lambda: x, lambda: x[:, ::-1]),
            EACH | EACH[[2, 1, 0, 5, 4, 3]],
        ),
        (ruled(lambda g: lax.stop_gradient(g[:, ::-1])), EACH[[2, 1, 0, 5, 4, 3]]),
        (lambda x: jax.nn.one_hot(jnp.argmax(x, 1), 3), np.zeros_like(EACH)),
    ],
    ids=[
        *("map-rows", "map-columns", "map-mixed", "argmax-index", "reshape", "gather"),
        *("take", "take-along", "map-take", "jit-gather", "jit-matrix", "jnp-diagonal", "diagonal"),
        *("dense", "cumsum", "zero-factor", "window", "window-max"),
        *("pool", "pool-max", "pool-padded", "pool-dilated", "pool-spread"),
        *("solve", "stopped", "cond", "stopped-rule", "one-hot"),
    ],
)
def test_paths(function, wanted):
    pattern = pattern_of(function)
    if wanted is None:
        rows = np.arange(4) // 2
        wanted = (rows[:, None] == np.arange(SIZE) // 3) & (np.arange(SIZE) % 3 < 2)
    assert (pattern == wanted).all()


def test_a_loop_that_ends_when_a_condition_says_so():
    """None of these has a derivative in reverse mode, but rules of others may loop so."""

    def program(x):
        return lax.while_loop(lambda x: x.sum() < 9, lambda x: jnp.roll(x, 1, 1), x)

    closed = jax.make_jaxpr(lambda x: lax.while_loop(lambda k: k[0] < 3, _shifted, (0, x))[1])(
        np.zeros(SHAPE, np.float32)
    )
    (boxes,) = follow(closed, [{0: (Box.identity(SHAPE),)}], {0: SHAPE})
    assert (in_full(boxes[0], SHAPE, SHAPE) == ROWS).all()
    (boxes,) = follow(
        jax.make_jaxpr(program)(np.zeros(SHAPE, np.float32)),
        [{0: (Box.identity(SHAPE),)}],
        {0: SHAPE},
    )
    assert in_full(boxes[0], SHAPE, SHAPE).all()


def _shifted(carry):
    k, x = carry
    return k + 1, jnp.roll(x, 1, 1)


def test_what_is_not_known_reaches_everything():
    def callback(x):
        rule = jax.custom_vjp(lambda x: x)
        rule.defvjp(lambda x: (x, None), lambda _, g: (_outside(g),))
        return rule(x)

    assert pattern_of(callback).all()
    assert dependence_of(callback).coarse([0], [0]) == ["pure_callback"]


def _outside(g):
    return jax.pure_callback(lambda g: g, jax.ShapeDtypeStruct(g.shape, g.dtype), g)


def test_what_is_written_in_place_reaches_everything():
    def function(x):
        kept = jax.new_ref(x)
        kept[...] = 2 * kept[...]
        return kept[...]

    assert pattern_of(function).all()


def test_an_integer_is_not_taken_at_its_value():
    def function(leaves, others):
        return [jnp.roll(leaves[0], others[0], 1)]

    dependence = Dependence(function, [LIKE], [jax.ShapeDtypeStruct((), jnp.int32)])
    assert (in_full(dependence.between(0, 0), SHAPE, SHAPE) == ROWS).all()


def test_many_elements_cost_no_more_than_axes():
    """Nothing is as large as the states, and nothing of a weight is looked at."""
    batch, n = 16, 4000
    states = jax.ShapeDtypeStruct((batch, n), jnp.float32)
    weight = jax.ShapeDtypeStruct((n, n), jnp.float32)

    def function(leaves, others):
        v, y, w = leaves
        v = jnp.where(v > 1, 0.0, jnp.abs(0.9 * v + y))
        return [v, jnp.tanh(v) @ w]

    dependence = Dependence(function, [states, states, weight], [])
    boxes = [box for a in range(3) for r in range(2) for box in dependence.between(a, r)]
    arrays = [array for box in boxes for pair in box.bounds for array in pair]
    assert boxes
    assert max(array.size for array in [*arrays, *(box.present for box in boxes)]) <= n
    assert dependence.is_within(0, 0, 2)
    elements, indices = dependence.pairs([1], [0], (batch, n), batch * n, exact=False)
    assert (elements == np.arange(batch * n)).all()
    assert (indices == elements).all()
