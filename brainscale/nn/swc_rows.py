"""The rows of an SWC file: a table of points, each with its parent, checked.

A row is ``id kind x y z radius parent``. What a file may not say is an error that names the file,
the line and the row.
"""

from __future__ import annotations

import codecs
import dataclasses
import math
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..checks.arguments import naming_file
from ..errors import MorphologyError

__all__ = ["Rows", "read_rows"]

SOMA = 1

_LARGEST = 1e9
"""The farthest from the origin that a point may lie or reach, um: a kilometre."""

_NUMBER = re.compile(
    r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|nan|inf(?:inity)?)", re.ASCII | re.IGNORECASE
)
_SEPARATOR = re.compile(r"[\s,;]+")
_COLUMNS = "id kind x y z radius parent"


@dataclasses.dataclass(frozen=True, eq=False)
class Rows:
    """The points of an SWC file, in its order.

    Attributes
    ----------
    path : str
    lines : array, shape (n,), int
        The line of each, from 1.
    ids, kinds : array, shape (n,), int
    positions : array, shape (n, 3), um
    radii : array, shape (n,), um
    parents : array, shape (n,), int
        The index of each row's parent in this table; below 0 for a root.
    """

    path: str
    lines: np.ndarray
    ids: np.ndarray
    kinds: np.ndarray
    positions: np.ndarray
    radii: np.ndarray
    parents: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def name(self, row: int) -> str:
        """The file, the line and the id of a row."""
        return f"{self.path}, line {self.lines[row]}: row {self.ids[row]}"

    def error(self, row: int, fault: str) -> MorphologyError:
        """Make the error that says that a row has a fault."""
        return MorphologyError(f"{self.name(row)} {fault}", got=int(self.ids[row]))

    def find_trees(self) -> np.ndarray:
        """Find the root of each row, (n,).

        Raises
        ------
        MorphologyError
            A row is its own ancestor.
        """
        roots = np.full(len(self), -1)
        for row in range(len(self)):
            path = []
            while roots[row] < 0 and self.parents[row] >= 0:
                roots[row] = len(self)  # On the way.
                path.append(row)
                row = self.parents[row]
            if roots[row] == len(self):
                raise self.error(row, "is its own ancestor")
            root = row if roots[row] < 0 else roots[row]
            roots[[*path, row]] = root
        return roots

    def select(self, kept: np.ndarray) -> Rows:
        """Select rows, (n,) of bool; with each its parent, or none is left of it."""
        place = np.where(kept, np.cumsum(kept) - 1, -1)
        parents = np.where(self.parents >= 0, place[self.parents], -1)
        columns = (self.lines, self.ids, self.kinds, self.positions, self.radii, parents)
        return Rows(self.path, *(column[kept] for column in columns))


def read_rows(path: str | os.PathLike[str], scale: float, *, mend: bool) -> tuple[Rows, list[str]]:
    """Read the rows of a file, and say what was mended.

    Parameters
    ----------
    path : path-like
    scale : float
        What one of the file's lengths is in um.
    mend : bool
        Whether a radius that is none, and a row at its parent's place, may be mended.

    Raises
    ------
    MorphologyError
    FileError
        The file cannot be read.
    """
    rows = _read_table(Path(path), scale)
    far = np.maximum(np.abs(rows.positions).max(axis=1), np.nan_to_num(rows.radii)) > _LARGEST
    for row in np.flatnonzero(far):
        raise rows.error(int(row), f"reaches farther than {_LARGEST:g} um")
    rows.find_trees()
    faults = [*_find_bad_radii(rows), *_find_twins(rows)]
    if not faults:
        return rows, []
    if not mend:
        row, fault = faults[0]
        raise rows.error(row, f"{fault}; mend=True lets it be mended")
    said = [f"{rows.name(row)} {fault}" for row, fault in faults]
    more = f", and {len(said) - 1} more" if said[1:] else ""
    mended = _merge_twins(_take_radii(rows))
    warnings.warn(f"mended: {said[0]}{more}", UserWarning, stacklevel=4)
    return mended, said


