"""What an array is: UNIT-6 to UNIT-8 and STATE-13, and so GIF-23, GIF-24, CABLE-12 and CABLE-13."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from conformance.checks import check_same, raises
from conformance.drawing.cells import Cells, three_sections
from conformance.drawing.cells import draw_cells as drawn_cells
from conformance.drawing.layouts import LAYOUTS
from conformance.drawing.masks import change_arrays, make_masked
from conformance.drawing.populations import DTYPES, draw_population
from conformance.oracles.cables import check_step as check_cable_step
from conformance.oracles.cables import potentials
from conformance.oracles.cables import step as cable_step
from conformance.oracles.gif_steps import check_step, exact, read_spikes, stack_state
from conformance.protocol.implementation import Value

ORDER = pytest.mark.parametrize("order", LAYOUTS)
UNIT = pytest.mark.parametrize("unit", [None, "mV"], ids=["bare", "mV"])


@pytest.mark.clauses("UNIT-6")
@ORDER
@UNIT
@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.complex64], ids=lambda d: d.__name__)
def test_order_in_memory(implementation, order, unit, dtype):
    first, second = (np.arange(start, start + 12, dtype=dtype).reshape(3, 4) for start in (1, 40))
    state = implementation.make("single", Value(LAYOUTS[order](first), unit))
    check_same(implementation.read(state), Value(first, unit), f"read of a state made of {order}")
    implementation.write(state, Value(LAYOUTS[order](second), unit))
    check_same(implementation.read(state), Value(second, unit), f"read after a write of {order}")


@pytest.mark.clauses("UNIT-6")
@ORDER
def test_order_in_memory_of_parts(implementation, order):
    """Of an entry of a group and a leaf of a tree, and of another scale."""
    array = np.arange(1.0, 7.0, dtype=np.float32).reshape(2, 3)
    group = implementation.make("group", Value(np.zeros((2, 3, 2), np.float32), "mV"))
    implementation.set(group, {1: Value(LAYOUTS[order](array), "V")})
    check_same(
        implementation.get(group, 1), Value(1000 * array, "mV"), f"get after a set of {order}"
    )
    tree = implementation.make("tree", {"a": Value(LAYOUTS[order](array), "mV")})
    implementation.set(tree, {"a": Value(LAYOUTS[order](2 * array), "mV")})
    check_same(implementation.get(tree, "a"), Value(2 * array, "mV"), f"get after a set of {order}")


@pytest.mark.clauses("UNIT-7")
@UNIT
@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.bool_], ids=lambda d: d.__name__)
def test_numpy_scalars(implementation, unit, dtype):
    state = implementation.make("single", Value(dtype(1), unit))
    check_same(implementation.read(state), Value(np.array(1, dtype), unit), "read of a scalar")
    implementation.write(state, Value(dtype(0), unit))
    check_same(implementation.read(state), Value(np.array(0, dtype), unit), "read after a scalar")
    group = implementation.make("group", Value(np.ones(3, dtype), unit))
    implementation.set(group, {1: Value(dtype(0), unit)})
    check_same(
        implementation.read(group), Value(np.array([1, 0, 1], dtype), unit), "set of a scalar"
    )


@pytest.mark.clauses("UNIT-8")
@UNIT
@pytest.mark.parametrize("mask", [False, True])
def test_masked_values(implementation, unit, mask):
    good = np.zeros(3, np.float32)
    bad = Value(make_masked(good, mask), unit)
    raises("ValueTypeError", implementation.make, "single", bad)
    raises("ValueTypeError", implementation.make, "tree", {"a": Value(good, unit), "b": bad})
    single = implementation.make("single", Value(good, unit))
    raises("ValueTypeError", implementation.write, single, bad)
    group = implementation.make("group", Value(np.zeros((3, 2), np.float32), unit))
    raises("ValueTypeError", implementation.set, group, {1: bad})


@pytest.mark.clauses("STATE-13")
@UNIT
def test_axes_of_length_zero(implementation, unit):
    empty = Value(np.zeros((0, 3), np.float32), unit)
    state = implementation.make("single", empty)
    assert implementation.varshape(state) == (0, 3)
    implementation.write(state, empty)
    check_same(implementation.read(state), empty, "read of an empty state")
    check_same(
        implementation.read(implementation.copy(state, "deepcopy")), empty, "read of its copy"
    )
    group, part = implementation.make("group", empty), Value(np.zeros(0, np.float32), unit)
    assert implementation.num_state(group) == 3
    implementation.set(group, {-1: part})
    check_same(implementation.get(group, 0), part, "get of an empty group")
    tree = implementation.make("tree", {"a": empty, "b": Value(np.ones(2, np.int32))})
    implementation.set(tree, {"a": empty})
    check_same(implementation.get(tree, "a"), empty, "get of an empty leaf")


@pytest.mark.clauses("STATE-13")
@pytest.mark.needs("history")
def test_history_of_an_empty_state(implementation):
    empty = Value(np.zeros((0, 3), np.float32), "mV")
    state = implementation.make("single", empty, history=2)
    implementation.write(state, empty)
    history = Value(np.zeros((2, 0, 3), np.float32), "mV")
    check_same(implementation.history(state), history, "history of an empty state")


@pytest.mark.clauses("GIF-23")
@ORDER
@pytest.mark.parametrize("form", ["states", "tree"])
def test_order_in_memory_of_a_gif(implementation, order, form):
    population = draw_population(np.random.default_rng(23), implementation.precision, (3, 4), (2,))
    size, *arguments, dt = population.arguments()
    laid_arguments = (change_arrays(argument, LAYOUTS[order]) for argument in arguments)
    state, spikes = implementation.gif_step(
        size, *laid_arguments, change_arrays(dt, LAYOUTS["big-endian"]), form=form
    )
    call, shape = f"gif_step of arrays that are {order}", (2, 3, 4)
    got, spikes = stack_state(state, shape, call), read_spikes(spikes, shape, call)
    check_step(got, spikes, exact(population), call)


@pytest.mark.clauses("GIF-23")
def test_numpy_scalars_of_a_gif(implementation):
    dtype = DTYPES[implementation.precision]
    population = draw_population(
        np.random.default_rng(24), implementation.precision, (5,), tau=7.5, R1=0.5, current=1.25
    )
    size, parameters, state, _, dt = population.arguments()
    parameters |= {"tau": Value(dtype(7.5), "ms"), "R1": dtype(0.5)}
    call_arguments = size, parameters, state, Value(dtype(1.25), "nA"), Value(dtype(dt.array), "ms")
    after, spikes = implementation.gif_step(*call_arguments)
    call = "gif_step of NumPy scalars"
    got, spikes = stack_state(after, (5,), call), read_spikes(spikes, (5,), call)
    check_step(got, spikes, exact(population), call)


@pytest.mark.clauses("GIF-23")
@pytest.mark.parametrize("mask", [False, True])
def test_masked_arrays_of_a_gif(implementation, mask):
    population = draw_population(np.random.default_rng(25), implementation.precision, (3,))
    size, parameters, state, current, dt = population.arguments()
    for name in ("tau", "R2"):
        wrong = change_arrays(parameters[name], lambda array: make_masked(array, mask))
        arguments = size, None, parameters | {name: wrong}, "states"
        raises("ValueTypeError", implementation.gif_initial, *arguments)
    wrong = Value(make_masked(current.array, mask), "nA")
    raises("ValueTypeError", implementation.gif_step, size, parameters, state, wrong, dt)


EMPTY = pytest.mark.parametrize(
    ("size", "batch"), [((0,), None), ((3,), 0), ((2, 0), 2)], ids=["population", "batch", "both"]
)


@pytest.mark.clauses("GIF-24")
@EMPTY
@pytest.mark.parametrize("form", ["states", "tree"])
def test_a_gif_of_size_zero(implementation, size, batch, form):
    p = implementation.precision
    shape = size if batch is None else (batch, *size)
    state = implementation.gif_initial(size, batch, {}, form)
    stack_state(state, shape, "gif_initial")
    current, dt = Value(np.zeros(shape, DTYPES[p]), "nA"), Value(np.array(0.5, DTYPES[p]), "ms")
    after, spikes = implementation.gif_step(size, {}, state, current, dt, form=form)
    stack_state(after, shape, "gif_step")
    read_spikes(spikes, shape, "gif_step")


@pytest.mark.clauses("GIF-24")
@pytest.mark.parametrize("form", ["states", "tree"])
def test_a_run_of_a_gif_without_steps(implementation, form):
    population = draw_population(np.random.default_rng(26), implementation.precision, (3,))
    size, parameters, state, _, dt = population.arguments()
    currents = Value(np.zeros((0, 3), DTYPES[implementation.precision]), "nA")
    states, spikes = implementation.gif_run(size, parameters, state, currents, dt, form=form)
    stack_state(states, (0, 3), "gif_run")
    read_spikes(spikes, (0, 3), "gif_run")


@pytest.mark.clauses("GIF-5")
@pytest.mark.parametrize("tau", [0.75, 0.25, 0.01])
@pytest.mark.parametrize("dt", [0.5, 2.0])
def test_time_constants_below_the_step_and_below_a_millisecond(implementation, tau, dt):
    population = draw_population(
        np.random.default_rng(27), implementation.precision, (8,), dt=dt, tau=tau, R=1.0
    )
    state, spikes = implementation.gif_step(*population.arguments())
    call = f"gif_step of tau = {tau} ms and dt = {dt} ms"
    got, spikes = stack_state(state, (8,), call), read_spikes(spikes, (8,), call)
    check_step(got, spikes, exact(population), call)


def cells_of(implementation: Any) -> Cells:
    p = implementation.precision
    rng = np.random.default_rng(12)
    return drawn_cells(rng, p, sections=three_sections(p), size=(3,), batch=(2,), dt=0.1)


@pytest.mark.clauses("CABLE-12")
@ORDER
def test_order_in_memory_of_a_cable(implementation, order):
    cells = cells_of(implementation)
    size, sections, *arguments, dt = cells.arguments()
    call_arguments = (change_arrays(argument, LAYOUTS[order]) for argument in arguments)
    got = implementation.cable_step(
        size, sections, *call_arguments, change_arrays(dt, LAYOUTS["big-endian"])
    )
    call = f"cable_step of arrays that are {order}"
    check_cable_step(potentials(got, (2, 3, 6), call), cable_step(cells), cells.epsilon, call)


@pytest.mark.clauses("CABLE-12")
def test_numpy_scalars_of_a_cable(implementation):
    dtype = DTYPES[implementation.precision]
    cells = cells_of(implementation).replace(g=2.0**-13, current=0.25)
    size, sections, parameters, V, _, dt = cells.arguments()
    parameters |= {"g": Value(dtype(2.0**-13), "S cm^-2")}
    got = implementation.cable_step(
        size, sections, parameters, V, Value(dtype(0.25), "nA"), Value(dtype(dt.array), "ms")
    )
    call = "cable_step of NumPy scalars"
    check_cable_step(potentials(got, (2, 3, 6), call), cable_step(cells), cells.epsilon, call)


@pytest.mark.clauses("CABLE-12")
@pytest.mark.parametrize("mask", [False, True])
def test_masked_arrays_of_a_cable(implementation, mask):
    size, sections, parameters, V, current, dt = cells_of(implementation).arguments()
    step = implementation.cable_step
    wrong = parameters | {"g": Value(make_masked(parameters["g"].array, mask), "S cm^-2")}
    raises("ValueTypeError", step, size, sections, wrong, V, current, dt)
    wrong = Value(make_masked(current.array, mask), "nA")
    raises("ValueTypeError", step, size, sections, parameters, V, wrong, dt)
    site = {"soma(0.5)": Value(make_masked(current.array[..., 0], mask), "nA")}
    raises("ValueTypeError", step, size, sections, parameters, V, site, dt)


@pytest.mark.clauses("CABLE-13")
@EMPTY
def test_a_cable_of_size_zero(implementation, size, batch):
    p = implementation.precision
    shape = (*(() if batch is None else (batch,)), *size, 6)
    V, num_state, varshape = implementation.cable_initial(size, batch, three_sections(p), {})
    assert (num_state, varshape) == (6, shape[:-1]), f"cable_initial: {num_state}, {varshape}"
    current, dt = Value(np.zeros(shape, DTYPES[p]), "nA"), Value(np.array(0.5, DTYPES[p]), "ms")
    got = implementation.cable_step(size, three_sections(p), {}, V, current, dt)
    potentials(got, shape, "cable_step")


@pytest.mark.clauses("CABLE-13")
def test_a_run_of_a_cable_without_steps(implementation):
    size, sections, parameters, V, _, dt = cells_of(implementation).arguments()
    currents = Value(np.zeros((0, 2, 3, 6), DTYPES[implementation.precision]), "nA")
    got = implementation.cable_run(size, sections, parameters, V, currents, dt)
    potentials(got, currents.array.shape, "cable_run")
