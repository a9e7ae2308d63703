"""The single state, and what all states share: SPEC.md, chapters 2 and 5.

A state holds one root: a leaf, or for a tree state a tree of leaves. A write makes a new root
out of the old one and is complete before it takes its place; so a write that is refused has changed
nothing (STATE-9), and copies that share a root are independent (STATE-12).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import HistoryError, ParameterError
from ..values import is_integer
from . import containers, leaves
from .containers import Path
from .leaves import Leaf


class ETraceState:
    """One state variable for each element of its value (STATE-2).

    Parameters
    ----------
    value : (*shape) ndarray, NumPy scalar or Quantity
        The first value. Its shape, dtype and unit stay the state's.
    name : str, optional
        What messages call the state.
    history : int
        The number K of past values kept (HIST-1).

    Raises
    ------
    ParameterError
        `history` is no integer, or negative.
    ValueTypeError
        `value` is no value (STATE-4).
    """

    def __init__(self, value: Any, *, name: str | None = None, history: int = 0):
        self.name = name
        self._depth = self._check_depth(history)
        self._root = self._make(value)

    @property
    def value(self) -> Any:
        """The value: a copy (STATE-3, STATE-10).

        Writing it raises StructureError, ValueTypeError, UnitError, DtypeError or ShapeError where
        chapters 1 to 4 refuse what is written; the state is then as it was.
        """
        return containers.map_leaves(lambda _, leaf: self._read(leaf, leaf.array), self._root)

    @value.setter
    def value(self, value: Any) -> None:
        self._write(self._match(value))

    @property
    def history(self) -> Any:
        """The values before the last K writes: each leaf (K, *shape), oldest first (HIST-4).

        Raises
        ------
        HistoryError
            The state was made with K = 0.
        """
        if self._depth == 0:
            raise HistoryError(self._subject(), "history=0", "history=K with K > 0 when it is made")
        return containers.map_leaves(lambda _, leaf: self._read(leaf, leaf.past), self._root)

    @property
    def num_state(self) -> int:
        """The number of state variables for each element: 1."""
        return 1

    @property
    def varshape(self) -> tuple[int, ...]:
        """The shape of one state variable."""
        return self._root.array.shape

    def _subject(self, path: Path = ()) -> str:
        """What messages call the state, or a leaf of it (ERR-2)."""
        state = "unnamed state" if self.name is None else f"state {self.name!r}"
        return f"{state}, leaf {path!r}" if path else state

    def _check_depth(self, history: Any) -> int:
        if not is_integer(history) or history < 0:
            subject = f"{self._subject()}, history"
            raise ParameterError(subject, repr(history), "an integer K >= 0")
        return int(history)

    def _make(self, value: Any) -> Any:
        """Make the first root."""
        return self._new_leaf((), value)

    def _new_leaf(self, path: Path, value: Any) -> Leaf:
        """Make a leaf from its first value."""
        return leaves.new_leaf(value, self._depth, self._subject(path))

    def _match(self, value: Any) -> list[tuple[Path, Any]]:
        """Pair each leaf with its part of a whole value."""
        return [((), value)]

    def _conform(self, leaf: Leaf, shape: tuple[int, ...], value: Any, subject: str) -> np.ndarray:
        """The numbers that `leaf` has once a value is written to it; errors of `leaves.conform`."""
        return leaves.conform(value, leaf, shape, subject)

    def _read(self, leaf: Leaf, array: np.ndarray) -> Any:
        """A copy of a leaf's value or past, for a caller."""
        return leaves.read(leaf, array)

    def _write(self, updates: list[tuple[Path, Any]]) -> None:
        """Write values to leaves: all of them or, where one is refused, none."""
        arrays = {}
        for path, value in updates:
            leaf = containers.node(self._root, path)
            arrays[path] = self._conform(leaf, leaf.array.shape, value, self._subject(path))
        if arrays:
            self._store(arrays)

    def _store(self, arrays: dict[Path, np.ndarray]) -> None:
        """Replace the arrays of some leaves. It is one write of all leaves (HIST-3), in a loop too
        (HIST-6)."""
        self._root = containers.map_leaves(
            lambda path, leaf: self._record(leaf, arrays.get(path, leaf.array)), self._root
        )

    def _record(self, leaf: Leaf, array: np.ndarray) -> Leaf:
        """The leaf after a write."""
        return leaves.record(leaf, array)
