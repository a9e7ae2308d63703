"""By how much a number of a result may be off: the sizes of chapter 11, array by array.

What is allowed is a factor, which a precision has, times a size. `SIZES` has of each call the sizes
of its result, in the result's own containers; None stands for exact equality.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from conformance.adapters.reference import Reference
from conformance.oracles import cables
from conformance.protocol.implementation import Value
from conformance.protocol.problems import Learned, LearnedTrials, Network, Traced
from conformance.tolerances import EPSILON, NETWORK
from conformance.translation.values import to_reference
from reference import unit
from reference.gif import gradient

__all__ = ["FACTORS", "SIZES", "Undecided"]

FACTORS: dict[str, dict[int, float]] = {
    name: {bits: factor * EPSILON[bits] for bits in (32, 64)}
    for name, factor in (
        *(("NUM-1", 64), ("NUM-4", 256), ("NUM-5", 64)),
        *(("NUM-6", 16), ("NUM-7", 16), ("NUM-10", 256)),
    )
} | {"NUM-8": NETWORK}
"""By clause and precision."""

_VARIABLES = ("I1", "I2", "V", "V_th")
_REFERENCE = Reference()


class Undecided(Exception):
    """A call of whose result a comparison is nearer to equality than 32 bits tell."""


def _check_decided(distance: np.ndarray, size: np.ndarray, steps: int = 1) -> None:
    if np.any(np.abs(distance) <= steps * FACTORS["NUM-1"][32] * size):
        raise Undecided


def _of_default(result: Mapping[str, Any], *arguments: Any, **options: Any) -> Any:
    return {name: None if isinstance(x, float) else np.abs(x.array) for name, x in result.items()}


def _model(size: Any, parameters: Any, state: Any, method: str, form: str) -> Any:
    return _REFERENCE.model_in(state, size, parameters, form, method)


def _of_step(
    result: Any, size: Any, parameters: Any, state: Any, current: Any, dt: Any, **options: Any
) -> Any:
    model = _model(size, parameters, state, options["method"], options["form"])
    before, propagator, I = model._read(to_reference(current), to_reference(dt))
    step = model.dynamics.step(propagator, before, I)
    _check_decided(step.integrated[2] - step.integrated[3], step.size[2] + step.size[3])
    sizes = np.where(step.spikes, step.size_reset, step.size)
    return dict(zip(_VARIABLES, sizes, strict=True)), None


def _of_run(
    result: Any, size: Any, parameters: Any, state: Any, currents: Any, dt: Any, **options: Any
) -> Any:
    model = _model(size, parameters, state, options["method"], options["form"])
    T, sizes, distances, margins = len(currents.array), [], [], []
    for row in currents.array:
        before, propagator, I = model._read(
            to_reference(Value(row, currents.unit)), to_reference(dt)
        )
        step = model.dynamics.step(propagator, before, I)
        sizes.append(np.where(step.spikes, step.size_reset, step.size))
        distances.append(step.integrated[2] - step.integrated[3])
        margins.append(step.size[2] + step.size[3])
        model.update(to_reference(Value(row, currents.unit)), to_reference(dt))
    if not T:
        return dict.fromkeys(_VARIABLES, np.zeros(())), None
    _check_decided(np.array(distances), np.max(margins, axis=0), T)
    largest = T * np.max(sizes, axis=0)
    return dict(zip(_VARIABLES, largest, strict=True)), None


def _of_jacobian(
    result: Any, size: Any, parameters: Any, state: Any, current: Any, dt: Any, **options: Any
) -> Any:
    model = _model(size, parameters, state, "exact", "states")
    before, propagator, I = model._read(to_reference(current), to_reference(dt))
    step = model.dynamics.step(propagator, before, I)
    _check_decided(step.integrated[2] - step.integrated[3], step.size[2] + step.size[3])
    reset = model.dynamics.parameters.V_th_reset
    _check_decided(step.integrated[3] - reset, step.size_reset[3])
    options = {name: to_reference(x) for name, x in options.items() if x is not None}
    jacobian = model.jacobian(to_reference(current), to_reference(dt), **options)
    whole = np.moveaxis(jacobian.size_step, (0, 1), (-2, -1))
    spike = np.moveaxis(jacobian.size_spike, 0, -1)
    return {
        "state": whole[..., :-1],
        "current": whole[..., -1],
        "spike_state": spike[..., :-1],
        "spike_current": spike[..., -1],
    }


def _check_run_decided(
    size: Any, parameters: Any, state: Any, currents: Any, dt: Any, method: str = "exact"
) -> None:
    model = _model(size, parameters, state, method, "states")
    for t, row in enumerate(currents.array, 1):
        current = to_reference(Value(row, currents.unit))
        before, propagator, I = model._read(current, to_reference(dt))
        step = model.dynamics.step(propagator, before, I)
        _check_decided(step.integrated[2] - step.integrated[3], step.size[2] + step.size[3], t)
        bound = model.dynamics.parameters.V_th_reset
        _check_decided(step.integrated[3] - bound, step.size_reset[3], t)
        model.update(current, to_reference(dt))


def _of_sensitivity(result: Any, *arguments: Any, **options: Any) -> Any:
    _check_run_decided(*arguments, method=options["method"])
    sensitivities = _REFERENCE.follow(*arguments, **options)
    steps = np.arange(1.0, len(arguments[3].array) + 1)
    return {
        "state": {
            k: np.moveaxis(_times(steps, x.size_state), 1, -1) for k, x in sensitivities.items()
        },
        "spike": {k: _times(steps, x.size_spike) for k, x in sensitivities.items()},
    }


def _times(steps: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    return steps.reshape(-1, *(1,) * (sizes.ndim - 1)) * sizes


def _of_gradient(result: Any, *arguments: Any) -> Any:
    *run, state_weights, spike_weights = arguments
    _check_run_decided(*run)
    weights = np.moveaxis(state_weights, -1, 1), spike_weights
    return {
        name: len(spike_weights) * gradient(x, *weights, result[name].shape)[1]
        for name, x in _REFERENCE.follow(*run).items()
    }


def _of_morphology(result: Mapping[str, Value], sections: Any) -> Any:
    F = cables.compartments(list(sections)).accuracy
    sizes = {name: F * np.abs(result[name].array) for name in ("area", "R_left", "R_right")}
    return sizes | {"coupling": F.max() * np.abs(result["coupling"].array)}


def _of_cable_initial(result: Any, *arguments: Any) -> Any:
    return np.abs(result[0].array), None, None


def _of_cable_step(
    result: Any, size: Any, sections: Any, parameters: Any, V: Any, current: Any, dt: Any
) -> Any:
    cable = _REFERENCE.cable(size, sections, parameters)
    return cable.scale(*map(to_reference, (V, current, dt)))


def _of_cable_run(
    result: Any, size: Any, sections: Any, parameters: Any, V: Any, currents: Any, dt: Any
) -> Any:
    cable, before, sizes = _REFERENCE.cable(size, sections, parameters), to_reference(V), []
    for row in currents.array:
        current = to_reference(Value(row, currents.unit))
        sizes.append(cable.scale(before, current, to_reference(dt)))
        before = cable.step(before, current, to_reference(dt))
    return len(sizes) * np.max(sizes, axis=0) if sizes else np.zeros(())


def _of_cable_jacobian(result: Any, sections: Any, parameters: Any, dt: Value) -> Any:
    n = len(result["state"])
    g = parameters.get("g", Value(np.array(1e-4), "S cm^-2"))
    cells = types.SimpleNamespace(
        sections=list(sections),
        size=(),
        dt=float(dt.array) * 10.0 ** (unit(dt.unit).scale - unit("ms").scale),
        parameters={"g": cables.plain(g, "S cm^-2")},
        V=np.zeros(n),
    )
    _, size, per_dt = cables.inverse(cells)
    return {"state": size * per_dt, "current": size}


def _largest(array: Any, axes: Any = None) -> Any:
    return np.max(np.abs(np.asarray(array, float)), axis=axes, initial=0.0)


def _of_traced(traced: Traced) -> Traced:
    """The largest entry of each array; each variable of a neuron is an array of its own (NUM-8)."""

    def of_trace(trace: Any) -> Any:
        if isinstance(trace, tuple):
            return None if trace[0] is None else _largest(trace[0]), of_trace(trace[1])
        return _largest(trace, tuple(range(trace.ndim - 1)))

    return Traced(
        [_largest(array, (0, 1, 2)) for array in traced.hidden],
        [_largest(array) for array in traced.emitted],
        _largest(traced.outputs),
        {name: of_trace(trace) for name, trace in traced.traces.items()},
    )


def _first_parameters(network: Network) -> dict[str, Any]:
    """By name, the parameters that a network is given."""
    parameters = {
        f"{l}.{field}": getattr(layer, field)
        for l, layer in enumerate(network.layers)
        for field in ("weight", "factor", "bias", "recurrent")
    }
    parameters |= {"readout.weight": network.readout, "readout.bias": network.readout_bias}
    return parameters | {"readout.feedback": network.feedback, "skip": network.skip}


def _of_learned(learned: Learned, network: Network, *arguments: Any, **options: Any) -> Learned:
    first = _first_parameters(network)
    return Learned(
        _largest(learned.losses),
        {name: _largest(array) for name, array in learned.gradients.items()},
        {
            name: _largest(array - np.asarray(first[name], float)) + 0.1 * _largest(array)
            for name, array in learned.parameters.items()
        },
        _of_traced(learned.traced),
    )


def _of_trials(learned: LearnedTrials, *arguments: Any, **options: Any) -> LearnedTrials:
    return LearnedTrials(
        _largest(learned.losses),
        {name: _largest(array) for name, array in learned.gradients.items()},
        [_largest(array, (0, 1)) for array in learned.hidden],
        [_largest(array) for array in learned.emitted],
        {
            name: _largest(trace, tuple(range(trace.ndim - 1)))
            for name, trace in learned.traces.items()
        },
    )


def _of_traces(traced: Traced, *arguments: Any, **options: Any) -> Traced:
    return _of_traced(traced)


def _of_signals(signals: Any, *arguments: Any) -> Any:
    return [(_largest(c), _largest(l, (0, 1, 2))) for c, l in signals]


SIZES: dict[str, tuple[str, Callable[..., Any]]] = {
    "gif_defaults": ("NUM-1", _of_default),
    "gif_initial": ("NUM-1", _of_default),
    "gif_step": ("NUM-1", _of_step),
    "gif_run": ("NUM-1", _of_run),
    "gif_jacobian": ("NUM-4", _of_jacobian),
    "gif_sensitivity": ("NUM-10", _of_sensitivity),
    "gif_gradient": ("NUM-10", _of_gradient),
    "morphology": ("NUM-5", _of_morphology),
    "site": ("NUM-1", lambda *arguments: None),
    "cable_initial": ("NUM-6", _of_cable_initial),
    "cable_step": ("NUM-6", _of_cable_step),
    "cable_run": ("NUM-6", _of_cable_run),
    "cable_jacobian": ("NUM-7", _of_cable_jacobian),
    "traces": ("NUM-8", _of_traces),
    "learn": ("NUM-8", _of_learned),
    "learning_signals": ("NUM-8", _of_signals),
    "reinforce": ("NUM-8", _of_learned),
    "learn_trials": ("NUM-8", _of_trials),
}
"""By call: the clause of its factor, and from its result and arguments to the sizes."""
