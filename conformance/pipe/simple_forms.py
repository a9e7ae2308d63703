"""Forms that have no others in them: how a thing, a number or a value is written and read."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from conformance.pipe.things import FieldError, Reader, State, pairs_to_json, to_json
from conformance.protocol.implementation import Value

__all__ = ["Array", "Choice", "Float", "Form", "Handle", "Plain", "Quantity", "Schema", "Tree"]

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

    def schema(self, definitions: Schema) -> Schema:
        return {"$ref": "#/$defs/tree"}

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
class Choice(Form):
    """One of some texts; another is bad input."""

    texts: tuple[str, ...]

    @property
    def needs(self) -> str:
        return f"one of {', '.join(self.texts)}"

    def schema(self, definitions: Schema) -> Schema:
        return {"anyOf": [{"enum": list(self.texts)}, super().schema(definitions)]}
