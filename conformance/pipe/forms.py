"""Forms: how what a type of the protocol has is written as JSON, read, and described by a schema.

`form_of` makes the form of a type hint. Containers that a type has are plain JSON: a list for a
list, tuple or set, an object for a dict or dataclass. Where something else is given, which is bad
input, it is written as a thing that says of itself what it is (`conformance/pipe/things.py`).
"""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import types
import typing
from typing import Annotated, Any, Literal

import numpy as np

from conformance.pipe.simple_forms import (
    Array,
    Choice,
    Float,
    Form,
    Handle,
    Plain,
    Quantity,
    Schema,
    Tree,
)
from conformance.pipe.things import FieldError, Reader, is_plain
from conformance.protocol.implementation import Value

__all__ = ["Form", "Record", "form_of", "object_schema"]


@dataclasses.dataclass(eq=False)
class ListOf(Form):
    """A list, tuple or set of entries of one form."""

    entry: Form
    kind: type

    @property
    def needs(self) -> str:
        return f"a list, each entry {self.entry.needs}"

    def fits(self, value: Any) -> bool:
        return isinstance(value, list | tuple | set | frozenset)

    def write(self, value: Any) -> Any:
        entries = sorted(value) if isinstance(value, set | frozenset) else value
        return [self.entry.to_json(entry) for entry in entries]

    def read(self, thing: Any, path: str, reader: Reader) -> Any:
        if not isinstance(thing, list):
            raise FieldError(path, thing, "a list")
        read = self.entry.from_json
        return self.kind(read(entry, f"{path}[{i}]", reader) for i, entry in enumerate(thing))

    def schema(self, definitions: Schema) -> Schema:
        return {"type": "array", "items": self.entry.schema(definitions)}


@dataclasses.dataclass(eq=False)
class TupleOf(Form):
    """A tuple with a form for each entry."""

    entries: tuple[Form, ...]

    @property
    def needs(self) -> str:
        return f"a list of {len(self.entries)}"

    def fits(self, value: Any) -> bool:
        return isinstance(value, tuple) and len(value) == len(self.entries)

    def write(self, value: Any) -> Any:
        return [form.to_json(entry) for form, entry in zip(self.entries, value, strict=True)]

    def read(self, thing: Any, path: str, reader: Reader) -> Any:
        if not isinstance(thing, list) or len(thing) != len(self.entries):
            raise FieldError(path, thing, self.needs)
        pairs = enumerate(zip(self.entries, thing, strict=True))
        return tuple(form.from_json(entry, f"{path}[{i}]", reader) for i, (form, entry) in pairs)

    def schema(self, definitions: Schema) -> Schema:
        entries = [form.schema(definitions) for form in self.entries]
        return {"type": "array", "prefixItems": entries, "minItems": len(entries), "items": False}


@dataclasses.dataclass(eq=False)
class DictOf(Form):
    """A dict with text as keys and entries of one form."""

    entry: Form

    @property
    def needs(self) -> str:
        return f"an object, each member {self.entry.needs}"

    def fits(self, value: Any) -> bool:
        return isinstance(value, dict) and is_plain(value)

    def write(self, value: Any) -> Any:
        return {key: self.entry.to_json(entry) for key, entry in value.items()}

    def read(self, thing: Any, path: str, reader: Reader) -> Any:
        if not isinstance(thing, dict) or not is_plain(thing):
            raise FieldError(path, thing, "an object")
        read = self.entry.from_json
        return {key: read(entry, f"{path}.{key}", reader) for key, entry in thing.items()}

    def schema(self, definitions: Schema) -> Schema:
        return {"type": "object", "additionalProperties": self.entry.schema(definitions)}


