"""Cells described with braincell 0.0.x, for which the document's own code is written."""

from __future__ import annotations

import braincell
import brainunit as u
import numpy as np
import pytest

import brainscale
from brainscale.errors import MorphologyError
from three_sections import three_sections


def braincell_morphology(connect=(("axon", 1.0), ("dendrite", 1.0)), **soma):
    morphology = braincell.Morphology()
    soma = {"length": 20 * u.um, "diam": 10 * u.um, "nseg": 1, **soma}
    morphology.add_cylinder_section("soma", **soma)
    morphology.add_cylinder_section("axon", length=100 * u.um, diam=1 * u.um, nseg=2)
    morphology.add_point_section(
        "dendrite",
        positions=[[0, 0, 0], [100, 0, 0], [200, 0, 0]] * u.um,
        diams=[2, 3, 2] * u.um,
        nseg=3,
    )
    for name, loc in connect:
        morphology.connect(name, "soma", parent_loc=loc)
    return morphology


def test_from_the_documents_braincell():
    ours = three_sections().compartments
    theirs = brainscale.nn.from_braincell(braincell_morphology())
    assert theirs.sections == ours.sections
    for what in ("area", "cm", "R_left", "R_right", "nodes", "conductance"):
        np.testing.assert_allclose(getattr(theirs, what), getattr(ours, what), rtol=1e-12)


@pytest.mark.parametrize(
    ("morphology", "named"),
    [
        (lambda: braincell_morphology(connect=[("axon", 1.0)]), "dendrite"),
        (lambda: braincell_morphology(Ra=-1 * u.ohm * u.cm), "soma"),
        (lambda: braincell_morphology(cm=0 * u.uF / u.cm**2), "soma"),
        (lambda: braincell_morphology(diam=np.inf * u.um), "soma"),
        (braincell.Morphology, "section"),
        (lambda: "a tree", "str"),
    ],
)
def test_what_braincell_lets_through(morphology, named):
    with pytest.raises(MorphologyError, match=named), np.errstate(all="ignore"):
        brainscale.nn.from_braincell(morphology())
