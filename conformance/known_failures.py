"""Known failures: a file that lists what fails, so that anything else is told.

A line is ``CLAUSE [part of a test's id]  # why, link``. The list never makes an implementation
conform: the exit status alone says whether exactly that fails which is listed.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from conformance.clauses import CLAUSES

__all__ = ["Entry", "KnownFailures", "Outcomes"]

_PINS = ("law", "suite", "implementation")
"""Of what a list says the version, above its entries."""

_FIRST_LINE = "# What is known to fail. `--write-known-failures` rewrites this; comments are kept."


class Entry(NamedTuple):
    """A line of the list.

    Attributes
    ----------
    clause : str
    part : str
        What the id of a test has in it; empty: any test of the clause.
    why : str
        The comment behind it.
    above : tuple of str
        The lines of comments above it.
    """

    clause: str
    part: str = ""
    why: str = ""
    above: tuple[str, ...] = ()

    def matches(self, clause: str, test: str) -> bool:
        """Whether it lists the failure of a test by a clause."""
        return clause == self.clause and self.part in test

    def __str__(self) -> str:
        text = f"{self.clause} {self.part}".strip()
        return f"{text}  # {self.why}" if self.why else text


@dataclasses.dataclass(frozen=True)
class Outcomes:
    """What became of an implementation's tests, each by a clause that it judges.

    Attributes
    ----------
    failed, passed : dict
        By clause, tests by their ids.
    blamed : set of str
        The failed tests of drawn problems, whose failure names the clause.
    is_full : bool
        Whether the whole suite was run, as far as the profile goes.
    elsewhere : set of tuple of str
        The clause and the part of entries of tests that another profile runs.
    """

    failed: Mapping[str, list[str]]
    passed: Mapping[str, list[str]]
    blamed: frozenset[str] = frozenset()
    is_full: bool = False
    elsewhere: frozenset[tuple[str, str]] = frozenset()

    def has_failed(self, entry: Entry) -> bool:
        """Whether a failed test is listed by an entry."""
        return any(entry.part in test for test in self.failed.get(entry.clause, ()))

    def has_passed(self, entry: Entry) -> bool:
        """Whether a test that is listed by an entry passed, and none failed."""
        is_passed = any(entry.part in test for test in self.passed.get(entry.clause, ()))
        return is_passed and not self.has_failed(entry)

    def is_missing(self, entry: Entry) -> bool:
        """Whether the whole suite has no test that is listed by an entry."""
        is_judged = self.has_failed(entry) or self.has_passed(entry)
        return self.is_full and not is_judged and entry[:2] not in self.elsewhere


@dataclasses.dataclass(frozen=True)
class KnownFailures:
    """A list of known failures.

    Attributes
    ----------
    pins : dict
        Of what it says the version, and that version.
    entries : tuple of Entry
    first, last : tuple of str
        The lines of comments above all else, and below it.
    """

    pins: Mapping[str, str] = dataclasses.field(default_factory=dict)
    entries: tuple[Entry, ...] = ()
    first: tuple[str, ...] = (_FIRST_LINE,)
    last: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str) -> KnownFailures:
        """Read a list; raises `ValueError` for a line that names no clause."""
        pins: dict[str, str] = {}
        entries: list[Entry] = []
        first: tuple[str, ...] = ()
        above: list[str] = []
        for number, line in enumerate(text.splitlines(), 1):
            said, _, why = line.partition("#")
            name, _, rest = said.strip().partition(" ")
            if not name:
                above.append(line)
            elif name in _PINS and not entries:
                if not pins:
                    first, above = tuple(above), []
                pins[name] = rest.strip()
            elif name in CLAUSES:
                entries.append(Entry(name, rest.strip(), why.strip(), tuple(above)))
                above = []
            else:
                raise ValueError(f"line {number}: {name} is no clause of SPEC.md")
        return cls(pins, tuple(entries), first, tuple(above))

    def write(self) -> str:
        """Write the list, as `read` reads it."""
        lines = [*self.first, *(f"{name} {self.pins[name]}" for name in _PINS if name in self.pins)]
        for entry in self.entries:
            lines += [*entry.above, str(entry)]
        return "\n".join([*lines, *self.last]) + "\n"

    def covers(self, clauses: Iterable[str], test: str) -> bool:
        """Whether a test's failure by these clauses is listed: by each of them."""
        return all(any(entry.matches(c, test) for entry in self.entries) for c in clauses)

    def find_listed(self, clauses: Iterable[str], test: str) -> list[tuple[str, str]]:
        """Find the entries that list a test of these clauses, each by its clause and part."""
        return [e[:2] for e in self.entries if any(e.matches(c, test) for c in clauses)]

    def find_faults(self, outcomes: Outcomes, pins: Mapping[str, str]) -> list[str]:
        """Find what is otherwise than listed, each fault on a line.

        Parameters
        ----------
        outcomes : Outcomes
        pins : mapping
            The versions of law, suite and implementation.
        """
        faults = [
            f"the list is of {name} {pinned}, which is {pins[name]} now"
            for name, pinned in self.pins.items()
            if pinned != pins[name]
        ]
        faults += [f"regression: {clause} {test}" for clause, test in self._unlisted(outcomes)]
        for entry in self.entries:
            if outcomes.has_passed(entry):
                faults.append(f"passed, delete this line: {entry}")
            elif outcomes.is_missing(entry):
                faults.append(f"not judged, delete this line: {entry}")
        return faults

    def _unlisted(self, outcomes: Outcomes) -> list[tuple[str, str]]:
        return [
            (clause, test)
            for clause, tests in outcomes.failed.items()
            for test in tests
            if not self.covers([clause], test)
        ]

    def rewrite(
        self, outcomes: Outcomes, pins: Mapping[str, str], messages: Mapping[str, str]
    ) -> KnownFailures:
        """Make the list of what fails; what is listed rightly stays as it is.

        Parameters
        ----------
        outcomes : Outcomes
        pins : mapping
            The versions of law, suite and implementation.
        messages : mapping
            By test, what its failure says.
        """
        stay = [
            entry
            for entry in self.entries
            if not (outcomes.has_passed(entry) or outcomes.is_missing(entry))
        ]
        new: dict[tuple[str, str], Entry] = {}
        for clause, test in self._unlisted(outcomes):
            part = _part(clause, test, outcomes)
            new.setdefault((clause, part), Entry(clause, part, _shorten(messages.get(test, ""))))
        entries = sorted([*stay, *new.values()], key=lambda e: (CLAUSES.index(e.clause), e.part))
        return dataclasses.replace(self, pins=dict(pins), entries=tuple(entries))


def _part(clause: str, test: str, outcomes: Outcomes) -> str:
    """What lists a test: its function's name where all cases fail, or where problems are drawn."""
    function = test.partition("[")[0]
    passed = outcomes.passed.get(clause, ())
    is_whole = test in outcomes.blamed or not any(x.startswith(f"{function}[") for x in passed)
    return (function if is_whole else test).rpartition("/")[2]


def _shorten(message: str) -> str:
    """The beginning of a message on one line, without what would begin another comment."""
    line = re.sub(r"[\s#]+", " ", message)
    return line if len(line) <= 100 else f"{line[:97]}..."