@dataclasses.dataclass(eq=False)
class Record(Form):
    """A dataclass: an object with a member for each field, of which one with a default may lack."""

    kind: type

    @property
    def needs(self) -> str:
        return f"an object with the members of {self.kind.__name__}: {', '.join(self.fields)}"

    @functools.cached_property
    def fields(self) -> dict[str, Form]:
        """The form of each field."""
        hints = typing.get_type_hints(self.kind, include_extras=True)
        return {f.name: form_of(hints[f.name]) for f in dataclasses.fields(self.kind)}

    @functools.cached_property
    def required(self) -> set[str]:
        """The names of fields without a default."""
        missing = dataclasses.MISSING
        return {
            field.name
            for field in dataclasses.fields(self.kind)
            if field.default is missing and field.default_factory is missing
        }

    def fits(self, value: Any) -> bool:
        return isinstance(value, self.kind)

    def write(self, value: Any) -> Any:
        return {name: form.to_json(getattr(value, name)) for name, form in self.fields.items()}

    def read(self, thing: Any, path: str, reader: Reader) -> Any:
        if not isinstance(thing, dict):
            raise FieldError(path, thing, self.needs)
        missing, unknown = self.required - set(thing), set(thing) - set(self.fields)
        if missing or unknown:
            wrong = [f"lacks {name}" for name in sorted(missing)]
            wrong += [f"has {name}, which is none" for name in sorted(unknown)]
            raise FieldError(f"{path}, which {' and '.join(wrong)},", thing, self.needs)
        return self.kind(
            **{
                name: self.fields[name].from_json(entry, f"{path}.{name}", reader)
                for name, entry in thing.items()
            }
        )

    def schema(self, definitions: Schema) -> Schema:
        name = self.kind.__name__
        if name not in definitions:
            definitions[name] = properties = {}  # before its fields, which may have itself
            fields = {field: form.schema(definitions) for field, form in self.fields.items()}
            properties |= object_schema(fields, self.required)
        return {"$ref": f"#/$defs/{name}"}


@dataclasses.dataclass(eq=False)
class OneOf(Form):
    """One of some forms."""

    forms: tuple[Form, ...]

    @property
    def needs(self) -> str:
        return " or ".join(form.needs for form in self.forms)

    def fits(self, value: Any) -> bool:
        return any(form.fits(value) for form in self.forms)

    def write(self, value: Any) -> Any:
        return next(form for form in self.forms if form.fits(value)).write(value)

    def read(self, thing: Any, path: str, reader: Reader) -> Any:
        errors = []
        for form in self.forms:
            try:
                return form.read(thing, path, reader)
            except FieldError as error:
                errors.append((form, error))
        # Of what is there at all, say what is wrong in it.
        others = [error for form, error in errors if getattr(form, "kind", None) is not type(None)]
        raise others[0] if len(others) == 1 else FieldError(path, thing, self.needs)

    def schema(self, definitions: Schema) -> Schema:
        return {"anyOf": [form.schema(definitions) for form in self.forms]}


def object_schema(fields: dict[str, Schema], required: Any) -> Schema:
    """The schema of an object with these members and no others."""
    needed = sorted(required)
    return {
        "type": "object",
        "properties": fields,
        "required": needed,
        "additionalProperties": False,
    }


_PLAIN = {
    str: Plain(str, "string", "text"),
    int: Plain(int, "integer", "an integer"),
    bool: Plain(bool, "boolean", "true or false"),
    type(None): Plain(type(None), "null", "null"),
    float: Float(),
    np.ndarray: Array(),
    Value: Quantity(),
    Any: Form(),
}

_LISTS = {list: list, set: set, frozenset: frozenset, tuple: tuple, collections.abc.Sequence: tuple}


@functools.cache
def form_of(hint: Any) -> Form:
    """The form of a type hint of the protocol.

    Raises
    ------
    TypeError
        The hint is one that no form has.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if origin is Annotated:
        return {"handle": Handle, "tree": Tree}.get(arguments[1], Form)()
    if origin is Literal:
        return Choice(arguments)
    if origin in (typing.Union, types.UnionType):
        return OneOf(tuple(map(form_of, arguments)))
    if origin is tuple and arguments[-1] is not Ellipsis:
        return TupleOf(tuple(map(form_of, arguments)))
    if origin in _LISTS:
        return ListOf(form_of(arguments[0]), _LISTS[origin])
    if origin in (dict, collections.abc.Mapping):
        return DictOf(form_of(arguments[1])) if arguments[0] is str else Form()
    if dataclasses.is_dataclass(hint):
        return Record(hint)
    raise TypeError(f"no form of {hint}")
