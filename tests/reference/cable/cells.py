"""Cells for the tests of the reference, and NEURON's results for some."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from reference import Cable, Morphology, Quantity, Section

UNITS = {
    "length": "um",
    "diam": "um",
    "positions": "um",
    "diams": "um",
    "Ra": "ohm cm",
    "cm": "uF cm^-2",
}
FILE = Path(__file__).with_name("neuron_voltages.json")
NEURON = json.loads(FILE.read_text("utf-8"))


def section(name, nseg=1, **fields):
    """A section; its quantities as numbers in `UNITS`."""
    fields = {k: Quantity(np.array(x, float), UNITS[k]) if k in UNITS else x
              for k, x in fields.items()}  # fmt: skip
    return Section(name, nseg, **fields)


def random_morphology(rng, count=6, nseg=4):
    """A tree of cylinders, connected anywhere, in random order."""
    sections = [random_section(rng, "s0", nseg)]
    for k in range(1, count):
        loc = rng.choice([0.0, 1.0, rng.random()])
        parent = {"parent": f"s{rng.integers(k)}", "parent_loc": float(loc)}
        sections.append(random_section(rng, f"s{k}", nseg, **parent))
    return Morphology([sections[k] for k in rng.permutation(count)])


def random_section(rng, name, nseg, **fields):
    """A section of points in space."""
    count = int(rng.integers(2, 5))
    positions = np.cumsum(rng.normal(size=(count, 3)) * 20, axis=0)
    fields |= {"positions": positions, "diams": rng.uniform(0.5, 10, count)}
    fields |= {"Ra": rng.uniform(50, 200), "cm": rng.uniform(0.5, 2)}
    return section(name, int(rng.integers(1, nseg + 1)), **fields)


def random_parameters(rng, size, n):
    return {
        "g": Quantity(rng.uniform(0, 1e-3, (*size, n)), "S cm^-2"),
        "E": Quantity(rng.uniform(-80, -60, (*size, n)), "mV"),
        "V0": Quantity(rng.uniform(-80, -40, (*size, n)), "mV"),
    }


def matrix(cable, dt):
    """M of CABLE-9 of a population of one, C/dt and G, written into full arrays; uS."""
    m = cable.morphology
    n, nodes = len(m), len(m.parent)
    per_dt, G = np.zeros(nodes), np.zeros(nodes)
    per_dt[:n] = m.cm * m.area * 1e-5 / dt
    G[:n] = cable.g * m.area * 1e-2
    M = np.diag(per_dt + G)
    for node in range(nodes):
        above, g = m.parent[node], m.conductance[node]
        M[node, node] += g
        M[above, above] += g
        M[node, above] -= g
        M[above, node] -= g
    return M, per_dt, G


def of_neuron(cell):
    """The reference's cell for one of NEURON's, and its currents (steps, n) in nA."""
    sections = [{k: x for k, x in fields.items() if k != "g"} for fields in cell["sections"]]
    morphology = Morphology([section(**fields) for fields in sections])
    g = [fields["g"] for fields in cell["sections"] for _ in range(fields["nseg"])]
    parameters = {
        "g": Quantity(np.array(g), "S cm^-2"),
        "E": Quantity(np.array(cell["E"]), "mV"),
        "V0": Quantity(np.array(cell["V0"]), "mV"),
    }
    name, loc = cell["site"]
    currents = np.zeros((cell["steps"], len(morphology)))
    last = round(cell["duration"] / cell["dt"])
    currents[:last, morphology.site(f"{name}({loc!r})")] = cell["amplitude"]
    return Cable((), morphology, parameters), currents
