"""Check an adapter: a valid call of each method, and what is wrong with each."""

from __future__ import annotations

import traceback
from pathlib import Path

from conformance.cli.arguments import Parser, load_all
from conformance.protocol import Judged, ProtocolError
from conformance.protocol.claims import misclaimed
from conformance.protocol.valid_calls import CALLS, make_valid_call

__all__ = ["check", "main"]

ANSWERS, LACKING, AT_FAULT = 0, 1, 2
"""The exit statuses: all methods answer; some are not written; the adapter is at fault."""


def main(arguments: list[str]) -> int:
    """Check adapters; the exit status is that of the worst."""
    parser = Parser("check", "Say of each method of an adapter what is wrong with it.")
    parser.add_implementation()
    statuses = []
    for adapter in load_all(parser, parser.parse_args(arguments)):
        lines, status = check(adapter)
        print(f"{adapter.name}, {adapter.precision} bits, claims {adapter.claims}")
        print("\n".join(lines))
        statuses.append(status)
    return max(statuses)


def check(adapter: Judged) -> tuple[list[str], int]:
    """Make the calls of the profile smoke; what became of each, and the exit status."""
    status, lines = ANSWERS, []
    wrong = [] if adapter.name else ["no name"]
    wrong += [f"claims {claim}" for claim in misclaimed(adapter.adapter)]
    if adapter.precision not in (32, 64):
        wrong.append(f"the precision {adapter.precision!r}, which is neither 32 nor 64")
    for fault in wrong:
        status = AT_FAULT
        lines.append(f"  {'the adapter':18} {fault}")
    for method in CALLS:
        if method in adapter.claims.methods:
            said, code = _try(method, adapter)
            status = max(status, code)
            lines.append(f"  {method:18} {said}")
    return lines, status


def _try(method: str, adapter: Judged) -> tuple[str, int]:
    """What a valid call of a method comes to."""
    try:
        make_valid_call(method, adapter)
    except NotImplementedError as error:
        is_there = adapter.has(method)
        return f"is not written: {error}", LACKING if is_there else AT_FAULT
    except ProtocolError as error:
        return " ".join(f"{error}{_place(error.__cause__)}".split()), AT_FAULT
    return "answers", ANSWERS


def _place(error: BaseException | None) -> str:
    """Where an adapter raised an exception."""
    if error is None or error.__traceback__ is None:
        return ""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f" ({Path(frame.filename).name}, line {frame.lineno})"
