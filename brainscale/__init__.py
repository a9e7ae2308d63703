"""Eligibility-trace learning for spiking and recurrent networks, on JAX.

The law that this package obeys is SPEC.md; `pytest conformance/` judges it.
"""

from . import errors, nn
from .engine.inputs import MultiStepData, SingleStepData
from .errors import BrainscaleError
from .exchange import from_nir, to_nir
from .learners import (
    D_RTRL,
    ES_D_RTRL,
    OSTL,
    RTRL,
    EProp,
    HybridDimVjpAlgorithm,
    IODimVjpAlgorithm,
    ParamDimVjpAlgorithm,
    ThreeFactor,
    pp_prop,
)
from .learners.base import EligibilityTrace, ETraceAlgorithm
from .learners.compile import compile
from .learners.former_names import LEARNERS as _LEARNERS
from .learners.former_names import NAMES as _NAMES
from .operators import (
    ConvOp,
    ElemWiseOp,
    EmbeddingOp,
    ETraceOp,
    GroupedMatMulOp,
    LoraOp,
    MatMulOp,
    SpMatMulOp,
)
from .parameters import (
    ElemWiseParam,
    ETraceParam,
    FakeElemWiseParam,
    FakeETraceParam,
    NonTempParam,
)
from .sharding import sequence_sharding, shard
from .states import ETraceGroupState, ETraceHistory, ETraceState, ETraceTreeState
from .training import Trials, fit

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
    "FakeETraceParam",
    "FakeElemWiseParam",
    "GroupedMatMulOp",
    "HybridDimVjpAlgorithm",
    "IODimVjpAlgorithm",
    "LoraOp",
    "MatMulOp",
    "MultiStepData",
    "NonTempParam",
    "ParamDimVjpAlgorithm",
    "SingleStepData",
    "SpMatMulOp",
    "ThreeFactor",
    "Trials",
    "compile",
    "errors",
    "fit",
    "from_nir",
    "nn",
    "pp_prop",
    "sequence_sharding",
    "shard",
    "to_nir",
]

__version__ = "0.2.0"


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def __getattr__(name: str) -> object:
    if name in _LEARNERS:
        return globals()[_LEARNERS[name]]
    mend = f": write {_NAMES[name]}" if name in _NAMES else ""
    raise AttributeError(f"brainscale has no {name}{mend}", name=name)
