"""Cells from SWC files: rows become sections, and a map leads from rows to compartments.

Conventions are those of NEURON's reader. Branches part sections, and so do rows of another kind.
A soma of one row is a cylinder as long as it is wide, whose area is that of the sphere; one of
several is the cable through them. What grows out of the middle of a soma begins at its own first
row, at the middle of the soma's compartment; out of an end, there.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import brainunit as u
import numpy as np

from ..checks.arguments import check_flag, check_integer, check_path, is_integer, is_real
from ..checks.hints import QuantityLike
from ..errors import MorphologyError, UnitError
from .compartments import Compartments
from .morphology import Morphology, Section
from .quantities import OHM_CM, UF_PER_CM2, as_number
from .swc_rows import SOMA, Rows, read_rows

__all__ = ["SwcFile", "from_swc", "read_swc"]

_REGIONS = {SOMA: "soma", 2: "axon", 3: "basal_dendrite", 4: "apical_dendrite"}
_WIDEST, _THINNEST = 2e4, 1.0
"""Between which extents, um, a cell is taken for one."""
_SHORTEST = 1e-3
"""What no compartment need be shorter than, um."""

_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True, eq=False)
class SwcFile:
    """A cell that was read from an SWC file.

    Attributes
    ----------
    morphology : Morphology
        Its sections: ``soma``, ``axon_0``, ``basal_dendrite_0``, ``basal_dendrite_1``, …,
        ``apical_dendrite_0``, and ``custom5_0`` of kind 5. Without the number, these are regions.
    compartment_of : dict
        From the id of a row to the compartment that it lies in.
    mended : tuple of str
        What of the file was mended, row by row.
    """

    morphology: Morphology
    compartment_of: Mapping[int, int]
    mended: tuple[str, ...] = ()


def from_swc(
    path: str | os.PathLike[str], nseg: int | Mapping[str, int] = 1, **options: Any
) -> Compartments:
    """Make the compartments of an SWC file: ``read_swc(path, nseg, ...).morphology.compartments``.

    Parameters
    ----------
    path, nseg, **options
        As of `read_swc`.

    Returns
    -------
    Compartments

    Raises
    ------
    MorphologyError, UnitError
        As of `read_swc`.
    """
    return read_swc(path, nseg, **options).morphology.compartments


def read_swc(
    path: str | os.PathLike[str],
    nseg: int | Mapping[str, int] = 1,
    *,
    d_lambda: float | None = None,
    unit: u.Unit = u.um,
    Ra: QuantityLike | Mapping[str, QuantityLike] = 100.0 * OHM_CM,
    cm: QuantityLike | Mapping[str, QuantityLike] = 1.0 * UF_PER_CM2,
    tree: int | None = None,
    mend: bool = False,
) -> SwcFile:
    """Read a cell from an SWC file.

    Parameters
    ----------
    path : path-like
        Columns may be parted by blanks, commas or semicolons; ``#`` begins a comment.
    nseg : int or dict
        How many compartments each section gets; or by region, ``{"soma": 1, "axon": 5, ...}``.
    d_lambda : float, optional
        Instead of `nseg`: the longest compartment, in units of the length constant at 100 Hz. Each
        section gets an odd number of them [1]_.
    unit : Unit
        Of the file's lengths; ``u.nmetre`` for skeletons from electron microscopy.
    Ra : Quantity, ohm cm; or dict
        Axial resistivity; or by region.
    cm : Quantity, uF cm^-2; or dict
        Specific capacitance; or by region.
    tree : int, optional
        The id of a row of the tree that is kept, where a file has several.
    mend : bool
        Whether to read files in which a row has no radius, which then is that of the next row
        towards the root, or lies where its parent lies, which then is left out. Each is told by a
        warning and in `SwcFile.mended`.

    Returns
    -------
    SwcFile

    Raises
    ------
    MorphologyError
        It names file, line and row: a row that is not seven numbers, with a radius that is not
        positive, of no known parent, or at its parent's place; several trees; a soma that is
        several, or branches; a cell of one point. Or a region has no value.
    UnitError
        A quantity of a wrong unit.
    OSError
        The file cannot be read.

    References
    ----------
    .. [1] Hines and Carnevale 2001, "NEURON: a tool for neuroscientists", The Neuroscientist 7:123.

    Examples
    --------
    >>> cell = brainscale.nn.read_swc(path, d_lambda=0.1, Ra=150.0 * u.ohm * u.cm)
    >>> cable = brainscale.nn.PassiveCable(1, cell.morphology)
    >>> cable.V.value[..., cell.compartment_of[117]]
    """
    if not isinstance(unit, u.Unit):
        raise UnitError(f"unit must be a unit of length such as u.um, got {unit!r}", got=unit)
    scale = float(as_number(u.Quantity(1.0, unit=unit), u.um, "unit"))
    check_path(path, "path")
    check_flag(mend, "mend")
    check_integer(tree, "tree", 0, optional=True)
    rows, mended = read_rows(path, scale, mend=mend)
    rows = _keep_tree(rows, tree)
    _warn_of_size(rows)
    choose_count = _choose_counts(nseg, d_lambda)
    sections, compartment_of, first = [], {}, 0
    for piece in _cut_pieces(rows):
        membrane = {
            "Ra": _by_region(Ra, piece.region, "Ra"),
            "cm": _by_region(cm, piece.region, "cm"),
        }
        count = choose_count(piece, **membrane)
        sections.append(piece.make_section(rows, count, **membrane))
        for row, loc in zip(piece.rows, piece.locs, strict=True):
            compartment_of[int(rows.ids[row])] = first + min(int(loc * count), count - 1)
        first += count
    try:
        morphology = Morphology(*sections)
    except MorphologyError as error:
        raise MorphologyError(f"{rows.path}: {error}", got=error.got) from None
    return SwcFile(morphology, compartment_of, tuple(mended))


@dataclasses.dataclass(frozen=True, eq=False)
class _Piece:
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


def _keep_tree(rows: Rows, kept_id: int | None) -> Rows:
    """Keep the rows of one tree: of all that there are, or of a row's."""
    roots = rows.find_trees()
    if kept_id is not None:
        if kept_id not in rows.ids:
            raise MorphologyError(f"{rows.path} has no row {kept_id!r}", got=kept_id)
        return rows.select(roots == roots[np.flatnonzero(rows.ids == kept_id)[0]])
    others = np.flatnonzero(roots != roots[0])
    if len(others):
        id = rows.ids[roots[0]]
        raise rows.error(
            int(roots[others[0]]),
            f"is the root of a second tree; tree={id} keeps the first alone, that of row {id}",
        )
    return rows


