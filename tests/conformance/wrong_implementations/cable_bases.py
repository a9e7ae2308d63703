"""What wrong morphologies and cables are made of: the reference's adapter and its parts."""

from __future__ import annotations

import reference
from conformance.adapters.reference_cable import ReferenceCable


class MorphologyAdapter(ReferenceCable):
    """Morphologies alone: a wrong one makes every cable wrong."""

    precision = 64
    capabilities = frozenset({"morphology"})


class CableAdapter(ReferenceCable):
    """Cables alone."""

    precision = 64
    capabilities = frozenset({"cable"})


def of_tree(tree: type) -> type:
    """The adapter of these morphologies."""
    return type(tree.__name__, (MorphologyAdapter,), {"tree_of_sections": tree})


def of_sections(section: type) -> type:
    """The adapter of these sections."""
    return type(section.__name__, (MorphologyAdapter,), {"section": section})


def of_cables(cables: type) -> type:
    """The adapter of these cables."""
    return type(cables.__name__, (CableAdapter,), {"cables": cables})


def of_states(potentials: type) -> type:
    """The adapter of cables whose potentials are such a state."""
    return type(potentials.__name__, (CableAdapter,), {"potentials": potentials})


def trees_with(**methods: object) -> type:
    """The adapter of morphologies with other methods."""
    return of_tree(type("Other", (reference.Morphology,), methods))


def sections_with(**methods: object) -> type:
    """The adapter of sections with other methods."""
    return of_sections(type("Other", (reference.Section,), methods))


def cables_with(**methods: object) -> type:
    """The adapter of cables with other methods."""
    return of_cables(type("Other", (reference.Cable,), methods))
