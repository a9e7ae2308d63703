"""The examples that learn have learned, in a smaller version of their tasks."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from repository import ROOT


def learned(name, tmp_path, *options):
    """What a quick run of an example prints: by name, first and last loss, held-out accuracy."""
    script = ROOT / "examples" / f"{name}.py"
    run = subprocess.run(
        [sys.executable, "-W", "error", script, "--quick", "--out", tmp_path, *options],
        # What runs long is compiled as a user has it.
        env={**os.environ, "PYTHONPATH": str(ROOT), "XLA_FLAGS": ""},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    line = r"^(.+): loss (\S+) -> (\S+), held-out accuracy (\S+)$"
    matches = re.findall(line, run.stdout, re.MULTILINE)
    return {name: tuple(map(float, numbers)) for name, *numbers in matches}


def is_drawn(path):
    return path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("neuron", "seed"), [("gif", "0"), ("tree", "1")])
def test_delayed_match_to_sample(neuron, seed, tmp_path):
    options = "--neuron", neuron, "--seed", seed
    results = learned("delayed_match_to_sample", tmp_path, *options)
    first, last, accuracy = results.pop(neuron)
    assert not results
    assert last < first / 6
    assert accuracy >= 0.9
    assert is_drawn(tmp_path / f"delayed_match_to_sample_{neuron}.png")


@pytest.mark.parametrize("rule", ["BPTT", "D-RTRL", "e-prop"])
def test_evidence_accumulation(rule, tmp_path):
    results = learned("evidence_accumulation", tmp_path, "--rules", rule)
    first, last, accuracy = results.pop(rule)
    assert not results
    assert last < first / 3
    assert accuracy >= 0.9
    assert is_drawn(tmp_path / "evidence_accumulation.png")


def test_evidence_accumulation_needs_long_traces(tmp_path):
    (first, last, accuracy) = learned(
        "evidence_accumulation", tmp_path, "--rules", "ES-D-RTRL 0.9"
    )["ES-D-RTRL 0.9"]
    assert last < first
    assert accuracy < 0.9
