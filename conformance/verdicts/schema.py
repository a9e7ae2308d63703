"""The schema of verdicts as data, and what it finds wrong (docs/verdict.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["FORMAT", "SCHEMA", "find_faults", "read_verdicts"]

SCHEMA: dict[str, Any] = json.loads(Path(__file__).with_name("schema.json").read_text("utf-8"))

FORMAT: int = SCHEMA["additionalProperties"]["properties"]["format"]["const"]
"""The version of the data."""

_TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "number": (int, float),
    "integer": int,
}


def read_verdicts(path: Path) -> dict[str, Any]:
    """Read the verdicts of a file; raises `ValueError` where it has none, and says where."""
    try:
        verdicts = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
    for fault in find_faults(verdicts):
        raise ValueError(f"{path}: {fault}")
    return verdicts


def find_faults(data: Any, schema: dict[str, Any] | None = None, place: str = "$") -> Iterator[str]:
    """Find where data is otherwise than a schema says, by the words of JSON Schema used here."""
    schema = SCHEMA if schema is None else schema
    if "const" in schema and (data != schema["const"] or isinstance(data, bool)):
        yield f"{place} is {data!r}, needs {schema['const']!r}"
    if "enum" in schema and data not in schema["enum"]:
        yield f"{place} is {data!r}, needs one of {schema['enum']}"
    if "type" in schema and not _is_of(data, schema["type"]):
        yield f"{place} is {data!r}, needs to be of type {schema['type']}"
        return
    if isinstance(data, dict):
        yield from _find_faults_within(data, schema, place)
    if isinstance(data, list) and "items" in schema:
        for i, entry in enumerate(data):
            yield from find_faults(entry, schema["items"], f"{place}[{i}]")


def _find_faults_within(data: dict[str, Any], schema: dict[str, Any], place: str) -> Iterator[str]:
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name in schema.get("required", ()):
        if name not in data:
            yield f"{place} lacks {name!r}"
    for name, entry in data.items():
        of_name = properties.get(name, others)
        if of_name is False:
            yield f"{place} has {name!r}, which is no part of it"
        elif of_name is not True:
            yield from find_faults(entry, of_name, f"{place}.{name}")


def _is_of(data: Any, types: str | list[str]) -> bool:
    names = [types] if isinstance(types, str) else types
    # In Python a truth is a number.
    return any(
        isinstance(data, _TYPES[name]) and isinstance(data, bool) <= (name == "boolean")
        for name in names
    )
