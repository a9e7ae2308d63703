"""How far an implementation is off, in units of the tolerance: recorded as a test runs.

Registered as a plugin, it hands the largest distance of each test to the verdict, as `distance`
among the properties of its report.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator

import numpy as np
import pytest

from conformance.tolerances import judging

_LARGEST: contextvars.ContextVar[list[float] | None] = contextvars.ContextVar("largest")


def record(apart: np.ndarray, tolerance: np.ndarray) -> None:
    """Take note of how far numbers are apart where so much is allowed, if a test runs."""
    distances = _LARGEST.get(None)
    if distances is None or not np.size(apart):
        return
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(apart > 0, apart / tolerance, 0.0)
    distances.append(float(np.max(shares)))


@contextlib.contextmanager
def pause_recording() -> Iterator[None]:
    """Take no note of distances within a block: what is compared there is not judged."""
    token = _LARGEST.set(None)
    try:
        yield
    finally:
        _LARGEST.reset(token)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Record the distances of a test, and judge by the tolerances of its implementation."""
    distances: list[float] = []
    token = _LARGEST.set(distances)
    callspec = getattr(item, "callspec", None)
    with judging(callspec and callspec.params.get("implementation")):
        yield
    _LARGEST.reset(token)
    if distances:
        item.user_properties.append(("distance", max(distances)))
