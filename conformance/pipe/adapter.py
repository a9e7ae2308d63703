"""The adapter of a program behind a pipe."""

from __future__ import annotations

import atexit
import functools
import json
import weakref
from collections.abc import Callable
from typing import Any

from conformance.pipe.answers import find_fault, ok_of
from conformance.pipe.calls import CALLS, PROTOCOL, STARTED, Call, Started, law_version
from conformance.pipe.child import Breakdown, Child
from conformance.pipe.things import Reader, State

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
    """

    #: Memory does not cross a pipe: `conformance.tolerances.unresolved`.
    is_behind_pipe = True

    def __init__(self, command: str, precision: int = 64, limit: float = LIMIT):
        self.command = command
        self._limit = limit
        self._asked_precision = precision
        self._child: Child | None = None
        self._number = 0
        self._freed: list[int] = []
        atexit.register(self.close)
        try:
            started = self._start()
        except Breakdown as error:
            raise StartError(f"{command}: {error}") from error
        self.name, self.version, self.url = started.name, started.version, started.url
        self.precision = started.precision or precision
        self.capabilities = frozenset(started.capabilities)
        self.claims = {key: frozenset(names) for key, names in started.claims.items()}
        self.resolution = started.resolution

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in CALLS:
            raise AttributeError(name)
        return functools.partial(self._call, CALLS[name])

    def close(self) -> None:
        """End the program."""
        child, self._child = self._child, None
        if child is not None:
            child.end()

    def _start(self) -> Started:
        try:
            self._child = Child(self.command, self._limit)
        except (OSError, ValueError) as error:
            raise StartError(f"{self.command}: {error}") from error
        self._freed = []
        asked = {"protocol": PROTOCOL, "spec": law_version(), "precision": self._asked_precision}
        answer = self._exchange("start", asked)
        try:
            return STARTED.read(ok_of("start", answer), "start: ok", Reader())
        except Exception as error:  # whatever the program says of why it does not start
            self.close()
            raise StartError(f"{self.command}: {error}") from error

    def _call(self, call: Call, /, *arguments: Any, **options: Any) -> Any:
        args = call.to_json(arguments, options)
        if self._child is None:
            self._start()
        child = self._child
        for state in _states(arguments):
            if state.child is not child:
                raise Breakdown(f"{call.name}: the state was lost when the program ended")
        if len(self._freed) >= _FREED_TOGETHER:
            states = [{"$state": number} for number in self._freed]
            self._freed = []
            ok_of("free", self._exchange("free", {"states": states}))
        answer = self._exchange(call.name, args)
        reader = Reader(functools.partial(self._state, child))
        return call.result.read(ok_of(call.name, answer), f"{call.name}: ok", reader)

    def _state(self, child: Child, number: int) -> State:
        state = State(number)
        state.child = child
        weakref.finalize(state, self._free, child, number).atexit = False
        return state

    def _free(self, child: Child, number: int) -> None:
        if child is self._child:
            self._freed.append(number)

    def _exchange(self, name: str, args: dict[str, Any]) -> dict[str, Any]:
        """Ask the child, and return its answer, which has the right id."""
        self._number += 1
        request = {"id": self._number, "call": name, "args": args}
        line = json.dumps(request, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        child = self._child
        try:
            answer, fault = find_fault(child.ask(line), self._number)
            if fault:
                raise child.break_down(fault)
            return answer
        except Breakdown as error:
            self._child = None
            raise Breakdown(f"{name}: the program {error}") from None


def _states(arguments: tuple[Any, ...]) -> list[State]:
    return [argument for argument in arguments if isinstance(argument, State)]
