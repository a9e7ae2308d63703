"""The verdict: which clauses an implementation passes, in words and as JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from conformance.clauses import CHAPTERS, CLAUSES, capabilities, chapter
from conformance.tolerances import measure, unresolved

PASSED, FAILED, NOT_APPLICABLE, NOT_JUDGED = "passed", "failed", "not applicable", "not judged"


class Verdict:
    """Gathers the outcomes of tests by implementation and clause.

    Under pytest-xdist it gathers on the controller, from what reports carry with them.
    """

    def __init__(self, adapters: list[Any], path: str | None):
        self._adapters = adapters
        self._path = path
        #: By implementation and clause: the tests that passed, and those that did not.
        self._passed: dict[tuple[str, str], list[str]] = {}
        self._failed: dict[tuple[str, str], list[str]] = {}
        #: Of all its tests, the largest error in units of the tolerance.
        self._distance: dict[tuple[str, str], float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        properties = dict(report.user_properties)
        if "implementation" not in properties:
            return
        if report.when == "call" and "distance" in properties:
            for clause in properties["clauses"]:
                key = (properties["implementation"], clause)
                self._distance[key] = max(properties["distance"], self._distance.get(key, 0.0))
        ran = report.when == "call" and report.passed
        # Nothing here may be skipped or expected to fail: what does not apply is not run.
        faulty = report.failed or report.skipped or hasattr(report, "wasxfail")
        outcomes = self._failed if faulty else self._passed if ran else None
        if outcomes is not None:
            for clause in properties["clauses"]:
                key = (properties["implementation"], clause)
                outcomes.setdefault(key, []).append(report.nodeid)

    def status(self, adapter: Any, clause: str) -> str:
        """What became of a clause."""
        key = (adapter.name, clause)
        if key in self._failed:
            return FAILED
        if key in self._passed:
            return PASSED
        applies = capabilities((clause,)) <= set(adapter.capabilities)
        applies = applies and clause not in unresolved(adapter)
        return NOT_JUDGED if applies else NOT_APPLICABLE

    def distance(self, adapter: Any, clause: str) -> float | None:
        """The largest error in units of the tolerance; None where there is none, or no unit."""
        found = self._distance.get((adapter.name, clause))
        return None if found is None or math.isinf(found) else found

    def conforms(self, adapter: Any) -> bool:
        """Whether every clause of every claimed capability was judged and passed."""
        return {self.status(adapter, clause) for clause in CLAUSES} <= {PASSED, NOT_APPLICABLE}

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._failed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        is_worker = hasattr(session.config, "workerinput")
        if self._path and not is_worker:
            Path(self._path).write_text(json.dumps(self.as_dict(), indent=1), "utf-8")

    def as_dict(self) -> dict[str, Any]:
        """The verdict as JSON has it."""
        return {
            adapter.name: {
                "precision": adapter.precision,
                "resolution": getattr(adapter, "resolution", None),
                "conforms": self.conforms(adapter),
                "clauses": {
                    clause: {
                        "status": self.status(adapter, clause),
                        "distance": self.distance(adapter, clause),
                        "failed": self._failed.get((adapter.name, clause), []),
                    }
                    for clause in CLAUSES
                },
            }
            for adapter in self._adapters
        }

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not (self._passed or self._failed):
            return
        for adapter in self._adapters:
            terminalreporter.section(f"{adapter.name}, {adapter.precision} bits")
            for line in self._lines(adapter):
                terminalreporter.write_line(line)

    def _lines(self, adapter: Any) -> list[str]:
        columns = (PASSED, FAILED, NOT_APPLICABLE, NOT_JUDGED)
        lines = [f"{'':24}" + "".join(f"{column:>16}" for column in columns)]
        for prefix, (title, _) in CHAPTERS.items():
            statuses = [self.status(adapter, c) for c in CLAUSES if chapter(c) == prefix]
            counts = [statuses.count(column) or "" for column in columns]
            lines.append(f"{title:24}" + "".join(f"{count:>16}" for count in counts))
        for clause in CLAUSES:
            failed = self._failed.get((adapter.name, clause))
            if failed:
                tests = dict.fromkeys(_short(test) for test in failed)
                lines.append(f"[{clause}] failed: {', '.join(tests)}")
        distances = {clause: self.distance(adapter, clause) for clause in CLAUSES}
        off = [f"{clause} {found:.2g}" for clause, found in distances.items() if found is not None]
        if off:
            lines.append(f"largest errors in units of the tolerance: {', '.join(off)}")
        if self.conforms(adapter):
            verdict = "conforms"
        elif any(name == adapter.name for name, _ in self._failed):
            verdict = "does not conform"
        else:
            verdict = "was not judged on every clause"
        return [*lines, f"{adapter.name} {verdict} at {measure(adapter)}"]


def _short(nodeid: str) -> str:
    return nodeid.partition("::")[2].partition("[")[0]
