"""The rows of an SWC file, cut into pieces that become sections."""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import brainunit as u
import numpy as np

from ..checks.hints import QuantityLike
from ..errors import MorphologyError
from .morphology import Section
from .quantities import OHM_CM, UF_PER_CM2, as_number
from .swc_rows import SOMA, Rows

__all__ = ["Piece", "cut_pieces"]

_REGIONS = {SOMA: "soma", 2: "axon", 3: "basal_dendrite", 4: "apical_dendrite"}
_SHORTEST = 1e-3
"""What no compartment need be shorter than, um."""


@dataclasses.dataclass(frozen=True, eq=False)
class Piece:
    """What becomes a section.

    Attributes
    ----------
    name, region : str
    positions, radii : array, shapes (n, 3) and (n,), um
        Of its points, or of the one of a sphere.
    rows : sequence of int
        Its own rows, which are the last of its points.
    parent, parent_loc
        As of `Section`.
    """

    name: str
    region: str
    positions: np.ndarray
    radii: np.ndarray
    rows: Sequence[int]
    parent: str | None = None
    parent_loc: float = 1.0

    @functools.cached_property
    def arc(self) -> np.ndarray:
        """The arc length at each point, um."""
        if len(self.radii) == 1:
            return self.radii  # The middle of a cylinder as long as it is wide.
        steps = np.linalg.norm(np.diff(self.positions, axis=0), axis=1)
        return np.concatenate([[0.0], np.cumsum(steps)])

    @property
    def locs(self) -> np.ndarray:
        """Where on the section each of its own rows lies, from 0 to 1."""
        if len(self.radii) == 1:
            return np.array([0.5])
        length = self.arc[-1]
        return self.arc[-len(self.rows) :] / (length if length else 1.0)

    def count_by_length(self, d_lambda: float, Ra: QuantityLike, cm: QuantityLike) -> int:
        """Count compartments by the length constant at 100 Hz (Hines and Carnevale 2001)."""
        resistivity, capacitance = as_number(Ra, OHM_CM, "Ra"), as_number(cm, UF_PER_CM2, "cm")
        if len(self.radii) == 1:
            lengths, scales = 2 * self.radii, np.sqrt(2 * self.radii)
        else:
            lengths, scales = np.diff(self.arc), np.sqrt(self.radii[1:] + self.radii[:-1])
        constants = (lengths / scales).sum() * 1e-5
        constants *= np.sqrt(4 * np.pi * 100.0 * resistivity * capacitance)
        if constants > d_lambda * max(lengths.sum() / _SHORTEST, 1):
            raise MorphologyError(
                f"d_lambda={d_lambda!r} cuts section {self.name!r} into compartments shorter than "
                f"{_SHORTEST} um: a membrane is thicker",
                got=d_lambda,
            )
        return 2 * int((constants / d_lambda + 0.9) / 2) + 1

    def make_section(self, rows: Rows, nseg: int, **membrane: Any) -> Section:
        """Make the section; a fault of it is one of its last row."""
        options = {**membrane, "parent": self.parent, "parent_loc": self.parent_loc}
        try:
            if len(self.radii) == 1:
                size = 2 * self.radii[0] * u.um
                return Section(self.name, nseg, length=size, diam=size, **options)
            points = {"positions": self.positions * u.um, "diams": 2 * self.radii * u.um}
            return Section(self.name, nseg, **points, **options)
        except MorphologyError as error:
            raise rows.error(self.rows[-1], f"is the last of what cannot be: {error}") from None


