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

from .boxes import FAR, Box, Deps, map_boxes, unite
from .constants import Constants, as_set
from .mixing import make_keeper
from .rules import Rule, expand, pad, shape_of

__all__ = ["INDEXED"]

UNKNOWN = "an index that only a run knows"


def _find_starts(
    atoms: list[Any], sizes: tuple[int, ...], shape: tuple[int, ...], constants: Constants
) -> list[int | None]:
    """Find where a window of these sizes begins, axis by axis; None where it is not known."""
    starts: list[int | None] = []
    for atom, size, n in zip(atoms, sizes, shape, strict=True):
        if size == n:
            starts.append(0)
        elif constants.is_known(atom):
            starts.append(int(np.clip(int(constants.value(atom)), 0, n - size)))
        else:
            starts.append(None)
    return starts


def _follow_dynamic_slice(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    shape, sizes = shape_of(equation.invars[0]), equation.params["slice_sizes"]
    starts = _find_starts(equation.invars[1:], sizes, shape, constants)
    unknown_axes = [axis for axis, start in enumerate(starts) if start is None]

    def follow_box(box: Box) -> Box:
        lead = box.ndim - len(shape)
        if unknown_axes:
            box = box.merge(lead + axis for axis in unknown_axes).blame(UNKNOWN)

        def cut(array: np.ndarray) -> np.ndarray:
            cuts = [
                slice(None) if n == 1 or start is None else slice(start, start + size)
                for n, start, size in zip(array.shape[lead:], starts, sizes, strict=True)
            ]
            return array[(..., *cuts)]

        return box.move(cut)

    by_index = _follow_index(inputs[1:], len(shape))
    return [unite([map_boxes(inputs[0], follow_box), by_index])]


def _follow_index(indices: list[Deps], ndim: int) -> Deps:
    """Follow indices, numbers: what depends on one does so as a whole."""
    return map_boxes(expand(unite(indices), 0, ndim), lambda box: box.blame(UNKNOWN))


def _follow_dynamic_update_slice(
    equation: Any, inputs: list[Deps], constants: Constants
) -> list[Deps]:
    shape, sizes = map(shape_of, equation.invars[:2])
    starts = _find_starts(equation.invars[2:], sizes, shape, constants)
    unknown_axes = [axis for axis, start in enumerate(starts) if start is None]
    known_starts = [start for start in starts if start is not None]
    config = [
        (0, 0, 0) if start is None else (start, n - start - size, 0)
        for start, size, n in zip(starts, sizes, shape, strict=True)
    ]

    def follow_update(box: Box) -> Box:
        lead = box.ndim - len(shape)
        return (
            box.merge(lead + axis for axis in unknown_axes).blame(UNKNOWN) if unknown_axes else box
        )

    update = pad(map_boxes(inputs[1], follow_update), sizes, config)
    operand = inputs[0]
    if not unknown_axes:
        is_left = np.ones(shape, bool)
        window = (slice(s, s + size) for s, size in zip(known_starts, sizes, strict=True))
        is_left[tuple(window)] = False
        operand = map_boxes(operand, lambda box: box.where(is_left))
    return [unite([operand, update, _follow_index(inputs[2:], len(shape))])]


def _find_windows(numbers: Any, sizes: tuple[int, ...], shape: tuple[int, ...]) -> dict[int, int]:
    """Find the axes of an operand that windows hold in full: from those of the result to those.

    `numbers` are those of a gather.
    """
    without = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    window_axes = [axis for axis in range(len(shape)) if axis not in without]
    pairs = zip(numbers.offset_dims, window_axes, strict=True)
    return {int(new): old for new, old in pairs if sizes[old] == shape[old]}


def _find_batch_axes(numbers: Any, ndim: int) -> dict[int, int]:
    """Find axes of an operand that go along with axes of the indices, by those of the result."""
    places = [axis for axis in range(ndim) if axis not in numbers.offset_dims]
    pairs = zip(numbers.start_indices_batching_dims, numbers.operand_batching_dims, strict=True)
    return {places[int(index)]: int(operand) for index, operand in pairs}


def _find_positions(
    indices: np.ndarray, numbers: Any, sizes: Any, shape: Any, whole: Any, mode: Any
) -> np.ndarray:
    """Find the flat position in an operand of what a gather takes; -1: outside.

    Axes in `whole` have length 1, in the operand and in the result.
    """
    shape = [1 if axis in whole else n for axis, n in enumerate(shape)]
    sizes = [1 if axis in whole else n for axis, n in enumerate(sizes)]
    with jax.ensure_compile_time_eval():
        places = jnp.arange(int(np.prod(shape)), dtype=np.int32).reshape(shape)
        positions = jax.lax.gather(places, indices, numbers, tuple(sizes), mode=mode, fill_value=-1)
        return np.asarray(positions)


def _follow_gather(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    params = equation.params
    shape, ndim = shape_of(equation.invars[0]), len(shape_of(equation.outvars[0]))
    numbers, sizes = params["dimension_numbers"], params["slice_sizes"]
    windows = _find_windows(numbers, sizes, shape)
    by_index = map_boxes(
        _reach_whole(inputs[1], equation.invars[1], ndim), lambda box: box.blame(UNKNOWN)
    )
    if not constants.is_known(equation.invars[1]):
        keep_apart = make_keeper(windows | _find_batch_axes(numbers, ndim), ndim)
        operand = map_boxes(inputs[0], lambda box: keep_apart(box, len(shape)).blame(UNKNOWN))
        return [unite([operand, by_index])]
    indices, whole = constants.value(equation.invars[1]), set(windows.values())
    positions = _find_positions(indices, numbers, sizes, shape, whole, params["mode"])
    rest = [axis for axis in range(len(shape)) if axis not in whole]
    inside = positions >= 0

    def follow_box(box: Box) -> Box:
        lead = box.ndim - len(shape)

        def take(array: np.ndarray) -> np.ndarray:
            flat = _flatten_rest(array, lead, shape, rest)
            # Axes of the result: those held in full, in order, then all others.
            others = [n for axis, n in enumerate(positions.shape) if axis not in windows]
            if flat.shape[-1] == 1:
                new_array, others = flat, [1] * len(others)
            else:
                new_array = flat[..., positions.clip(0).ravel()]
            new_array = new_array.reshape(*new_array.shape[:-1], *others)
            places = [*sorted(windows), *(a for a in range(ndim) if a not in windows)]
            order = [places.index(axis) for axis in range(ndim)]
            return new_array.transpose(*range(lead), *(lead + k for k in order))

        new_box = box.move(take)
        return new_box if inside.all() else new_box.where(inside)

    return [unite([map_boxes(inputs[0], follow_box), by_index])]


def _reach_whole(deps: Deps, atom: Any, ndim: int) -> Deps:
    """Follow an array of numbers: what depends on any of them does so as a whole."""
    own_ndim = len(shape_of(atom))
    scalar = map_boxes(deps, lambda box: make_keeper({}, 0)(box, own_ndim))
    return expand(scalar, 0, ndim)


def _flatten_rest(array: np.ndarray, lead: int, shape: Any, rest: list[int]) -> np.ndarray:
    """Make some axes of an array flat and last: in full, or of length 1 if none matters."""
    full = list(array.shape)
    if any(full[lead + axis] > 1 for axis in rest):
        for axis in rest:
            full[lead + axis] = shape[axis]
    array = np.broadcast_to(array, full)
    others = [axis for axis in range(len(shape)) if axis not in rest]
    array = array.transpose(*range(lead), *(lead + axis for axis in [*others, *rest]))
    return array.reshape(*array.shape[: lead + len(others)], -1)


def _follow_scatter(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    """Follow all primitives that put, add or combine updates into an operand."""
    params = equation.params
    shape, updates = shape_of(equation.invars[0]), shape_of(equation.invars[2])
    scatter_numbers = params["dimension_numbers"]
    numbers = GatherDimensionNumbers(
        scatter_numbers.update_window_dims,
        scatter_numbers.inserted_window_dims,
        scatter_numbers.scatter_dims_to_operand_dims,
        scatter_numbers.operand_batching_dims,
        scatter_numbers.scatter_indices_batching_dims,
    )
    without = {*scatter_numbers.inserted_window_dims, *scatter_numbers.operand_batching_dims}
    window_axes = iter(scatter_numbers.update_window_dims)
    sizes = tuple(1 if a in without else updates[next(window_axes)] for a in range(len(shape)))
    windows, operand = _find_windows(numbers, sizes, shape), inputs[0]
    by_index = map_boxes(
        _reach_whole(inputs[1], equation.invars[1], len(shape)),
        lambda box: box.blame(UNKNOWN),
    )
    if not constants.is_known(equation.invars[1]):
        back = {
            old: new for new, old in (windows | _find_batch_axes(numbers, len(updates))).items()
        }
        keep_apart = make_keeper(back, len(shape))
        from_updates = map_boxes(
            inputs[2], lambda box: keep_apart(box, len(updates)).blame(UNKNOWN)
        )
        return [unite([operand, from_updates, by_index])]
    indices, whole = constants.value(equation.invars[1]), set(windows.values())
    positions = _find_positions(indices, numbers, sizes, shape, whole, params["mode"])
    if equation.primitive.name == "scatter" and operand:
        is_left = np.ones([1 if a in whole else n for a, n in enumerate(shape)], bool)
        is_left.reshape(-1)[positions[positions >= 0]] = False
        operand = map_boxes(operand, lambda box: box.where(is_left))
    from_updates = map_boxes(inputs[2], _make_putting(positions, windows, shape, updates))
    return [unite([operand, from_updates, by_index])]


def _make_putting(positions: np.ndarray, windows: dict[int, int], shape: Any, updates: Any) -> Any:
    """Make the function from boxes of updates to those of the operand that they are put into."""
    others = [axis for axis in range(len(updates)) if axis not in windows]
    rest = [axis for axis in range(len(shape)) if axis not in windows.values()]
    is_inside = positions.ravel() >= 0
    targets = positions.ravel()[is_inside]
    sizes = [shape[axis] for axis in rest]
    places = [*(windows[axis] for axis in sorted(windows)), *rest]

    def follow_box(box: Box) -> Box:
        lead = box.ndim - len(updates)

        def flatten(array: np.ndarray) -> np.ndarray:
            return _flatten_rest(array, lead, updates, others)

        def write_out(array: np.ndarray) -> np.ndarray:
            new_array = flatten(array)
            new_shape = (*new_array.shape[:-1], len(is_inside))
            return np.broadcast_to(new_array, new_shape)[..., is_inside]

        present = write_out(box.present)

        def put(array: np.ndarray, reduce: np.ufunc, fill: int) -> np.ndarray:
            new_array, rest_shape = flatten(array), [1] * len(rest)
            if new_array.shape[-1] > 1 or array.dtype == bool:
                values = np.where(present, write_out(array), fill).astype(array.dtype)
                rest_shape = sizes
                new_array = np.full((*values.shape[:-1], math.prod(sizes)), fill, array.dtype)
                # NumPy takes whatever indexes an array, and declares integers.
                reduce.at(new_array, (..., targets), values)  # pyright: ignore[reportArgumentType]
            new_array = new_array.reshape(*new_array.shape[:-1], *rest_shape)
            order = [lead + places.index(axis) for axis in range(len(shape))]
            return new_array.transpose(*range(lead), *order)

        ends = tuple((put(a, np.minimum, FAR), put(b, np.maximum, -1)) for a, b in box.bounds)
        return dataclasses.replace(box, present=put(box.present, np.logical_or, 0), bounds=ends)

    return follow_box


INDEXED: dict[str, Rule] = {
    "dynamic_slice": _follow_dynamic_slice,
    "dynamic_update_slice": _follow_dynamic_update_slice,
    "gather": _follow_gather,
} | dict.fromkeys(
    as_set("scatter scatter-add scatter-sub scatter-mul scatter-min scatter-max"),
    _follow_scatter,
)
"""Of primitives that take an index."""
