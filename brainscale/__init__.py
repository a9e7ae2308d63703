"""Eligibility-trace learning for spiking and recurrent networks, on JAX.

The law that this package obeys is SPEC.md; `pytest conformance/` judges it.
"""

from . import errors, nn
from .algorithms import (
    D_RTRL,
    ES_D_RTRL,
    OSTL,
    RTRL,
    EProp,
    HybridDimVjpAlgorithm,
    IODimVjpAlgorithm,
    ParamDimVjpAlgorithm,
    ThreeFactor,
)
from .errors import BrainscaleError
from .learner import EligibilityTrace, ETraceAlgorithm
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

__all__ = [
    "D_RTRL",
    "ES_D_RTRL",
    "OSTL",
    "RTRL",
    "BrainscaleError",
    "ConvOp",
    "EProp",
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
    "HybridDimVjpAlgorithm",
    "IODimVjpAlgorithm",
    "LoraOp",
    "MatMulOp",
    "NonTempParam",
    "ParamDimVjpAlgorithm",
    "SpMatMulOp",
    "ThreeFactor",
    "errors",
    "nn",
]

__version__ = "0.2.0"
