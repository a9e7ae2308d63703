"""What the GIF neuron is given, what it refuses, and how it holds its state."""

from __future__ import annotations

import numpy as np
import pytest

from reference import (
    GIF,
    BrainscaleError,
    DtypeError,
    Dynamics,
    GIFTree,
    InputError,
    ParameterError,
    Quantity,
    ShapeError,
    UnitError,
    ValueTypeError,
)
from reference.gif import make_defaults

FORMS = [GIF, GIFTree]
MS, NA, MV = "ms", "nA", "mV"


def test_defaults_are_the_table():
    table = """
        tau 20 ms; R 100 ohm; V_rest -70 mV; V_reset -80 mV; V_th_inf -50 mV; V_th_reset -60 mV;
        k1 0.1 ms^-1; k2 0.05 ms^-1; R1 0.9; R2 0.8; A1 10 nA; A2 5 nA; a 0.1 ms^-1; b 0.02 ms^-1
    """
    expected = {}
    for row in table.split(";"):
        name, number, *unit = row.split()
        expected[name] = (float(number), unit[0] if unit else None)
    got = {
        name: (float(v.array), v.unit.name) if isinstance(v, Quantity) else (v, None)
        for name, v in make_defaults().items()
    }
    assert got == expected


@pytest.mark.parametrize(
    ("parameters", "field", "expected"),
    [
        ({"tau": Quantity(0.02, "s")}, "tau", 20.0),
        ({"R": Quantity(20.0, "Mohm")}, "R", 2e7),
        ({"R": Quantity(20.0, "mV nA^-1")}, "R", 2e7),
        ({"V_rest": Quantity(-0.07, "V")}, "V_rest", -70.0),
        ({"a": Quantity(-100, "Hz")}, "a", -0.1),
        ({"b": Quantity(np.float32(0.0), "ms^-1")}, "b", 0.0),
        ({"k2": Quantity(50.0, "s^-1")}, "k", [0.1, 0.05]),
        ({"R1": 1}, "R_j", [1.0, 0.8]),
        ({"R1": np.float32(0.5)}, "R_j", [0.5, 0.8]),
        ({"R2": Quantity(500.0, "mV V^-1")}, "R_j", [0.9, 0.5]),
        ({"A2": Quantity(5e-6, "mA")}, "A", [10.0, 5.0]),
    ],
)
def test_parameters_of_any_scale(parameters, field, expected):
    got = getattr(Dynamics((), parameters).parameters, field)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, expected, rtol=1e-15)


NAN, INF = np.float64("nan"), np.float64("inf")


@pytest.mark.parametrize(
    ("parameters", "error", "says"),
    [
        ({"tau": Quantity(0.0, MS)}, ParameterError, "tau"),
        ({"tau": Quantity(np.array([20.0, -1.0, 20.0]), MS)}, ParameterError, "-1.0"),
        ({"k1": Quantity(-1e-300, "ms^-1")}, ParameterError, "k1"),
        ({"b": Quantity(-0.1, "ms^-1")}, ParameterError, "-0.1"),
        ({"a": Quantity(NAN, "ms^-1")}, ParameterError, "nan"),
        ({"A2": Quantity(INF, NA)}, ParameterError, "inf"),
        ({"V_rest": Quantity(-INF, MV)}, ParameterError, "V_rest"),
        ({"R1": NAN}, ParameterError, "R1"),
        ({"V_reset": Quantity(1e307, "GV")}, ParameterError, "inf"),
        ({"tau": Quantity(20.0, MV)}, UnitError, "mV"),
        ({"tau": 20.0}, UnitError, "bare"),
        ({"tau": np.float64(20.0)}, UnitError, "bare"),
        ({"R1": Quantity(1.0, MV)}, UnitError, "R1"),
        ({"A1": Quantity(np.ones(2), NA)}, ShapeError, "(2,)"),
        ({"A1": Quantity(np.ones((1, 3)), NA)}, ShapeError, "(1, 3)"),
        ({"A1": Quantity(np.ones(3, complex), NA)}, DtypeError, "complex"),
        ({"tau": "20 ms"}, ValueTypeError, "tau"),
        ({"tau": None}, ValueTypeError, "tau"),
        ({"tau_m": Quantity(20.0, MS)}, ParameterError, "tau_m"),
    ],
)
def test_bad_parameters(parameters, error, says):
    with pytest.raises(error) as caught:
        Dynamics((3,), parameters)
    assert says in str(caught.value)


def test_unknown_method():
    with pytest.raises(ParameterError, match="rk4"):
        Dynamics((3,), {}, method="rk4")


def test_a_third_current_has_no_defaults():
    with pytest.raises(ParameterError, match="k3"):
        Dynamics((), {}, J=3)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("batch", [(), (2,)])
def test_first_state(form, batch):
    parameters = {
        "V_rest": Quantity(np.array([-70.0, -60.0]), MV),
        "V_th_inf": Quantity(-0.04, "V"),
    }
    got = form(Dynamics((2,), parameters), batch=batch).variables
    expected = {"I1": [0, 0], "I2": [0, 0], "V": [-70, -60], "V_th": [-40, -40]}
    assert list(got) == list(expected)
    for name, quantity in got.items():
        assert quantity.unit.name == ("nA" if name.startswith("I") else "mV")
        np.testing.assert_array_equal(quantity.array, np.broadcast_to(expected[name], (*batch, 2)))


