"""Random operations whose paths are known by construction.

A kind draws one: its name, what JAX computes, what depends on what, and of how many operands. It is
computed of integers that nobody knows and of its operands. Which elements of its result depend on
which, it says of patterns: arrays of booleans with an axis of all sources behind the axes of the
value. Nothing here is read off a program or a derivative.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

SHAPE = (2, 3)
"""Of all values between operations; within one there are others."""


def element_wise(rng, depth):
    functions = (
        ("sin", jnp.sin),
        ("abs", jnp.abs),
        ("sign kept", lambda x: jnp.where(x > 0, x, -x)),
        ("relu", jax.nn.relu),
        ("piecewise", lambda x: jnp.piecewise(x, [x < 0, x > 1], [lambda x: -x, 1.0, jnp.sin])),
        ("clip", lambda x: jnp.clip(x, -1, 1)),
    )
    name, function = functions[rng.integers(len(functions))]
    return name, lambda _, x: function(x), lambda p: p, 1


def of_two(rng, depth):
    functions = (
        ("add", jnp.add),
        ("mul", jnp.multiply),
        ("max", jnp.maximum),
        ("where", lambda x, y: jnp.where(x > y, x, 1 - y)),
        ("masked", lambda x, y: jnp.where(jnp.isfinite(x), x, y)),
    )
    name, function = functions[rng.integers(len(functions))]
    return name, lambda _, x, y: function(x, y), lambda p, q: p | q, 2


def without_derivative(rng, depth):
    functions = (
        ("stop", lax.stop_gradient),
        ("floor", jnp.floor),
        ("compare", lambda x: (x > 0) * 1.0),
        ("rank", lambda x: jnp.argsort(x, -1) * 1.0),
    )
    name, function = functions[rng.integers(len(functions))]
    return name, lambda _, x, y: function(x) + y, lambda p, q: q, 2


def by_value(rng, depth):
    """The same, where values matter: in a rule for derivatives."""
    name, compute, _, arity = without_derivative(rng, depth)
    return name, compute, lambda p, q: (over(p) if name == "rank" else p) | q, arity


def masked(rng, depth):
    mask = rng.random(SHAPE) > 0.4
    which = rng.integers(2)

    def compute(_, x, y):
        return jnp.where(mask, x, y) if which else x * mask.astype(np.float32) + y

    def paths(p, q):
        m = mask[..., None]
        return (p & m) | (q & ~m if which else q)

    return "known choice" if which else "known factor", compute, paths, 2


def moved(rng, depth):
    index = rng.integers(0, 3, 3)
    turns = (
        ("take", lambda np_, x: x[:, index]),
        ("flip", lambda np_, x: np_.flip(x, 1)),
        ("roll", lambda np_, x: np_.roll(x, 1, 1)),
        ("rows", lambda np_, x: x[np.array([1, 0])]),
        ("reshape", lambda np_, x: x.reshape(3, 2, *x.shape[2:])[::-1]),
        ("repeat", lambda np_, x: np_.repeat(x, 2, 1)[:, index]),
        ("tile", lambda np_, x: np_.tile(x, (1, 2) + (1,) * (x.ndim - 2))[:, 1:4]),
        ("stack", lambda np_, x: np_.stack([x, x[::-1]], 1).reshape(4, *x.shape[1:])[1:3]),
        ("flat", lambda np_, x: x.reshape(6, *x.shape[2:])[np.array([5, 0, 1, 3, 3, 4])]),
    )
    name, turn = turns[rng.integers(len(turns))]

    def shaped(np_, x):
        return turn(np_, x).reshape(x.shape)

    return name, lambda _, x: shaped(jnp, x), lambda p: shaped(np, p), 1


def put_together(rng, depth):
    first, axis = int(rng.integers(0, 4)), int(rng.integers(0, 2))

    def both(np_, x, y):
        whole = np_.concatenate([x, y], axis)
        return whole[:, first : first + 3] if axis else whole[min(first, 2) :][:2]

    return "concatenate", lambda _, x, y: both(jnp, x, y), lambda p, q: both(np, p, q), 2


def padded(rng, depth):
    low, high = (int(n) for n in rng.integers(-1, 2, 2))

    def compute(_, x):
        y = lax.pad(x, 0.0, ((0, 0, 0), (low, high, 1)))[:, :3]
        return jnp.pad(y, ((0, 0), (0, 3 - y.shape[1])))

    def paths(p):
        spread = np.zeros((2, 5, p.shape[-1]), bool)
        spread[:, ::2] = p
        spread = np.pad(spread, ((0, 0), (max(low, 0), max(high, 0)), (0, 0)))
        spread = spread[:, max(-low, 0) : spread.shape[1] - max(-high, 0)][:, :3]
        return np.pad(spread, ((0, 0), (0, 3 - spread.shape[1]), (0, 0)))

    return f"pad {low} {high}", compute, paths, 1


def written(rng, depth):
    column = int(rng.integers(0, 3))
    adds = bool(rng.integers(2))

    def compute(_, x, y):
        place = x.at[:, column]
        return place.add(y[:, 0]) if adds else place.set(y[:, 0])

    def paths(p, q):
        after = p.copy()
        after[:, column] = q[:, 0] | (p[:, column] if adds else False)
        return after

    return "added at" if adds else "set at", compute, paths, 2


def over(p, axis=1):
    return np.broadcast_to(p.any(axis, keepdims=True), p.shape)


def by_unknown_index(rng, depth):
    ways = (
        ("column", lambda i, x, y: x[:, i[0], None] + y, lambda p, q: over(p) | q),
        ("roll by", lambda i, x, y: jnp.roll(x, i[0], 1), lambda p, q: over(p)),
        ("row", lambda i, x, y: y + x[i[1]], lambda p, q: q | over(p, 0)),
        (
            *("take along", lambda i, x, y: jnp.take_along_axis(x + 0 * y, i[None], 1)),
            lambda p, q: over(p),
        ),
        (
            *("each by", lambda i, x, y: jax.vmap(lambda row, k: row[k] + row)(x, i[:2])),
            lambda p, q: over(p),
        ),
        (
            *("set by", lambda i, x, y: x.at[:, i[2]].set(y[:, 1])),
            lambda p, q: p | q[:, 1:2],
        ),
        (
            *("slice by", lambda i, x, y: lax.dynamic_slice(x, (0, i[0]), (2, 2))[:, [0, 1, 1]]),
            lambda p, q: np.stack([p[:, 0] | p[:, 1], *[p[:, 1] | p[:, 2]] * 2], 1),
        ),
        (
            *("update by", lambda i, x, y: lax.dynamic_update_slice(x, y[:, :2], (0, i[1]))),
            lambda p, q: p | np.stack([q[:, 0], q[:, 0] | q[:, 1], q[:, 1]], 1),
        ),
    )
    return *ways[rng.integers(len(ways))], 2


def mixed(rng, depth):
    ways = (
        ("mean", lambda _, x: x - x.mean(-1, keepdims=True), over),
        ("max of", lambda _, x: x + x.max(-1, keepdims=True), over),
        ("cumsum", lambda _, x: jnp.cumsum(x, 1), lambda p: np.logical_or.accumulate(p, 1)),
        ("sort", lambda _, x: jnp.sort(x, 1), over),
        ("softmax", lambda _, x: jax.nn.softmax(x), over),
        ("fft", lambda _, x: jnp.fft.fft(x).real, over),
        (
            *("pool", lambda _, x: lax.reduce_window(x, -np.inf, lax.max, (1, 2), (1, 1), "SAME")),
            lambda p: p | np.pad(p, ((0, 0), (0, 1), (0, 0)))[:, 1:],
        ),
        (
            *("convolution", lambda _, x: _convolved(x)),
            lambda p: p | np.pad(p, ((0, 0), (1, 0), (0, 0)))[:, :-1],
        ),
        (
            "solve",
            lambda _, x: jnp.linalg.solve(jnp.eye(3) * 9 + x[:, None], x[..., None])[..., 0],
            over,
        ),
        (
            *("sum of batch", lambda _, x: x.sum(0, keepdims=True) * jnp.ones(SHAPE)),
            lambda p: over(p, 0),
        ),
    )
    return *ways[rng.integers(len(ways))], 1


def _convolved(x):
    kernel = np.ones((1, 1, 2), np.float32)
    return lax.conv_general_dilated(x[:, None], kernel, (1,), [(1, 0)])[:, 0]


def by_matrix(rng, depth):
    known = rng.random((3, 3)) > 0.5
    weights = np.where(known, rng.uniform(0.5, 1, (3, 3)), 0).astype(np.float32)
    ways = (
        ("matrix", lambda _, x: x @ weights, lambda p: _product(p, known)),
        ("diagonal", lambda _, x: x @ jnp.diag(jnp.arange(1.0, 4)), lambda p: p),
        ("eye", lambda _, x: (2 * jnp.eye(3) @ x.T).T, lambda p: p),
    )
    return *ways[rng.integers(len(ways))], 1


def _product(p, known):
    return np.stack([p[:, known[:, j]].any(1) for j in range(3)], 1)


def by_matrices(rng, depth):
    def compute(_, x, y):
        return x @ jnp.tanh(y.T @ y)

    return "matrices", compute, lambda p, q: over(p) | over(q, (0, 1)), 2


def custom_backward(rng, depth):
    rules = (
        ("surrogate", lambda x, g: g * (jnp.abs(x) < 0.5), lambda p: p),
        ("triangle", lambda x, g: g * jnp.maximum(0, 1 - jnp.abs(x)), lambda p: p),
        ("no path", lambda x, g: jnp.zeros_like(g), np.zeros_like),
        ("turned", lambda x, g: g[:, ::-1], lambda p: p[:, ::-1]),
        ("clipped", lambda x, g: g / (1 + jnp.linalg.norm(g)), lambda p: over(p, (0, 1))),
        ("kept by sign", lambda x, g: jnp.where(g > 0, g, 0.0), lambda p: p),
    )
    name, rule, paths = rules[rng.integers(len(rules))]
    function = jax.custom_vjp(lambda x: (x > 0) * 1.0)
    function.defvjp(lambda x: ((x > 0) * 1.0, x), lambda x, g: (rule(x, g),))
    return name, lambda _, x: function(x), paths, 1


def custom_forward(rng, depth):
    function = jax.custom_jvp(lambda x: jnp.round(x))
    function.defjvp(lambda x, t: (jnp.round(x[0]), jnp.where(x[0] > 0, t[0], 0.1 * t[0])))
    return "custom jvp", lambda _, x: function(x), lambda p: p, 1


SIMPLE = (
    *(element_wise, of_two, without_derivative, masked, moved, put_together, padded, written),
    *(by_unknown_index, mixed, by_matrix, by_matrices, custom_backward, custom_forward),
)

OF_RULES = (
    *(kind for kind in SIMPLE if kind not in (custom_backward, without_derivative)),
    by_value,
)