def _read_table(path: Path, scale: float) -> Rows:
    lines, numbers = [], []
    for line, fields in _read_fields(path):
        lines.append(line)
        numbers.append(_read_row(fields, f"{path}, line {line}:"))
    if not numbers:
        raise MorphologyError(f"{path} has no row", got=str(path))
    ids, kinds, x, y, z, radii, parents = (
        np.array(column) for column in zip(*numbers, strict=True)
    )
    index: dict[int, int] = {}
    positions = scale * np.stack([x, y, z], axis=-1)
    rows = Rows(str(path), np.array(lines), ids, kinds, positions, scale * radii, parents)
    for i, id in enumerate(ids.tolist()):
        if index.setdefault(id, i) != i:
            raise rows.error(i, f"has the id of line {lines[index[id]]}")
    for i, parent in enumerate(parents.tolist()):
        if parent >= 0 and parent not in index:
            raise rows.error(i, f"has the parent {parent}, which is no row's id")
    parent_rows = np.array([index.get(parent, -1) for parent in parents.tolist()])
    return dataclasses.replace(rows, parents=parent_rows)


def _read_fields(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Read the number and the fields of each line that is no comment."""
    with naming_file(path):
        content = path.read_bytes()
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    # Comments, in which alone other letters stand, may be of any encoding.
    text = content.decode("utf-16" if is_wide else "utf-8-sig", errors="replace")
    for line, words in enumerate(text.splitlines(), start=1):
        row = words.partition("#")[0].strip(" \t\r\n\f,;\x00")
        if row:
            yield line, _SEPARATOR.split(row)


def _read_row(fields: list[str], where: str) -> tuple[int | float, ...]:
    """Read the seven numbers of a row; further columns are of other programs."""
    if len(fields) < 7:
        raise MorphologyError(f"{where} needs {_COLUMNS}, got {' '.join(fields)}", got=fields)
    if not all(map(_NUMBER.fullmatch, fields[:7])):
        raise MorphologyError(
            f"{where} needs numbers for {_COLUMNS}, got {' '.join(fields)}", got=fields
        )
    numbers = [float(field) for field in fields[:7]]
    integers = [numbers[k] for k in (0, 1, 6)]
    if not all(number.is_integer() for number in integers):
        raise MorphologyError(
            f"{where} needs integers for id, kind and parent, got {' '.join(fields)}", got=fields
        )
    if not all(map(math.isfinite, numbers[2:5])):
        raise MorphologyError(f"{where} needs finite x, y, z, got {' '.join(fields)}", got=fields)
    if numbers[0] < 0 or math.isinf(numbers[5]):
        raise MorphologyError(
            f"{where} needs an id of at least 0 and a finite radius, got {' '.join(fields)}",
            got=fields,
        )
    return int(numbers[0]), int(numbers[1]), *numbers[2:6], int(numbers[6])


def _has_radius(rows: Rows) -> np.ndarray:
    return rows.radii > 0  # Of NaN, this is false.


def _find_bad_radii(rows: Rows) -> Iterator[tuple[int, str]]:
    for row in np.flatnonzero(~_has_radius(rows)):
        yield int(row), f"has the radius {rows.radii[row]:g} um, which is not positive"


def _is_twin(rows: Rows) -> np.ndarray:
    """Whether each row lies where its parent lies, (n,); what grows out of a soma may."""
    parents = rows.parents
    is_there = np.all(rows.positions == rows.positions[parents], axis=1)
    grows_out = (rows.kinds == SOMA) != (rows.kinds[parents] == SOMA)
    return (parents >= 0) & is_there & ~grows_out


def _find_twins(rows: Rows) -> Iterator[tuple[int, str]]:
    for row in np.flatnonzero(_is_twin(rows)):
        yield int(row), f"lies where its parent, row {rows.ids[rows.parents[row]]}, lies"


def _take_radii(rows: Rows) -> Rows:
    """Give each row without a radius that of its nearest ancestor which has one.

    Raises
    ------
    MorphologyError
        No ancestor has one.
    """
    radii, has_radius = rows.radii.copy(), _has_radius(rows)
    for start in np.flatnonzero(~has_radius):
        path, row = [], int(start)
        while not has_radius[row]:
            path.append(row)
            row = int(rows.parents[row])
            if row < 0:
                raise rows.error(int(start), "has no radius, nor has a row between it and the root")
        radii[path] = radii[row]
        has_radius[path] = True
    return dataclasses.replace(rows, radii=radii)


def _merge_twins(rows: Rows) -> Rows:
    """Leave out each row that lies where its parent lies; its children become the parent's."""
    is_twin, parents = _is_twin(rows), rows.parents.copy()
    for row in np.flatnonzero(is_twin):
        path = [int(row)]
        while is_twin[path[-1]]:
            path.append(int(parents[path[-1]]))
        parents[path[:-1]] = path[-1]
    last = np.where(is_twin, parents, np.arange(len(rows)))
    parents = np.where(rows.parents >= 0, last[rows.parents], -1)
    return dataclasses.replace(rows, parents=parents).select(~is_twin)