def test_forms_are_one_neuron():
    neuron = Dynamics((5,), {"R": Quantity(20.0, "Mohm"), "a": Quantity(0.0, "ms^-1")})
    rng = np.random.default_rng(0)
    single, tree = GIF(neuron), GIFTree(neuron)
    assert list(tree.h.value) == ["I1", "I2", "V", "Vth"]
    total = 0
    for _ in range(300):
        current, dt = Quantity(rng.uniform(0, 5, 5), NA), Quantity(0.5, MS)
        spikes = single.update(current, dt)
        np.testing.assert_array_equal(tree.update(current, dt), spikes)
        total += spikes.sum()
        for one, other in zip(single.variables.values(), tree.variables.values(), strict=True):
            np.testing.assert_array_equal(one.array, other.array)
    assert total > 10
    np.testing.assert_array_equal(tree.h.get_value("Vth").array, single.V_th.value.array)


@pytest.mark.parametrize("form", FORMS)
def test_run_is_many_updates(form):
    neuron = Dynamics((5,), {"R": Quantity(20.0, "Mohm"), "a": Quantity(0.0, "ms^-1")})
    one, other = form(neuron, batch=(2,)), form(neuron, batch=(2,))
    currents, dt = np.random.default_rng(1).uniform(0, 5, (100, 5)), Quantity(0.5, MS)
    variables, spikes = one.run(Quantity(currents, NA), dt)
    assert spikes.any()
    for t in range(100):
        np.testing.assert_array_equal(other.update(Quantity(currents[t], NA), dt), spikes[t])
        for name, quantity in other.variables.items():
            np.testing.assert_array_equal(variables[name].array[t], quantity.array)
    for name, quantity in one.variables.items():
        np.testing.assert_array_equal(variables[name].array[-1], quantity.array)


@pytest.mark.parametrize("form", FORMS)
def test_a_refused_run_changes_nothing(form):
    model = form(Dynamics((3,), {}))
    for currents, error in (
        (np.ones((2, 3)), UnitError),
        (Quantity(np.array([1.0, NAN]), NA), InputError),
        (Quantity(np.ones((2, 2)), NA), ShapeError),
    ):
        with pytest.raises(error):
            model.run(currents, Quantity(0.1, MS))
    assert model.variables["V"].array.tolist() == [-70] * 3


@pytest.mark.parametrize("scale", ["pA", "nA", "uA", "mA", "A"])
def test_current_of_any_scale(scale):
    neuron = Dynamics((2,), {"R": Quantity(20.0, "Mohm")})
    model = GIF(neuron)
    number = {"pA": 1500.0, "nA": 1.5, "uA": 1.5e-3, "mA": 1.5e-6, "A": 1.5e-9}[scale]
    model.update(Quantity(number, scale), Quantity(0.1, MS))
    # The first step of V from rest: R I (1 − e^{−dt/τ}).
    np.testing.assert_allclose(model.V.value.array, -70 + 30 * -np.expm1(-0.005), rtol=1e-15)


BAD_STEPS = [
    (Quantity(1.0, NA), Quantity(0.0, MS), ParameterError),
    (Quantity(1.0, NA), Quantity(-0.1, MS), ParameterError),
    (Quantity(1.0, NA), Quantity(NAN, MS), ParameterError),
    (Quantity(1.0, NA), Quantity(INF, MS), ParameterError),
    (Quantity(1.0, NA), Quantity(0.1, MV), UnitError),
    (Quantity(1.0, NA), 0.1, UnitError),
    (Quantity(1.0, NA), np.float64(0.1), UnitError),
    (Quantity(1.0, NA), Quantity(np.full(3, 0.1), MS), ShapeError),
    (Quantity(1.0, NA), None, ValueTypeError),
    (Quantity(1.0, MV), Quantity(0.1, MS), UnitError),
    (1.0, Quantity(0.1, MS), UnitError),
    (np.ones(3), Quantity(0.1, MS), UnitError),
    (Quantity(np.ones(2), NA), Quantity(0.1, MS), ShapeError),
    (Quantity(np.ones((2, 3)), NA), Quantity(0.1, MS), ShapeError),
    (Quantity(1j, NA), Quantity(0.1, MS), DtypeError),
    (Quantity(np.array([1.0, NAN, 1.0]), NA), Quantity(0.1, MS), InputError),
    (Quantity(-INF, NA), Quantity(0.1, MS), InputError),
    ("1 nA", Quantity(0.1, MS), ValueTypeError),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("current", "dt", "error"), BAD_STEPS)
def test_bad_steps_change_nothing(form, current, dt, error):
    model = form(Dynamics((3,), {}))
    before = {name: quantity.array for name, quantity in model.variables.items()}
    for call in (model.update, model.jacobian):
        with pytest.raises(error) as caught:
            call(current, dt)
        assert isinstance(caught.value, BrainscaleError)
        assert ("dt" if error is ParameterError else "") in str(caught.value)
    for name, quantity in model.variables.items():
        np.testing.assert_array_equal(quantity.array, before[name])


@pytest.mark.parametrize(
    ("scale", "error"),
    [(Quantity(0.0, MV), ParameterError), (Quantity(20.0, NA), UnitError), (20.0, UnitError)],
)
def test_bad_scale(scale, error):
    with pytest.raises(error, match="scale"):
        GIF(Dynamics((), {})).jacobian(Quantity(0.0, NA), Quantity(0.1, MS), scale=scale)


def test_scale_is_a_potential():
    model = GIF(Dynamics((), {}))
    one = model.jacobian(Quantity(0.0, NA), Quantity(0.1, MS), scale=Quantity(0.03, "V"))
    other = model.jacobian(Quantity(0.0, NA), Quantity(0.1, MS), scale=Quantity(30.0, MV))
    np.testing.assert_allclose(one.spike, other.spike, rtol=1e-14)
    assert one.spike.any()
