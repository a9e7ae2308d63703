"""Learning rules, one file each: what it does with traces, and the learner that uses it."""

from .io_dim import ES_D_RTRL, InputOutputTraces, IODimVjpAlgorithm, pp_prop
from .param_dim import D_RTRL, ParamDimVjpAlgorithm, ParameterTraces

__all__ = [
    "D_RTRL",
    "ES_D_RTRL",
    "IODimVjpAlgorithm",
    "InputOutputTraces",
    "ParamDimVjpAlgorithm",
    "ParameterTraces",
    "pp_prop",
]
