"""Parameters, each a weight and its operation, and who is asked when it is applied."""

from .interception import execute, intercepting, is_intercepted
from .parameters import (
    ElemWiseParam,
    ETraceParam,
    FakeElemWiseParam,
    FakeETraceParam,
    NonTempParam,
)

__all__ = [
    "ETraceParam",
    "ElemWiseParam",
    "FakeETraceParam",
    "FakeElemWiseParam",
    "NonTempParam",
    "execute",
    "intercepting",
    "is_intercepted",
]
