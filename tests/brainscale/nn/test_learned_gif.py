"""GIF neurons whose parameters are learned, beside plain `jax.grad` through all steps."""

from __future__ import annotations

import brainstate
import brainunit as u
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale import ElemWiseParam, ETraceParam, FakeElemWiseParam, MatMulOp, errors
from brainscale.nn import GIF, GIFTree
from through_time import assert_same

pytestmark = pytest.mark.usefixtures("compiled_fast", "double_precision", "step_length")

T, B, N = 6, 2, 3
CURRENTS = 12.0 + 4 * np.cos(np.arange(float(T * B * N))).reshape(T, B, N)
TARGETS = np.sin(np.arange(float(T * B * N))).reshape(T, B, N)

VALUES = {
    "tau": 20.0 * u.ms,
    "R": 0.02 * u.Gohm,
    "V_rest": -70.0 * u.mV,
    "V_reset": -0.072 * u.volt,
    "V_th_inf": -50.0 * u.mV,
    "V_th_reset": -45.0 * u.mV,
    "k1": 0.2 / u.ms,
    "k2": 50.0 * u.Hz,  # 1/tau
    "R1": 0.5,
    "R2": 1.25,
    "A1": 1.5 * u.nA,
    "A2": -700.0 * u.pA,
    "a": 0.05 / u.ms,
    "b": 0.05 / u.ms,  # 1/tau
}
"""Of neurons that spike in some of the steps; rates meet."""

EACH = np.array([0.95, 1.0, 1.05])


class Model(brainstate.nn.Module):
    """GIF neurons of which the spikes and the potential are read out."""

    def __init__(self, parameters, kind=GIF, **options):
        super().__init__()
        self.neuron = kind(N, **{**VALUES, **parameters}, **options)

    def update(self, I):
        z = self.neuron(I * u.nA)
        return 3 * z + 0.1 * self.neuron._read().V / u.mV


def make_shared(name, factor=1.0):
    return ElemWiseParam(u.math.asarray(VALUES[name]) * factor)


def make_of_each(name):
    return make_shared(name, EACH)


def squared(out, y):
    return ((out - y) ** 2).sum()


def through_time(model, batch=B):
    """The gradient of the summed loss by plain reverse mode."""
    brainstate.nn.init_all_states(model, batch_size=batch)
    rows = (CURRENTS, TARGETS) if batch else (CURRENTS[:, 0], TARGETS[:, 0])

    def total():
        return brainstate.transform.for_loop(lambda I, y: squared(model(I), y), *rows).sum()

    gradient = brainstate.transform.grad(total, model.states(brainstate.ParamState))
    return brainstate.transform.jit(gradient)()


def of_learner(model, rule="D_RTRL", batch=B):
    rows = (CURRENTS, TARGETS) if batch else (CURRENTS[:, 0], TARGETS[:, 0])
    learner = brainscale.compile(model, rule, rows[0][0], batch_size=batch)
    return brainstate.transform.jit(
        lambda: learner.etrace_grad(*rows, lambda I, y: squared(learner(I), y), chunk=4)
    )()


def test_all_parameters_at_once():
    """Shared by all neurons, or one for each."""
    makes = [make_shared, make_of_each] * 7
    model = Model({name: make(name) for name, make in zip(VALUES, makes, strict=True)})
    got = of_learner(model)
    assert {path[-1] for path in got} == set(VALUES)
    without = [path for path, g in got.items() if not np.all(u.get_mantissa(g))]
    assert not without, "a gradient that is zero says little"
    assert_same(got, through_time(model))


@pytest.mark.parametrize(("kind", "name"), [(GIF, "V_th_reset"), (GIF, "R1"), (GIFTree, "tau")])
def test_a_parameter_alone(name, kind):
    model = Model({name: make_shared(name)}, kind)
    got = of_learner(model, batch=None)
    assert list(got) == [("neuron", name)]
    assert_same(got, through_time(model, batch=None))


def test_exp_euler():
    names = ("tau", "R", "k1", "a", "b")
    model = Model({name: make_of_each(name) for name in names}, method="exp_euler")
    got = of_learner(model)
    assert all(np.all(u.get_mantissa(gradient) != 0) for gradient in got.values())
    assert_same(got, through_time(model))


