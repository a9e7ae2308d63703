"""Neuron models."""

from .braincell import from_braincell, from_swc, install_group_state
from .cable import PassiveCable
from .firing_patterns import FIRING_PATTERNS, FiringPattern, firing_pattern
from .gif import GIF, GIFTree
from .morphology import Compartments, Morphology, Section

__all__ = [
    "FIRING_PATTERNS",
    "GIF",
    "Compartments",
    "FiringPattern",
    "GIFTree",
    "Morphology",
    "PassiveCable",
    "Section",
    "firing_pattern",
    "from_braincell",
    "from_swc",
    "install_group_state",
]
