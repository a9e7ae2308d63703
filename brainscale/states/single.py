"""A single state, and what all states share.

SPEC.md, chapters 2 and 5. A subclass says what its leaves are (`_accept`, `_fit`, `_list_leaves`,
`_build_value`); this class does the rest, once: every way to write goes through `_fit`, and every
successful write through the setter of `value`.
"""

from __future__ import annotations

from typing import Any, Self, cast

import brainstate
import brainunit as u
import jax
from brainstate.typing import Missing

from ..errors import StructureError
from .history import (
    ETraceHistory,
    Recorded,
    check_length,
    make_history_error,
    move_time_first,
    move_time_last,
)
from .leaves import Leaf, fit_leaf, make_leaf, rewrap, show_leaf, spec_of

__all__ = ["ETraceState"]


class ETraceState(brainstate.HiddenState):
    """One state variable for each element of its value.

    Parameters
    ----------
    value : array or Quantity, any shape
        Boolean, integer, floating point or complex. Its shape, dtype and unit are kept by every
        later write.
    name : str, optional
        Named in errors.
    history : int, default 0
        How many past values to keep (SPEC.md, chapter 5). Costs the memory of as many values and
        moving them at each write.
    **metadata
        As for `brainstate.State`, such as `tag`.

    Raises
    ------
    ValueTypeError, DtypeError, ParameterError
        STATE-4; STATE-8; HIST-1.

    Notes
    -----
    Writing (``state.value = x``) refuses what does not fit with `ValueTypeError`, `UnitError`,
    `DtypeError` or `ShapeError`, and leaves the state as it was (STATE-4 to STATE-9).

    Examples
    --------
    >>> import brainscale, brainunit as u, jax.numpy as jnp
    >>> V = brainscale.ETraceState(jnp.zeros(3) * u.mV, name="V")
    >>> V.value = jnp.ones(3) * 0.001 * u.volt
    >>> V.value
    Quantity([1. 1. 1.], "mV")
    """

    __module__ = "brainscale"

    _history: ETraceHistory | None

    def __init__(
        self, value: Any, name: str | None = None, *, history: int = 0, **metadata: Any
    ) -> None:
        where = _make_label(type(self), name)
        length = check_length(history, where)
        value = self._accept(value, where)
        # Past HiddenState.__init__, which would refuse a tree.
        super(brainstate.HiddenState, self).__init__(value, name=name, **metadata)
        past = ETraceHistory.filled(self._list_leaves(value), length) if length else None
        self._setattr_no_check("_history", past)

    def _accept(self, value: Any, where: str) -> Any:
        """Make what the state stores of the value it is made with."""
        return make_leaf(value, where)

    def _list_leaves(self, value: Any) -> list[Leaf]:
        """List the leaves of a stored value, in leaf order."""
        return [value]

    def _fit(self, value: Any, *, check_shape: bool = True) -> Any:
        """Fit a value to what the state holds now, or raise the error that says why it cannot."""
        return fit_leaf(value, spec_of(self._value), self._label, check_shape=check_shape)

    @property
    def _label(self) -> str:
        return _make_label(type(self), self.name)

    @property
    def num_state(self) -> int:
        """How many state variables each element of `varshape` has: 1 (STATE-2)."""
        return 1

    @property
    def varshape(self) -> tuple[int, ...]:
        """The shape of each state variable: that of the value (STATE-2)."""
        return spec_of(self.value).shape

    # Reading and writing the whole value.

    def _read_value(self) -> Any:
        # A Quantity can be changed in place: the one that is stored stays here (STATE-10).
        return rewrap(super()._read_value())

    @property
    def value(self) -> Any:
        """The value, with its unit. Writing it checks it (STATE-4 to STATE-9)."""
        self._unpack()
        return super().value

    @value.setter
    def value(self, value: Any) -> None:
        self._unpack()
        if not self._is_valid:
            self._begin_anew(value)
            return
        value = self._fit(value)
        old = None if self._history is None else self._list_leaves(self.value)
        brainstate.State.value.__set__(self, value)
        if self._history is not None and old is not None:
            self._history.push(old)

    def _write_value(self, value: Any) -> None:
        # Once more, for what a `write_before` hook has made of it.
        super()._write_value(self._fit(value) if self._is_valid else value)

    def restore_value(self, value: Any) -> None:
        """Put back a value without recording a write; its shape may be another's.

        For transformations: a `vmap` puts the values of its lanes in place of the batch.
        """
        self._unpack()
        super().restore_value(self._fit(value, check_shape=False) if self._is_valid else value)

    def copy_from(self, other: brainstate.State) -> None:
        """Write the value of another state of this class."""
        if type(other) is not type(self):
            raise StructureError(
                f"{self._label} is copied from its like, got {type(other).__name__}",
                got=type(other),
                needs=type(self),
            )
        self.value = other.value

    def replace(self, value: Any = Missing, **attributes: Any) -> Self:
        """Make a copy with another value, which must fit, or other attributes."""
        new = self.copy()
        vars(new).update(attributes)
        if value is not Missing:
            new.value = value
        return new

    def _begin_anew(self, value: Any) -> None:
        """Take a first value, and the history that goes with it."""
        value = self._accept(value, self._label)
        brainstate.State.value.__set__(self, value)
        if self._history is not None:
            past = ETraceHistory.filled(self._list_leaves(value), self._history.length)
            vars(self)["_history"] = past

    @property
    def _is_valid(self) -> bool:
        # brainstate takes the value from a state that was made inside a trace which has ended.
        try:
            self._check_invalidated()
        except brainstate.TraceContextError:
            return False
        return True

    # History.

    @property
    def history(self) -> Any:
        """The K values before the last K writes, oldest first, on a leading axis (HIST-2).

        Writing it puts back a history that was read, from a checkpoint say.
        """
        return self._build_value([move_time_first(leaf) for leaf in self.history_state.value])

    @history.setter
    def history(self, history: Any) -> None:
        past = self.history_state
        leaves = self._list_leaves_of_like(history)
        specs = [spec_of(move_time_first(leaf)) for leaf in past.value]
        where = f"{self._label}.history"
        new_leaves = [fit_leaf(leaf, spec, where) for leaf, spec in zip(leaves, specs, strict=True)]
        past.value = [move_time_last(leaf) for leaf in new_leaves]

    @property
    def history_state(self) -> ETraceHistory:
        """The `brainstate.State` that holds the history, to be named to a `vmap`."""
        self._unpack()
        if self._history is None:
            raise make_history_error(self._label)
        # Seen by a trace before its history, a state is also written before it when the trace
        # ends. That write adds to the history, which is then overwritten with the traced one.
        _ = self.value
        return self._history

    def _build_value(self, leaves: list[Leaf]) -> Any:
        """Build a value of these leaves in leaf order."""
        return leaves[0]

    def _list_leaves_of_like(self, value: Any) -> list[Any]:
        """List the leaves of something with the structure of the value."""
        return [value]

    def __pretty_repr_item__(self, key: str, value: Any) -> tuple[str, Any] | None:
        if key == "_history":
            return None if value is None else ("history", value.length)
        if key == "_value":
            is_leaf = lambda leaf: isinstance(leaf, u.Quantity)  # noqa: E731
            return "value", jax.tree.map(show_leaf, value, is_leaf=is_leaf)
        return None if key == "_layout" else super().__pretty_repr_item__(key, value)

    # Copying. A history goes with its state.

    def _unpack(self) -> None:
        """Take apart what `to_state_ref` packed."""
        if isinstance(self._value, Recorded):
            value, past = self._value
            history = ETraceHistory.unpacked(past)
            history.stack_level = self.stack_level
            vars(self).update(_value=value, _history=history)

    def to_state_ref(self) -> brainstate.TreefyState:
        """Make a pytree of the state, its history included."""
        self._unpack()
        ref = super().to_state_ref()
        if self._history is not None:
            ref.value = Recorded(ref.value, self._history.value)
            ref._history = None
        return ref

    def update_from_ref(self, state_ref: brainstate.TreefyState) -> None:
        """Write the value of a pytree made by `to_state_ref`, and its history."""
        value, past = state_ref.value, None
        if isinstance(value, Recorded):
            value, past = value
        if state_ref.get_metadata().get("_been_writen", True):
            self.value = value
        else:
            self.restore_value(value)
        if past is not None:
            self.history_state.value = past

    def copy(self) -> Self:
        """Make a state of the same value, names and history, independent of this one (STATE-12)."""
        self._unpack()
        new = cast(Self, super().copy())
        tag = None if self.tag is None else set(self.tag)
        past = None if self._history is None else self._history.copy()
        vars(new).update(tag=tag, _history=past)
        return new

    def __copy__(self) -> Self:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # Arrays, units and layouts are immutable: a copy that shares them is deep.
        new = memo[id(self)] = self.copy()
        return new

    def __reduce__(self) -> tuple[Any, ...]:
        ref = self.to_state_ref()
        # What brainstate keeps for tracing and for its messages belongs to this process.
        process_bound = ("_source_info", "_hooks_manager")
        metadata = {k: v for k, v in ref.get_metadata().items() if k not in process_bound}
        return _unpickled, (type(self), ref.value, metadata)


def _unpickled(kind: type, value: Any, metadata: dict[str, Any]) -> ETraceState:
    # A reference mints anew what it lacks when JAX puts it together.
    ref = jax.tree.map(lambda leaf: leaf, brainstate.TreefyState(kind, value, **metadata))
    return ref.to_state()


def _make_label(kind: type, name: str | None) -> str:
    return kind.__name__ if name is None else f"{kind.__name__} {name!r}"
