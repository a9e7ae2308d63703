"""A tree of states: several variables of different kinds (SPEC.md, chapter 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..checks.hints import ArrayLike
from ..errors import DuplicateError, NoCommonShapeError, StateNameError, StructureError
from .history import ETraceHistory
from .layout import (
    Key,
    Layout,
    Path,
    check_address,
    check_same,
    layout_of,
    lookup,
    resolve,
    resolve_updates,
)
from .leaves import Leaf, fit_leaf, make_leaf, rewrap, spec_of
from .single import ETraceState

__all__ = ["ETraceTreeState"]


class ETraceTreeState(ETraceState):
    """Several state variables of different kinds, one at each leaf of a tree.

    Parameters
    ----------
    value : dict, list or tuple
        Nested as one likes; dict keys are text. Each leaf is an array or Quantity with its own
        shape, dtype and unit, and keeps them.
    name, history, **metadata
        As for `ETraceState`.

    Raises
    ------
    StructureError, ValueTypeError
        TREE-4.

    Examples
    --------
    >>> state = brainscale.ETraceTreeState(
    ...     {"V": jnp.zeros(5) * u.mV, "I": jnp.zeros(5) * u.nA}
    ... )
    >>> state.num_state
    2
    >>> state.set_value({"I": jnp.ones(5) * u.nA})
    >>> state.get_value("I")[0]
    Quantity(1., "nA")
    """

    __module__ = "brainscale"

    _layout: Layout

    def _accept(self, value: Any, where: str) -> Any:
        layout = layout_of(value, where)
        tree = layout.build(lambda path: make_leaf(lookup(value, path), f"{where}{list(path)}"))
        vars(self)["_layout"] = layout
        return tree

    def _list_leaves(self, value: Any) -> list[Leaf]:
        return [lookup(value, path) for path in self._layout.paths()]

    def _fit(self, value: Any, *, check_shape: bool = True) -> Any:
        check_same(self._layout, value, self._label)
        return self._layout.build(lambda path: self._fit_at(path, lookup(value, path), check_shape))

    def _fit_at(self, path: Path, leaf: Any, check_shape: bool = True) -> Leaf:
        spec = spec_of(lookup(self._value, path))
        return fit_leaf(leaf, spec, f"{self._label}{list(path)}", check_shape=check_shape)

    def _read_value(self) -> Any:
        value = super(ETraceState, self)._read_value()
        # JAX has sorted the keys if it had the value in its hands.
        return self._layout.build(lambda path: rewrap(lookup(value, path)))

    def _build_value(self, leaves: list[Leaf]) -> Any:
        leaf_of = dict(zip(self._layout.paths(), leaves, strict=True))
        return self._layout.build(leaf_of.__getitem__)

    def _list_leaves_of_like(self, value: Any) -> list[Any]:
        check_same(self._layout, value, self._label)
        return [lookup(value, path) for path in self._layout.paths()]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The paths of the leaves, in leaf order."""
        return tuple(self._layout.paths())

    @property
    def num_state(self) -> int:
        """The number of leaves (TREE-2)."""
        return len(self.paths)

    @property
    def varshape(self) -> tuple[int, ...]:
        """The shape that all leaves share.

        Raises
        ------
        NoCommonShapeError
            Where they do not share one (TREE-3).
        """
        shapes = [spec_of(leaf).shape for leaf in self._list_leaves(self.value)]
        if len(set(shapes)) > 1:
            raise NoCommonShapeError(
                f"{self._label} has leaves of shapes {dict(zip(self.paths, shapes, strict=True))}; "
                "ask each leaf for its own: state.get_value(address).shape",
                got=shapes,
            )
        return shapes[0]

    def get_value(self, address: Key | Path) -> Any:
        """Read one leaf, or the subtree at a container.

        Parameters
        ----------
        address : int, str or tuple
            An index in leaf order, a name, or a path (TREE-5 to TREE-7).

        Raises
        ------
        StateIndexError, StateNameError, AddressTypeError
            TREE-12.
        """
        return lookup(self.value, resolve(self._layout, address, self._label))

    def set_value(self, updates: Mapping[Any, Any] | Sequence[Any]) -> None:
        """Write some leaves, or all; one refused leaf refuses them all.

        Parameters
        ----------
        updates : mapping from addresses to values, or list of all leaves in leaf order
            The value for a dict of the tree is a mapping from some of its keys (TREE-8).

        Raises
        ------
        StructureError, DuplicateError, StateIndexError, StateNameError, AddressTypeError
            TREE-8, TREE-9, TREE-11, TREE-12.
        ValueTypeError, UnitError, DtypeError, ShapeError
            TREE-10.
        """
        value = self.value
        leaves = resolve_updates(self._layout, updates, self._label)
        if leaves:
            new_leaves = {path: self._fit_at(path, leaf) for path, leaf in leaves.items()}
            self.value = self._layout.build(
                lambda path: new_leaves[path] if path in new_leaves else lookup(value, path)
            )

    def add_leaf(self, path: str | Path, value: ArrayLike) -> None:
        """Add a leaf to a dict of the tree, as its last entry.

        Structure is fixed inside compiled code: add leaves before.

        Parameters
        ----------
        path : str or tuple
            The new leaf's name at the root, or its path.
        value : array or Quantity
            Any shape, dtype and unit.

        Raises
        ------
        DuplicateError, StateNameError, StructureError, AddressTypeError, ValueTypeError
            TREE-15.
        brainstate.TraceContextError
            Inside compiled code that did not make the state.
        """
        self.check_valid_trace(lambda: f"{self._label} cannot get a leaf inside compiled code")
        path = self._check_new_path(path)
        leaf = make_leaf(value, f"{self._label}{list(path)}")
        old = dict(zip(self.paths, self._list_leaves(self.value), strict=True))
        history = self._history
        past = {} if history is None else dict(zip(self.paths, history.value, strict=True))
        layout = self._layout.with_leaf(path)
        vars(self).update(_layout=layout, _value=layout.build({**old, path: leaf}.__getitem__))
        if history is not None:
            past[path] = ETraceHistory.filled([leaf], history.length).value[0]
            history.value = [past[p] for p in layout.paths()]

    def _check_new_path(self, path: Any) -> Path:
        check_address(path, self._label, path=True)
        path = path if isinstance(path, tuple) else (path,)
        if self._layout.at(path) is not None:
            raise DuplicateError(f"{self._label} has {path} already", got=path)
        parent = self._layout.at(path[:-1])
        if parent is None:
            raise StateNameError(f"{self._label} has no {path[:-1]} to add a leaf to", got=path)
        if parent.container is not dict or not isinstance(path[-1], str):
            raise StructureError(
                f"{self._label} gets leaves in its dicts only, got {path}", got=path
            )
        return path
