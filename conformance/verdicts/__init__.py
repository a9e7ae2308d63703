"""What is written of a verdict: data (docs/verdict.md), a page, a summary, a badge."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["FORMAT", "WRITERS", "write_verdict"]

FORMAT = 1
"""The version of the data."""


def write_json(verdicts: dict[str, Any]) -> str:
    return json.dumps(verdicts, indent=1)


WRITERS: dict[str, Callable[[dict[str, Any]], str]] = {".json": write_json}


def write_verdict(path: Path, verdicts: dict[str, Any]) -> None:
    """Write the verdicts on some implementations in the form that a path's ending says."""
    path.write_text(WRITERS[path.suffix](verdicts), "utf-8")
