"""The verdict: which clauses an implementation passes, in words and as data."""

from __future__ import annotations

import dataclasses
import datetime
import math
import platform
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance.clauses import CHAPTERS, CLAUSES, applies, chapter
from conformance.failing import clauses_at_fault
from conformance.known_failures import Outcomes
from conformance.profiles import PROFILES, Profile
from conformance.protocol import Judged
from conformance.tolerances import measure, unresolved
from conformance.verdicts import FORMAT, write_verdict
from conformance.versions import PROTOCOL, law_version, suite_version

PASSED, FAILED, NOT_APPLICABLE, NOT_JUDGED = "passed", "failed", "not applicable", "not judged"


@dataclasses.dataclass
class Collected:
    """The clauses that the collected tests can judge.

    Attributes
    ----------
    is_whole : bool
        Whether all files of the suite were collected.
    is_full : bool
        Whether none of their tests is left out but by the profile.
    elsewhere : list of tuple of str
        The known failures of tests that apply, but are of another profile.
    judging : dict
        By adapter, the clauses of tests that apply to it, in any profile.
    run : dict
        By adapter, those of tests of the profile that is run.
    """

    is_whole: bool = False
    is_full: bool = False
    elsewhere: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    judging: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    run: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    def add(self, name: str, clauses: Iterable[str], is_run: bool) -> None:
        """Add the clauses of a test that applies to an adapter."""
        for lists in (self.judging, self.run) if is_run else (self.judging,):
            names = lists.setdefault(name, [])
            names += [clause for clause in clauses if clause not in names]


@dataclasses.dataclass(frozen=True)
class Run:
    """How an implementation is judged.

    Attributes
    ----------
    profile : Profile
    seed : int
    begin : float
        When the run began, by `time.perf_counter`.
    law : str
        The version of the law.
    clauses : tuple of str
        Those of that version.
    """

    profile: Profile
    seed: int
    begin: float
    law: str = str(law_version())
    clauses: tuple[str, ...] = CLAUSES

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return time.perf_counter() - self.begin


