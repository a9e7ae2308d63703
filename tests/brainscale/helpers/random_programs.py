"""Random programs whose paths are known by construction, with programs within them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from random_operations import OF_RULES, SHAPE, SIMPLE


@dataclasses.dataclass
class Operation:
    """What is computed of operands and of integers that nobody knows, and what it depends on."""

    name: str
    compute: Callable[..., Any]
    paths: Callable[..., np.ndarray]
    operands: list[int]


@dataclasses.dataclass
class Program:
    """Operations one after the other, each of values made before it. The last is the result."""

    operations: list[Operation]

    def run(self, values: list[Any], integers: Any) -> Any:
        values = list(values)
        for operation in self.operations:
            operands = [values[k] for k in operation.operands]
            values.append(operation.compute(integers, *operands))
        return values[-1]

    def paths(self, patterns: list[np.ndarray]) -> np.ndarray:
        patterns = list(patterns)
        for operation in self.operations:
            patterns.append(operation.paths(*(patterns[k] for k in operation.operands)))
        return patterns[-1]

    def __str__(self) -> str:
        return "; ".join(f"{op.name}{op.operands}" for op in self.operations)


def random_program(
    rng: np.random.Generator, sources: int, depth: int = 2, simple: tuple[Callable, ...] = ()
) -> Program:
    """A program of so many arguments; `depth` bounds the programs within programs."""
    simple = simple or SIMPLE
    program = Program([])
    for k in range(int(rng.integers(2, 6 if depth == 2 else 4))):
        kinds = [*simple, *NESTED] if depth and rng.random() < 0.5 else simple
        kind = kinds[rng.integers(len(kinds))]
        count = sources + k
        operands = [int(rng.integers(max(0, count - 3), count)) for _ in range(2)]
        name, compute, paths, arity = kind(rng, depth)
        program.operations.append(Operation(name, compute, paths, operands[:arity]))
    return program


def choice(rng, depth):
    bodies = [random_program(rng, 2, depth - 1) for _ in range(rng.integers(2, 4))]

    def compute(i, x, y):
        runs = [lambda x, y, b=body: b.run([x, y], i) for body in bodies]
        if len(runs) == 2:
            return lax.cond(i[0] > 1, *runs, x, y)
        return lax.switch(i[0], runs, x, y)

    def paths(p, q):
        return np.any([body.paths([p, q]) for body in bodies], 0)

    return f"cond({' | '.join(map(str, bodies))})", compute, paths, 2


def called(rng, depth):
    body = random_program(rng, 2, depth - 1)
    wrap = (jax.jit, jax.checkpoint)[rng.integers(2)]

    def compute(i, x, y):
        return wrap(lambda x, y, i: body.run([x, y], i))(x, y, i)

    return f"{wrap.__name__}({body})", compute, lambda p, q: body.paths([p, q]), 2


def loop(rng, depth):
    """Of a carried value, with another that is the same in each step."""
    body, length = random_program(rng, 2, depth - 1), int(rng.integers(1, 5))

    def compute(i, x, y):
        return lax.fori_loop(0, length, lambda k, x: body.run([x, y], i + k), x)

    def paths(p, q):
        for _ in range(length):
            p = body.paths([p, q])
        return p

    return f"loop {length}({body})", compute, paths, 2


def scan(rng, depth):
    """Over two parts of a value, with what it carries added to what each step leaves."""
    body, reverse = random_program(rng, 2, depth - 1), bool(rng.integers(2))

    def compute(i, x, y):
        def step(carry, part):
            new = body.run([carry, jnp.stack([part, part])], i)
            return new, new[0] + part

        return lax.scan(step, x, y, reverse=reverse)[1]

    def paths(p, q):
        after = q.copy()
        for k in (1, 0) if reverse else (0, 1):
            p = body.paths([p, np.stack([q[k], q[k]])])
            after[k] |= p[0]
        return after

    return f"scan({body})", compute, paths, 2


def mapped(rng, depth):
    """Over the members of a batch, each made an array of the usual shape."""
    body, way = random_program(rng, 1, depth - 1), (lax.map, jax.vmap)[rng.integers(2)]

    def compute(i, x):
        def one(row):
            return body.run([jnp.stack([row, 2 * row])], i).sum(0)

        return lax.map(one, x) if way is lax.map else jax.vmap(one)(x)

    def paths(p):
        return np.stack([body.paths([np.stack([row, row])]).any(0) for row in p])

    return f"{way.__name__}({body})", compute, paths, 1


def ruled(rng, depth):
    """A custom derivative whose rule is a program, of which the values matter."""
    body = random_program(rng, 2, 0, OF_RULES)
    function = jax.custom_vjp(lambda x, i: jnp.round(x))

    def pull_back(kept, g):
        # What there is without g is no derivative.
        return body.run([g, kept[0]], kept[1]) - body.run([jnp.zeros_like(g), kept[0]], kept[1])

    function.defvjp(lambda x, i: (jnp.round(x), (x, i)), lambda kept, g: (pull_back(kept, g), None))

    def paths(p):
        identity = np.eye(p[..., 0].size, dtype=bool).reshape(*SHAPE, -1)
        back = body.paths([identity, np.zeros_like(identity)]).reshape(identity.shape[-1], -1)
        return (back.T @ p.reshape(len(back), -1)).reshape(p.shape)

    return f"rule({body})", lambda i, x: function(x, i), paths, 1


NESTED = (ruled, choice, called, loop, scan, mapped)
