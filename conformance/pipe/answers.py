"""The kinds of answers: what a call returned, the error it raised, why it is unsupported."""

from __future__ import annotations

import builtins
import dataclasses
import json
from typing import Any

from conformance.errors import ERRORS
from conformance.pipe.forms import Record
from conformance.pipe.things import Reader

__all__ = ["ERROR", "UNSUPPORTED", "Unsupported", "find_fault", "ok_of"]


class Unsupported(NotImplementedError):
    """A call that the program says it does not support, and why."""


@dataclasses.dataclass(frozen=True)
class Error:
    """An error: its name in SPEC.md, chapter 12, and its message."""

    name: str
    message: str
    kinds: list[str] | None = None  # names of its other classes; None: those of the law


@dataclasses.dataclass(frozen=True)
class Reason:
    """Why a call is unsupported."""

    reason: str


ERROR, UNSUPPORTED = Record(Error), Record(Reason)

_MEMBERS = [{"id", kind} for kind in ("ok", "error", "unsupported")]


def find_fault(line: bytes, number: int) -> tuple[dict[str, Any], str]:
    """Read a line as the answer to the question of this number; what is wrong with it, or ""."""
    try:
        answer = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return {}, f"answered what is no JSON: {_shorten(line)}"
    if not isinstance(answer, dict) or set(answer) not in _MEMBERS:
        needs = 'needs an object of "id" and one of "ok", "error" and "unsupported"'
        return {}, f"answered {_shorten(line)}, {needs}"
    if type(answer["id"]) is not int or answer["id"] != number:
        return {}, f"answered the question {answer['id']!r}, was asked {number}"
    return answer, ""


def _refuse(constant: str) -> None:
    raise ValueError(f"JSON has no {constant}")


def _shorten(line: bytes) -> str:
    return repr(line if len(line) <= 160 else line[:120] + b" ... " + line[-40:])


def ok_of(name: str, answer: dict[str, Any]) -> Any:
    """What a call returned, as JSON.

    Raises
    ------
    Unsupported
        The call is unsupported.
    Exception
        The error that the call raised.
    FieldError
        One of these is not what the protocol has.
    """
    if "unsupported" in answer:
        said = UNSUPPORTED.read(answer["unsupported"], f"{name}: unsupported", Reader())
        raise Unsupported(f"{name} is unsupported: {said.reason}")
    if "error" in answer:
        said = ERROR.read(answer["error"], f"{name}: error", Reader())
        raise _class_of(said)(said.message)
    return answer["ok"]


def _class_of(said: Error) -> type[Exception]:
    """The class of an error: the law's, or one made of the kinds that are said."""
    if said.kinds is None and said.name in ERRORS:
        return ERRORS[said.name]
    classes = [_class_named(kind) for kind in said.kinds or ()]
    bases = [c for c in classes if not any(d is not c and issubclass(d, c) for d in classes)]
    # KeyError would show the repr of its message.
    return type(said.name, (*bases, Exception), {"__str__": Exception.__str__})


def _class_named(name: str) -> type[Exception]:
    named = getattr(builtins, name, None)
    is_error = isinstance(named, type) and issubclass(named, Exception) and named is not Exception
    return named if is_error else type(name, (Exception,), {})
