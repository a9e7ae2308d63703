"""The part of the reference's adapter for morphologies and the passive cable."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import reference
from conformance.protocol.implementation import Section, Value
from conformance.translation.values import from_reference, to_reference


class ReferenceCable:
    """`Morphology` and `Cable` of `conformance.protocol.implementation`.

    The class attributes below are what the methods use; a subclass may replace them.
    """

    section = reference.Section
    tree_of_sections = reference.Morphology
    cables = reference.Cable
    potentials = reference.ETraceGroupState

    def build(self, sections: Sequence[Section]) -> reference.Morphology:
        """Build the reference's morphology."""
        reference_sections = []
        for section in sections:
            fields = {f.name: getattr(section, f.name) for f in dataclasses.fields(section)}
            reference_sections.append(self.section(**to_reference(fields)))
        return self.tree_of_sections(reference_sections)

    def morphology(self, sections: Sequence[Section]) -> dict[str, Value]:
        cell = self.build(sections)
        return {
            "area": Value(cell.area, "um^2"),
            "R_left": Value(cell.R_left, "Mohm"),
            "R_right": Value(cell.R_right, "Mohm"),
            "coupling": Value(cell.coupling(), "uS"),
        }

    def site(self, sections: Sequence[Section], site: Any) -> int:
        return self.build(sections).site(site)

    def cable(
        self, size: tuple[int, ...], sections: Sequence[Section], parameters: Mapping[str, Any]
    ) -> reference.Cable:
        """The reference's population."""
        return self.cables(size, self.build(sections), to_reference(dict(parameters)))

    def cable_initial(
        self,
        size: tuple[int, ...],
        batch: int | None,
        sections: Sequence[Section],
        parameters: Mapping[str, Any],
    ) -> tuple[Value, int, tuple[int, ...]]:
        cable = self.cable(size, sections, parameters)
        V = self.potentials(cable.initial(() if batch is None else (batch,)), name="V")
        return from_reference(V.value), V.num_state, V.varshape

    def cable_step(
        self,
        size: tuple[int, ...],
        sections: Sequence[Section],
        parameters: Mapping[str, Any],
        V: Value,
        current: Any,
        dt: Any,
    ) -> Value:
        cable = self.cable(size, sections, parameters)
        return from_reference(cable.step(*map(to_reference, (V, current, dt))))

    def cable_run(
        self,
        size: tuple[int, ...],
        sections: Sequence[Section],
        parameters: Mapping[str, Any],
        V: Value,
        currents: Value,
        dt: Value,
    ) -> Value:
        cable = self.cable(size, sections, parameters)
        return from_reference(cable.run(*map(to_reference, (V, currents, dt))))

    def cable_jacobian(
        self, sections: Sequence[Section], parameters: Mapping[str, Any], dt: Value
    ) -> dict[str, np.ndarray]:
        jacobian = self.cable((), sections, parameters).jacobian(to_reference(dt))
        return {"state": jacobian.state, "current": jacobian.current}
