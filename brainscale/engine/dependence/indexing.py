"""What primitives that take an index make of dependences.

An index that is known says where each element comes from or goes to. One that is not reaches the
whole of the axes that it indexes.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import GatherDimensionNumbers

from .boxes import FAR, Box, Deps, each, united
from .constants import Constants, names
from .mixing import kept_apart
from .rules import Rule, expanded, padded, shape_of

__all__ = ["INDEXED"]

UNKNOWN = "an index that only a run knows"


def _starts(
    atoms: list[Any], sizes: tuple[int, ...], shape: tuple[int, ...], constants: Constants
) -> list[int | None]:
    """Where a window of these sizes begins, axis by axis; None where it is not known."""
    found: list[int | None] = []
    for atom, size, n in zip(atoms, sizes, shape, strict=True):
        if size == n:
            found.append(0)
        elif constants.is_known(atom):
            found.append(int(np.clip(int(constants.value(atom)), 0, n - size)))
        else:
            found.append(None)
    return found


def _dynamic_slice(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    shape, sizes = shape_of(equation.invars[0]), equation.params["slice_sizes"]
    starts = _starts(equation.invars[1:], sizes, shape, constants)
    mixed = [axis for axis, start in enumerate(starts) if start is None]

    def of_box(box: Box) -> Box:
        lead = box.ndim - len(shape)
        if mixed:
            box = box.over(lead + axis for axis in mixed).called(UNKNOWN)

        def cut(array: np.ndarray) -> np.ndarray:
            own = [
                slice(None) if n == 1 or start is None else slice(start, start + size)
                for n, start, size in zip(array.shape[lead:], starts, sizes, strict=True)
            ]
            return array[(..., *own)]

        return box.mapped(cut)

    by_index = _by_index(inputs[1:], len(shape))
    return [united([each(inputs[0], of_box), by_index])]


def _by_index(indices: list[Deps], ndim: int) -> Deps:
    """What depends on an index, a number, does so as a whole."""
    return each(expanded(united(indices), 0, ndim), lambda box: box.called(UNKNOWN))


def _dynamic_update_slice(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    shape, sizes = map(shape_of, equation.invars[:2])
    starts = _starts(equation.invars[2:], sizes, shape, constants)
    mixed = [axis for axis, start in enumerate(starts) if start is None]
    known = [start for start in starts if start is not None]
    config = [
        (0, 0, 0) if start is None else (start, n - start - size, 0)
        for start, size, n in zip(starts, sizes, shape, strict=True)
    ]

    def of_update(box: Box) -> Box:
        lead = box.ndim - len(shape)
        return box.over(lead + axis for axis in mixed).called(UNKNOWN) if mixed else box

    update = padded(each(inputs[1], of_update), sizes, config)
    operand = inputs[0]
    if not mixed:
        left = np.ones(shape, bool)
        left[tuple(slice(s, s + size) for s, size in zip(known, sizes, strict=True))] = False
        operand = each(operand, lambda box: box.where(left))
    return [united([operand, update, _by_index(inputs[2:], len(shape))])]


def _windows(numbers: Any, sizes: tuple[int, ...], shape: tuple[int, ...]) -> dict[int, int]:
    """The axes of an operand that windows hold in full: from those of the result to those.

    `numbers` are those of a gather.
    """
    without = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    windowed = [axis for axis in range(len(shape)) if axis not in without]
    pairs = zip(numbers.offset_dims, windowed, strict=True)
    return {int(new): old for new, old in pairs if sizes[old] == shape[old]}


def _batched(numbers: Any, ndim: int) -> dict[int, int]:
    """The axes of an operand that go along with axes of the indices, by those of the result."""
    places = [axis for axis in range(ndim) if axis not in numbers.offset_dims]
    pairs = zip(numbers.start_indices_batching_dims, numbers.operand_batching_dims, strict=True)
    return {places[int(index)]: int(operand) for index, operand in pairs}


def _positions(
    indices: np.ndarray, numbers: Any, sizes: Any, shape: Any, whole: Any, mode: Any
) -> np.ndarray:
    """The flat position in an operand of what a gather takes; -1: outside.

    Axes in `whole` have length 1, in the operand and in the result.
    """
    shape = [1 if axis in whole else n for axis, n in enumerate(shape)]
    sizes = [1 if axis in whole else n for axis, n in enumerate(sizes)]
    with jax.ensure_compile_time_eval():
        own = jnp.arange(int(np.prod(shape)), dtype=np.int32).reshape(shape)
        taken = jax.lax.gather(own, indices, numbers, tuple(sizes), mode=mode, fill_value=-1)
        return np.asarray(taken)


def _gather(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    params = equation.params
    shape, ndim = shape_of(equation.invars[0]), len(shape_of(equation.outvars[0]))
    numbers, sizes = params["dimension_numbers"], params["slice_sizes"]
    windows = _windows(numbers, sizes, shape)
    by_index = each(
        _of_numbers(inputs[1], equation.invars[1], ndim), lambda box: box.called(UNKNOWN)
    )
    if not constants.is_known(equation.invars[1]):
        keep = kept_apart(windows | _batched(numbers, ndim), ndim)
        found = each(inputs[0], lambda box: keep(box, len(shape)).called(UNKNOWN))
        return [united([found, by_index])]
    indices, whole = constants.value(equation.invars[1]), set(windows.values())
    positions = _positions(indices, numbers, sizes, shape, whole, params["mode"])
    rest = [axis for axis in range(len(shape)) if axis not in whole]
    inside = positions >= 0

    def of_box(box: Box) -> Box:
        lead = box.ndim - len(shape)

        def taken(array: np.ndarray) -> np.ndarray:
            flat = _flat_rest(array, lead, shape, rest)
            # Axes of the result: those held in full, in order, then all others.
            others = [n for axis, n in enumerate(positions.shape) if axis not in windows]
            if flat.shape[-1] == 1:
                found, others = flat, [1] * len(others)
            else:
                found = flat[..., positions.clip(0).ravel()]
            found = found.reshape(*found.shape[:-1], *others)
            places = [*sorted(windows), *(a for a in range(ndim) if a not in windows)]
            order = [places.index(axis) for axis in range(ndim)]
            return found.transpose(*range(lead), *(lead + k for k in order))

        made = box.mapped(taken)
        return made if inside.all() else made.where(inside)

    return [united([each(inputs[0], of_box), by_index])]


def _of_numbers(deps: Deps, atom: Any, ndim: int) -> Deps:
    """What depends on any of an array of numbers does so as a whole."""
    own = len(shape_of(atom))
    scalar = each(deps, lambda box: kept_apart({}, 0)(box, own))
    return expanded(scalar, 0, ndim)


def _flat_rest(array: np.ndarray, lead: int, shape: Any, rest: list[int]) -> np.ndarray:
    """An array with some of its axes flat and last: in full, or of length 1 if none matters."""
    full = list(array.shape)
    if any(full[lead + axis] > 1 for axis in rest):
        for axis in rest:
            full[lead + axis] = shape[axis]
    array = np.broadcast_to(array, full)
    kept = [axis for axis in range(len(shape)) if axis not in rest]
    array = array.transpose(*range(lead), *(lead + axis for axis in [*kept, *rest]))
    return array.reshape(*array.shape[: lead + len(kept)], -1)


def _scatter(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    """Of all primitives that put, add or combine updates into an operand."""
    params = equation.params
    shape, updates = shape_of(equation.invars[0]), shape_of(equation.invars[2])
    own = params["dimension_numbers"]
    numbers = GatherDimensionNumbers(
        own.update_window_dims,
        own.inserted_window_dims,
        own.scatter_dims_to_operand_dims,
        own.operand_batching_dims,
        own.scatter_indices_batching_dims,
    )
    without = {*own.inserted_window_dims, *own.operand_batching_dims}
    windowed = iter(own.update_window_dims)
    sizes = tuple(1 if a in without else updates[next(windowed)] for a in range(len(shape)))
    windows, operand = _windows(numbers, sizes, shape), inputs[0]
    by_index = each(
        _of_numbers(inputs[1], equation.invars[1], len(shape)), lambda box: box.called(UNKNOWN)
    )
    if not constants.is_known(equation.invars[1]):
        back = {old: new for new, old in (windows | _batched(numbers, len(updates))).items()}
        keep = kept_apart(back, len(shape))
        put = each(inputs[2], lambda box: keep(box, len(updates)).called(UNKNOWN))
        return [united([operand, put, by_index])]
    indices, whole = constants.value(equation.invars[1]), set(windows.values())
    positions = _positions(indices, numbers, sizes, shape, whole, params["mode"])
    if equation.primitive.name == "scatter" and operand:
        left = np.ones([1 if a in whole else n for a, n in enumerate(shape)], bool)
        left.reshape(-1)[positions[positions >= 0]] = False
        operand = each(operand, lambda box: box.where(left))
    put = each(inputs[2], _putting(positions, windows, shape, updates))
    return [united([operand, put, by_index])]


def _putting(positions: np.ndarray, windows: dict[int, int], shape: Any, updates: Any) -> Any:
    """From boxes of updates to those of the operand that they are put into."""
    others = [axis for axis in range(len(updates)) if axis not in windows]
    rest = [axis for axis in range(len(shape)) if axis not in windows.values()]
    used = positions.ravel() >= 0
    targets = positions.ravel()[used]
    sizes = [shape[axis] for axis in rest]
    places = [*(windows[axis] for axis in sorted(windows)), *rest]

    def of_box(box: Box) -> Box:
        lead = box.ndim - len(updates)

        def flat(array: np.ndarray) -> np.ndarray:
            return _flat_rest(array, lead, updates, others)

        def in_full(array: np.ndarray) -> np.ndarray:
            found = flat(array)
            return np.broadcast_to(found, (*found.shape[:-1], len(used)))[..., used]

        present = in_full(box.present)

        def put(array: np.ndarray, reduce: np.ufunc, fill: int) -> np.ndarray:
            found, own = flat(array), [1] * len(rest)
            if found.shape[-1] > 1 or array.dtype == bool:
                given = np.where(present, in_full(array), fill).astype(array.dtype)
                found, own = (
                    np.full((*given.shape[:-1], math.prod(sizes)), fill, array.dtype),
                    sizes,
                )
                # NumPy takes whatever indexes an array, and declares integers.
                reduce.at(found, (..., targets), given)  # pyright: ignore[reportArgumentType]
            found = found.reshape(*found.shape[:-1], *own)
            order = [lead + places.index(axis) for axis in range(len(shape))]
            return found.transpose(*range(lead), *order)

        ends = tuple((put(a, np.minimum, FAR), put(b, np.maximum, -1)) for a, b in box.bounds)
        return dataclasses.replace(box, present=put(box.present, np.logical_or, 0), bounds=ends)

    return of_box


INDEXED: dict[str, Rule] = {
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update_slice,
    "gather": _gather,
} | dict.fromkeys(
    names("scatter scatter-add scatter-sub scatter-mul scatter-min scatter-max"), _scatter
)
"""Of primitives that take an index."""
