"""Checks of a trainable operation (SPEC.md, OP-12), and the sizes that follow from it."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from ..errors import ParameterError, ShapeError
from ..values import is_integer, is_real
from .operations import KINDS, Operation, each, outputs


def check_operation(operation: Operation, subject: str) -> None:
    """Refuse a description that is of no operation (OP-12).

    Raises
    ------
    ParameterError
        The kind, or a field that the kind uses, is out of its range.
    """
    if operation.kind not in KINDS:
        raise ParameterError(f"{subject}, kind", repr(operation.kind), f"one of {KINDS}")
    checks = {"sparse": _check_sparse, "convolution": _check_convolution}
    checks |= {"low-rank": _check_low_rank}
    if operation.kind in checks:
        checks[operation.kind](operation, subject)


def _check_low_rank(operation: Operation, subject: str) -> None:
    scale = operation.scale
    if not is_real(scale) or not math.isfinite(scale):
        raise ParameterError(f"{subject}, scale", repr(scale), "a finite number")


def _check_sparse(operation: Operation, subject: str) -> None:
    _check_integers(operation.shape, f"{subject}, shape", 1, count=2)
    for name, size in zip(("rows", "columns"), operation.shape, strict=True):
        _check_integers(getattr(operation, name), f"{subject}, {name}", 0, size)
    if len(operation.rows) != len(operation.columns):
        got = f"{len(operation.rows)} rows and {len(operation.columns)} columns"
        raise ParameterError(subject, got, "a row and a column for each weight")


def _check_convolution(operation: Operation, subject: str) -> None:
    D, padding = len(operation.sizes), operation.padding
    if not 1 <= D <= 3:
        raise ParameterError(f"{subject}, sizes", f"{D} of them", "one to three")
    _check_integers(operation.sizes, f"{subject}, sizes", 1)
    _check_integers([operation.groups], f"{subject}, groups", 1)
    for name in ("strides", "dilation"):
        _check_integers(each(getattr(operation, name), D), f"{subject}, {name}", 1, count=D)
    subject, needs = f"{subject}, padding", f"'SAME', 'VALID' or {D} pairs of integers >= 0"
    if isinstance(padding, str):
        fits = padding in ("SAME", "VALID")
    else:
        fits = np.shape(np.array(padding, object)) == (D, 2)
    if not fits:
        raise ParameterError(subject, repr(padding), needs)
    if not isinstance(padding, str):
        _check_integers([*itertools.chain(*padding)], subject, 0)


def _check_integers(
    integers: Any, subject: str, least: int, below: int | None = None, count: int | None = None
) -> None:
    for number in np.array(integers, object).ravel():
        if not is_integer(number) or number < least or (below is not None and number >= below):
            bound = "" if below is None else f" and < {below}"
            raise ParameterError(subject, repr(number), f"integers >= {least}{bound}")
    if count is not None and len(integers) != count:
        raise ParameterError(subject, f"{len(integers)} integers", str(count))


def weight_shape(operation: Operation, below: int | None) -> tuple[int | None, ...]:
    """The shape that a weight must have; None is any length."""
    if operation.kind == "sparse":
        return (len(operation.rows),)
    if operation.kind == "convolution":
        return (None,) * (len(operation.sizes) + 2)
    if operation.kind == "grouped":
        return (None, None, None)
    return (below, None)


def extent(operation: Operation, shape: tuple[int, ...], subject: str) -> tuple[int, int]:
    """K and N of an operation whose weight has this shape; for a low-rank one, that of B A.

    Raises
    ------
    ShapeError
        A kernel whose channels no groups divide, or that finds no position.
    """
    if operation.kind == "sparse":
        return tuple(operation.shape)
    if operation.kind == "grouped":
        return shape[0] * shape[1], shape[0] * shape[2]
    if operation.kind != "convolution":
        return shape
    *window, inside, C_out = shape
    positions = outputs(operation, window)
    if C_out % operation.groups or min(positions) < 1 or 0 in shape:
        needs = f"channels that {operation.groups} groups divide, and a window that fits"
        raise ShapeError(subject, f"the shape {shape}", needs)
    return math.prod(operation.sizes) * inside * operation.groups, math.prod(positions) * C_out
