"""A run that is held to a list of known failures, or rewrites it: its exit status and its words."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.known_failures import KnownFailures
from conformance.report import Verdict
from conformance.versions import suite_version

__all__ = ["Listing"]


class Listing:
    """Ends a run by a list: whether exactly that failed which is known to.

    Parameters
    ----------
    known : KnownFailures
    verdict : Verdict
        On the one implementation that the list is of.
    law : str
        The version of the law that is judged by.
    written : Path or None
        Where the list is to be rewritten.
    """

    def __init__(self, known: KnownFailures, verdict: Verdict, law: str, written: Path | None):
        self._known = known
        self._verdict = verdict
        self._written = written
        (adapter,) = verdict.adapters
        self._adapter = adapter
        version = "" if adapter.version is None else f" {adapter.version}"
        name = " ".join(adapter.name.split())
        self._pins = {"law": law, "suite": suite_version, "implementation": f"{name}{version}"}

    @functools.cached_property
    def _faults(self) -> list[str]:
        return self._known.find_faults(self._verdict.outcomes(self._adapter), self._pins)

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        """Set the exit status, and rewrite the list, where the run came to its end."""
        outcome = yield
        if session.shouldstop or session.shouldfail:
            return outcome
        if session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            if self._written is not None:
                outcomes = self._verdict.outcomes(self._adapter)
                known = self._known.rewrite(outcomes, self._pins, self._verdict.messages)
                self._written.write_text(known.write(), "utf-8")
            is_right = self._written is not None or not self._faults
            session.exitstatus = pytest.ExitCode.OK if is_right else pytest.ExitCode.TESTS_FAILED
        return outcome

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what is otherwise than listed."""
        terminalreporter.section("known failures")
        if self._written is not None:
            terminalreporter.write_line(f"rewritten: {self._written}")
            return
        for fault in self._faults:
            terminalreporter.write_line(fault)
        words = "exactly as listed" if not self._faults else "not as listed"
        terminalreporter.write_line(f"{words}: {len(self._known.entries)} lines")
