"""Random problems of chapters 9 and 10, drawn wide: what a wrong implementation may differ in.

They are none of the suite's: they show that a wrong implementation is wrong, whatever the suite
sees.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from conformance.implementation import Value
from conformance.problems import DENSE, Layer, Network, Operation

KINDS = ("leaky", "LIF", "ALIF", "synapse_LIF", "GIF", "GIFTree", "cable")

#: By kind, the mean and the spread of y.
DRIVE = {
    "leaky": (0.2, 1.0),
    "LIF": (1.5, 4.0),
    "ALIF": (1.5, 4.0),
    "synapse_LIF": (0.5, 1.0),
    "GIF": (2.5, 4.0),
    "GIFTree": (2.5, 4.0),
    "cable": (0.01, 0.05),
}

TIMES = (("ms", 1.0), ("us", 1e3), ("s", 1e-3))
VOLTAGES = (("mV", 1.0), ("V", 1e-3), ("uV", 1e3))
CURRENTS = (("nA", 1.0), ("pA", 1e3), ("uA", 1e-3))
RATES = (("ms^-1", 1.0), ("s^-1", 1e3), ("us^-1", 1e-3))

LIF = {
    "tau": (TIMES, 0.5, 8),
    "R": ((("ohm", 1.0), ("kohm", 1e-3), ("mohm", 1e3)), 0.8, 1.2),
    "V_th": (VOLTAGES, 0.9, 1.1),
    "V_reset": (VOLTAGES, -0.3, 0.2),
    "V_rest": (VOLTAGES, -0.2, 0.2),
}
GIF = {
    "tau": (TIMES, 10, 20),
    "R": ((("Mohm", 1.0), ("Gohm", 1e-3)), 40, 80),
    "A1": (CURRENTS, -2, -1),
    "A2": (CURRENTS, 0, 0.5),
    "V_th_inf": (VOLTAGES, -52, -48),
    "V_th_reset": (VOLTAGES, -55, -45),
    "V_reset": (VOLTAGES, -70, -60),
    "k1": (RATES, 0.1, 0.3),
    "k2": (RATES, 0.02, 0.1),
    "a": (RATES, -0.01, 0.01),
    "b": (RATES, 0.01, 0.05),
}
#: By kind and parameter: units with their sizes, and a range in the first of them.
PARAMETERS: dict[str, dict[str, Any]] = {
    "leaky": {"tau": (TIMES, 0.5, 8)},
    "LIF": LIF,
    "ALIF": {**LIF, "tau_a": (TIMES, 5, 30), "beta": (VOLTAGES, 0.1, 0.5)},
    "synapse_LIF": {**LIF, "tau_s": (TIMES, 2, 6)},
    "GIF": GIF,
    "GIFTree": GIF,
    "cable": {},
}
NEVER_LEFT_OUT = {"GIF": ("R", "A1", "A2"), "GIFTree": ("R", "A1", "A2")}


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """A network, what it is given and what it is to learn."""

    network: Network
    inputs: np.ndarray  # (T, B, K)
    targets: np.ndarray  # (T, B, M)
    weights: np.ndarray  # (T,)
    rewards: np.ndarray  # (T, B)
    dt: Value
    chunk: int
    learning_rate: float | None
    runs: tuple[int, ...]
    reset: bool


def draw(seed: int, with_operations: bool) -> Problem:
    """A problem; `with_operations`, one that has others than dense ones."""
    rng = np.random.default_rng(seed)
    T = int(rng.choice([1, 3, 5, 8, 13, 70], p=[0.1, 0.1, 0.2, 0.3, 0.2, 0.1]))
    B = int(rng.choice([1, 2, 3, 9], p=[0.3, 0.3, 0.3, 0.1]))
    M = int(rng.choice([1, 2, 3, 9], p=[0.3, 0.3, 0.3, 0.1]))
    layers, inputs = _layers(rng, T, B, with_operations)
    N = _size(layers[-1])
    readout = rng.normal(size=(N, M))
    network = Network(
        tuple(layers),
        readout,
        rng.normal(size=M) if rng.random() < 0.6 else None,
        readout_decay=float(rng.choice([0.0, 0.75])),
        feedback=rng.normal(size=(N, M)),
    )
    unit, size = TIMES[rng.integers(3)]
    weights = rng.normal(size=T) * (rng.random(T) < 0.8)
    return Problem(
        network,
        inputs,
        rng.normal(size=(T, B, M)),
        weights,
        rng.normal(size=(T, B)),
        Value(np.float64(size * rng.choice([0.1, 0.5, 1.0, 2.0])), unit),
        int(rng.choice([1, 2, 5, 100])),
        [None, 0.0, 1e-3][rng.integers(3)],
        _runs(rng, T),
        bool(rng.integers(2)),
    )


def _runs(rng: np.random.Generator, T: int) -> tuple[int, ...]:
    if T < 3:
        return (T,)
    a, b = sorted(rng.choice(np.arange(1, T), 2, replace=False))
    return (int(a), int(b - a), int(T - b))


def _layers(
    rng: np.random.Generator, T: int, B: int, with_operations: bool
) -> tuple[list[Layer], np.ndarray]:
    """The layers, and inputs for the first."""
    count = int(rng.choice([1, 2, 3]))
    alike, kind = rng.random() < 0.4, str(rng.choice(KINDS))
    same = int(rng.choice([2, 3])) if rng.random() < 0.5 else None
    at = int(rng.choice([0, rng.integers(count)])) if with_operations else -1
    layers: list[Layer] = []
    K = same or int(rng.choice([1, 2, 3, 25]))
    for l in range(count):
        own = kind if alike else str(rng.choice(KINDS))
        N = same or int(rng.choice([1, 2, 4, 22], p=[0.3, 0.3, 0.3, 0.1]))
        below = _size(layers[-1]) if layers else K
        layers.append(_layer(rng, own, below, N, is_first=l == 0, has_operation=l == at))
    first = layers[0]
    if first.operation.kind == "embedding":
        dtype = rng.choice(["i1", "i2", "i4", "i8", "u1", "u2"])
        top = min(np.shape(first.weight)[0], np.iinfo(dtype).max)
        return layers, rng.integers(0, top, (T, B, 1)).astype(dtype)
    return layers, _inputs(rng, (T, B, _inputs_of(first)))


def _inputs(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Inputs that lie in memory in some way, of some dtype."""
    found = rng.normal(size=shape) * rng.choice([1.0, 1.0, 1e-4], size=shape)
    which = rng.integers(8)
    if which == 0:
        return np.asfortranarray(found)
    if which == 1:
        return found.astype(">f8")
    if which == 2:
        return found.astype(np.float32)
    if which == 3:
        return rng.integers(-1, 2, shape)
    if which == 4:
        return np.repeat(found, 2, axis=0)[::2]
    if which == 5:
        return rng.integers(0, 2, shape).astype(np.int64) * 200
    return found


