"""What a learner found in its model: its paths, in words and drawn."""

from .views import LearnerView, explain
from .words import Graph, describe_size, make_graph

__all__ = ["Graph", "LearnerView", "describe_size", "explain", "make_graph"]
