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

from .boxes import Box, Deps, map_boxes, unite
from .constants import Constants, as_set

__all__ = ["MOVES", "Rule", "expand", "follow_unknown", "pad", "shape_of"]

Rule = Callable[[Any, list[Deps], Constants], list[Deps]]

SMALL = 1 << 20
"""The size of a known factor up to which its zeros are looked for."""

ELEMENT_WISE = as_set(
    "abs acos acosh add add_any and asin asinh atan atan2 atanh bessel_i0e bessel_i1e cbrt ceil "
    "clamp complex conj convert_element_type copy cos cosh digamma div eq erf erf_inv erfc "
    "exp exp2 expm1 floor ge gt igamma igammac imag integer_pow is_finite le lgamma log log1p "
    "logistic lt max min mul name ne neg nextafter not or polygamma pow real reduce_precision rem "
    "round rsqrt select_n shift_left shift_right_arithmetic shift_right_logical "
    "sharding_constraint sign sin sinh sqrt square stop_gradient sub tan tanh xor"
)
RESHAPES = as_set("reshape squeeze")
ONE_TO_ONE = as_set("device_put optimization_barrier sharding_constraint reshard")


def expand(deps: Deps, ndim: int, new_ndim: int) -> Deps:
    """Expand dependences of an array of `ndim` axes to `new_ndim`, the last ones of length 1."""
    if ndim == new_ndim:
        return deps
    ones = (1,) * (new_ndim - ndim)
    return map_boxes(deps, lambda box: box.move(lambda array: array.reshape(array.shape + ones)))


def shape_of(atom: Any) -> tuple[int, ...]:
    return tuple(atom.aval.shape)


