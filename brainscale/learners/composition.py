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
from jax.core import Tracer

from ..operators import ETraceOp
from ..parameters import FakeETraceParam
from .gradient_scope import is_begun

__all__ = ["Composition", "join_path"]


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Version:
    """A tree without leaves. Two are of one structure if they are equal."""

    number: int
    is_outdated: bool = False
    """Whether hidden states are others than the traces are of, so that no step may come first."""
    settings: tuple[Any, ...] = ()
    """What the environment says around compiled functions, such as the length of a step."""
    is_begun: bool = False
    """Whether a function around, whose gradient is taken, has begun the learner's traces anew."""


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
        settings = _read_settings()
        if TRACE_CONTEXT.state_stack:
            self._traced = settings
        elif self._traced is not None:
            names, traced = settings.keys() | self._traced.keys(), self._traced
            self._within |= {name for name in names if settings.get(name) != traced.get(name)}
            self._traced = None
        return tuple(item for item in settings.items() if item[0] not in self._within)


def _read_settings() -> dict[str, Any]:
    """What the environment says that is not traced, by name."""
    settings = {}
    for name, value in sorted(brainstate.environ.all().items()):
        leaves, tree = jax.tree.flatten(value)
        if not any(isinstance(leaf, Tracer) for leaf in leaves):
            settings[name] = (tree, *map(_make_key, leaves))
    return settings


class Composition(brainstate.State):
    """The version of what a learner is made of: its states, frozen weights and operations.

    Reading `value` in a function that is being compiled has it compiled anew after a change.

    Parameters
    ----------
    owner : brainstate.nn.Module
        The learner.
    """

    _owner: Any
    _inventory: _Inventory | None
    _paths: tuple[_Inventory | None, dict[int, tuple[tuple[Any, ...], brainstate.State]]]
    """The inventory that it is of; from the identity of a state its path, and the state."""
    _environment: Environment

    def __init__(self, owner: brainstate.nn.Module):
        super().__init__(Version(0))
        # Of no trace, wherever it is first looked at: traces follow states from outside of them.
        vars(self).update(_owner=owner, _inventory=None, _paths=(None, {}), _level=0)
        vars(self).update(_environment=Environment())

    @property
    def value(self) -> Version:
        """The version of now."""
        self._look()
        version = self._value
        for k, stack in enumerate(stacks := TRACE_CONTEXT.state_stack):
            # What a function is compiled for is what is there around it, not within it.
            begun = is_begun(self._owner.count, stacks[:k])
            vars(self)["_value"] = dataclasses.replace(version, is_begun=begun)
            stack.read_its_value(self)
        vars(self)["_value"] = version
        return super().value

    def _read_value(self) -> Version:
        self._look()
        return super()._read_value()

    def find_path(self, state: brainstate.State) -> tuple[Any, ...] | None:
        """The path of a state of the owner's model, or None.

        The model is walked anew only after a change, or for a state that has no path yet.
        """
        self._look()
        inventory, paths = self._paths
        if inventory is not self._inventory or id(state) not in paths:
            # With the states, so that no other one has an id of theirs.
            paths = {id(other): (path, other) for path, other in self._owner.model.states().items()}
            vars(self).update(_paths=(self._inventory, paths))
        return paths.get(id(state), (None,))[0]

    def find_name(self, state: brainstate.State | str | tuple[Any, ...]) -> str:
        """The name of a state: its path in the owner's model, with dots; of a name or path, too."""
        if isinstance(state, str | tuple):
            return state if isinstance(state, str) else join_path(state)
        path = self.find_path(state)
        if path is not None:
            return join_path(path)
        for path, node in brainstate.graph.nodes(self._owner.model).items():
            for attribute, other in vars(node).items():
                if other is state:  # A frozen parameter is no state.
                    return join_path((*path, attribute))
        return getattr(state, "name", None) or type(state).__name__

    def restore_value(self, value: Any) -> None:
        """Do nothing: the version follows the learner."""

    def _look(self) -> None:
        """Look whether the learner has other objects, and note the version of now."""
        before, number = self._inventory, self._value.number
        if before is None or before.is_outdated:
            inventory = _Inventory(self._owner)
            if before is not None and not _is_same(inventory.things, before.things):
                number += 1
            vars(self)["_inventory"] = inventory
        vars(self)["_value"] = Version(
            number,
            self._owner.count.is_outdated,
            self._environment.settings_around(),
            is_begun(self._owner.count, TRACE_CONTEXT.state_stack),
        )


def join_path(path: Iterable[Any]) -> str:
    """Join a state's path to its name, with dots."""
    return ".".join(map(str, path))


def _make_key(leaf: Any) -> Any:
    """Make what says which setting it is: equal numbers are one, other objects are themselves."""
    if isinstance(leaf, (jax.Array, np.ndarray)):
        return str(leaf.dtype), leaf.shape, np.asarray(leaf).tobytes()
    return leaf if isinstance(leaf, Hashable) else id(leaf)


class _Inventory:
    """The objects that a learner is made of, and the containers that hold them.

    Attributes
    ----------
    things : list
        States, frozen weights and operations.
    """

    def __init__(self, owner: Any):
        self.things: list[Any] = []
        self._contents: list[tuple[Any, tuple[Any, ...]]] = []
        self._ids: set[int] = set()
        self._visit(owner, is_frozen=False)

    @property
    def is_outdated(self) -> bool:
        """Whether a container holds other objects than it did."""
        return any(not _is_same(_contents_of(x), contents) for x, contents in self._contents)

    def _visit(self, x: Any, is_frozen: bool) -> None:
        if id(x) in self._ids or isinstance(x, Composition):
            return
        self._ids.add(id(x))
        if isinstance(x, (brainstate.State, FakeETraceParam, ETraceOp)):
            self.things.append(x)
        elif is_frozen and not isinstance(x, _CONTAINERS):
            self.things.append(x)
            return
        if isinstance(x, (*_CONTAINERS, *_HOLDERS)):
            contents = tuple(_contents_of(x))
            self._contents.append((x, contents))
            for other in contents:
                self._visit(other, is_frozen or isinstance(x, (FakeETraceParam, ETraceOp)))


_CONTAINERS = (list, tuple, dict)
_HOLDERS = (brainstate.graph.Node, brainstate.State, FakeETraceParam, ETraceOp)


def _contents_of(x: Any) -> Iterable[Any]:
    """What a container or another holder of objects holds, the value of a state apart."""
    if isinstance(x, (list, tuple)):
        return x
    if isinstance(x, dict):
        return x.values()
    if isinstance(x, brainstate.State):
        return [vars(x)["op"]] if "op" in vars(x) else []
    return vars(x).values()


def _is_same(some: Iterable[Any], others: Any) -> bool:
    """Whether two collections hold the same objects, in order."""
    objects = list(some)
    return len(objects) == len(others) and all(map(operator.is_, objects, others))
