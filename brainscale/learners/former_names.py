"""What brainscale 0.0.x and braintrace call things: taken where it says nothing else here.

The rest is refused with what to write in its place. docs/from-braintrace.md is the whole list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import brainstate

from ..errors import ParameterError

__all__ = ["LEARNERS", "NAMES", "check_attribute", "check_keywords"]

_BATCH = "init_all_states(model, batch_size=B)"

LEARNERS = {
    "DiagHybridDimAlgorithm": "HybridDimVjpAlgorithm",
    "DiagIODimAlgorithm": "ES_D_RTRL",
    "DiagParamDimAlgorithm": "D_RTRL",
}
"""First names of learners, which are taken."""

NAMES = {
    "ETraceVmap": 'brainstate.nn.Vmap(learner, vmap_states="new"), or ' + _BATCH,
    "GradExpon": "braintools.optim.Adam, or another optimizer with momentum",
    "OSTLFeedforward": "OSTL",
    "OSTLRecurrent": "OSTL",
    "SnAp": "RTRL, the exact one, for small models",
    "UORO": "RTRL, the exact one, for small models",
    "conv": "ETraceParam(kernel, ConvOp(...)).execute(x)",
    "element_wise": "ElemWiseParam(weight, fn).execute()",
    "embedding": "ETraceParam(weight, EmbeddingOp()).execute(i)",
    "grouped_matmul": "ETraceParam(weight, GroupedMatMulOp()).execute(x), groups side by side",
    "lora_matmul": 'ETraceParam({"B": B, "A": A}, LoraOp(alpha)).execute(x)',
    "matmul": "ETraceParam(weight, MatMulOp()).execute(x)",
    "sparse_matmul": "ETraceParam(matrix.data, SpMatMulOp(matrix)).execute(x)",
    "stop_param_gradients": "brainstate.transform.grad(f, those_to_learn)",
}
"""Of the package, with what to write here."""

_ATTRIBUTES = {
    "etrace_bwg": "get_etrace_of(parameter)",
    "etrace_dfs": "get_etrace_of(parameter), whose second part is the trace of df",
    "etrace_xs": "get_etrace_of(parameter), whose first part is the trace of x",
    "executor": "show_graph(verbose=False)",
    "graph": "show_graph(verbose=False)",
    "is_compiled": "structure is not None",
    "model4compile": "model",
    "report": "show_graph(verbose=False)",
    "running_index": "count",
}
"""Of a learner, with what to write here."""

_TRACES = "without it: traces are always as TRACE-3 and TRACE-5 have them"

_KEYWORDS = {
    "vjp_method": "without it, and etrace_grad(..., chunk=25) to make several steps at a time: "
    "derivatives are always those of each step, and the past is in the traces",
    "mode": f"without it, and {_BATCH}",
    "diag_jacobian": _TRACES,
    "diag_normalize": _TRACES,
    "fast_solve": _TRACES,
    "normalize_matrix_spectrum": _TRACES,
    "vjp_time": "without it: derivatives are always those of each step, at its end",
}


def check_attribute(learner: Any, name: str) -> None:
    """Refuse the name of an attribute that learners had, with what to write in its place.

    Raises
    ------
    AttributeError
    """
    if name in _ATTRIBUTES:
        kind, mend = type(learner).__name__, _ATTRIBUTES[name]
        raise AttributeError(f"{kind} has no {name}: write {mend}", name=name, obj=learner)


def check_keywords(kind: type, keywords: Mapping[str, Any]) -> None:
    """Take the keywords of earlier learners that ask for what is so here, and refuse all others.

    Parameters
    ----------
    kind : type
        The learner that is made.
    keywords : mapping
        Such as ``vjp_method="single-step"``.

    Raises
    ------
    ParameterError
    """
    for name, value in keywords.items():
        is_mode = value is None or isinstance(value, brainstate.mixin.Mode)
        is_single = isinstance(value, str) and value == "single-step"
        if not {"vjp_method": is_single, "mode": is_mode}.get(name, False):
            mend = _KEYWORDS.get(name, "what inspect.signature says")
            raise ParameterError(
                f"{kind.__name__} takes no {name}={value!r}: write {mend}", got=value
            )
