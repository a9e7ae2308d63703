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

__all__ = ["Box", "Deps", "each", "united"]

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
        """Each element of a source depends on itself."""
        indices = np.ogrid[tuple(slice(n) for n in shape)]
        own = [np.asarray(index, np.int32) for index in indices]
        return cls(np.ones((1,) * len(shape), bool), tuple((index, index) for index in own))

    @classmethod
    def whole(cls, shape: tuple[int, ...], ndim: int, coarse: str) -> Box:
        """Each element of an array of `ndim` axes may depend on all of a source."""
        one = (1,) * ndim
        ends = [(np.zeros(one, np.int32), np.full(one, n - 1, np.int32)) for n in shape]
        return cls(np.ones(one, bool), tuple(ends), coarse)

    @property
    def ndim(self) -> int:
        """The axes of the array, those of the loops that it is in before its own."""
        return self.present.ndim

    def mapped(self, function: Callable[[np.ndarray], np.ndarray]) -> Box:
        """The box of an array whose elements are those of this one, put elsewhere."""
        done: dict[int, np.ndarray] = {}

        def once(array: np.ndarray) -> np.ndarray:
            if id(array) not in done:
                done[id(array)] = function(array)
            return done[id(array)]

        ends = tuple((once(low), once(high)) for low, high in self.bounds)
        return dataclasses.replace(self, present=once(self.present), bounds=ends)

    def where(self, mask: np.ndarray) -> Box:
        """The box of the elements in this mask; others depend on nothing."""
        return dataclasses.replace(self, present=self.present & mask)

    def called(self, coarse: str) -> Box:
        """The same, said to be coarse for this reason, if it is not already."""
        return dataclasses.replace(self, coarse=self.coarse or coarse)

    def over(self, axes: Iterable[int]) -> Box:
        """The box around what all elements along some axes depend on; these get length 1."""
        axes = tuple(axes)

        def end(array: np.ndarray, reduce: Callable, fill: int) -> np.ndarray:
            if all(array.shape[axis] == 1 for axis in axes):
                return array
            return reduce(np.where(self.present, array, fill), axes, keepdims=True)

        ends = tuple((end(low, np.min, FAR), end(high, np.max, -1)) for low, high in self.bounds)
        present = self.present.any(axes, keepdims=True)
        return dataclasses.replace(self, present=present, bounds=ends)

    def along(self, axis: int, reverse: bool) -> Box:
        """The box around what an element and all before it, or behind it, depend on."""
        turn = (lambda array: np.flip(array, axis)) if reverse else (lambda array: array)

        def end(array: np.ndarray, reduce: np.ufunc, fill: int) -> np.ndarray:
            filled = np.where(self.present, array, fill)
            return turn(reduce.accumulate(turn(filled), axis))

        ends = tuple(
            (end(low, np.minimum, FAR), end(high, np.maximum, -1)) for low, high in self.bounds
        )
        present = turn(np.logical_or.accumulate(turn(self.present), axis))
        return dataclasses.replace(self, present=present, bounds=ends)

    def contains(self, other: Box) -> bool:
        """Whether each element's box contains the other's."""
        kept = self.present
        for (low, high), (low_, high_) in zip(self.bounds, other.bounds, strict=True):
            if low is low_ and high is high_:
                continue
            inside = (low <= low_) & (high >= high_)
            if not inside.all():
                kept = kept & inside
        return not (other.present & ~kept).any()


Deps = dict[int, tuple[Box, ...]]
"""For each source that an array depends on, boxes: it depends on what is in any of them."""


def each(deps: Deps, function: Callable[[Box], Box]) -> Deps:
    """Dependences with each box replaced, those that have become empty left out."""
    found = {}
    for source, boxes in deps.items():
        kept = tuple(box for box in map(function, boxes) if box.present.any())
        if kept:
            found[source] = kept
    return found


def united(several: Iterable[Deps]) -> Deps:
    """The dependences of what is made, element by element, of several arrays."""
    found: Deps = {}
    for deps in several:
        for source, boxes in deps.items():
            found[source] = _joined(found[source], boxes) if source in found else boxes
    return found


def _joined(old: tuple[Box, ...], new: tuple[Box, ...]) -> tuple[Box, ...]:
    kept = list(old)
    for box in new:
        for k, other in enumerate(kept):
            if other.contains(box):
                break
            if box.contains(other):
                kept[k] = box
                break
            if not (other.present & box.present).any():
                kept[k] = _beside(other, box)
                break
        else:
            kept.append(box)
    if len(kept) <= MOST_BOXES:
        return tuple(kept)
    around = kept[0]
    for box in kept[1:]:
        around = _around(around, box)
    return (around.called(MANY),)


def _beside(one: Box, other: Box) -> Box:
    """The box of two that have no element in common."""

    def chosen(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return a if a is b or np.array_equal(a, b) else np.where(one.present, a, b)

    def pair(a: tuple, b: tuple) -> tuple[np.ndarray, np.ndarray]:
        low = chosen(a[0], b[0])
        return (low, low if a[0] is a[1] and b[0] is b[1] else chosen(a[1], b[1]))

    present = one.present | other.present
    present = np.ones((1,) * present.ndim, bool) if present.all() else present
    ends = tuple(pair(a, b) for a, b in zip(one.bounds, other.bounds, strict=True))
    return Box(present, ends, one.coarse or other.coarse, one.spread or other.spread)


def _around(one: Box, other: Box) -> Box:
    """The box around two."""

    def end(a: np.ndarray, b: np.ndarray, reduce: np.ufunc, fill: int) -> np.ndarray:
        return reduce(np.where(one.present, a, fill), np.where(other.present, b, fill))

    ends = tuple(
        (end(a[0], b[0], np.minimum, FAR), end(a[1], b[1], np.maximum, -1))
        for a, b in zip(one.bounds, other.bounds, strict=True)
    )
    spread = one.spread or other.spread
    return Box(one.present | other.present, ends, one.coarse or other.coarse, spread)
