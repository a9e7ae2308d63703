"""The versions of law, suite and protocol, and the lock that no clause changes behind (chapter 15).

`clauses.lock` has a line for each text that a clause has had: its id, the version since which it
reads so, a hash of the text, and the version in which the clause was retired. Lines are added and
never taken away, so that no id is used again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from conformance import __version__ as suite_version
from conformance.clauses import CLAUSES, SPEC, TEXTS, chapter

__all__ = [
    "LOCK",
    "PROTOCOL",
    "Line",
    "Version",
    "changes",
    "clauses_of_version",
    "find_faults",
    "hash_text",
    "law_version",
    "read_lock",
    "suite_version",
    "update_lock",
    "write_lock",
]

LOCK = Path(__file__).parent / "clauses.lock"

HEADER = """\
# The texts that the clauses of SPEC.md have had, as `python -m conformance lock` adds them.
# clause, version since which it reads so, hash of its text, version in which it was retired
"""


class Version(NamedTuple):
    """A version of the law."""

    major: int
    minor: int

    @classmethod
    def of(cls, text: str) -> Version:
        """Read a version such as "1.0"; raises `ValueError` where it is none."""
        match = re.fullmatch(r"(\d+)\.(\d+)", text)
        if match is None:
            raise ValueError(f"{text!r} is no version of the law, such as 1.0")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


class Line(NamedTuple):
    """A text of a clause, in the lock."""

    clause: str
    since: Version
    hash: str
    retired: Version | None = None

    def __str__(self) -> str:
        return f"{self.clause:10} {self.since}  {self.hash}  {self.retired or '-'}"


def law_version() -> Version:
    """Read the version of the law, which SPEC.md states."""
    return Version.of(re.search(r"^Version: (.*)$", SPEC.read_text("utf-8"), re.MULTILINE)[1])


#: The version of what crosses an adapter: a change of it is a change of the law's MAJOR.
PROTOCOL = law_version().major


def changes(law: str) -> dict[Version, str]:
    """By version, what the law says has changed in it (its chapter 15)."""
    entries = re.findall(
        r"^- \*\*(\d+\.\d+)\*\*(.*?)(?=^- \*\*|\n\n|\Z)",
        law.partition("## 15 Versions")[2],
        re.DOTALL | re.MULTILINE,
    )
    return {Version.of(version): text for version, text in entries}


def hash_text(text: str) -> str:
    """Hash a clause's text, in which line breaks are spaces."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_lock(text: str | None = None) -> list[Line]:
    """Read the lines of the lock."""
    text = LOCK.read_text("utf-8") if text is None else text
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return [
        Line(clause, Version.of(since), hash, None if retired == "-" else Version.of(retired))
        for clause, since, hash, retired in rows
    ]


def write_lock(lines: Iterable[Line]) -> str:
    """Write the text of the lock."""
    return HEADER + "".join(f"{line}\n" for line in lines)


def clauses_of_version(version: Version) -> tuple[str, ...]:
    """The clauses that the law had in a version, in its order.

    Raises
    ------
    ValueError
        The suite has no tests of that version: it is later, or of another MAJOR.
    """
    last = law_version()
    if not Version(last.major, 0) <= version <= last:
        raise ValueError(f"this suite judges by the versions {last.major}.0 to {last}")
    had = {line.clause for line in read_lock() if line.since <= version}
    return tuple(clause for clause in CLAUSES if clause in had)


def find_faults(
    lock: list[Line], texts: Mapping[str, str], said: Mapping[Version, str], version: Version
) -> list[str]:
    """Find what the lock and the law say differently, each fault in a sentence.

    Parameters
    ----------
    lock : list of Line
    texts : mapping
        By clause, its text in the law.
    said : mapping
        By version, what the law says has changed.
    version : Version
        Of the law.
    """
    last = {line.clause: line for line in lock}  # of several lines of a clause the last
    faults = [
        f"{clause} is new, or its text is not the locked one"
        for clause, text in texts.items()
        if clause not in last or last[clause].hash != hash_text(text)
    ]
    for clause, line in last.items():
        if line.retired is None and clause not in texts:
            faults.append(f"{clause} is gone, and is not retired")
        if line.retired is not None and clause in texts:
            faults.append(f"{clause} was retired in {line.retired}, and is used again")
        if line.retired is not None and line.retired.minor:
            faults.append(f"{clause} was retired in {line.retired}, which is no MAJOR version")
    is_first: set[str] = set()
    for line in lock:
        is_old = line.clause not in is_first and line.since == Version(1, 0)
        is_first.add(line.clause)
        if not is_old and not _names(said.get(line.since, ""), line.clause):
            faults.append(f"the changes of {line.since} do not name {line.clause}")
        if line.since > version:
            faults.append(f"{line.clause} is since {line.since}, and the law is of {version}")
    return faults + _find_gaps(last)


def _names(text: str, clause: str) -> bool:
    return re.search(rf"\b{clause}\b", text) is not None


def _find_gaps(clauses: Iterable[str]) -> list[str]:
    """Find chapters whose clauses, those retired among them, are not numbered from 1 on."""
    numbers: dict[str, list[int]] = {}
    for clause in clauses:
        numbers.setdefault(chapter(clause), []).append(int(clause.partition("-")[2]))
    return [
        f"{prefix} does not number its clauses from 1 to {len(of_prefix)}"
        for prefix, of_prefix in numbers.items()
        if sorted(of_prefix) != list(range(1, len(of_prefix) + 1))
    ]


def update_lock(lock: list[Line], texts: Mapping[str, str], version: Version) -> list[Line]:
    """Add a line for each clause that is new or reads otherwise, and retire those that are gone."""
    last = {line.clause: line for line in lock}
    lines = [
        line._replace(retired=version)
        if line.retired is None and line.clause not in texts and line is last[line.clause]
        else line
        for line in lock
    ]
    for clause, text in texts.items():
        if clause not in last or last[clause].hash != hash_text(text):
            lines.append(Line(clause, version, hash_text(text)))
    return sorted(lines, key=lambda line: [*TEXTS, line.clause].index(line.clause))
