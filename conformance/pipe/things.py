"""Things as JSON that says of itself what it is: values, arrays, containers, and bad input.

An object with the member "dtype" is an array, or a value if it has a unit; one with a member whose
name begins with "$" is what that name says; any other is a dict with text as keys. JSON's numbers
are integers. docs/pipe.md has the table.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import math
import re
import reprlib
from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np

from conformance.protocol.implementation import Value
from conformance.protocol.results import ProtocolError

__all__ = ["DTYPES", "FieldError", "Foreign", "Reader", "State", "describe_json", "to_json"]

DTYPES = ("|b1", "|i1", "|u1", *(f"<{k}{n}" for k in "iu" for n in (2, 4, 8)))
DTYPES += ("<f2", "<f4", "<f8", "<c8", "<c16")
"""The dtypes of arrays that cross: NumPy's names, little endian."""

#: Members that an array has, and those that it may have.
_ARRAY, _OF_ARRAYS = {"dtype", "shape", "data"}, {"unit", "mask"}

#: The members that things have beside the one that names them.
_BESIDE = {"$object": {"text", "length"}, "$value": {"unit"}}

_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class FieldError(ProtocolError):
    """A field of an answer is not what the protocol has there; the message names the field."""

    def __init__(self, path: str, got: Any, needs: str):
        super().__init__(f"{path} is {describe_json(got)}, needs {needs}")


@dataclasses.dataclass(eq=False)
class State:
    """A state that a child keeps, by the number that the child gave it."""

    number: int


class Foreign:
    """An object of another program: the name of its type, and itself as text."""

    def __init__(self, text: str):
        self.text = text

    def __repr__(self) -> str:
        return self.text


class ForeignContainer(Foreign):
    """A container of another program, of which only the number of entries is known."""

    def __init__(self, text: str, length: int):
        super().__init__(text)
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[None]:
        return iter((None,) * self.length)

    def __contains__(self, entry: Any) -> bool:
        return False


def describe_json(thing: Any) -> str:
    """Describe JSON in a few words."""
    return _SHORT.repr(thing)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxlevel = 3


def to_json(thing: Any) -> Any:
    """Make JSON of whatever a test hands over; what the wire knows not is named and shown."""
    if isinstance(thing, Value):
        if isinstance(thing.array, np.ndarray | np.generic):
            return {"unit": thing.unit, **_array_to_json(thing.array)}
        return {"unit": thing.unit, "$value": to_json(thing.array)}
    if isinstance(thing, np.ndarray):
        return _array_to_json(thing)
    if isinstance(thing, np.bool | np.number):
        thing = thing.item()
    if thing is None or isinstance(thing, bool):
        return thing
    if isinstance(thing, State):
        return {"$state": thing.number}
    for kind, write in _WRITERS.items():
        if type(thing) is kind:
            return write(thing)
    # A repr that is an address in memory would be another one each time.
    text = re.sub(r" at 0x[0-9a-f]+", "", repr(thing))
    named = {"$object": type(thing).__name__, "text": text[:200]}
    is_container = isinstance(thing, Collection) and not isinstance(thing, str | bytes)
    return {**named, "length": len(thing)} if is_container else named


def _float_to_json(number: float) -> Any:
    return {"$float": number if math.isfinite(number) else str(number)}


def _dict_to_json(entries: dict[Any, Any]) -> Any:
    if is_plain(entries):
        return {key: to_json(entry) for key, entry in entries.items()}
    return pairs_to_json(entries)


def pairs_to_json(entries: dict[Any, Any]) -> Any:
    """Make JSON of a dict with any keys."""
    return {"$dict": [[to_json(key), to_json(entry)] for key, entry in entries.items()]}


def is_plain(entries: dict[Any, Any]) -> bool:
    """Whether a dict's keys are text that no other thing has as the names of members."""
    return all(type(key) is str and key[:1] != "$" and key != "dtype" for key in entries)


_WRITERS: dict[type, Callable[[Any], Any]] = {
    int: int,
    str: str,
    float: _float_to_json,
    complex: lambda z: {"$complex": [_float_to_json(z.real), _float_to_json(z.imag)]},
    list: lambda entries: [to_json(entry) for entry in entries],
    tuple: lambda entries: {"$tuple": [to_json(entry) for entry in entries]},
    dict: _dict_to_json,
}


