"""A chip that rounds: how far off it is at 32 bits, and that it conforms at its resolution."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from conformance.checks import check_close
from conformance.judgement import ClauseError
from conformance.judgement import judge as judge_plan
from conformance.plans.covering import cover
from conformance.plans.factors import Plan
from conformance.protocol import Judged
from conformance.protocol.implementation import Value
from conformance.protocol.problems import Layer, Network, Rule
from conformance.tolerances import measure, tolerances_of
from repository import ROOT
from wrong_implementations.coarse import Chip, HonestChip, learning_chip, quantize
from wrong_implementations.resolutions import ResolutionFinerThanItIs


def judge(name: str, path: Path, *arguments: str) -> dict:
    """Judge a chip, and return its verdict, with what was said."""
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-rN", "-p", "no:cacheprovider"]
    command += [f"--implementation=wrong_implementations.coarse:make_{name}"]
    command += ["--max-examples=2", f"--verdict={path}", *arguments]
    imported = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "conformance")])
    environment = {**os.environ, "PYTHONPATH": imported}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert path.exists(), run.stdout + run.stderr
    return {"said": run.stdout, **json.loads(path.read_text("utf-8"))[name]}


pytestmark = pytest.mark.xdist_group("resolution")  # They share what is costly.


@pytest.fixture(scope="module")
def silent(tmp_path_factory):
    """The verdict on the chip that says nothing of its resolution, by some of the tests."""
    path = tmp_path_factory.mktemp("silent") / "verdict.json"
    chapter = "conformance/chapters/gif"
    return judge("chip", path, f"{chapter}/test_gif_step.py", f"{chapter}/test_gif_neuron.py")


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """The verdict on the chip that states its resolution, from two processes."""
    path = tmp_path_factory.mktemp("honest") / "verdict.json"
    return judge("honest_chip", path, "-n2", "conformance")


def failed(verdict: dict) -> set[str]:
    return {c for c, entry in verdict["clauses"].items() if entry["status"] == "failed"}


def test_the_chip_does_not_conform_at_32_bits(silent):
    assert {"NUM-1", "GIF-3", "GIF-8"} <= failed(silent)
    assert "chip does not conform at 32 bits" in silent["said"]


def test_it_is_said_how_far_off_it_is(silent):
    assert 100 < silent["clauses"]["NUM-1"]["distance"] < 10_000
    assert silent["clauses"]["STATE-3"]["distance"] is None
    assert "largest errors in units of the tolerance: GIF-1" in silent["said"]


def test_the_chip_conforms_at_its_resolution(honest):
    others = {"ERR-3", "CONF-1", "CONF-2", "NUM-9"}
    assert failed(honest) == set()
    assert honest["clauses"]["GIF-12"]["status"] == "not applicable"
    assert all(honest["clauses"][clause]["status"] == "passed" for clause in others)
    assert 0 < honest["clauses"]["NUM-1"]["distance"] < 1
    assert honest["resolution"] == 2.0**-15
    assert "honest_chip passes the quick profile at the resolution 2^-15: gif" in honest["said"]


NETWORK = Network(
    (
        Layer("leaky", np.array([[0.5, -0.25, 1.0], [0.125, 0.75, -0.5]]), np.full(3, 0.1)),
        Layer("leaky", np.array([[0.3, -0.7], [0.2, 0.9], [-0.4, 0.1]])),
    ),
    np.array([[0.6], [-0.8]]),
)


def learned(chip: type[Chip]):
    """What a chip learns in 20 steps."""
    rng = np.random.default_rng(1)
    inputs, targets = rng.uniform(-1, 1, (20, 2, 2)), rng.uniform(-1, 1, (20, 2, 1))
    arguments = NETWORK, inputs, targets, np.ones(20), Value(np.array(1.0), "ms")
    return chip().learn(*arguments, Rule("D-RTRL"))


def error(chip: type[Chip], tolerance: float) -> str:
    """Of the chip's gradients against the reference's, what is said of those that are off."""
    got, wanted = learned(chip), learned(Exact)
    try:
        for name, gradient in wanted.gradients.items():
            check_close(got.gradients[name], gradient, tolerance * np.abs(gradient).max(), name)
    except AssertionError as off:
        return str(off)
    return ""


class Exact(Chip):
    bits = 60


def test_networks():
    """Of a network, the tolerance is that of the resolution too (NUM-8, NUM-9)."""
    at_32_bits, at_resolution = tolerances_of(Chip()).network, tolerances_of(HonestChip()).network
    assert "apart" in error(Chip, at_32_bits)
    assert not error(HonestChip, at_resolution)
    assert "apart" in error(ResolutionFinerThanItIs, at_resolution)


@pytest.mark.parametrize(("bits", "resolution"), [(16, 2.0**-15), (14, 2.0**-13)])
def test_a_chip_that_learns_conforms_at_its_resolution(bits, resolution):
    """Its states and traces are rounded at each step (NUM-8, NUM-9)."""
    chip = Judged.of(learning_chip(bits, resolution))
    for plan in cover(chip.claims, 2, 0)[::6]:
        judge_plan(chip, plan, 0)


def test_a_chip_that_learns_more_coarsely_does_not():
    chip = Judged.of(learning_chip(9, 2.0**-15))
    with pytest.raises(ClauseError, match="NUM-8"):
        judge_plan(chip, Plan(), 0)


def test_measures():
    assert measure(Chip()) == "32 bits"
    assert measure(HonestChip()) == "the resolution 2^-15"


def test_numbers_are_rounded_to_their_bits():
    array = np.array([1.0, 0.3, -0.01, np.nan])
    got = quantize(array, 8)
    assert np.nanmax(np.abs(got - array)) <= 2.0**-8
    assert len(np.unique(got[:3] * 2**7 % 1)) == 1
