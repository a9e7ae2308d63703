"""Neuron models, and layers whose parameters have traces."""

from .braincell import from_braincell, install_group_state
from .cable import PassiveCable
from .compartments import Compartments
from .convolution import Conv1d, Conv2d, Conv3d
from .delay import Delay
from .embedding import Embedding
from .firing_patterns import FIRING_PATTERNS, FiringPattern, firing_pattern
from .gif import GIF, GIFTree
from .linear import GroupedLinear, Linear, ScaledWSLinear, SignedWLinear
from .lora import LoRA
from .lru import LRUCell
from .morphology import Morphology, Section
from .readout import FilteredReadout, LeakyRateReadout, LeakySpikeReadout
from .recurrent import (
    CFNCell,
    GRUCell,
    LSTMCell,
    MGUCell,
    MinimalRNNCell,
    ValinaRNNCell,
    VanillaRNNCell,
)
from .refined_cells import MiniGRU, MiniLSTM, URLSTMCell
from .sparse import SparseLinear
from .swc import SwcFile, from_swc, read_swc

__all__ = [
    "FIRING_PATTERNS",
    "GIF",
    "CFNCell",
    "Compartments",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "Delay",
    "Embedding",
    "FilteredReadout",
    "FiringPattern",
    "GIFTree",
    "GRUCell",
    "GroupedLinear",
    "LRUCell",
    "LSTMCell",
    "LeakyRateReadout",
    "LeakySpikeReadout",
    "Linear",
    "LoRA",
    "MGUCell",
    "MiniGRU",
    "MiniLSTM",
    "MinimalRNNCell",
    "Morphology",
    "PassiveCable",
    "ScaledWSLinear",
    "Section",
    "SignedWLinear",
    "SparseLinear",
    "SwcFile",
    "URLSTMCell",
    "ValinaRNNCell",
    "VanillaRNNCell",
    "firing_pattern",
    "from_braincell",
    "from_swc",
    "install_group_state",
    "read_swc",
]