def _array_to_json(array: Any) -> dict[str, Any]:
    if isinstance(array, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(array).astype("|b1").tobytes()
        return {**_array_to_json(array.data), "mask": base64.b64encode(mask).decode()}
    array = np.asarray(array)
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    dtype, shape = array.dtype.str, list(array.shape)
    if dtype not in DTYPES:  # no numbers
        return {"dtype": dtype, "shape": shape, "data": None}
    return {"dtype": dtype, "shape": shape, "data": base64.b64encode(array.tobytes()).decode()}


class Reader:
    """Reads things from JSON.

    Parameters
    ----------
    state_of : callable, optional
        From a state's number to the state; by default a new `State`.
    is_strict : bool
        Whether what is of another type than is needed is refused, or is read as what it says it is.
    """

    def __init__(self, state_of: Callable[[int], Any] = State, is_strict: bool = True):
        self.state_of = state_of
        self.is_strict = is_strict

    def read(self, thing: Any, path: str) -> Any:
        """Read a thing that says of itself what it is.

        Raises
        ------
        FieldError
            It is none; the message has the path.
        """
        if isinstance(thing, list):
            return [self.read(entry, f"{path}[{i}]") for i, entry in enumerate(thing)]
        if isinstance(thing, float):
            raise FieldError(path, thing, 'an integer, or {"$float": number}')
        if not isinstance(thing, dict):
            return thing
        if "dtype" in thing:
            array = self.read_array(thing, path)
            return Value(array, thing["unit"]) if "unit" in thing else array
        tags = [name for name in thing if name.startswith("$")]
        if not tags:
            return {key: self.read(entry, f"{path}.{key}") for key, entry in thing.items()}
        beside = _BESIDE.get(tags[0], set())
        if set(thing) - {tags[0]} - beside or tags[0] not in _READERS:
            raise FieldError(path, thing, f"a thing with one of {', '.join(_READERS)}")
        return _READERS[tags[0]](self, thing, f"{path}.{tags[0]}")

    def read_array(self, thing: Any, path: str) -> np.ndarray:
        """Read an array.

        Raises
        ------
        FieldError
            A member of it is wrong.
        """
        if not isinstance(thing, dict) or not _ARRAY <= set(thing) <= _ARRAY | _OF_ARRAYS:
            raise FieldError(path, thing, "an array: dtype, shape and data")
        if not isinstance(thing.get("unit"), str | None):
            raise FieldError(f"{path}.unit", thing["unit"], "the name of a unit, or null")
        shape = thing["shape"]
        if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
            raise FieldError(f"{path}.shape", shape, "a list of integers >= 0")
        if thing["data"] is None and not self.is_strict:
            return np.zeros(shape, thing["dtype"])
        if thing["dtype"] not in DTYPES:
            raise FieldError(f"{path}.dtype", thing["dtype"], f"one of {', '.join(DTYPES)}")
        dtype = np.dtype(thing["dtype"])
        array = _read_bytes(thing["data"], dtype, shape, f"{path}.data")
        array = array.astype(dtype.newbyteorder("=")).reshape(shape)
        if "mask" not in thing:
            return array
        if self.is_strict:
            raise FieldError(f"{path}.mask", thing["mask"], "no mask in an answer")
        mask = _read_bytes(thing["mask"], np.dtype("|b1"), shape, f"{path}.mask")
        return np.ma.array(array, mask=mask.reshape(shape))

    def read_float(self, thing: Any, path: str) -> float:
        """Read the number in what is a float."""
        if isinstance(thing, str) and thing in _NOT_FINITE:
            return _NOT_FINITE[thing]
        if isinstance(thing, bool) or not isinstance(thing, int | float):
            raise FieldError(path, thing, 'a number, "nan", "inf" or "-inf"')
        return float(thing)

    def _read_complex(self, thing: Any, path: str) -> complex:
        components = _list_in(thing["$complex"], path, 2)
        for part in components:
            if not isinstance(part, dict) or set(part) != {"$float"}:
                raise FieldError(path, part, '{"$float": 1.0}')
        return complex(*(self.read_float(part["$float"], path) for part in components))

    def _read_tuple(self, thing: Any, path: str) -> tuple[Any, ...]:
        return tuple(self.read(_list_in(thing["$tuple"], path), path))

    def _read_pairs(self, thing: Any, path: str) -> dict[Any, Any]:
        entries: dict[Any, Any] = {}
        for i, pair in enumerate(_list_in(thing["$dict"], path)):
            key, entry = _list_in(pair, f"{path}[{i}]", 2)
            key = self.read(key, f"{path}[{i}][0]")
            if isinstance(key, dict | list):
                raise FieldError(f"{path}[{i}][0]", key, "a key, which is no dict and no list")
            entries[key] = self.read(entry, f"{path}[{i}][1]")
        return entries

    def _read_state(self, thing: Any, path: str) -> Any:
        number = thing["$state"]
        if type(number) is not int:
            raise FieldError(path, number, "an integer")
        return self.state_of(number)

    def _read_object(self, thing: Any, path: str) -> Any:
        name, text = str(thing["$object"]), str(thing.get("text", ""))
        if "length" in thing:
            return type(name, (ForeignContainer,), {})(text, int(thing["length"]))
        return type(name, (Foreign,), {})(text)


_READERS: dict[str, Callable[[Reader, Any, str], Any]] = {
    "$float": lambda self, thing, path: self.read_float(thing["$float"], path),
    "$complex": Reader._read_complex,
    "$tuple": Reader._read_tuple,
    "$dict": Reader._read_pairs,
    "$state": Reader._read_state,
    "$object": Reader._read_object,
    "$value": lambda self, thing, path: Value(self.read(thing["$value"], path), thing.get("unit")),
}


def _list_in(thing: Any, path: str, length: int | None = None) -> list[Any]:
    """Check that a thing is a list, of a length."""
    if not isinstance(thing, list) or length not in (None, len(thing)):
        raise FieldError(path, thing, "a list" if length is None else f"a list of {length}")
    return thing


def _read_bytes(text: Any, dtype: np.dtype, shape: list[int], path: str) -> np.ndarray:
    """The numbers of an array, as many as its shape has."""
    try:
        data = base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise FieldError(path, text, "base64") from None
    needed = math.prod(shape) * dtype.itemsize
    if len(data) != needed:
        needs = f"{needed} for the shape {shape} of {dtype.str}"
        raise ProtocolError(f"{path} has {len(data)} bytes, needs {needs}")
    if dtype.kind == "b" and max(data, default=0) > 1:
        raise FieldError(path, text, "bytes that are 0 or 1")
    return np.frombuffer(data, dtype)
