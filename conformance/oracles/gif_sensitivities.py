"""Derivatives of runs of GIF neurons with respect to their parameters, and records of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from conformance.checks import check_close
from conformance.drawing.populations import (
    DTYPES,
    MEETING,
    QUIET,
    V_TH,
    Population,
    V,
    draw_population,
    round_to,
)
from conformance.drawing.seeded import generator
from conformance.drawing.sharing import remember
from conformance.oracles.gif_steps import DERIVATIVE_FACTOR, FACTOR, dynamics
from conformance.protocol.implementation import Value
from conformance.tolerances import tolerances_in_test
from conformance.translation.values import to_reference
from reference.gif import LearnedDynamics, Sensitivity, gradient

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "detached": {"detach_reset": True, "alpha": 1.7, "width": 0.4},
    "exp_euler": {"method": "exp_euler", "alpha": 0.5, "width": 2.0, "scale": 8.0},
}
"""Options of `gif_sensitivity`."""

T = 4

OFFSETS = (-70.0, -11.0, -7.0, -5.0, -3.0, -75.0, 2.0, 5.0, 8.0, 11.0, 14.0, 17.0)
"""How far a neuron's potential is above its threshold before the first step, mV."""


class Run(NamedTuple):
    """A population, and the currents of its steps, (T, *shape)."""

    population: Population
    currents: np.ndarray

    def arguments(self) -> tuple[Any, ...]:
        """The arguments of `gif_sensitivity`."""
        size, parameters, state, _, dt = self.population.arguments()
        currents = Value(self.currents.astype(DTYPES[self.population.precision]), "nA")
        return size, parameters, state, currents, dt


class JudgedRun(NamedTuple):
    """The implementation's derivatives of a run, and what they must be."""

    run: Run
    wanted: dict[str, Sensitivity]
    decided: np.ndarray  #: (T, *shape), whether no comparison up to a step is within its margin
    integrates: np.ndarray  #: (*shape), whether the first step neither spikes nor has a surrogate
    state: dict[str, np.ndarray]  #: by parameter, (T, 4, *shape)
    spike: dict[str, np.ndarray]  #: by parameter, (T, *shape)

    def check(self, what: str, steps: slice, where: Any, call: str) -> None:
        """Assert the derivatives of states or spikes after some steps, for the neurons `where`.

        Parameters
        ----------
        what : str
            "state" or "spike".
        steps : slice
        where : (*shape) array of bool, or True
        call : str
        """
        tolerances = tolerances_in_test(self.run.population.precision)
        for name, wanted in self.wanted.items():
            got, expected = getattr(self, what)[name], getattr(wanted, what)
            size = getattr(wanted, f"size_{what}")
            for t in range(*steps.indices(len(expected))):
                factor = DERIVATIVE_FACTOR * tolerances.epsilon * tolerances.steps(t + 1)
                judged = self.decided[t] & where
                check_close(
                    got[t][..., judged],
                    expected[t][..., judged],
                    factor * size[t][..., judged],
                    f"{call}: {what} after step {t + 1} by {name}",
                )


def follow(run: Run, **options: Any) -> dict[str, Sensitivity]:
    """The reference's derivatives of a run; a scale in mV."""
    p = run.population
    method = options.pop("method", "exact")
    neurons = LearnedDynamics(p.size, to_reference(p.parameter_values()), method=method)
    return neurons.follow(p.dt, p.state, run.currents, **options)


def find_decided(run: Run, method: str = "exact") -> np.ndarray:
    """Find the neurons none of whose comparisons up to a step rounding turns, (T, *shape)."""
    p, neurons = run.population, dynamics(run.population, method)
    propagator, state, decided = neurons.propagator(p.dt), p.state, []
    tolerances = tolerances_in_test(p.precision)
    for t, current in enumerate(run.currents):
        step = neurons.step(propagator, state, current)
        margin = FACTOR * tolerances.epsilon * tolerances.steps(t + 1)
        distance = np.abs(step.integrated[V] - step.integrated[V_TH])
        bound = np.abs(step.integrated[V_TH] - p.parameters["V_th_reset"])
        is_decided = distance > margin * (step.size[V] + step.size[V_TH])
        decided.append(is_decided & (bound > margin * step.size_reset[V_TH]))
        state = step.state
    return np.logical_and.accumulate(decided)


def find_integrating(run: Run, method: str = "exact") -> np.ndarray:
    """Find the neurons that are more than 50 mV below their threshold after a step, (*shape)."""
    p, neurons = run.population, dynamics(run.population, method)
    step = neurons.step(neurons.propagator(p.dt), p.state, run.currents[0])
    return step.integrated[V_TH] - step.integrated[V] > 50


def read_options(options: Mapping[str, Any], precision: int) -> dict[str, Any]:
    """Make options as a call has them: the scale is a value."""
    of_call = dict(options)
    if "scale" in of_call:
        of_call["scale"] = Value(np.asarray(of_call["scale"], DTYPES[precision]), "mV")
    return of_call


