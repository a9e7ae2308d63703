"""A message may be worded in any way; it must say what it is about (ERR-2)."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from conformance.messages import any_of, states
from reference import unit
from repository import ROOT
from reworded import BASES

SAID = [
    ("k2 is -0.125, must be >= 0", "k2"),
    ("k2 is -0.125, must be >= 0", -0.125),
    ("k2 is \N{MINUS SIGN}0.125 per ms", -0.125),
    ("a rate of -1.25e-1", -0.125),
    ("-1.25×10⁻¹ is below zero", -0.125),
    ("got -125 s^-1 for k2", -0.125),
    ("dt=-500us", -0.5),
    ("got np.float32(-0.125)", -0.125),
    ("is 1_000", 1000),
    ("V is NaN", np.nan),
    ("an infinite V", np.inf),
    ("-inf", -np.inf),
    ("shape (3, 4)", (3, 4)),
    ("shape [3,4]", (3, 4)),
    ("a 3x4 array", (3, 4)),
    ("3×4", (3, 4)),
    ("3 by 4", (3, 4)),
    ("float32[3,4]", (3, 4)),
    ("(2,)", (2,)),
    ("[2]", (2,)),
    ("got ()", ()),
    ("in mV", unit("mV")),
    ("in volts", unit("mV")),
    ("1/ms", unit("ms^-1")),
    ("per second", unit("ms^-1")),
    ("S/cm²", unit("S cm^-2")),
    ("siemens / cmeter2", unit("S cm^-2")),
    ("10^-3 kg m^2 s^-3 A^-1", unit("mV")),
    ("MΩ", unit("ohm")),
    ("<f4 array", np.dtype("float32")),
    ("a float32", np.dtype("float32")),
    ("Chunk must be", "chunk"),
    ("parameter 'k2'", "'k2'"),
    ("leaf -3", any_of("soma", -3)),
]

NOT_SAID = [
    ("k22 is wrong", "k2"),
    ("a value is wrong", "V"),
    ("volts", "V"),
    ("k2 is 0.125", -0.125),
    ("4-20", -20),
    ("-0.125 and no unit", -125.0),
    ("k2", 2),
    ("ms^-1", -1),
    ("inf", -np.inf),
    ("-inf", np.inf),
    ("(3, 4, 5)", (3, 4)),
    ("(4, 3)", (3, 4)),
    ("12", (2,)),
    ("mV", unit("nA")),
    ("ms", unit("ms^-1")),
    ("the wrong unit", unit("mV")),
    ("float64", np.dtype("float32")),
    ("tail", any_of("soma", -3)),
]


@pytest.mark.parametrize(("message", "fact"), SAID)
def test_said(message, fact):
    assert states(message, fact)


@pytest.mark.parametrize(("message", "fact"), NOT_SAID)
def test_not_said(message, fact):
    assert not states(message, fact)


def test_other_notations_are_accepted():
    """What is said in other notations, by whatever refuses, passes all tests of messages."""
    command = [sys.executable, "-m", "pytest", "-q", "--tb=line", "-p", "no:cacheprovider"]
    command += [f"--implementation=reworded:{name}" for name in BASES]
    names = ("errors/test_", "gif/test_gif_", "cable/test_morphology_", "cable/test_cable_")
    files = [f"conformance/chapters/{name}errors.py" for name in names]
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "conformance")])
    environment = {**os.environ, "PYTHONPATH": path}
    run = subprocess.run(
        [*command, *files, "-k", "errors or messages or no_tree or parameter"],
        cwd=ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
