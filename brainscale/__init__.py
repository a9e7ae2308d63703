"""Eligibility-trace learning for spiking and recurrent networks, on JAX.

The law that this package obeys is SPEC.md; `pytest conformance/` judges it.
"""

from . import errors, nn
from .errors import BrainscaleError
from .states import ETraceGroupState, ETraceHistory, ETraceState, ETraceTreeState

__all__ = [
    "BrainscaleError",
    "ETraceGroupState",
    "ETraceHistory",
    "ETraceState",
    "ETraceTreeState",
    "errors",
    "nn",
]

__version__ = "0.2.0"
