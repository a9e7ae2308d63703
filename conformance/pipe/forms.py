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

from conformance.pipe.things import FieldError, Reader, State, is_plain, pairs_to_json, to_json
from conformance.protocol.implementation import Value

__all__ = ["Form", "form_of"]

Schema = dict[str, Any]


class Form:
    """Anything: a thing that says of itself what it is.

    Attributes
    ----------
    needs : str
        What it is, in words.
    """

    needs = "a thing"

    def fits(self, value: Any) -> bool:
        """Whether this form has a value; what it has not is written as a thing."""
        return True

    def write(self, value: Any) -> Any:
        """Make JSON of a value that fits."""
        return to_json(value)

    def read(self, thing: Any, path: str, reader: Reader) -> Any:
        """Read a value from JSON; raise `FieldError` where it is none of this form."""
        return reader.read(thing, path)

    def schema(self, definitions: Schema) -> Schema:
        """Describe the JSON; what has a name goes to `definitions`."""
        return {"$ref": "#/$defs/thing"}

    def to_json(self, value: Any) -> Any:
        """Make JSON of a value, whether it fits or not."""
        if self.fits(value):
            return self.write(value)
        return pairs_to_json(value) if type(value) is dict else to_json(value)

    def from_json(self, thing: Any, path: str, reader: Reader) -> Any:
        """Read a value from JSON; one that does not fit, where the reader is not strict, too."""
        try:
            return self.read(thing, path, reader)
        except FieldError:
            if reader.is_strict:
                raise
            return reader.read(thing, path)


@dataclasses.dataclass(eq=False)
class Plain(Form):
    """A type that JSON has: text, an integer, a boolean, null."""

    kind: type
    name: str
    needs: str = ""

    def fits(self, value: Any) -> bool:
        return type(value) is self.kind

    def read(self, thing: Any, path: str, reader: Reader) -> Any:
        if type(thing) is not self.kind:
            raise FieldError(path, thing, self.needs)
        return thing

    def schema(self, definitions: Schema) -> Schema:
        return {"type": self.name}


class Float(Form):
    """A floating-point number."""

    needs = 'a floating-point number, {"$float": 0.5}'

    def fits(self, value: Any) -> bool:
        return isinstance(value, float)

    def write(self, value: Any) -> Any:
        return to_json(float(value))

    def read(self, thing: Any, path: str, reader: Reader) -> float:
        if not isinstance(thing, dict) or set(thing) != {"$float"}:
            raise FieldError(path, thing, self.needs)
        return reader.read_float(thing["$float"], f"{path}.$float")

    def schema(self, definitions: Schema) -> Schema:
        return {"$ref": "#/$defs/float"}


class Array(Form):
    """An array without a unit."""

    needs = "an array: dtype, shape and data, and no unit"

    def fits(self, value: Any) -> bool:
        return isinstance(value, np.ndarray | np.generic)

    def write(self, value: Any) -> Any:
        return to_json(value if isinstance(value, np.ndarray) else np.asarray(value))

    def read(self, thing: Any, path: str, reader: Reader) -> Any:
        if not isinstance(thing, dict) or "unit" in thing:
            raise FieldError(path, thing, self.needs)
        return reader.read_array(thing, path)

    def schema(self, definitions: Schema) -> Schema:
        return {"$ref": "#/$defs/array"}


class Quantity(Form):
    """An array and its unit."""

    needs = "a value: unit, dtype, shape and data"

    def fits(self, value: Any) -> bool:
        return isinstance(value, Value)

    def read(self, thing: Any, path: str, reader: Reader) -> Value:
        if not isinstance(thing, dict) or "unit" not in thing:
            raise FieldError(path, thing, self.needs)
        return Value(reader.read_array(thing, path), thing["unit"])

    def schema(self, definitions: Schema) -> Schema:
        return {"$ref": "#/$defs/value"}


class Handle(Form):
    """A state."""

    needs = 'a state, {"$state": 1}'

    def fits(self, value: Any) -> bool:
        return isinstance(value, State)

    def read(self, thing: Any, path: str, reader: Reader) -> Any:
        if not isinstance(thing, dict) or set(thing) != {"$state"}:
            raise FieldError(path, thing, self.needs)
        return reader.read(thing, path)

    def schema(self, definitions: Schema) -> Schema:
        return {"$ref": "#/$defs/state"}


class Tree(Form):
    """A value, or a dict, list or tuple of trees."""

    needs = "a value, or a tree of values"

    def read(self, thing: Any, path: str, reader: Reader) -> Any:
        tree = reader.read(thing, path)
        if reader.is_strict:
            self._check(tree, path)
        return tree

    def _check(self, tree: Any, path: str) -> None:
        if isinstance(tree, dict):
            for key, entry in tree.items():
                self._check(entry, f"{path}.{key}")
        elif isinstance(tree, list | tuple):
            for i, entry in enumerate(tree):
                self._check(entry, f"{path}[{i}]")
        elif not isinstance(tree, Value):
            raise FieldError(path, tree, self.needs)


@dataclasses.dataclass(eq=False)
class ListOf(Form):
    """A list, tuple or set of entries of one form."""

    entry: Form
    kind: type

    @property
    def needs(self) -> str:
        return f"a list, each entry {self.entry.needs}"

    def fits(self, value: Any) -> bool:
        return type(value) in (list, tuple, set, frozenset)

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
        return type(value) is tuple and len(value) == len(self.entries)

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
        return type(value) is dict and is_plain(value)

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
        return type(value) is self.kind

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


@dataclasses.dataclass(eq=False)
class Choice(Form):
    """One of some texts; another is bad input."""

    texts: tuple[str, ...]

    @property
    def needs(self) -> str:
        return f"one of {', '.join(self.texts)}"

    def schema(self, definitions: Schema) -> Schema:
        return {"anyOf": [{"enum": list(self.texts)}, super().schema(definitions)]}


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
