"""Random backward passes of which it is known whether they are linear in what comes back.

Each is made of parts, functions of a cotangent and of a value, that are linear in the cotangent or
are not; what is made of linear parts alone is linear, and all else is not.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

SHAPE = (2, 3)
MASK, INDEX = np.array([1.0, 0.0, 1.0], np.float32), np.array([2, 0, 0])


def _solved(g, v):
    return jnp.linalg.solve(jnp.eye(3) * 9 + jnp.tanh(v)[:, None], g[..., None])[..., 0]


def _lower(g, v):
    matrix = jnp.tril(jnp.tanh(v).T @ v) + 9 * jnp.eye(3)
    return lax.linalg.triangular_solve(matrix, g, transpose_a=True)


def _tridiagonal(g, v):
    low, middle, high = (jnp.concatenate([v[0, :1] * 0, v[0, :2]]), 9 + v[0], v[1].at[2].set(0))
    return lax.linalg.tridiagonal_solve(low, middle, high, g.T).T


def _convolved(g, v):
    return lax.conv_general_dilated(g[:, None], v[None, :1, :2], (1,), [(1, 0)])[:, 0]


def _windows(g, reduce, first):
    return lax.reduce_window(g, first, reduce, (1, 2), (1, 1), "SAME")


def _complex(g, v, imaginary):
    return (lax.complex(g, imaginary) * (v + 1j)).real


def _unused(g, v):
    jax.debug.callback(lambda _: None, jnp.abs(g))
    return 2 * g


LINEAR = {
    "scaled": lambda g, v: g / (1 + v * v),
    "box": lambda g, v: g * (jnp.abs(v) < 0.5),
    "where": lambda g, v: jnp.where(v > 0, g, jnp.zeros_like(g)),
    "known mask": lambda g, v: g * MASK,
    "of norm": lambda g, v: -g * jnp.linalg.norm(v),
    "turned": lambda g, v: g[:, ::-1].T.reshape(SHAPE),
    "taken": lambda g, v: jnp.take(g, INDEX, axis=1),
    "by order": lambda g, v: jnp.take_along_axis(g, jnp.argsort(v, 1), 1),
    "of the largest": lambda g, v: g + g[:, jnp.argmax(v[0]), None],
    "centred": lambda g, v: g - g.mean(-1, keepdims=True),
    "summed up": lambda g, v: jnp.cumsum(g, 1),
    "product": lambda g, v: g @ (v.T @ v),
    "fft": lambda g, v: jnp.fft.fft(g).real,
    "solve": _solved,
    "lower": _lower,
    "convolution": _convolved,
    "windows": lambda g, v: _windows(g, lax.add, 0.0),
    "padded": lambda g, v: jnp.pad(g, ((0, 0), (1, 1)))[:, :3],
    "joined": lambda g, v: jnp.concatenate([g, jnp.zeros((2, 1))], 1)[:, 1:],
    "set to zero": lambda g, v: g.at[:, 1].set(0.0),
    "added at": lambda g, v: g.at[:, 1].add(g[:, 0] * v[:, 1]),
    "updated": lambda g, v: lax.dynamic_update_slice(g, 2 * g[:, :1], (0, jnp.argmax(v[0]))),
    "plus zero": lambda g, v: g + np.zeros(SHAPE, np.float32) + 0 * v,
    "plus zeros of a call": lambda g, v: g + jax.jit(lambda v: (v, MASK[:1] - 1))(v)[1],
    "complex": lambda g, v: _complex(g, v, -g),
    "stopped": lambda g, v: lax.stop_gradient(g),
    "looked at": _unused,
    "with nothing": lambda g, v: jnp.concatenate([g, v[:0]]),
    "multiplied at": lambda g, v: g.at[:, 1].multiply(v[:, 0], unique_indices=True),
    "three diagonals": _tridiagonal,
}

BENT = {
    "clip": lambda g, v: jnp.clip(g, -0.1, 0.1),
    "norm": lambda g, v: g / (1e-3 + jnp.linalg.norm(g)),
    "affine": lambda g, v: g + 0.1,
    "plus a value": lambda g, v: g - v,
    "plus some": lambda g, v: g + MASK,
    "constant": lambda g, v: jnp.ones_like(g),
    "the value": lambda g, v: v,
    "whole": lambda g, v: (4 * g).astype(int) / 4.0,
    "rounded": lambda g, v: jnp.round(4 * g) / 4,
    "sign": lambda g, v: jnp.sign(g),
    "relu": lambda g, v: jax.nn.relu(g),
    "squared": lambda g, v: g * g,
    "by sum": lambda g, v: lax.cond(g.sum() > 0, lambda: g, lambda: 2 * g),
    "by value to a constant": lambda g, v: lax.cond(v.sum() > 0, lambda: g, lambda: v),
    "by sign": lambda g, v: jnp.where(g > 0, g, 0.0),
    "finite": lambda g, v: jnp.nan_to_num(g),
    "sorted": lambda g, v: jnp.sort(g, 1),
    "largest": lambda g, v: g.max(1, keepdims=True) * v,
    "largest window": lambda g, v: _windows(g, lax.max, -jnp.inf),
    "by its largest": lambda g, v: v + g[:, jnp.argmax(g[0]), None],
    "indexed by it": lambda g, v: v[:, jnp.argmax(g, 1)[:1]] + g,
    "padded with ones": lambda g, v: jnp.pad(g, ((0, 0), (1, 1)), constant_values=1)[:, :3],
    "filled with ones": lambda g, v: g.at[:, np.array([0, 1, 9])].get(mode="fill", fill_value=1.0),
    "joined to ones": lambda g, v: jnp.concatenate([g, jnp.ones((2, 1))], 1)[:, 1:],
    "set to one": lambda g, v: g.at[:, 1].set(1.0),
    "put into a value": lambda g, v: lax.dynamic_update_slice(v, g[:, :1], (0, 1)),
    "complex with a value": lambda g, v: _complex(g, v, v),
    "halved until small": lambda g, v: lax.while_loop(
        lambda g: jnp.abs(g).sum() > 0.1, lambda g: g / 2, g
    ),
    "outside": lambda g, v: jax.pure_callback(
        lambda g: g, jax.ShapeDtypeStruct(SHAPE, g.dtype), g, vmap_method="sequential"
    ),
    "divides": lambda g, v: v / (2 + g),
    "exponential": lambda g, v: jnp.exp(g),
    "solve by it": lambda g, v: _solved(v, g),
    "random": lambda g, v: g + jax.random.normal(jax.random.key(0), SHAPE),
}


def _with_own_rule(part):
    ruled = jax.custom_vjp(part)
    ruled.defvjp(lambda g, v: (part(g, v), None), lambda _, ct: (jnp.clip(ct, 0, 1), ct))
    return ruled


def _while(part, g, v):
    return lax.while_loop(lambda c: c[0] < 2, lambda c: (c[0] + 1, part(c[1], v)), (0, g))[1]


def _scanned(part, g, v):
    def step(carry, _):
        new = part(carry, v)
        return new, new[0]

    carry, left = lax.scan(step, jnp.zeros(SHAPE) + g, None, length=2)
    return carry + left


WITHIN = {
    "jit": lambda part, g, v: jax.jit(part)(g, v),
    "checkpoint": lambda part, g, v: jax.checkpoint(part)(g, v),
    "own rule": lambda part, g, v: _with_own_rule(part)(g, v),
    "loop": lambda part, g, v: lax.fori_loop(0, 2, lambda k, g: part(g, v * k), g),
    "while": _while,
    "scan": _scanned,
    "map": lambda part, g, v: lax.map(lambda r: part(jnp.stack([r[0]] * 2), v).sum(0), (g, v)),
    "vmap": lambda part, g, v: jax.vmap(lambda r: part(jnp.stack([r, -r]), v).sum(0))(g),
    "cond": lambda part, g, v: lax.cond(v.sum() > 0, part, lambda g, v: jnp.zeros_like(g), g, v),
    "switch": lambda part, g, v: lax.switch(
        jnp.argmax(v[0]), [part, lambda g, v: 2 * g, lambda g, v: part(-g, v)], g, v
    ),
    "sum of two": lambda part, g, v: g + part(g, v),
}


def random_backward(rng, most=4):
    """A function of a cotangent and a value, its name, and whether it is linear."""
    functions, names, linear = [], [], True
    for _ in range(int(rng.integers(1, most + 1))):
        kinds = BENT if rng.random() < 0.2 else LINEAR
        linear &= kinds is LINEAR
        name = [*kinds][rng.integers(len(kinds))]
        part = kinds[name]
        while rng.random() < 0.4:
            around = [*WITHIN][rng.integers(len(WITHIN))]
            name = f"{around}({name})"
            part = functools.partial(WITHIN[around], part)
        functions.append(part)
        names.append(name)

    def run(g, v):
        for part in functions:
            g = part(g, v)
        return g

    return run, "; ".join(names), linear
