"""Serve an adapter of this process to a judge at the other end of a pipe.

``python -m conformance.pipe.serve my_package.adapter:implementation`` answers docs/pipe.md's lines.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import IO, Any

from conformance.errors import ERRORS
from conformance.pipe.answers import ERROR, UNSUPPORTED, Error, Reason
from conformance.pipe.calls import CALLS, STARTED, Started
from conformance.pipe.simple_forms import Handle
from conformance.pipe.things import Reader, State
from conformance.versions import PROTOCOL

__all__ = ["Server", "main"]


class Server:
    """Answers requests by an adapter, which `start` makes or finds.

    Parameters
    ----------
    find : callable
        From a precision to the adapter.
    """

    def __init__(self, find: Callable[[int], Any]):
        self._find = find
        self._adapter: Any = None
        self._states: dict[int, Any] = {}
        self._count = 0

    def answer(self, line: str) -> str:
        """Answer one line."""
        request = json.loads(line)
        answer = {"id": request["id"]}
        try:
            answer["ok"] = self._answer(request["call"], request["args"])
        except NotImplementedError as error:
            answer["unsupported"] = UNSUPPORTED.write(Reason(str(error)))
        except Exception as error:  # whatever the adapter raises crosses as it is
            said = _describe(error)
            if said.name not in ERRORS:
                traceback.print_exc()
            answer["error"] = ERROR.write(said)
        return json.dumps(answer, allow_nan=False, separators=(",", ":"))

    def _answer(self, name: str, args: dict[str, Any]) -> Any:
        if name == "start":
            return STARTED.write(self._start(**args))
        if name == "free":
            for state in args["states"]:
                self._states.pop(state["$state"], None)
            return None
        if name not in CALLS:
            raise NotImplementedError(f"there is no call {name}")
        call = CALLS[name]
        arguments, options = call.from_json(args, Reader(self._states.__getitem__, is_strict=False))
        method = getattr(self._adapter, name, None)
        if method is None:
            raise NotImplementedError(f"{self._adapter.name} has no {name}")
        result = method(*arguments, **options)
        if isinstance(call.result, Handle) and result is not None:
            self._count += 1
            self._states[self._count] = result
            result = State(self._count)
        return call.result.to_json(result)

    def _start(self, protocol: int, spec: str, precision: int) -> Started:
        if protocol != PROTOCOL:
            raise NotImplementedError(f"the protocol {protocol}; this is {PROTOCOL}")
        adapter = self._adapter = self._find(precision)
        claims = {key: sorted(names) for key, names in getattr(adapter, "claims", {}).items()}
        return Started(
            adapter.name,
            str(getattr(adapter, "version", "")),
            sorted(adapter.capabilities),
            claims,
            getattr(adapter, "url", None),
            adapter.precision,
            getattr(adapter, "resolution", None),
        )


def _describe(error: Exception) -> Error:
    """An error by its name and those of its classes."""
    name, *kinds = [kind.__name__ for kind in type(error).__mro__ if kind is not object]
    return Error(name, str(error), [k for k in kinds if k not in ("Exception", "BaseException")])


def find_adapter(name: str, precision: int) -> Any:
    """The adapter that ``module:object`` names, or that it makes for a precision."""
    module, _, attribute = name.partition(":")
    adapter = getattr(importlib.import_module(module), attribute)
    if isinstance(adapter, type) or not hasattr(adapter, "capabilities"):
        adapter = adapter(precision)
    return adapter


def serve(server: Server, requests: IO[str], answers: IO[str]) -> None:
    """Answer line by line until there are no more."""
    for line in requests:
        answers.write(server.answer(line) + "\n")
        answers.flush()


def main(name: str) -> None:
    """Serve the adapter of a name; what it prints goes to the standard error."""
    sys.path.insert(0, os.getcwd())
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(Server(lambda precision: find_adapter(name, precision)), sys.stdin, answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
