"""What primitives that combine the elements along axes make of dependences."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from .boxes import FAR, Box, Deps, each, united
from .constants import Constants, names
from .rules import Rule, shape_of
from .windows import WINDOWS

__all__ = ["MIXES", "kept_apart"]

REDUCTIONS = names(
    "argmax argmin reduce_and reduce_max reduce_min reduce_or reduce_prod reduce_sum reduce_xor"
)
CUMULATIVE = names("cumlogsumexp cummax cummin cumprod cumsum")
MATRICES = names(
    "cholesky eigh fft householder_product lu qr svd triangular_solve tridiagonal_solve"
)
UNKNOWN_MATRIX = "a product by a matrix that only a run knows"


def _reduced(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    ndim = len(shape_of(equation.invars[0]))

    def of_box(box: Box) -> Box:
        axes = tuple(box.ndim - ndim + axis for axis in equation.params["axes"])
        return box.over(axes).mapped(lambda array: array.squeeze(axes))

    return [each(inputs[0], of_box)]


def _cumulative(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    ndim, params = len(shape_of(equation.invars[0])), equation.params
    return [
        each(
            inputs[0],
            lambda box: box.along(box.ndim - ndim + params["axis"], params["reverse"]),
        )
    ]


def _sorted(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    ndim, axis = len(shape_of(equation.invars[0])), equation.params["dimension"]
    found = each(united(inputs), lambda box: box.over([box.ndim - ndim + axis]))
    return [found] * len(equation.outvars)


def kept_apart(axes: dict[int, int], ndim: int) -> Callable[[Box, int], Box]:
    """From boxes of an array to those of one of `ndim` axes, where only some axes stay apart.

    `axes` says where these are: from those of the result to those of the array.
    """

    def of_box(box: Box, own: int) -> Box:
        lead = box.ndim - own
        box = box.over(lead + axis for axis in range(own) if axis not in axes.values())

        def moved(array: np.ndarray) -> np.ndarray:
            target = [1] * ndim
            for new, old in axes.items():
                target[new] = array.shape[lead + old]
            order = [lead + old for _, old in sorted(axes.items())]
            rest = [lead + axis for axis in range(own) if lead + axis not in order]
            array = array.transpose(*range(lead), *order, *rest)
            return array.reshape(*array.shape[:lead], *target)

        return box.mapped(moved)

    return of_box


def _convolved(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    params, ndim = equation.params, len(shape_of(equation.outvars[0]))
    numbers = params["dimension_numbers"]
    batch = {numbers.out_spec[0]: numbers.lhs_spec[0]} if params["batch_group_count"] == 1 else {}
    features = {numbers.out_spec[1]: numbers.rhs_spec[0]}
    found = []
    for deps, axes in zip(inputs, (batch, features), strict=True):
        of_box = kept_apart(axes, ndim)
        found.append(each(deps, lambda box, f=of_box: f(box, ndim).called("a convolution")))
    return [united(found)]


def _of_matrices(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    """Of what mixes the last axes of all that it is given, and keeps those before."""
    name = equation.primitive.name
    last = len(equation.params["fft_lengths"]) if name == "fft" else 2
    ndims = [len(shape_of(atom)) for atom in equation.invars]
    batch = {axis: axis for axis in range(max(ndims) - last)}
    found = []
    for variable in equation.outvars:
        of_box = kept_apart(batch, len(shape_of(variable)))
        parts = [
            each(deps, lambda box, f=of_box, n=n: f(box, n).called(name))
            for deps, n in zip(inputs, ndims, strict=True)
        ]
        found.append(united(parts))
    return found


def _product(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    (contracted, batch), ndim = (
        equation.params["dimension_numbers"],
        len(shape_of(equation.outvars[0])),
    )
    free = [
        [a for a in range(len(shape_of(atom))) if a not in contracted[k] and a not in batch[k]]
        for k, atom in enumerate(equation.invars)
    ]
    found = []
    for k, deps in enumerate(inputs):
        if not deps:
            continue
        first = len(batch[0]) + (len(free[0]) if k else 0)
        axes = dict(enumerate(batch[k])) | dict(enumerate(free[k], start=first))
        other, own = equation.invars[1 - k], len(shape_of(equation.invars[k]))
        alone = len(contracted[k]) == len(free[1 - k]) == 1 and not batch[k]
        if alone and constants.is_known(other):
            matrix = constants.value(other) != 0
            matrix = matrix if contracted[1 - k][0] == 0 else matrix.T
            if not matrix.all():
                place = first + len(free[k]) if k == 0 else len(batch[0])
                found.append(_by_matrix(deps, own, contracted[k][0], matrix, axes, (place, ndim)))
                continue
        of_box, name = kept_apart(axes, ndim), "" if constants.is_known(other) else UNKNOWN_MATRIX
        found.append(each(deps, lambda box, f=of_box, n=own, c=name: f(box, n).called(c)))
    return [united(found)]


def _by_matrix(
    deps: Deps, own: int, axis: int, matrix: np.ndarray, axes: dict[int, int], to: tuple[int, int]
) -> Deps:
    """A product by a matrix whose non-zero entries are known, (contracted, free)."""
    place, ndim = to
    columns, rows = np.nonzero(matrix.T)
    starts = np.flatnonzero(np.diff(columns, prepend=-1))
    filled = columns[starts]
    name = "a product by a matrix with zeros" if len(filled) < len(columns) else ""

    def gathered(array: np.ndarray, reduce: np.ufunc) -> np.ndarray:
        found = np.zeros((*array.shape[:-1], matrix.shape[1]), array.dtype)
        if len(filled):
            found[..., filled] = reduce.reduceat(array[..., rows], starts, -1)
        return found

    def of_box(box: Box) -> Box:
        box = box.mapped(lambda array: np.moveaxis(array, array.ndim - own + axis, -1))
        present = np.broadcast_to(box.present, (*box.present.shape[:-1], len(matrix)))

        def end(array: np.ndarray, reduce: np.ufunc, fill: int) -> np.ndarray:
            if array.shape[-1] == 1 < len(matrix):
                return array
            return gathered(np.where(present, array, fill), reduce)

        ends = [(end(low, np.minimum, FAR), end(high, np.maximum, -1)) for low, high in box.bounds]
        there = gathered(present, np.logical_or)
        made = dataclasses.replace(box, present=there, bounds=tuple(ends)).called(name)
        free = [old for old in range(own) if old != axis]
        moved = {place: own - 1} | {new: free.index(old) for new, old in axes.items()}
        return kept_apart(moved, ndim)(made, own)

    return each(deps, of_box)


MIXES: dict[str, Rule] = (
    dict.fromkeys(REDUCTIONS, _reduced)
    | dict.fromkeys(CUMULATIVE, _cumulative)
    | WINDOWS
    | dict.fromkeys(MATRICES, _of_matrices)
    | {"sort": _sorted, "conv_general_dilated": _convolved, "dot_general": _product}
)
"""Of primitives that combine elements along axes."""
