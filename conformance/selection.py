"""Which test judges which clauses, and which implementations it applies to."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.clauses import CLAUSES, applies
from conformance.profiles import Profile
from conformance.protocol.claims import claims_of
from conformance.tolerances import unresolved

__all__ = ["clauses_judged", "is_applicable", "is_in", "marked"]


def marked(node: pytest.Item, name: str) -> tuple[str, ...]:
    """The arguments of all marks of a name."""
    return tuple(argument for mark in node.iter_markers(name) for argument in mark.args)


def clauses_judged(item: pytest.Item) -> tuple[str, ...]:
    """The clauses that a test judges; raises `pytest.UsageError` for none, or what is none."""
    clauses = marked(item, "clauses")
    if not clauses:
        raise pytest.UsageError(f"{item.nodeid} names no clause")
    for clause in clauses:
        if clause not in CLAUSES:
            raise pytest.UsageError(f"{item.nodeid} names {clause}, which SPEC.md does not have")
    return clauses


def is_applicable(node: pytest.Item, adapter: Any) -> bool:
    """Whether an adapter claims what the marks of a test need, as far as these are known."""
    claims, clauses = claims_of(adapter), marked(node, "clauses")
    return all(
        [
            all(claims.cover(**mark.kwargs) for mark in node.iter_markers("claims")),
            claims.cover(capabilities=marked(node, "needs")),
            *(applies(clause, claims) for clause in clauses if clause in CLAUSES),
            not unresolved(adapter) & {*clauses},
        ]
    )


def is_in(item: pytest.Item, profile: Profile) -> bool:
    """Whether a profile runs a test."""
    if profile.name == "smoke":
        return item.get_closest_marker("smoke") is not None
    return profile.name == "full" or item.get_closest_marker("full") is None
