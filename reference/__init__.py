"""SPEC.md in code: NumPy and Numba, 64 bits, to be read beside the law.

The rooms are in the order of the chapters, and each uses those before it alone: `values`, `states`,
`gif`, `cable`, `traces`, `networks`, `learning`. What a room is for, and what others may use of it,
its `__init__.py` says. `errors` is chapter 12, for all of them.
"""

from .cable import Cable, Morphology, Section
from .errors import (
    AddressTypeError,
    BrainscaleError,
    DtypeError,
    DuplicateError,
    HiddenPathError,
    HistoryError,
    InputError,
    LateralPathError,
    MorphologyError,
    NoCommonShapeError,
    ParameterError,
    ParameterUseError,
    ShapeError,
    StateIndexError,
    StateNameError,
    StructureError,
    UnitError,
    UnreachedError,
    ValueTypeError,
)
from .gif import GIF, Dynamics, GIFTree
from .learning import Learned, Rule, Traced
from .networks import Layer, Network
from .states import ETraceGroupState, ETraceState, ETraceTreeState
from .traces import Operation
from .values import Quantity, Unit, unit

__all__ = [
    "GIF",
    "AddressTypeError",
    "BrainscaleError",
    "Cable",
    "DtypeError",
    "DuplicateError",
    "Dynamics",
    "ETraceGroupState",
    "ETraceState",
    "ETraceTreeState",
    "GIFTree",
    "HiddenPathError",
    "HistoryError",
    "InputError",
    "LateralPathError",
    "Layer",
    "Learned",
    "Morphology",
    "MorphologyError",
    "Network",
    "NoCommonShapeError",
    "Operation",
    "ParameterError",
    "ParameterUseError",
    "Quantity",
    "Rule",
    "Section",
    "ShapeError",
    "StateIndexError",
    "StateNameError",
    "StructureError",
    "Traced",
    "Unit",
    "UnitError",
    "UnreachedError",
    "ValueTypeError",
    "unit",
]
