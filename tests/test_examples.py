"""The examples run, and say what they should."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np

from repository import ROOT

NEURON = {
    1: (-60.992381, -61.402560, -61.801893, -61.565315, -62.080078, -62.311713),
    5: (-50.623486, -51.031811, -51.428659, -51.197113, -51.712748, -51.944860),
    10: (-58.665965,) * 6,
    20: (-65.825235,) * 6,
}
"""CABLE-8."""


def printed(script, *arguments):
    """What a script prints."""
    run = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / script), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def learned(name, folder):
    """What an example of learning prints when it is quick; its figure lies in `folder`."""
    return drawn(folder / f"{name}.png", f"examples/{name}.py", "--quick", "--out", folder)


def drawn(path, script, *arguments):
    """What a script prints, but for where it drew, which is to be `path`."""
    output = printed(script, *arguments)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert output.endswith(f"drawn: {path}\n")
    return output.removesuffix(f"drawn: {path}\n")


def numbers(line_begin, output):
    """Those in the line that begins so."""
    (line,) = (line for line in output.splitlines() if line.startswith(line_begin))
    return [float(number) for number in re.findall(r"\d+\.\d+", line.removeprefix(line_begin))]


def test_three_section_cell(tmp_path):
    for row in learned("three_section_cell", tmp_path).splitlines()[1:]:
        t, *potentials = map(float, row.split())
        np.testing.assert_allclose(potentials, NEURON.pop(int(t)), atol=1e-6, rtol=0)
    assert not NEURON


def test_a_quick_run_leaves_pictures_alone(tmp_path):
    picture = ROOT / "examples/three_section_cell.png"
    before = picture.read_bytes(), picture.stat().st_mtime_ns
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    command = [sys.executable, str(ROOT / "examples/three_section_cell.py"), "--quick"]
    subprocess.run(command, check=True, capture_output=True, env=environment, cwd=tmp_path)
    assert [path.name for path in tmp_path.glob("*.png")] == ["three_section_cell.png"]
    assert (picture.read_bytes(), picture.stat().st_mtime_ns) == before


def test_cable_convergence(tmp_path):
    path = tmp_path / "convergence.png"
    printed = drawn(path, "docs/cable_convergence.py", path)
    slopes = [float(line.rpartition(" ")[2]) for line in printed.splitlines()]
    assert len(slopes) == 2
    assert all(-2.1 < slope < -1.9 for slope in slopes), printed


def test_copying_memory(tmp_path):
    output = learned("copying_memory", tmp_path)
    baseline, chance = numbers("without memory:", output)
    np.testing.assert_allclose((baseline, chance), (np.log(8), 1 / 8), atol=5e-4)
    for rule in ("D-RTRL:", "BPTT:"):
        loss, accuracy = numbers(rule, output)
        assert loss < 0.4 * baseline, output
        assert accuracy > 0.8, output


def test_fit_somatic_voltage(tmp_path):
    output = learned("fit_somatic_voltage", tmp_path)
    (before, off_before), (after, off_after) = (
        numbers("before:", output),
        numbers("after:", output),
    )
    assert after < before / 8, output  # the full run: / 50
    assert off_after < off_before / 3, output


def test_digits(tmp_path):
    first, last, accuracy = numbers("es-d-rtrl:", learned("digits", tmp_path))
    assert last < first / 2
    assert accuracy > 0.85
