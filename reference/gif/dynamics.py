"""The GIF neuron as one object, which calls the functions of `equations` in the order of a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..errors import ParameterError
from . import equations
from .equations import Jacobian, Propagator, Step
from .parameters import read_parameters
from .run import Run, run


class StepFactors(NamedTuple):
    """What the derivatives of a step have in common, with the sizes of NUM-4."""

    P: np.ndarray  #: (n, *shape), the reset's derivative where the neuron spikes, else 1
    jump: np.ndarray  #: (n, *shape), ρ(ĥ) − ĥ; 0 where the reset is detached
    psi: np.ndarray  #: (*shape), ψ(x)/s, 1/mV
    size_jump: np.ndarray  #: (n, *shape)
    size_psi: np.ndarray  #: (*shape)


class Dynamics:
    """A population of GIF neurons, none of which acts on another (GIF-10).

    Parameters
    ----------
    size : tuple of int
        The population's shape.
    parameters : mapping from names to Quantity, for R1 ... RJ to numbers
        What is left out has its default. Each broadcasts to `size`.
    method : str
        "exact" or "exp_euler".
    J : int
        The number of internal currents.

    Raises
    ------
    ParameterError, UnitError, DtypeError, ShapeError, ValueTypeError
        As GIF-18 says.
    """

    def __init__(
        self,
        size: tuple[int, ...],
        parameters: Mapping[str, Any],
        *,
        method: str = "exact",
        J: int = 2,
    ):
        if method not in equations.METHODS:
            raise ParameterError("method", repr(method), f"one of {[*equations.METHODS]}")
        self.size, self.method = tuple(size), method
        self.parameters = read_parameters(self.size, parameters, J)
        self.offset = equations.offset(self.parameters)

    def initial(self, batch: tuple[int, ...] = ()) -> np.ndarray:
        """The first state, (n, *batch, *size): no internal currents, V_rest, V_th∞ (GIF-2)."""
        shape = (len(self.offset), *batch, *self.size)
        state = np.empty(shape)
        for i, row in enumerate(self.offset):
            state[i] = row
        return state

    def propagator(self, dt: float) -> Propagator:
        """The propagator of a step of `dt` ms."""
        return equations.METHODS[self.method](self.parameters, dt)

    def integrate(self, propagator: Propagator, state: np.ndarray, current: Any) -> np.ndarray:
        """Part 1 of a step: Î_j, V̂, V̂_th, (n, *shape)."""
        return equations.integrate(*propagator, self.offset, state, current)

    def compare(self, V: np.ndarray, V_th: np.ndarray) -> np.ndarray:
        """Part 2 of a step: which neurons spike (GIF-7)."""
        return equations.compare(V, V_th)

    def reset(self, integrated: np.ndarray) -> np.ndarray:
        """Part 3 of a step: the state of a neuron that spikes (GIF-8)."""
        p = self.parameters
        return equations.reset(p.R_j, p.A, p.V_reset, p.V_th_reset, integrated)

    def step(self, propagator: Propagator, state: np.ndarray, current: Any) -> Step:
        """Make one step.

        Parameters
        ----------
        propagator : Propagator
        state : (n, *shape) array, nA and mV
            The state before the step; `shape` ends in the population's.
        current : array that broadcasts to shape, nA
            The input, held constant over the step.

        Returns
        -------
        Step
        """
        p = self.parameters
        integrated = self.integrate(propagator, state, current)
        spikes = self.compare(integrated[-2], integrated[-1])
        reset = self.reset(integrated)
        size = equations.size_integrated(*propagator, self.offset, state, current)
        size_reset = equations.size_reset(p.R_j, p.A, p.V_reset, p.V_th_reset, size)
        after = np.where(spikes, reset, integrated)
        return Step(after, spikes, integrated, reset, size, size_reset)

    def run(self, propagator: Propagator, state: np.ndarray, currents: np.ndarray) -> Run:
        """Make T steps in compiled code, which is that of `equations`; see `run.run`."""
        return run(self.parameters, propagator, state, currents)

    def surrogate(self, x: np.ndarray, alpha: float, width: float) -> np.ndarray:
        """ψ(x) (GIF-15)."""
        return equations.triangle(x, alpha, width)

    def find_factors(
        self, step: Step, alpha: float, width: float, scale: float, detach_reset: bool
    ) -> StepFactors:
        """Find what a step's derivatives by the state and by parameters have in common."""
        p, flow = self.parameters, 0.0 if detach_reset else 1.0
        x = (step.integrated[-2] - step.integrated[-1]) / scale
        size_x = (step.size[-2] + step.size[-1]) / scale
        P = equations.reset_derivative(p.R_j, p.V_th_reset, step.integrated)
        return StepFactors(
            np.where(step.spikes, P, 1.0),
            flow * (step.reset - step.integrated),
            self.surrogate(x, alpha, width) / scale,
            flow * (step.size_reset + step.size),
            np.abs(alpha * (width + size_x) / scale),
        )

    def jacobian(
        self,
        propagator: Propagator,
        state: np.ndarray,
        current: Any,
        *,
        alpha: float = 0.3,
        width: float = 1.0,
        scale: float = 20.0,
        detach_reset: bool = False,
        step: Step | None = None,
    ) -> Jacobian:
        """The derivative of one step (GIF-14 to GIF-17).

        Parameters
        ----------
        propagator, state, current
            As for `step`.
        alpha, width : float
            α and w of the surrogate.
        scale : float, mV
            s.
        detach_reset : bool
            Whether nothing flows through the spike into the reset.
        step : Step, optional
            What `step` returns for these arguments, if it is known.

        Returns
        -------
        Jacobian
        """
        step = step or self.step(propagator, state, current)
        D = np.concatenate([propagator.E, propagator.e_c[:, np.newaxis]], axis=1)
        P, jump, psi, size_jump, size_psi = self.find_factors(
            step, alpha, width, scale, detach_reset
        )
        spike, after = equations.derivative(D, P, jump, psi)
        size_spike, size_after = equations.derivative_size(D, P, size_jump, size_psi)
        return Jacobian(after, spike, size_after, size_spike)
