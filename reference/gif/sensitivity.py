"""Derivatives of GIF neurons with respect to their parameters: GIF-25 to GIF-30, NUM-10."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .dynamics import Dynamics
from .equations import Jacobian, Propagator, Step
from .parameters import names_of
from .slopes import Slopes, slopes


class Sensitivity(NamedTuple):
    """The derivatives of a run of T steps with respect to one parameter of each neuron."""

    state: np.ndarray  #: (T, n, *shape), S, of the states after each step
    spike: np.ndarray  #: (T, *shape), of the emitted spikes
    size_state: np.ndarray  #: (T, n, *shape), N (NUM-10)
    size_spike: np.ndarray  #: (T, *shape)


class StepSlope(NamedTuple):
    """The derivatives of one step with respect to a parameter, the state before it fixed."""

    state: np.ndarray  #: (n, *shape), ∂h'
    spike: np.ndarray  #: (*shape), ∂z
    size_state: np.ndarray  #: (n, *shape), sums of the absolute values of terms (NUM-10)
    size_spike: np.ndarray  #: (*shape)


class LearnedDynamics(Dynamics):
    """A population of GIF neurons of which every parameter may be learned."""

    def slopes(self, dt: float) -> dict[str, Slopes]:
        """By parameter, the derivatives of the propagator of a step of `dt` ms."""
        return slopes(self.parameters, dt, self.method)

    def follow(
        self,
        dt: float,
        state: np.ndarray,
        currents: np.ndarray,
        *,
        alpha: float = 0.3,
        width: float = 1.0,
        scale: float = 20.0,
        detach_reset: bool = False,
    ) -> dict[str, Sensitivity]:
        """Follow a run with its derivatives with respect to all parameters (GIF-30).

        Parameters
        ----------
        dt : float, ms
        state : (n, *shape) array, nA and mV
            The state before the first step, which depends on no parameter.
        currents : (T, *shape) array, nA
        alpha, width, scale, detach_reset
            As for `jacobian`.

        Returns
        -------
        dict of Sensitivity
            By parameter, in the units of the table of chapter 6.
        """
        propagator, of_propagator = self.propagator(dt), self.slopes(dt)
        options = {"alpha": alpha, "width": width, "scale": scale, "detach_reset": detach_reset}
        sensitivities = {name: _make_empty(len(currents), state.shape) for name in of_propagator}
        before = {name: (np.zeros(state.shape), np.zeros(state.shape)) for name in of_propagator}
        for t, current in enumerate(currents):
            step = self.step(propagator, state, current)
            jacobian = self.jacobian(propagator, state, current, **options, step=step)
            sizes = self.jacobian_size(propagator, step, **options)
            for name, of_name in of_propagator.items():
                G = self.integrated_slope(name, propagator, of_name, state, current)
                slope = self.step_slope(name, G, step, **options)
                S, N, *of_spike = self.carry(*before[name], jacobian, sizes, slope)
                sensitivities[name].state[t], sensitivities[name].size_state[t] = S, N
                sensitivities[name].spike[t], sensitivities[name].size_spike[t] = of_spike
                before[name] = S, N
            state = step.state
        return sensitivities

    def integrated_slope(
        self,
        name: str,
        propagator: Propagator,
        of_propagator: Slopes,
        state: np.ndarray,
        current: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """G, the derivative of the integrated values, and its size (GIF-25, GIF-26).

        Parameters
        ----------
        name : str
            Of the parameter.
        propagator : Propagator
        of_propagator : Slopes
            Its derivatives with respect to the parameter.
        state : (n, *shape) array, nA and mV
        current : (*shape) array, nA

        Returns
        -------
        two (n, *shape) arrays
        """
        n, o = len(state), self.offset
        do = np.zeros(state.shape)
        if name in ("V_rest", "V_th_inf"):
            do[-2 if name == "V_rest" else -1] = 1.0
        u = [*(state[j] - o[j] for j in range(n)), current]
        size_u = [*(np.abs(state[j]) + np.abs(o[j]) for j in range(n)), np.abs(current)]
        G, size = np.empty(state.shape), np.empty(state.shape)
        for i in range(n):
            through_o = sum(propagator.E[i, j] * do[j] for j in range(n))
            G[i] = sum(of_propagator.D[i, j] * u[j] for j in range(n + 1)) + do[i] - through_o
            size[i] = sum(of_propagator.size[i, j] * size_u[j] for j in range(n + 1))
            size[i] += do[i] + np.abs(through_o)
        return G, size

    def step_slope(
        self,
        name: str,
        integrated: tuple[np.ndarray, np.ndarray],
        step: Step,
        *,
        alpha: float,
        width: float,
        scale: float,
        detach_reset: bool,
    ) -> StepSlope:
        """The derivatives of the spike and of the state after a step (GIF-28, GIF-29).

        Parameters
        ----------
        name : str
            Of the parameter.
        integrated : two (n, *shape) arrays
            G, and its size.
        step : Step
        alpha, width, scale, detach_reset
            As for `jacobian`.

        Returns
        -------
        StepSlope
        """
        G, size_G = integrated
        factors = self.find_factors(step, alpha, width, scale, detach_reset)
        dG, size_dG = G[-2] - G[-1], size_G[-2] + size_G[-1]
        dz = factors.psi * dG
        size_dz = np.abs(factors.psi) * size_dG + factors.size_psi * np.abs(dG)
        d_reset, size_d_reset = self.reset_slope(name, step)
        return StepSlope(
            factors.P * G + step.spikes * d_reset + factors.jump * dz,
            dz,
            np.abs(factors.P) * size_G
            + step.spikes * size_d_reset
            + np.abs(factors.jump) * size_dz
            + factors.size_jump * np.abs(dz),
            size_dz,
        )

    def jacobian_size(
        self, propagator: Propagator, step: Step, **options: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        """The sizes of D and d, of their terms and products as NUM-10 has them.

        Returns
        -------
        (n, n, *shape) array, (n, *shape) array
        """
        factors, n, shape = self.find_factors(step, **options), len(step.state), step.spikes.shape
        D, d = np.empty((n, n, *shape)), np.empty((n, *shape))
        for j in range(n):
            V, V_th = propagator.E[-2, j], propagator.E[-1, j]
            d[j] = np.abs(factors.psi) * (np.abs(V) + np.abs(V_th))
            d[j] += factors.size_psi * np.abs(V - V_th)
            for i in range(n):
                D[i, j] = np.abs(factors.P[i] * propagator.E[i, j]) + np.abs(factors.jump[i]) * d[j]
                D[i, j] += factors.size_jump[i] * np.abs(factors.psi * (V - V_th))
        return D, d

    def reset_slope(self, name: str, step: Step) -> tuple[np.ndarray, np.ndarray]:
        """∂ρ, the derivative of the reset at fixed integrated values, and its size (GIF-29)."""
        d_reset, size = np.zeros(step.state.shape), np.zeros(step.state.shape)
        field = names_of(len(step.state) - 2)[name]
        if field == "R_j":
            j = int(name[1:]) - 1
            d_reset[j], size[j] = step.integrated[j], step.size[j]
        elif field == "A":
            j = int(name[1:]) - 1
            d_reset[j] = size[j] = 1.0
        elif field == "V_reset":
            d_reset[-2] = size[-2] = 1.0
        elif field == "V_th_reset":
            d_reset[-1] = size[-1] = step.integrated[-1] <= self.parameters.V_th_reset
        return d_reset, size

    def carry(
        self,
        S: np.ndarray,
        N: np.ndarray,
        jacobian: Jacobian,
        sizes: tuple[np.ndarray, np.ndarray],
        slope: StepSlope,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """S and N after a step, and of its spike, from those before it (GIF-30, NUM-10)."""
        D, d, (size_D, size_d) = jacobian.step[:, :-1], jacobian.spike[:-1], sizes
        return (
            (D * S).sum(axis=1) + slope.state,
            (np.abs(D) * N + size_D * np.abs(S)).sum(axis=1) + slope.size_state,
            (d * S).sum(axis=0) + slope.spike,
            (np.abs(d) * N + size_d * np.abs(S)).sum(axis=0) + slope.size_spike,
        )


def _make_empty(T: int, shape: tuple[int, ...]) -> Sensitivity:
    states, spikes = (T, *shape), (T, *shape[1:])
    return Sensitivity(*map(np.empty, (states, spikes, states, spikes)))
