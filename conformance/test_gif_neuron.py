"""The neuron as a whole: parameters, first state, independence, forms, units, exp_euler."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given

from conformance.checks import close, same_unit
from conformance.gif_oracles import (
    by_reference,
    check_alike,
    check_spikes,
    check_step,
    exact,
    exp_euler,
    stacked,
    stepped,
)
from conformance.implementation import Value
from conformance.populations import DTYPES, FEW, SEEDS, STATE_UNITS, drawn, rounded
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
            same_unit(value.unit, unit, f"gif_defaults()[{name!r}]")
            value = value.array
        else:
            assert unit is None, f"gif_defaults()[{name!r}] is bare, expected {unit}"
        tolerance = 2 * tolerances_of(implementation).epsilon * abs(number)
        close(value, number, tolerance, f"gif_defaults()[{name!r}]")


@pytest.mark.clauses("GIF-1")
@FORMS
def test_parameters_left_out_have_their_defaults(implementation, form):
    """0.4 mA into 100 ohm are 40 mV, so that some of these neurons spike."""
    precision = implementation.precision
    everything = {name: number for name, (number, _) in DEFAULTS.items()}
    rng = np.random.default_rng(1)
    population = drawn(rng, precision, dt=0.5, **everything | {"R": 100e-6})
    # The drawn currents, in nA into Mohm, as strong in ohm.
    population = population.replace(
        I1=1e4 * population.state[0], I2=1e4 * population.state[1], current=4e5
    )
    step = exact(population)
    assert 4 <= step.spikes.sum() <= 28, f"{step.spikes.sum()} neurons of 32 spike: draw others"
    size, _, *others = population.arguments()
    state, spikes = implementation.gif_step(size, {}, *others, form=form)
    got = stacked(state, size, "gif_step")
    given = stepped(implementation, population, form=form)
    check_alike(got, np.asarray(spikes, bool), *given, step, "gif_step with no parameters given")


@pytest.mark.clauses("GIF-2")
@FORMS
@pytest.mark.parametrize("batch", [None, 1, 3])
@pytest.mark.parametrize("size", [(4,), (2, 3)])
def test_first_state(implementation, form, batch, size):
    population = drawn(np.random.default_rng(2), implementation.precision, size)
    got = implementation.gif_initial(size, batch, population.given(), form)
    shape = size if batch is None else (batch, *size)
    call = f"gif_initial({size}, {batch}, ..., {form!r})"
    assert set(got) == set(STATE_UNITS), f"{call}: got the variables {[*got]}"
    o = {"I1": 0.0, "I2": 0.0, "V": "V_rest", "V_th": "V_th_inf"}
    for name, value in got.items():
        same_unit(value.unit, STATE_UNITS[name], f"{name} of {call}")
        assert np.shape(value.array) == shape, f"{name} of {call}: {np.shape(value.array)}"
        wanted = o[name] if o[name] == 0.0 else population.parameters[o[name]]
        tolerance = 2 * population.epsilon * np.abs(wanted)
        close(value.array, np.broadcast_to(wanted, shape), tolerance, f"{name} of {call}")


@pytest.mark.clauses("GIF-10")
def test_each_neuron_is_a_population_of_one(implementation):
    together = drawn(np.random.default_rng(10), implementation.precision, (4,), dt=0.5)
    got, spikes = stepped(implementation, together)
    for m in range(4):
        alone = together.neurons([m])
        one, spike = stepped(implementation, alone)
        check_alike(got[:, [m]], spikes[[m]], one, spike, exact(alone), f"neuron {m} of 4")


@pytest.mark.clauses("GIF-10")
@FORMS
def test_each_entry_of_a_batch_is_a_run_of_its_own(implementation, form):
    rng = np.random.default_rng(11)
    together = drawn(rng, implementation.precision, (2, 3), (4,), dt=0.5)
    got, spikes = stepped(implementation, together, form=form)
    for i in range(4):
        alone = dataclasses.replace(
            together, state=together.state[:, i], current=together.current[i]
        )
        one, spike = stepped(implementation, alone, form=form)
        check_alike(got[:, i], spikes[i], one, spike, exact(alone), f"entry {i} of a batch of 4")


@pytest.mark.clauses("GIF-10")
def test_a_neighbour_has_no_influence(implementation):
    rng = np.random.default_rng(12)
    population = drawn(rng, implementation.precision, (6,), (2,), dt=0.5)
    before, spikes_before = stepped(implementation, population)
    odd = np.arange(6) % 2 == 1
    other = drawn(rng, implementation.precision, (6,), (2,), dt=0.5)
    own = population.parameters
    changed = dataclasses.replace(
        population,
        parameters={name: np.where(odd, other.parameters[name], x) for name, x in own.items()},
        state=np.where(odd, other.state, population.state),
        current=np.where(odd, other.current, population.current),
    )  # fmt: skip
    after, spikes_after = stepped(implementation, changed)
    kept = population.neurons(~odd)
    check_alike(
        after[..., ~odd], spikes_after[..., ~odd], before[..., ~odd], spikes_before[..., ~odd],
        exact(kept), "a neuron whose neighbours are replaced",
    )  # fmt: skip


@pytest.mark.clauses("GIF-11")
@FEW
@given(seed=SEEDS)
def test_exp_euler_is_its_three_equations(implementation, seed):
    population = drawn(np.random.default_rng(seed), implementation.precision)
    without = np.arange(32) < 4
    population = population.replace(b=np.where(without, 0.0, population.parameters["b"]))
    step = exp_euler(population)
    assert 0.1 < step.spikes.mean() < 0.9, f"a rate of {step.spikes.mean()}: draw another"
    check_step(*stepped(implementation, population, method="exp_euler"), step, "exp_euler step")


@pytest.mark.clauses("GIF-13")
def test_exp_euler_of_the_tree_form(implementation):
    population = drawn(np.random.default_rng(13), implementation.precision)
    options = {"method": "exp_euler"}
    one = stepped(implementation, population, **options, form="states")
    two = stepped(implementation, population, **options, form="tree")
    check_alike(*two, *one, exp_euler(population), "exp_euler: the tree form")


@pytest.mark.clauses("GIF-13")
@FEW
@given(seed=SEEDS)
def test_both_forms_are_the_same_neuron(implementation, seed):
    rng = np.random.default_rng(seed)
    population = drawn(rng, implementation.precision, (16,), (2,))
    one = stepped(implementation, population, form="states")
    two = stepped(implementation, population, form="tree")
    check_alike(*two, *one, exact(population), "the tree form")


SCALES = (
    {"tau": "s", "R": "kohm", "k1": "s^-1", "k2": "us^-1", "A1": "pA", "A2": "uA", "a": "s^-1"},
    {"V_rest": "V", "V_reset": "uV", "V_th_inf": "V", "V_th_reset": "cV", "R": "mV nA^-1"},
    {"tau": "us", "R": "ohm", "b": "kHz", "k1": "Hz", "A1": "mA", "V_rest": "mA Mohm"},
)


def check_scales(implementation, population, **scales):
    """A step is the same, whatever the scales in which it is handed over.

    The change of scale rounds the numbers; NUM-1 leaves room for that.
    """
    scaled = dataclasses.replace(population, scales=scales)
    plain, handed = stepped(implementation, population), stepped(implementation, scaled)
    check_alike(*handed, *plain, exact(population), f"gif_step in {scales}")


@pytest.mark.clauses("GIF-1")
@pytest.mark.parametrize("scales", SCALES)
def test_parameters_of_any_scale(implementation, scales):
    rng = np.random.default_rng(14)
    check_scales(implementation, drawn(rng, implementation.precision, dt=0.5), **scales)


@pytest.mark.clauses("GIF-20")
@pytest.mark.parametrize("scale", ["pA", "mA", "A", "mV Mohm^-1"])
def test_currents_of_any_scale(implementation, scale):
    population = drawn(np.random.default_rng(15), implementation.precision, dt=0.5)
    population = population.replace(current=20 * population.current)
    check_scales(implementation, population, current=scale)


@pytest.mark.clauses("GIF-19")
@pytest.mark.parametrize("scale", ["s", "us", "Hz^-1"])
def test_steps_in_any_unit_of_time(implementation, scale):
    rng = np.random.default_rng(17)
    check_scales(implementation, drawn(rng, implementation.precision, dt=0.5), dt=scale)


@pytest.mark.clauses("GIF-20")
@pytest.mark.parametrize("shape", [(), (3,), (2, 1), (4, 1, 1), (1, 2, 3)])
def test_currents_that_broadcast(implementation, shape):
    rng = np.random.default_rng(16)
    population = drawn(rng, implementation.precision, (2, 3), (4,), dt=0.5)
    small = rounded(rng.uniform(-9, 9, shape), implementation.precision)
    population = dataclasses.replace(population, current=np.broadcast_to(small, (4, 2, 3)))
    size, parameters, state, _, dt = population.arguments()
    current = Value(np.asarray(small, DTYPES[implementation.precision]), "nA")
    got, spikes = implementation.gif_step(size, parameters, state, current, dt)
    call = f"gif_step of states (4, 2, 3) with a current of shape {shape}"
    got, spikes = stacked(got, (4, 2, 3), call), np.asarray(spikes, bool)
    check_alike(got, spikes, *stepped(implementation, population), exact(population), call)


@pytest.mark.clauses("NUM-1", "NUM-2")
@pytest.mark.needs("gif")
def test_exp_euler_agrees_with_the_reference(implementation):
    population = drawn(np.random.default_rng(18), implementation.precision, dt=0.5)
    step = by_reference(population, "exp_euler")
    got, spikes = stepped(implementation, population, method="exp_euler")
    check_spikes(spikes, step, "exp_euler step")
    check_step(got, spikes, step, "exp_euler step")
