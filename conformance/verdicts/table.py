"""The table of who conforms: a row for each verdict, and what is kept of a verdict for that."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from conformance.clauses import CLAUSES, chapter
from conformance.verdicts.schema import read_verdicts
from conformance.verdicts.summary import escape
from conformance.verdicts.tally import STATUSES, tally

__all__ = ["Row", "read_rows", "write_rows", "write_table"]

_HEAD = f"| implementation | verdict | judged | {' | '.join(STATUSES)} | what failed |"


@dataclasses.dataclass(frozen=True)
class Row:
    """What a table shows of a verdict.

    Attributes
    ----------
    name, version, url, law, suite, precision, resolution, profile, date, statement
        The verdict's.
    counts : dict
        By status, the number of clauses.
    failed : list of str
        The clauses that are failed, in the order of the law.
    """

    name: str
    version: str | None
    url: str | None
    law: str
    suite: str
    precision: int
    resolution: float | None
    profile: str
    date: str
    statement: str
    counts: dict[str, int]
    failed: list[str]

    @classmethod
    def of(cls, verdict: dict[str, Any]) -> Row:
        """Make the row of a verdict."""
        statuses = {clause: entry["status"] for clause, entry in verdict["clauses"].items()}
        by_chapter = tally(verdict).values()
        return cls(
            **{name: verdict[name] for name in _NAMES if name not in ("counts", "failed")},
            counts={status: sum(each[status] for each in by_chapter) for status in STATUSES},
            failed=[clause for clause, status in statuses.items() if status == "failed"],
        )

    @property
    def key(self) -> tuple[str, float]:
        """What was judged, and at what: a table has one row of each."""
        return self.name, self.resolution or self.precision

    def __str__(self) -> str:
        name = escape(self.name)
        if (self.url or "").startswith(("https:", "http:")):
            name = f"[{name}]({self.url})"
        cells = [
            f"{name} {escape(self.version or '')}".strip(),
            escape(self.statement.removeprefix(f"{self.name} ")),
            f"{self.profile}, by SPEC.md {self.law}, {self.date}",
            *(str(self.counts[status]) for status in STATUSES),
            _join_runs(self.failed) or "none",
        ]
        return f"| {' | '.join(cells)} |"


_NAMES = [field.name for field in dataclasses.fields(Row)]


def read_rows(paths: Iterable[Path]) -> list[Row]:
    """Read rows from files, each of verdicts or of rows; of two with one key the last counts.

    Raises
    ------
    ValueError
        A file has neither.
    """
    rows = [row for path in paths for row in _read(path)]
    return list({row.key: row for row in rows}.values())


def _read(path: Path) -> list[Row]:
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(data, list):
        return [Row.of(verdict) for verdict in read_verdicts(path).values()]
    for entry in data:
        if not isinstance(entry, dict) or set(entry) != set(_NAMES):
            raise ValueError(f"{path}: a row has {', '.join(_NAMES)}, and no other keys")
    return [Row(**entry) for entry in data]


def write_rows(rows: list[Row]) -> str:
    """Write rows as data, which `read_rows` reads."""
    entries = [json.dumps(dataclasses.asdict(row), ensure_ascii=False) for row in rows]
    return "[\n" + ",\n".join(entries) + "\n]\n"


def write_table(rows: list[Row]) -> str:
    """Write the table of rows in Markdown."""
    return "\n".join([_HEAD, "|---|---|---|--:|--:|--:|--:|---|", *map(str, rows)]) + "\n"


def _join_runs(clauses: list[str]) -> str:
    """Clauses, with those that follow one another named by the first and the last."""
    runs: list[list[str]] = []
    following = dict(itertools.pairwise(CLAUSES))
    for clause in clauses:
        last = runs[-1][-1] if runs else ""
        if following.get(last) == clause and chapter(last) == chapter(clause):
            runs[-1].append(clause)
        else:
            runs.append([clause])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)
