"""Learning rules, one file each."""

from .io_dim import InputOutputTraces
from .param_dim import ParameterTraces
from .rule import Parameter, Rule

__all__ = ["InputOutputTraces", "Parameter", "ParameterTraces", "Rule"]
