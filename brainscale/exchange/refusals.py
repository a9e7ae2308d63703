"""What of a graph cannot be held, by the node's name: its type, what is wrong, and the mend."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import BrainscaleError, ParameterError, ShapeError, StructureError

__all__ = ["make_refusal", "read_numbers", "read_sizes"]


def make_refusal(
    name: str, node: Any, problem: str, kind: type[BrainscaleError] = StructureError
) -> BrainscaleError:
    """Make the error that names a node."""
    return kind(f"node {name!r} ({type(node).__name__}) {problem}", got=node)


def read_numbers(name: str, node: Any, field: str, ndim: int | None = None) -> np.ndarray:
    """Read an array of a node, of real and finite numbers.

    Raises
    ------
    ParameterError
        None, other things than real numbers, NaN or infinite.
    ShapeError
        No entry; another number of axes.
    """
    got = getattr(node, field, None)
    numbers = np.asarray(got)
    if got is None or numbers.dtype.kind not in "fiub":
        raise make_refusal(
            name, node, f"needs real numbers as its {field}, got {got!r}", ParameterError
        )
    if not numbers.size:
        raise make_refusal(name, node, f"has a {field} without entries", ShapeError)
    if not np.isfinite(numbers).all():
        raise make_refusal(name, node, f"has a {field} that is NaN or infinite", ParameterError)
    if ndim is not None and numbers.ndim != ndim:
        problem = f"needs a {field} of {ndim} axes, got shape {numbers.shape}"
        raise make_refusal(name, node, problem, ShapeError)
    return numbers


def read_sizes(name: str, node: Any, field: str, n: int, least: int) -> tuple[int, ...]:
    """Read an integer for each of n sizes, where one alone is that of all.

    Raises
    ------
    ParameterError
    """
    got = np.asarray(getattr(node, field, None))
    if got.dtype.kind not in "iu" or got.size not in (1, n) or got.min() < least:
        problem = f"needs {n} integers of at least {least} as its {field}, got {got.tolist()!r}"
        raise make_refusal(name, node, problem, ParameterError)
    return tuple(int(size) for size in np.broadcast_to(got.ravel(), (n,)))