def follow_unknown(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    """Let each element of each result depend on all elements of all that is given."""
    name = equation.primitive.name
    all_deps = []
    for atom, deps in zip(equation.invars, inputs, strict=True):
        ndim = len(atom.aval.shape) if hasattr(atom.aval, "shape") else 0
        all_deps.append(
            map_boxes(deps, lambda box, ndim=ndim: _reduce_to_number(box, ndim).blame(name))
        )
    all_of_it = unite(all_deps)
    return [expand(all_of_it, 0, len(shape_of(v))) for v in equation.outvars]


def _reduce_to_number(box: Box, ndim: int) -> Box:
    """Draw the box around all that an array depends on, as that of a number."""
    lead = box.ndim - ndim
    box = box.merge(range(lead, box.ndim))
    return box.move(lambda array: array.reshape(array.shape[:lead]))


def _follow_element_wise(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    shape = shape_of(equation.outvars[0])
    shapes = [shape_of(atom) for atom in equation.invars]
    if any(
        deps and operand_shape not in ((), shape)
        for deps, operand_shape in zip(inputs, shapes, strict=True)
    ):
        return follow_unknown(equation, inputs, constants)
    masks = _find_masks(equation, inputs, constants)
    all_deps = []
    for deps, operand_shape, mask in zip(inputs, shapes, masks, strict=True):
        deps = expand(deps, len(operand_shape), len(shape))
        all_deps.append(deps if mask is None else map_boxes(deps, lambda box, m=mask: box.where(m)))
    return [unite(all_deps)]


def _find_masks(equation: Any, inputs: list[Deps], constants: Constants) -> list[Any]:
    """Find for each operand where it may matter: known factors are zero, known choices are made."""
    masks: list[Any] = [None] * len(inputs)
    atoms = equation.invars
    if equation.primitive.name == "select_n" and _is_small(atoms[0], constants):
        choice = constants.value(atoms[0]).astype(np.int64)
        masks = [None, *(_drop_full(choice == k) for k in range(len(atoms) - 1))]
    if equation.primitive.name == "mul":
        for k, factor in enumerate(reversed(atoms)):
            if inputs[k] and _is_small(factor, constants):
                masks[k] = _drop_full(constants.value(factor) != 0)
    return masks


def _drop_full(mask: np.ndarray) -> np.ndarray | None:
    return None if mask.all() else mask


def _is_small(atom: Any, constants: Constants) -> bool:
    return constants.is_known(atom) and math.prod(shape_of(atom)) <= SMALL


def _make_rule(move: Callable[[Any, np.ndarray, int], np.ndarray]) -> Rule:
    """Make the rule of a primitive that puts the elements of its first operand elsewhere."""

    def rule(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
        ndim = len(shape_of(equation.invars[0]))
        return [
            map_boxes(
                inputs[0],
                lambda box: box.move(lambda array: move(equation, array, array.ndim - ndim)),
            )
        ]

    return rule


def _reshape(equation: Any, array: np.ndarray, lead: int) -> np.ndarray:
    old, new = shape_of(equation.invars[0]), shape_of(equation.outvars[0])
    full, target = [*array.shape[:lead]], [*array.shape[:lead]]
    for i, j in _group_axes(old, new):
        sizes = array.shape[lead:][i]
        matters = any(n > 1 for n in sizes)
        full += old[i] if matters else sizes
        target += new[j] if matters else [1] * len(new[j])
    return np.broadcast_to(array, full).reshape(target)


def _group_axes(old: tuple[int, ...], new: tuple[int, ...]) -> Iterable[tuple[slice, slice]]:
    """Find which consecutive axes become which others, as finely as sizes tell."""
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


def _transpose(equation: Any, array: np.ndarray, lead: int) -> np.ndarray:
    axes = [lead + axis for axis in equation.params["permutation"]]
    return array.transpose(*range(lead), *axes)


def _reverse(equation: Any, array: np.ndarray, lead: int) -> np.ndarray:
    return np.flip(array, tuple(lead + axis for axis in equation.params["dimensions"]))


def _slice(equation: Any, array: np.ndarray, lead: int) -> np.ndarray:
    params = equation.params
    strides = params["strides"] or (1,) * len(params["start_indices"])
    all_bounds = zip(params["start_indices"], params["limit_indices"], strides, strict=True)
    sizes = array.shape[lead:]
    slices = [
        slice(*bounds) if n > 1 else slice(None)
        for bounds, n in zip(all_bounds, sizes, strict=True)
    ]
    return array[(..., *slices)] if slices else array


def _follow_stack(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    axis, operand_shape = equation.params["axis"], shape_of(equation.invars[0])
    shape = (*operand_shape[:axis], 1, *operand_shape[axis:])
    all_deps = []
    for k, deps in enumerate(inputs):
        config = [(0, 0, 0)] * len(shape)
        config[axis] = (k, len(inputs) - 1 - k, 0)
        with_axis = map_boxes(
            deps, lambda box: box.move(lambda a: np.expand_dims(a, axis - len(shape)))
        )
        all_deps.append(pad(with_axis, shape, config))
    return [unite(all_deps)]


def _follow_unstack(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    axis = equation.params["axis"] - len(shape_of(equation.invars[0]))

    def take(array: np.ndarray, k: int) -> np.ndarray:
        return array.take(min(k, array.shape[axis] - 1), axis)

    return [
        map_boxes(inputs[0], lambda box, k=k: box.move(lambda array: take(array, k)))
        for k in range(len(equation.outvars))
    ]


def _tile(equation: Any, array: np.ndarray, lead: int) -> np.ndarray:
    reps = [
        times if n > 1 else 1
        for n, times in zip(array.shape[lead:], equation.params["reps"], strict=True)
    ]
    return np.tile(array, [1] * lead + reps)


def _follow_split(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    ndim, axis = len(shape_of(equation.invars[0])), equation.params["axis"]
    all_deps, first = [], 0
    for size in equation.params["sizes"]:

        def cut(array: np.ndarray, first: int = first, size: int = size) -> np.ndarray:
            place = array.ndim - ndim + axis
            if array.shape[place] == 1:
                return array
            return array[(slice(None),) * place + (slice(first, first + size),)]

        all_deps.append(map_boxes(inputs[0], lambda box, cut=cut: box.move(cut)))
        first += size
    return all_deps


def pad(deps: Deps, shape: tuple[int, ...], config: Any) -> Deps:
    """Pad the dependences of an array of this shape with more elements around and between its own.

    `config` is that of `jax.lax.pad`.
    """

    def follow_box(box: Box) -> Box:
        lead = box.ndim - len(shape)
        full = list(box.present.shape)
        for axis, (n, one) in enumerate(zip(shape, config, strict=True)):
            if tuple(one) != (0, 0, 0):
                full[lead + axis] = n
        box = dataclasses.replace(box, present=np.broadcast_to(box.present, full))
        return box.move(lambda array: _pad_array(array, lead, config))

    return map_boxes(deps, follow_box)


def _pad_array(array: np.ndarray, lead: int, config: Any) -> np.ndarray:
    for axis, (low, high, interior) in enumerate(config, start=lead):
        n = array.shape[axis]
        if (low, high, interior) == (0, 0, 0) or (n == 1 and array.dtype != bool):
            continue
        # What bounds are where nothing is present does not matter.
        extent = n + max(n - 1, 0) * interior
        source = np.arange(low, low + extent, interior + 1)
        is_inside = (source >= 0) & (source < low + extent + high)
        result = list(array.shape)
        result[axis] = low + extent + high
        new_array = np.zeros(result, array.dtype)
        before = (slice(None),) * axis
        new_array[(*before, source[is_inside])] = array[(*before, np.flatnonzero(is_inside))]
        array = new_array
    return array


def _follow_pad(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    shape = shape_of(equation.invars[0])
    from_fill_value = expand(inputs[1], 0, len(shape))
    return [unite([pad(inputs[0], shape, equation.params["padding_config"]), from_fill_value])]


def _follow_concatenate(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    axis, total = equation.params["dimension"], shape_of(equation.outvars[0])
    all_deps, first = [], 0
    for atom, deps in zip(equation.invars, inputs, strict=True):
        shape = shape_of(atom)
        config = [(0, 0, 0)] * len(shape)
        config[axis] = (first, total[axis] - first - shape[axis], 0)
        all_deps.append(pad(deps, shape, config))
        first += shape[axis]
    return [unite(all_deps)]


def _follow_one_to_one(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    return list(inputs)


MOVES: dict[str, Rule] = (
    dict.fromkeys(ELEMENT_WISE, _follow_element_wise)
    | dict.fromkeys(RESHAPES, _make_rule(_reshape))
    | dict.fromkeys(ONE_TO_ONE, _follow_one_to_one)
    | {
        "broadcast_in_dim": _make_rule(_broadcast),
        "transpose": _make_rule(_transpose),
        "rev": _make_rule(_reverse),
        "slice": _make_rule(_slice),
        "tile": _make_rule(_tile),
        "split": _follow_split,
        "stack": _follow_stack,
        "unstack": _follow_unstack,
        "pad": _follow_pad,
        "concatenate": _follow_concatenate,
    }
)
"""Of primitives that put elements elsewhere or combine those at one place."""
