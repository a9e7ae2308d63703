"""Values of the protocol as the reference's, and back."""

from __future__ import annotations

from typing import Any

from conformance.protocol.implementation import Value
from reference import Quantity

TREES = (dict, list, tuple)


def to_reference(value: Any) -> Any:
    """`Value` to `Quantity` or array, without a copy, in trees too; anything else unchanged."""
    if isinstance(value, Value):
        return value.array if value.unit is None else Quantity(value.array, value.unit)
    if type(value) is dict:
        return {key: to_reference(entry) for key, entry in value.items()}
    if type(value) in TREES:
        return type(value)(to_reference(entry) for entry in value)
    return value


def from_reference(value: Any) -> Any:
    """`Quantity` to `Value`, in trees too; anything else to a bare `Value`."""
    if isinstance(value, Quantity):
        return Value(value.array, value.unit.name)
    if type(value) is dict:
        return {key: from_reference(entry) for key, entry in value.items()}
    if type(value) in TREES:
        return type(value)(from_reference(entry) for entry in value)
    return Value(value)
