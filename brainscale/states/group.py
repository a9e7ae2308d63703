"""A group of states: several variables of one kind (SPEC.md, chapter 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp

from ..checks.hints import ArrayLike
from ..errors import DuplicateError, ShapeError, StateNameError, StructureError
from .layout import as_index, check_address, is_index
from .leaves import Leaf, Spec, fit_leaf, magnitude, spec_of, unit_of, with_unit
from .single import ETraceState

__all__ = ["ETraceGroupState"]


class ETraceGroupState(ETraceState):
    """Several state variables of one kind, one at each position of the last axis.

    Parameters
    ----------
    value : array or Quantity, shape (population..., n)
        Such as the membrane potentials of n compartments.
    names : sequence of str, optional
        The names of the n states; by default ``"0"``, ``"1"``, and so on.
    name, history, **metadata
        As for `ETraceState`.

    Raises
    ------
    ShapeError, StructureError, DuplicateError
        GROUP-2; GROUP-5.

    Examples
    --------
    >>> V = brainscale.ETraceGroupState(jnp.zeros((10, 2)) * u.mV, names=("soma", "dendrite"))
    >>> V.num_state, V.varshape
    (2, (10,))
    >>> V.set_value({"soma": jnp.ones(10) * u.mV})
    >>> V.get_value(0)[0]
    Quantity(1., "mV")
    """

    __module__ = "brainscale"

    names: tuple[str, ...]

    def __init__(
        self,
        value: ArrayLike,
        name: str | None = None,
        *,
        names: Sequence[str] | None = None,
        history: int = 0,
        **metadata: Any,
    ) -> None:
        vars(self)["names"] = names
        super().__init__(value, name, history=history, **metadata)

    def _accept(self, value: Any, where: str) -> Any:
        leaf = super()._accept(value, where)
        shape = spec_of(leaf).shape
        if not shape or shape[-1] == 0:
            raise ShapeError(
                f"{where} needs a last axis with at least one state, got shape {shape}",
                got=shape,
                needs="(..., n), n > 0",
            )
        vars(self)["names"] = _check_names(self.names, shape[-1], where)
        return leaf

    @property
    def num_state(self) -> int:
        """The size of the last axis (GROUP-1)."""
        return spec_of(self.value).shape[-1]

    @property
    def varshape(self) -> tuple[int, ...]:
        """The shape of the value without its last axis (GROUP-1)."""
        return spec_of(self.value).shape[:-1]

    def get_value(self, address: int | str) -> Leaf:
        """Read the value of one of the n states.

        Parameters
        ----------
        address : int or str
            An index from −n to n − 1, or a name.

        Returns
        -------
        array or Quantity, shape `varshape`

        Raises
        ------
        StateIndexError, StateNameError, AddressTypeError
            GROUP-10.
        """
        value = self.value
        return with_unit(magnitude(value)[..., self._find_index(address)], unit_of(value))

    def set_value(self, updates: Mapping[Any, ArrayLike] | Sequence[ArrayLike]) -> None:
        """Write some of the n states, or all; one refused entry refuses them all.

        Parameters
        ----------
        updates : mapping from addresses to values, or list of all n values
            Each of shape `varshape`.

        Raises
        ------
        StructureError, DuplicateError, StateIndexError, StateNameError, AddressTypeError
            GROUP-7, GROUP-9, GROUP-10.
        ValueTypeError, UnitError, DtypeError, ShapeError
            GROUP-8.
        """
        value = self.value
        shape, dtype, unit = spec_of(value)
        entries = {}
        for address, entry in self._read_entries(updates, shape[-1]).items():
            index = self._find_index(address)
            if index in entries:
                raise DuplicateError(
                    f"{self._label} is given the state {self.names[index]!r} twice", got=address
                )
            entries[index] = entry
        spec = Spec(shape[:-1], dtype, unit)
        columns = [
            magnitude(fit_leaf(entry, spec, f"{self._label}[{self.names[index]!r}]"))
            for index, entry in entries.items()
        ]
        if columns:
            positions = jnp.array(list(entries))
            array = jnp.asarray(magnitude(value)).at[..., positions].set(jnp.stack(columns, -1))
            self.value = with_unit(array, unit)

    def _read_entries(self, updates: Any, count: int) -> Mapping[Any, Any]:
        if isinstance(updates, Mapping):
            return updates
        if not isinstance(updates, (list, tuple)) or len(updates) != count:
            got = len(updates) if isinstance(updates, (list, tuple)) else type(updates).__name__
            raise StructureError(
                f"{self._label} needs a mapping from addresses or a list of {count} values, "
                f"got {got}",
                got=got,
                needs=count,
            )
        return dict(enumerate(updates))

    def _find_index(self, address: Any) -> int:
        check_address(address, self._label, path=False)
        if is_index(address):
            return as_index(address, self.num_state, self._label)
        if address not in self.names:
            raise StateNameError(
                f"{self._label} has no {address!r}; it has {list(self.names)}",
                got=address,
                needs=self.names,
            )
        return self.names.index(address)


def _check_names(names: Sequence[str] | None, count: int, where: str) -> tuple[str, ...]:
    if names is None:
        return tuple(str(index) for index in range(count))
    if (
        isinstance(names, str)
        or not isinstance(names, Sequence)
        or len(names) != count
        or not all(isinstance(name, str) for name in names)
    ):
        raise StructureError(f"{where} needs {count} names, got {names!r}", got=names, needs=count)
    if len(set(names)) < count:
        raise DuplicateError(f"{where} needs distinct names, got {names!r}", got=names)
    return tuple(names)