def judge(implementation: Any, run: Run, options: Mapping[str, Any]) -> JudgedRun:
    """Follow a run by an implementation and by the reference."""
    method = options.get("method", "exact")
    got = implementation.gif_sensitivity(
        *run.arguments(), **read_options(options, implementation.precision)
    )
    shape, names = run.currents.shape, set(run.population.parameters)
    for what, axes in {"state": (4,), "spike": ()}.items():
        assert set(got[what]) == names, f"{what}: got the parameters {[*got[what]]}"
        for name, array in got[what].items():
            assert array.shape == (*shape, *axes), f"{what} by {name}: {array.shape}"
    return JudgedRun(
        run,
        follow(run, **options),
        find_decided(run, method),
        find_integrating(run, method),
        {name: np.moveaxis(array, -1, 1) for name, array in got["state"].items()},
        dict(got["spike"]),
    )


def draw_run(precision: int, seed: int) -> Run:
    """Draw a batch of which some neurons are far below, some near and some above the threshold."""
    rng = generator(55, seed)
    population = draw_population(rng, precision, (2, 3), (2,), dt=0.5)
    offsets = np.resize(OFFSETS, population.current.shape)
    offsets = offsets + rng.uniform(-2, 2, offsets.shape)
    population = population.replace(V=population.state[V_TH] + offsets)
    currents = rng.uniform(-2, 5, (T, *offsets.shape))
    currents[2] += 20.0  # so that some spike when they have a past
    return Run(population, round_to(currents, precision))


@remember
def judged_run(implementation: Any, seed: int, options: str) -> JudgedRun:
    """The derivatives of a run with options of `OPTIONS`."""
    return judge(implementation, draw_run(implementation.precision, seed), OPTIONS[options])


@remember
def quiet_run(implementation: Any, method: str) -> JudgedRun:
    """Those of a long step 1 V below the threshold, mostly with rates that meet or vanish."""
    population = draw_population(generator(56), implementation.precision, (4, 6), dt=4.0, **QUIET)
    rates = {name: population.parameters[name].copy() for name in ("tau", "k1", "k2", "b")}
    rates["tau"].flat[: len(MEETING)] = 16.0
    for m, meeting in enumerate(MEETING):
        for name, rate in meeting.items():
            rates[name].flat[m] = rate
    population = population.replace(**rates)
    run = Run(population, population.current[np.newaxis])
    return judge(implementation, run, {"method": method})


def find_meeting(population: Population) -> np.ndarray:
    """Find the neurons of `quiet_run` whose rates meet or vanish, (*size)."""
    return (np.arange(population.parameters["tau"].size) < len(MEETING)).reshape(population.size)


def cut(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Cut the first entries of an array, in a shape that may have fewer axes."""
    first = array[(0,) * (array.ndim - len(shape))]
    return np.asarray(first[tuple(slice(0, n) for n in shape)])


def share(run: Run) -> tuple[Run, dict[str, tuple[int, ...]]]:
    """Let neurons have parameters in common: all, those of a column, or none, in turn.

    Returns
    -------
    run : Run
    shapes : dict
        Those in which the parameters are given.
    """
    population, shapes = run.population, {}
    rows, columns = population.size
    for i, (name, array) in enumerate(population.parameters.items()):
        shapes[name] = ((), (1, columns), (rows, columns))[i % 3]
        population = population.replace(**{name: cut(array, shapes[name])})
    return run._replace(population=population), shapes


class JudgedGradient(NamedTuple):
    """The implementation's gradient of a loss, and what it must be, by parameter."""

    wanted: dict[str, np.ndarray]
    tolerance: dict[str, np.ndarray]
    got: dict[str, np.ndarray]


@remember
def judged_gradient(implementation: Any, seed: int) -> JudgedGradient:
    """The gradient of a loss on states and spikes, of neurons that share parameters.

    Neurons that rounding turns have no loss.
    """
    run, shapes = share(draw_run(implementation.precision, seed))
    rng, shape = generator(57, seed), run.currents.shape
    is_decided = find_decided(run)[-1]
    weights = is_decided * rng.uniform(-1, 1, (5, *shape)).round(3)
    weights = round_to(weights, implementation.precision)
    state_weights, spike_weights = np.moveaxis(weights[:4], 0, -1), weights[4]
    size, values, *rest = run.arguments()
    parameters = {
        name: Value(cut(value.array, shapes[name]), value.unit) for name, value in values.items()
    }
    got = implementation.gif_gradient(size, parameters, *rest, state_weights, spike_weights)
    tolerances = tolerances_in_test(implementation.precision)
    factor = DERIVATIVE_FACTOR * tolerances.epsilon * tolerances.steps(T)
    by_state = np.moveaxis(state_weights, -1, 1)
    gradients = {
        name: gradient(sensitivity, by_state, spike_weights, shapes[name])
        for name, sensitivity in follow(run).items()
    }
    return JudgedGradient(
        {name: wanted for name, (wanted, _) in gradients.items()},
        {name: factor * size for name, (_, size) in gradients.items()},
        got,
    )
