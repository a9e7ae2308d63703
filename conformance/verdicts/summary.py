"""The verdict in Markdown, such as a job's summary shows."""

from __future__ import annotations

from typing import Any

from conformance.clauses import CHAPTERS
from conformance.verdicts.tally import STATUSES, describe, tally

__all__ = ["escape", "write_summary"]


def write_summary(verdicts: dict[str, Any]) -> str:
    """Write a table of chapters for each implementation, and what failed."""
    return "\n".join(_summarize(verdict) for verdict in verdicts.values())


def _summarize(verdict: dict[str, Any]) -> str:
    lines = [f"## {escape(verdict['statement'])}", ""]
    lines += [f"| chapter | {' | '.join(STATUSES)} |", "|---|" + "---|" * len(STATUSES)]
    for prefix, counts in tally(verdict).items():
        cells = " | ".join(str(count or "") for count in counts.values())
        lines.append(f"| {CHAPTERS[prefix][0]} | {cells} |")
    lines.append("")
    for clause, entry in verdict["clauses"].items():
        if entry["status"] == "failed":
            message = " ".join((entry["message"] or "").split())
            lines.append(f"- **{clause}** {escape(message[:200])}")
    return "\n".join([*lines, "", describe(verdict), ""])


def escape(text: str) -> str:
    """What Markdown shows as it stands."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#" else letter for letter in text)
