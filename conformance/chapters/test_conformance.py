"""SPEC.md, chapter 14: what an adapter is."""

from __future__ import annotations

import pytest

from conformance.protocol import Judged
from conformance.protocol.claims import misclaimed
from conformance.protocol.implementation import methods_of


@pytest.mark.smoke
@pytest.mark.clauses("CONF-1")
def test_adapter(implementation):
    assert isinstance(implementation.name, str)
    assert implementation.name
    assert implementation.precision in (32, 64), f"precision is {implementation.precision!r}"
    wrong = misclaimed(Judged.of(implementation).adapter)
    assert not wrong, f"{implementation.name} claims {'; '.join(wrong)}"


@pytest.mark.smoke
@pytest.mark.clauses("CONF-2")
def test_methods(implementation):
    judged = Judged.of(implementation)
    missing = {
        f"{method} of {capability}"
        for capability in judged.claims.capabilities
        for method in methods_of(capability)
        if not judged.has(method)
    }
    assert not missing, f"{implementation.name} lacks the methods {', '.join(sorted(missing))}"
