"""What primitives that combine the elements along axes make of dependences."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from .boxes import FAR, Box, Deps, map_boxes, unite
from .constants import Constants, as_set
from .rules import Rule, shape_of
from .windows import WINDOWS

__all__ = ["MIXES", "make_keeper"]

REDUCTIONS = as_set(
    "argmax argmin reduce_and reduce_max reduce_min reduce_or reduce_prod reduce_sum reduce_xor"
)
CUMULATIVE = as_set("cumlogsumexp cummax cummin cumprod cumsum")
MATRICES = as_set(
    "cholesky eigh fft householder_product lu qr svd triangular_solve tridiagonal_solve"
)
UNKNOWN_MATRIX = "a product by a matrix that only a run knows"


def _follow_reduction(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    ndim = len(shape_of(equation.invars[0]))

    def follow_box(box: Box) -> Box:
        axes = tuple(box.ndim - ndim + axis for axis in equation.params["axes"])
        return box.merge(axes).move(lambda array: array.squeeze(axes))

    return [map_boxes(inputs[0], follow_box)]


def _follow_cumulative(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    ndim, params = len(shape_of(equation.invars[0])), equation.params
    return [
        map_boxes(
            inputs[0],
            lambda box: box.accumulate(box.ndim - ndim + params["axis"], params["reverse"]),
        )
    ]


def _follow_sort(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    ndim, axis = len(shape_of(equation.invars[0])), equation.params["dimension"]
    new_deps = map_boxes(unite(inputs), lambda box: box.merge([box.ndim - ndim + axis]))
    return [new_deps] * len(equation.outvars)


def make_keeper(axes: dict[int, int], ndim: int) -> Callable[[Box, int], Box]:
    """Make the function from boxes of an array to those of one where only some axes stay apart.

    The result has `ndim` axes. `axes` says where those apart are: from those of the result to those
    of the array.
    """

    def follow_box(box: Box, own_ndim: int) -> Box:
        lead = box.ndim - own_ndim
        box = box.merge(lead + axis for axis in range(own_ndim) if axis not in axes.values())

        def move(array: np.ndarray) -> np.ndarray:
            target = [1] * ndim
            for new, old in axes.items():
                target[new] = array.shape[lead + old]
            order = [lead + old for _, old in sorted(axes.items())]
            rest = [lead + axis for axis in range(own_ndim) if lead + axis not in order]
            array = array.transpose(*range(lead), *order, *rest)
            return array.reshape(*array.shape[:lead], *target)

        return box.move(move)

    return follow_box


def _follow_convolution(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    params, ndim = equation.params, len(shape_of(equation.outvars[0]))
    numbers = params["dimension_numbers"]
    batch = {numbers.out_spec[0]: numbers.lhs_spec[0]} if params["batch_group_count"] == 1 else {}
    features = {numbers.out_spec[1]: numbers.rhs_spec[0]}
    all_deps = []
    for deps, axes in zip(inputs, (batch, features), strict=True):
        follow_box = make_keeper(axes, ndim)
        all_deps.append(
            map_boxes(deps, lambda box, f=follow_box: f(box, ndim).blame("a convolution"))
        )
    return [unite(all_deps)]


def _follow_matrices(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    """Follow what mixes the last axes of all that it is given, and keeps those before."""
    name = equation.primitive.name
    last = len(equation.params["fft_lengths"]) if name == "fft" else 2
    ndims = [len(shape_of(atom)) for atom in equation.invars]
    batch = {axis: axis for axis in range(max(ndims) - last)}
    results = []
    for variable in equation.outvars:
        follow_box = make_keeper(batch, len(shape_of(variable)))
        all_deps = [
            map_boxes(deps, lambda box, f=follow_box, n=n: f(box, n).blame(name))
            for deps, n in zip(inputs, ndims, strict=True)
        ]
        results.append(unite(all_deps))
    return results


def _follow_product(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    contraction_axes, batch = equation.params["dimension_numbers"]
    ndim = len(shape_of(equation.outvars[0]))
    free = [
        [
            a
            for a in range(len(shape_of(atom)))
            if a not in contraction_axes[k] and a not in batch[k]
        ]
        for k, atom in enumerate(equation.invars)
    ]
    all_deps = []
    for k, deps in enumerate(inputs):
        if not deps:
            continue
        first = len(batch[0]) + (len(free[0]) if k else 0)
        axes = dict(enumerate(batch[k])) | dict(enumerate(free[k], start=first))
        other, own_ndim = equation.invars[1 - k], len(shape_of(equation.invars[k]))
        is_one_axis = len(contraction_axes[k]) == len(free[1 - k]) == 1 and not batch[k]
        if is_one_axis and constants.is_known(other):
            matrix = constants.value(other) != 0
            matrix = matrix if contraction_axes[1 - k][0] == 0 else matrix.T
            if not matrix.all():
                place = first + len(free[k]) if k == 0 else len(batch[0])
                all_deps.append(
                    _multiply_by_matrix(
                        deps, own_ndim, contraction_axes[k][0], matrix, axes, (place, ndim)
                    )
                )
                continue
        follow_box = make_keeper(axes, ndim)
        name = "" if constants.is_known(other) else UNKNOWN_MATRIX
        all_deps.append(
            map_boxes(deps, lambda box, f=follow_box, n=own_ndim, c=name: f(box, n).blame(c))
        )
    return [unite(all_deps)]


def _multiply_by_matrix(
    deps: Deps,
    own_ndim: int,
    axis: int,
    matrix: np.ndarray,
    axes: dict[int, int],
    to: tuple[int, int],
) -> Deps:
    """Follow a product by a matrix whose non-zero entries are known, (contracted, free)."""
    place, ndim = to
    columns, rows = np.nonzero(matrix.T)
    starts = np.flatnonzero(np.diff(columns, prepend=-1))
    columns_with_entries = columns[starts]
    name = "a product by a matrix with zeros" if len(columns_with_entries) < len(columns) else ""

    def gather(array: np.ndarray, reduce: np.ufunc) -> np.ndarray:
        new_array = np.zeros((*array.shape[:-1], matrix.shape[1]), array.dtype)
        if len(columns_with_entries):
            new_array[..., columns_with_entries] = reduce.reduceat(array[..., rows], starts, -1)
        return new_array

    def follow_box(box: Box) -> Box:
        box = box.move(lambda array: np.moveaxis(array, array.ndim - own_ndim + axis, -1))
        present = np.broadcast_to(box.present, (*box.present.shape[:-1], len(matrix)))

        def end(array: np.ndarray, reduce: np.ufunc, fill: int) -> np.ndarray:
            if array.shape[-1] == 1 < len(matrix):
                return array
            return gather(np.where(present, array, fill), reduce)

        ends = [(end(low, np.minimum, FAR), end(high, np.maximum, -1)) for low, high in box.bounds]
        new_present = gather(present, np.logical_or)
        new_box = dataclasses.replace(box, present=new_present, bounds=tuple(ends)).blame(name)
        free = [old for old in range(own_ndim) if old != axis]
        new_axes = {place: own_ndim - 1} | {new: free.index(old) for new, old in axes.items()}
        return make_keeper(new_axes, ndim)(new_box, own_ndim)

    return map_boxes(deps, follow_box)


MIXES: dict[str, Rule] = (
    dict.fromkeys(REDUCTIONS, _follow_reduction)
    | dict.fromkeys(CUMULATIVE, _follow_cumulative)
    | WINDOWS
    | dict.fromkeys(MATRICES, _follow_matrices)
    | {
        "sort": _follow_sort,
        "conv_general_dilated": _follow_convolution,
        "dot_general": _follow_product,
    }
)
"""Of primitives that combine elements along axes."""
