"""What a learner found in its model: its paths, in words and drawn."""

from .shown import Shown
from .words import Graph

__all__ = ["Graph", "Shown"]
