"""Neuron models."""

from .firing_patterns import FIRING_PATTERNS, FiringPattern, firing_pattern
from .gif import GIF, GIFTree

__all__ = ["FIRING_PATTERNS", "GIF", "FiringPattern", "GIFTree", "firing_pattern"]
