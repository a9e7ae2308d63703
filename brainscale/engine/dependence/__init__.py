"""What depends on what in a step, for all inputs (docs/dependence.md)."""

from .analysis import Dependence

__all__ = ["Dependence"]
