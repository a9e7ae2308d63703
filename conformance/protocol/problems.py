"""Networks, rules and results, described neutrally (SPEC.md, chapters 9 and 10)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Operation:
    """An operation without its weights (SPEC.md, chapter 9)."""

    kind: Literal["dense", "sparse", "convolution", "low-rank", "embedding", "grouped"] = "dense"
    shape: Sequence[int] = ()  # sparse: (K, N)
    rows: Sequence[int] = ()  # sparse: of each weight
    columns: Sequence[int] = ()  # sparse: of each weight
    sizes: Sequence[int] = ()  # convolution: i_1, ..., i_D
    strides: Sequence[int] | None = None  # convolution: s; None: 1
    dilation: Sequence[int] | None = None  # convolution: d; None: 1
    padding: str | Sequence[tuple[int, int]] = "SAME"  # convolution
    groups: int = 1  # convolution: G
    scale: float = 1.0  # low-rank: kappa


DENSE = Operation()


@dataclasses.dataclass(frozen=True, eq=False)
class Layer:
    """A layer of N neurons (SPEC.md, chapter 10). Weights are plain numbers in the unit of y."""

    kind: str
    weight: np.ndarray  # (K, N), or as `operation` has it; low-rank: B, (K, R)
    bias: np.ndarray | None = None  # (N,), or shared: (), (1,); of a convolution, (C',)
    recurrent: np.ndarray | None = None  # (N, N); element-wise: (N,), or shared: (), (1,)
    mask: np.ndarray | None = None  # of `weight`, of its shape
    recurrent_mask: np.ndarray | None = None  # (N, N), of a dense `recurrent`
    weight_function: Literal["identity", "square", "absolute"] = "identity"  # of `weight`
    lateral: np.ndarray | None = None  # (N, N), fixed: y also has s(t-1) @ lateral (LEARN-14)
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # as of `Gif`
    operation: Operation = DENSE  # that of `weight`
    factor: np.ndarray | None = None  # A of a low-rank operation, (R, N)


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
    """Layers and a plain readout (SPEC.md, chapter 10)."""

    layers: tuple[Layer, ...]
    readout: np.ndarray  # (N, M)
    readout_bias: np.ndarray | None = None  # (M,)
    readout_decay: float = 0.0  # of a leaky readout (NET-3); 0: it is not leaky
    feedback: np.ndarray | None = None  # (N, M), B of e-prop, given where it is not symmetric
    tied: bool = False  # the second layer uses the first one's weight parameter (LEARN-16)
    skip: np.ndarray | None = None  # (K, M), trained with a trace: out also has x @ skip (LEARN-15)
    output_decay: float | None = None
    """Kept in no hidden state: out(t) also has output_decay * out(t-1) (LEARN-17)."""


@dataclasses.dataclass(frozen=True, eq=False)
class Rule:
    """A rule: "D-RTRL", "ES-D-RTRL", "hybrid", "e-prop", "RTRL", "OSTL" or "three-factor"."""

    name: str
    decay_or_rank: Any = None
    """Of "ES-D-RTRL" and "hybrid": a decay or rank, or two (TRACE-6). Of "three-factor": kappa."""
    rules: Mapping[str, Any] | None = None
    """Of "hybrid": "D-RTRL" or "ES-D-RTRL" for the parameters that it names (HYBRID-2)."""
    feedback: Any = None
    """Of "e-prop": "symmetric", "random" or "adaptive"."""


@dataclasses.dataclass(frozen=True, eq=False)
class Traced:
    """The states, emissions, outputs and traces of a run."""

    hidden: list[np.ndarray]  # for each layer (T, B, N, d), in the table's order and units
    emitted: list[np.ndarray]  # for each layer (T, B, N)
    outputs: np.ndarray  # (T, B, M)
    traces: dict[str, np.ndarray | tuple[np.ndarray | None, np.ndarray]]
    """At the end, by parameter. D-RTRL: (B, K, N, d), or (B, N, d) of a bias or an element-wise
    operation, or as OP-6 says. ES-D-RTRL: eps_x, (B, K), or None; and eps_f, (B, N, d). E-prop and
    three-factor learning: as D-RTRL. RTRL and OSTL: none."""


@dataclasses.dataclass(frozen=True, eq=False)
class Learned:
    """The losses, gradients, parameters and traces of a run that learns."""

    losses: np.ndarray  # (T,)
    gradients: dict[str, np.ndarray]
    """By parameter, of its shape: the sum over all steps; with updates, the last chunk's. Adaptive
    feedback weights are "readout.feedback", a skip (RTRL) "skip"; three-factor learning has
    parameters with a trace alone."""
    parameters: dict[str, np.ndarray]
    """By parameter, after the last update."""
    traced: Traced
    """As of a run without learning."""


@dataclasses.dataclass(frozen=True, eq=False)
class LearnedTrials:
    """The losses and gradients of trials of several lengths, and what each left at its end."""

    losses: np.ndarray  # (T,), each the sum over the trials that go on
    gradients: dict[str, np.ndarray]  # as of `Learned`, over all steps
    hidden: list[np.ndarray]  # for each layer (B, N, d), after step T
    emitted: list[np.ndarray]  # for each layer (B, N), the last emission, likewise
    traces: dict[str, np.ndarray]
    """By parameter that has a trace of D-RTRL, that after step T, as of `Traced`; no others."""
