"""Record the calls that the suite makes of the reference, as vectors.

The suite runs at 32 bits: what it hands over then has the same numbers at any precision.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
from typing import Any

import numpy as np
import pytest

from conformance.adapters.reference import Reference
from conformance.errors import ERRORS
from conformance.pipe.calls import CALLS
from conformance.pipe.things import Reader, to_json
from conformance.protocol.implementation import Value
from conformance.vectors.sizes import SIZES, Undecided

__all__ = ["Recorder", "Vector", "expect", "implementation", "record"]


@dataclasses.dataclass
class Vector:
    """A call, and what is expected of it."""

    call: str
    given: dict[str, Any]
    expected: dict[str, Any]
    clauses: list[str]
    flags: list[str]

    @property
    def id(self) -> str:
        """A name, by what is given."""
        text = json.dumps([self.call, self.given], sort_keys=False)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def as_dict(self) -> dict[str, Any]:
        """As a file has it."""
        fields = dataclasses.asdict(self)
        del fields["call"]
        return {"id": self.id, **fields}


class Recorder(Reference):
    """The reference, whose calls are kept with their results."""

    precision = 32

    def __init__(self) -> None:
        self.vectors: dict[str, Vector] = {}
        self.notes: dict[str, str] = {}
        self.item: pytest.Item | None = None

    def pytest_runtest_call(self, item: pytest.Item) -> None:
        """Note which test makes the calls that follow."""
        self.item = item

    def keep(self, call: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Make a call, and keep it as a vector if it is one."""
        in_json = CALLS[call].to_json(arguments, options)
        expected = expect(call, in_json)
        if expected is not None:
            self._add(call, in_json, expected)
        return getattr(Reference, call)(self, *arguments, **options)

    def _add(self, call: str, given: dict[str, Any], expected: dict[str, Any]) -> None:
        clauses = dict(self.item.user_properties)["clauses"]
        flag = self.item.originalname.removeprefix("test_")
        self.notes.setdefault(flag, _note_of(self.item))
        vector = Vector(call, given, expected, [], [])
        vector = self.vectors.setdefault(vector.id, vector)
        vector.clauses += [clause for clause in clauses if clause not in vector.clauses]
        vector.flags += [flag] if flag not in vector.flags else []


def expect(call: str, in_json: dict[str, Any]) -> dict[str, Any] | None:
    """What is expected of a call, of its arguments as they are read from a file.

    As they lie in memory sums may be taken in another order. Nothing is expected where the law
    names no error, and where rounding may turn a comparison.
    """
    arguments, options = CALLS[call].from_json(in_json, Reader(is_strict=False))
    try:
        result = getattr(_REFERENCE, call)(*arguments, **options)
    except Exception as error:
        name = type(error).__name__
        return {"refused": name} if name in ERRORS else None
    try:
        sizes = SIZES[call][1](result, *arguments, **options)
    except Undecided:
        return None
    results = [_with_sizes(CALLS[call].result.to_json(result), sizes)]
    if isinstance(result, dict) and float in map(type, result.values()):
        # The protocol has a float or a bare value there.
        bare = {k: Value(np.array(x)) if type(x) is float else x for k, x in result.items()}
        results.append(_with_sizes(CALLS[call].result.to_json(bare), sizes))
    return {"either": results}


def _keeping(call: str) -> Any:
    def method(self: Recorder, *arguments: Any, **options: Any) -> Any:
        return self.keep(call, arguments, options)

    method.__name__ = call
    return method


for _call in SIZES:
    setattr(Recorder, _call, _keeping(_call))

_RECORDER = Recorder()
_REFERENCE = Reference()


def implementation(precision: int) -> Recorder:
    """The one recorder, for the suite."""
    return _RECORDER


def record() -> Recorder:
    """Run the suite, and return what was recorded.

    Raises
    ------
    RuntimeError
        The suite finds the reference wrong.
    """
    _RECORDER.__init__()
    options = ["-q", "--no-summary", "-p", "no:cacheprovider", "-p", "no:xdist", "--float=32"]
    name = f"--implementation={__name__}:implementation"
    status = pytest.main([*options, name, "--pyargs", "conformance"], plugins=[_RECORDER])
    if status != pytest.ExitCode.OK:
        raise RuntimeError(f"the suite ended with {status!r}")
    return _RECORDER


def _note_of(item: pytest.Item) -> str:
    """What a test looks for, in its own words."""
    words = item.originalname.removeprefix("test_").replace("_", " ")
    text = inspect.getdoc(item.function)
    return words if not text else f"{words}: {' '.join(text.split())}"


def _with_sizes(thing: Any, sizes: Any) -> Any:
    """Put the size of each array beside it, rounded up to single precision."""
    if sizes is None:
        return thing
    if dataclasses.is_dataclass(sizes):
        sizes = vars(sizes)
    if isinstance(thing, list):
        return [_with_sizes(entry, size) for entry, size in zip(thing, sizes, strict=True)]
    if "dtype" not in thing:
        return {name: _with_sizes(entry, sizes[name]) for name, entry in thing.items()}
    rounded = np.asarray(sizes).astype(np.float32)
    rounded = np.where(rounded < sizes, np.nextafter(rounded, np.float32(np.inf)), rounded)
    return {**thing, "size": to_json(rounded)}
