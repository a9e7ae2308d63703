"""The numbers of a problem, drawn for a plan so that it may be judged (NUM-8)."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from conformance.drawing.layouts import LAYOUTS, lay_out
from conformance.drawing.neurons import DRIVE, draw_parameters
from conformance.drawing.populations import round_to
from conformance.drawing.shapes import Shape, draw_shapes
from conformance.drawing.steadiness import is_steady
from conformance.plans.factors import LayerPlan, Plan, small
from conformance.plans.problem import Problem
from conformance.protocol.implementation import Value
from conformance.protocol.problems import Layer, Network, Rule
from conformance.records import ExpectedRecord, expected_learned, expected_record
from conformance.tolerances import tolerances_at

__all__ = ["draw_numbers", "draw_problem"]

_DT = {"unit": (1.0, "ms"), "fine": (500.0, "us"), "coarse": (0.008, "s")}
_LENGTH = {"one": (1,), "short": tuple(range(6, 13)), "long": (42, 50, 66, 100)}
_BATCH = {"one": (1,), "few": (2, 3), "many": (5, 8, 17)}
_OUTPUTS = {"one": (1,), "few": (2, 3), "many": (8, 11)}
_INTEGERS = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32)
_MOST_LOSS = 1e6
_LEAST_LIVELINESS = 0.8
_TRIES = 40
_PATIENCE = 10
_NOISE = 1e-12
_SLOWEST = 8
"""How often a rate of learning is divided by four, at the most: updates are to be seen."""


@functools.lru_cache(maxsize=4096)
def draw_problem(
    plan: Plan, seed: int, precision: int, resolution: float | None = None, steady: bool = False
) -> Problem:
    """Draw problems of a plan until one may be judged and all that can spike does.

    Where none of a few is so lively, it is the liveliest of them; where none of these may be
    judged, the first of many that may. Plans of the same layers have the same layers' numbers if
    they have the same seed. At a resolution networks are small (NUM-9). At 64 bits rounding is
    looked at where numbers are to be steady.
    """
    if plan.refusal:
        return draw_numbers(plan, seed, np.random.default_rng(seed), precision)
    tolerances = tolerances_at(precision, resolution)
    steady = steady or precision == 32 or resolution is not None
    if resolution:
        plan = small(plan)
    best, liveliest = None, -1.0
    tries = 4 * _TRIES if resolution else _TRIES
    for i in range(_PATIENCE * tries):
        if i >= tries and best is not None:
            break
        problem = draw_numbers(plan, seed, np.random.default_rng([seed, i]), precision)
        if plan.rate == "positive":
            problem = dataclasses.replace(
                problem, learning_rate=_choose_rate(problem) * 4.0 ** -min(i, _SLOWEST)
            )
        record = expected_record(problem)
        # Learning that diverges blows any rounding up; the next try learns more slowly.
        is_tame = plan.rate != "positive" or np.abs(record.learned.losses).max() < _MOST_LOSS
        if not (
            is_tame
            and not _has_noise(record)
            and record.nearest > tolerances.margin
            and (not steady or is_steady(problem, min(i / tries, 1), tolerances))
        ):
            continue
        if record.liveliness > liveliest:
            best, liveliest = problem, record.liveliness
        if liveliest >= 1.0 or (liveliest >= _LEAST_LIVELINESS and i >= 4):
            return best
    if best is None:
        raise AssertionError(f"no numbers of {plan} may be judged")
    return best


def _has_noise(record: ExpectedRecord) -> bool:
    """Whether a gradient is what rounding left where all terms cancel."""
    sizes = [np.abs(gradient).max(initial=0.0) for gradient in record.learned.gradients.values()]
    return any(0 < size < _NOISE * max(sizes) for size in sizes)


def _choose_rate(problem: Problem) -> float:
    """Choose a rate of learning at which the largest change of an update is a few hundredths."""
    fixed_weights = expected_learned(dataclasses.replace(problem, learning_rate=None))
    largest = max(np.abs(gradient).max() for gradient in fixed_weights.gradients.values())
    return 2.0 ** np.floor(np.log2(0.04 / max(largest, 1e-3)))


def draw_numbers(plan: Plan, seed: int, rng: np.random.Generator, precision: int) -> Problem:
    """Draw random numbers for a plan, which the precision holds exactly.

    Shapes, and the dtype of indices, are of the seed.
    """
    shapes = draw_shapes(np.random.default_rng(seed), plan)
    T, B, M = (
        int(rng.choice(numbers))
        for numbers in (_LENGTH[plan.length], _BATCH[plan.batch], _OUTPUTS[plan.outputs])
    )
    layers = tuple(
        _draw_layer(rng, layer, shape, plan, precision)
        for layer, shape in zip(plan.stack, shapes, strict=True)
    )

    def normal(*shape: int) -> np.ndarray:
        return round_to(rng.normal(size=shape), precision)

    N = shapes[-1].N
    network = Network(
        layers,
        _lay_out(normal(N, M), plan),
        _lay_out(normal(M), plan) if plan.readout_bias == "biased" else None,
        float(rng.choice([0.75, 0.6, 0.93])) if plan.readout == "leaky" else 0.0,
        normal(N, M) if plan.rule == "e-prop" else None,
    )
    network = _add_path(network, rng, plan, shapes)
    weights = rng.uniform(0.5, 1.5, T)
    if plan.step_weights == "signed":
        weights = weights * rng.choice([-1.0, 0.0, 1.0, 1.0], T)
        weights[-1] = weights[-1] or -0.75
    weights, targets, rewards = round_to(weights, precision), normal(T, B, M), normal(T, B)
    if plan.arrays == "whole":
        weights, targets, rewards = (
            (np.sign(x) * np.ceil(np.abs(2 * x))).astype(dtype)
            for x, dtype in ((weights, np.int8), (targets, np.int32), (rewards, np.int16))
        )
    inputs = _draw_inputs(rng, plan, seed, (T, B, shapes[0].K), precision)
    return Problem(
        plan,
        network,
        _draw_rule(rng, plan, layers),
        _lay_out(inputs, plan),
        _lay_out(targets, plan),
        _lay_out(weights, plan),
        _lay_out(rewards, plan),
        Value(np.float64(_DT[plan.dt][0]), _DT[plan.dt][1]),
        _draw_chunk(rng, plan, T),
        0.0 if plan.rate == "zero" else None,
        _draw_runs(rng, plan, T),
        plan.runs == "reset",
    )


def _draw_inputs(
    rng: np.random.Generator, plan: Plan, seed: int, shape: tuple[int, int, int], precision: int
) -> np.ndarray:
    """Draw inputs of a shape (T, B, K); of an embedding, indices (T, B, 1) of K rows."""
    T, B, K = shape
    if plan.stack[0].operation == "embedding":
        # Of the seed, so that a smaller problem has it, too.
        dtype = _INTEGERS[int(np.random.default_rng(seed).integers(len(_INTEGERS)))]
        dtype = np.uint16 if K > 127 and np.dtype(dtype).itemsize == 1 else dtype
        return rng.integers(0, K, (T, B, 1)).astype(dtype)
    inputs = round_to(rng.normal(size=shape), precision)
    if plan.arrays != "whole":
        return inputs
    # As integers of 8 or 16 bits, of either sign, one of them beyond 8 bits.
    inputs = np.round(2 * inputs).astype(np.int16)
    inputs.flat[-1] = 300
    dtypes = (np.int8, np.int16, np.int64)
    return inputs if rng.random() < 0.5 else np.clip(inputs, -9, 9).astype(dtypes[T % 3])


def _add_path(
    network: Network, rng: np.random.Generator, plan: Plan, shapes: list[Shape]
) -> Network:
    """Add a path that traces cannot follow to a network, where the plan has one."""
    if plan.path == "tied":
        return dataclasses.replace(network, tied=True)
    if plan.path == "memory":
        return dataclasses.replace(network, output_decay=float(rng.choice([0.5, 0.8])))
    if plan.path == "skip":
        size = shapes[0].K, network.readout.shape[1]
        skip = np.round(4 * rng.normal(size=size)) / 8
        return dataclasses.replace(network, skip=skip)
    if plan.path == "lateral":
        layers, l = list(network.layers), int(rng.integers(len(network.layers)))
        N = shapes[l].N
        # One connection is enough, and its strength does not matter.
        lateral = np.zeros((N, N))
        for _ in range(int(rng.integers(1, 4))):
            lateral[tuple(rng.permutation(N)[:2])] = 2.0 ** -int(rng.integers(1, 9))
        layers[l] = dataclasses.replace(layers[l], lateral=lateral)
        return dataclasses.replace(network, layers=tuple(layers))
    return network


def _draw_layer(
    rng: np.random.Generator, layer: LayerPlan, shape: Shape, plan: Plan, precision: int
) -> Layer:
    """Draw a layer for inputs of order 1 whose neurons are driven to their thresholds."""
    mean, deviation = DRIVE[layer.kind]
    # A neuron that nothing else drives, or for one step alone, is driven harder.
    spread = (1.0 if layer.bias == "biased" else 1.8) * (3.0 if plan.length == "one" else 1.0)

    def normal(*size: int) -> np.ndarray:
        return rng.normal(size=size)

    weight = normal(*shape.weight) / np.sqrt(shape.terms)
    factor = None
    if shape.factor is not None:
        factor = normal(*shape.factor) / np.sqrt(shape.factor[0])
        factor = _lay_out(round_to(spread * deviation * factor, precision), plan)
    else:
        weight = spread * deviation * weight
    if layer.function == "square":  # φ(w) is then of the order that w would be
        weight = np.sqrt(np.abs(weight)) * np.sign(weight)
    shared_shapes = _draw_shared_shapes(rng, layer)
    recurrent = recurrent_mask = None
    if layer.recurrence != "none":
        size = (shape.N,) if layer.recurrence == "element-wise" else (shape.N, shape.N)
        size = shared_shapes.get("recurrent", size)
        scale = 0.3 if layer.kind in ("leaky", "LRU") else deviation
        recurrent = _lay_out(round_to(scale * normal(*size) / np.sqrt(shape.N), precision), plan)
        if layer.recurrence == "dense" and layer.mask in ("both", "recurrent"):
            recurrent_mask = _lay_out(_draw_mask(rng, size), plan)
    bias = None
    if layer.bias == "biased":
        size = shared_shapes.get("bias", (shape.biases,))
        bias = round_to(mean * rng.uniform(0.5, 1.5, size), precision)
    mask = None
    if layer.mask in ("both", "masked"):
        mask = _lay_out(_draw_mask(rng, shape.weight), plan)
    return Layer(
        layer.kind,
        _lay_out(round_to(weight, precision), plan),
        None if bias is None else _lay_out(bias, plan),
        recurrent,
        mask,
        recurrent_mask,
        layer.function,
        parameters=draw_parameters(rng, layer, shape.N, precision),
        operation=shape.operation,
        factor=factor,
    )


def _draw_shared_shapes(rng: np.random.Generator, layer: LayerPlan) -> dict[str, tuple[int, ...]]:
    """Draw which weights are one number for all neurons, at least one, with their shapes."""
    if layer.weights == "own":
        return {}
    names = rng.permutation(layer.sharable)[: int(rng.integers(1, 3))]
    return {str(name): ((), (1,))[int(rng.integers(2))] for name in names}


def _draw_mask(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw a mask of booleans, integers or other numbers, some of them zero and some not."""
    mask = rng.random(shape) < 0.7
    places = rng.permutation(mask.size)
    mask.flat[places[0]] = True
    if mask.size > 1:
        mask.flat[places[1]] = False
    numbers = ((True,), (1, 2, 3), (0.5, 1.0, 2.0, -0.75))[int(rng.integers(3))]
    return np.where(mask, rng.choice(numbers, shape), np.zeros((), np.array(numbers).dtype))


