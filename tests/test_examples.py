"""The examples run, and say what they should."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent

NEURON = {
    1: (-60.992381, -61.402560, -61.801893, -61.565315, -62.080078, -62.311713),
    5: (-50.623486, -51.031811, -51.428659, -51.197113, -51.712748, -51.944860),
    10: (-58.665965,) * 6,
    20: (-65.825235,) * 6,
}
"""CABLE-8."""


def drawn(script, path):
    """What a script prints; it draws to `path`."""
    run = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / script), str(path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert path.read_bytes().startswith(b"\x89PNG")
    return run.stdout


def test_three_section_cell(tmp_path):
    printed = drawn("examples/three_section_cell.py", tmp_path / "cell.png").splitlines()
    for row in printed[1:]:
        t, *potentials = map(float, row.split())
        np.testing.assert_allclose(potentials, NEURON.pop(int(t)), atol=1e-6, rtol=0)
    assert not NEURON


def test_cable_convergence(tmp_path):
    printed = drawn("docs/cable_convergence.py", tmp_path / "convergence.png")
    slopes = [float(line.rpartition(" ")[2]) for line in printed.splitlines()]
    assert len(slopes) == 2
    assert all(-2.1 < slope < -1.9 for slope in slopes), printed
