"""What compartments of a cell and a step of the cable must be (SPEC.md, chapters 7, 8 and 11).

Areas and resistances come from integrals along the section, the network from its full matrix, and
a step from a dense solution that is refined with the residual in the longest precision there is.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from conformance.checks import check_close, check_value
from conformance.drawing.cells import Cells
from conformance.protocol.implementation import Section, Value
from conformance.translation.values import to_reference

GEOMETRY_FACTOR, FACTOR = 64, 16
"""The factors of ε in NUM-5, and in NUM-6 and NUM-7."""

AREA_TO_NANOFARAD, AREA_TO_MICROSIEMENS = 1e-5, 1e-2
"""1 uF cm^-2 um^2 in nF, and 1 S cm^-2 um^2 in uS."""


class Compartments(NamedTuple):
    """The compartments of a cell, by the clauses MORPH-1 to MORPH-6."""

    area: np.ndarray  #: (n,), um^2
    cm: np.ndarray  #: (n,), uF cm^-2
    R_left: np.ndarray  #: (n,), Mohm
    R_right: np.ndarray  #: (n,), Mohm
    network: np.ndarray  #: (nodes, nodes), the conductances between nodes, uS
    coupling: np.ndarray  #: (n, n), what is left of them between compartments, uS
    accuracy: np.ndarray  #: (n,), F of the section (NUM-5)


class Step(NamedTuple):
    """One step of a population. `size` is S of NUM-6."""

    V: np.ndarray  #: (*batch, *size, n), mV
    size: np.ndarray  #: (*batch, *size, n), mV


def plain(value: Any, unit: str) -> np.ndarray:
    """A `Value` as numbers in a unit."""
    return to_reference(value).to(unit).array


def profile(section: Section) -> tuple[np.ndarray, np.ndarray]:
    """Arc lengths and diameters of a section's points, um."""
    if section.length is not None:
        L, d = plain(section.length, "um"), plain(section.diam, "um")
        return np.array([0.0, L]), np.array([d, d])
    positions = plain(section.positions, "um")
    steps = np.sqrt(np.sum(np.diff(positions, axis=0) ** 2, axis=1))
    return np.concatenate([[0.0], np.cumsum(steps)]), plain(section.diams, "um")


def halves(section: Section) -> tuple[np.ndarray, np.ndarray]:
    """Areas in um^2 and resistances in Mohm of the halves of the compartments, in order.

    With d(s) the diameter at arc length s, they are the integrals of π d √(1 + (d'/2)²) and of
    4 Ra/(π d²). Where d = a + b s, the integral of d is s (a + b s/2), that of 1/d² is s/(a d(s)).
    """
    arc, diams = profile(section)
    count = 2 * int(section.nseg)
    cuts = arc[-1] * np.arange(count + 1) / count
    area, resistance = np.zeros(count), np.zeros(count)
    for start, end, first, last in zip(arc[:-1], arc[1:], diams[:-1], diams[1:], strict=True):
        slope = (last - first) / (end - start)
        s = np.clip(cuts, start, end) - start
        of_d = s * (first + slope * s / 2)
        of_inverse = s / (first * (first + slope * s))
        area += np.diff(of_d) * math.pi * math.sqrt(1 + (slope / 2) ** 2)
        resistance += np.diff(of_inverse) * 4 * float(plain(section.Ra, "ohm cm")) / math.pi * 1e-2
    return area, resistance


def accuracy(section: Section) -> float:
    """F of NUM-5."""
    arc, diams = profile(section)
    return int(section.nseg) * arc[-1] / np.diff(arc).min() * diams.max() / diams.min()


def starts(sections: list[Section]) -> dict[str, Any]:
    """The node where each section starts: a compartment, or the key of a junction (MORPH-5)."""
    by_name = {section.name: section for section in sections}
    first = dict(zip(by_name, np.cumsum([0, *(int(s.nseg) for s in sections)])[:-1], strict=True))

    def start(section: Section) -> Any:
        if section.parent is None:
            return ("start", section.name)
        parent, loc = by_name[section.parent], section.parent_loc
        if loc == 0:
            return start(parent)
        if loc == 1:
            return ("end", parent.name)
        return int(first[parent.name]) + math.floor(float(loc) * int(parent.nseg))

    return {section.name: start(section) for section in sections}


def compartments(sections: list[Section]) -> Compartments:
    """The compartments of a cell. Cached, since many implementations are judged by one."""
    return _compartments(tuple(sections))


