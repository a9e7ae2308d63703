"""What is judged through a pipe has the verdict that it has in process."""

from __future__ import annotations

import functools

import pytest

import wrong_implementations
from conformance.adapters import reference
from conformance.clauses import CLAUSES, chapter
from conformance.tolerances import BEHIND_A_PIPE
from judging import Verdict, forget_implementations
from pipes import loop
from wrong_implementations import WRONG


@functools.cache
def adapter_of(name):
    return getattr(wrong_implementations, name)


def in_groups(capability):
    """The wrong implementations that claim a capability, those of the same claims together."""
    for name in WRONG:
        capabilities = adapter_of(name).capabilities
        if capability in capabilities:
            group = "rejected " + " ".join(sorted(capabilities))
            yield pytest.param(name, marks=pytest.mark.xdist_group(group))


@pytest.mark.parametrize("name", [*in_groups("gif"), *in_groups("learning")])
def test_a_wrong_implementation_is_rejected(name):
    broken = WRONG[name].clauses[0]
    of_broken = [clause for clause in CLAUSES if broken in (clause, chapter(clause))]
    verdict = Verdict(loop(adapter_of(name)))
    assert any(verdict.breaks(clause) for clause in of_broken)
    forget_implementations()