def cut_pieces(rows: Rows) -> list[Piece]:
    """Cut a tree into sections, parents first."""
    neighbours: list[list[int]] = [[] for _ in range(len(rows))]
    for row, parent in enumerate(rows.parents.tolist()):
        if parent >= 0:
            neighbours[parent].append(row)
            neighbours[row].append(parent)
    soma = _order_soma(rows, neighbours)
    pieces = [_make_soma(rows, soma)] if soma else []
    # Of each row that is in a section: the section's name, and where on it the row lies.
    places = {
        row: ("soma", float(loc))
        for piece in pieces
        for row, loc in zip(soma, piece.locs, strict=True)
    }
    counts: collections.Counter[str] = collections.Counter()
    for before, chain in _follow_chains(rows, neighbours, soma):
        region = _name_region(int(rows.kinds[chain[0]]))
        name = f"{region}_{counts[region]}"
        counts[region] += 1
        pieces.append(_make_piece(rows, name, before, chain, places))
        places.setdefault(before, (name, 0.0))
        places[chain[-1]] = (name, 1.0)
    return pieces


def _follow_chains(
    rows: Rows, neighbours: Sequence[Sequence[int]], soma: Sequence[int]
) -> Iterator[tuple[int, list[int]]]:
    """Follow a tree from its soma, or its root, outwards.

    Yields
    ------
    int, list of int
        A row, and those behind it up to the next branch, end or change of kind.
    """
    starts = soma or np.flatnonzero(rows.parents < 0).tolist()
    if not soma and not neighbours[starts[0]]:
        raise rows.error(starts[0], "is all that there is, and a point has no length")
    inside = {*soma}
    waiting = [
        (start, row) for start in starts for row in sorted(neighbours[start]) if row not in inside
    ]
    waiting.reverse()
    while waiting:
        before, row = waiting.pop()
        chain, last = [row], before
        ahead = [other for other in neighbours[row] if other != last]
        while len(ahead) == 1 and rows.kinds[ahead[0]] == rows.kinds[row]:
            last, row = row, ahead[0]
            chain.append(row)
            ahead = [other for other in neighbours[row] if other != last]
        yield before, chain
        waiting += [(row, other) for other in sorted(ahead, reverse=True)]


def _order_soma(rows: Rows, neighbours: list[list[int]]) -> list[int]:
    """Order the rows of the soma from one end of it to the other.

    Raises
    ------
    MorphologyError
        They are several somata, or branch.
    """
    members = np.flatnonzero(rows.kinds == SOMA).tolist()
    inner = {
        row: [other for other in neighbours[row] if rows.kinds[other] == SOMA] for row in members
    }
    for row in members:
        if len(inner[row]) > 2:
            raise rows.error(row, f"is where a soma branches, into {len(inner[row])}")
    order: list[int] = []
    ends = [row for row in members if len(inner[row]) < 2]
    row, before = (ends[0] if ends else None), None
    while row is not None:
        order.append(row)
        ahead = [other for other in inner[row] if other != before]
        row, before = (ahead[0] if ahead else None), row
    others = sorted({*members} - {*order})
    if others:
        raise rows.error(
            others[0], f"is of a second soma, which row {rows.ids[order[0]]} is not of"
        )
    return order


def _make_soma(rows: Rows, order: list[int]) -> Piece:
    return Piece("soma", "soma", rows.positions[order], rows.radii[order], order)


def _make_piece(
    rows: Rows, name: str, before: int, chain: list[int], places: Mapping[int, tuple[str, float]]
) -> Piece:
    """Make the piece of a chain of rows, which begins behind a row."""
    parent, loc = places.get(before, (None, 1.0))
    is_of_soma = rows.kinds[before] == SOMA
    is_there = np.array_equal(rows.positions[before], rows.positions[chain[0]])
    # What grows out of the middle of a soma would else have a piece inside of it.
    leaves_gap = is_of_soma and len(chain) > 1 and (0 < loc < 1 or is_there)
    points = chain if leaves_gap else [before, *chain]
    radii = rows.radii[points]
    if is_of_soma and not leaves_gap:
        radii[0] = radii[1]
    own_points = chain if before in places else points
    region = _name_region(int(rows.kinds[chain[0]]))
    return Piece(name, region, rows.positions[points], radii, own_points, parent, loc)


def _name_region(kind: int) -> str:
    return _REGIONS.get(kind, f"custom{kind}")
