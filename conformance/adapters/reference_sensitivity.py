"""The part of the reference's adapter for GIF neurons whose parameters are learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from conformance.protocol.implementation import Value
from conformance.translation.values import to_reference
from reference.gif import LearnedDynamics, Sensitivity, gradient
from reference.values import read_number, read_positive

UNITS = {"I1": "nA", "I2": "nA", "V": "mV", "V_th": "mV"}


class ReferenceSensitivity:
    """`GifSensitivity` of `conformance.protocol.implementation`.

    The class attribute is what the methods use; a subclass may replace it.
    """

    learned_dynamics = LearnedDynamics

    def follow(
        self,
        size: tuple[int, ...],
        parameters: Mapping[str, Any],
        state: Mapping[str, Value],
        currents: Value,
        dt: Value,
        *,
        method: str = "exact",
        scale: Value | None = None,
        **options: Any,
    ) -> dict[str, Sensitivity]:
        """The derivatives of a run with respect to the parameters that are given."""
        neurons = self.learned_dynamics(size, to_reference(dict(parameters)), method=method)
        shape = np.shape(state["V"].array)
        h = [read_number(to_reference(state[name]), UNITS[name], shape, name) for name in UNITS]
        I = read_number(to_reference(currents), "nA", np.shape(currents.array), "input currents")
        step = read_positive(to_reference(dt), "ms", "dt")
        if scale is not None:
            options["scale"] = read_positive(to_reference(scale), "mV", "scale")
        sensitivities = neurons.follow(step, np.stack(h), I, **options)
        return {name: sensitivities[name] for name in parameters}

    def gif_sensitivity(
        self,
        size: tuple[int, ...],
        parameters: Mapping[str, Any],
        state: Mapping[str, Value],
        currents: Value,
        dt: Value,
        *,
        method: str = "exact",
        alpha: float = 0.3,
        width: float = 1.0,
        scale: Value | None = None,
        detach_reset: bool = False,
    ) -> dict[str, dict[str, np.ndarray]]:
        sensitivities = self.follow(
            size, parameters, state, currents, dt,
            method=method, alpha=alpha, width=width, scale=scale, detach_reset=detach_reset,
        )  # fmt: skip
        return {
            "state": {name: np.moveaxis(x.state, 1, -1) for name, x in sensitivities.items()},
            "spike": {name: x.spike for name, x in sensitivities.items()},
        }

    def gif_gradient(
        self,
        size: tuple[int, ...],
        parameters: Mapping[str, Any],
        state: Mapping[str, Value],
        currents: Value,
        dt: Value,
        state_weights: np.ndarray,
        spike_weights: np.ndarray,
    ) -> dict[str, np.ndarray]:
        sensitivities = self.follow(size, parameters, state, currents, dt)
        weights = np.moveaxis(state_weights, -1, 1), spike_weights
        shapes = {
            name: np.shape(value.array if isinstance(value, Value) else value)
            for name, value in parameters.items()
        }
        return {
            name: gradient(sensitivities[name], *weights, shapes[name])[0] for name in parameters
        }
