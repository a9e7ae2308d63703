"""Learning rules, one file each: what it does with traces, and the learner that uses it."""

from .d_rtrl import D_RTRL, ParamDimVjpAlgorithm, ParameterTraces
from .eprop import EProp
from .es_d_rtrl import ES_D_RTRL, InputOutputTraces, IODimVjpAlgorithm, pp_prop
from .hybrid import HybridDimVjpAlgorithm, HybridTraces
from .ostl import OSTL
from .rtrl import RTRL
from .three_factor import ThreeFactor

__all__ = [
    "D_RTRL",
    "ES_D_RTRL",
    "OSTL",
    "RTRL",
    "EProp",
    "HybridDimVjpAlgorithm",
    "HybridTraces",
    "IODimVjpAlgorithm",
    "InputOutputTraces",
    "ParamDimVjpAlgorithm",
    "ParameterTraces",
    "ThreeFactor",
    "pp_prop",
]