def _warn_of_size(rows: Rows) -> None:
    extent = float(np.ptp(rows.positions, axis=0).max() + 2 * rows.radii.max())
    if not _THINNEST <= extent <= _WIDEST:
        warnings.warn(
            f"{rows.path} is a cell {extent:.3g} um wide; of what unit are its lengths? "
            "unit=u.nmetre reads nanometres",
            UserWarning,
            stacklevel=3,
        )


def _cut_pieces(rows: Rows) -> list[_Piece]:
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


def _make_soma(rows: Rows, order: list[int]) -> _Piece:
    return _Piece("soma", "soma", rows.positions[order], rows.radii[order], order)


def _make_piece(
    rows: Rows, name: str, before: int, chain: list[int], places: Mapping[int, tuple[str, float]]
) -> _Piece:
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
    return _Piece(name, region, rows.positions[points], radii, own_points, parent, loc)


def _name_region(kind: int) -> str:
    return _REGIONS.get(kind, f"custom{kind}")


def _by_region(value: _T | Mapping[str, _T], region: str, what: str) -> _T:
    """The value of a region, of one for all or of one for each."""
    if not isinstance(value, Mapping):
        return value
    if region not in value:
        raise MorphologyError(
            f"{what} has no value for {region!r}, got {sorted(map(str, value))}", got=value
        )
    return value[region]


def _choose_counts(nseg: Any, d_lambda: float | None) -> Callable[..., int]:
    """Make the function that chooses how many compartments a piece gets."""
    if d_lambda is None:
        return lambda piece, **_membrane: _by_region(nseg, piece.region, "nseg")
    if not (is_integer(nseg) and nseg == 1):
        raise MorphologyError(f"takes nseg or d_lambda, got both: {nseg!r} and {d_lambda!r}")
    if not is_real(d_lambda) or not d_lambda > 0:
        raise MorphologyError(f"needs a d_lambda above 0, got {d_lambda!r}", got=d_lambda)
    return lambda piece, **membrane: piece.count_by_length(d_lambda, **membrane)
