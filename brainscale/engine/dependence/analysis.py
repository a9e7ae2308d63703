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

        def evaluate(leaves: Leaves, rest: Leaves) -> Leaves:
            return eval_jaxpr(text.jaxpr, text.consts, *leaves, *rest)

        self._function, self._likes = evaluate, (arguments, rest)
        self.arguments, self.results = ([leaf.shape for leaf in x] for x in (arguments, results))

        def pull_back(point: Leaves, rest: Leaves, cotangents: Leaves) -> Leaves:
            return jax.vjp(lambda leaves: evaluate(leaves, rest), point)[1](cotangents)[0]

        # A derivative's program says all: of a choice both branches, of a custom derivative its
        # rule. An argument depends on cotangents as results depend on it.
        program = jax.make_jaxpr(pull_back)(arguments, rest, results)
        sources = dict(enumerate(self.results))
        inputs = [{} for _ in [*arguments, *rest]]
        inputs += [
            {k: (Box.identity(shape),)} if 0 not in shape else {} for k, shape in sources.items()
        ]
        self._deps = follow(program, inputs, sources)
        self._masks: dict[int, dict[int, np.ndarray]] = {}

    def between(self, argument: int, result: int) -> tuple[Box, ...]:
        """Give for each element of an argument the elements of a result that may depend on it."""
        return self._deps[argument].get(result, ())

    def reached(self, arguments: Iterable[int]) -> list[np.ndarray]:
        """Find which elements of each result may depend on any element of these arguments."""
        masks = [np.zeros(shape, bool) for shape in self.results]
        for argument in arguments:
            for result, mask in self._find_reached(argument).items():
                masks[result] |= mask
        return masks

    def _find_reached(self, argument: int) -> dict[int, np.ndarray]:
        """Find which elements of results, by result, may depend on any of an argument."""
        if argument not in self._masks:
            self._masks[argument] = {
                result: functools.reduce(
                    np.logical_or, (_mark(box, self.results[result]) for box in boxes)
                )
                for result, boxes in self._deps[argument].items()
            }
        return self._masks[argument]

    def is_within(self, argument: int, result: int, depth: int) -> bool:
        """Whether an element goes only to those of its own index in the first `depth` axes."""
        shape = self.arguments[argument]
        for box in self.between(argument, result):
            for axis, index in enumerate(np.ogrid[tuple(map(slice, shape))][:depth]):
                low, high = box.bounds[axis]
                if (box.present & ((low != index) | (high != index))).any():
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
        """Find which elements of arguments go to which indices of results in their first axes.

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
        own_shape, n = self.arguments[arguments[0]], math.prod(shape)
        box_tuples = [self.between(a, r) for a in arguments for r in results]
        numbers = _number_pairs(
            [_list_pairs(boxes, own_shape, shape, most) for boxes in box_tuples], n
        )
        if exact:
            forward_pairs = []
            for argument in arguments:
                deps = self._push_forward(argument)
                for result in results:
                    result_shape = self.results[result]
                    behind = math.prod(result_shape[len(shape) :])
                    pair = _list_pairs(
                        deps[result].get(0, ()), result_shape, own_shape, most * behind
                    )
                    forward_pairs.append(pair and (pair[1], pair[0] // behind))
            both_ways = [
                keys for keys in (numbers, _number_pairs(forward_pairs, n)) if keys is not None
            ]
            numbers = functools.reduce(np.intersect1d, both_ways) if both_ways else None
        return None if numbers is None else (numbers // max(n, 1), numbers % max(n, 1))

    def _push_forward(self, argument: int) -> list[Deps]:
        """Follow forward how results depend on an argument, source 0."""

        def push_forward(point: Leaves, rest: Leaves, tangent: Any) -> Leaves:
            new_results, pull_back = jax.vjp(lambda leaves: self._function(leaves, rest), point)
            cotangents = [jnp.zeros_like(leaf) for leaf in new_results]
            return jax.vjp(lambda ct: pull_back(ct)[0][argument], cotangents)[1](tangent)[0]

        example, shape = self._likes[0][argument], self.arguments[argument]
        program = jax.make_jaxpr(push_forward)(*self._likes, example)
        inputs = [{} for leaves in self._likes for _ in leaves]
        return follow(program, [*inputs, {0: (Box.identity(shape),)}], {0: shape})

    def coarse(self, arguments: Iterable[int], results: Iterable[int]) -> list[str]:
        """Find the primitives for which the dependence between these may be larger than it is."""
        results = list(results)
        boxes = (box for a in arguments for r in results for box in self.between(a, r))
        return list(dict.fromkeys(box.coarse for box in boxes if box.coarse))


def _list_pairs(
    boxes: tuple[Box, ...], array_shape: tuple[int, ...], shape: tuple[int, ...], most: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """List flat elements of an array and those of its sources' first axes that are in its boxes."""
    pairs = [np.zeros((2, 0), np.int64)]
    for box in boxes:
        bounds = [
            [np.broadcast_to(end, array_shape).ravel() for end in pair]
            for pair in box.bounds[: len(shape)]
        ]
        volumes = np.broadcast_to(box.present, array_shape).ravel().astype(int)
        for low, high in bounds:
            volumes = volumes * (high - low + 1)
        if volumes.sum() > most:
            return None
        elements = np.repeat(np.arange(len(volumes)), volumes)
        rest = np.arange(len(elements)) - (np.cumsum(volumes) - volumes)[elements]
        indices, stride = np.zeros(len(elements), np.int64), 1
        for (low, high), length in zip(bounds[::-1], shape[::-1], strict=True):
            rest, along = np.divmod(rest, (high - low + 1)[elements])
            indices += (low[elements] + along) * stride
            stride *= length
        pairs.append(np.stack([elements, indices]))
    elements, indices = np.concatenate(pairs, 1)
    return elements, indices


