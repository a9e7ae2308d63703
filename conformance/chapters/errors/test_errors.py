"""SPEC.md, chapter 12: what an error is and says."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.checks import check_class, check_message, raises
from conformance.messages import any_of
from conformance.protocol.implementation import Value
from reference import unit

V = Value(np.zeros((2, 3), np.float32), "mV")
TREE = {"V": Value(np.zeros(2, np.float32), "mV"), "n": Value(np.zeros(1, np.int32))}


def member(array, unit="mV"):
    return Value(np.asarray(array), unit)


F4 = np.dtype("float32")
SOMA, AXON = any_of("soma", 0, -3), any_of("axon", 1, -2)
"""Addresses of one state: any of them will do."""

CASES = [
    ("ValueTypeError", "write", "text", [any_of("text", "str", "string")]),
    ("UnitError", "write", Value(V.array, "nA"), [unit("mV"), unit("nA")]),
    ("UnitError", "write", Value(V.array), [unit("mV")]),
    ("ShapeError", "write", member(np.zeros((3, 2), np.float32)), [(2, 3), (3, 2)]),
    ("DtypeError", "write", member(np.zeros((2, 3), np.complex64)), [F4, np.dtype("complex64")]),
    ("StructureError", "set", [V], [3, 1]),
    ("DuplicateError", "set", {0: member(V.array[:, 0]), -3: member(V.array[:, 0])}, [SOMA]),
    ("StateIndexError", "set", {7: member(V.array[:, 0])}, [7]),
    ("StateNameError", "set", {"nose": member(V.array[:, 0])}, ["nose", "soma"]),
    ("AddressTypeError", "set", {1.5: member(V.array[:, 0])}, [1.5]),
    ("UnitError", "set", {"axon": member(V.array[:, 0], "nA")}, [AXON, unit("mV"), unit("nA")]),
]
"""An error, how it comes about with a group state, and what its message must state."""


@pytest.mark.clauses("ERR-1", "ERR-2")
@pytest.mark.needs("states")
@pytest.mark.parametrize(("error", "method", "argument", "named"), CASES)
def test_errors_of_a_group(implementation, error, method, argument, named):
    names = ("soma", "axon", "dendrite")
    state = implementation.make("group", V, state_name="potential", names=names)
    caught = raises(error, getattr(implementation, method), state, argument)
    check_class(caught, error)
    check_message(caught, "potential", *named)


@pytest.mark.clauses("ERR-1", "ERR-2")
@pytest.mark.needs("states")
@pytest.mark.parametrize(
    ("error", "method", "argument", "named"),
    [
        ("UnitError", "set", {"V": member([0.0, 0.0], "nA")}, ["V", unit("mV"), unit("nA")]),
        ("DtypeError", "set", {"n": Value(np.zeros(1, F4))}, ["n", np.dtype("int32"), F4]),
        ("ShapeError", "set", {"V": member(np.zeros(3, np.float32))}, ["V", (2,), (3,)]),
        ("StateNameError", "get", "nose", ["nose", "V"]),
        ("StateIndexError", "get", 2, [2]),
        ("NoCommonShapeError", "varshape", None, [(2,), (1,)]),
        ("StructureError", "write", {"V": TREE["V"]}, ["n"]),
        ("DuplicateError", "set", {0: TREE["V"], "V": TREE["V"]}, ["V"]),
        ("DuplicateError", "add_leaf", ("V", TREE["n"]), ["V"]),
        ("StateNameError", "add_leaf", (("nose", "tip"), TREE["n"]), ["nose"]),
        ("StructureError", "add_leaf", (("V", "tip"), TREE["n"]), ["V"]),
        ("ValueTypeError", "add_leaf", ("w", "text"), ["w", any_of("text", "str", "string")]),
    ],
)
def test_errors_of_a_tree(implementation, error, method, argument, named):
    state = implementation.make("tree", TREE, state_name="neuron")
    arguments = {"varshape": (), "add_leaf": argument}.get(method, (argument,))
    caught = raises(error, getattr(implementation, method), state, *arguments)
    check_class(caught, error)
    check_message(caught, "neuron", *named)


@pytest.mark.clauses("ERR-1", "ERR-2")
@pytest.mark.needs("history")
def test_errors_of_a_history(implementation):
    state = implementation.make("single", V, state_name="potential")
    caught = raises("HistoryError", implementation.history, state)
    check_class(caught, "HistoryError")
    check_message(caught, "potential")
    options = {"state_name": "potential", "history": -5}
    caught = raises("ParameterError", implementation.make, "single", V, **options)
    check_class(caught, "ParameterError")
    check_message(caught, "potential", "history", -5)


@pytest.mark.clauses("ERR-3")
@pytest.mark.needs("states")
@pytest.mark.parametrize(
    ("error", "updates"),
    [
        ("StateNameError", {"V": None, "nose": None}),
        ("ValueTypeError", {"V": "text"}),
        ("UnitError", {"V": Value(np.zeros(3, complex), "nA")}),
        ("DtypeError", {"V": Value(np.zeros(3, np.complex64), "mV")}),
        ("ShapeError", {"V": Value(np.zeros(3, np.float32), "mV")}),
    ],
)
def test_the_first_fault_is_named(implementation, error, updates):
    """Structure and address, type, unit, dtype, shape: each value has all faults from one on."""
    state = implementation.make("tree", TREE)
    raises(error, implementation.set, state, updates)
