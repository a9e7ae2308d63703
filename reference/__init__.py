"""SPEC.md in code: NumPy and Numba, 64 bits, to be read beside the law.

The folders are in the order of the chapters; each uses only those before it: `values`, `states`,
`gif`, `cable`, `traces`, `networks`, `learning`. Each `__init__.py` says what its folder is for and
exports what others may use. `errors` is chapter 12, for all of them.
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
from .learning import Learned, LearnedTrials, Rule, Traced
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
    "LearnedTrials",
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
