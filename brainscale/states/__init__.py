"""The state classes (SPEC.md, chapters 1 to 5)."""

from .group import ETraceGroupState
from .history import ETraceHistory
from .single import ETraceState
from .tree import ETraceTreeState

__all__ = ["ETraceGroupState", "ETraceHistory", "ETraceState", "ETraceTreeState"]
