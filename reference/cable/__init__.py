"""Morphologies and the passive cable on them: SPEC.md, chapters 7, 8 and 11."""

from .morphology import Morphology
from .passive import Cable
from .sections import Section
from .three_sections import three_section_cell

__all__ = [
    "Cable",
    "Morphology",
    "Section",
    "three_section_cell",
]
