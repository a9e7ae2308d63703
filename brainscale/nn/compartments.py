"""What the dynamics of a cable need of its shape (SPEC.md, chapter 7).

Every description reduces to `Compartments`: areas, capacitances, and the conductances between
nodes.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import brainunit as u
import numpy as np

from ..errors import MorphologyError, StateNameError
from .quantities import as_number

__all__ = ["Compartments"]

_SITE = re.compile(r"(.+)\(([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\)", re.DOTALL | re.ASCII)
"""A section's name, and a decimal number."""


@dataclasses.dataclass(frozen=True, eq=False)
class Compartments:
    """A cable cut into n compartments: all that its dynamics need to know.

    Attributes
    ----------
    sections : dict
        The compartments of each section, as a range.
    area : array, shape (n,), um²
    cm : array, shape (n,), uF cm^-2
    R_left, R_right : array, shape (n,), Mohm
        Axial resistance of each compartment's first and second half.
    nodes : array, shape (m, 2), int
        The two nodes that each conductance joins: below n a compartment, from n on a junction
        without area.
    conductance : array, shape (m,), uS
    Ra : array, shape (m,), ohm cm, optional
        The axial resistivity that each conductance was made with.
    junctions : tuple
        What each junction is: ``("end", name)`` or ``("start", name)``.

    Examples
    --------
    >>> soma = brainscale.nn.Section("soma", length=20 * u.um, diam=20 * u.um)
    >>> axon = brainscale.nn.Section("axon", 3, length=300 * u.um, diam=1 * u.um, parent="soma")
    >>> compartments = brainscale.nn.Morphology(soma, axon).compartments
    >>> len(compartments), compartments.site("axon(0.5)")
    (4, 2)
    >>> compartments.area.round(1)
    array([1256.6,  314.2,  314.2,  314.2])
    """

    sections: Mapping[str, range]
    area: np.ndarray
    cm: np.ndarray
    R_left: np.ndarray
    R_right: np.ndarray
    nodes: np.ndarray
    conductance: np.ndarray
    junctions: tuple[tuple[str, str], ...]
    Ra: np.ndarray | None = None

    def __post_init__(self) -> None:
        is_mapping = isinstance(self.sections, Mapping)
        sections: Mapping[Any, Any] = self.sections if is_mapping else {None: None}
        if not all(isinstance(k, str) and isinstance(v, range) for k, v in sections.items()):
            raise MorphologyError(
                "sections must be a mapping from names to ranges of compartments, got "
                f"{self.sections!r}",
                got=self.sections,
            )
        indices = [i for range_ in sections.values() for i in range_]
        n = len(indices)
        if not n or sorted(indices) != list(range(n)):
            raise MorphologyError(
                f"sections must hold each compartment once, from 0 on, got {self.sections!r}",
                got=self.sections,
            )
        for what in ("area", "cm", "R_left", "R_right"):
            self._take(what, (n,), is_positive=what in ("area", "cm"))
        nodes = self._take("nodes", (None, 2), is_positive=False)
        junctions = self.junctions if isinstance(self.junctions, (tuple, list)) else (None,)
        if not all(isinstance(j, tuple) and len(j) == 2 for j in junctions):
            raise MorphologyError(
                f'junctions must be such as ("end", name), got {junctions!r}', got=junctions
            )
        all_nodes = range(n + len(junctions))
        if nodes.dtype.kind not in "iu" or not np.isin(nodes, all_nodes).all():
            raise MorphologyError(
                f"nodes must be integers from 0 to below {len(all_nodes)}, the number of "
                f"compartments and junctions, got {nodes}",
                got=nodes,
            )
        self._take("conductance", (len(nodes),))
        if self.Ra is not None:
            self._take("Ra", (len(nodes),))
        _check_tree(nodes, len(all_nodes))

    def _take(
        self, what: str, shape: tuple[int | None, ...], *, is_positive: bool = True
    ) -> np.ndarray:
        """Put a field as an array in its place; its numbers are finite, none below 0."""
        value = getattr(self, what)
        number = as_number(value, u.UNITLESS, what)
        fits = number.ndim == len(shape) and all(
            size in (None, length) for size, length in zip(shape, number.shape, strict=True)
        )
        in_range = number > 0 if is_positive else number >= 0
        if not fits or not np.all(np.isfinite(number) & in_range):
            raise MorphologyError(
                f"{what} must be finite, {'positive' if is_positive else 'not negative'} and of "
                f"shape {shape}, got {value!r}",
                got=value,
            )
        array = np.asarray(value)
        object.__setattr__(self, what, array)
        return array

    def __len__(self) -> int:
        return len(self.area)

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each compartment: ``"soma[0]"``, ``"axon[0]"``, ``"axon[1]"``, …"""
        return tuple(
            f"{name}[{i}]" for name, range_ in self.sections.items() for i in range(len(range_))
        )

    def site(self, site: str) -> int:
        """Find the compartment of a site such as ``"soma(0.5)"`` (MORPH-7, MORPH-11)."""
        match = _SITE.fullmatch(site) if isinstance(site, str) else None
        if match is None:
            raise StateNameError(f'a site is written "section(loc)", got {site!r}', got=site)
        name, loc = match[1], float(match[2])
        if name not in self.sections or not 0 <= loc <= 1:
            raise StateNameError(
                f"there is no site {site!r}; loc is from 0 to 1, and the sections are "
                f"{list(self.sections)}",
                got=site,
                needs=list(self.sections),
            )
        compartments = self.sections[name]
        return compartments[min(int(loc * len(compartments)), len(compartments) - 1)]


def _check_tree(nodes: np.ndarray, count: int) -> None:
    """Refuse conductances that do not join nodes to one tree."""
    # Of each node one towards the representative of all that it is joined with.
    ahead = list(range(count))

    def find(node: int) -> int:
        while ahead[node] != node:
            ahead[node] = ahead[ahead[node]]
            node = ahead[node]
        return node

    for a, b in nodes.tolist():
        first, second = find(a), find(b)
        if first == second:
            raise MorphologyError(
                f"nodes must be joined to a tree, but {a} and {b} are joined twice", got=nodes
            )
        ahead[first] = second
    if len(nodes) != count - 1:
        raise MorphologyError(
            f"nodes must be joined to one tree, by {count - 1} conductances, got {len(nodes)}",
            got=nodes,
        )
