"""What the forms of a verdict share: statuses, and how often each is met in a chapter."""

from __future__ import annotations

from typing import Any

from conformance.clauses import CHAPTERS, chapter

__all__ = ["STATUSES", "describe", "name_measure", "tally", "verdict_word"]

STATUSES = {"passed": "✓", "failed": "✗", "not applicable": "–", "not judged": "?"}
"""By status, its sign."""


def tally(verdict: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Count statuses: by the prefix of a chapter that has clauses, and by status."""
    counts = {prefix: dict.fromkeys(STATUSES, 0) for prefix in CHAPTERS}
    for clause, entry in verdict["clauses"].items():
        counts[chapter(clause)][entry["status"]] += 1
    return {prefix: each for prefix, each in counts.items() if any(each.values())}


def name_measure(verdict: dict[str, Any]) -> str:
    """Name what was judged at: "64 bits", or "the resolution 2^-15"."""
    resolution = verdict["resolution"]
    return f"{verdict['precision']} bits" if resolution is None else f"resolution {resolution:g}"


def verdict_word(verdict: dict[str, Any]) -> str:
    """The verdict in a word or two."""
    if verdict["conforms"]:
        return "conforms"
    if any(entry["status"] == "failed" for entry in verdict["clauses"].values()):
        return "does not conform"
    return f"passes {verdict['profile']}" if verdict["passes"] else "not judged in full"


def describe(verdict: dict[str, Any]) -> str:
    """Describe how a verdict was reached, in one line."""
    platform = verdict["platform"]
    return (
        f"SPEC.md {verdict['law']}, suite {verdict['suite']}, {verdict['profile']} profile, "
        f"{verdict['max_examples']} examples, seed {verdict['seed']}, {verdict['seconds']:g} s, "
        f"{verdict['date']}, Python {platform['python']}, NumPy {platform['numpy']}, "
        f"{platform['system']}"
    )
