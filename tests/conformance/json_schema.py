"""As much of JSON Schema as conformance/pipe/schema.json uses."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["is_valid"]

TYPES = {
    "null": lambda x: x is None,
    "boolean": lambda x: isinstance(x, bool),
    "integer": lambda x: isinstance(x, int) and not isinstance(x, bool),
    "number": lambda x: isinstance(x, int | float) and not isinstance(x, bool),
    "string": lambda x: isinstance(x, str),
    "array": lambda x: isinstance(x, list),
    "object": lambda x: isinstance(x, dict),
}


def is_valid(x: Any, schema: Any, definitions: dict[str, Any]) -> bool:
    """Whether JSON is as a schema has it."""
    if isinstance(schema, bool):
        return schema
    unknown = set(schema) - set(WORDS) - {"$schema", "title", "$defs"}
    assert not unknown, f"words of schemas that are not known here: {unknown}"
    return all(WORDS[w](x, schema, definitions) for w in schema if w in WORDS)


def _is_of_type(x, schema, definitions):
    names = schema["type"]
    return any(TYPES[name](x) for name in ([names] if isinstance(names, str) else names))


def _entries_fit(x, schema, definitions):
    if not isinstance(x, list):
        return True
    first = len(schema.get("prefixItems", ()))
    return all(is_valid(entry, schema["items"], definitions) for entry in x[first:])


def _first_entries_fit(x, schema, definitions):
    pairs = zip(x, schema["prefixItems"], strict=False) if isinstance(x, list) else ()
    return all(is_valid(entry, of_entry, definitions) for entry, of_entry in pairs)


def _members_fit(x, schema, definitions):
    members = schema["properties"].items() if isinstance(x, dict) else ()
    return all(is_valid(x[name], of, definitions) for name, of in members if name in x)


def _others_fit(x, schema, definitions):
    named = schema.get("properties", {})
    others = [x[name] for name in x if name not in named] if isinstance(x, dict) else []
    return all(is_valid(other, schema["additionalProperties"], definitions) for other in others)


def _count(x, schemas, definitions):
    return sum(is_valid(x, schema, definitions) for schema in schemas)


WORDS = {
    "$ref": lambda x, s, d: is_valid(x, d[s["$ref"].removeprefix("#/$defs/")], d),
    "anyOf": lambda x, s, d: any(is_valid(x, one, d) for one in s["anyOf"]),
    "oneOf": lambda x, s, d: _count(x, s["oneOf"], d) == 1,
    "type": _is_of_type,
    "enum": lambda x, s, d: x in s["enum"],
    "const": lambda x, s, d: x == s["const"],
    "minimum": lambda x, s, d: x >= s["minimum"],
    "pattern": lambda x, s, d: not isinstance(x, str) or bool(re.search(s["pattern"], x)),
    "items": _entries_fit,
    "prefixItems": _first_entries_fit,
    "minItems": lambda x, s, d: not isinstance(x, list) or len(x) >= s["minItems"],
    "maxItems": lambda x, s, d: not isinstance(x, list) or len(x) <= s["maxItems"],
    "properties": _members_fit,
    "additionalProperties": _others_fit,
    "propertyNames": lambda x, s, d: all(is_valid(name, s["propertyNames"], d) for name in x),
    "required": lambda x, s, d: not isinstance(x, dict) or set(s["required"]) <= set(x),
}
