"""Names of parameters, from which pytest makes the ids of tests: words joined by '-'."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from conformance.protocol.implementation import Value

__all__ = ["words"]


def words(value: Any) -> str:
    """A value in lower case words, digits, '-' and '_': what can be typed behind `-k`."""
    return re.sub(r"[^a-z0-9_]+", "-", _describe(value).lower()).strip("-") or "empty"


def _describe(value: Any) -> str:
    """Describe a value in short."""
    if isinstance(value, Value):
        return f"{_describe(np.asarray(value.array))} {value.unit or 'bare'}"
    if isinstance(value, np.ndarray):
        shape = "x".join(map(str, value.shape)) or "scalar"
        return f"{value.dtype.name} {shape}"
    if isinstance(value, str):
        # A word of its own for each capital behind a small letter, as in UnitError.
        return re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "-", value).replace("^-", " per ")
    if isinstance(value, Mapping):
        return "-".join(_describe(key) for key in value)
    if isinstance(value, (tuple, list)):
        return "-".join(map(_describe, value))
    if value is None or isinstance(value, (bool, int, float, complex, np.generic)):
        return re.sub(r"^-", "minus ", str(value))
    return str(getattr(value, "__name__", type(value).__name__))
