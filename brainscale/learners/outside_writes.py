"""Whether hidden states are as the learner's last step left them: its traces are of these alone.

A write from outside of the learner, such as a spike count that is made zero, leaves traces as they
were, and the gradients of later steps would be wrong in silence. Arrays are told apart by identity:
nothing is compared, and nothing is computed. What is traced has arrays of its own, and so each
trace is looked at by itself, and then what was there when it began.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import brainstate
import jax
import jax.numpy as jnp
import numpy as np
from brainstate._state import TRACE_CONTEXT

from ..errors import HiddenPathError
from .between_steps import check_between_steps
from .branch_writes import BranchWrites
from .bypasses import PlainStates, check_parameters, watch_states
from .identities import Identity, identify, is_same_leaves, list_leaves

__all__ = ["StepCount"]

_MEND = (
    "which its traces know nothing of. After such a write call zero_trace with that state, or "
    "reset_traces if all begins anew; or write it in the model's update; or, after inference by "
    "the model alone, write back what the states held before"
)
_MOST = 64
"""How many records are kept while functions are traced."""


class _Record(NamedTuple):
    """What there was when the count was written."""

    count: Identity
    hidden: list[tuple[str, brainstate.State, list[Identity]]]
    traces: list[tuple[brainstate.State, list[Identity]]]
    depth: int
    """How many `vmap` were around."""
    outside: str
    """The hidden state that had been written from outside even then; empty: none."""
    is_at_rest: bool
    """Whether traces were zero: then any state is theirs."""
    plain: PlainStates
    """The other states of the step."""


class StepCount(brainstate.ShortTermState):
    """How many steps a learner has made since its traces were zero.

    It is written last of all that a step writes, by the learner and by the transformations of
    brainstate, which write in the order in which states were first met. So it knows what hidden
    states and traces were left.
    """

    _records: tuple[_Record, ...] = ()
    _branches: BranchWrites
    _outside = ""
    """The state that was written from outside when the count was last read."""

    def __init__(self, value: Any):
        super().__init__(value)
        vars(self)["_branches"] = BranchWrites()

    @property
    def value(self) -> Any:
        """The number. Reading it is a look at hidden states where the trace of a function ends.

        Raises
        ------
        HiddenPathError
            A function that is being traced wrote a hidden state after its last step.
        StructureError
            As of an `EligibilityTrace`.
        """
        check_between_steps()
        self._show_others()
        name, is_of_this_trace = self._find_write()
        vars(self)["_outside"] = name
        if name and is_of_this_trace and TRACE_CONTEXT.state_stack:
            raise self._make_error(
                name, "after the learner's step within a function that is traced"
            )
        self._check_bypasses()
        return super().value

    @value.setter
    def value(self, value: Any) -> None:
        check_between_steps()
        self._show_others()
        brainstate.State.value.__set__(self, value)
        if self._records:
            self._keep(*self._last_states, self._branches.find(self))

    def restore_value(self, value: Any) -> None:
        """Put a value back, or that of a `vmap` in its place, which is no step of its own."""
        super().restore_value(value)
        record = self._find_record(vars(self)["_value"])
        if self._records and (record is None or record.depth > _count_maps()):
            self._keep(*self._last_states, self._outside)

    def note(
        self,
        hidden: Iterable[tuple[str, brainstate.State]],
        traces: Iterable[brainstate.State],
        plain: PlainStates,
        *,
        is_at_rest: bool = False,
    ) -> None:
        """Take what hidden states hold as what the traces are of; at rest, whatever they hold.

        The plain ones are the others that the step has to do with.
        """
        hidden = list(hidden)
        vars(self)["_outside"] = ""
        self._branches.watch(hidden)
        self._branches.forget()
        self._keep(hidden, list(traces), is_at_rest=is_at_rest, plain=plain)

    @property
    def number(self) -> Any:
        """The value, for the learner itself: its own step is no write from outside."""
        self._show_others(in_gradient=True)
        return super().value

    @property
    def plain(self) -> PlainStates:
        """The states of the last step that are not hidden, with what they held after it."""
        record = self._find_record(vars(self)["_value"])
        return PlainStates() if record is None else record.plain

    def _check_bypasses(self) -> None:
        """Refuse ways from the last step to later ones past the learner."""
        record = self._find_record(vars(self)["_value"])
        if record is not None:
            check_parameters(record.plain)
            watch_states(record.plain, [state for _, state, _ in record.hidden])

    def meet_others(self) -> None:
        """Have a trace that begins anew meet hidden states and traces before the count."""
        self._show_others(in_gradient=True)

    @property
    def zero(self) -> jax.Array:
        """Zero, for each member where a `vmap` over members has made the count; it is no look."""
        return jnp.zeros_like(vars(self)["_value"])

    def check_outside_writes(self, but: frozenset[int] = frozenset()) -> None:
        """Refuse hidden states that hold others than the traces are of.

        It comes before a step is traced, which is seen as a write by all traces around.

        Parameters
        ----------
        but : frozenset of int
            The identities of states that may.

        Raises
        ------
        HiddenPathError
        """
        name, _ = self._find_write(but)
        if name:
            raise self._make_error(name, "since the learner's last step")

    def check_same_states(self, hidden: Iterable[tuple[str, brainstate.State]]) -> None:
        """Refuse hidden states that are other objects than those that the traces are of.

        Raises
        ------
        HiddenPathError
        """
        known = {id(state) for record in self._records[-1:] for _, state, _ in record.hidden}
        for name, state in hidden:
            if known and id(state) not in known:
                raise self._make_error(name, "as another state, since the learner's last step")

    def _make_error(self, name: str, when: str) -> HiddenPathError:
        # What was met in the refused call is not met in the next one.
        vars(self)["_outside"] = ""
        return HiddenPathError(
            f"{name} is written {when}, and not by the learner, {_MEND}", got=name
        )

    @property
    def is_outdated(self) -> bool:
        """Whether a hidden state was written from outside before any trace began."""
        if not self._records:
            return False
        record = self._find_record(_read_before_traces(self))
        return record is not None and bool(
            record.outside or _find_other(record, _read_before_traces)
        )

    def _show_others(self, *, in_gradient: bool = False) -> None:
        """Have a trace meet hidden states and traces before the count."""
        names = [stack.name or "" for stack in TRACE_CONTEXT.state_stack]
        # What a gradient's function reads, it uses: a look is no use.
        if self._records and names and (in_gradient or "gradient" not in names):
            hidden, traces = self._last_states
            written = [state for _, state, _ in self._records[-1].plain.written]
            for state in [*(state for _, state in hidden), *traces, *written]:
                if state.stack_level < len(names):
                    _ = state.value

    @property
    def _last_states(self) -> tuple[list[Any], list[Any]]:
        last = self._records[-1]
        return [(name, s) for name, s, _ in last.hidden], [s for s, _ in last.traces]

    def _keep(
        self,
        hidden: list[Any],
        traces: list[Any],
        outside: str = "",
        is_at_rest: bool = False,
        plain: PlainStates | None = None,
    ) -> None:
        count = Identity(vars(self)["_value"])
        plain = self._records[-1].plain.renew() if plain is None else plain
        record = _Record(
            count,
            [(name, state, identify(list_leaves(state))) for name, state in hidden],
            [(state, identify(list_leaves(state))) for state in traces],
            _count_maps(),
            outside,
            is_at_rest,
            plain,
        )
        # What was traced is over, or goes on beside what there is outside of it.
        before = [old for old in self._records if count.is_traced and old.count.value is not None]
        of_numbers = [old for old in before if not old.count.is_traced]
        of_traces = [old for old in before if old.count.is_traced]
        vars(self)["_records"] = (*of_numbers, *of_traces[-_MOST:], record)

    def _find_record(self, count: Any) -> _Record | None:
        records = reversed(self._records)
        return next((record for record in records if record.count.value is count), None)

    def _find_write(self, but: frozenset[int] = frozenset()) -> tuple[str, bool]:
        """The hidden state that was written from outside, and whether in the innermost trace."""
        if not self._records:
            return "", False
        depth = _count_maps()
        values: dict[int, Any] = {}

        def list_leaves(state: brainstate.State) -> list[Any]:
            return jax.tree.leaves(values.get(id(state), vars(state)["_value"]))

        def find() -> str | None:
            record = self._find_record(values.get(id(self), vars(self)["_value"]))
            if record is None or record.depth < depth:
                return None
            return record.outside or _find_other(record, list_leaves, but)

        stacks = TRACE_CONTEXT.state_stack
        for stack in reversed(stacks):
            name = find() if id(self) in stack._state_id_index else None
            if name is not None:
                return name, stack is stacks[-1]
            name = self._find_write_in(stack, but)
            if name:
                return name, False
            if _is_map(stack):
                return self._outside, False
            pairs = zip(stack.states, stack._original_state_values, strict=True)
            values |= {id(state): value for state, value in pairs}
        return find() or "", False

    def _find_write_in(self, stack: Any, but: frozenset[int]) -> str:
        """The first hidden state that a trace has written, where the learner has written none."""
        pairs = zip(stack.states, stack.been_writen, strict=True)
        written = {id(state) for state, is_written in pairs if is_written} - but
        hidden, traces = self._last_states
        if any(id(state) in written for state in [self, *traces]):
            return ""
        return next((name for name, state in hidden if id(state) in written), "")

    def to_state_ref(self) -> brainstate.TreefyState:
        """The state as a pytree, of the number alone."""
        ref = super().to_state_ref()
        ref._records, ref._outside, ref._branches = (), "", BranchWrites()
        return ref

    def copy(self) -> StepCount:
        """A state of the same number, which knows of no other."""
        new: Any = super().copy()
        vars(new).update(_records=(), _outside="", _branches=BranchWrites())
        return new

    def __pretty_repr_item__(self, key: str, value: Any) -> tuple[str, Any] | None:
        return (
            None
            if key in ("_records", "_outside", "_branches")
            else super().__pretty_repr_item__(key, value)
        )


def _is_map(stack: Any) -> bool:
    """Whether a trace is that of one member of what a `vmap` maps, which is in states' places."""
    return "state_map" in (stack.name or "")


def _count_maps() -> int:
    return sum(map(_is_map, TRACE_CONTEXT.state_stack))


def _read_before_traces(state: brainstate.State) -> Any:
    """What a state held before the outermost trace that has met it."""
    for stack in TRACE_CONTEXT.state_stack:
        index = stack._state_id_index.get(id(state))
        if index is not None:
            return stack._original_state_values[index]
    return vars(state)["_value"]


def _find_other(record: _Record, value_of: Any, but: frozenset[int] = frozenset()) -> str:
    """The first hidden state that holds others than it did while all traces hold the same."""

    def is_same(state: brainstate.State, leaves: list[Identity]) -> bool:
        return is_same_leaves(jax.tree.leaves(value_of(state)), leaves)

    hidden = [entry for entry in record.hidden if id(entry[1]) not in but]
    others = [name for name, state, leaves in hidden if not is_same(state, leaves)]
    # Whoever writes the traces, too, puts back what belongs together.
    if not others or record.is_at_rest or not all(is_same(*trace) for trace in record.traces):
        return ""
    is_zero = not record.count.is_traced and not np.any(np.asarray(record.count.value))
    return "" if is_zero else others[0]