class Verdict:
    """Gathers the outcomes of tests by implementation and clause.

    Under pytest-xdist it gathers on the controller, from what reports carry with them and from what
    the workers have collected.

    Parameters
    ----------
    adapters : list of Judged
    run : Run
    paths : list of Path
        Where the verdict is written.
    is_worker : bool
        Whether this process is one of pytest-xdist's, and gathers nothing.
    """

    def __init__(
        self, adapters: list[Judged], run: Run, paths: Iterable[Path] = (), is_worker: bool = False
    ):
        self.adapters = adapters
        self._run = run
        self._paths = paths
        self._is_worker = is_worker
        self.collected = Collected()
        #: By implementation and clause: the tests that passed, and those that did not.
        self._passed: dict[tuple[str, str], list[str]] = {}
        self._failed: dict[tuple[str, str], list[str]] = {}
        #: Of all its tests, the largest error in units of the tolerance.
        self._distance: dict[tuple[str, str], float] = {}
        #: By failed test, what its failure says, and those whose failure names its clauses.
        self._said: dict[str, Mapping[str, str]] = {}
        self._blamed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        properties = dict(report.user_properties)
        if "implementation" not in properties:
            return
        keys = [
            (properties["implementation"], clause)
            for clause in clauses_at_fault(properties)
            if clause in self._run.clauses
        ]
        if report.when == "call" and "distance" in properties:
            for key in keys:
                self._distance[key] = max(properties["distance"], self._distance.get(key, 0.0))
        is_over = report.when == "call" and report.passed
        # Nothing here may be skipped or expected to fail: what does not apply is not run.
        is_faulty = report.failed or report.skipped or hasattr(report, "wasxfail")
        outcomes = self._failed if is_faulty else self._passed if is_over else None
        if outcomes is not None:
            for key in keys:
                outcomes.setdefault(key, []).append(report.nodeid)
        if is_faulty:
            self._said[report.nodeid] = properties.get("failure", {})
            if "at fault" in properties:
                self._blamed.add(report.nodeid)
            if "CONF-3" in properties["clauses"] and not self._is_worker:
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
        statuses = {clause: self.status(adapter, clause) for clause in self._run.clauses}
        return (
            self.collected.is_whole
            and FAILED not in statuses.values()
            and all(statuses[clause] == PASSED for clause in judged)
        )

    def conforms(self, adapter: Judged) -> bool:
        """Whether it passes the full profile, without an option that shortens it."""
        full = PROFILES["full"]
        is_full = self._run.profile.name == full.name
        return (
            is_full and self._run.profile.max_examples >= full.max_examples and self.passes(adapter)
        )

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._is_worker:
            session.config.workeroutput["conformance"] = dataclasses.asdict(self.collected)
            return
        if self._failed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        for path in self._paths:
            write_verdict(path, self.as_dict())

    def outcomes(self, adapter: Judged) -> Outcomes:
        """What became of an adapter's tests, by clause."""
        failed, passed = (
            {clause: tests for (name, clause), tests in outcomes.items() if name == adapter.name}
            for outcomes in (self._failed, self._passed)
        )
        elsewhere = frozenset(map(tuple, self.collected.elsewhere))
        blamed = frozenset(self._blamed)
        return Outcomes(failed, passed, blamed, self.collected.is_full, elsewhere)

    @property
    def messages(self) -> dict[str, str]:
        """By failed test, what its failure says."""
        return {test: said.get("message", "") for test, said in self._said.items()}

    def as_dict(self) -> dict[str, Any]:
        """The verdict as docs/verdict.md has it."""
        return {adapter.name: self._of(adapter) for adapter in self.adapters}

    def _of(self, adapter: Judged) -> dict[str, Any]:
        claims = dataclasses.asdict(adapter.claims)
        del claims["methods"]
        return {
            "format": FORMAT,
            "name": adapter.name,
            "law": self._run.law,
            "suite": suite_version,
            "protocol": PROTOCOL,
            "version": adapter.version,
            "url": adapter.url,
            "platform": {
                "system": platform.platform(),
                "python": platform.python_version(),
                "numpy": np.__version__,
            },
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "precision": adapter.precision,
            "resolution": adapter.resolution,
            "claims": {field: sorted(names) for field, names in claims.items()},
            "profile": self._run.profile.name,
            "max_examples": self._run.profile.max_examples,
            "seed": self._run.seed,
            "seconds": round(self._run.seconds, 1),
            "passes": self.passes(adapter),
            "conforms": self.conforms(adapter),
            "statement": f"{adapter.name} {self._words(adapter)}",
            "clauses": {clause: self._of_clause(adapter, clause) for clause in self._run.clauses},
        }

    def _of_clause(self, adapter: Judged, clause: str) -> dict[str, Any]:
        key = (adapter.name, clause)
        failed = self._failed.get(key, [])
        # Of the first by name, whichever came first: workers race.
        said = self._said.get(min(failed), {}) if failed else {}
        return {
            "status": self.status(adapter, clause),
            "distance": self.distance(adapter, clause),
            "passed": len(self._passed.get(key, [])),
            "failed": failed,
            **{name: said.get(name) or None for name in ("message", "example", "command")},
        }

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not (self._passed or self._failed):
            return
        for adapter in self.adapters:
            terminalreporter.section(f"{adapter.name}, {adapter.precision} bits")
            for line in self._lines(adapter):
                terminalreporter.write_line(line)

    def _lines(self, adapter: Judged) -> list[str]:
        columns = (PASSED, FAILED, NOT_APPLICABLE, NOT_JUDGED)
        lines = [f"{'':24}" + "".join(f"{column:>16}" for column in columns)]
        for prefix, (title, _) in CHAPTERS.items():
            statuses = [self.status(adapter, c) for c in self._run.clauses if chapter(c) == prefix]
            counts = [statuses.count(column) or "" for column in columns]
            lines.append(f"{title:24}" + "".join(f"{count:>16}" for count in counts))
        for clause in self._run.clauses:
            failed = self._failed.get((adapter.name, clause))
            if failed:
                tests = dict.fromkeys(_short(test) for test in failed)
                lines.append(f"[{clause}] failed: {', '.join(tests)}")
        distances = {clause: self.distance(adapter, clause) for clause in self._run.clauses}
        shares = [
            f"{clause} {share:.2g}" for clause, share in distances.items() if share is not None
        ]
        if shares:
            lines.append(f"largest errors in units of the tolerance: {', '.join(shares)}")
        how = f"{self._run.profile.name} profile, {self._run.profile.max_examples} examples"
        lines.append(f"{adapter.name} {self._words(adapter)}")
        return [*lines, f"({how}, seed {self._run.seed}, {self._run.seconds:.0f} s)"]

    def _words(self, adapter: Judged) -> str:
        """The claim that an implementation may make after this run (SPEC.md, chapter 14)."""
        bits = f"at {measure(adapter)}"
        if self.conforms(adapter):
            return f"conforms {bits} to {adapter.claims}"
        if any(name == adapter.name for name, _ in self._failed):
            return f"does not conform {bits} to {adapter.claims}"
        if self.passes(adapter):
            return f"passes the {self._run.profile.name} profile {bits}: {adapter.claims}"
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
