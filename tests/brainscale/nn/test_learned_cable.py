"""Cables whose parameters are learned, beside plain `jax.grad` through all steps."""

from __future__ import annotations

import dataclasses

import brainstate
import brainunit as u
import numpy as np
import pytest

import brainscale
from brainscale import ElemWiseParam, errors
from brainscale.nn import Compartments, PassiveCable
from brainscale.nn.quantities import OHM_CM, S_PER_CM2, UF_PER_CM2
from three_sections import three_sections
from through_time import assert_same

pytestmark = pytest.mark.usefixtures("compiled_fast", "double_precision", "step_length")

T, B, N, COMPARTMENTS = 5, 2, 2, 6
CURRENTS = 0.2 * np.cos(np.arange(float(T * B * N))).reshape(T, B, N)

VALUES = {
    "g": 2e-4 * S_PER_CM2,
    "E": -0.068 * u.volt,
    "cm": 0.8 * UF_PER_CM2,
    "Ra": 1.2 * u.ohm * u.metre,
}

SHAPES = {
    "one for all": dict.fromkeys(VALUES, ()),
    "one for each neuron": dict.fromkeys(VALUES, (N, 1)),
}


class Model(brainstate.nn.Module):
    """Cells that are given a current into their axons, and read at all compartments."""

    def __init__(self, parameters):
        super().__init__()
        self.cell = PassiveCable(N, three_sections(), **{**VALUES, **parameters})

    def update(self, I):
        return self.cell({"axon(1)": I * u.nA}) / u.mV


def spread(name, shape):
    factor = 1 + 0.1 * np.sin(np.arange(float(np.prod(shape, dtype=int)))).reshape(shape)
    return u.math.asarray(VALUES[name] * factor)


def squared(V):
    return ((V + 60) ** 2).sum()


def through_time(model, batch=B):
    """The gradient of the summed loss by plain reverse mode."""
    brainstate.nn.init_all_states(model, batch_size=batch)
    currents = CURRENTS if batch else CURRENTS[:, 0]

    def total():
        return brainstate.transform.for_loop(lambda I: squared(model(I)), currents).sum()

    gradient = brainstate.transform.grad(total, model.states(brainstate.ParamState))
    return brainstate.transform.jit(gradient)()


def of_learner(model, batch=B, rule="D_RTRL"):
    currents = CURRENTS if batch else CURRENTS[:, 0]
    learner = brainscale.compile(model, rule, currents[0], batch_size=batch)
    return brainstate.transform.jit(
        lambda: learner.etrace_grad(currents, currents, lambda I, _: squared(learner(I)), chunk=3)
    )()


@pytest.mark.parametrize(("shapes", "batch"), [("one for all", B), ("one for each neuron", None)])
def test_all_parameters_at_once(shapes, batch):
    model = Model({k: ElemWiseParam(spread(k, shape)) for k, shape in SHAPES[shapes].items()})
    got = of_learner(model, batch)
    assert {path[-1] for path in got} == set(SHAPES[shapes])
    assert all(np.all(u.get_mantissa(gradient) != 0) for gradient in got.values())
    assert_same(got, through_time(model, batch))


def make_model_of_compartments():
    """A leak for each compartment, and a capacitance for each of each neuron."""
    shapes = {"g": (COMPARTMENTS,), "cm": (N, COMPARTMENTS)}
    return Model({name: ElemWiseParam(spread(name, shape)) for name, shape in shapes.items()})


def test_each_compartment_by_rtrl():
    model = make_model_of_compartments()
    got = of_learner(model, None, "RTRL")
    assert all(np.all(u.get_mantissa(gradient) != 0) for gradient in got.values())
    assert_same(got, through_time(model, None))


@pytest.mark.parametrize("rule", ["D_RTRL", "OSTL"])
def test_each_compartment_is_refused_where_it_has_a_trace(rule):
    """A compartment's parameter enters all of its neuron's variables: the mend is named."""
    with pytest.raises(errors.LateralPathError, match=r"cell\.g .*or learn by RTRL"):
        of_learner(make_model_of_compartments(), None, rule)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("g", 1e-4, errors.UnitError),
        ("E", 1.0 * u.nA, errors.UnitError),
        ("cm", np.ones(5) * UF_PER_CM2, errors.ShapeError),
        ("Ra", np.ones(COMPARTMENTS) * OHM_CM, errors.ShapeError),
        ("g", -1e-4 * S_PER_CM2, errors.ParameterError),
        ("cm", 0.0 * UF_PER_CM2, errors.ParameterError),
        ("Ra", 0.0 * OHM_CM, errors.ParameterError),
    ],
)
def test_what_is_refused(name, value, error):
    for parameter in (value, ElemWiseParam(u.math.asarray(value))):
        with pytest.raises(error, match=name):
            PassiveCable(N, three_sections(), **{name: parameter})


def test_an_unknown_resistivity_is_refused():
    known = three_sections().compartments
    fields = {f.name: getattr(known, f.name) for f in dataclasses.fields(known)}
    unknown = Compartments(**{**fields, "Ra": None})
    with pytest.raises(errors.MorphologyError, match="Ra"):
        PassiveCable(N, unknown, Ra=100 * OHM_CM)


def test_given_values_are_those_of_the_sections():
    """A learned cm or Ra, a known one, and that of each section give the same potentials."""
    made = [
        PassiveCable(N, three_sections()),
        PassiveCable(N, three_sections(), cm=1 * UF_PER_CM2, Ra=100 * OHM_CM),
        PassiveCable(
            N,
            three_sections(),
            cm=ElemWiseParam(u.math.asarray(1.0 * UF_PER_CM2)),
            Ra=ElemWiseParam(u.math.asarray(100.0 * OHM_CM)),
        ),
    ]
    potentials = []
    for cell in made:
        cell.init_state()
        for _ in range(3):
            V = cell({"soma(0.5)": 0.1 * u.nA})
        potentials.append(V / u.mV)
    for V in potentials[1:]:
        np.testing.assert_allclose(V, potentials[0], rtol=1e-13)
