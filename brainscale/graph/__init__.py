"""What a learner found in its model: its paths, in words and drawn."""

from .views import LearnerView, explain
from .words import Graph, make_graph

__all__ = ["Graph", "LearnerView", "explain", "make_graph"]
