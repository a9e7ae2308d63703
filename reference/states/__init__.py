"""The states that hold values, with their names, paths and history: SPEC.md, chapters 2 to 5."""

from .group import ETraceGroupState
from .single import ETraceState
from .tree import ETraceTreeState

__all__ = [
    "ETraceGroupState",
    "ETraceState",
    "ETraceTreeState",
]
