"""What primitives that combine the elements in windows make of dependences.

Windows are those of pooling: an element of what is pooled is that of one window of the operand.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .boxes import Box, Deps, each, united
from .constants import Constants, names
from .rules import Rule, expanded, shape_of, unknown

__all__ = ["WINDOWS"]

MANY = 1 << 20
"""The size of an axis in windows, written out, up to which each is looked at."""


def _pooled(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    """Each element depends on those in its window, and on the numbers that a window begins with."""
    shapes = [shape_of(atom) for atom in equation.invars]
    places = _places(equation, shapes[0], shape_of(equation.outvars[0]))
    if places is None:
        return unknown(equation, inputs, constants)
    ndim = len(places)
    parts = [
        _gathered(deps, places) if len(shape) == ndim else expanded(deps, len(shape), ndim)
        for deps, shape in zip(inputs, shapes, strict=True)
    ]
    return [united(parts)] * len(equation.outvars)


def _unpooled(equation: Any, inputs: list[Deps], constants: Constants) -> list[Deps]:
    """Each element of the operand is given something by the windows that it is in.

    Which of a window's elements takes what the window has is chosen by the operand.
    """
    pooled, shape = (shape_of(atom) for atom in equation.invars)
    places = _places(equation, shape, pooled)
    if places is None:
        return unknown(equation, inputs, constants)
    source, operand = inputs
    windows = united([source, _gathered(operand, places)])
    back = [p if p is None else _turned(p, n) for p, n in zip(places, shape, strict=True)]
    return [_gathered(windows, back)]


_Places = list[np.ndarray | None]
"""For each axis, (elements, those that each is made of): their positions, -1 where there is none.

None: along this axis an element is made of that at its own place.
"""


def _places(equation: Any, shape: tuple[int, ...], pooled: tuple[int, ...]) -> _Places | None:
    """What elements are in each window; None where there are too many of them."""
    params, ones = equation.params, (1,) * len(shape)
    found: _Places = []
    for n, windows, size, stride, padding, between, within in zip(
        shape,
        pooled,
        params["window_dimensions"],
        params["window_strides"],
        params["padding"],
        params.get("base_dilation") or ones,
        params.get("window_dilation") or ones,
        strict=True,
    ):
        if (size, stride, between, *padding) == (1, 1, 1, 0, 0):
            found.append(None)
            continue
        if size * windows > MANY:
            return None
        first = np.arange(windows)[:, None] * stride - padding[0]
        places, left = np.divmod(first + np.arange(size) * within, between)
        found.append(np.where((left == 0) & (places >= 0) & (places < n), places, -1))
    return found


def _turned(places: np.ndarray, n: int) -> np.ndarray:
    """For each of n elements the windows that it is in, from the elements in each window."""
    windows, _ = np.nonzero(places >= 0)
    elements = places[places >= 0]
    order = np.argsort(elements, kind="stable")
    elements, windows = elements[order], windows[order]
    counts = np.bincount(elements, minlength=n)
    found = np.full((n, max(1, counts.max(initial=0))), -1)
    found[elements, np.arange(len(elements)) - np.searchsorted(elements, elements)] = windows
    return found


def _gathered(deps: Deps, places: _Places) -> Deps:
    def of_box(box: Box) -> Box:
        lead = box.ndim - len(places)
        for axis, own in enumerate(places, start=lead):
            if own is not None:
                box = _along(box, axis, own)
        return box

    return each(deps, of_box)


def _along(box: Box, axis: int, places: np.ndarray) -> Box:
    """The box around what the elements at these places of an axis depend on."""
    there = places >= 0
    wide = places.clip(0)

    def opened(array: np.ndarray) -> np.ndarray:
        if array.shape[axis] == 1:
            return np.expand_dims(array, axis + 1)
        taken = array.take(wide.ravel(), axis)
        return taken.reshape(*array.shape[:axis], *wide.shape, *array.shape[axis + 1 :])

    own = [1] * (box.ndim + 1)
    own[axis : axis + 2] = there.shape
    made = box.mapped(opened)
    if not there.all():
        made = made.where(there.reshape(own))
    return made.over([axis + 1]).mapped(lambda array: array.squeeze(axis + 1))


_POOLING = names(
    "reduce_window reduce_window_max reduce_window_min reduce_window_sum select_and_gather_add"
)

WINDOWS: dict[str, Rule] = dict.fromkeys(_POOLING, _pooled) | {"select_and_scatter_add": _unpooled}
"""Of primitives that combine elements in windows."""
