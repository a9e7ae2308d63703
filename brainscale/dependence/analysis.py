"""Which elements of a function's results may depend on which elements of its arguments."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np

from .boxes import Box
from .program import follow

__all__ = ["Dependence"]

Leaves = list[Any]


class Dependence:
    """Which elements of a function's results depend on which elements of its arguments.

    What counts is the derivative: a path over a comparison, an index or `stop_gradient` carries
    none, and one over a custom derivative is that of its own rule. An element of a result depends
    on one of an argument if that may be so for any input.

    Parameters
    ----------
    function : callable
        From a list of floating-point arrays and a list of others to a list of floating-point
        arrays.
    likes, others : lists of arrays or ShapeDtypeStruct
        The arguments' shapes and dtypes. Of the others nothing is known.
    """

    def __init__(self, function: Callable[[Leaves, Leaves], Leaves], likes: Leaves, others: Leaves):
        arguments, rest = (
            [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves]
            for leaves in (likes, others)
        )
        results = jax.eval_shape(function, arguments, rest)
        self.arguments, self.results = ([leaf.shape for leaf in x] for x in (arguments, results))

        def pulled_back(point: Leaves, rest: Leaves, cotangents: Leaves) -> Leaves:
            return jax.vjp(lambda leaves: function(leaves, rest), point)[1](cotangents)[0]

        # A derivative's program says all: of a choice both branches, of a custom derivative its
        # rule. An argument depends on cotangents as results depend on it.
        program = jax.make_jaxpr(pulled_back)(arguments, rest, results)
        sources = dict(enumerate(self.results))
        given = [{} for _ in [*arguments, *rest]]
        given += [
            {k: (Box.identity(shape),)} if 0 not in shape else {} for k, shape in sources.items()
        ]
        self._found = follow(program, given, sources)
        self._masks: dict[int, dict[int, np.ndarray]] = {}

    def between(self, argument: int, result: int) -> tuple[Box, ...]:
        """For each element of an argument, the elements of a result that may depend on it."""
        return self._found[argument].get(result, ())

    def reached(self, arguments: Iterable[int]) -> list[np.ndarray]:
        """For each result, which of its elements may depend on any element of these arguments."""
        masks = [np.zeros(shape, bool) for shape in self.results]
        for argument in arguments:
            for result, mask in self._reached_by(argument).items():
                masks[result] |= mask
        return masks

    def _reached_by(self, argument: int) -> dict[int, np.ndarray]:
        if argument not in self._masks:
            self._masks[argument] = {
                result: functools.reduce(
                    np.logical_or, (_marked(box, self.results[result]) for box in boxes)
                )
                for result, boxes in self._found[argument].items()
            }
        return self._masks[argument]

    def is_within(self, argument: int, result: int, depth: int) -> bool:
        """Whether an element goes only to those of its own index in the first `depth` axes."""
        shape = self.arguments[argument]
        for box in self.between(argument, result):
            for axis, own in enumerate(np.ogrid[tuple(map(slice, shape))][:depth]):
                low, high = box.bounds[axis]
                if (box.present & ((low != own) | (high != own))).any():
                    return False
        return True

    def entered(self, argument: int, result: int, depth: int) -> tuple[np.ndarray, bool]:
        """The one index in a result's first `depth` axes, flat, that each element goes to.

        Returns
        -------
        indices : array of int, of the argument's shape
            -1 where there is none.
        single : bool
            Whether no element goes to several.
        """
        found = np.full(self.arguments[argument], -1)
        shape = self.results[result][:depth]
        for box in self.between(argument, result):
            flat = np.zeros((), int)
            for (low, high), n in zip(box.bounds, shape, strict=False):
                if (box.present & (low != high)).any():
                    return found, False
                flat = flat * n + low
            mask = np.broadcast_to(box.present, found.shape)
            own = np.broadcast_to(flat, found.shape)
            if (mask & (found >= 0) & (found != own)).any():
                return found, False
            found = np.where(mask, own, found)
        return found, True

    def coarse(self, arguments: Iterable[int], results: Iterable[int]) -> list[str]:
        """The primitives for which the dependence between these may be larger than it is."""
        results = list(results)
        boxes = (box for a in arguments for r in results for box in self.between(a, r))
        return list(dict.fromkeys(box.coarse for box in boxes if box.coarse))


def _marked(box: Box, shape: tuple[int, ...]) -> np.ndarray:
    """All elements of a source that are in the boxes of any element."""
    parts = _parts(box)
    mask = np.ones(shape, bool)
    for axes, present in parts:
        sizes = [shape[axis] for axis in axes]
        ends = [box.bounds[axis] for axis in axes]
        own = [n if axis in axes else 1 for axis, n in enumerate(shape)]
        mask &= _covered(present, ends, sizes).reshape(own)
    return mask


def _parts(box: Box) -> list[tuple[list[int], np.ndarray]]:
    """Axes of a source whose bounds vary together, and where the array depends on it."""

    def varied(array: np.ndarray) -> set[int]:
        return {axis for axis, n in enumerate(array.shape) if n > 1}

    parts = [([axis], varied(low) | varied(high)) for axis, (low, high) in enumerate(box.bounds)]
    by_presence = varied(box.present)
    joined: list[tuple[list[int], set[int]]] = []
    for axes, own in parts:
        along = [part for part in joined if part[1] & own]
        for part in along:
            joined.remove(part)
            axes, own = [*part[0], *axes], own | part[1]
        joined.append((axes, own))
    together = [part for part in joined if part[1] & by_presence]
    if len(together) > 1:
        joined = [part for part in joined if part not in together]
        joined.append(([a for axes, _ in together for a in axes], by_presence))
    some = np.ones((1,) * box.ndim, bool)
    return [(sorted(axes), box.present if own & by_presence else some) for axes, own in joined]


def _covered(present: np.ndarray, ends: list[Any], sizes: list[int]) -> np.ndarray:
    """The union of boxes, from the sums of what begins and ends at each corner."""
    arrays = np.broadcast_arrays(present, *(end for pair in ends for end in pair))
    used = arrays[0].ravel()
    flat = [array.ravel()[used] for array in arrays[1:]]
    counts = np.zeros([n + 1 for n in sizes], np.int64)
    for corner in np.ndindex(*(2,) * len(sizes)):
        index = tuple(flat[2 * k + c] + c for k, c in enumerate(corner))
        np.add.at(counts, index, (-1) ** sum(corner))
    for axis in range(len(sizes)):
        counts = counts.cumsum(axis)
    return counts[tuple(slice(n) for n in sizes)] > 0
