"""Derivatives by the parameters of GIF neurons and of cables, beside differences of the reference.

The reference's steps, in double precision, are run with each parameter a little larger and a little
smaller: no derivative of any text is asked.
"""

from __future__ import annotations

import brainstate
import brainunit as u
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale import ElemWiseParam
from brainscale.nn import GIF, PassiveCable
from brainscale.nn.cable import _RANGES
from brainscale.nn.gif_dynamics import RANGES
from reference.cable import Cable, Morphology, Section
from reference.gif import UNITS, Dynamics, names_of
from reference.values import Quantity
from three_sections import three_sections

pytestmark = pytest.mark.usefixtures("compiled_fast", "double_precision", "step_length")

T, N = 5, 3

GIF_VALUES = {
    "tau": [20.0, 19.0, 21.0],
    "R": [2e7, 1.9e7, 2.1e7],
    "V_rest": [-70.0, -71.0, -69.0],
    "V_reset": [-72.0, -71.5, -72.5],
    "V_th_inf": [-50.0, -51.0, -49.0],
    "V_th_reset": [-45.0, -60.0, -44.0],
    "k1": [0.2, 0.21, 0.19],
    "k2": [0.05, 0.06, 0.04],
    "R1": [0.5, 0.6, 0.4],
    "R2": [1.25, 1.2, 1.3],
    "A1": [1.5, 1.4, 1.6],
    "A2": [-0.7, -0.6, -0.8],
    "a": [0.05, 0.04, 0.06],
    "b": [0.05, 0.3, 0.02],
}
"""Rates of the first neuron meet. In the units of both, as all numbers here."""

GIF_STATE = np.array(
    [[1.2, -0.4, 0.3], [0.5, 0.8, -0.2], [-66.0, -64.0, -68.0], [-49.0, -52.0, -50.0]]
)
"""I1, I2, V and V_th before the first step."""

GIF_CURRENTS = np.array(
    [[30.0, 0.6, 0.4], [1.0, 30.0, 0.2], [1.0, 1.0, 0.3], [35.0, 2.0, 2.0], [0.5, 1.0, 3.0]]
)

CABLE_VALUES = {"g": [2e-4, 1e-4, 3e-4], "E": [-68.0, -70.0, -66.0], "cm": 0.8, "Ra": 120.0}
CABLE_CURRENTS = 0.2 * np.cos(np.arange(float(T * N))).reshape(T, N)
COMPARTMENTS = 6


class GIFModel(brainstate.nn.Module):
    """GIF neurons that are read at all variables, (4, N)."""

    def __init__(self, method="exact"):
        super().__init__()
        V, V_th = (lambda shape, row=row: row * u.mV for row in jnp.asarray(GIF_STATE[2:]))
        self.cell = GIF(
            N,
            **{k: make_parameter(k, x, RANGES) for k, x in GIF_VALUES.items()},
            method=method,
            V_initializer=V,
            V_th_initializer=V_th,
            spk_scale=1e-3 * u.mV,  # The surrogate is zero in all steps.
        )

    def list_states(self):
        return self.cell.I1, self.cell.I2, self.cell.V, self.cell.V_th

    def update(self, I):
        self.cell(I * u.nA)
        return jnp.stack([u.get_mantissa(state.value) for state in self.list_states()])


class CableModel(brainstate.nn.Module):
    """Cells that are given a current into their axons, and read at all compartments."""

    def __init__(self):
        super().__init__()
        shaped = {k: np.reshape(x, (-1, 1)) if np.ndim(x) else x for k, x in CABLE_VALUES.items()}
        parameters = {k: make_parameter(k, x, _RANGES) for k, x in shaped.items()}
        self.cell = PassiveCable(N, three_sections(), **parameters)

    def update(self, I):
        return self.cell({"axon(1)": I * u.nA}) / u.mV


def make_parameter(name, numbers, ranges):
    unit = ranges[name].unit
    numbers = jnp.asarray(numbers)
    return ElemWiseParam(numbers if unit.is_unitless else u.Quantity(numbers, unit=unit))


def run_gif(values, currents, state, method="exact"):
    """The reference's run: of (T, 4, N) states."""
    fields = names_of(2)
    parameters = {
        name: Quantity(x, UNITS[fields[name]]) if UNITS[fields[name]] else np.asarray(x)
        for name, x in values.items()
    }
    dynamics = Dynamics((N,), parameters, method=method)
    return dynamics.run(dynamics.propagator(1.0), state, currents)


def run_cable(values, currents):
    """The reference's potentials, (T, N, compartments), in mV."""
    each = {"Ra": Quantity(values["Ra"], "ohm cm"), "cm": Quantity(values["cm"], "uF cm^-2")}
    where = {"parent": "soma", "parent_loc": 1.0, **each}
    points = {"positions": [[0.0, 0, 0], [100, 0, 0], [200, 0, 0]], "diams": [2.0, 3, 2]}
    shapes = {name: Quantity(x, "um") for name, x in points.items()}
    um = {n: Quantity(float(n), "um") for n in (1, 10, 20, 100)}
    sections = [
        Section("soma", 1, length=um[20], diam=um[10], **each),
        Section("axon", 2, length=um[100], diam=um[1], **where),
        Section("dendrite", 3, **shapes, **where),
    ]
    leak = {"g": Quantity(np.reshape(values["g"], (N, 1)), "S cm^-2")}
    leak["E"] = Quantity(np.reshape(values["E"], (N, 1)), "mV")
    cable = Cable((N,), Morphology(sections), leak)
    V = cable.initial()
    potentials = []
    for I in currents:
        V = cable.step(V, {"axon(1)": Quantity(I, "nA")}, Quantity(1.0, "ms"))
        potentials.append(V.array)
    return np.array(potentials)


