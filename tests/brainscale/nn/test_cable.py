"""What `brainscale.nn.PassiveCable` adds to the law: states, batches, solvers, sources."""

from __future__ import annotations

import copy

import brainstate
import brainunit as u
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale.errors import (
    InputError,
    MorphologyError,
    ParameterError,
    ShapeError,
    StateNameError,
    UnitError,
)
from brainscale.nn import Morphology, PassiveCable, Section, cable
from three_sections import three_sections

DT = 0.025 * u.ms


@pytest.fixture(autouse=True)
def time_step():
    with brainstate.environ.context(dt=DT):
        yield


@pytest.fixture(params=["dense", "tree"])
def solver(request, monkeypatch):
    monkeypatch.setattr(cable, "DENSE_LIMIT", 10**6 if request.param == "dense" else 0)


def made(size=3, batch=None, morphology=None, **options):
    cell = PassiveCable(size, morphology or three_sections(), **options)
    cell.init_state(batch)
    return cell


def run(cell, current, steps):
    """The potentials after some steps under a constant current."""
    brainstate.transform.for_loop(lambda _: cell(current) is None, jnp.arange(steps))
    return cell.V.value.mantissa


def test_state():
    cell = made(10, batch=4)
    assert type(cell.V) is brainscale.ETraceGroupState
    assert (cell.V.num_state, cell.V.varshape) == (6, (4, 10))
    assert cell.V.names[:3] == ("soma[0]", "axon[0]", "axon[1]")
    assert cell.V.names[3:] == ("dendrite[0]", "dendrite[1]", "dendrite[2]")
    np.testing.assert_array_equal(cell.V.value.mantissa, -65)


def test_reset_keeps_the_batch():
    cell = made(batch=4)
    cell(0.1 * u.nA)
    cell.reset_state()
    np.testing.assert_array_equal(cell.V.value.mantissa, np.full((4, 3, 6), -65))
    with pytest.raises(ShapeError):
        cell.reset_state(5)


@pytest.mark.usefixtures("double_precision", "solver")
def test_gradient_is_that_of_finite_differences():
    cell = made(2, g=np.linspace(1e-4, 3e-4, 12).reshape(2, 6) * u.siemens / u.cm**2)

    def soma(I):
        cell.reset_state()
        brainstate.transform.for_loop(lambda I: cell({"axon(1)": I * u.nA}) is None, I)
        return jnp.sum(cell.V.get_value("soma[0]").mantissa ** 2)

    I = jnp.linspace(0.1, 0.3, 10).reshape(5, 2)
    gradient = brainstate.transform.grad(soma, argnums=0)(I)
    for step, neuron in ((0, 0), (4, 1)):
        nudge = jnp.zeros_like(I).at[step, neuron].set(1e-4)
        difference = (soma(I + nudge) - soma(I - nudge)) / 2e-4
        np.testing.assert_allclose(gradient[step, neuron], difference, rtol=1e-7)


@pytest.mark.usefixtures("double_precision")
def test_solvers_agree(monkeypatch):
    g = np.linspace(1e-4, 3e-4, 18).reshape(3, 6) * u.siemens / u.cm**2
    potentials = []
    for limit in (0, 10**6):
        monkeypatch.setattr(cable, "DENSE_LIMIT", limit)
        potentials.append(run(made(3, batch=(2, 2), g=g), {"soma(0)": jnp.arange(3) * u.nA}, 50))
    np.testing.assert_allclose(*potentials, rtol=1e-12)


@pytest.mark.usefixtures("solver")
def test_nan_reaches_one_neuron_whole():
    cell = made()
    step = brainstate.transform.jit(lambda I: cell({"dendrite(1)": I}))
    step(jnp.array([0.0, jnp.nan, jnp.inf]) * u.nA)
    wanted = np.repeat([[False], [True], [True]], 6, axis=1)
    np.testing.assert_array_equal(np.isnan(cell.V.value.mantissa), wanted)


@pytest.mark.usefixtures("solver")
def test_vmap():
    cell = PassiveCable(3, three_sections())
    brainstate.nn.vmap_init_all_states(cell, axis_size=4)
    step = brainstate.transform.vmap(
        lambda I: cell(I), in_states=cell.states(), out_states=cell.states()
    )
    assert step(jnp.zeros((4, 3, 6)) * u.nA).shape == (4, 3, 6)


def test_a_thousand_compartments():
    morphology = Morphology(Section("dendrite", 1001, length=1 * u.mm, diam=2 * u.um))
    V = run(made(2, morphology=morphology), {"dendrite(0.5)": 0.1 * u.nA}, 40)
    assert V.shape == (2, 1001)
    assert np.argmax(V[0]) == 500
    np.testing.assert_allclose(V[0], V[0, ::-1], atol=1e-3)


def test_spikes_at_a_site():
    cell = made(2, spike_site="axon(1)", V_th=-60 * u.mV)
    z = brainstate.transform.for_loop(
        lambda _: cell({"soma(0.5)": jnp.array([0.0, 0.2]) * u.nA}), jnp.arange(200)
    )
    np.testing.assert_array_equal(z.sum(0), [0, 1])
    weight = brainstate.ParamState(jnp.array(0.2))

    def spikes():
        cell.reset_state()
        return brainstate.transform.for_loop(
            lambda _: cell({"soma(0.5)": weight.value * u.nA}), jnp.arange(200)
        ).sum()

    assert brainstate.transform.grad(spikes, weight)() > 0


def test_deepcopy():
    cell = made()
    twin = copy.deepcopy(cell)
    cell(0.1 * u.nA)
    np.testing.assert_array_equal(twin.V.value.mantissa, -65)
    twin(0.1 * u.nA)
    np.testing.assert_array_equal(twin.V.value.mantissa, cell.V.value.mantissa)


@pytest.mark.parametrize(
    ("current", "error"),
    [
        (0.1, UnitError),
        (0.1 * u.mV, UnitError),
        (jnp.zeros(5) * u.nA, ShapeError),
        ({"soma(0.5)": jnp.zeros(4) * u.nA}, ShapeError),
        ({"nose(0.5)": 0.1 * u.nA}, StateNameError),
        ({"soma(2)": 0.1 * u.nA}, StateNameError),
        ({"soma": 0.1 * u.nA}, StateNameError),
        ({0: 0.1 * u.nA}, StateNameError),
        ({"soma(0.5)": jnp.nan * u.nA}, InputError),
    ],
)
def test_refused_current_leaves_the_state(current, error):
    cell = made()
    with pytest.raises(error):
        cell(current)
    np.testing.assert_array_equal(cell.V.value.mantissa, -65)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"g": -1e-4 * u.siemens / u.cm**2}, ParameterError),
        ({"g": 1e-4}, UnitError),
        ({"g": 1e-4 * u.siemens}, UnitError),
        ({"g": np.ones(5) * u.siemens / u.cm**2}, ShapeError),
        ({"E": jnp.nan * u.mV}, ParameterError),
        ({"E": -70}, UnitError),
        ({"spike_site": "nose(1)"}, StateNameError),
        ({"morphology": "a tree"}, MorphologyError),
    ],
)
def test_refused_option(options, error):
    with pytest.raises(error):
        PassiveCable(3, **{"morphology": three_sections(), **options})
