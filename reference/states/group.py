"""The group state: SPEC.md, chapter 3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import (
    AddressTypeError,
    DuplicateError,
    ShapeError,
    StateIndexError,
    StateNameError,
    StructureError,
)
from ..values import is_integer
from .containers import Path
from .leaves import Leaf
from .single import ETraceState


class ETraceGroupState(ETraceState):
    """Several states of one kind, one at each position of the last axis (STATE-1).

    Parameters
    ----------
    value : (*varshape, n) ndarray or Quantity
        The first value: n states for each element of the population.
    names : sequence of str, optional
        The n states' names; by default "0", "1", ...
    name, history
        As for `ETraceState`.

    Raises
    ------
    ParameterError, ValueTypeError
        As for `ETraceState`.
    ShapeError
        `value` has no axis, or its last is empty (GROUP-2).
    StructureError, DuplicateError
        `names` are no n texts, or one is given twice (GROUP-5).
    """

    def __init__(
        self,
        value: Any,
        *,
        names: Sequence[str] | None = None,
        name: str | None = None,
        history: int = 0,
    ):
        self.name = name
        texts = isinstance(names, list | tuple) and all(isinstance(text, str) for text in names)
        if names is not None and not texts:
            raise StructureError(f"{self._subject()}, names", repr(names), "a list of texts")
        super().__init__(value, name=name, history=history)
        self.names = self._check_names(names)

    @property
    def num_state(self) -> int:
        """The size n of the last axis (GROUP-1)."""
        return self._root.array.shape[-1]

    @property
    def varshape(self) -> tuple[int, ...]:
        """The shape without the last axis (GROUP-1)."""
        return self._root.array.shape[:-1]

    def get_value(self, address: int | str) -> Any:
        """The value of one state, of shape `varshape` (GROUP-3, GROUP-4).

        Raises
        ------
        AddressTypeError, StateIndexError, StateNameError
            As GROUP-10 says.
        """
        return self._read(self._root, self._root.array[..., self._resolve(address)])

    def set_value(self, updates: Mapping[int | str, Any] | Sequence[Any]) -> None:
        """Write some states, by a mapping, or all, by a list or tuple (GROUP-6 to GROUP-9).

        Parameters
        ----------
        updates : mapping from addresses to values of shape `varshape`, or a list or tuple of those

        Raises
        ------
        AddressTypeError, StateIndexError, StateNameError
            As GROUP-10 says.
        StructureError, DuplicateError
            Another number of entries; a state named twice.
        ValueTypeError, UnitError, DtypeError, ShapeError
            As for each entry chapters 1 and 2 say.
        """
        array = self._root.array.copy()
        for position, value in self._positions(updates).items():
            subject = f"{self._subject()}, address {position} ({self.names[position]!r})"
            array[..., position] = self._conform(self._root, self.varshape, value, subject)
        if updates:
            self._store({(): array})

    def _new_leaf(self, path: Path, value: Any) -> Leaf:
        leaf = super()._new_leaf(path, value)
        if leaf.array.ndim == 0 or leaf.array.shape[-1] == 0:
            got, needs = f"the shape {leaf.array.shape}", "a last axis with at least one state"
            raise ShapeError(self._subject(), got, needs)
        return leaf

    def _check_names(self, names: Sequence[str] | None) -> tuple[str, ...]:
        n = self.num_state
        if names is None:
            return tuple(str(position) for position in range(n))
        subject = f"{self._subject()}, names"
        if len(names) != n:
            raise StructureError(subject, f"{len(names)} names", f"{n}, one for each state")
        if len(set(names)) < n:
            raise DuplicateError(subject, repr(names), "each name once")
        return tuple(str(name) for name in names)

    def _resolve(self, address: Any) -> int:
        """The position that an address names (GROUP-10)."""
        n, subject = self.num_state, f"{self._subject()}, address {address!r}"
        if isinstance(address, str):
            if address not in self.names:
                raise StateNameError(subject, "an unknown name", f"one of {self.names}")
            return self.names.index(address)
        if not is_integer(address):
            got = f"an address of type {type(address).__name__}"
            raise AddressTypeError(subject, got, "an index or a name")
        if not -n <= address < n:
            raise StateIndexError(subject, f"the index {address}", f"an index from {-n} to {n - 1}")
        return int(address) % n

    def _positions(self, updates: Any) -> dict[int, Any]:
        """The positions that `updates` names, each with its value."""
        subject = f"{self._subject()}, set_value"
        if isinstance(updates, list | tuple):
            if len(updates) != self.num_state:
                raise StructureError(subject, f"{len(updates)} entries", f"{self.num_state}")
            return dict(enumerate(updates))
        if not isinstance(updates, Mapping):
            needs = "a mapping from addresses to values, or a list or tuple of all values"
            raise StructureError(subject, f"something of type {type(updates).__name__}", needs)
        values: dict[int, Any] = {}
        for address, value in updates.items():
            position = self._resolve(address)
            if position in values:
                got = f"address {address!r} for position {position}, which is named already"
                raise DuplicateError(subject, got, "each state once")
            values[position] = value
        return values
