"""Wrong readings of arrays: by their memory, without masks; empty ones and scalars refused."""

from __future__ import annotations

import dataclasses

import numpy as np

from conformance.protocol.implementation import Value
from reference.errors import ShapeError, ValueTypeError

from .cable_bases import CableAdapter
from .gif_bases import Gif
from .learning_bases import LearningAdapter
from .refusals import METHODS
from .state_bases import Histories
from .wrong import Wrong


def handed_over(base, change):
    """Make an adapter of another one, to which all arrays are handed over changed."""

    def attribute(self, name):
        value = base.__getattribute__(self, name)
        return calling(value, change) if name in METHODS else value

    return type("HandedOver", (base,), {"__getattribute__": attribute})


def calling(call, change):
    """Make a call whose arguments are changed."""

    def called(*arguments, **options):
        return call(*changed(arguments, change), **changed(options, change))

    return called


def changed(array, change):
    """Change the arrays of something, in containers too."""
    if isinstance(array, np.ndarray):
        return change(array)
    if isinstance(array, Value):
        is_array = isinstance(array.array, np.ndarray | np.generic)
        return Value(change(array.array), array.unit) if is_array else array
    if type(array) is dict:
        return {key: changed(entry, change) for key, entry in array.items()}
    if type(array) in (list, tuple):
        return type(array)(changed(entry, change) for entry in array)
    if dataclasses.is_dataclass(array):
        return dataclasses.replace(array, **changed(vars(array), change))
    return array


def as_they_lie(array):
    """Rows first, whatever lies first in memory."""
    return np.ravel(array, order="K").reshape(np.shape(array))


def in_native_bytes(array):
    """The same bytes, read in the machine's order."""
    return array if array.dtype.isnative else array.view(array.dtype.newbyteorder("="))


def without_mask(array):
    return array.data if isinstance(array, np.ma.MaskedArray) else array


def without_scalars(array):
    if isinstance(array, np.generic):
        raise ValueTypeError("value", "a NumPy scalar", "an array")
    return array


def without_empty(array):
    if np.size(array) == 0:
        raise ShapeError("value", f"the shape {np.shape(array)}", "one or more numbers")
    return array


CHANGES = {
    "reads_{}_as_they_lie": (as_they_lie, "UNIT-6"),
    "ignores_the_bytes_of_{}": (in_native_bytes, "UNIT-6"),
    "refuses_numpy_scalars_of_{}": (without_scalars, "UNIT-7"),
    "ignores_the_mask_of_{}": (without_mask, "UNIT-8"),
    "refuses_empty_{}": (without_empty, "STATE-13"),
}
"""By what is done to arrays: how, and the clause on states that forbids it."""

MODELS = {
    "gif": (Gif, "GIF-23", "GIF-24"),
    "cable": (CableAdapter, "CABLE-12", "CABLE-13"),
    "networks": (LearningAdapter, "NET-6"),
}
"""The adapters, and the clauses that say of them what the chapters on states say of states."""

OTHERS = {
    "refuses_empty_states": ("STATE-2", "GROUP-1"),
    "refuses_numpy_scalars_of_gif": ("GIF-18",),
}
"""Clauses whose tests have such arrays, too."""

WRONG_ARRAYS = [
    Wrong(
        pattern.format("states"),
        handed_over(Histories, change),
        (clause, *OTHERS.get(pattern.format("states"), ())),
    )
    for pattern, (change, clause) in CHANGES.items()
]
for model, (base, *clauses) in MODELS.items():
    for pattern, (change, clause) in CHANGES.items():
        index = 1 if clause == "STATE-13" else 0
        if index < len(clauses):
            name, adapter = pattern.format(model), handed_over(base, change)
            WRONG_ARRAYS.append(Wrong(name, adapter, (clauses[index], *OTHERS.get(name, ()))))
