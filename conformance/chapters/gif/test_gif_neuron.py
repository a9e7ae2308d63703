"""The neuron as a whole: parameters, first state, independence, forms, units, exp_euler."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given

from conformance.chapters.gif.records import FREE, batch_step, check_mixed, mixed_step
from conformance.checks import check_close, check_same_unit
from conformance.drawing.numbered import FEW, SEEDS
from conformance.drawing.populations import DTYPES, STATE_UNITS, UNITS, draw_population, round_to
from conformance.drawing.seeded import generator
from conformance.drawing.sharing import remember
from conformance.oracles.gif_steps import (
    by_reference,
    check_alike,
    check_step,
    exact,
    exp_euler,
    read_spikes,
    run_step,
    stack_state,
)
from conformance.protocol.implementation import Value
from conformance.tolerances import tolerances_of

FORMS = pytest.mark.parametrize("form", ["states", "tree"])

DEFAULTS = {
    "tau": (20.0, "ms"),
    "R": (100.0, "ohm"),
    "V_rest": (-70.0, "mV"),
    "V_reset": (-80.0, "mV"),
    "V_th_inf": (-50.0, "mV"),
    "V_th_reset": (-60.0, "mV"),
    "k1": (0.1, "ms^-1"),
    "k2": (0.05, "ms^-1"),
    "R1": (0.9, None),
    "R2": (0.8, None),
    "A1": (10.0, "nA"),
    "A2": (5.0, "nA"),
    "a": (0.1, "ms^-1"),
    "b": (0.02, "ms^-1"),
}
"""The table of chapter 6."""


@pytest.mark.clauses("GIF-1")
def test_defaults_are_those_of_the_table(implementation):
    got = implementation.gif_defaults()
    assert set(got) == set(DEFAULTS), f"gif_defaults() has the names {sorted(got)}"
    for name, (number, unit) in DEFAULTS.items():
        value = got[name]
        if isinstance(value, Value):
            check_same_unit(value.unit, unit, f"gif_defaults()[{name!r}]")
            value = value.array
        else:
            assert unit is None, f"gif_defaults()[{name!r}] is bare, expected {unit}"
        tolerance = 2 * tolerances_of(implementation).epsilon * abs(number)
        check_close(value, number, tolerance, f"gif_defaults()[{name!r}]")


def default_population(implementation):
    """All parameters at their defaults: 0.4 mA into 100 ohm are 40 mV, so that some spike."""
    everything = {name: number for name, (number, _) in DEFAULTS.items()}
    population = draw_population(
        generator(21), implementation.precision, dt=0.5, **everything | {"R": 100e-6}
    )
    # The drawn currents, in nA into Mohm, as strong in ohm.
    return population.replace(
        I1=1e4 * population.state[0], I2=1e4 * population.state[1], current=4e5
    )


HALF = ("tau", "V_rest", "V_th_inf", "k1", "R1", "A1", "a")


@pytest.mark.clauses("GIF-1")
@pytest.mark.parametrize(
    ("names", "form"), [(tuple(DEFAULTS), "states"), (HALF, "tree")], ids=["all", "some"]
)
def test_parameters_left_out_have_their_defaults(implementation, names, form):
    """All of them, or the half of them, where the others are as they are given."""
    population = default_population(implementation)
    others = draw_population(generator(22), implementation.precision, dt=0.5).parameters
    changes = {name: number for name, number in others.items() if name not in names}
    if "R" in changes:
        changes["R"] = changes["R"] * 1e-5
    population = population.replace(**changes)
    step = exact(population)
    assert 2 <= step.spikes.sum() <= 30, f"{step.spikes.sum()} neurons of 32 spike: draw others"
    size, parameters, *others = population.arguments()
    some_parameters = {name: value for name, value in parameters.items() if name not in names}
    state, spikes = implementation.gif_step(size, some_parameters, *others, form=form)
    got = stack_state(state, size, "gif_step")
    whole_call = run_step(implementation, population, form=form)
    call = f"gif_step without the parameters {names}"
    check_alike(got, np.asarray(spikes, bool), *whole_call, step, call)


@pytest.mark.clauses("GIF-2")
@pytest.mark.parametrize(
    ("form", "batch", "size"),
    [
        ("states", None, (4,)),
        ("states", 3, (3, 3)),
        ("tree", None, (3, 3)),
        ("tree", 1, (4,)),
        ("tree", 12, (1, 11)),
    ],
)
def test_first_state(implementation, form, batch, size):
    population = draw_population(generator(23), implementation.precision, size)
    got = implementation.gif_initial(size, batch, population.parameter_values(), form)
    shape = size if batch is None else (batch, *size)
    call = f"gif_initial({size}, {batch}, ..., {form!r})"
    assert set(got) == set(STATE_UNITS), f"{call}: got the variables {[*got]}"
    o = {"I1": 0.0, "I2": 0.0, "V": "V_rest", "V_th": "V_th_inf"}
    for name, value in got.items():
        check_same_unit(value.unit, STATE_UNITS[name], f"{name} of {call}")
        assert np.shape(value.array) == shape, f"{name} of {call}: {np.shape(value.array)}"
        initial_value = o[name] if o[name] == 0.0 else population.parameters[o[name]]
        tolerance = 2 * population.epsilon * np.abs(initial_value)
        check_close(
            value.array, np.broadcast_to(initial_value, shape), tolerance, f"{name} of {call}"
        )


@pytest.mark.clauses("GIF-10")
@pytest.mark.parametrize("spiking", [False, True], ids=["quiet", "spiking"])
def test_each_neuron_is_a_population_of_one(implementation, spiking):
    together, step, got, spikes = mixed_step(implementation, 0)
    m = np.flatnonzero((step.must_spike if spiking else step.must_not_spike)[FREE])[-1]
    alone = together.neurons([m])
    one, spike = run_step(implementation, alone)
    check_alike(got[:, [m]], spikes[[m]], one, spike, exact(alone), f"neuron {m} of {len(spikes)}")


@pytest.mark.clauses("GIF-10")
@FORMS
def test_each_entry_of_a_batch_is_a_run_of_its_own(implementation, form):
    together, _, got, spikes = batch_step(implementation, 0, form)
    i = len(spikes) - 1
    alone = together.entry(i)
    one, spike = run_step(implementation, alone, form=form)
    check_alike(got[:, i], spikes[i], one, spike, exact(alone), f"entry {i} of a batch of {i + 1}")


@pytest.mark.clauses("GIF-10")
def test_a_neighbour_has_no_influence(implementation):
    population, _, before, spikes_before = mixed_step(implementation, 0)
    odd = np.arange(*population.size) % 2 == 1
    other = draw_population(generator(24), implementation.precision, population.size)
    p = population.parameters
    altered = dataclasses.replace(
        population,
        parameters={name: np.where(odd, other.parameters[name], x) for name, x in p.items()},
        state=np.where(odd, other.state, population.state),
        current=np.where(odd, other.current, population.current),
    )  # fmt: skip
    after, spikes_after = run_step(implementation, altered)
    even = population.neurons(~odd)
    check_alike(
        after[..., ~odd], spikes_after[..., ~odd], before[..., ~odd], spikes_before[..., ~odd],
        exact(even), "a neuron whose neighbours are replaced",
    )  # fmt: skip


@remember
def euler_step(implementation, seed, form="states"):
    """A step of exp_euler, some neurons without decay of the threshold."""
    population = draw_population(generator(25, seed), implementation.precision, (6, 40))
    without = np.arange(40) < 4
    b = np.where(without, 0.0, population.parameters["b"])
    population = population.replace(b=b, layout=seed)
    return population, *run_step(implementation, population, method="exp_euler", form=form)


@pytest.mark.clauses("GIF-11")
@FEW
@given(seed=SEEDS)
def test_exp_euler_is_its_three_equations(implementation, seed):
    population, got, spikes = euler_step(implementation, seed)
    step = exp_euler(population)
    check_mixed(step)
    check_step(got, spikes, step, "exp_euler step")


@pytest.mark.clauses("NUM-1", "NUM-2")
@pytest.mark.needs("gif")
@FEW
@given(seed=SEEDS)
def test_exp_euler_agrees_with_the_reference(implementation, seed):
    population, got, spikes = euler_step(implementation, seed)
    check_step(got, spikes, by_reference(population, "exp_euler"), "exp_euler step")


@pytest.mark.clauses("GIF-13")
def test_exp_euler_of_the_tree_form(implementation):
    population, *one = euler_step(implementation, 0)
    _, *two = euler_step(implementation, 0, "tree")
    check_alike(*two, *one, exp_euler(population), "exp_euler: the tree form")


@pytest.mark.clauses("GIF-13")
@FEW
@given(seed=SEEDS)
def test_both_forms_are_the_same_neuron(implementation, seed):
    _, step, *one = batch_step(implementation, seed)
    _, _, *two = batch_step(implementation, seed, "tree")
    check_alike(*two, *one, step, "the tree form")


SCALES = {
    "parameters": (
        {"tau": "s", "R": "kohm", "k1": "s^-1", "k2": "us^-1", "A1": "pA", "A2": "uA", "a": "s^-1"},
        {"V_rest": "V", "V_reset": "uV", "V_th_inf": "V", "V_th_reset": "cV", "R": "mV nA^-1"},
        {"tau": "us", "R": "ohm", "b": "kHz", "k1": "Hz", "A1": "mA", "V_rest": "mA Mohm"},
    ),
    "currents": ({"current": "mV Mohm^-1"}, {"current": "mA"}),
    "steps": ({"dt": "s"}, {"dt": "Hz^-1"}),
}


@remember
def plain_step(implementation, form):
    """What the steps below must be."""
    population = draw_population(generator(26), implementation.precision, dt=0.5)
    population = population.replace(current=8 * population.current)
    return population, *run_step(implementation, population, form=form)


def check_scales(implementation, form, scales):
    """A step is the same, whatever the scales in which it is handed over.

    The change of scale rounds the numbers; NUM-1 leaves room for that.
    """
    population, *plain = plain_step(implementation, form)
    scaled = dataclasses.replace(population, scales=scales)
    outcome = run_step(implementation, scaled, form=form)
    check_alike(*outcome, *plain, exact(population), f"gif_step of the {form} in {scales}")


@pytest.mark.clauses("GIF-1")
@pytest.mark.parametrize("number", range(3))
def test_parameters_of_any_scale(implementation, number):
    scales = SCALES["parameters"][number]
    check_scales(implementation, "tree" if number % 2 else "states", scales)


@pytest.mark.clauses("GIF-20")
@pytest.mark.parametrize(("form", "number"), [("states", 0), ("tree", 1)])
def test_currents_of_any_scale(implementation, form, number):
    check_scales(implementation, form, SCALES["currents"][number])


@pytest.mark.clauses("GIF-19")
@pytest.mark.parametrize(("form", "number"), [("tree", 0), ("states", 1)])
def test_steps_in_any_unit_of_time(implementation, form, number):
    check_scales(implementation, form, SCALES["steps"][number])


WHOLE_NUMBERS = {
    "tau": (16, "int8"),
    "R": (20, "uint8"),
    "V_rest": (-70, "int16"),
    "V_reset": (-80, "int32"),
    "V_th_inf": (-50, "int64"),
    "V_th_reset": (-60, "int8"),
    "k1": (0, "int8"),
    "k2": (1, "uint16"),
    "R1": (1, "int8"),
    "R2": (0, "int32"),
    "A1": (10, "int8"),
    "A2": (-5, "int64"),
    "a": (0.125, "float16"),
    "b": (1, "uint32"),
}
"""Parameters that are whole numbers, or in single precision and half of it, with their dtypes."""


@pytest.mark.clauses("GIF-18", "GIF-20")
def test_whole_numbers(implementation):
    """A value may be an integer (chapter 1): parameters, currents and dt of many dtypes."""
    precision = implementation.precision
    numbers = {name: float(number) for name, (number, _) in WHOLE_NUMBERS.items()}
    population = draw_population(generator(27), precision, dt=1.0, **numbers)
    population = population.replace(current=np.round(population.current))
    size, _, state, _, _ = population.arguments()
    parameter_values = {
        name: Value(np.array(x, dtype), UNITS[name]) for name, (x, dtype) in WHOLE_NUMBERS.items()
    }
    current = Value(population.current.astype("int16"), "nA")
    state, spikes = implementation.gif_step(
        size, parameter_values, state, current, Value(np.array(1), "ms")
    )
    got, call = stack_state(state, size, "gif_step"), "gif_step of whole numbers"
    check_alike(
        got, read_spikes(spikes, size, call), *run_step(implementation, population),
        exact(population), call,
    )  # fmt: skip


@remember
def broadcast_step(implementation):
    """A step with the current of each shape below, broadcast beforehand, as one batch."""
    rng = generator(28)
    population = draw_population(rng, implementation.precision, (3, 3), (3,), dt=0.5)
    small = [round_to(rng.uniform(-9, 9, shape), population.precision) for shape in FEWER]
    whole = np.stack([np.broadcast_to(x, (3, 3, 3)) for x in small])
    state = np.broadcast_to(population.state[:, None], (4, len(small), 3, 3, 3))
    flat = dataclasses.replace(
        population, state=state.reshape(4, -1, 3, 3), current=whole.reshape(-1, 3, 3)
    )
    got, spikes = run_step(implementation, flat)
    return population, small, got.reshape(4, -1, 3, 3, 3), spikes.reshape(-1, 3, 3, 3)


FEWER = ((), (3,), (3, 1, 1))


@pytest.mark.clauses("GIF-20")
@pytest.mark.parametrize("number", range(len(FEWER)))
def test_currents_that_broadcast(implementation, number):
    """To a square batch of a square population, so that no axis can be told from its size."""
    population, small, whole_states, others = broadcast_step(implementation)
    size, parameters, state, _, dt = population.arguments()
    current = Value(np.asarray(small[number], DTYPES[implementation.precision]), "nA")
    got, spikes = implementation.gif_step(size, parameters, state, current, dt)
    call = f"gif_step of states (3, 3, 3) with a current of shape {FEWER[number]}"
    got, spikes = stack_state(got, (3, 3, 3), call), np.asarray(spikes, bool)
    whole = dataclasses.replace(
        population, current=np.broadcast_to(small[number], (3, 3, 3)).copy()
    )
    check_alike(got, spikes, whole_states[:, number], others[number], exact(whole), call)
