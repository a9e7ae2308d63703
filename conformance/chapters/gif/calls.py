"""The calls that make a step of GIF neurons, all of which take the same arguments."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.drawing.populations import Population
from conformance.oracles.gif_derivatives import as_arrays, check_same_derivative
from conformance.oracles.gif_steps import check_alike, exact, exp_euler, read_spikes, stack_state
from conformance.protocol.implementation import Value

EXP_EULER = {"method": "exp_euler"}
TREE = {"form": "tree"}

CALLS = {
    "step": ("gif_step", {}),
    "step-by-exp-euler": ("gif_step", EXP_EULER),
    "run": ("gif_run", TREE),
    "run-by-exp-euler": ("gif_run", EXP_EULER),
    "derivative": ("gif_jacobian", {}),
}
"""The implementation's methods and their options, by what they make."""

#: The result of a call, and its spikes; of a derivative, that of the emitted spike.
Outcome = tuple[np.ndarray, np.ndarray]


def call(implementation: Any, name: str, arguments: tuple[Any, ...]) -> Any:
    """Make one of `CALLS` with the arguments of a step; a run is of that one step."""
    method, options = CALLS[name]
    size, parameters, state, current, dt = arguments
    if method == "gif_run":
        current = Value(current.array[np.newaxis], current.unit)
    return getattr(implementation, method)(size, parameters, state, current, dt, **options)


def make_call(
    implementation: Any, name: str, population: Population, arguments: tuple[Any, ...] | None = None
) -> Outcome:
    """Make a call, check types and shapes; `arguments` replace the population's own."""
    got = call(implementation, name, population.arguments() if arguments is None else arguments)
    method, shape = CALLS[name][0], population.state.shape[1:]
    if method == "gif_jacobian":
        return as_arrays(got, shape)
    if method == "gif_run":
        states, spikes = (
            stack_state(got[0], (1, *shape), method),
            read_spikes(got[1], (1, *shape), method),
        )
        return states[:, 0], spikes[0]
    return stack_state(got[0], shape, method), read_spikes(got[1], shape, method)


def check_same_outcome(
    name: str, population: Population, got: Outcome, plain: Outcome, what: str
) -> None:
    """Assert that two calls of one step by one implementation agree but for rounding."""
    what = f"{CALLS[name][0]}{CALLS[name][1] or ''} of {what}"
    if name == "derivative":
        check_same_derivative(population, plain[0], got[0], what)
    else:
        oracle = exp_euler if CALLS[name][1] == EXP_EULER else exact
        check_alike(*got, *plain, oracle(population), what)