@functools.lru_cache(maxsize=1000)
def _compartments(sections: tuple[Section, ...]) -> Compartments:
    n = sum(int(section.nseg) for section in sections)
    cut = [halves(section) for section in sections]
    area = np.concatenate([area[::2] + area[1::2] for area, _ in cut])
    R_left = np.concatenate([R[::2] for _, R in cut])
    R_right = np.concatenate([R[1::2] for _, R in cut])
    cm = np.concatenate([np.full(s.nseg, plain(s.cm, "uF cm^-2")) for s in sections])
    nodes: dict[Any, int] = {i: i for i in range(n)}
    edges, first = [], 0
    for section, start in zip(sections, starts(list(sections)).values(), strict=True):
        last = first + int(section.nseg) - 1
        edges.append((start, first, 1 / R_left[first]))
        edges += [(i - 1, i, 1 / (R_right[i - 1] + R_left[i])) for i in range(first + 1, last + 1)]
        edges.append((last, ("end", section.name), 1 / R_right[last]))
        first = last + 1
    for a, b, _ in edges:
        nodes.setdefault(a, len(nodes))
        nodes.setdefault(b, len(nodes))
    network = np.zeros((len(nodes), len(nodes)))
    for a, b, conductance in edges:
        network[nodes[a], nodes[b]] = network[nodes[b], nodes[a]] = conductance
    F = np.concatenate([np.full(s.nseg, accuracy(s)) for s in sections])
    return Compartments(area, cm, R_left, R_right, network, _coupling(network, n), F)


def _coupling(network: np.ndarray, n: int) -> np.ndarray:
    """The conductances between compartments where currents into junctions add up to zero."""
    laplacian = np.diag(network.sum(1)) - network
    inner, across = laplacian[n:, n:], laplacian[n:, :n]
    coupling = -(laplacian[:n, :n] - across.T @ np.linalg.solve(inner, across))
    np.fill_diagonal(coupling, 0.0)
    return coupling


def matrices(cells: Cells) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """M, (*size, nodes, nodes), and the diagonals C/dt and G, (*size, nodes), in uS."""
    c = compartments(cells.sections)
    n, nodes = len(c.area), len(c.network)
    per_dt, G = np.zeros((*cells.size, nodes)), np.zeros((*cells.size, nodes))
    per_dt[..., :n] = c.cm * c.area * AREA_TO_NANOFARAD / cells.dt
    G[..., :n] = cells.parameters["g"] * c.area * AREA_TO_MICROSIEMENS
    long = np.longdouble
    diagonal = per_dt.astype(long) + G.astype(long) + c.network.astype(long).sum(1)
    M = diagonal[..., np.newaxis] * np.eye(nodes) - c.network.astype(long)
    return M, per_dt, G


def solve(M: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Solve M x = b for x, (..., nodes), with four refinements."""
    short = M.astype(np.float64)
    x = np.zeros(np.broadcast_shapes(M.shape[:-1], b.shape), dtype=M.dtype)
    for _ in range(4):
        residual = (b - np.einsum("...ij,...j->...i", M, x)).astype(np.float64)
        x = x + np.linalg.solve(short, residual[..., np.newaxis])[..., 0]
    return x.astype(np.float64)


def step(cells: Cells) -> Step:
    """Make one step, from its equation."""
    M, per_dt, G = matrices(cells)
    n, nodes = cells.V.shape[-1], M.shape[-1]

    def pad(array: np.ndarray) -> np.ndarray:
        return np.concatenate([array, np.zeros((*array.shape[:-1], nodes - n))], axis=-1)

    V, I = pad(cells.V), pad(cells.current)
    leak = G * pad(np.broadcast_to(cells.parameters["E"], (*cells.size, n)))
    after = solve(M, per_dt * V + leak + I)
    terms = per_dt * np.abs(V) + np.abs(leak) + np.abs(I)
    terms = terms + np.einsum("...ij,...j->...i", np.abs(M), np.abs(after))
    return Step(after[..., :n], solve(M, terms)[..., :n])


def inverse(cells: Cells) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """M⁻¹ of one neuron and its size M⁻¹ |M| M⁻¹ (NUM-7), (n, n), and C/dt, (n,)."""
    M, per_dt, _ = matrices(cells)
    n = cells.V.shape[-1]
    inverse_matrix = np.stack([solve(M, unit) for unit in np.eye(len(M))], axis=-1)
    size = inverse_matrix @ np.abs(M).astype(np.float64) @ inverse_matrix
    return inverse_matrix[:n, :n], size[:n, :n], per_dt[:n]


def run_step(implementation: Any, cells: Cells, current: Any = None) -> np.ndarray:
    """Run one step: the implementation's potentials, mV; `current` replaces the cells' own."""
    *arguments, own_current, dt = cells.arguments()
    got = implementation.cable_step(*arguments, own_current if current is None else current, dt)
    return potentials(got, cells.V.shape, "cable_step")


def potentials(got: Value, shape: tuple[int, ...], call: str) -> np.ndarray:
    """Check the type and shape of potentials, and return them in mV."""
    check_value(got, shape, "mV", call)
    return plain(got, "mV")


def check_step(got: np.ndarray, expected: Step, epsilon: float, call: str) -> None:
    """Assert the potentials of a step (NUM-6)."""
    check_close(got, expected.V, FACTOR * epsilon * expected.size, f"V after {call}")
