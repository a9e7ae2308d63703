"""The calls of the document this project grew from, as it makes them (SPEC.md, chapter 13).

Its classes are written anew here; every call to brainscale, brainstate and braincell is the
document's own.
"""

from __future__ import annotations

import braincell
import brainstate
import brainunit as u
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale

pytestmark = pytest.mark.filterwarnings("ignore:.*brainstate.nn.Neuron.*:DeprecationWarning")


def gif_neurons():
    class FourStates(brainstate.nn.Neuron):
        def __init__(self, size, **kwargs):
            super().__init__(size, **kwargs)
            self.V_rest = -70.0 * u.mV

        def init_state(self, *args, **kwargs):
            self.I1 = brainscale.ETraceState(jnp.zeros(self.varshape) * u.nA)
            self.I2 = brainscale.ETraceState(jnp.zeros(self.varshape) * u.nA)
            self.V = brainscale.ETraceState(
                brainstate.random.normal(self.varshape) * 2.0 * u.mV + self.V_rest
            )
            self.V_th = brainscale.ETraceState(
                brainstate.random.uniform(-52.0, -48.0, self.varshape) * u.mV
            )

    neurons = FourStates(size=100)
    neurons.init_state()
    return neurons


def three_section_cells():
    class Cells(braincell.MultiCompartment):
        def __init__(self, pop_size, morphology):
            super().__init__(pop_size, morphology=morphology)

        def init_state(self, *args, **kwargs):
            self.V = brainscale.ETraceGroupState(jnp.zeros(self.varshape) * u.mV)

    morphology = braincell.Morphology()
    morphology.add_cylinder_section("soma", length=20 * u.um, diam=10 * u.um, nseg=1)
    morphology.add_cylinder_section("axon", length=100 * u.um, diam=1 * u.um, nseg=2)
    morphology.add_point_section(
        "dendrite",
        positions=[[0, 0, 0], [100, 0, 0], [200, 0, 0]] * u.um,
        diams=[2, 3, 2] * u.um,
        nseg=3,
    )
    morphology.connect("axon", "soma", parent_loc=1.0)
    morphology.connect("dendrite", "soma", parent_loc=1.0)
    cells = Cells(10, morphology)
    cells.init_state()
    return cells


def gif_tree():
    class OneTree(brainstate.nn.Neuron):
        def init_state(self, *args, **kwargs):
            self.state = brainscale.ETraceTreeState(
                {
                    "I1": jnp.zeros(self.varshape) * u.mA,
                    "I2": jnp.zeros(self.varshape) * u.mA,
                    "V": brainstate.random.random(self.varshape) * u.mV,
                    "Vth": brainstate.random.uniform(1, 2, self.varshape) * u.mV,
                }
            )

    tree = OneTree(5)
    tree.init_state()
    return tree


def test_what_the_document_prints():
    neurons, cells, tree = gif_neurons(), three_section_cells(), gif_tree()
    printed = [
        neurons.I1.num_state,
        neurons.I1.varshape,
        cells.V.num_state,
        cells.V.varshape,
        cells.pop_size,
        tree.state.num_state,
    ]
    assert printed == [1, (100,), 6, (10,), (10,), 4]


def test_erratum_shape_passed_as_mean():
    V = gif_neurons().V
    assert V.varshape == (1,)
    assert 50 < float(V.value.to(u.mV).mantissa[0] + 70) < 400

    neurons = brainscale.nn.GIF(100)
    neurons.init_state()
    assert neurons.V.varshape == (100,)


def test_erratum_adaptation_vanishes():
    neuron = brainscale.nn.GIF(1)
    kick = (neuron.R * neuron.A1).to(u.mV).mantissa
    np.testing.assert_allclose(kick, 0.001)


def test_erratum_threshold_outruns_potential():
    def steady(neuron, I):
        V = neuron.V_rest + neuron.R * I
        return V, neuron.V_th_inf + neuron.a / neuron.b * (V - neuron.V_rest)

    neuron = brainscale.nn.GIF(1)
    for I in (0.0, 0.1, 1.0, 10.0) * u.mA:
        V, V_th = steady(neuron, I)
        assert V < V_th


def test_erratum_threshold_reset_has_a_value():
    assert brainscale.nn.GIF(1).V_th_reset == -60.0 * u.mV
