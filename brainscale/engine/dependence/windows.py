"""What primitives that combine the elements in windows make of dependences.

Windows are those of pooling: an element of what is pooled is that of one window of the operand.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .boxes import Box, Deps, map_boxes, unite
from .constants import Constants, as_set
from .rules import Rule, expand, follow_unknown, shape_of

__all__ = ["WINDOWS"]

MANY = 1 << 20
"""The size of an axis in windows, written out, up to which each is looked at."""


def _follow_pooling(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    """Let each element depend on those in its window, and on what a window begins with."""
    shapes = [shape_of(atom) for atom in equation.invars]
    places = _find_places(equation, shapes[0], shape_of(equation.outvars[0]))
    if places is None:
        return follow_unknown(equation, inputs, constants)
    ndim = len(places)
    all_deps = [
        _gather(deps, places) if len(shape) == ndim else expand(deps, len(shape), ndim)
        for deps, shape in zip(inputs, shapes, strict=True)
    ]
    return [unite(all_deps)] * len(equation.outvars)


def _follow_unpooling(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    """Let each element of the operand be given something by the windows that it is in.

    Which of a window's elements takes what the window has is chosen by the operand.
    """
    pooled_shape, shape = (shape_of(atom) for atom in equation.invars)
    places = _find_places(equation, shape, pooled_shape)
    if places is None:
        return follow_unknown(equation, inputs, constants)
    source, operand = inputs
    windows = unite([source, _gather(operand, places)])
    back = [p if p is None else _invert(p, n) for p, n in zip(places, shape, strict=True)]
    return [_gather(windows, back)]


_Places = list[np.ndarray | None]
"""For each axis, (elements, those that each is made of): their positions, -1 where there is none.

None: along this axis an element is made of that at its own place.
"""


def _find_places(
    equation: Any, shape: tuple[int, ...], pooled_shape: tuple[int, ...]
) -> _Places | None:
    """Find what elements are in each window; None where there are too many of them."""
    params, ones = equation.params, (1,) * len(shape)
    all_places: _Places = []
    for n, windows, size, stride, padding, between, within in zip(
        shape,
        pooled_shape,
        params["window_dimensions"],
        params["window_strides"],
        params["padding"],
        params.get("base_dilation") or ones,
        params.get("window_dilation") or ones,
        strict=True,
    ):
        if (size, stride, between, *padding) == (1, 1, 1, 0, 0):
            all_places.append(None)
            continue
        if size * windows > MANY:
            return None
        first = np.arange(windows)[:, None] * stride - padding[0]
        places, rest = np.divmod(first + np.arange(size) * within, between)
        all_places.append(np.where((rest == 0) & (places >= 0) & (places < n), places, -1))
    return all_places


def _invert(places: np.ndarray, n: int) -> np.ndarray:
    """Find for each of n elements the windows that it is in from the elements in each window."""
    windows, _ = np.nonzero(places >= 0)
    elements = places[places >= 0]
    order = np.argsort(elements, kind="stable")
    elements, windows = elements[order], windows[order]
    counts = np.bincount(elements, minlength=n)
    inverse = np.full((n, max(1, counts.max(initial=0))), -1)
    inverse[elements, np.arange(len(elements)) - np.searchsorted(elements, elements)] = windows
    return inverse


def _gather(deps: Deps, places: _Places) -> Deps:
    def follow_box(box: Box) -> Box:
        lead = box.ndim - len(places)
        for axis, axis_places in enumerate(places, start=lead):
            if axis_places is not None:
                box = _gather_along(box, axis, axis_places)
        return box

    return map_boxes(deps, follow_box)


def _gather_along(box: Box, axis: int, places: np.ndarray) -> Box:
    """Draw the box around what the elements at these places of an axis depend on."""
    is_there = places >= 0
    inside_places = places.clip(0)

    def open_windows(array: np.ndarray) -> np.ndarray:
        if array.shape[axis] == 1:
            return np.expand_dims(array, axis + 1)
        entries = array.take(inside_places.ravel(), axis)
        return entries.reshape(*array.shape[:axis], *inside_places.shape, *array.shape[axis + 1 :])

    shape = [1] * (box.ndim + 1)
    shape[axis : axis + 2] = is_there.shape
    new_box = box.move(open_windows)
    if not is_there.all():
        new_box = new_box.where(is_there.reshape(shape))
    return new_box.merge([axis + 1]).move(lambda array: array.squeeze(axis + 1))


_POOLING = as_set(
    "reduce_window reduce_window_max reduce_window_min reduce_window_sum select_and_gather_add"
)

WINDOWS: dict[str, Rule] = dict.fromkeys(_POOLING, _follow_pooling) | {
    "select_and_scatter_add": _follow_unpooling
}
"""Of primitives that combine elements in windows."""