def _draw_rule(rng: np.random.Generator, plan: Plan, layers: tuple[Layer, ...]) -> Rule:
    variant = ("first", "second", "third").index(plan.variant)
    one = float(rng.choice([0.75, 0.97, 0.3]))
    two = ((0.5, 0.75), (0.9, 0.4))[int(rng.integers(2))]
    if plan.rule == "ES-D-RTRL":
        return Rule(plan.rule, (one, two, int(rng.choice([3, 12])))[variant])
    if plan.rule == "e-prop":
        return Rule(plan.rule, feedback=("symmetric", "random", "adaptive")[variant])
    if plan.rule == "three-factor":
        return Rule(plan.rule, (one, 0.0, 0.5)[variant])
    if plan.rule == "hybrid":
        choices = _draw_choices(rng, layers, plan) if variant else None
        return Rule(plan.rule, (one, one, two)[variant], choices)
    return Rule(plan.rule)


def _draw_choices(
    rng: np.random.Generator, layers: tuple[Layer, ...], plan: Plan
) -> dict[str, str]:
    """Draw rules for some parameters, at least one, by name."""
    names = []
    for l, layer in enumerate(layers):
        if plan.path != "tied" or l != 1:  # a tied weight has the name of the first one
            names.append(f"{l}.weight")
        if layer.bias is not None and layer.operation.kind != "convolution":
            names.append(f"{l}.bias")
        if layer.recurrent is not None:
            names.append(f"{l}.recurrent")
    chosen_names = rng.permutation(names)[: int(rng.integers(1, len(names) + 1))]
    return {str(name): str(rng.choice(["D-RTRL", "ES-D-RTRL"])) for name in chosen_names}


def _draw_chunk(rng: np.random.Generator, plan: Plan, T: int) -> int:
    lengths = range(2, T + 1)
    if plan.chunk == "divides":
        return int(rng.choice([c for c in lengths if T % c == 0] or [T]))
    if plan.chunk == "rest":
        return int(rng.choice([c for c in lengths if T % c] or [1]))
    return {"one": 1, "longer": T + 3}[plan.chunk]


def _draw_runs(rng: np.random.Generator, plan: Plan, T: int) -> tuple[int, ...]:
    if plan.runs == "one":
        return ()
    if plan.runs == "reset" and rng.random() < 0.4:
        return T - 1, 1
    first = int(rng.integers(1, T - 1))
    if T - first > 1 and (plan.runs == "several" or rng.random() < 0.5):
        second = int(rng.integers(1, T - first))
        return first, second, T - first - second
    return first, T - first


def _lay_out(array: np.ndarray, plan: Plan) -> np.ndarray:
    """Copy an array into the plan's layout, or round it to 32 bits."""
    if plan.arrays in LAYOUTS:
        return lay_out(array, plan.arrays)
    is_rounded = plan.arrays == "single" and array.dtype == np.float64
    return array.astype(np.float32) if is_rounded else array
