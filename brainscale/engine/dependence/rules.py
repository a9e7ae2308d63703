"""What each primitive makes of dependences, axis by axis.

A rule is given an equation, the dependences of what it is given and the constants of its program,
and returns the dependences of its results. Boxes have the axes of the loops around an equation
before those of its arrays.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .boxes import Box, Deps, each, united
from .constants import Constants, names

__all__ = ["MOVES", "Rule", "expanded", "padded", "shape_of", "unknown"]

Rule = Callable[[Any, list[Deps], Constants], list[Deps]]

SMALL = 1 << 20
"""The size of a known factor up to which its zeros are looked for."""

ELEMENT_WISE = names(
    "abs acos acosh add add_any and asin asinh atan atan2 atanh bessel_i0e bessel_i1e cbrt ceil "
    "clamp complex conj convert_element_type copy cos cosh digamma div eq erf erf_inv erfc "
    "exp exp2 expm1 floor ge gt igamma igammac imag integer_pow is_finite le lgamma log log1p "
    "logistic lt max min mul name ne neg nextafter not or polygamma pow real reduce_precision rem "
    "round rsqrt select_n shift_left shift_right_arithmetic shift_right_logical "
    "sharding_constraint sign sin sinh sqrt square stop_gradient sub tan tanh xor"
)
RESHAPES = names("reshape squeeze")
ONE_TO_ONE = names("device_put optimization_barrier sharding_constraint reshard")


def expanded(deps: Deps, ndim: int, own: int) -> Deps:
    """The dependences of an array of `ndim` axes as those of one of `own`, its last of length 1."""
    if ndim == own:
        return deps
    ones = (1,) * (own - ndim)
    return each(deps, lambda box: box.mapped(lambda array: array.reshape(array.shape + ones)))


def shape_of(atom: Any) -> tuple[int, ...]:
    return tuple(atom.aval.shape)


def unknown(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    """Each element of each result depends on all elements of all that is given."""
    name = equation.primitive.name
    mixed = []
    for atom, deps in zip(equation.invars, inputs, strict=True):
        ndim = len(atom.aval.shape) if hasattr(atom.aval, "shape") else 0
        mixed.append(each(deps, lambda box, ndim=ndim: _scalar(box, ndim).called(name)))
    all_of_it = united(mixed)
    return [expanded(all_of_it, 0, len(shape_of(v))) for v in equation.outvars]


def _scalar(box: Box, ndim: int) -> Box:
    """The box around all that an array depends on, as that of a number."""
    lead = box.ndim - ndim
    box = box.over(range(lead, box.ndim))
    return box.mapped(lambda array: array.reshape(array.shape[:lead]))


def _element_wise(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    shape = shape_of(equation.outvars[0])
    own = [shape_of(atom) for atom in equation.invars]
    if any(deps and one not in ((), shape) for deps, one in zip(inputs, own, strict=True)):
        return unknown(equation, inputs, constants)
    masks = _masks(equation, inputs, constants)
    given = []
    for deps, one, mask in zip(inputs, own, masks, strict=True):
        deps = expanded(deps, len(one), len(shape))
        given.append(deps if mask is None else each(deps, lambda box, m=mask: box.where(m)))
    return [united(given)]


def _masks(equation: Any, inputs: list[Deps], constants: Constants) -> list[Any]:
    """For each operand, where it may matter: known factors are zero, known choices are made."""
    masks: list[Any] = [None] * len(inputs)
    atoms = equation.invars
    if equation.primitive.name == "select_n" and _is_small(atoms[0], constants):
        chosen = constants.value(atoms[0]).astype(np.int64)
        masks = [None, *(_mask(chosen == k) for k in range(len(atoms) - 1))]
    if equation.primitive.name == "mul":
        for k, factor in enumerate(reversed(atoms)):
            if inputs[k] and _is_small(factor, constants):
                masks[k] = _mask(constants.value(factor) != 0)
    return masks


def _mask(mask: np.ndarray) -> np.ndarray | None:
    return None if mask.all() else mask


def _is_small(atom: Any, constants: Constants) -> bool:
    return constants.is_known(atom) and math.prod(shape_of(atom)) <= SMALL


def _moving(move: Callable[[Any, np.ndarray, int], np.ndarray]) -> Rule:
    """The rule of a primitive that puts the elements of its first operand elsewhere."""

    def rule(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
        ndim = len(shape_of(equation.invars[0]))
        return [
            each(
                inputs[0],
                lambda box: box.mapped(lambda array: move(equation, array, array.ndim - ndim)),
            )
        ]

    return rule


def _reshaped(equation: Any, array: np.ndarray, lead: int) -> np.ndarray:
    old, new = shape_of(equation.invars[0]), shape_of(equation.outvars[0])
    full, target = [*array.shape[:lead]], [*array.shape[:lead]]
    for i, j in _groups(old, new):
        mine = array.shape[lead:][i]
        matters = any(n > 1 for n in mine)
        full += old[i] if matters else mine
        target += new[j] if matters else [1] * len(new[j])
    return np.broadcast_to(array, full).reshape(target)


def _groups(old: tuple[int, ...], new: tuple[int, ...]) -> Iterable[tuple[slice, slice]]:
    """Which consecutive axes become which others, as finely as sizes tell."""
    i = j = 0
    while i < len(old) or j < len(new):
        first, a, b = (i, j), 1, 1
        if i < len(old):
            a, i = old[i], i + 1
        if j < len(new):
            b, j = new[j], j + 1
        while a != b:
            if a < b:
                a, i = a * old[i], i + 1
            else:
                b, j = b * new[j], j + 1
        yield slice(first[0], i), slice(first[1], j)


def _broadcast(equation: Any, array: np.ndarray, lead: int) -> np.ndarray:
    target = [1] * len(shape_of(equation.outvars[0]))
    for axis, size in zip(equation.params["broadcast_dimensions"], array.shape[lead:], strict=True):
        target[axis] = size
    return array.reshape(*array.shape[:lead], *target)


def _transposed(equation: Any, array: np.ndarray, lead: int) -> np.ndarray:
    own = [lead + axis for axis in equation.params["permutation"]]
    return array.transpose(*range(lead), *own)


def _reversed(equation: Any, array: np.ndarray, lead: int) -> np.ndarray:
    return np.flip(array, tuple(lead + axis for axis in equation.params["dimensions"]))


def _sliced(equation: Any, array: np.ndarray, lead: int) -> np.ndarray:
    params = equation.params
    strides = params["strides"] or (1,) * len(params["start_indices"])
    cuts = zip(params["start_indices"], params["limit_indices"], strides, strict=True)
    sizes = array.shape[lead:]
    own = [slice(*cut) if n > 1 else slice(None) for cut, n in zip(cuts, sizes, strict=True)]
    return array[(..., *own)] if own else array


def _stacked(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    axis, own = equation.params["axis"], shape_of(equation.invars[0])
    shape = (*own[:axis], 1, *own[axis:])
    parts = []
    for k, deps in enumerate(inputs):
        config = [(0, 0, 0)] * len(shape)
        config[axis] = (k, len(inputs) - 1 - k, 0)
        opened = each(deps, lambda box: box.mapped(lambda a: np.expand_dims(a, axis - len(shape))))
        parts.append(padded(opened, shape, config))
    return [united(parts)]


def _unstacked(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    axis = equation.params["axis"] - len(shape_of(equation.invars[0]))

    def taken(array: np.ndarray, k: int) -> np.ndarray:
        return array.take(min(k, array.shape[axis] - 1), axis)

    return [
        each(inputs[0], lambda box, k=k: box.mapped(lambda array: taken(array, k)))
        for k in range(len(equation.outvars))
    ]


def _tiled(equation: Any, array: np.ndarray, lead: int) -> np.ndarray:
    reps = [
        times if n > 1 else 1
        for n, times in zip(array.shape[lead:], equation.params["reps"], strict=True)
    ]
    return np.tile(array, [1] * lead + reps)


def _split(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    ndim, axis = len(shape_of(equation.invars[0])), equation.params["axis"]
    found, first = [], 0
    for size in equation.params["sizes"]:

        def cut(array: np.ndarray, first: int = first, size: int = size) -> np.ndarray:
            place = array.ndim - ndim + axis
            if array.shape[place] == 1:
                return array
            return array[(slice(None),) * place + (slice(first, first + size),)]

        found.append(each(inputs[0], lambda box, cut=cut: box.mapped(cut)))
        first += size
    return found


def padded(deps: Deps, shape: tuple[int, ...], config: Any) -> Deps:
    """The dependences of an array of this shape with more elements around and between its own.

    `config` is that of `jax.lax.pad`.
    """

    def of_box(box: Box) -> Box:
        lead = box.ndim - len(shape)
        full = list(box.present.shape)
        for axis, (n, one) in enumerate(zip(shape, config, strict=True)):
            if tuple(one) != (0, 0, 0):
                full[lead + axis] = n
        box = dataclasses.replace(box, present=np.broadcast_to(box.present, full))
        return box.mapped(lambda array: _padded(array, lead, config))

    return each(deps, of_box)


def _padded(array: np.ndarray, lead: int, config: Any) -> np.ndarray:
    for axis, (low, high, interior) in enumerate(config, start=lead):
        n = array.shape[axis]
        if (low, high, interior) == (0, 0, 0) or (n == 1 and array.dtype != bool):
            continue
        # What bounds are where nothing is present does not matter.
        spread = n + max(n - 1, 0) * interior
        source = np.arange(low, low + spread, interior + 1)
        kept = (source >= 0) & (source < low + spread + high)
        result = list(array.shape)
        result[axis] = low + spread + high
        out = np.zeros(result, array.dtype)
        before = (slice(None),) * axis
        out[(*before, source[kept])] = array[(*before, np.flatnonzero(kept))]
        array = out
    return array


def _pad(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    shape = shape_of(equation.invars[0])
    filled = expanded(inputs[1], 0, len(shape))
    return [united([padded(inputs[0], shape, equation.params["padding_config"]), filled])]


def _concatenate(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    axis, total = equation.params["dimension"], shape_of(equation.outvars[0])
    parts, first = [], 0
    for atom, deps in zip(equation.invars, inputs, strict=True):
        shape = shape_of(atom)
        config = [(0, 0, 0)] * len(shape)
        config[axis] = (first, total[axis] - first - shape[axis], 0)
        parts.append(padded(deps, shape, config))
        first += shape[axis]
    return [united(parts)]


def _one_to_one(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    return list(inputs)


MOVES: dict[str, Rule] = (
    dict.fromkeys(ELEMENT_WISE, _element_wise)
    | dict.fromkeys(RESHAPES, _moving(_reshaped))
    | dict.fromkeys(ONE_TO_ONE, _one_to_one)
    | {
        "broadcast_in_dim": _moving(_broadcast),
        "transpose": _moving(_transposed),
        "rev": _moving(_reversed),
        "slice": _moving(_sliced),
        "tile": _moving(_tiled),
        "split": _split,
        "stack": _stacked,
        "unstack": _unstacked,
        "pad": _pad,
        "concatenate": _concatenate,
    }
)
"""Of primitives that put elements elsewhere or combine those at one place."""
