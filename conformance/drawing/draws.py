"""The numbers of a problem, drawn for a plan so that it may be judged (NUM-8)."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from conformance.drawing.factors import LayerPlan, Plan
from conformance.drawing.neurons import DRIVE, draw_parameters
from conformance.drawing.problem import Problem
from conformance.drawing.shapes import Shape, draw_shapes
from conformance.drawing.steadiness import is_steady
from conformance.implementation import Value
from conformance.layouts import LAYOUTS, laid_out
from conformance.populations import rounded
from conformance.problems import Layer, Network, Rule
from conformance.records import expected_learned, expected_record

__all__ = ["draw_numbers", "draw_problem"]

_DT = {"unit": (1.0, "ms"), "fine": (500.0, "us"), "coarse": (0.008, "s")}
_LENGTH = {"one": (1,), "short": tuple(range(6, 13)), "long": (42, 50, 66, 100)}
_BATCH = {"one": (1,), "few": (2, 3), "many": (5, 8, 17)}
_OUTPUTS = {"one": (1,), "few": (2, 3), "many": (8, 11)}
_INTEGERS = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32)
_LEAST_MARGIN = 1e-4
_MOST_LOSS = 1e6
_TRIES = 40


@functools.lru_cache(maxsize=4096)
def draw_problem(plan: Plan, seed: int, precision: int) -> Problem:
    """The first problem of a plan that may be judged, and in which all that can spike does.

    Where none of a few is so lively, it is the liveliest of them. Plans of the same layers have the
    same layers' numbers if they have the same seed.
    """
    if plan.refusal:
        return draw_numbers(plan, seed, np.random.default_rng(seed), precision)
    best, liveliest = None, -1.0
    for i in range(_TRIES):
        problem = draw_numbers(plan, seed, np.random.default_rng([seed, i]), precision)
        if plan.rate == "positive":
            problem = dataclasses.replace(problem, learning_rate=_rate(problem) * 4.0**-i)
        record = expected_record(problem)
        # Learning that diverges blows any rounding up; the next try learns more slowly.
        is_tame = plan.rate != "positive" or np.abs(record.learned.losses).max() < _MOST_LOSS
        if not (
            is_tame
            and record.nearest > _LEAST_MARGIN
            and (precision == 64 or is_steady(problem, i / _TRIES))
        ):
            continue
        if record.liveliness > liveliest:
            best, liveliest = problem, record.liveliness
        if liveliest >= 1.0 or i >= 4:
            return best
    raise AssertionError(f"no numbers of {plan} may be judged")


def _rate(problem: Problem) -> float:
    """A rate of learning at which the largest change of an update is a few hundredths."""
    still = expected_learned(dataclasses.replace(problem, learning_rate=None))
    largest = max(np.abs(gradient).max() for gradient in still.gradients.values())
    return 2.0 ** np.floor(np.log2(0.04 / max(largest, 1e-3)))


def draw_numbers(plan: Plan, seed: int, rng: np.random.Generator, precision: int) -> Problem:
    """Random numbers for a plan, which the precision holds exactly; shapes are of the seed."""
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
        return rounded(rng.normal(size=shape), precision)

    N = shapes[-1].N
    network = Network(
        layers,
        _laid(normal(N, M), plan),
        _laid(normal(M), plan) if plan.readout_bias == "biased" else None,
        0.75 if plan.readout == "leaky" else 0.0,
        normal(N, M) if plan.rule == "e-prop" else None,
    )
    network = _with_path(network, rng, plan, shapes)
    weights = rng.uniform(0.5, 1.5, T)
    if plan.step_weights == "signed":
        weights = weights * rng.choice([-1.0, 0.0, 1.0, 1.0], T)
        weights[-1] = weights[-1] or -0.75
    is_embedding = plan.stack[0].operation == "embedding"
    if is_embedding:
        dtype = _INTEGERS[int(rng.integers(len(_INTEGERS)))]
        dtype = np.uint16 if shapes[0].K > 127 and np.dtype(dtype).itemsize == 1 else dtype
        inputs = rng.integers(0, shapes[0].K, (T, B, 1)).astype(dtype)
    else:
        inputs = normal(T, B, shapes[0].K)
        if plan.arrays == "whole":
            # As integers of 8 or 16 bits, of either sign, one of them beyond 8 bits.
            inputs = np.round(2 * inputs).astype(np.int16)
            inputs.flat[-1] = 300
            dtypes = (np.int8, np.int16, np.int64)
            inputs = inputs if rng.random() < 0.5 else np.clip(inputs, -9, 9).astype(dtypes[T % 3])
    return Problem(
        plan,
        network,
        _rule(plan, layers),
        _laid(inputs, plan),
        _laid(normal(T, B, M), plan),
        _laid(rounded(weights, precision), plan),
        _laid(normal(T, B), plan),
        Value(np.float64(_DT[plan.dt][0]), _DT[plan.dt][1]),
        _chunk(plan, T),
        0.0 if plan.rate == "zero" else None,
        _runs(rng, plan, T),
        plan.runs == "reset",
    )


def _with_path(
    network: Network, rng: np.random.Generator, plan: Plan, shapes: list[Shape]
) -> Network:
    """The network with a path that traces cannot follow, where the plan has one."""
    if plan.path == "tied":
        return dataclasses.replace(network, tied=True)
    if plan.path == "memory":
        return dataclasses.replace(network, output_decay=0.5)
    if plan.path == "skip":
        size = shapes[0].K, network.readout.shape[1]
        skip = np.round(4 * rng.normal(size=size)) / 8
        return dataclasses.replace(network, skip=skip)
    if plan.path == "lateral":
        layers, l = list(network.layers), int(rng.integers(len(network.layers)))
        N = shapes[l].N
        # One connection is enough, and its strength does not matter.
        lateral = np.zeros((N, N))
        lateral[tuple(rng.permutation(N)[:2])] = 2.0 ** -int(rng.integers(1, 9))
        layers[l] = dataclasses.replace(layers[l], lateral=lateral)
        return dataclasses.replace(network, layers=tuple(layers))
    return network


def _draw_layer(
    rng: np.random.Generator, layer: LayerPlan, shape: Shape, plan: Plan, precision: int
) -> Layer:
    """A layer for inputs of order 1 whose neurons are driven to their thresholds."""
    mean, deviation = DRIVE[layer.kind]
    # A neuron that nothing else drives, or for one step alone, is driven harder.
    spread = (1.0 if layer.bias == "biased" else 1.8) * (3.0 if plan.length == "one" else 1.0)

    def normal(*size: int) -> np.ndarray:
        return rng.normal(size=size)

    weight = normal(*shape.weight) / np.sqrt(shape.terms)
    factor = None
    if shape.factor is not None:
        factor = normal(*shape.factor) / np.sqrt(shape.factor[0])
        factor = _laid(rounded(spread * deviation * factor, precision), plan)
    else:
        weight = spread * deviation * weight
    if layer.function == "square":  # φ(w) is then of the order that w would be
        weight = np.sqrt(np.abs(weight)) * np.sign(weight)
    recurrent = recurrent_mask = None
    if layer.recurrence != "none":
        size = (shape.N,) if layer.recurrence == "element-wise" else (shape.N, shape.N)
        scale = 0.3 if layer.kind == "leaky" else deviation
        recurrent = _laid(rounded(scale * normal(*size) / np.sqrt(shape.N), precision), plan)
        if layer.recurrence == "dense" and layer.mask == "masked":
            recurrent_mask = np.where(np.eye(shape.N), 0.0, rng.integers(1, 3, size))
    bias = None
    if layer.bias == "biased":
        bias = rounded(mean * rng.uniform(0.5, 1.5, shape.biases), precision)
    return Layer(
        layer.kind,
        _laid(rounded(weight, precision), plan),
        None if bias is None else _laid(bias, plan),
        recurrent,
        _draw_mask(rng, shape.weight) if layer.mask == "masked" else None,
        recurrent_mask,
        layer.function,
        parameters=draw_parameters(rng, layer, shape.N, precision),
        operation=shape.operation,
        factor=factor,
    )


def _draw_mask(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A mask of booleans or, as often, of numbers."""
    mask = rng.random(shape) < 0.7
    return mask if rng.random() < 0.5 else mask * rng.choice([0.5, 1.0, 2.0], shape)


