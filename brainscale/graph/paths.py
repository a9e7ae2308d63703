"""What reaches what, within a step and through time: queries of a step's structure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..engine.keys import StateId
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
        self.y = {key: set(leaves) for key, leaves in structure.find_y_positions().items()}
        self.reach = {key: sorted(structure.find_entered_groups(y)) for key, y in self.y.items()}
        self.x = structure.find_x_positions()
        self.args, self.out = set(inputs["args"]), outputs["out"]
        self.plain = structure.leaves_of(step.plain, inputs["plain"].start)
        self.others = list(
            zip(
                structure.leaves_of(step.other, inputs["other"].start),
                structure.leaves_of(step.other, outputs["other"].start),
                strict=True,
            )
        )

    def find_crossed(self, key: StateId) -> list[StateId]:
        """Find the operations that paths cross from this one to the losses of later steps.

        They begin with what it puts out. D-RTRL leaves these paths out.
        """
        sources = self.y[key].union(*(self.groups[g] for g in self.reach[key]))
        reached = self._follow(sources | self._find_carriers(sources))
        return [other for other, x in self.x.items() if _is_any(reached, x)]

    def find_into_operation(self, key: StateId) -> tuple[list[Any], list[Any]]:
        """Find the places that an operation's input is made of, as they are and as they were."""
        x, new, old = self.x[key], [], []
        for place, within, before in self._list_places():
            by_new = self._follow(within)
            by_old = self._follow(before)
            if _is_any(by_new, x):
                new.append(place)
            if any((by_old[i] & ~by_new[i]).any() for i in x):
                old.append(place)
        if _is_any(self._follow(self.args), x):
            new.insert(0, INPUT)
        return new, old

    def find_into_output(self) -> list[Any]:
        """Find the places that the output depends on."""
        places = [
            place
            for place, within, before in self._list_places()
            if _is_any(self._follow(within | before), self.out)
        ]
        return [INPUT, *places] if _is_any(self._follow(self.args), self.out) else places

    def find_from_plain(self, position: int) -> list[Any]:
        """Find what a plain parameter enters: operations by identity, groups, the output."""
        reached = self._follow(set(self.plain[position]))
        places: list[Any] = [key for key, x in self.x.items() if _is_any(reached, x)]
        places += [g for g, leaves in self.groups.items() if _is_any(reached, leaves)]
        return [*places, OUTPUT] if _is_any(reached, self.out) else places

    def _list_places(self) -> Iterable[tuple[Any, set[int], set[int]]]:
        """List each place, what makes it anew in a step, and what it was before."""
        for g, leaves in self.groups.items():
            within = {y for key, reach in self.reach.items() if g in reach for y in self.y[key]}
            yield g, within, leaves | self._find_carriers(within | leaves)
        for key, reach in self.reach.items():
            if not reach:
                yield key, self.y[key], self._find_carriers(self.y[key])

    def _find_carriers(self, sources: set[int]) -> set[int]:
        """Find the states, none hidden, that carry what depends on these to the next step."""
        carriers: set[int] = set()
        while True:
            reached = self._follow(sources | carriers)
            more = {i for old, new in self.others if _is_any(reached, new) for i in old}
            if more <= carriers:
                return carriers
            carriers |= more

    def _follow(self, sources: set[int]) -> list[np.ndarray]:
        return self.dependence.reached(sources)


def _is_any(reached: list[np.ndarray], positions: Iterable[int]) -> bool:
    """Whether an element at one of these positions is reached."""
    return any(reached[i].any() for i in positions)
