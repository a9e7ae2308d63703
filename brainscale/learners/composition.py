"""Which objects a learner is made of, so that compiled functions see when these change.

A function that `brainstate.transform.jit` compiled goes on with the State objects that it met when
it was traced, and with what `brainstate.environ` said then, and traces anew only where the
structure of a state's value has changed. So a learner has one state without numbers, whose
structure says which objects the learner is made of, and in which environment.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Hashable, Iterable
from typing import Any

import brainstate
import jax
import numpy as np
from brainstate._state import TRACE_CONTEXT

from ..operators import ETraceOp
from ..parameters import FakeETraceParam

__all__ = ["Composition"]


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Version:
    """A tree without leaves. Two are of one structure if they are equal."""

    number: int
    is_outdated: bool = False
    """Whether hidden states are others than the traces are of, so that no step may come first."""
    settings: tuple[Any, ...] = ()
    """What the environment says around compiled functions, such as the length of a step."""


class Environment:
    """What `brainstate.environ` says around compiled functions, not within them.

    What is compiled must have the same version when it is traced and when it is called. A trace
    cannot tell a `context` around the function from one within it; the look after it, from
    outside, can: what it finds different is said within, and is looked at no more.
    """

    def __init__(self) -> None:
        self._within: set[str] = set()
        """The names of what is said within compiled functions."""
        self._traced: dict[str, Any] | None = None
        """What was said when a function was last traced, until the look from outside."""

    def settings_around(self) -> tuple[Any, ...]:
        """What is said now, but for what is said within."""
        settings = _settings()
        if TRACE_CONTEXT.state_stack:
            self._traced = settings
        elif self._traced is not None:
            names, traced = settings.keys() | self._traced.keys(), self._traced
            self._within |= {name for name in names if settings.get(name) != traced.get(name)}
            self._traced = None
        return tuple(item for item in settings.items() if item[0] not in self._within)


def _settings() -> dict[str, Any]:
    """What the environment says that is not traced, by name."""
    settings = {}
    for name, value in sorted(brainstate.environ.all().items()):
        leaves, tree = jax.tree.flatten(value)
        if not any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            settings[name] = (tree, *map(_as_key, leaves))
    return settings


class Composition(brainstate.State):
    """The version of what a learner is made of: its states, frozen weights and operations.

    Reading `value` in a function that is being compiled has it compiled anew after a change.

    Parameters
    ----------
    owner : brainstate.nn.Module
        The learner.
    """

    def __init__(self, owner: brainstate.nn.Module):
        super().__init__(Version(0))
        # Of no trace, wherever it is first looked at: traces follow states from outside of them.
        vars(self).update(_owner=owner, _seen=None, _paths=(None, {}), _level=0)
        vars(self).update(_environment=Environment())

    @property
    def value(self) -> Version:
        """The version of now."""
        self._look()
        return brainstate.State.value.fget(self)

    def _read_value(self) -> Version:
        self._look()
        return super()._read_value()

    def find_path(self, state: brainstate.State) -> tuple[Any, ...] | None:
        """The path of a state of the owner's model, or None.

        The model is walked anew only after a change, or for a state that was not met.
        """
        self._look()
        seen, paths = self._paths
        if seen is not self._seen or id(state) not in paths:
            # With the states, so that no other one has an id of theirs.
            paths = {id(own): (path, own) for path, own in self._owner.model.states().items()}
            vars(self).update(_paths=(self._seen, paths))
        return paths.get(id(state), (None,))[0]

    def restore_value(self, value: Any) -> None:
        """Nothing: it follows the learner."""

    def _look(self) -> None:
        seen, number = self._seen, self._value.number
        if seen is None or any(not _is_same(_inside(x), inside) for x, inside in seen.holders):
            found = _Seen(self._owner)
            if seen is not None and not _is_same(found.parts, seen.parts):
                number += 1
            vars(self)["_seen"] = found
        vars(self)["_value"] = Version(
            number, self._owner.count.is_outdated, self._environment.settings_around()
        )


def _as_key(leaf: Any) -> Any:
    """What says which setting it is: equal numbers are one, other objects are themselves."""
    if isinstance(leaf, (jax.Array, np.ndarray)):
        return str(leaf.dtype), leaf.shape, np.asarray(leaf).tobytes()
    return leaf if isinstance(leaf, Hashable) else id(leaf)


class _Seen:
    """What a learner is made of: `parts`, and the containers in which they were found."""

    def __init__(self, owner: Any):
        self.parts: list[Any] = []
        self.holders: list[tuple[Any, tuple[Any, ...]]] = []
        self._visited: set[int] = set()
        self._visit(owner, is_frozen=False)

    def _visit(self, x: Any, is_frozen: bool) -> None:
        if id(x) in self._visited or isinstance(x, Composition):
            return
        self._visited.add(id(x))
        if isinstance(x, (brainstate.State, FakeETraceParam, ETraceOp)):
            self.parts.append(x)
        elif is_frozen and not isinstance(x, _CONTAINERS):
            self.parts.append(x)
            return
        if isinstance(x, (*_CONTAINERS, *_WITH_PARTS)):
            inside = tuple(_inside(x))
            self.holders.append((x, inside))
            for other in inside:
                self._visit(other, is_frozen or isinstance(x, (FakeETraceParam, ETraceOp)))


_CONTAINERS = (list, tuple, dict)
_WITH_PARTS = (brainstate.graph.Node, brainstate.State, FakeETraceParam, ETraceOp)


def _inside(x: Any) -> Iterable[Any]:
    """What a container or a part holds, the value of a state apart."""
    if isinstance(x, (list, tuple)):
        return x
    if isinstance(x, dict):
        return x.values()
    if isinstance(x, brainstate.State):
        return [vars(x)["op"]] if "op" in vars(x) else []
    return vars(x).values()


def _is_same(some: Iterable[Any], others: Any) -> bool:
    """Whether two collections hold the same objects, in order."""
    found = list(some)
    return len(found) == len(others) and all(map(operator.is_, found, others))