def _layer(
    rng: np.random.Generator, kind: str, K: int, N: int, is_first: bool, has_operation: bool
) -> Layer:
    operation, shape, factor = DENSE, (K, N), None
    if has_operation:
        operation, shape, factor = _operation(rng, K, N, is_first)
    mean, spread = DRIVE[kind]
    terms = max(math.prod(shape[:-1]), 1) if operation.kind != "embedding" else 1
    weight = spread * rng.normal(size=shape) / math.sqrt(min(terms, 9))
    fields: dict[str, Any] = {}
    if operation.kind == "low-rank":
        weight = rng.normal(size=shape) / math.sqrt(K)
        fields["factor"] = spread * rng.normal(size=factor) / math.sqrt(shape[1])
    else:
        if rng.random() < 0.4:
            fields["mask"] = rng.choice([0.0, 1.0, 2.0], size=shape)
        fields["weight_function"] = str(rng.choice(["identity", "square", "absolute"]))
    draft = Layer(kind, weight, operation=operation, **fields)
    N = _size(draft)
    if rng.random() < 0.6:
        count = shape[-1] if operation.kind == "convolution" else N
        fields["bias"] = mean * rng.uniform(0.5, 1.5, count)
    which = rng.integers(3)
    scale = 0.3 if kind in ("leaky", "cable") else spread
    if which == 1:
        fields["recurrent"] = scale * rng.normal(size=(N, N)) / math.sqrt(N)
        if rng.random() < 0.5:
            fields["recurrent_mask"] = rng.choice([0.0, 1.0, 2.0], size=(N, N))
    if which == 2 and not kind.startswith("GIF"):
        fields["recurrent"] = scale * rng.normal(size=N)
    weight = np.asfortranarray(weight) if rng.random() < 0.3 else weight
    return Layer(kind, weight, operation=operation, parameters=_parameters(rng, kind, N), **fields)


