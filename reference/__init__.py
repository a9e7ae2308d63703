"""SPEC.md in code: NumPy and Numba, 64 bits, to be read beside the law.

`errors` is chapter 10, `units` chapter 1; `states`, `group_state`, `tree_state`, with `leaves` and
`trees` under them, are chapters 2 to 5; `gif` is chapters 6 and 9, with `gif_parameters` and
`exponential` under it, and `gif_run`, `gif_dynamics` and `gif_models` on top; `sections` and
`morphology` are chapter 7; `cable`, with `tree_solve` under it, is chapters 8 and 9.
"""

from .cable import Cable
from .errors import (
    AddressTypeError,
    BrainscaleError,
    DtypeError,
    DuplicateError,
    HistoryError,
    InputError,
    MorphologyError,
    NoCommonShapeError,
    ParameterError,
    ShapeError,
    StateIndexError,
    StateNameError,
    StructureError,
    UnitError,
    ValueTypeError,
)
from .gif_dynamics import Dynamics
from .gif_models import GIF, GIFTree
from .group_state import ETraceGroupState
from .morphology import Morphology
from .sections import Section
from .states import ETraceState
from .tree_state import ETraceTreeState
from .units import Quantity, Unit, unit

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
    "HistoryError",
    "InputError",
    "Morphology",
    "MorphologyError",
    "NoCommonShapeError",
    "ParameterError",
    "Quantity",
    "Section",
    "ShapeError",
    "StateIndexError",
    "StateNameError",
    "StructureError",
    "Unit",
    "UnitError",
    "ValueTypeError",
    "unit",
]
