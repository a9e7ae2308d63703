"""Verdicts on the reference that no run has come to."""

from __future__ import annotations

import dataclasses
import time
import types

from conformance.adapters.reference import Reference
from conformance.clauses import CLAUSES
from conformance.profiles import PROFILES
from conformance.protocol import Judged
from conformance.report import Collected, Run, Verdict


def report(clause, outcome="passed", name="reference"):
    """A test's report, as pytest would make it."""
    return types.SimpleNamespace(
        user_properties=[("implementation", name), ("clauses", (clause,))],
        when="call",
        passed=outcome == "passed",
        failed=outcome == "failed",
        skipped=outcome == "skipped",
        nodeid=f"test_x.py::test_{clause}[reference]",
    )


def verdict_of(profile, *, failing=(), without=(), whole=True, full_only=(), **changes):
    """The verdict on the reference, all clauses of which are judged."""
    profile = dataclasses.replace(PROFILES[profile], **changes)
    adapter = Judged(Reference())
    verdict = Verdict([adapter], Run(profile, seed=7, begin=time.perf_counter() - 40))
    verdict.collected = Collected(is_whole=whole)
    for clause in CLAUSES:
        verdict.collected.add("reference", (clause,), clause not in full_only)
        if clause in without:
            continue
        verdict.pytest_runtest_logreport(
            report(clause, "failed" if clause in failing else "passed")
        )
    return verdict, adapter
