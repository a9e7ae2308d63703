"""SPEC.md, chapter 14: what an adapter is."""

from __future__ import annotations

import pytest

from conformance.implementation import CAPABILITIES, methods_of


@pytest.mark.clauses("CONF-1")
def test_adapter(implementation):
    assert isinstance(implementation.name, str)
    assert implementation.name
    assert implementation.precision in (32, 64), f"precision is {implementation.precision!r}"
    unknown = set(implementation.capabilities) - set(CAPABILITIES)
    assert not unknown, f"unknown capabilities: {unknown}"


@pytest.mark.clauses("CONF-2")
def test_methods(implementation):
    missing = [
        method
        for capability in sorted(set(implementation.capabilities) & set(CAPABILITIES))
        for method in methods_of(capability)
        if not callable(getattr(implementation, method, None))
    ]
    assert not missing, f"{implementation.name} claims capabilities without the methods {missing}"
