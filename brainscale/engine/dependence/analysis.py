"""Which elements of a function's results may depend on which elements of its arguments."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import eval_jaxpr

from .boxes import Box, Deps
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
        text = jax.make_jaxpr(function)(arguments, rest)
        results = [jax.ShapeDtypeStruct(v.shape, v.dtype) for v in text.out_avals]

        def evaluated(leaves: Leaves, rest: Leaves) -> Leaves:
            return eval_jaxpr(text.jaxpr, text.consts, *leaves, *rest)

        self._function, self._likes = evaluated, (arguments, rest)
        self.arguments, self.results = ([leaf.shape for leaf in x] for x in (arguments, results))

        def pulled_back(point: Leaves, rest: Leaves, cotangents: Leaves) -> Leaves:
            return jax.vjp(lambda leaves: evaluated(leaves, rest), point)[1](cotangents)[0]

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

    def pairs(
        self,
        arguments: Sequence[int],
        results: Sequence[int],
        shape: tuple[int, ...],
        most: int,
        exact: bool,
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Which elements of arguments go to which indices of results in their first axes.

        Parameters
        ----------
        arguments, results : lists of int
            What is found is the union over these. The arguments have one shape.
        shape : tuple of int
            The first axes, which these have in common.
        most : int
            For each result and box, how many pairs are worth being written out.
        exact : bool
            Follow the derivative forward, too: a pair is one only if it is one either way. It
            tells apart elements that lie between those of a sum, for the time of tracing anew.

        Returns
        -------
        elements, indices : arrays of int, shape (pairs,)
            Flat, in order, each pair once; None where there are more than `most`.
        """
        own, n = self.arguments[arguments[0]], math.prod(shape)
        both = [self.between(a, r) for a in arguments for r in results]
        found = _united([_pairs(boxes, own, shape, most) for boxes in both], n)
        if exact:
            forward = []
            for argument in arguments:
                pushed = self._pushed(argument)
                for result in results:
                    full = self.results[result]
                    behind = math.prod(full[len(shape) :])
                    pair = _pairs(pushed[result].get(0, ()), full, own, most * behind)
                    forward.append(pair and (pair[1], pair[0] // behind))
            either = [keys for keys in (found, _united(forward, n)) if keys is not None]
            found = functools.reduce(np.intersect1d, either) if either else None
        return None if found is None else (found // max(n, 1), found % max(n, 1))

    def _pushed(self, argument: int) -> list[Deps]:
        """How results depend on an argument, source 0, followed forward."""

        def pushed(point: Leaves, rest: Leaves, tangent: Any) -> Leaves:
            new, pull_back = jax.vjp(lambda leaves: self._function(leaves, rest), point)
            cotangents = [jnp.zeros_like(leaf) for leaf in new]
            return jax.vjp(lambda ct: pull_back(ct)[0][argument], cotangents)[1](tangent)[0]

        like, shape = self._likes[0][argument], self.arguments[argument]
        program = jax.make_jaxpr(pushed)(*self._likes, like)
        given = [{} for leaves in self._likes for _ in leaves]
        return follow(program, [*given, {0: (Box.identity(shape),)}], {0: shape})

    def coarse(self, arguments: Iterable[int], results: Iterable[int]) -> list[str]:
        """The primitives for which the dependence between these may be larger than it is."""
        results = list(results)
        boxes = (box for a in arguments for r in results for box in self.between(a, r))
        return list(dict.fromkeys(box.coarse for box in boxes if box.coarse))


def _pairs(
    boxes: tuple[Box, ...], own: tuple[int, ...], shape: tuple[int, ...], most: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """The flat elements of an array and those of its sources' first axes that are in its boxes."""
    found = [np.zeros((2, 0), np.int64)]
    for box in boxes:
        bounds = [
            [np.broadcast_to(end, own).ravel() for end in pair] for pair in box.bounds[: len(shape)]
        ]
        volumes = np.broadcast_to(box.present, own).ravel().astype(int)
        for low, high in bounds:
            volumes = volumes * (high - low + 1)
        if volumes.sum() > most:
            return None
        elements = np.repeat(np.arange(len(volumes)), volumes)
        left = np.arange(len(elements)) - (np.cumsum(volumes) - volumes)[elements]
        indices, stride = np.zeros(len(elements), np.int64), 1
        for (low, high), length in zip(bounds[::-1], shape[::-1], strict=True):
            left, along = np.divmod(left, (high - low + 1)[elements])
            indices += (low[elements] + along) * stride
            stride *= length
        found.append(np.stack([elements, indices]))
    elements, indices = np.concatenate(found, 1)
    return elements, indices


def _united(pairs: list[Any], n: int) -> np.ndarray | None:
    """Pairs as numbers, in order, each once; None where some are."""
    if None in pairs:
        return None
    return np.unique(np.concatenate([first * n + second for first, second in pairs]))


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
