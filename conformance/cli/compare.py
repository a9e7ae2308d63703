"""Compare two verdicts: which clauses have changed, and for the worse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conformance.cli.arguments import Parser
from conformance.verdicts import read_verdicts

__all__ = ["compare", "main"]

_VERSIONS = (
    "law",
    "suite",
    "version",
    "precision",
    "resolution",
    "profile",
    "seed",
    "max_examples",
)
"""What may explain a change."""


def main(arguments: list[str]) -> int:
    """Print what has changed; the exit status is 1 where something that passed does not now."""
    parser = Parser("compare", "Say what has changed from one verdict to another.")
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    namespace = parser.parse_args(arguments)
    try:
        old, new = read_verdicts(namespace.old), read_verdicts(namespace.new)
    except ValueError as error:
        parser.error(str(error))
    is_worse = False
    for name in dict.fromkeys([*old, *new]):
        if name not in old or name not in new:
            print(f"{name}: only in {namespace.old if name in old else namespace.new}")
            is_worse |= name not in new
            continue
        lines, is_name_worse = compare(old[name], new[name])
        is_worse |= is_name_worse
        print("\n".join([f"{name}: {'changed' if lines else 'as before'}", *lines]))
    return int(is_worse)


def compare(old: dict[str, Any], new: dict[str, Any]) -> tuple[list[str], bool]:
    """Say what has changed in the verdict on an implementation, and whether for the worse."""
    lines = [
        f"  {name}: {old[name]} -> {new[name]}" for name in _VERSIONS if old[name] != new[name]
    ]
    is_worse = False
    for clause in dict.fromkeys([*old["clauses"], *new["clauses"]]):
        before, after = (
            verdict["clauses"].get(clause, {"status": "no clause"})["status"]
            for verdict in (old, new)
        )
        if before != after:
            is_worse |= before == "passed" or after == "failed"
            lines.append(f"  {clause}: {before} -> {after}")
    return lines, is_worse
