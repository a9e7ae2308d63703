"""What a graph is made of: groups and parameters, what reaches what, and what it costs."""

from __future__ import annotations

import dataclasses
from typing import Any

__all__ = ["GroupNode", "Nodes", "PlainNode", "TracedNode", "describe_shapes", "describe_size"]


@dataclasses.dataclass(frozen=True)
class GroupNode:
    """A hidden group.

    Attributes
    ----------
    states : tuple of str
        Their names.
    shape : tuple of int
        The neurons': batch and population.
    size : int
        d, the variables of each neuron.
    """

    states: tuple[str, ...]
    shape: tuple[int, ...]
    size: int


@dataclasses.dataclass(frozen=True)
class TracedNode:
    """A parameter with a trace, or a frozen one with such an operation.

    Attributes
    ----------
    name, operation, rule : str
        Without a rule it is frozen.
    shapes : dict
        The shape of each leaf of its value.
    groups : tuple of int
        The hidden groups that it reaches by its operation alone, by position.
    new, old : tuple
        What its operation's input is made of, as it is in the same step and as it was in the step
        before: groups by position, other parameters by name, "input".
    numbers, bytes : int
        The size of its trace.
    approximate : str
        Why its gradient is not the true one; empty where it is.
    """

    name: str
    operation: str
    shapes: dict[str, tuple[int, ...]]
    groups: tuple[int, ...]
    new: tuple[Any, ...]
    old: tuple[Any, ...]
    rule: str
    numbers: int
    bytes: int
    approximate: str


@dataclasses.dataclass(frozen=True)
class PlainNode:
    """A parameter without a trace.

    Attributes
    ----------
    name : str
    shapes : dict
        The shape of each leaf of its value.
    into : tuple
        What it enters: groups by position, parameters by name, "output". Nothing: it is frozen.
    approximate : str
        As for `TracedNode`.
    """

    name: str
    shapes: dict[str, tuple[int, ...]]
    into: tuple[Any, ...]
    approximate: str


@dataclasses.dataclass(frozen=True)
class Nodes:
    """What a learner found in its model.

    Attributes
    ----------
    learner, model : str
        Their classes.
    groups : list of GroupNode
    traced : list of TracedNode
    plain : list of PlainNode
    output : tuple
        What the step's output depends on, as for `TracedNode.new`.
    """

    learner: str
    model: str
    groups: list[GroupNode]
    traced: list[TracedNode]
    plain: list[PlainNode]
    output: tuple[Any, ...]

    @property
    def size(self) -> str:
        """How large all traces are together."""
        return describe_size(
            sum(node.numbers for node in self.traced), sum(node.bytes for node in self.traced)
        )


def describe_shapes(shapes: dict[str, tuple[int, ...]]) -> str:
    """Say the shapes of a parameter's leaves."""
    return ", ".join(f"{name} {shape}".strip() for name, shape in shapes.items())


def describe_size(numbers: int, bytes: int) -> str:
    """Say the size of a trace."""
    size, unit = float(bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{numbers} numbers, {size:.3g} {unit}"
