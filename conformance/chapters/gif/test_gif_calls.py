"""What a step takes and refuses, a run and a derivative do, too, whatever the method."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from conformance.chapters.gif.calls import CALLS, call, check_same_outcome, make_call
from conformance.checks import check_close, raises
from conformance.drawing.populations import DTYPES, STATE_UNITS, UNITS, Population, draw_population
from conformance.drawing.seeded import generator
from conformance.drawing.sharing import remember
from conformance.oracles.gif_steps import run_step
from conformance.protocol.implementation import Value

EACH_CALL = pytest.mark.parametrize("name", CALLS)

WHOLE_NUMBERS = {
    **{"tau": 16, "R": 20, "V_rest": -70, "V_reset": -80, "V_th_inf": -50, "V_th_reset": -60},
    **{"k1": 0, "k2": 1, "R1": 1, "R2": 0, "A1": 10, "A2": -5, "a": 0, "b": 2},
}
"""Parameters that every dtype of numbers holds."""

SCALES = {
    **{"tau": "s", "R": "kohm", "V_rest": "V", "V_reset": "uV", "V_th_inf": "V"},
    **{"V_th_reset": "cV", "k1": "s^-1", "k2": "us^-1", "A1": "pA", "A2": "uA", "a": "s^-1"},
    "b": "kHz",
}

VARIANTS = {
    "state-in-other-scales": ("GIF-22", {"I1": "pA", "I2": "uA", "V": "V", "V_th": "uV"}, None),
    "parameters-in-other-scales": ("GIF-1", SCALES, None),
    "current-in-picoampere": ("GIF-20", {"current": "pA"}, None),
    "dt-in-seconds": ("GIF-19", {"dt": "s"}, None),
    **{
        f"{what}-of-{dtype}": (clause, names, dtype)
        for dtype in ("int8", "float32")
        for what, clause, names in (
            ("state", "GIF-22", STATE_UNITS),
            ("parameters", "GIF-18", UNITS),
            ("current", "GIF-20", ("current",)),
            ("dt", "GIF-19", ("dt",)),
        )
    },
}
"""Ways to hand over a step: a clause, and scales by name or names and their dtype."""


@remember
def plain(implementation: Any, name: str) -> tuple[Population, tuple[np.ndarray, np.ndarray]]:
    """Make a call with whole numbers that differ from neuron to neuron, near the threshold."""
    rng = generator(101)
    population = draw_population(rng, implementation.precision, (12,), dt=1.0, **WHOLE_NUMBERS)
    population = population.replace(
        R=rng.integers(5, 50, 12), tau=rng.integers(5, 50, 12),
        I1=rng.integers(-1, 2, 12), I2=rng.integers(-1, 2, 12), current=rng.integers(-9, 10, 12),
        V=rng.integers(-60, -44, 12), V_th=rng.integers(-60, -44, 12),
    )  # fmt: skip
    return population, make_call(implementation, name, population)


def ways_of(*clauses: str) -> pytest.MarkDecorator:
    """The ways to hand over what clauses speak of."""
    return pytest.mark.parametrize("way", [way for way in VARIANTS if VARIANTS[way][0] in clauses])


def check_variant(implementation: Any, name: str, way: str) -> None:
    """A value may be of any scale, an integer, and of less precision than what it is put into."""
    population, plain_outcome = plain(implementation, name)
    _, names, dtype = VARIANTS[way]
    ways = {"scales": names} if dtype is None else {"dtypes": dict.fromkeys(names, dtype)}
    variant = dataclasses.replace(population, **ways)
    check_same_outcome(
        name, population, make_call(implementation, name, variant), plain_outcome, way
    )


@pytest.mark.clauses("GIF-22")
@EACH_CALL
@ways_of("GIF-22")
def test_states_of_any_scale_and_dtype(implementation, name, way):
    check_variant(implementation, name, way)


@pytest.mark.clauses("GIF-1")
@EACH_CALL
@ways_of("GIF-1")
def test_parameters_of_any_scale(implementation, name, way):
    check_variant(implementation, name, way)


@pytest.mark.clauses("GIF-18")
@EACH_CALL
@ways_of("GIF-18")
def test_parameters_of_any_dtype(implementation, name, way):
    check_variant(implementation, name, way)


@pytest.mark.clauses("GIF-20")
@EACH_CALL
@ways_of("GIF-20")
def test_currents_of_any_scale_and_dtype(implementation, name, way):
    check_variant(implementation, name, way)


@pytest.mark.clauses("GIF-19")
@EACH_CALL
@ways_of("GIF-19")
def test_steps_of_any_scale_and_dtype(implementation, name, way):
    check_variant(implementation, name, way)


@pytest.mark.clauses("GIF-20")
@EACH_CALL
@pytest.mark.parametrize("shape", [(), (3,), (2, 1)])
def test_currents_that_broadcast(implementation, name, shape):
    population, whole_outcome, small = broadcast(implementation, name, shape)
    *others, current, dt = population.arguments()
    got = make_call(implementation, name, population, (*others, Value(small, current.unit), dt))
    check_same_outcome(name, population, got, whole_outcome, f"a current of shape {shape}")


@remember
def broadcast(implementation, name, shape):
    """A step with a current broadcast beforehand."""
    rng, p = generator(102), implementation.precision
    small = rng.integers(-9, 10, shape).astype(DTYPES[p])
    whole = np.broadcast_to(small, (2, 3)).copy()
    population = dataclasses.replace(draw_population(rng, p, (3,), (2,), dt=0.5), current=whole)
    return population, make_call(implementation, name, population), small


@pytest.mark.clauses("GIF-10")
@EACH_CALL
@pytest.mark.parametrize(
    ("size", "batch"),
    [((3,), (2, 2)), ((2, 1, 2, 2), ())],
    ids=["two-batch-axes", "four-population-axes"],
)
def test_populations_and_batches_of_more_axes(implementation, name, size, batch):
    """Each neuron is one of its own, as on a single axis."""
    population = draw_population(generator(103), implementation.precision, size, batch, dt=0.5)
    shape = population.current.shape
    flat = dataclasses.replace(
        population,
        parameters={k: np.broadcast_to(x, shape).ravel() for k, x in population.parameters.items()},
        state=population.state.reshape(4, -1),
        current=population.current.ravel(),
    )
    got, spikes = make_call(implementation, name, population)
    got = got.reshape(*got.shape[: -len(shape)], -1)
    spikes = spikes.reshape(*spikes.shape[: -len(shape)], -1)
    flat_outcome = make_call(implementation, name, flat)
    check_same_outcome(
        name, flat, (got, spikes), flat_outcome, f"neurons {size} in a batch {batch}"
    )


@pytest.mark.clauses("GIF-1")
@EACH_CALL
def test_parameters_left_out_have_their_defaults(implementation, name):
    everything = {
        **{"tau": 20.0, "V_rest": -70.0, "V_reset": -80.0, "V_th_inf": -50.0, "V_th_reset": -60.0},
        **{"k1": 0.1, "k2": 0.05, "R1": 0.9, "R2": 0.8, "A1": 10.0, "A2": 5.0, "a": 0.1, "b": 0.02},
    }
    population = draw_population(
        generator(104), implementation.precision, (6,), dt=0.5, **everything
    )
    size, parameters, *others = population.arguments()
    some = {k: x for k, x in parameters.items() if k in ("R", "tau", "k2", "V_th_reset")}
    got = make_call(implementation, name, population, (size, some, *others))
    full_outcome = make_call(implementation, name, population)
    check_same_outcome(name, population, got, full_outcome, f"{[*some]} and no other parameters")


@pytest.mark.clauses("GIF-18")
@EACH_CALL
def test_neurons_without_resistance_or_coupling(implementation, name):
    """They are the limits of neurons with next to none."""
    none, p = np.resize([0, 0, 1], 6), implementation.precision
    population = draw_population(generator(105), p, (6,), dt=0.5)
    R, a = population.parameters["R"] * none, population.parameters["a"] * none[::-1]
    least = np.finfo(DTYPES[p]).eps ** 2
    near = population.replace(R=R + least * (R == 0), a=a + least * (a == 0))
    population = population.replace(R=R, a=a)
    got, near_outcome = (make_call(implementation, name, each) for each in (population, near))
    what = "neurons with R = 0, a = 0 or both"
    if name == "derivative":
        tolerance = 1e-4 * np.abs(near_outcome[0]).max(axis=(0, 1))
        check_close(got[0], near_outcome[0], tolerance, f"gif_jacobian of {what}")
    else:
        check_same_outcome(name, population, got, near_outcome, what)


@pytest.mark.clauses("GIF-9")
@pytest.mark.parametrize("name", ["run", "run-by-exp-euler"])
def test_a_run_is_of_its_own_numbers(implementation, name):
    """Whatever the run before it was of: only then may a program be kept."""
    for seed, dt in ((106, 0.5), (107, 2.0)):
        population = draw_population(generator(seed), implementation.precision, (4,), dt=dt)
        got = make_call(implementation, name, population)
        outcome_of_steps = run_step(implementation, population, **CALLS[name][1])
        check_same_outcome(name, population, got, outcome_of_steps, f"{dt} ms, against gif_step")


BAD = (
    ("GIF-18", "ParameterError", "tau", -1.0, "ms"),
    ("GIF-18", "ParameterError", "b", -1.0, "ms^-1"),
    ("GIF-18", "UnitError", "A2", 1.0, None),
    ("GIF-18", "ShapeError", "R1", np.ones(2), None),
    ("GIF-19", "ParameterError", "dt", 0.0, "ms"),
    ("GIF-19", "ParameterError", "dt", -0.5, "ms"),
    ("GIF-19", "ParameterError", "dt", np.nan, "ms"),
    ("GIF-19", "UnitError", "dt", 0.5, None),
    ("GIF-19", "UnitError", "dt", 0.5, "mV"),
    ("GIF-20", "UnitError", "current", np.ones(3), None),
    ("GIF-20", "UnitError", "current", np.ones(3), "mV"),
    ("GIF-20", "ShapeError", "current", np.ones(2), "nA"),
    ("GIF-20", "ShapeError", "current", np.ones((2, 3)), "nA"),
)
"""Clauses, and the error with which they refuse what by that name is that number in that unit."""


def check_refused(implementation: Any, name: str, clause: str) -> None:
    p = implementation.precision
    size, parameters, state, current, dt = draw_population(generator(108), p, (3,)).arguments()
    for _, error, what, number, unit in (bad for bad in BAD if bad[0] == clause):
        wrong = {what: Value(np.asarray(number, DTYPES[p]), unit)}
        values = {"current": current, "dt": dt} | wrong
        values = {k: values[k] for k in ("current", "dt")}
        other_parameters = parameters | {k: x for k, x in wrong.items() if k in UNITS}
        arguments = (size, other_parameters, state, *values.values())
        raises(error, call, implementation, name, arguments)


@pytest.mark.clauses("GIF-18")
@EACH_CALL
def test_bad_parameters(implementation, name):
    check_refused(implementation, name, "GIF-18")


@pytest.mark.clauses("GIF-19")
@EACH_CALL
def test_bad_steps(implementation, name):
    check_refused(implementation, name, "GIF-19")


@pytest.mark.clauses("GIF-20")
@EACH_CALL
def test_bad_currents(implementation, name):
    check_refused(implementation, name, "GIF-20")
