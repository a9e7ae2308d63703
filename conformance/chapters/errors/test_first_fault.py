"""SPEC.md, ERR-3: of several faults, which is named."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.checks import check_refusal
from conformance.protocol.implementation import Value

GOOD = Value(np.ones(2, np.float32), "mV")
UNIT = Value(np.ones(3, complex), "nA")
DTYPE = Value(np.ones(3, np.complex64), "mV")
SHAPE = Value(np.ones(3, np.float32), "mV")
"""Each has all faults from one on: unit, dtype, shape."""

UPDATES = [
    ("StateNameError", {0: "text", "nose": GOOD}),
    ("StateIndexError", {0: UNIT, 7: GOOD}),
    ("AddressTypeError", {0: SHAPE, 1.5: GOOD}),
    ("DuplicateError", {0: "text", -2: "text"}),
    ("DuplicateError", {0: SHAPE, "a": UNIT}),
    ("ValueTypeError", {0: "text", 1: UNIT}),
    ("ShapeError", {0: SHAPE, 1: UNIT}),
    ("ShapeError", {0: SHAPE, 1: "text"}),
    ("DtypeError", {0: DTYPE, 1: UNIT}),
    ("UnitError", {0: UNIT, 1: SHAPE}),
    ("UnitError", {0: UNIT}),
    ("DtypeError", {0: DTYPE}),
    ("StructureError", ["text"]),
    ("StructureError", [UNIT, SHAPE, GOOD]),
]


@pytest.mark.clauses("ERR-3")
@pytest.mark.needs("states")
@pytest.mark.parametrize("kind", ["group", "tree"])
@pytest.mark.parametrize(("error", "updates"), UPDATES)
def test_set(implementation, kind, error, updates):
    """What is meant goes before what is written; then one leaf after the other."""
    if kind == "group":
        value, options = Value(np.zeros((2, 2), np.float32), "mV"), {"names": ("a", "b")}
    else:
        leaf = Value(np.zeros(2, np.float32), "mV")
        value, options = {"a": leaf, "b": leaf}, {}
    state = implementation.make(kind, value, state_name="h", **options)
    check_refusal(implementation, state, error, "set", updates)


@pytest.mark.clauses("ERR-3")
@pytest.mark.needs("states")
@pytest.mark.parametrize(
    ("error", "value"),
    [
        ("StructureError", {"a": "text", "c": GOOD}),
        ("StructureError", {"a": UNIT, "b": [GOOD]}),
        ("ShapeError", {"a": SHAPE, "b": UNIT}),
        ("UnitError", {"b": SHAPE, "a": UNIT}),
        ("ValueTypeError", {"a": "text", "b": UNIT}),
    ],
)
def test_write_of_a_tree(implementation, error, value):
    """Leaf by leaf in the order of the state, whatever that of what is written."""
    leaf = Value(np.zeros(2, np.float32), "mV")
    state = implementation.make("tree", {"a": leaf, "b": leaf}, state_name="h")
    check_refusal(implementation, state, error, "write", value)


@pytest.mark.clauses("ERR-3")
@pytest.mark.needs("states")
@pytest.mark.parametrize(
    ("error", "value"), [("UnitError", UNIT), ("DtypeError", DTYPE), ("ShapeError", SHAPE)]
)
def test_write_of_a_single_state(implementation, error, value):
    state = implementation.make("single", Value(np.zeros(2, np.float32), "mV"), state_name="h")
    check_refusal(implementation, state, error, "write", value)
