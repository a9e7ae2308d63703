"""Bad inputs, each with the error it must raise: one line each.

A case names a target (a state of `STATES`, or a GIF population), an operation, its arguments and
the error. `test_bad_inputs.py` runs them all and compares the target before and after.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from conformance.protocol.implementation import Value

ones, zeros, nan, inf = np.ones, np.zeros, float("nan"), float("inf")


def mV(array: Any) -> Value:
    return Value(np.asarray(array, dtype=float), "mV")


def nA(array: Any) -> Value:
    return Value(np.asarray(array, dtype=float), "nA")


def bare(array: Any, dtype: Any = float) -> Value:
    return Value(np.asarray(array, dtype=dtype))


STATES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "V": ("single", mV(ones(3)), {"history": 2}),
    "half": ("single", Value(ones(3, np.float16), "mV"), {}),
    "count": ("single", bare([1, 2, 3], np.int32), {}),
    "count_mV": ("single", Value(np.arange(3, dtype=np.int32), "mV"), {}),
    "rate": ("single", bare(ones(3)), {}),
    "gain": ("single", Value(ones(3), "mV V^-1"), {}),
    "flag": ("single", bare([True, False], bool), {}),
    "group": ("group", mV(ones((2, 3))), {"names": ["soma", "axon", "dend"], "history": 1}),
    "numbers": ("group", bare(ones((2, 3))), {}),
    "tree": (
        "tree",
        {
            "V": mV(ones(2)),
            "soma": {"V": mV(ones(1)), "n": bare([1], np.int32)},
            "I": [nA(ones(2))],
        },
        {"history": 1},
    ),
    "shapes": ("tree", {"a": bare(ones(2)), "b": bare(ones(3))}, {}),
}
"""The states that are written: name, and the arguments of `make`."""


class Case(NamedTuple):
    target: str
    operation: str
    arguments: Any
    error: str


_TREE = STATES["tree"][1]
_OBJECTS = np.array([object()], dtype=object)
_TEXT = np.array(["1", "2", "3"])

CASES = [
    # Making a state: (kind, value, options).
    Case("-", "make", ("single", "text", {}), "ValueTypeError"),
    Case("-", "make", ("single", None, {}), "ValueTypeError"),
    Case("-", "make", ("single", 1.0, {}), "ValueTypeError"),
    Case("-", "make", ("single", True, {}), "ValueTypeError"),
    Case("-", "make", ("single", [1.0, 2.0], {}), "ValueTypeError"),
    Case("-", "make", ("single", {"V": mV(ones(2))}, {}), "ValueTypeError"),
    Case("-", "make", ("single", Value(_OBJECTS), {}), "ValueTypeError"),
    Case("-", "make", ("single", Value(_TEXT), {}), "ValueTypeError"),
    Case("-", "make", ("single", mV(ones(2)), {"history": -1}), "ParameterError"),
    Case("-", "make", ("single", mV(ones(2)), {"history": 1.5}), "ParameterError"),
    Case("-", "make", ("single", mV(ones(2)), {"history": True}), "ParameterError"),
    Case("-", "make", ("single", mV(ones(2)), {"history": "2"}), "ParameterError"),
    Case("-", "make", ("group", mV(1.0), {}), "ShapeError"),
    Case("-", "make", ("group", mV(zeros((3, 0))), {}), "ShapeError"),
    Case("-", "make", ("group", [mV(ones(2))], {}), "ValueTypeError"),
    Case("-", "make", ("group", None, {}), "ValueTypeError"),
    Case("-", "make", ("group", mV(ones((2, 3))), {"names": ["a", "b"]}), "StructureError"),
    Case("-", "make", ("group", mV(ones((2, 3))), {"names": ["a", "b", "a"]}), "DuplicateError"),
    Case("-", "make", ("group", mV(ones((2, 3))), {"names": [0, 1, 2]}), "StructureError"),
    Case("-", "make", ("group", mV(ones((2, 3))), {"names": "abc"}), "StructureError"),
    Case("-", "make", ("tree", mV(ones(2)), {}), "StructureError"),
    Case("-", "make", ("tree", None, {}), "StructureError"),
    Case("-", "make", ("tree", {}, {}), "StructureError"),
    Case("-", "make", ("tree", [], {}), "StructureError"),
    Case("-", "make", ("tree", {"a": {}}, {}), "StructureError"),
    Case("-", "make", ("tree", {"a": mV(ones(2)), "b": ()}, {}), "StructureError"),
    Case("-", "make", ("tree", {1: mV(ones(2))}, {}), "StructureError"),
    Case("-", "make", ("tree", {"a": None}, {}), "ValueTypeError"),
    Case("-", "make", ("tree", {"a": 1.0}, {}), "ValueTypeError"),
    Case("-", "make", ("tree", {"a": [mV(ones(2)), "text"]}, {}), "ValueTypeError"),
    # Writing a whole single state.
    Case("V", "write", "text", "ValueTypeError"),
    Case("V", "write", None, "ValueTypeError"),
    Case("V", "write", 1.0, "ValueTypeError"),
    Case("V", "write", [1.0, 2.0, 3.0], "ValueTypeError"),
    Case("V", "write", {"V": mV(ones(3))}, "ValueTypeError"),
    Case("V", "write", object(), "ValueTypeError"),
    Case("V", "write", Value(_TEXT), "ValueTypeError"),
    Case("V", "write", bare(ones(3)), "UnitError"),
    Case("V", "write", nA(ones(3)), "UnitError"),
    Case("V", "write", Value(ones(3), "mV^2"), "UnitError"),
    Case("V", "write", Value(ones(3), "mV V^-1"), "UnitError"),
    Case("V", "write", mV(ones(2)), "ShapeError"),
    Case("V", "write", mV(ones(1)), "ShapeError"),
    Case("V", "write", mV(1.0), "ShapeError"),
    Case("V", "write", mV(ones((1, 3))), "ShapeError"),
    Case("V", "write", mV(ones((3, 1))), "ShapeError"),
    Case("V", "write", Value(ones(3, complex), "mV"), "DtypeError"),
    Case("half", "write", Value(np.full(3, 70000, np.float32), "mV"), "DtypeError"),
    Case("half", "write", Value(np.full(3, 1000, np.float16), "V"), "DtypeError"),
    Case("count", "write", bare([1.7, 2, 3]), "DtypeError"),
    Case("count", "write", bare([1, 2, 2**40], np.int64), "DtypeError"),
    Case("count", "write", Value(ones(3, np.int32), "mV"), "UnitError"),
    Case("count_mV", "write", Value(ones(3, np.int32), "V"), "DtypeError"),
    Case("count_mV", "write", bare([1, 2, 3], np.int32), "UnitError"),
    Case("rate", "write", mV(ones(3)), "UnitError"),
    Case("rate", "write", bare(ones(3), complex), "DtypeError"),
    Case("gain", "write", bare(ones(3)), "UnitError"),
    Case("gain", "write", mV(ones(3)), "UnitError"),
    Case("flag", "write", bare([1, 0], np.int32), "DtypeError"),
    Case("rate", "history", None, "HistoryError"),
    # A group: the whole, and its members.
    Case("group", "write", mV(ones((2, 2))), "ShapeError"),
    Case("group", "write", mV(ones((3, 2))), "ShapeError"),
    Case("group", "write", nA(ones((2, 3))), "UnitError"),
    Case("group", "write", [mV(ones(2))] * 3, "ValueTypeError"),
    Case("group", "set", {0: mV(ones(3))}, "ShapeError"),
    Case("group", "set", {0: mV(1.0)}, "ShapeError"),
    Case("group", "set", {0: bare(ones(2))}, "UnitError"),
    Case("group", "set", {0: None}, "ValueTypeError"),
    Case("group", "set", {"soma": mV(ones(2)), "axon": nA(ones(2))}, "UnitError"),
    Case("group", "set", {0: mV(zeros(2)), 1: mV(ones(3))}, "ShapeError"),
    Case("group", "set", {3: mV(ones(2))}, "StateIndexError"),
    Case("group", "set", {-4: mV(ones(2))}, "StateIndexError"),
    Case("group", "set", {0: mV(zeros(2)), 5: mV(ones(2))}, "StateIndexError"),
    Case("group", "set", {"nose": mV(ones(2))}, "StateNameError"),
    Case("group", "set", {"0": mV(ones(2))}, "StateNameError"),
    Case("group", "set", {True: mV(ones(2))}, "AddressTypeError"),
    Case("group", "set", {1.0: mV(ones(2))}, "AddressTypeError"),
    Case("group", "set", {None: mV(ones(2))}, "AddressTypeError"),
    Case("group", "set", {("soma",): mV(ones(2))}, "AddressTypeError"),
    Case("group", "set", {0: mV(zeros(2)), "soma": mV(ones(2))}, "DuplicateError"),
    Case("group", "set", {0: mV(zeros(2)), -3: mV(ones(2))}, "DuplicateError"),
    Case("group", "set", [mV(ones(2))] * 2, "StructureError"),
    Case("group", "set", [mV(ones(2))] * 4, "StructureError"),
    Case("group", "set", mV(ones((2, 3))), "StructureError"),
    Case("group", "set", None, "StructureError"),
    Case("group", "get", 3, "StateIndexError"),
    Case("group", "get", -4, "StateIndexError"),
    Case("group", "get", "nose", "StateNameError"),
    Case("group", "get", True, "AddressTypeError"),
    Case("group", "get", 0.0, "AddressTypeError"),
    Case("group", "get", None, "AddressTypeError"),
    Case("group", "get", slice(0, 2), "AddressTypeError"),
    Case("numbers", "set", {0: mV(ones(2))}, "UnitError"),
    Case("numbers", "set", {0: bare(zeros(2)), "0": bare(ones(2))}, "DuplicateError"),
    # A tree: the whole, and its leaves.
    Case("tree", "write", {**_TREE, "V": bare(ones(2))}, "UnitError"),
    Case("tree", "write", {**_TREE, "V": mV(ones(3))}, "ShapeError"),
    Case("tree", "write", {**_TREE, "V": None}, "ValueTypeError"),
    Case("tree", "write", {**_TREE, "V": [mV(ones(2))]}, "StructureError"),
    Case("tree", "write", {**_TREE, "I": (nA(ones(2)),)}, "StructureError"),
    Case("tree", "write", {**_TREE, "I": [nA(ones(2))] * 2}, "StructureError"),
    Case("tree", "write", {**_TREE, "I": nA(ones(2))}, "StructureError"),
    Case("tree", "write", {**_TREE, "more": mV(ones(2))}, "StructureError"),
    Case("tree", "write", {"V": mV(ones(2))}, "StructureError"),
    Case("tree", "write", [mV(ones(2))], "StructureError"),
    Case("tree", "write", mV(ones(2)), "StructureError"),
    Case("tree", "set", {"V": nA(ones(2))}, "UnitError"),
    Case("tree", "set", {"V": mV(zeros(2)), "n": bare([1.5])}, "DtypeError"),
    Case("tree", "set", {"V": mV(zeros(2)), ("soma", "V"): mV(ones(2))}, "ShapeError"),
    Case("tree", "set", {"V": mV(zeros(2)), "soma": {"m": mV(ones(1))}}, "StructureError"),
    Case("tree", "set", {"soma": mV(ones(1))}, "StructureError"),
    Case("tree", "set", {"I": []}, "StructureError"),
    Case("tree", "set", {"V": {"a": mV(ones(2))}}, "StructureError"),
    Case("tree", "set", {0: mV(zeros(2)), "V": mV(ones(2))}, "DuplicateError"),
    Case("tree", "set", {1: mV(zeros(1)), "soma": {"V": mV(ones(1))}}, "DuplicateError"),
    Case("tree", "set", {4: mV(ones(2))}, "StateIndexError"),
    Case("tree", "set", {-5: mV(ones(2))}, "StateIndexError"),
    Case("tree", "set", {"nose": mV(ones(2))}, "StateNameError"),
    Case("tree", "set", {("soma", "nose"): mV(ones(2))}, "StateNameError"),
    Case("tree", "set", {("I", 1): nA(ones(2))}, "StateNameError"),
    Case("tree", "set", {True: mV(ones(2))}, "AddressTypeError"),
    Case("tree", "set", {0.5: mV(ones(2))}, "AddressTypeError"),
    Case("tree", "set", [mV(ones(2))] * 3, "StructureError"),
    Case("tree", "set", [mV(ones(2))] * 5, "StructureError"),
    Case("tree", "get", 4, "StateIndexError"),
    Case("tree", "get", "nose", "StateNameError"),
    Case("tree", "get", ("soma", "nose"), "StateNameError"),
    Case("tree", "get", ("soma", "V", "deeper"), "StateNameError"),
    Case("tree", "get", True, "AddressTypeError"),
    Case("tree", "get", None, "AddressTypeError"),
    Case("tree", "get", ("soma", 1.5), "AddressTypeError"),
    Case("tree", "add_leaf", ("V", mV(ones(2))), "DuplicateError"),
    Case("tree", "add_leaf", (("soma", "V"), mV(ones(2))), "DuplicateError"),
    Case("tree", "add_leaf", (("nose", "V"), mV(ones(2))), "StateNameError"),
    Case("tree", "add_leaf", (("I", 1), nA(ones(2))), "StructureError"),
    Case("tree", "add_leaf", (("V", "x"), mV(ones(2))), "StructureError"),
    Case("tree", "add_leaf", ("m", None), "ValueTypeError"),
    Case("tree", "add_leaf", ("m", 1.0), "ValueTypeError"),
    Case("tree", "add_leaf", (1.5, mV(ones(2))), "AddressTypeError"),
    Case("shapes", "varshape", None, "NoCommonShapeError"),
    # The GIF neuron's parameters.
    Case("gif", "parameter", {"tau": Value(np.array(0.0), "ms")}, "ParameterError"),
    Case("gif", "parameter", {"tau": Value(np.array(-1.0), "ms")}, "ParameterError"),
    Case("gif", "parameter", {"tau": Value(np.array([1.0, -1.0]), "ms")}, "ParameterError"),
    Case("gif", "parameter", {"tau": Value(np.array(nan), "ms")}, "ParameterError"),
    Case("gif", "parameter", {"tau": Value(np.array(inf), "ms")}, "ParameterError"),
    Case("gif", "parameter", {"tau": mV(20.0)}, "UnitError"),
    Case("gif", "parameter", {"tau": bare(20.0)}, "UnitError"),
    Case("gif", "parameter", {"tau": Value(ones(3), "ms")}, "ShapeError"),
    Case("gif", "parameter", {"k1": Value(np.array(-0.1), "ms^-1")}, "ParameterError"),
    Case("gif", "parameter", {"k2": Value(np.array(-0.1), "ms^-1")}, "ParameterError"),
    Case("gif", "parameter", {"k1": Value(np.array(0.1), "ms")}, "UnitError"),
    Case("gif", "parameter", {"b": Value(np.array(-0.1), "ms^-1")}, "ParameterError"),
    Case("gif", "parameter", {"a": Value(np.array(nan), "ms^-1")}, "ParameterError"),
    Case("gif", "parameter", {"a": bare(0.1)}, "UnitError"),
    Case("gif", "parameter", {"R": mV(1.0)}, "UnitError"),
    Case("gif", "parameter", {"R": Value(np.array(inf), "ohm")}, "ParameterError"),
    Case("gif", "parameter", {"V_rest": bare(-70.0)}, "UnitError"),
    Case("gif", "parameter", {"V_reset": nA(-70.0)}, "UnitError"),
    Case("gif", "parameter", {"V_th_inf": mV(nan)}, "ParameterError"),
    Case("gif", "parameter", {"V_th_reset": mV(inf)}, "ParameterError"),
    Case("gif", "parameter", {"R1": mV(0.9)}, "UnitError"),
    Case("gif", "parameter", {"R2": bare(nan)}, "ParameterError"),
    Case("gif", "parameter", {"A1": mV(1.0)}, "UnitError"),
    Case("gif", "parameter", {"A2": nA(ones((2, 2)))}, "ShapeError"),
    Case("gif", "method", "euler", "ParameterError"),
    # The GIF neuron's step.
    Case("gif", "current", bare(ones(2)), "UnitError"),
    Case("gif", "current", mV(ones(2)), "UnitError"),
    Case("gif", "current", nA(ones(3)), "ShapeError"),
    Case("gif", "current", nA(ones((2, 2))), "ShapeError"),
    Case("gif", "current", nA([nan, 0.0]), "InputError"),
    Case("gif", "current", nA([0.0, inf]), "InputError"),
    Case("gif", "current", nA([-inf, 0.0]), "InputError"),
    Case("gif", "dt", Value(np.array(0.0), "ms"), "ParameterError"),
    Case("gif", "dt", Value(np.array(-0.1), "ms"), "ParameterError"),
    Case("gif", "dt", Value(np.array(nan), "ms"), "ParameterError"),
    Case("gif", "dt", Value(np.array(inf), "ms"), "ParameterError"),
    Case("gif", "dt", bare(0.1), "UnitError"),
    Case("gif", "dt", mV(0.1), "UnitError"),
]
