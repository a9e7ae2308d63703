"""The JSON schema of what crosses the pipe, made of the protocol's classes.

``python -m conformance.pipe.schema`` writes conformance/pipe/schema.json anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from conformance.pipe.answers import ERROR, UNSUPPORTED
from conformance.pipe.calls import CALLS, STARTED
from conformance.pipe.forms import object_schema
from conformance.pipe.things import DTYPES

__all__ = ["PATH", "make_schema", "to_text"]

PATH = Path(__file__).parent / "schema.json"

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_INTEGER: Schema = {"type": "integer"}
_NULL: Schema = {"type": "null"}
_SHAPE: Schema = {"type": "array", "items": {"type": "integer", "minimum": 0}}
_BASE64: Schema = {"type": "string", "pattern": "^[A-Za-z0-9+/]*={0,2}$"}
_UNIT: Schema = {"type": ["string", "null"]}
_STATES: Schema = {"type": "array", "items": {"$ref": "#/$defs/state"}}
_NUMBER: Schema = {"anyOf": [{"type": "number"}, {"enum": ["nan", "inf", "-inf"]}]}


def make_schema() -> Schema:
    """Make the schema: of any line, and by name that of each call's question and answer."""
    definitions = _things()
    questions = {name: _arguments(call.arguments, definitions) for name, call in CALLS.items()}
    results = {name: call.result.schema(definitions) for name, call in CALLS.items()}
    start = {"protocol": _INTEGER, "spec": _TEXT, "precision": {"enum": [32, 64]}}
    questions |= {"start": object_schema(start, start)}
    questions |= {"free": object_schema({"states": _STATES}, ["states"])}
    results |= {"start": STARTED.schema(definitions), "free": _NULL}
    failures = {"error": ERROR.schema(definitions), "unsupported": UNSUPPORTED.schema(definitions)}
    for name, args in questions.items():
        question = {"id": _INTEGER, "call": {"const": name}, "args": args}
        answers = {"ok": results[name], **failures}
        definitions[f"question {name}"] = object_schema(question, question)
        definitions[f"answer {name}"] = {
            "oneOf": [
                object_schema({"id": _INTEGER, kind: of_kind}, ["id", kind])
                for kind, of_kind in answers.items()
            ]
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What crosses the pipe between the judge and a program (docs/pipe.md)",
        "anyOf": [
            {"$ref": f"#/$defs/{kind} {name}"}
            for name in questions
            for kind in ("question", "answer")
        ],
        "$defs": definitions,
    }


def _arguments(forms: dict[str, Any], definitions: Schema) -> Schema:
    """Arguments, each of which may be bad input, that is, any thing."""
    thing = {"$ref": "#/$defs/thing"}
    schemas = {name: form.schema(definitions) for name, form in forms.items()}
    schemas = {n: s if s == thing else {"anyOf": [s, thing]} for n, s in schemas.items()}
    return object_schema(schemas, schemas)


def _things() -> Schema:
    """The definitions of things: docs/pipe.md, in its order."""
    thing: Schema = {"$ref": "#/$defs/thing"}
    things: Schema = {"type": "array", "items": thing}
    array = {"dtype": {"enum": list(DTYPES)}, "shape": _SHAPE, "data": _BASE64}
    unit, mask = {"unit": _UNIT}, {"mask": _BASE64}
    bad = {"dtype": _TEXT, "shape": _SHAPE, "data": _NULL}
    pair = {"type": "array", "prefixItems": [thing, thing], "minItems": 2, "items": False}
    two_floats = {"type": "array", "items": {"$ref": "#/$defs/float"}, "minItems": 2, "maxItems": 2}
    foreign = {"$object": _TEXT, "text": _TEXT, "length": _INTEGER}
    bad_input: Schema = {
        "masked array": object_schema({**unit, **array, **mask}, [*array, *mask]),
        "array of no numbers": object_schema({**unit, **bad}, bad),
        "value of no array": object_schema({**unit, "$value": thing}, ["unit", "$value"]),
        "complex": object_schema({"$complex": two_floats}, ["$complex"]),
        "object": object_schema(foreign, ["$object", "text"]),
    }
    definitions: Schema = {
        "float": object_schema({"$float": _NUMBER}, ["$float"]),
        "array": object_schema(array, array),
        "value": object_schema({**unit, **array}, [*unit, *array]),
        "tuple": object_schema({"$tuple": things}, ["$tuple"]),
        "dict": {
            "type": "object",
            "propertyNames": {"pattern": "^(?!\\$|dtype$)"},
            "additionalProperties": thing,
        },
        "pairs": object_schema({"$dict": {"type": "array", "items": pair}}, ["$dict"]),
        "state": object_schema({"$state": _INTEGER}, ["$state"]),
        **bad_input,
    }
    plain: list[Schema] = [{"type": ["null", "boolean", "integer", "string"]}, things]
    named = [{"$ref": f"#/$defs/{name}"} for name in definitions]
    definitions["thing"] = {"anyOf": [*plain, *named]}
    definitions["tree"] = {
        "anyOf": [
            {"$ref": "#/$defs/value"},
            {"type": "array", "items": {"$ref": "#/$defs/tree"}},
            object_schema(
                {"$tuple": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}, ["$tuple"]
            ),
            {**definitions["dict"], "additionalProperties": {"$ref": "#/$defs/tree"}},
        ]
    }
    return definitions


def to_text(schema: Schema) -> str:
    """Write a schema as its file has it: a line for each definition."""
    lines = [f"{json.dumps(name)}: {json.dumps(of)}" for name, of in schema["$defs"].items()]
    rest = json.dumps({**schema, "$defs": {}})
    return rest.removesuffix("}}") + "\n" + ",\n".join(lines) + "\n}}\n"


if __name__ == "__main__":
    PATH.write_text(to_text(make_schema()), "utf-8")
