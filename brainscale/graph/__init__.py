"""What a learner found in its model: its paths, in words and drawn."""

from .views import LearnerView, explain
from .words import Graph, describe_learner, make_graph

__all__ = ["Graph", "LearnerView", "describe_learner", "explain", "make_graph"]
