"""Check a program's answers, call by call, before it is judged by anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from conformance.pipe.adapter import LIMIT, PipeAdapter
from conformance.pipe.answers import Unsupported
from conformance.pipe.child import Breakdown
from conformance.protocol import Judged, ProtocolError
from conformance.protocol.claims import misclaimed
from conformance.protocol.valid_calls import CALLS, make_valid_call

__all__ = ["check_protocol"]


def check_protocol(
    command: str, precision: int = 64, limit: float = LIMIT
) -> Iterator[tuple[str, str]]:
    """Make a valid call of each method that is claimed, and one that there is not.

    Yields
    ------
    call : str
    fault : str
        What is wrong with the answer, which names the field; or "".

    Raises
    ------
    StartError
        The program does not start.
    """
    adapter = PipeAdapter(command, precision, limit)
    try:
        wrong = misclaimed(adapter)
        yield "start", f"it claims {'; '.join(wrong)}" if wrong else ""
        judged = Judged(adapter)
        for name in CALLS:
            if name in judged.claims.methods:
                yield name, _fault_of(lambda name=name: make_valid_call(name, judged))
        yield "a call that there is not", _fault_of(adapter.ask_unknown)
    finally:
        adapter.close()


def _fault_of(call: Callable[[], None]) -> str:
    try:
        call()
    except (ProtocolError, Unsupported, Breakdown) as error:
        return str(error)
    return ""
