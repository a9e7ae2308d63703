"""Programs for the tests of the pipe: those of Python, and one that is no process."""

from __future__ import annotations

import json
import sys
from typing import Any

from conformance.pipe.adapter import PipeAdapter
from conformance.pipe.child import Breakdown
from conformance.pipe.serve import Server

__all__ = ["Loopback", "loop", "serving"]


def serving(name: str) -> str:
    """The command of a program that serves the adapter of a name."""
    return f"{sys.executable} -m conformance.pipe.serve {name}"


class Loopback:
    """A server in this process in the place of a program. What crosses is the same lines."""

    def __init__(self, adapter: Any):
        self._server = Server(lambda precision: adapter)
        self.lines: list[dict[str, Any]] = []

    def ask(self, line: bytes) -> bytes:
        answer = self._server.answer(line.decode())
        self.lines += [json.loads(line), json.loads(answer)]
        return answer.encode()

    def break_down(self, what: str) -> Breakdown:
        return Breakdown(what)

    def end(self) -> None:
        pass


def loop(adapter: Any) -> PipeAdapter:
    """An adapter behind a pipe that ends in this process."""
    return PipeAdapter(adapter.name, adapter.precision, launch=lambda *_: Loopback(adapter))
