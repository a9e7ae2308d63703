"""Bring the lock of clauses up to date with the law (SPEC.md, chapter 15)."""

from __future__ import annotations

from conformance.clauses import SPEC, TEXTS
from conformance.cli.arguments import Parser
from conformance.versions import (
    LOCK,
    changes,
    find_faults,
    law_version,
    read_lock,
    update_lock,
    write_lock,
)

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Write the lock, where the law names all that has changed; else say what it does not."""
    Parser("lock", "Bring clauses.lock up to date with SPEC.md.").parse_args(arguments)
    version = law_version()
    lock = update_lock(read_lock(), TEXTS, version)
    faults = find_faults(lock, TEXTS, changes(SPEC.read_text("utf-8")), version)
    for fault in faults:
        print(fault)
    if not faults:
        LOCK.write_text(write_lock(lock), "utf-8")
    return int(bool(faults))