def find_slopes(function, values, name):
    """The derivative by a parameter, times its size: central differences of two lengths."""
    x = np.asarray(values[name], float)

    def find_difference(h):
        up, down = (function({**values, name: x * (1 + sign * h)}) for sign in (1, -1))
        return (up - down) / (2 * h)

    h = 1e-3
    return (4 * find_difference(h / 2) - find_difference(h)) / 3


def weigh(shape):
    """Weights of a loss of which no two are alike."""
    return np.cos(np.arange(float(np.prod(shape))) ** 1.5).reshape(shape)


def read_sized(gradients, values):
    """Gradients by name, each times the size of its parameter, with an axis of neurons or none."""
    numbers = {path[-1]: np.asarray(u.get_mantissa(g)) for path, g in gradients.items()}
    return {name: numbers[name].reshape(np.shape(x)) * np.asarray(x) for name, x in values.items()}


def assert_same(got, wanted):
    for name, slope in wanted.items():
        scale = np.abs(slope).max()
        assert scale > 0, f"{name}: a gradient that is zero says little"
        np.testing.assert_allclose(got[name], slope, rtol=1e-7, atol=1e-8 * scale, err_msg=name)


def has_margins(run, values):
    """Whether no threshold is near, for a difference or a surrogate to pass it."""
    V, V_th = run.integrated[:, 2], run.integrated[:, 3]
    near_reset = np.abs(V_th - values["V_th_reset"])[run.spikes]
    return np.abs(V - V_th).min() > 1 and near_reset.min() > 0.1


@pytest.mark.parametrize("method", ["exact", "exp_euler"])
def test_a_step_of_gif_neurons(method):
    """Of which two spike: each variable's derivatives, by plain reverse mode."""
    currents = np.array([[25.0, 24.0, 0.3]])
    run = run_gif(GIF_VALUES, currents, GIF_STATE, method)
    assert run.spikes.tolist() == [[True, True, False]]
    assert has_margins(run, GIF_VALUES)

    def find_states(values):
        return run_gif(values, currents, GIF_STATE, method).states[0]

    slopes = {name: find_slopes(find_states, GIF_VALUES, name) for name in GIF_VALUES}
    model = GIFModel(method)
    brainstate.nn.init_all_states(model)
    gradient = brainstate.transform.jit(
        brainstate.transform.grad(
            lambda weights: (weights[:, None] * model(currents[0])).sum(),
            model.states(brainstate.ParamState),
        )
    )
    for i, weights in enumerate(np.eye(4)):
        for state, row in zip(model.list_states(), GIF_STATE, strict=True):
            state.value = u.Quantity(jnp.asarray(row), unit=state.value.unit)
        got = read_sized(gradient(weights), GIF_VALUES)
        for name, slope in slopes.items():
            np.testing.assert_allclose(
                got[name], slope[i], rtol=1e-7, atol=1e-8, err_msg=f"{name}, variable {i}"
            )


def of_learner(learner, currents, weights):
    """The gradient of the weighed sum of all variables."""
    return brainstate.transform.jit(
        lambda: learner.etrace_grad(
            currents, weights, lambda I, weight: (weight * learner(I)).sum(), chunk=3
        )
    )()


def test_a_run_of_gif_neurons():
    """Of which two spike, one of them twice: D-RTRL."""
    state = GIF_STATE * [[0], [0], [1], [1]]
    run = run_gif(GIF_VALUES, GIF_CURRENTS, state)
    assert run.spikes.sum(axis=0).tolist() == [2, 1, 0]
    assert has_margins(run, GIF_VALUES)
    weights = weigh(run.states.shape)
    wanted = {
        name: find_slopes(
            lambda v: (weights * run_gif(v, GIF_CURRENTS, state).states).sum((0, 1)),
            GIF_VALUES,
            name,
        )
        for name in GIF_VALUES
    }
    learner = brainscale.compile(GIFModel(), "D_RTRL", GIF_CURRENTS[0])
    assert_same(read_sized(of_learner(learner, GIF_CURRENTS, weights), GIF_VALUES), wanted)


def find_slopes_of_cables(currents, weights):
    def find_loss(values):
        return (weights * run_cable(values, currents)).sum((0, 2))

    slopes = {}
    for name, x in CABLE_VALUES.items():
        of_neurons = find_slopes(find_loss, CABLE_VALUES, name)
        slopes[name] = of_neurons if np.ndim(x) else of_neurons.sum()
    return slopes


def test_a_step_of_cables():
    """Each compartment's derivatives, by plain reverse mode."""
    model = CableModel()
    brainstate.nn.init_all_states(model)
    gradient = brainstate.transform.jit(
        brainstate.transform.grad(
            lambda weights: (weights * model(CABLE_CURRENTS[0])).sum(),
            model.states(brainstate.ParamState),
        )
    )
    for weights in np.eye(COMPARTMENTS):
        brainstate.nn.reset_all_states(model)
        assert_same(
            read_sized(gradient(weights), CABLE_VALUES),
            find_slopes_of_cables(CABLE_CURRENTS[:1], weights),
        )


def test_a_run_of_cables():
    """D-RTRL."""
    weights = weigh((T, N, COMPARTMENTS))
    learner = brainscale.compile(CableModel(), "D_RTRL", CABLE_CURRENTS[0])
    got = read_sized(of_learner(learner, CABLE_CURRENTS, weights), CABLE_VALUES)
    assert_same(got, find_slopes_of_cables(CABLE_CURRENTS, weights))
