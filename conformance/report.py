"""The verdict: which clauses an implementation passes, in words and as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from conformance.clauses import CHAPTERS, CLAUSES, applies, chapter
from conformance.profiles import PROFILES, Profile
from conformance.protocol import Judged
from conformance.tolerances import measure, unresolved

PASSED, FAILED, NOT_APPLICABLE, NOT_JUDGED = "passed", "failed", "not applicable", "not judged"


@dataclasses.dataclass
class Collected:
    """The clauses that the collected tests can judge.

    Attributes
    ----------
    is_whole : bool
        Whether all files of the suite were collected.
    judging : dict
        By adapter, the clauses of tests that apply to it, in any profile.
    run : dict
        By adapter, those of tests of the profile that is run.
    """

    is_whole: bool = False
    judging: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    run: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    def add(self, name: str, clauses: Iterable[str], is_run: bool) -> None:
        """Add the clauses of a test that applies to an adapter."""
        for lists in (self.judging, self.run) if is_run else (self.judging,):
            names = lists.setdefault(name, [])
            names += [clause for clause in clauses if clause not in names]


class Verdict:
    """Gathers the outcomes of tests by implementation and clause.

    Under pytest-xdist it gathers on the controller, from what reports carry with them and from what
    the workers have collected.
    """

    def __init__(
        self,
        adapters: list[Judged],
        profile: Profile,
        seed: int,
        path: str | None,
        begin: float,
        is_worker: bool,
    ):
        self._adapters = adapters
        self._profile = profile
        self._seed = seed
        self._path = path
        self._is_worker = is_worker
        self._begin = begin
        self.collected = Collected()
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
            for clause in properties.get("at fault", properties["clauses"]):
                key = (properties["implementation"], clause)
                self._distance[key] = max(properties["distance"], self._distance.get(key, 0.0))
        is_over = report.when == "call" and report.passed
        # Nothing here may be skipped or expected to fail: what does not apply is not run.
        is_faulty = report.failed or report.skipped or hasattr(report, "wasxfail")
        outcomes = self._failed if is_faulty else self._passed if is_over else None
        if outcomes is not None:
            for clause in properties.get("at fault", properties["clauses"]):
                key = (properties["implementation"], clause)
                outcomes.setdefault(key, []).append(report.nodeid)
        if is_faulty and "CONF-3" in properties["clauses"] and not self._is_worker:
            _stop(report, properties["implementation"])

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over the collected tests of a worker."""
        output = getattr(node, "workeroutput", {}).get("conformance")
        if output:
            self.collected = Collected(**output)

    def status(self, adapter: Judged, clause: str) -> str:
        """The status of a clause: one of the four above."""
        key = (adapter.name, clause)
        if key in self._failed:
            return FAILED
        if key in self._passed:
            return PASSED
        no_test = clause not in self.collected.judging.get(adapter.name, ())
        applicable = applies(clause, adapter.claims) and clause not in unresolved(adapter)
        if not applicable or (self.collected.is_whole and no_test):
            return NOT_APPLICABLE
        return NOT_JUDGED

    def distance(self, adapter: Any, clause: str) -> float | None:
        """The largest error in units of the tolerance; None where there is none, or no unit."""
        distance = self._distance.get((adapter.name, clause))
        return None if distance is None or math.isinf(distance) else distance

    def passes(self, adapter: Judged) -> bool:
        """Whether every clause that the profile judges of this adapter was judged and passed."""
        judged = self.collected.run.get(adapter.name, ())
        statuses = {clause: self.status(adapter, clause) for clause in CLAUSES}
        return (
            self.collected.is_whole
            and FAILED not in statuses.values()
            and all(statuses[clause] == PASSED for clause in judged)
        )

    def conforms(self, adapter: Judged) -> bool:
        """Whether it passes the full profile, without an option that shortens it."""
        full = PROFILES["full"]
        is_full = self._profile.name == full.name
        return is_full and self._profile.max_examples >= full.max_examples and self.passes(adapter)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._is_worker:
            session.config.workeroutput["conformance"] = dataclasses.asdict(self.collected)
            return
        if self._failed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if self._path:
            Path(self._path).write_text(json.dumps(self.as_dict(), indent=1), "utf-8")

    @property
    def _seconds(self) -> float:
        return time.perf_counter() - self._begin

    def as_dict(self) -> dict[str, Any]:
        """The verdict as JSON has it."""
        return {adapter.name: self._of(adapter) for adapter in self._adapters}

    def _of(self, adapter: Judged) -> dict[str, Any]:
        claims = dataclasses.asdict(adapter.claims)
        del claims["methods"]
        return {
            "precision": adapter.precision,
            "resolution": adapter.resolution,
            "claims": {field: sorted(names) for field, names in claims.items()},
            "profile": self._profile.name,
            "max_examples": self._profile.max_examples,
            "seed": self._seed,
            "seconds": round(self._seconds, 1),
            "passes": self.passes(adapter),
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

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not (self._passed or self._failed):
            return
        for adapter in self._adapters:
            terminalreporter.section(f"{adapter.name}, {adapter.precision} bits")
            for line in self._lines(adapter):
                terminalreporter.write_line(line)

    def _lines(self, adapter: Judged) -> list[str]:
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
        shares = [
            f"{clause} {share:.2g}" for clause, share in distances.items() if share is not None
        ]
        if shares:
            lines.append(f"largest errors in units of the tolerance: {', '.join(shares)}")
        how = f"{self._profile.name} profile, {self._profile.max_examples} examples"
        lines.append(f"{adapter.name} {self._words(adapter)}")
        return [*lines, f"({how}, seed {self._seed}, {self._seconds:.0f} s)"]

    def _words(self, adapter: Judged) -> str:
        """The claim that an implementation may make after this run (SPEC.md, chapter 14)."""
        bits = f"at {measure(adapter)}"
        if self.conforms(adapter):
            return f"conforms {bits} to {adapter.claims}"
        if any(name == adapter.name for name, _ in self._failed):
            return f"does not conform {bits} to {adapter.claims}"
        if self.passes(adapter):
            return f"passes the {self._profile.name} profile {bits}: {adapter.claims}"
        return f"was not judged {bits} on every clause of {adapter.claims}"


def _stop(report: pytest.TestReport, name: str) -> None:
    """End the run where an adapter is at fault: nothing that follows would be a verdict."""
    crash = getattr(report.longrepr, "reprcrash", None)
    kind, _, message = crash.message.partition(": ") if crash else ("", "", report.longreprtext)
    # What an adapter says that it does not have, others may be judged without.
    if kind != NotImplementedError.__name__:
        fault = " ".join(message.split())
        pytest.exit(f"the adapter of {name} is at fault: {fault}", returncode=2)


def _short(nodeid: str) -> str:
    return nodeid.partition("::")[2].partition("[")[0]
