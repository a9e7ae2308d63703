"""Writes to hidden states in branches of a choice in which a learner makes no step.

Where branches join, the step of one would vouch for what another has written. So each write in a
branch is noted, and when branches have joined those are known in which there was no step.
"""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Iterable
from typing import Any

import brainstate
import jax
from brainstate._state import TRACE_CONTEXT

from .identities import Identity, identify, is_same_leaves, list_leaves

__all__ = ["BranchWrites"]

_BRANCHES = ("cond", "switch")
"""How the names of the traces of branches begin."""


@dataclasses.dataclass
class _Write:
    """The writes to a hidden state in a branch."""

    name: str
    state: brainstate.State
    branch: Any
    around: Any
    """The trace in which branches join, or None."""
    before: list[Identity]
    """Which leaves the state held before."""
    is_taken_back: bool = False
    """Whether it holds the same again since its last write."""


class BranchWrites:
    """What has been written to hidden states in branches that have not joined yet."""

    def __init__(self) -> None:
        self._writes: list[_Write] = []
        self._targets: list[weakref.ref[brainstate.State]] = []

    def __deepcopy__(self, memo: Any) -> BranchWrites:
        return BranchWrites()

    def watch(self, hidden: Iterable[tuple[str, brainstate.State]]) -> None:
        """Have writes to hidden states noted; states that are watched are left so."""
        known = {id(state) for ref in self._targets if (state := ref()) is not None}
        to_self = weakref.ref(self)
        for name, state in hidden:
            if id(state) in known:
                continue

            def note(context: Any, name: str = name) -> None:
                writes, target = to_self(), context.state_ref()
                if writes is not None and target is not None:
                    writes._note(name, target, context.old_value)

            state.register_hook("write_after", note)
            state.register_hook("restore", note)
            self._targets.append(weakref.ref(state))

    def forget(self) -> None:
        """Forget what was written in branches that have joined in this trace."""
        around = _find_innermost()
        self._writes = [w for w in self._writes if w.around is not around and _goes_on(w.around)]

    def find(self, count: brainstate.State) -> str:
        """Find the first hidden state that was written in a branch that did not write the count.

        Of branches that have joined in this trace; each step writes the count.
        """
        around = _find_innermost()
        joined = [w for w in self._writes if w.around is around and not w.is_taken_back]
        return next((w.name for w in joined if not _has_written(w.branch, count)), "")

    def _note(self, name: str, state: brainstate.State, before: Any) -> None:
        """Note a write in a branch: what the first one replaced is what the state held before."""
        branch, stacks = _find_innermost(), TRACE_CONTEXT.state_stack
        if branch is None or not (branch.name or "").startswith(_BRANCHES):
            return
        self._writes = [w for w in self._writes if _goes_on(w.around)]
        if not any(w.state is state and w.branch is branch for w in self._writes):
            around = stacks[-2] if len(stacks) > 1 else None
            known = identify(jax.tree.leaves(before))
            self._writes.append(_Write(name, state, branch, around, known))
        write = next(w for w in self._writes if w.state is state and w.branch is branch)
        write.is_taken_back = is_same_leaves(list_leaves(state), write.before)


def _goes_on(trace: Any) -> bool:
    """Whether a trace, or what is outside of all, goes on: what has ended cannot join any more."""
    return trace is None or any(trace is stack for stack in TRACE_CONTEXT.state_stack)


def _find_innermost() -> Any:
    stacks = TRACE_CONTEXT.state_stack
    return stacks[-1] if stacks else None


def _has_written(trace: Any, state: brainstate.State) -> bool:
    index = trace._state_id_index.get(id(state))
    return index is not None and trace.been_writen[index]