def _rule(plan: Plan, layers: tuple[Layer, ...]) -> Rule:
    variant = ("first", "second", "third").index(plan.variant)
    if plan.rule == "ES-D-RTRL":
        return Rule(plan.rule, (0.75, (0.5, 0.75), 3)[variant])
    if plan.rule == "e-prop":
        return Rule(plan.rule, feedback=("symmetric", "random", "adaptive")[variant])
    if plan.rule == "three-factor":
        return Rule(plan.rule, (0.75, 0.0, 0.5)[variant])
    if plan.rule == "hybrid":
        top = len(layers) - 1
        chosen = [None, {"0.weight": "D-RTRL"}, {f"{top}.weight": "ES-D-RTRL"}][variant]
        has_own = layers[top].bias is not None and layers[top].operation.kind != "convolution"
        if chosen is not None and has_own:
            chosen[f"{top}.bias"] = "ES-D-RTRL"
        return Rule(plan.rule, (0.75, 0.75, (0.5, 0.75))[variant], chosen)
    return Rule(plan.rule)


def _chunk(plan: Plan, T: int) -> int:
    if plan.chunk == "divides":
        return next(c for c in (4, 3, 2, T) if T % c == 0)
    if plan.chunk == "rest":
        return next((c for c in (4, 3, 5, 2) if c < T and T % c), 1)
    return {"one": 1, "longer": T + 3}[plan.chunk]


def _runs(rng: np.random.Generator, plan: Plan, T: int) -> tuple[int, ...]:
    if plan.runs == "one":
        return ()
    if plan.runs == "reset" and rng.random() < 0.4:
        return T - 1, 1
    first = int(rng.integers(1, T - 1))
    if T - first > 1 and (plan.runs == "several" or rng.random() < 0.5):
        second = int(rng.integers(1, T - first))
        return first, second, T - first - second
    return first, T - first


def _laid(array: np.ndarray, plan: Plan) -> np.ndarray:
    """The same numbers in the plan's layout, or rounded to 32 bits."""
    if plan.arrays in LAYOUTS:
        return laid_out(array, plan.arrays)
    is_rounded = plan.arrays == "single" and array.dtype == np.float64
    return array.astype(np.float32) if is_rounded else array
