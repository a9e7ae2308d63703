"""SPEC.md in code: NumPy and Numba, 64 bits, to be read beside the law.

`errors` is chapter 12, `units` chapter 1; `states`, `group_state`, `tree_state`, with `leaves` and
`trees` under them, are chapters 2 to 5; `gif` is chapters 6 and 11, with `gif_parameters` and
`exponential` under it, and `gif_run`, `gif_dynamics` and `gif_models` on top; `sections` and
`morphology` are chapter 7; `cable`, with `tree_solve` under it, is chapters 8 and 11;
`operations`, `operation_checks` and `traces` are chapter 9; `point_neurons`, `linear_neurons`,
`neurons`, `leaky_readout`, `networks`, `network_step`, `rules`, `learning`, `three_factor` and
`learning_runs` are chapter 10, and `full_gradient` is what its gradients approximate, and RTRL and
OSTL.
"""

from .cable import Cable
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
from .gif_dynamics import Dynamics
from .gif_models import GIF, GIFTree
from .group_state import ETraceGroupState
from .learning import Learned, Traced
from .morphology import Morphology
from .networks import Layer, Network
from .operations import Operation
from .rules import Rule
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
