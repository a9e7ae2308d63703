"""How networks learn: the rules, and whole runs of them (SPEC.md, chapter 10)."""

from .forward_sensitivity import CUTS, FullLearner, full_gradient
from .learner import Learned, Learner, Traced
from .rules import FEEDBACKS, TRACES, Rule, make_trace, own_rule
from .runs import PARTS, Parts, learn, learning_signals, reinforce, run_traces
from .three_factor import ThreeFactor

__all__ = [
    "CUTS",
    "FEEDBACKS",
    "PARTS",
    "TRACES",
    "FullLearner",
    "Learned",
    "Learner",
    "Parts",
    "Rule",
    "ThreeFactor",
    "Traced",
    "full_gradient",
    "learn",
    "learning_signals",
    "make_trace",
    "own_rule",
    "reinforce",
    "run_traces",
]
