"""How a platform makes steps of NIR's differential equations: what NIR itself leaves open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import brainunit as u
import numpy as np
from braintools.surrogate import Surrogate

from ..errors import ParameterError
from ..nn.layer import check_surrogate
from ..nn.quantities import as_positive

__all__ = ["Conventions", "Filter", "check_conventions"]

Integrator: TypeAlias = Literal["euler", "exponential", "exponential_leak"]
Reset: TypeAlias = Literal["v_reset", "subtract"]
ResetStep: TypeAlias = Literal["same", "next"]
Current: TypeAlias = Literal["new", "old"]
InputOfIF: TypeAlias = Literal["per_second", "per_step"]


class Filter(NamedTuple):
    """x(t) = decay x(t−1) + leak x_rest + gain input: float64 numbers of a shape of neurons."""

    decay: np.ndarray
    leak: np.ndarray
    gain: np.ndarray


@dataclass(frozen=True)
class Conventions:
    """What a model of a graph goes by; docs/nir.md says of each option what it is.

    Parameters
    ----------
    dt, spk_scale : float
        Seconds; volts.
    """

    dt: float
    integrator: Integrator
    reset: Reset
    reset_step: ResetStep
    current: Current
    input_of_if: InputOfIF
    spk_fun: Surrogate
    spk_scale: float

    def make_filter(self, tau: np.ndarray) -> Filter:
        """Make the step of tau dx/dt = x_rest − x + input, of tau in seconds."""
        ratio = self.dt / tau
        if self.integrator == "euler":
            return Filter(1 - ratio, ratio, ratio)
        decay, leak = np.exp(-ratio), -np.expm1(-ratio)
        return Filter(decay, leak, leak if self.integrator == "exponential" else ratio)

    def make_sum(self, shape: tuple[int, ...]) -> Filter:
        """Make the step of dx/dt = input, or, where it counts by steps, of x(t−1) + input."""
        gain = self.dt if self.input_of_if == "per_second" else 1.0
        return Filter(np.ones(shape), np.zeros(shape), np.full(shape, gain))


def check_conventions(dt: Any, spk_fun: Any, spk_scale: Any, **choices: Any) -> Conventions:
    """Read the options of `from_nir`.

    Raises
    ------
    UnitError, ParameterError, ValueTypeError, ShapeError
    """
    kinds = {
        "integrator": Integrator,
        "reset": Reset,
        "reset_step": ResetStep,
        "current": Current,
        "input_of_if": InputOfIF,
    }
    for name, kind in kinds.items():
        options, got = get_args(kind), choices[name]
        if not isinstance(got, str) or got not in options:
            raise ParameterError(f"{name} must be one of {options}, got {got!r}", got=got)
    seconds = float(as_positive(dt, u.second, "dt"))
    volts = float(as_positive(spk_scale, u.volt, "spk_scale"))
    return Conventions(seconds, spk_fun=check_surrogate(spk_fun), spk_scale=volts, **choices)
