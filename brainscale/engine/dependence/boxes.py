"""Boxes: for each element of an array, the elements of a source that it may depend on.

An array of shape (a, b, ...) is described by arrays that have each of its axes at full length or at
length 1, where it does not matter which element it is. So an array of 16 x 4,000 that depends on
its source element by element is described by 16 + 4,000 numbers, and one that mixes the elements
of an axis by two.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np

__all__ = ["Box", "Deps", "map_boxes", "unite"]

FAR = np.iinfo(np.int32).max
MOST_BOXES = 6
"""How many boxes an element may have before one is drawn around all of them."""
MANY = "a sum of many parts of one array"


@dataclasses.dataclass(frozen=True, eq=False)
class Box:
    """A box of elements of a source, for each element of an array.

    Attributes
    ----------
    present : array of bool
        Whether the element depends on the source at all.
    bounds : tuple of pairs of arrays of int
        For each axis of the source the first and the last index, which are one and the same array
        where there is only one.
    coarse : str
        What made the box larger than what is known to be needed; empty: nothing did.
    spread : bool
        Whether an element of the source was given to several elements by one equation.
    """

    present: np.ndarray
    bounds: tuple[tuple[np.ndarray, np.ndarray], ...]
    coarse: str = ""
    spread: bool = False

    @classmethod
    def identity(cls, shape: tuple[int, ...]) -> Box:
        """Make the box by which each element of a source depends on itself."""
        indices = np.ogrid[tuple(slice(n) for n in shape)]
        arrays = [np.asarray(index, np.int32) for index in indices]
        return cls(np.ones((1,) * len(shape), bool), tuple((index, index) for index in arrays))

    @classmethod
    def whole(cls, shape: tuple[int, ...], ndim: int, coarse: str) -> Box:
        """Make the box of all of a source for each element of an array of `ndim` axes."""
        one = (1,) * ndim
        ends = [(np.zeros(one, np.int32), np.full(one, n - 1, np.int32)) for n in shape]
        return cls(np.ones(one, bool), tuple(ends), coarse)

    @property
    def ndim(self) -> int:
        """The axes of the array, those of the loops that it is in before its own."""
        return self.present.ndim

    def move(self, function: Callable[[np.ndarray], np.ndarray]) -> Box:
        """Make the box of an array whose elements are those of this one, put elsewhere."""
        arrays: dict[int, np.ndarray] = {}

        def map_once(array: np.ndarray) -> np.ndarray:
            if id(array) not in arrays:
                arrays[id(array)] = function(array)
            return arrays[id(array)]

        ends = tuple((map_once(low), map_once(high)) for low, high in self.bounds)
        return dataclasses.replace(self, present=map_once(self.present), bounds=ends)

    def where(self, mask: np.ndarray) -> Box:
        """Make the box of the elements in this mask; others depend on nothing."""
        return dataclasses.replace(self, present=self.present & mask)

    def blame(self, coarse: str) -> Box:
        """Make the same box, said to be coarse for this reason, if it is not already."""
        return dataclasses.replace(self, coarse=self.coarse or coarse)

    def merge(self, axes: Iterable[int]) -> Box:
        """Draw the box around what all elements along some axes depend on; these get length 1."""
        axes = tuple(axes)

        def end(array: np.ndarray, reduce: Callable, fill: int) -> np.ndarray:
            if all(array.shape[axis] == 1 for axis in axes):
                return array
            return reduce(np.where(self.present, array, fill), axes, keepdims=True)

        ends = tuple((end(low, np.min, FAR), end(high, np.max, -1)) for low, high in self.bounds)
        present = self.present.any(axes, keepdims=True)
        return dataclasses.replace(self, present=present, bounds=ends)

    def accumulate(self, axis: int, reverse: bool) -> Box:
        """Draw the box around what an element and all before it, or behind it, depend on."""
        turn = (lambda array: np.flip(array, axis)) if reverse else (lambda array: array)

        def end(array: np.ndarray, reduce: np.ufunc, fill: int) -> np.ndarray:
            values = np.where(self.present, array, fill)
            return turn(reduce.accumulate(turn(values), axis))

        ends = tuple(
            (end(low, np.minimum, FAR), end(high, np.maximum, -1)) for low, high in self.bounds
        )
        present = turn(np.logical_or.accumulate(turn(self.present), axis))
        return dataclasses.replace(self, present=present, bounds=ends)

    def contains(self, other: Box) -> bool:
        """Whether each element's box contains the other's."""
        is_around = self.present
        for (low, high), (low_, high_) in zip(self.bounds, other.bounds, strict=True):
            if low is low_ and high is high_:
                continue
            is_along_axis = (low <= low_) & (high >= high_)
            if not is_along_axis.all():
                is_around = is_around & is_along_axis
        return not (other.present & ~is_around).any()


Deps = dict[int, tuple[Box, ...]]
"""For each source that an array depends on, boxes: it depends on what is in any of them."""


def map_boxes(deps: Deps, function: Callable[[Box], Box]) -> Deps:
    """Replace each box of dependences, those that have become empty left out."""
    new_deps = {}
    for source, boxes in deps.items():
        new_boxes = tuple(box for box in map(function, boxes) if box.present.any())
        if new_boxes:
            new_deps[source] = new_boxes
    return new_deps


def unite(several: Iterable[Deps]) -> Deps:
    """Unite the dependences of several arrays, of which something is made element by element."""
    union: Deps = {}
    for deps in several:
        for source, boxes in deps.items():
            union[source] = _join(union[source], boxes) if source in union else boxes
    return union


def _join(old: tuple[Box, ...], new: tuple[Box, ...]) -> tuple[Box, ...]:
    boxes = list(old)
    for box in new:
        for k, other in enumerate(boxes):
            if other.contains(box):
                break
            if box.contains(other):
                boxes[k] = box
                break
            if not (other.present & box.present).any():
                boxes[k] = _draw_beside(other, box)
                break
        else:
            boxes.append(box)
    if len(boxes) <= MOST_BOXES:
        return tuple(boxes)
    around = boxes[0]
    for box in boxes[1:]:
        around = _draw_around(around, box)
    return (around.blame(MANY),)


def _draw_beside(one: Box, other: Box) -> Box:
    """Draw the box of two that have no element in common."""

    def choose(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return a if a is b or np.array_equal(a, b) else np.where(one.present, a, b)

    def choose_pair(a: tuple, b: tuple) -> tuple[np.ndarray, np.ndarray]:
        low = choose(a[0], b[0])
        return (low, low if a[0] is a[1] and b[0] is b[1] else choose(a[1], b[1]))

    present = one.present | other.present
    present = np.ones((1,) * present.ndim, bool) if present.all() else present
    ends = tuple(choose_pair(a, b) for a, b in zip(one.bounds, other.bounds, strict=True))
    return Box(present, ends, one.coarse or other.coarse, one.spread or other.spread)


def _draw_around(one: Box, other: Box) -> Box:
    """Draw the box around two."""

    def end(a: np.ndarray, b: np.ndarray, reduce: np.ufunc, fill: int) -> np.ndarray:
        return reduce(np.where(one.present, a, fill), np.where(other.present, b, fill))

    ends = tuple(
        (end(a[0], b[0], np.minimum, FAR), end(a[1], b[1], np.maximum, -1))
        for a, b in zip(one.bounds, other.bounds, strict=True)
    )
    is_spread = one.spread or other.spread
    return Box(one.present | other.present, ends, one.coarse or other.coarse, is_spread)
