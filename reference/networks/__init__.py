"""Kinds of neurons, networks, and one step of a network: SPEC.md, chapter 10."""

from .description import FUNCTIONS, Layer, Network, effective, mask_of, pull_back
from .kinds import KINDS, make_neurons
from .leaky_readout import FilteredNeurons, read_filter
from .model import LayerStep, Model
from .point_neurons import ALIF, LIF, TABLE, SynapseLIF

__all__ = [
    "ALIF",
    "FUNCTIONS",
    "KINDS",
    "LIF",
    "TABLE",
    "FilteredNeurons",
    "Layer",
    "LayerStep",
    "Model",
    "Network",
    "SynapseLIF",
    "effective",
    "make_neurons",
    "mask_of",
    "pull_back",
    "read_filter",
]
