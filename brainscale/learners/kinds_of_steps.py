"""What is carried from one kind of step to another by states that are not hidden.

A rule with traces leaves no derivative in such a state, and of one kind of step alone it is known
whether it needs one. But one kind may write what only another reads.
"""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple

import brainstate

from ..engine.keys import StateId, id_of
from ..engine.step_dependence import StepDependence
from ..errors import HiddenPathError

__all__ = ["KindsOfSteps"]


class _Kind(NamedTuple):
    """What a kind of step does with states that are not hidden, by their identities."""

    keeps: frozenset[StateId]
    """Those in which it leaves a derivative of its own."""
    passes: frozenset[tuple[StateId, StateId]]
    """From which to which it passes one on."""
    reads: frozenset[StateId]
    """Those that reach its result or hidden states."""


class KindsOfSteps:
    """The kinds of steps that a learner has made since it was compiled."""

    def __init__(self) -> None:
        self._kinds: dict[_Kind, dict[StateId, weakref.ref[brainstate.State]]] = {}
        self._last: Any = lambda: None

    def __deepcopy__(self, memo: Any) -> KindsOfSteps:
        return KindsOfSteps()

    def clear(self) -> None:
        """Forget all."""
        self._kinds, self._last = {}, lambda: None

    def add(self, step: StepDependence) -> None:
        """Add the kind of a step that is to be made.

        Raises
        ------
        HiddenPathError
            One kind reads a derivative in a state, not a hidden one, in which another has left it.
        """
        if not step.step.other or self._last() is step.dependence:
            return
        kind = _find_kind(step)
        states = {id_of(state): state for state in step.step.other}
        self._kinds = {
            known: refs for known, refs in self._kinds.items() if all(r() for r in refs.values())
        }
        kinds = {**self._kinds, kind: {key: weakref.ref(s) for key, s in states.items()}}
        carrying = _find_carrying(kinds)
        for other, refs in kinds.items():
            for key in sorted(other.reads & carrying):
                state = refs[key]()
                raise HiddenPathError(
                    f"{step.name_of(state)} carries a derivative from one kind of step, which "
                    "writes it, to another, which reads it, and is no hidden state: make it one "
                    "(ETraceState) that both kinds use, or stop the gradient of what is written "
                    "to it, or learn by RTRL",
                    got=state,
                )
        self._kinds, self._last = kinds, weakref.ref(step.dependence)


def _find_kind(step: StepDependence) -> _Kind:
    states, reached = step.step.other, step.dependence.reached
    keys = [id_of(state) for state in states]
    before = step.leaves_of(states, step.inputs["other"].start)
    after = step.leaves_of(states, step.outputs["other"].start)

    def find_reached(masks: Any) -> set[StateId]:
        pairs = zip(keys, after, strict=True)
        return {key for key, leaves in pairs if any(masks[i].any() for i in leaves)}

    sources = [*step.inputs["y"], *step.inputs["hidden"], *step.inputs["weights"]]
    passes, reads = set(), set()
    for key, leaves in zip(keys, before, strict=True):
        if leaves:
            masks = reached(leaves)
            passes |= {(key, other) for other in find_reached(masks)}
            results = [*step.outputs["hidden"], *step.outputs["out"]]
            reads |= {key for i in results if masks[i].any()}
    return _Kind(frozenset(find_reached(reached(sources))), frozenset(passes), frozenset(reads))


def _find_carrying(kinds: Any) -> set[StateId]:
    """Find the states in which a derivative may be, whatever the order of the steps."""
    carrying: set[StateId] = set().union(*(kind.keeps for kind in kinds))
    while (
        more := {other for kind in kinds for key, other in kind.passes if key in carrying}
        - carrying
    ):
        carrying |= more
    return carrying
