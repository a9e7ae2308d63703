"""How networks learn: the rules, and whole runs of them (SPEC.md, chapter 10)."""

from .forward_sensitivity import CUTS, FullLearner, full_gradient
from .learner import Learned, Learner, Traced
from .rules import FEEDBACKS, TRACES, Rule, choose_rule, make_trace
from .runs import COMPONENTS, Components, learn, learning_signals, reinforce, run_traces
from .three_factor import ThreeFactor
from .trials import LearnedTrials, learn_trials

__all__ = [
    "COMPONENTS",
    "CUTS",
    "FEEDBACKS",
    "TRACES",
    "Components",
    "FullLearner",
    "Learned",
    "LearnedTrials",
    "Learner",
    "Rule",
    "ThreeFactor",
    "Traced",
    "choose_rule",
    "full_gradient",
    "learn",
    "learn_trials",
    "learning_signals",
    "make_trace",
    "reinforce",
    "run_traces",
]
