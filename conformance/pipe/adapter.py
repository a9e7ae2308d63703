"""The adapter of a program behind a pipe."""

from __future__ import annotations

import atexit
import dataclasses
import functools
import json
import weakref
from collections.abc import Callable
from typing import Any

from conformance.pipe.answers import Unsupported, find_fault, ok_of
from conformance.pipe.calls import CALLS, STARTED, Call, Started
from conformance.pipe.child import Breakdown, Child
from conformance.pipe.things import Reader, State
from conformance.protocol import ProtocolError
from conformance.versions import PROTOCOL, law_version

__all__ = ["PipeAdapter", "StartError"]

LIMIT = 60.0
"""For how many seconds an answer is waited for."""

#: After so many states that no test holds any more, the child is told of them.
_FREED_TOGETHER = 64


class StartError(Exception):
    """A program that does not start, or says of itself what the protocol does not have."""


class PipeAdapter:
    """`Implementation`, and the methods of the capabilities that the program claims.

    Parameters
    ----------
    command : str
        Starts the program.
    precision : int
        That it is asked for.
    limit : float
        For how many seconds an answer is waited for.
    launch : callable, optional
        Starts the program, from its command and the limit.

    Raises
    ------
    StartError
        The program does not start.
    """

    #: Memory does not cross a pipe: `conformance.tolerances.unresolved`.
    is_behind_pipe = True

    def __init__(
        self,
        command: str,
        precision: int = 64,
        limit: float = LIMIT,
        launch: Callable[[str, float], Child] = Child,
    ):
        self.command = command
        self._launch = launch
        self._limit = limit
        self._asked_precision = precision
        self._child: Child | None = None
        self._number = 0
        self._freed: list[int] = []
        atexit.register(self.close)
        started = self._start()
        self.name, self.version, self.url = started.name, started.version, started.url
        self.precision = started.precision or precision
        self.capabilities = frozenset(started.capabilities)
        self.claims = {key: frozenset(names) for key, names in started.claims.items()}
        self.resolution = started.resolution

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in CALLS:
            raise AttributeError(name)
        return functools.partial(self._call, CALLS[name])

    def ask_unknown(self) -> None:
        """Make a call that there is not.

        Raises
        ------
        ProtocolError
            The program does not say that it is unsupported.
        """
        try:
            self._running("no_such_call")
            ok_of("no_such_call", self._exchange("no_such_call", {}))
        except Unsupported:
            return
        except Exception as error:  # whatever it says instead
            raise ProtocolError(f"it is answered with {error!r}, needs unsupported") from error
        raise ProtocolError("it is answered with ok, needs unsupported")

    def close(self) -> None:
        """End the program."""
        atexit.unregister(self.close)
        self._end()

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()

    def _start(self) -> Started:
        self._freed = []
        try:
            self._child = self._launch(self.command, self._limit)
            asked = {"protocol": PROTOCOL, "spec": str(law_version())}
            answer = self._exchange("start", {**asked, "precision": self._asked_precision})
            return STARTED.read(ok_of("start", answer), "start: ok", Reader())
        except (Breakdown, Exception) as error:  # whatever the program says or does
            self._end()
            raise StartError(f"{self.command}: {error}") from error

    def _call(self, call: Call, /, *arguments: Any, **options: Any) -> Any:
        args = call.to_json(arguments, options)
        child = self._running(call.name)
        if any(isinstance(x, _HeldState) and x.child is not child for x in arguments):
            raise Breakdown(f"{call.name}: the state was lost when the program ended")
        if len(self._freed) >= _FREED_TOGETHER:
            states = [{"$state": number} for number in self._freed]
            self._freed = []
            self._exchange("free", {"states": states})
        answer = self._exchange(call.name, args)
        reader = Reader(functools.partial(self._hold, child))
        return call.result.read(ok_of(call.name, answer), f"{call.name}: ok", reader)

    def _running(self, name: str) -> Child:
        """The program, which is started again if it has ended, for the call of a name."""
        if self._child is None:
            try:
                self._start()
            except StartError as error:
                raise Breakdown(f"{name}: the program did not start again: {error}") from error
        return self._child

    def _hold(self, child: Child, number: int) -> _HeldState:
        state = _HeldState(number, child)
        weakref.finalize(state, self._free, child, number).atexit = False
        return state

    def _free(self, child: Child, number: int) -> None:
        if child is self._child:
            self._freed.append(number)

    def _exchange(self, name: str, args: dict[str, Any]) -> dict[str, Any]:
        """Ask the program, and return its answer to this question."""
        self._number += 1
        question = {"id": self._number, "call": name, "args": args}
        line = json.dumps(question, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        child = self._child
        try:
            answer, fault = find_fault(child.ask(line), self._number)
            if fault:
                raise child.break_down(fault)
            return answer
        except Breakdown as error:
            self._child = None
            raise Breakdown(f"{name}: the program {error}") from None


@dataclasses.dataclass(eq=False)
class _HeldState(State):
    """A state, and the run of the program that keeps it."""

    child: Child
