"""Writes `neuron_voltages.json`: what NEURON 9.0.2 computes for some cells, at full digits.

    pip install neuron==9.0.2
    python tests/reference/cable/make_neuron_voltages.py

NEURON holds 3-d points and their arc lengths in single precision. The points here are such that it
holds them exactly: each lies a whole number of um from the one before it, along an axis or a
diagonal of 3, 4 and 5.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import neuron
from neuron import h

PASSIVE = {"E": -70.0, "V0": -65.0}
DIRECTIONS = [(1, 0, 0), (0, -1, 0), (0, 0, 1), (0.6, 0.8, 0), (0, 0.8, -0.6)]


def three_sections():
    """The cell of the document, and what is done to it."""
    common = {"Ra": 100.0, "cm": 1.0, "g": 1e-4}
    axis = [[0.0, 0.0, 0.0], [100.0, 0.0, 0.0], [200.0, 0.0, 0.0]]
    return {
        "sections": [
            {"name": "soma", "nseg": 1, "length": 20.0, "diam": 10.0, **common},
            {"name": "axon", "nseg": 2, "length": 100.0, "diam": 1.0, **common,
             "parent": "soma", "parent_loc": 1.0},
            {"name": "dendrite", "nseg": 3, "positions": axis, "diams": [2.0, 3.0, 2.0], **common,
             "parent": "soma", "parent_loc": 1.0},
        ],
        "site": ["soma", 0.5], "amplitude": 0.1, "duration": 5.0, "dt": 0.025, "steps": 800,
        **PASSIVE,
    }  # fmt: skip


def shape(rng):
    """A cylinder or a few points."""
    if rng.random() < 0.4:
        return {"length": rng.randint(5, 200) / 2, "diam": rng.randint(4, 80) / 8}
    positions = [[0.0, 0.0, 0.0]]
    for _ in range(rng.randint(1, 4)):
        step, direction = 5 * rng.randint(1, 12), rng.choice(DIRECTIONS)
        last = positions[-1]
        positions.append([float(round(x + step * d)) for x, d in zip(last, direction, strict=True)])
    return {"positions": positions, "diams": [rng.randint(4, 80) / 8 for _ in positions]}


def random_cell(seed):
    """A tree of two to eight sections, some given before their parents."""
    rng = random.Random(seed)
    sections = []
    for k in range(rng.randint(2, 8)):
        section = {"name": f"s{k}", "nseg": rng.randint(1, 5), **shape(rng)}
        section |= {"Ra": float(rng.randint(50, 200)), "cm": rng.randint(2, 8) / 4}
        section["g"] = rng.randint(0, 30) * 1e-5
        if k:
            section["parent"] = f"s{rng.randrange(k)}"
            section["parent_loc"] = rng.choice([0.0, 1.0, 0.5, 0.25, rng.random()])
        sections.append(section)
    site = [rng.choice(sections)["name"], rng.random()]
    rng.shuffle(sections)
    current = {"amplitude": rng.randint(-8, 16) / 32, "duration": 0.25}
    return {"sections": sections, "site": site, **current, "dt": 0.05, "steps": 8, **PASSIVE}


def simulated(cell):
    """The cell with NEURON's areas and potentials."""
    made = {}
    for fields in cell["sections"]:
        made[fields["name"]] = section = h.Section(name=fields["name"])
        if "length" in fields:
            section.L, section.diam = fields["length"], fields["diam"]
        else:
            for (x, y, z), diam in zip(fields["positions"], fields["diams"], strict=True):
                section.pt3dadd(x, y, z, diam)
        section.nseg, section.Ra, section.cm = fields["nseg"], fields["Ra"], fields["cm"]
        section.insert("pas")
        for segment in section:
            segment.pas.g, segment.pas.e = fields["g"], cell["E"]
    for fields in cell["sections"]:
        if "parent" in fields:
            made[fields["name"]].connect(made[fields["parent"]](fields["parent_loc"]), 0)
    name, loc = cell["site"]
    clamp = h.IClamp(made[name](loc))
    clamp.delay, clamp.dur, clamp.amp = 0, cell["duration"], cell["amplitude"]
    segments = [segment for section in made.values() for segment in section]
    h.secondorder, h.dt = 0, cell["dt"]
    h.finitialize(cell["V0"])
    potentials = [[segment.v for segment in segments]]
    for _ in range(cell["steps"]):
        h.fadvance()
        potentials.append([segment.v for segment in segments])
    return {**cell, "area": [segment.area() for segment in segments], "potentials": potentials}


def main():
    assert neuron.__version__ == "9.0.2", neuron.__version__
    cells = [three_sections(), *(random_cell(seed) for seed in range(24))]
    path = Path(__file__).with_name("neuron_voltages.json")
    lines = ",\n".join(json.dumps(simulated(cell)) for cell in cells)
    path.write_text(f"[{lines}]\n")


if __name__ == "__main__":
    main()
