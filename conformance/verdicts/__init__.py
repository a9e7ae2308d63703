"""What is written of a verdict: data (docs/verdict.md), a page, a summary, a badge."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conformance.verdicts.badge import write_badge
from conformance.verdicts.page import write_index, write_page
from conformance.verdicts.schema import FORMAT, SCHEMA, find_faults, read_verdicts
from conformance.verdicts.summary import write_summary
from conformance.verdicts.table import Row, read_rows, write_rows, write_table

__all__ = [
    "FORMAT",
    "SCHEMA",
    "WRITERS",
    "Row",
    "find_faults",
    "read_rows",
    "read_verdicts",
    "write_badge",
    "write_index",
    "write_page",
    "write_rows",
    "write_table",
    "write_verdict",
]


def _write_data(verdicts: dict[str, Any]) -> str:
    return json.dumps(verdicts, indent=1) + "\n"


WRITERS: dict[str, Callable[[dict[str, Any]], str]] = {
    ".json": _write_data,
    ".html": write_page,
    ".md": write_summary,
    ".svg": write_badge,
}
"""By the ending of a path, what writes there."""


def write_verdict(path: Path, verdicts: dict[str, Any]) -> None:
    """Write the verdicts on some implementations in the form that a path's ending says."""
    path.write_text(WRITERS[path.suffix](verdicts), "utf-8")
