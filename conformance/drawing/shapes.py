"""The sizes and operations of a plan's layers, each of which fits on the one below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

import reference
from conformance.plans.factors import LayerPlan, Plan
from conformance.protocol.problems import DENSE, Operation
from reference.traces import outputs

__all__ = ["Shape", "draw_shapes"]

_WIDE = 30
_FEW = (2, 5)
#: Inputs that may be cut to sizes of one to three dimensions and channels.
_CUTTABLE = (8, 12, 16, 18)
#: Inputs that may be cut into groups.
_GROUPABLE = (4, 6, 12)
_TALL = 300
"""Rows of a wide embedding: more than 8 bits count."""


class Shape(NamedTuple):
    """The operation of a layer with K inputs and N neurons; `weight` and `factor` are shapes."""

    operation: Operation
    K: int
    N: int
    weight: tuple[int, ...]
    factor: tuple[int, int] | None = None

    @property
    def biases(self) -> int:
        """How many biases there are."""
        return self.weight[-1] if self.operation.kind == "convolution" else self.N

    @property
    def terms(self) -> int:
        """How many terms a y has, at the most."""
        if self.operation.kind == "convolution":
            return math.prod(self.weight[:-1])
        by_kind = {"sparse": max(1, self.weight[0] // self.N), "embedding": 1}
        if self.operation.kind == "grouped":
            return self.weight[1]
        return by_kind.get(self.operation.kind, self.K)


def draw_shapes(rng: np.random.Generator, plan: Plan) -> list[Shape]:
    """Draw a shape for each layer, from the first up."""
    shapes: list[Shape] = []
    for l, layer in enumerate(plan.stack):
        above = plan.stack[l + 1] if l + 1 < len(plan.stack) else None
        K = shapes[-1].N if shapes else _draw_inputs(rng, layer)
        N = K if plan.path == "tied" and l < 2 else _draw_neurons(rng, layer, K, above)
        shapes.append(_draw_shape(rng, layer, K, N))
    return shapes


def _draw_inputs(rng: np.random.Generator, layer: LayerPlan) -> int:
    if layer.operation_kind == "convolution":
        return int(rng.choice(_CUTTABLE))
    if layer.operation == "embedding":
        return _TALL if layer.size == "wide" else int(rng.integers(*_FEW)) + 1
    few = int(rng.integers(*_FEW)) + 1
    if layer.operation == "grouped":
        few = int(rng.choice(_GROUPABLE))
    return {"one": 1, "few": few, "wide": _WIDE + 2, "same": few}[layer.size]


def _draw_neurons(
    rng: np.random.Generator, layer: LayerPlan, K: int, above: LayerPlan | None
) -> int:
    if above is not None and above.operation_kind == "convolution":
        return int(rng.choice(_CUTTABLE))
    if above is not None and above.operation == "grouped" and layer.size == "few":
        return int(rng.choice(_GROUPABLE))
    if layer.operation == "grouped" and layer.size == "few":
        return _draw_groups(rng, K, K) * int(rng.integers(1, 4))
    return {"one": 1, "few": int(rng.integers(*_FEW)), "wide": _WIDE, "same": K}[layer.size]


def _draw_shape(rng: np.random.Generator, layer: LayerPlan, K: int, N: int) -> Shape:
    kind = layer.operation_kind
    if kind == "convolution":
        return _draw_convolution(rng, int(layer.operation[-1]), K)
    if kind == "sparse":
        E = int(rng.integers(1, 3 + K * N // 2)) + 1
        # One connection twice, and as a rule inputs and neurons without any.
        rows, columns = (
            rng.choice(rng.permutation(size)[: max(1, size - 1)], E) for size in (K, N)
        )
        rows[-1], columns[-1] = rows[0], columns[0]
        operation = Operation("sparse", (K, N), tuple(map(int, rows)), tuple(map(int, columns)))
        return Shape(operation, K, N, (E,))
    if kind == "low-rank":
        R = int(rng.integers(1, 4))
        scale = float(rng.choice([-1.25, -0.5, 0.75, 2.0]))
        return Shape(Operation("low-rank", scale=scale), K, N, (K, R), (R, N))
    if kind == "grouped":
        G = _draw_groups(rng, K, N)
        return Shape(Operation("grouped"), K, N, (G, K // G, N // G))
    return Shape(Operation("embedding") if kind == "embedding" else DENSE, K, N, (K, N))


def _draw_groups(rng: np.random.Generator, K: int, N: int) -> int:
    """Draw a number of groups that divides K and N, and is not 1 if there is another."""
    common = [G for G in range(1, K + 1) if K % G == 0 and N % G == 0]
    return int(rng.choice(common[1:] or common))


def _draw_convolution(rng: np.random.Generator, D: int, K: int) -> Shape:
    """Draw a convolution of K inputs, of at most 24 neurons, whose window and padding fit."""
    while True:
        *sizes, C = _cut(rng, K, D + 1)
        G = int(rng.choice([g for g in (1, 2, 3) if C % g == 0]))
        if G == 1 and rng.random() < 0.4:
            continue  # groups are rarer than they should be
        outside = G * int(rng.integers(1, 3))
        window = [int(rng.integers(1, 4)) for _ in range(D)]
        strides, dilation = ([int(rng.integers(1, 4)) for _ in range(D)] for _ in range(2))
        padding = ("SAME", "VALID", tuple(tuple(map(int, rng.integers(0, 3, 2))) for _ in range(D)))
        pads = padding[int(rng.integers(3))]
        operation = Operation(
            "convolution",
            sizes=tuple(sizes),
            strides=tuple(strides) if rng.random() < 0.8 else _ones(strides),
            dilation=tuple(dilation) if rng.random() < 0.8 else _ones(dilation),
            padding=pads,
            groups=G,
        )
        positions = outputs(reference.Operation(**vars(operation)), window)
        N = math.prod(positions) * outside
        if min(positions) < 1 or N > 24 or math.prod(window) > 12:
            continue
        if not _meets_inputs(operation, window, positions):
            continue
        return Shape(operation, K, N, (*window, C // G, outside))


def _meets_inputs(operation: Operation, window: list[int], positions: Sequence[int]) -> bool:
    """Whether at least half of a window's entries lie on inputs and not on padding."""
    shares = []
    for i, (n, size, count) in enumerate(zip(operation.sizes, window, positions, strict=True)):
        stride = operation.strides[i] if operation.strides else 1
        dilation = operation.dilation[i] if operation.dilation else 1
        before = 0
        if operation.padding == "SAME":
            before = max((count - 1) * stride + (size - 1) * dilation + 1 - n, 0) // 2
        elif operation.padding != "VALID":
            before = operation.padding[i][0]
        at = np.arange(count)[:, np.newaxis] * stride + np.arange(size) * dilation - before
        shares.append(np.mean((at >= 0) & (at < n)))
    return bool(np.prod(shares) >= 0.5)


def _ones(numbers: list[int]) -> tuple[int, ...] | None:
    """The numbers as a tuple, or None, the default, where all are 1."""
    return None if set(numbers) == {1} else tuple(numbers)


def _cut(rng: np.random.Generator, K: int, count: int) -> list[int]:
    """Cut K into `count` factors, in random order."""
    factors, p = [1] * count, 2
    while K > 1:
        if K % p:
            p += 1
            continue
        factors[int(rng.integers(count))] *= p
        K //= p
    return factors
