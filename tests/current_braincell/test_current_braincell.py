"""Morphologies and cells of braincell 0.1.x."""

from __future__ import annotations

import os
import subprocess
import sys

import braincell
import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from repository import ROOT

STEPS = 200
DT = 0.025 * u.ms
AT_5_MS = [-50.623486, -51.031811, -51.428659, -51.197113, -51.712748, -51.944860]
"""NEURON's potentials of the three-section cell (SPEC.md, CABLE-8)."""


@pytest.fixture(autouse=True)
def double_precision():
    jax.config.update("jax_enable_x64", True)
    brainstate.environ.set(precision=64)


def three_sections():
    soma = braincell.Branch.from_lengths(
        lengths=[20.0] * u.um, radii=[5.0, 5.0] * u.um, type="soma"
    )
    axon = braincell.Branch.from_lengths(
        lengths=[100.0] * u.um, radii=[0.5, 0.5] * u.um, type="axon"
    )
    dendrite = braincell.Branch.from_points(
        points=np.array([[0, 0, 0], [100, 0, 0], [200, 0, 0]]) * u.um,
        radii=[1.0, 1.5, 1.0] * u.um,
        type="dendrite",
    )
    morphology = braincell.Morphology.from_root(soma, name="soma")
    for name, branch in (("axon", axon), ("dendrite", dendrite)):
        morphology.attach(parent="soma", child_branch=branch, child_name=name, parent_x=1.0)
    return morphology


def leaky_cell(pop_size=(10,)):
    cell = braincell.Cell(
        three_sections(),
        pop_size=pop_size,
        cv_policy=braincell.CVPerBranchList((1, 2, 3)),
        V_init=-65 * u.mV,
    )
    leak = braincell.mech.Channel("IL", g_max=1e-4 * u.siemens / u.cm**2, E=-70.0 * u.mV)
    cell.paint(braincell.filter.AllRegion(), leak)
    clamp = braincell.CurrentClamp(delay=0 * u.ms, durations=5 * u.ms, amplitudes=0.1 * u.nA)
    cell.place(braincell.filter.RootLocation(x=0.5), clamp)
    return cell


def test_our_cable_on_their_morphology():
    compartments = brainscale.nn.from_braincell(three_sections(), (1, 2, 3))
    cell = brainscale.nn.PassiveCable(2, compartments)
    cell.init_state()
    with brainstate.environ.context(dt=DT):
        brainstate.transform.for_loop(
            lambda _: cell({"soma(0.5)": 0.1 * u.nA}) is None, jnp.arange(STEPS)
        )
    np.testing.assert_allclose(cell.V.value.mantissa[1], AT_5_MS, atol=1e-6)


def test_from_a_cell():
    ours = brainscale.nn.from_braincell(three_sections(), (1, 2, 3))
    theirs = brainscale.nn.from_braincell(leaky_cell())
    np.testing.assert_array_equal(ours.area, theirs.area)
    np.testing.assert_array_equal(ours.conductance, theirs.conductance)


@pytest.mark.parametrize("pop_size", [(10,), ()])
def test_our_state_in_their_cell(pop_size):
    cell = brainscale.nn.install_group_state(leaky_cell(pop_size))
    brainstate.nn.init_all_states(cell)
    assert type(cell.V) is brainscale.ETraceGroupState
    assert (cell.V.num_state, cell.V.varshape) == (6, pop_size)

    def step(i):
        with brainstate.environ.context(t=i * DT):
            cell.update()

    with brainstate.environ.context(dt=DT):
        brainstate.transform.for_loop(step, jnp.arange(STEPS))
    np.testing.assert_allclose(cell.V.value.mantissa.reshape(-1, 6)[0], AT_5_MS, atol=1e-6)


def test_batch_keeps_our_state():
    cell = brainscale.nn.install_group_state(leaky_cell())
    cell.init_state(4)
    assert type(cell.V) is brainscale.ETraceGroupState
    assert (cell.V.num_state, cell.V.varshape) == (6, (4, 10))


def test_installed_after_initialization():
    cell = leaky_cell()
    cell.init_state()
    brainscale.nn.install_group_state(cell)
    assert type(cell.V) is brainscale.ETraceGroupState


def test_the_tutorial_of_states():
    """Its cell is written for both generations."""
    subprocess.run(
        [sys.executable, "-W", "error", ROOT / "tutorials" / "states.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg", "XLA_FLAGS": ""},
        check=True,
    )
