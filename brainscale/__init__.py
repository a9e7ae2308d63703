"""Eligibility-trace learning for spiking and recurrent networks, on JAX.

The law that this package obeys is SPEC.md; `pytest conformance/` judges it.
"""

from . import errors, nn
from .errors import BrainscaleError
from .learner import (
    D_RTRL,
    ES_D_RTRL,
    EligibilityTrace,
    ETraceAlgorithm,
    IODimVjpAlgorithm,
    ParamDimVjpAlgorithm,
)
from .operators import (
    ConvOp,
    ElemWiseOp,
    EmbeddingOp,
    ETraceOp,
    LoraOp,
    MatMulOp,
    SpMatMulOp,
)
from .parameters import ElemWiseParam, ETraceParam, NonTempParam
from .states import ETraceGroupState, ETraceHistory, ETraceState, ETraceTreeState
from .training import fit

__all__ = [
    "D_RTRL",
    "ES_D_RTRL",
    "BrainscaleError",
    "ConvOp",
    "ETraceAlgorithm",
    "ETraceGroupState",
    "ETraceHistory",
    "ETraceOp",
    "ETraceParam",
    "ETraceState",
    "ETraceTreeState",
    "ElemWiseOp",
    "ElemWiseParam",
    "EligibilityTrace",
    "EmbeddingOp",
    "IODimVjpAlgorithm",
    "LoraOp",
    "MatMulOp",
    "NonTempParam",
    "ParamDimVjpAlgorithm",
    "SpMatMulOp",
    "errors",
    "fit",
    "nn",
]

__version__ = "0.2.0"
