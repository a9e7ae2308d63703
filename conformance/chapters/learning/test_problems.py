"""Chapters 9 and 10, by drawn problems: one record of each is judged by all clauses."""

from __future__ import annotations

from conformance.judgement import judge


def test_record(implementation, plan, seed):
    """A record of a problem is the reference's; what differs names its clause."""
    judge(implementation, plan, seed)
