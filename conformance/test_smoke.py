"""SPEC.md, CONF-3: a valid call of each method is answered, before anything else is judged."""

from __future__ import annotations

import pytest

from conformance.protocol.valid_calls import CALLS, make_valid_call

VALID = [
    pytest.param(call, id=id, marks=pytest.mark.claims(**claimed))
    for id, (call, claimed) in CALLS.items()
]


@pytest.mark.smoke
@pytest.mark.clauses("CONF-3")
@pytest.mark.parametrize("call", VALID)
def test_valid_call(implementation, call):
    make_valid_call(call, implementation)
