"""The twenty published firing patterns of the GIF neuron.

Parameters: Mihalas and Niebur 2009, table 1. Inputs, which the paper draws but does not print:
the ReScience replication (Detorakis 2017).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import brainunit as u
import numpy as np

from ..checks.arguments import is_real
from ..checks.hints import QuantityLike
from ..errors import ParameterError
from .quantities import as_positive

__all__ = ["FIRING_PATTERNS", "FiringPattern", "firing_pattern"]


class FiringPattern(NamedTuple):
    """What makes a GIF neuron fire in one of the published patterns.

    Attributes
    ----------
    parameters : dict
        Keyword arguments of `GIF`, initial potential and threshold included.
    pulses : tuple of (float, float)
        The input: pairs of a current in nA and its duration in ms.

    Examples
    --------
    >>> pattern = brainscale.nn.FIRING_PATTERNS["rebound spiking"]
    >>> pattern.pulses
    ((0.0, 50.0), (-3.5, 756.0), (0.0, 194.0))
    >>> pattern.current(0.1 * u.ms).shape
    (10000,)
    """

    parameters: dict[str, object]
    pulses: tuple[tuple[float, float], ...]

    def current(self, dt: QuantityLike) -> u.Quantity:
        """Make the input current of each step.

        Parameters
        ----------
        dt : Quantity, ms
            Should divide the durations of the pulses.

        Returns
        -------
        Quantity, shape (steps,), nA
        """
        dt_ms = float(as_positive(dt, u.ms, "dt"))
        self._check_pulses()
        counts = [round(duration / dt_ms) for _, duration in self.pulses]
        return np.repeat([value for value, _ in self.pulses], counts) * u.nA

    def _check_pulses(self) -> None:
        is_sequence = isinstance(self.pulses, (tuple, list))
        pulses: Sequence[Any] = self.pulses if is_sequence else [None]
        for pulse in pulses:
            is_pair = isinstance(pulse, (tuple, list)) and len(pulse) == 2
            if not is_pair or not all(is_real(x) and math.isfinite(x) for x in pulse):
                raise ParameterError(
                    "pulses must be pairs of a current in nA and its duration in ms, got "
                    f"{self.pulses!r}",
                    got=self.pulses,
                )


def firing_pattern(name: str) -> FiringPattern:
    """Give one of the published firing patterns.

    Parameters
    ----------
    name : str
        A key of `FIRING_PATTERNS`, such as ``"tonic bursting"``.

    Raises
    ------
    ParameterError
        For a name that is none of the twenty.

    Examples
    --------
    >>> pattern = brainscale.nn.firing_pattern("tonic bursting")
    >>> pattern.parameters["A1"], pattern.pulses
    (Quantity(10., "nA"), ((2.0, 500.0),))
    >>> neuron = brainscale.nn.GIF(10, **pattern.parameters)
    """
    if not isinstance(name, str) or name not in FIRING_PATTERNS:
        raise ParameterError(
            f"name must be a published firing pattern, one of {sorted(FIRING_PATTERNS)}, "
            f"got {name!r}",
            got=name,
        )
    return FIRING_PATTERNS[name]


def _make_pattern(
    *pulses: tuple[float, float],
    a: float = 0.0,
    A1: float = 0.0,
    A2: float = 0.0,
    V_th0: float = -50.0,
) -> FiringPattern:
    """Make a pattern of what differs from the parameters that all have in common."""
    return FiringPattern(
        dict(
            tau=20 * u.ms,
            R=20 * u.Mohm,  # With currents in nA, R/tau is the paper's 1/C.
            V_rest=-70 * u.mV,
            V_reset=-70 * u.mV,
            V_th_inf=-50 * u.mV,
            V_th_reset=-60 * u.mV,
            k1=0.2 / u.ms,
            k2=0.02 / u.ms,
            R1=0.0,
            R2=1.0,
            A1=A1 * u.nA,
            A2=A2 * u.nA,
            a=a / u.ms,
            b=0.01 / u.ms,
            V_initializer=-70 * u.mV,
            V_th_initializer=V_th0 * u.mV,
        ),
        pulses,
    )


FIRING_PATTERNS: dict[str, FiringPattern] = {
    "tonic spiking": _make_pattern((1.5, 200.0)),
    "class 1 excitability": _make_pattern((1.000001, 500.0)),
    "spike frequency adaptation": _make_pattern((2.0, 200.0), a=0.005),
    "phasic spiking": _make_pattern((1.5, 500.0), a=0.005),
    "accommodation": _make_pattern(
        (1.5, 100.0), (0.0, 500.0), (0.5, 100.0), (1.0, 100.0), (1.5, 100.0), (0.0, 100.0), a=0.005
    ),
    "threshold variability": _make_pattern(
        (1.5, 20.0), (0.0, 180.0), (-1.5, 25.0), (0.0, 25.0), (1.5, 25.0), (0.0, 125.0), a=0.005
    ),
    "rebound spiking": _make_pattern((0.0, 50.0), (-3.5, 756.0), (0.0, 194.0), a=0.005),
    "class 2 excitability": _make_pattern((2.000002, 300.0), a=0.005, V_th0=-30.0),
    "integrator": _make_pattern(
        (1.5, 20.0),
        (0.0, 10.0),
        (1.5, 20.0),
        (0.0, 250.0),
        (1.5, 20.0),
        (0.0, 20.0),
        (1.5, 20.0),
        (0.0, 40.0),
        a=0.005,
    ),
    "input bistability": _make_pattern(
        (1.5, 100.0), (1.7, 400.0), (1.5, 100.0), (1.7, 400.0), a=0.005
    ),
    "hyperpolarization-induced spiking": _make_pattern((-1.0, 400.0), a=0.03),
    "hyperpolarization-induced bursting": _make_pattern((-1.0, 400.0), A1=10.0, A2=-0.6, a=0.03),
    "tonic bursting": _make_pattern((2.0, 500.0), A1=10.0, A2=-0.6, a=0.005),
    "phasic bursting": _make_pattern((1.5, 500.0), A1=10.0, A2=-0.6, a=0.005),
    "rebound bursting": _make_pattern(
        (0.0, 100.0), (-3.5, 500.0), (0.0, 400.0), A1=10.0, A2=-0.6, a=0.005
    ),
    "mixed mode": _make_pattern((2.0, 500.0), A1=5.0, A2=-0.3, a=0.005),
    "afterpotentials": _make_pattern((2.0, 15.0), (0.0, 185.0), A1=5.0, A2=-0.3, a=0.005),
    "basal bistability": _make_pattern(
        (5.0, 10.0), (0.0, 90.0), (5.0, 10.0), (0.0, 90.0), A1=8.0, A2=-0.1
    ),
    "preferred frequency": _make_pattern(
        (5.0, 5.0),
        (0.0, 5.0),
        (4.0, 5.0),
        (0.0, 385.0),
        (5.0, 5.0),
        (0.0, 45.0),
        (4.0, 5.0),
        (0.0, 345.0),
        A1=-3.0,
        A2=0.5,
        a=0.005,
    ),
    "spike latency": _make_pattern((8.0, 2.0), (0.0, 48.0), a=-0.08),
}
"""The patterns by name, in the order of the paper's table."""
