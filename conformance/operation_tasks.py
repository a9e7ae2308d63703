"""Tasks of networks with operations other than dense ones (SPEC.md, chapter 9)."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import numpy as np

from conformance.implementation import Value
from conformance.populations import rounded
from conformance.problems import Layer, Network, Operation
from conformance.tasks import Task, drawn, drawn_layer


class Case(NamedTuple):
    """An operation and its sizes; `weight` and `factor` are shapes."""

    operation: Operation
    weight: tuple[int, ...]
    K: int
    N: int
    factor: tuple[int, int] | None = None

    @property
    def bias(self) -> int:
        """How many biases there are."""
        return self.weight[-1] if self.operation.kind == "convolution" else self.N

    @property
    def terms(self) -> int:
        """How many terms y has, at the most."""
        by_kind = {"sparse": 2, "embedding": 1, "low-rank": 1}
        return by_kind.get(self.operation.kind, math.prod(self.weight[:-1]))


CONVOLUTION = functools.partial(Operation, "convolution")

CASES = {
    # Two entries at (0, 1), and nothing in row 1 and column 2.
    "sparse": Case(
        Operation("sparse", (5, 4), (4, 0, 2, 3, 3, 0, 0), (1, 1, 3, 0, 3, 3, 1)), (7,), 5, 4
    ),
    "convolution 1": Case(CONVOLUTION(sizes=(7,), strides=(2,), padding="VALID"), (3, 2, 3), 14, 9),
    "convolution 2": Case(
        CONVOLUTION(sizes=(3, 4), strides=(1, 2), groups=2), (2, 3, 1, 4), 24, 24
    ),
    "convolution 2 padded": Case(
        CONVOLUTION(sizes=(4, 3), strides=(2, 3), dilation=(2, 1), padding=((1, 0), (2, 1))),
        (2, 2, 1, 2), 12, 8,
    ),
    "convolution 3": Case(CONVOLUTION(sizes=(2, 3, 2), strides=(1, 2, 1)), (2, 2, 1, 1, 2), 12, 16),
    "low-rank": Case(Operation("low-rank", scale=0.75), (4, 2), 4, 5, (2, 5)),
    "embedding": Case(Operation("embedding"), (4, 5), 4, 5),
}  # fmt: skip

#: Those that may lie above another layer.
UPPER = [name for name in CASES if name != "embedding"]

#: Those whose weights may have a mask and a function.
PLAIN = [name for name in CASES if name != "low-rank"]

#: By case, neurons on it: each kind once.
NEURONS = dict(
    zip(CASES, ("ALIF", "GIF", "synapse_LIF", "cable", "LIF", "GIFTree", "leaky"), strict=True)
)

STACKS = [("dense", name) for name in UPPER] + [(name, "dense") for name in CASES]
STACKS += [("embedding", "sparse", "low-rank")]


def operation_layer(
    rng: np.random.Generator, precision: int, case: Case, kind: str, *given: Any, **fields: Any
) -> Layer:
    """A layer for inputs of order 1; what follows `kind` is as of `drawn_layer`."""
    base = drawn_layer(rng, precision, kind, case.K, case.N, *given, **fields)
    shape = case.factor or case.weight
    terms = shape[0] if case.factor else case.terms
    weight = rounded(np.resize(base.weight, shape) * math.sqrt(case.K / terms), precision)
    changes: dict[str, Any] = {"weight": weight, "bias": base.bias[: case.bias]}
    if case.factor:
        inner = rng.normal(size=case.weight) / math.sqrt(case.K)
        changes |= {"weight": rounded(inner, precision), "factor": weight}
    return dataclasses.replace(base, operation=case.operation, **changes)


def _cases(names: tuple[str, ...]) -> list[Case]:
    """A case for each layer: the sizes of dense ones are what their neighbours leave."""
    found: list[Case] = []
    for i, name in enumerate(names):
        if name != "dense":
            found.append(CASES[name])
            continue
        K = found[-1].N if found else 3
        N = CASES[names[i + 1]].K if i + 1 < len(names) else 4
        found.append(Case(Operation(), (K, N), K, N))
    return found


@functools.cache
def operation_task(
    precision: int,
    names: tuple[str, ...],
    kind: str = "ALIF",
    recurrence: str = "none",
    T: int = 12,
    B: int = 2,
    spread: float = 1.0,
    weight_function: str = "identity",
    masked: bool = False,
) -> Task:
    """A task of layers of these cases, or "dense" ones, from the first up, of one kind of neurons.

    `weight_function` and a mask are the first layer's.
    """

    def draw(rng: np.random.Generator) -> Task:
        layers = []
        for case in _cases(names):
            given = rng, precision, case, kind, recurrence, spread
            layers.append(operation_layer(*given))
        first, M = _cases(names)[0], 2
        fields: dict[str, Any] = {"weight_function": weight_function}
        if masked:
            fields["mask"] = rng.random(first.weight) < 0.7
        layers[0] = dataclasses.replace(layers[0], **fields)

        def normal(*shape: int) -> np.ndarray:
            return rounded(rng.normal(size=shape), precision)

        if first.operation.kind == "embedding":
            inputs = rng.integers(0, first.K, (T, B, 1))
        else:
            inputs = normal(T, B, first.K)
        N = _cases(names)[-1].N
        return Task(
            Network(tuple(layers), normal(N, M), normal(M)),
            inputs,
            normal(T, B, M),
            rounded(rng.uniform(0.5, 1.5, T), precision),
            Value(np.float64(1.0), "ms"),
            precision,
        )

    return drawn(draw)
