"""Trainable operations, and the eligibility traces of their weights: SPEC.md, chapter 9.

A trace also gives its part of a gradient (LEARN-2, LEARN-3), which is a sum over the same entries.
"""

from .d_rtrl import DRTRL, next_trace, trace_gradient
from .es_d_rtrl import ESDRTRL, factor_gradient, next_factor, read_decay, read_decays
from .operation_checks import check_operation, extent, weight_shape
from .operations import (
    DENSE,
    Entries,
    Operation,
    convolution,
    dense,
    grouped,
    inner,
    one_input,
    outputs,
    padding,
    sparse,
    sum_by_weight,
)

__all__ = [
    "DENSE",
    "DRTRL",
    "ESDRTRL",
    "Entries",
    "Operation",
    "check_operation",
    "convolution",
    "dense",
    "extent",
    "factor_gradient",
    "grouped",
    "inner",
    "next_factor",
    "next_trace",
    "one_input",
    "outputs",
    "padding",
    "read_decay",
    "read_decays",
    "sparse",
    "sum_by_weight",
    "trace_gradient",
    "weight_shape",
]