def _number_pairs(pairs: list[Any], n: int) -> np.ndarray | None:
    """Number pairs, in order, each once; None where some are."""
    if None in pairs:
        return None
    return np.unique(np.concatenate([first * n + second for first, second in pairs]))


def _mark(box: Box, shape: tuple[int, ...]) -> np.ndarray:
    """Mark all elements of a source, of this shape, that are in the boxes of any element."""
    groups = _group_axes(box)
    mask = np.ones(shape, bool)
    for axes, present in groups:
        sizes = [shape[axis] for axis in axes]
        ends = [box.bounds[axis] for axis in axes]
        mask_shape = [n if axis in axes else 1 for axis, n in enumerate(shape)]
        mask &= _cover(present, ends, sizes).reshape(mask_shape)
    return mask


def _group_axes(box: Box) -> list[tuple[list[int], np.ndarray]]:
    """Group axes of a source whose bounds vary together, and say where the array depends on it."""

    def find_varying(array: np.ndarray) -> set[int]:
        return {axis for axis, n in enumerate(array.shape) if n > 1}

    singles = [
        ([axis], find_varying(low) | find_varying(high))
        for axis, (low, high) in enumerate(box.bounds)
    ]
    by_presence = find_varying(box.present)
    groups: list[tuple[list[int], set[int]]] = []
    for axes, varying in singles:
        overlapping = [group for group in groups if group[1] & varying]
        for group in overlapping:
            groups.remove(group)
            axes, varying = [*group[0], *axes], varying | group[1]
        groups.append((axes, varying))
    present_groups = [group for group in groups if group[1] & by_presence]
    if len(present_groups) > 1:
        groups = [group for group in groups if group not in present_groups]
        groups.append(([a for axes, _ in present_groups for a in axes], by_presence))
    anywhere = np.ones((1,) * box.ndim, bool)
    return [
        (sorted(axes), box.present if varying & by_presence else anywhere)
        for axes, varying in groups
    ]


def _cover(present: np.ndarray, ends: list[Any], sizes: list[int]) -> np.ndarray:
    """Cover the union of boxes, (sizes...), by the sums of what begins and ends at each corner."""
    arrays = np.broadcast_arrays(present, *(end for pair in ends for end in pair))
    is_used = arrays[0].ravel()
    flat = [array.ravel()[is_used] for array in arrays[1:]]
    counts = np.zeros([n + 1 for n in sizes], np.int64)
    for corner in np.ndindex(*(2,) * len(sizes)):
        index = tuple(flat[2 * k + c] + c for k, c in enumerate(corner))
        np.add.at(counts, index, (-1) ** sum(corner))
    for axis in range(len(sizes)):
        counts = counts.cumsum(axis)
    return counts[tuple(slice(n) for n in sizes)] > 0