@pytest.mark.parametrize("rule", ["RTRL", "D_RTRL"])
def test_bounds(rule):
    """A transform of brainstate's keeps R within bounds, whatever is learned, with units."""
    bounds = brainstate.nn.SigmoidT(5.0 * u.Mohm, 50.0 * u.Mohm)
    model = Model({"R": ElemWiseParam(bounds.inverse(jnp.array(20.0) * u.Mohm), bounds)})
    np.testing.assert_allclose(model.neuron.R / u.Mohm, 20.0)
    got = of_learner(model, rule)
    assert got["neuron", "R"] != 0
    assert_same(got, through_time(model))


def test_frozen():
    """One that is frozen gives the same step, and is nothing that is learned."""
    learned = Model({"tau": make_shared("tau")})
    frozen = Model({"tau": FakeElemWiseParam(VALUES["tau"])})
    known = Model({})
    assert not frozen.states(brainstate.ParamState)
    out = []
    for model in (learned, frozen, known):
        brainstate.nn.init_all_states(model, batch_size=B)
        out.append([model(I) for I in CURRENTS])
    for other in out[1:]:
        np.testing.assert_allclose(other, out[0], rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("tau", 20.0, errors.UnitError),
        ("R", 20.0 * u.mV, errors.UnitError),
        ("R1", 1.0 * u.mV, errors.UnitError),
        ("V_rest", np.ones(N + 1) * u.mV, errors.ShapeError),
        ("tau", 0.0 * u.ms, errors.ParameterError),
        ("k1", -0.1 / u.ms, errors.ParameterError),
        ("b", np.nan / u.ms, errors.ParameterError),
    ],
)
def test_what_is_refused(name, value, error):
    with pytest.raises(error, match=name):
        GIF(N, **{name: ElemWiseParam(u.math.asarray(value))})


def test_only_what_acts_element_by_element():
    with pytest.raises(errors.ValueTypeError, match="tau must be a number, or an ElemWiseParam"):
        GIF(N, tau=ETraceParam(jnp.ones((2, N)) * u.ms, MatMulOp()))


def test_out_of_its_range_it_is_nan():
    """Where nothing can be refused, in a step, a parameter that has left its range says so."""
    model = Model({"tau": make_of_each("tau")})
    brainstate.nn.init_all_states(model)
    model.neuron.states(brainstate.ParamState)["tau",].value = jnp.array([20.0, -1.0, 20.0]) * u.ms
    np.testing.assert_array_equal(np.isnan(model(CURRENTS[0, 0])), [False, True, False])


def test_a_parameter_is_read_as_it_is_now():
    """So are first values that are made of it."""
    parameter = make_shared("V_rest")
    neuron = GIF(N, V_rest=parameter)
    parameter.value = -65.0 * u.mV
    neuron.init_state()
    assert neuron.V_rest == -65.0 * u.mV
    np.testing.assert_array_equal(neuron.V.value / u.mV, -65.0)


def test_first_values_that_are_known():
    neuron = GIF(N, tau=make_shared("tau"), V_rest=-65.0 * u.mV)
    assert neuron.V_initializer == -65.0 * u.mV
    assert neuron.V_th_initializer == neuron.V_th_inf == -50.0 * u.mV


@pytest.mark.parametrize("method", ["exact", "exp_euler"])
@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("shape", [(3,), (2, 1)])
def test_learned_in_one_shape_and_others_in_another(name, shape, method):
    """It is the same neuron as one of which all is known, to the last digits."""
    size = (2, 3)
    of_some = VALUES[name] * (1 + 0.1 * np.arange(float(np.prod(shape))).reshape(shape))
    runs = []
    for value in (of_some, ElemWiseParam(u.math.asarray(of_some))):
        neuron = GIF(size, **{**VALUES, name: value}, method=method)
        neuron.init_state()
        runs.append([neuron(I * u.nA) + neuron.V.value / u.mV for I in (40.0, 12.0)])
    np.testing.assert_allclose(runs[1], runs[0], rtol=1e-11)
