"""The GIF neuron: SPEC.md, chapter 6, and its derivatives and sizes, chapter 11."""

from .dynamics import Dynamics
from .equations import Jacobian, Propagator, Step, exact, exp_euler, reset, triangle
from .gradients import gradient
from .models import GIF, SCALE, GIFTree
from .parameters import UNITS, Parameters, make_defaults, names_of
from .run import Run
from .sensitivity import LearnedDynamics, Sensitivity

__all__ = [
    "GIF",
    "SCALE",
    "UNITS",
    "Dynamics",
    "GIFTree",
    "Jacobian",
    "LearnedDynamics",
    "Parameters",
    "Propagator",
    "Run",
    "Sensitivity",
    "Step",
    "exact",
    "exp_euler",
    "gradient",
    "make_defaults",
    "names_of",
    "reset",
    "triangle",
]
