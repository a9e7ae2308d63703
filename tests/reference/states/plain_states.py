"""States of each kind, and values as something that == compares."""

from __future__ import annotations

import numpy as np

from reference import ETraceGroupState, ETraceState, ETraceTreeState, Quantity


def plain(value):
    """A value as (numbers, dtype, unit), a tree of them as it is; what == compares."""
    if type(value) is dict:
        return [(key, plain(entry)) for key, entry in value.items()]
    if type(value) in (list, tuple):
        return type(value), [plain(entry) for entry in value]
    array, unit = (value.array, value.unit) if isinstance(value, Quantity) else (value, None)
    padded = array.dtype.char in "gG"  # a long double has bytes that mean nothing
    return str(array.tolist()) if padded else array.tobytes(), array.shape, array.dtype, unit


def neuron_tree():
    """Leaves of several shapes, dtypes, units and depths."""
    return {
        "soma": {"V": Quantity(np.array([-70.0, -65.0]), "mV"), "n": np.array([1, 2], np.int32)},
        "dendrites": [
            {"V": Quantity(np.float32(-70.0), "mV")},
            (np.array([True, False]), np.ones((2, 1))),
        ],
        "ratio": Quantity(np.array([5.0]), "mV V^-1"),
    }


PATHS = [
    ("soma", "V"),
    ("soma", "n"),
    ("dendrites", 0, "V"),
    ("dendrites", 1, 0),
    ("dendrites", 1, 1),
    ("ratio",),
]


def states(history=0):
    """One state of each kind."""
    group = Quantity(np.arange(6.0).reshape(2, 3), "mV")
    return [
        ETraceState(Quantity(np.arange(3.0), "mV"), name="s", history=history),
        ETraceGroupState(group, names=["a", "b", "c"], name="g", history=history),
        ETraceTreeState(neuron_tree(), name="t", history=history),
    ]
