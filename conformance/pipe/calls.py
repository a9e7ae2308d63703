"""The calls of the protocol: of each, its arguments and what it returns, as forms."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Mapping
from typing import Any

from conformance.pipe.forms import Form, Record, form_of
from conformance.pipe.things import FieldError, Reader
from conformance.protocol.implementation import CAPABILITIES, PROTOCOLS, methods_of

__all__ = ["CALLS", "STARTED", "Call", "Started"]


@dataclasses.dataclass(frozen=True)
class Started:
    """The answer to `start`: who answers, and what it claims."""

    name: str
    version: str
    capabilities: list[str]
    claims: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    url: str | None = None
    precision: int | None = None  # None: the one that was asked for
    resolution: float | None = None  # NUM-9


STARTED = Record(Started)


class Call:
    """A method of the protocol.

    Attributes
    ----------
    name : str
    arguments : dict
        By name, the form of each argument.
    result : Form
        Of what is returned.
    """

    def __init__(self, name: str, method: Any):
        self.name = name
        hints = typing.get_type_hints(method, include_extras=True)
        self._signature = inspect.signature(method)
        names = [name for name in self._signature.parameters if name != "self"]
        self.arguments: dict[str, Form] = {name: form_of(hints[name]) for name in names}
        self.result = form_of(hints["return"])

    def to_json(self, arguments: tuple[Any, ...], options: Mapping[str, Any]) -> dict[str, Any]:
        """Make JSON of the arguments of a call, those with defaults too."""
        bound = self._signature.bind(None, *arguments, **options)
        bound.apply_defaults()
        return {n: form.to_json(bound.arguments[n]) for n, form in self.arguments.items()}

    def from_json(
        self, things: Mapping[str, Any], reader: Reader
    ) -> tuple[list[Any], dict[str, Any]]:
        """Read the arguments of a call: those by position, and those by name.

        Raises
        ------
        FieldError
            They are not those of the call.
        """
        if set(things) != set(self.arguments):
            raise FieldError("args", sorted(things), f"{', '.join(self.arguments)}")
        positional, named = [], {}
        for name, form in self.arguments.items():
            value = form.from_json(things[name], f"args.{name}", reader)
            if self._signature.parameters[name].kind is inspect.Parameter.KEYWORD_ONLY:
                named[name] = value
            else:
                positional.append(value)
        return positional, named


CALLS: dict[str, Call] = {
    name: Call(name, getattr(PROTOCOLS[capability], name))
    for capability in CAPABILITIES
    for name in methods_of(capability)
}
"""By name."""
