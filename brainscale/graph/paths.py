"""What reaches what, within a step and through time: queries of a step's structure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..engine.step_graph import StepGraph

__all__ = ["INPUT", "OUTPUT", "Paths"]

INPUT, OUTPUT = "input", "output"
"""What a step is given, and what it returns."""


class Paths:
    """The paths of a step from its input over operations and hidden groups to its output.

    A place is a group, by its position; an operation that reaches no group, by the identity of its
    parameter; the input; the output. Frozen operations are among them.

    Parameters
    ----------
    structure : StepGraph
    """

    def __init__(self, structure: StepGraph):
        self.dependence = structure.dependence
        inputs, outputs = structure.inputs, structure.outputs
        step = structure.step
        self.groups = {g: set(group.leaves) for g, group in enumerate(structure.groups)}
        self.y = {key: set(own) for key, own in structure.find_y_positions().items()}
        self.reach = {key: sorted(structure.find_entered_groups(y)) for key, y in self.y.items()}
        self.x = structure.find_x_positions()
        self.args, self.out = set(inputs["args"]), outputs["out"]
        self.plain = structure.leaves_of(step.plain, inputs["plain"].start)
        self.kept = list(
            zip(
                structure.leaves_of(step.other, inputs["other"].start),
                structure.leaves_of(step.other, outputs["other"].start),
                strict=True,
            )
        )

    def crossed(self, key: int) -> list[int]:
        """The operations that paths cross from what this one puts out to the losses of later steps.

        D-RTRL leaves these paths out.
        """
        sources = self.y[key].union(*(self.groups[g] for g in self.reach[key]))
        seen = self._forward(sources | self._carried(sources))
        return [other for other, own in self.x.items() if _any(seen, own)]

    def into_operation(self, key: int) -> tuple[list[Any], list[Any]]:
        """The places that an operation's input is made of: as they are, and as they were before."""
        own, new, old = self.x[key], [], []
        for place, within, before in self._places():
            fresh = self._forward(within)
            kept = self._forward(before)
            if _any(fresh, own):
                new.append(place)
            if any((kept[i] & ~fresh[i]).any() for i in own):
                old.append(place)
        if _any(self._forward(self.args), own):
            new.insert(0, INPUT)
        return new, old

    def into_output(self) -> list[Any]:
        """The places that the output depends on."""
        found = [
            place
            for place, within, before in self._places()
            if _any(self._forward(within | before), self.out)
        ]
        return [INPUT, *found] if _any(self._forward(self.args), self.out) else found

    def of_plain(self, position: int) -> list[Any]:
        """What a plain parameter enters: operations by identity, groups, the output."""
        seen = self._forward(set(self.plain[position]))
        found: list[Any] = [key for key, own in self.x.items() if _any(seen, own)]
        found += [g for g, own in self.groups.items() if _any(seen, own)]
        return [*found, OUTPUT] if _any(seen, self.out) else found

    def _places(self) -> Iterable[tuple[Any, set[int], set[int]]]:
        """Each place, what makes it anew in a step, and what it was before."""
        for g, own in self.groups.items():
            within = {y for key, reach in self.reach.items() if g in reach for y in self.y[key]}
            yield g, within, own | self._carried(within | own)
        for key, reach in self.reach.items():
            if not reach:
                yield key, self.y[key], self._carried(self.y[key])

    def _carried(self, sources: set[int]) -> set[int]:
        """The states that are not hidden and carry what depends on these to the next step."""
        found: set[int] = set()
        while True:
            seen = self._forward(sources | found)
            more = {i for old, new in self.kept if _any(seen, new) for i in old}
            if more <= found:
                return found
            found |= more

    def _forward(self, sources: set[int]) -> list[np.ndarray]:
        return self.dependence.reached(sources)


def _any(seen: list[np.ndarray], positions: Iterable[int]) -> bool:
    return any(seen[i].any() for i in positions)
