"""Cells from SWC files: rows become sections, and a map leads from rows to compartments.

Conventions are those of NEURON's reader. Branches part sections, and so do rows of another kind.
A soma of one row is a cylinder as long as it is wide, whose area is that of the sphere; one of
several is the cable through them. What grows out of the middle of a soma begins at its own first
row, at the middle of the soma's compartment; out of an end, there.
"""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import brainunit as u
import numpy as np

from ..checks.arguments import check_flag, check_integer, check_path, is_integer, is_real
from ..checks.hints import QuantityLike
from ..errors import MorphologyError, UnitError
from .compartments import Compartments
from .morphology import Morphology
from .quantities import OHM_CM, UF_PER_CM2, as_number
from .swc_pieces import cut_pieces
from .swc_rows import Rows, read_rows

__all__ = ["SwcFile", "from_swc", "read_swc"]

_WIDEST, _THINNEST = 2e4, 1.0
"""Between which extents, um, a cell is taken for one."""

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

    Examples
    --------
    >>> rows = [[1, 1, 0, 0, 0, 5, -1], [2, 3, 0, 5, 0, 1, 1], [3, 3, 0, 205, 0, 1, 2]]
    >>> np.savetxt("cell.swc", rows, "%g")
    >>> cell = brainscale.nn.read_swc("cell.swc", nseg=5)
    >>> list(cell.morphology.sections), cell.compartment_of
    (['soma', 'basal_dendrite_0'], {1: 2, 2: 5, 3: 9})
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

    Examples
    --------
    >>> rows = [[1, 1, 0, 0, 0, 5, -1], [2, 3, 0, 5, 0, 1, 1], [3, 3, 0, 205, 0, 1, 2]]
    >>> np.savetxt("cell.swc", rows, "%g")
    >>> brainscale.nn.from_swc("cell.swc", {"soma": 1, "basal_dendrite": 5}).sections
    {'soma': range(0, 1), 'basal_dendrite_0': range(1, 6)}
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
    FileError
        The file is not there, or cannot be read.

    References
    ----------
    .. [1] Hines and Carnevale 2001, "NEURON: a tool for neuroscientists", The Neuroscientist 7:123.

    Examples
    --------
    >>> rows = [[1, 1, 0, 0, 0, 5, -1], [2, 3, 0, 5, 0, 1, 1], [3, 3, 0, 205, 0, 1, 2]]
    >>> np.savetxt("cell.swc", rows, "%g")
    >>> cell = brainscale.nn.read_swc("cell.swc", d_lambda=0.1, Ra=150.0 * u.ohm * u.cm)
    >>> cable = brainscale.nn.PassiveCable(1, cell.morphology)
    >>> cable.init_state()
    >>> cable.V.value[..., cell.compartment_of[3]]
    Quantity([-65.], "mV")
    """
    if not isinstance(unit, u.Unit):
        raise UnitError(f"unit must be a unit of length such as u.um, got {unit!r}", got=unit)
    scale = float(as_number(u.Quantity(1.0, unit=unit), u.um, "unit"))
    check_path(path, "path", optional=False)
    check_flag(mend, "mend")
    check_integer(tree, "tree", 0, optional=True)
    rows, mended = read_rows(path, scale, mend=mend)
    rows = _keep_tree(rows, tree)
    _warn_of_size(rows)
    choose_count = _choose_counts(nseg, d_lambda)
    sections, compartment_of, first = [], {}, 0
    for piece in cut_pieces(rows):
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
