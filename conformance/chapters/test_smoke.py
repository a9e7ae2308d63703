"""SPEC.md, CONF-3: a valid call of each method is answered, before anything else is judged."""

from __future__ import annotations

import pytest

from conformance.protocol.valid_calls import CALLS, make_valid_call

VALID = [
    pytest.param(method, marks=pytest.mark.claims(methods=[method]), id=method) for method in CALLS
]


@pytest.mark.smoke
@pytest.mark.clauses("CONF-3")
@pytest.mark.parametrize("method", VALID)
def test_valid_call(implementation, method):
    make_valid_call(method, implementation)
