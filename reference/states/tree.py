"""The tree state: SPEC.md, chapter 4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import AddressTypeError, DuplicateError, NoCommonShapeError, StructureError
from . import containers
from .containers import Path
from .single import ETraceState


class ETraceTreeState(ETraceState):
    """Several states of different kinds, one at each leaf of a tree (TREE-1).

    Parameters
    ----------
    value : tree of ndarray, NumPy scalar or Quantity
        The first value: nested dicts with text keys, lists and tuples. Its structure and each
        leaf's shape, dtype and unit stay the state's.
    name, history
        As for `ETraceState`.

    Raises
    ------
    ParameterError, ValueTypeError
        As for `ETraceState`.
    StructureError
        `value` is no tree (TREE-4).
    """

    @property
    def num_state(self) -> int:
        """The number of leaves (TREE-2)."""
        return len(list(containers.leaves(self._root)))

    @property
    def varshape(self) -> tuple[int, ...]:
        """The shape that all leaves share (TREE-3).

        Raises
        ------
        NoCommonShapeError
            They do not share one.
        """
        shapes = {path: leaf.array.shape for path, leaf in containers.leaves(self._root)}
        if len(set(shapes.values())) > 1:
            needs = "one shape; ask each leaf for its own: get_value(path)"
            raise NoCommonShapeError(f"{self._subject()}, varshape", f"the shapes {shapes}", needs)
        return next(iter(shapes.values()))

    def get_value(self, address: int | str | Path) -> Any:
        """The leaf or subtree at an index, a name or a path (TREE-5 to TREE-7).

        Raises
        ------
        AddressTypeError, StateIndexError, StateNameError
            As TREE-12 says.
        """
        node = containers.node(self._root, self._resolve(address))
        return containers.map_leaves(lambda _, leaf: self._read(leaf, leaf.array), node)

    def set_value(self, updates: Mapping[int | str | Path, Any] | Sequence[Any]) -> None:
        """Write some leaves, by a mapping, or all, by a list or tuple (TREE-8 to TREE-11).

        Parameters
        ----------
        updates : mapping from addresses to values or trees of values, or a list or tuple of values

        Raises
        ------
        AddressTypeError, StateIndexError, StateNameError
            As TREE-12 says.
        StructureError, DuplicateError
            The structure differs from the state's; a leaf is named twice.
        ValueTypeError, UnitError, DtypeError, ShapeError
            As for each leaf chapters 1 and 2 say.
        """
        self._write(self._match_updates(updates))

    def add_leaf(self, path: str | Path, value: Any) -> None:
        """Add a leaf as the last entry of a dict (TREE-14, HIST-8).

        Parameters
        ----------
        path : str or tuple
            Where: a key of the root, or the dict's path and behind it the new key.
        value : ndarray, NumPy scalar or Quantity
            Its first value.

        Raises
        ------
        AddressTypeError
            `path` is neither text nor a tuple of text and integers.
        DuplicateError, StateNameError, StructureError, ValueTypeError
            As TREE-15 says.
        """
        if not isinstance(path, str | tuple):
            subject = f"{self._subject()}, path {path!r}"
            raise AddressTypeError(
                subject, f"something of type {type(path).__name__}", "a name or a path"
            )
        path = containers.as_path((path,) if isinstance(path, str) else path, self._subject())
        root = containers.insert(self._root, path, value, self._subject())
        self._root = containers.map_leaves(
            lambda at, leaf: self._new_leaf(path, leaf) if at == path else leaf, root
        )

    def _make(self, value: Any) -> Any:
        containers.check(value, self._subject())
        return containers.map_leaves(self._new_leaf, value)

    def _match(self, value: Any) -> list[tuple[Path, Any]]:
        return containers.match(self._root, value, self._subject(), is_whole=True)

    def _resolve(self, address: Any) -> Path:
        """The path that an address stands for."""
        return containers.resolve(self._root, address, self._subject())

    def _match_updates(self, updates: Any) -> list[tuple[Path, Any]]:
        """Pair each leaf that `set_value` names with the value for it."""
        subject = f"{self._subject()}, set_value"
        if isinstance(updates, list | tuple):
            if len(updates) != self.num_state:
                raise StructureError(subject, f"{len(updates)} entries", f"{self.num_state}")
            updates = dict(enumerate(updates))
        if not isinstance(updates, Mapping):
            needs = "a mapping from addresses to values, or a list or tuple of all values"
            raise StructureError(subject, f"something of type {type(updates).__name__}", needs)
        entries: dict[Path, Any] = {}
        for address, value in updates.items():
            path = self._resolve(address)
            node = containers.node(self._root, path)
            for leaf, entry in containers.match(
                node, value, self._subject(), is_whole=False, path=path
            ):
                if leaf in entries:
                    got = f"address {address!r} for leaf {leaf!r}, which is named already"
                    raise DuplicateError(subject, got, "each leaf once")
                entries[leaf] = entry
        return list(entries.items())