def _parameters(rng: np.random.Generator, kind: str, N: int) -> dict[str, Value]:
    found = {}
    for name, (units, low, high) in PARAMETERS[kind].items():
        if rng.random() < 0.5 and name not in NEVER_LEFT_OUT.get(kind, ()):
            continue
        unit, size = units[rng.integers(len(units))]
        array = size * rng.uniform(low, high, N if rng.random() < 0.6 else ())
        found[name] = Value(np.float64(array) if np.ndim(array) == 0 else array, unit)
    return found


def _operation(
    rng: np.random.Generator, K: int, N: int, is_first: bool
) -> tuple[Operation, tuple[int, ...], tuple[int, int] | None]:
    """An operation for K inputs and, but for a convolution, N neurons."""
    kinds = ["sparse", "low-rank"] + (["convolution"] * 3 + ["embedding"] * 2) * is_first
    kind = str(rng.choice(kinds))
    if kind == "sparse":
        E = int(rng.integers(1, 2 * K * N + 1))
        rows, columns = rng.integers(0, K, E), rng.integers(0, N, E)
        given = tuple(map(int, rows)), tuple(map(int, columns))
        return Operation("sparse", (K, N), *given), (E,), None
    if kind == "low-rank":
        R = int(rng.integers(1, 3))
        scale = float(rng.choice([-1.5, -0.5, 0.75, 2.0]))
        return Operation("low-rank", scale=scale), (K, R), (R, N)
    if kind == "embedding":
        return Operation("embedding"), (int(rng.choice([2, 5, 300])), N), None
    return _convolution(rng)


def _convolution(rng: np.random.Generator) -> tuple[Operation, tuple[int, ...], None]:
    D = int(rng.integers(1, 4))
    groups = int(rng.integers(1, 3))
    window = tuple(map(int, rng.integers(1, 3, D)))
    pads: Any = str(rng.choice(["SAME", "VALID", "pairs", "pairs"]))
    if pads == "pairs":
        pads = tuple((int(a), int(b)) for a, b in rng.integers(0, 3, (D, 2)))
    operation = Operation(
        "convolution",
        sizes=tuple(map(int, rng.integers(3, 6, D))),
        strides=tuple(map(int, rng.integers(1, 3, D))),
        dilation=tuple(map(int, rng.integers(1, 3, D))),
        padding=pads,
        groups=groups,
    )
    return operation, (*window, int(rng.integers(1, 3)), groups * int(rng.integers(1, 3))), None


def _size(layer: Layer) -> int:
    """N of a layer."""
    return _extent(layer)[1]


def _inputs_of(layer: Layer) -> int:
    return _extent(layer)[0]


def _extent(layer: Layer) -> tuple[int, int]:
    import reference
    from reference.operation_checks import extent

    shape = np.shape(layer.weight)
    if layer.factor is not None:
        shape = shape[0], np.shape(layer.factor)[1]
    return extent(reference.Operation(**vars(layer.operation)), shape, "weight")
