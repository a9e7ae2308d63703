"""Call one test of the suite from Python, as what a failure says to paste does."""

from __future__ import annotations

import importlib
from typing import Any

import hypothesis

from conformance.drawing import seeded
from conformance.loading import load_adapter
from conformance.tolerances import judging

__all__ = ["call_test"]


def call_test(
    test: str, implementation: str, precision: int, session: int, **arguments: Any
) -> None:
    """Call a test with what it was given where it failed.

    Parameters
    ----------
    test : str
        ``module:function``.
    implementation : str
        ``module:object``, as of the option `--implementation`.
    precision : int
    session : int
        The seed of the run.
    **arguments
        The test's parameters, and what Hypothesis drew.
    """
    hypothesis.settings.register_profile("conformance")
    hypothesis.settings.load_profile("conformance")
    seeded.begin(session)
    module, _, name = test.partition(":")
    function = getattr(importlib.import_module(module), name)
    inner = getattr(getattr(function, "hypothesis", None), "inner_test", function)
    adapter = load_adapter(implementation, precision)
    with judging(adapter):
        inner(implementation=adapter, **arguments)
