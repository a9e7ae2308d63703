"""Nets from other tools, and for them: graphs of NIR become models, and models graphs."""

from .nir_graphs import from_nir, to_nir

__all__ = ["from_nir", "to_nir"]
