"""Derivatives of GIF neurons with respect to their parameters: GIF-25 to GIF-31, NUM-10."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .dynamics import Dynamics
from .equations import Propagator, Step, reset_derivative
from .parameters import names_of
from .slopes import Slopes, slopes


class Sensitivity(NamedTuple):
    """The derivatives of a run of T steps with respect to one parameter of each neuron."""

    state: np.ndarray  #: (T, n, *shape), S, of the states after each step
    spike: np.ndarray  #: (T, *shape), of the emitted spikes
    size_state: np.ndarray  #: (T, n, *shape), N (NUM-10)
    size_spike: np.ndarray  #: (T, *shape)


class StepSlope(NamedTuple):
    """The derivative of one step with respect to a parameter, the state before it fixed."""

    integrated: np.ndarray  #: (n, *shape), G (GIF-25)
    reset: np.ndarray  #: (n, *shape), ∂ρ (GIF-29)
    size_integrated: np.ndarray  #: (n, *shape), sums of the absolute values of terms (NUM-10)
    size_reset: np.ndarray  #: (n, *shape)


def follow(
    neurons: Dynamics,
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
    neurons : Dynamics
    dt : float, ms
    state : (n, *shape) array, nA and mV
        The state before the first step, which depends on no parameter.
    currents : (T, *shape) array, nA
    alpha, width, scale, detach_reset
        As for `Dynamics.jacobian`.

    Returns
    -------
    dict of Sensitivity
        By parameter, in the units of the table of chapter 6.
    """
    p, propagator = neurons.parameters, neurons.propagator(dt)
    of_propagator = slopes(p, dt, neurons.method)
    T, n, shape = len(currents), len(state), state.shape[1:]
    found = {name: _nothing(T, n, shape) for name in of_propagator}
    before = {name: (np.zeros(state.shape), np.zeros(state.shape)) for name in of_propagator}
    flow = 0.0 if detach_reset else 1.0
    for t, current in enumerate(currents):
        step = neurons.step(propagator, state, current)
        options = {"alpha": alpha, "width": width, "scale": scale, "detach_reset": detach_reset}
        jacobian = neurons.jacobian(propagator, state, current, **options, step=step)
        D, d = jacobian.step[:, :n], jacobian.spike[:n]
        size_D, size_d = jacobian.size_step[:, :n], jacobian.size_spike[:n]
        x = (step.integrated[-2] - step.integrated[-1]) / scale
        slope = neurons.surrogate(x, alpha, width) / scale
        size_slope = np.abs(alpha * (width + (step.size[-2] + step.size[-1]) / scale) / scale)
        P = reset_derivative(p.R_j, p.V_th_reset, step.integrated)
        P = np.where(step.spikes, P, 1.0)
        for name, S_slopes in of_propagator.items():
            one = step_slope(neurons, name, propagator, S_slopes, state, current, step)
            G, size_G = one.integrated, one.size_integrated
            dz = slope * (G[-2] - G[-1])
            size_dz = size_slope * (size_G[-2] + size_G[-1])
            df = P * G + step.spikes * one.reset + flow * (step.reset - step.integrated) * dz
            size_df = np.abs(P) * size_G + step.spikes * one.size_reset
            size_df = size_df + flow * (step.size_reset + step.size) * size_dz
            S, N = before[name]
            found[name].spike[t] = (d * S).sum(axis=0) + dz
            found[name].size_spike[t] = (np.abs(d) * N + size_d * np.abs(S)).sum(axis=0) + size_dz
            N = (np.abs(D) * N + size_D * np.abs(S)).sum(axis=1) + size_df
            S = (D * S).sum(axis=1) + df
            found[name].state[t], found[name].size_state[t] = S, N
            before[name] = S, N
        state = step.state
    return found


def step_slope(
    neurons: Dynamics,
    name: str,
    propagator: Propagator,
    of_propagator: Slopes,
    state: np.ndarray,
    current: np.ndarray,
    step: Step,
) -> StepSlope:
    """The derivatives of the integrated values and of the reset map (GIF-25, GIF-26, GIF-29).

    Parameters
    ----------
    neurons : Dynamics
    name : str
        Of the parameter.
    propagator : Propagator
    of_propagator : Slopes
        Its derivatives with respect to the parameter.
    state : (n, *shape) array, nA and mV
    current : (*shape) array, nA
    step : Step
        From that state.

    Returns
    -------
    StepSlope
    """
    n, V, V_th, o = len(state), -2, -1, neurons.offset
    do = np.zeros(state.shape)
    if name in ("V_rest", "V_th_inf"):
        do[V if name == "V_rest" else V_th] = 1.0
    u = [*(state[j] - o[j] for j in range(n)), current]
    size_u = [*(np.abs(state[j]) + np.abs(o[j]) for j in range(n)), np.abs(current)]
    G, size_G = np.empty(state.shape), np.empty(state.shape)
    for i in range(n):
        through_o = sum(propagator.E[i, j] * do[j] for j in range(n))
        G[i] = sum(of_propagator.D[i, j] * u[j] for j in range(n + 1)) + do[i] - through_o
        size_G[i] = sum(of_propagator.size[i, j] * size_u[j] for j in range(n + 1))
        size_G[i] += do[i] + np.abs(through_o)
    reset, size_reset = np.zeros(state.shape), np.zeros(state.shape)
    field = names_of(n - 2)[name]
    if field == "R_j":
        j = int(name[1:]) - 1
        reset[j], size_reset[j] = step.integrated[j], step.size[j]
    elif field == "A":
        j = int(name[1:]) - 1
        reset[j] = size_reset[j] = 1.0
    elif field == "V_reset":
        reset[V] = size_reset[V] = 1.0
    elif field == "V_th_reset":
        reset[V_th] = size_reset[V_th] = step.integrated[V_th] <= neurons.parameters.V_th_reset
    return StepSlope(G, reset, size_G, size_reset)


def gradient(
    sensitivity: Sensitivity,
    state_weights: np.ndarray,
    spike_weights: np.ndarray,
    shape: tuple[int, ...],
) -> tuple[np.ndarray, np.ndarray]:
    """The derivative of a loss with respect to a parameter, and the size of its terms (GIF-31).

    Parameters
    ----------
    sensitivity : Sensitivity
        With respect to that of each neuron.
    state_weights : (T, n, *neurons) array
        The derivative of the loss with respect to each state.
    spike_weights : (T, *neurons) array
        That with respect to each spike.
    shape : tuple of int
        That in which the parameter is given: it broadcasts to the population's.

    Returns
    -------
    two (*shape) arrays
    """
    of_states = (state_weights * sensitivity.state).sum(axis=1)
    terms = of_states + spike_weights * sensitivity.spike
    size = (np.abs(state_weights) * sensitivity.size_state).sum(axis=1)
    size = size + np.abs(spike_weights) * sensitivity.size_spike
    return sum_to(terms.sum(axis=0), shape), sum_to(size.sum(axis=0), shape)


def sum_to(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sum over the axes along which an array of a shape is repeated in a larger one."""
    while array.ndim > len(shape):
        array = array.sum(axis=0)
    for axis, length in enumerate(shape):
        if length == 1:
            array = array.sum(axis=axis, keepdims=True)
    return array


def _nothing(T: int, n: int, shape: tuple[int, ...]) -> Sensitivity:
    states, spikes = (T, n, *shape), (T, *shape)
    return Sensitivity(*map(np.zeros, (states, spikes, states, spikes)))
