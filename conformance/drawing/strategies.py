"""Hypothesis strategies for values and trees.

Shapes, dtypes, units and structures come from a few buckets, so that an implementation that
compiles for each of them compiles seldom. Numbers come from a drawn seed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from conformance.drawing.layouts import LAYOUTS, lay_out
from conformance.protocol.implementation import Value

SHAPES = ((), (3,), (2, 3), (12, 2))
UNITS = (None, "mV", "nA", "ms^-1", "mV V^-1", "uS cm^-2", "pF", "kg m^-3", "10^3 Hz", "GA^2 cV^-1")
DTYPES = {
    32: ("bool", "int8", "int32", "float16", "float32", "complex64"),
    64: ("bool", "int32", "int64", "float32", "float64", "complex128"),
}
"""The dtypes of values, by the precision of the implementation (STATE-8)."""

LEAF = object()
TREES = (
    {"V": LEAF, "I": LEAF},
    [LEAF, LEAF, LEAF],
    (LEAF, {"b": LEAF, "a": LEAF}),
    {"z": LEAF, "a": {"y": LEAF, "b": [LEAF, LEAF]}},
)

DEEP = {"b": {"e": [{"a": ({"z": {"y": LEAF, "x": LEAF}}, LEAF)}], "d": LEAF}, "a": LEAF}
LONG = [LEAF] * 12 + [{f"k{11 - i}": LEAF for i in range(12)}, (LEAF,) * 11]
"""The structures of trees."""


def real(precision: int) -> str:
    """The floating-point dtype of a precision."""
    return f"float{precision}"


def numbers(seed: int, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """An array of ordinary and of extreme numbers of a dtype."""
    generator = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return generator.random(shape) < 0.5
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        return generator.integers(limits.min, limits.max, shape, kind, endpoint=True)
    if kind.kind == "c":
        part = f"float{kind.itemsize * 4}"
        array = np.empty(shape, kind)
        array.real, array.imag = numbers(seed, shape, part), numbers(seed + 1, shape, part)
        return array
    limits = np.finfo(kind)
    extreme = [np.nan, np.inf, -np.inf, 0.0, -0.0, limits.max, limits.tiny, limits.eps]
    extremes = generator.choice(np.array(extreme, kind), shape)
    ordinary = generator.normal(0, 100, shape).astype(kind)
    return np.where(generator.random(shape) < 0.3, extremes, ordinary)


def finite(seed: int, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """An array of ordinary numbers of a floating-point dtype."""
    return np.random.default_rng(seed).normal(0, 10, shape).astype(dtype)


@st.composite
def values(draw: st.DrawFn, precision: int, shape: tuple[int, ...] | None = None) -> Value:
    """A value of any shape, dtype and unit."""
    shape = draw(st.sampled_from(SHAPES)) if shape is None else shape
    dtype = draw(st.sampled_from(DTYPES[precision]))
    array = numbers(draw(st.integers(0, 2**32)), shape, dtype)
    layout = draw(st.sampled_from([*LAYOUTS]))
    return Value(lay_out(array, layout), draw(st.sampled_from(UNITS)))


@st.composite
def groups(draw: st.DrawFn, precision: int, count: int = 3) -> Value:
    """A value with a last axis of that many states."""
    population = draw(st.sampled_from(((), (2,), (2, 1), (11,))))
    return draw(values(precision, (*population, count)))


@st.composite
def trees(draw: st.DrawFn, precision: int) -> Any:
    """A tree with leaves of different shapes, dtypes and units."""
    return fill(draw(st.sampled_from(TREES)), lambda: draw(values(precision)))


def fill(structure: Any, leaf: Any) -> Any:
    """Make a tree of a structure, with a new leaf for each `LEAF`."""
    if structure is LEAF:
        return leaf()
    if isinstance(structure, dict):
        return {key: fill(entry, leaf) for key, entry in structure.items()}
    return type(structure)(fill(entry, leaf) for entry in structure)


def leaves(tree: Any, path: tuple[Any, ...] = ()) -> dict[tuple[Any, ...], Value]:
    """The leaves of a tree by path, in leaf order."""
    if isinstance(tree, Value):
        return {path: tree}
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree)
    by_path: dict[tuple[Any, ...], Value] = {}
    for key, entry in entries:
        by_path.update(leaves(entry, (*path, key)))
    return by_path


def replace_leaves(tree: Any, new: dict[tuple[Any, ...], Any], path: tuple[Any, ...] = ()) -> Any:
    """Copy a tree, with other leaves at some paths."""
    if path in new:
        return new[path]
    if isinstance(tree, dict):
        return {key: replace_leaves(entry, new, (*path, key)) for key, entry in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(replace_leaves(entry, new, (*path, i)) for i, entry in enumerate(tree))
    return tree


def fresh(value: Value, seed: int) -> Value:
    """Another value of the same shape, dtype and unit."""
    return Value(np.array(numbers(seed, value.array.shape, value.array.dtype.name)), value.unit)
