"""braincell's morphologies as compartments, of either generation.

braincell is imported by those who use it; this module looks only at what it is given.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import brainstate
import brainunit as u
import jax.numpy as jnp
import numpy as np

from ..errors import MorphologyError
from ..states import ETraceGroupState
from .compartments import Compartments
from .morphology import Morphology, Section
from .quantities import UF_PER_CM2, as_number

__all__ = ["from_braincell", "install_group_state"]


def from_braincell(cell: Any, nseg: int | Sequence[int] = 1) -> Compartments:
    """Make the compartments of a braincell morphology or cell.

    Parameters
    ----------
    cell : braincell.Morphology or braincell.Cell
        A `Morphology` of braincell 0.0.x, or a `Morphology` or `Cell` of braincell 0.1.x.
    nseg : int or sequence of int
        For a `Morphology` of 0.1.x, which has no compartments: how many control volumes each branch
        gets. The others have their own.

    Returns
    -------
    Compartments

    Raises
    ------
    MorphologyError
        For anything else, and for what braincell 0.0.x lets through though it is no tree.

    Notes
    -----
    braincell 0.1.x computes areas and resistances in JAX's default precision: enable 64-bit numbers
    before you make its branches to have them in that.

    Examples
    --------
    >>> import braincell
    >>> soma = braincell.Branch.from_lengths(
    ...     lengths=[20.0] * u.um, radii=[10.0, 10.0] * u.um, type="soma"
    ... )
    >>> morphology = braincell.Morphology.from_root(soma, name="soma")
    >>> compartments = brainscale.nn.from_braincell(morphology, nseg=3)
    >>> brainscale.nn.PassiveCable(10, compartments).compartments.sections
    {'soma': range(0, 3)}
    """
    if hasattr(cell, "sections"):
        return _convert_sections(cell).compartments
    if hasattr(cell, "node_tree"):
        return _convert_control_volumes(cell)
    if hasattr(cell, "branches"):
        counts = [nseg] * len(cell.branches) if isinstance(nseg, int) else list(nseg)
        policy = _import_braincell().CVPerBranchList(tuple(counts))
        return _convert_control_volumes(_import_braincell().Cell(cell, cv_policy=policy))
    raise MorphologyError(
        f"needs a Morphology or Cell of braincell, got {type(cell).__name__}", got=type(cell)
    )


def install_group_state(cell: Any) -> Any:
    """Make ``V`` of a braincell 0.1.x `Cell` an `ETraceGroupState`, now and at each `init_state`.

    Parameters
    ----------
    cell : braincell.Cell
        With its ``staggered`` solver, initialized or not.

    Returns
    -------
    braincell.Cell
        The same cell; its class is now a subclass of what it was.

    Examples
    --------
    >>> import braincell
    >>> soma = braincell.Branch.from_lengths(
    ...     lengths=[20.0] * u.um, radii=[10.0, 10.0] * u.um, type="soma"
    ... )
    >>> cell = braincell.Cell(braincell.Morphology.from_root(soma, name="soma"), V_init=-65 * u.mV)
    >>> cell = brainscale.nn.install_group_state(cell)
    >>> cell.init_state()
    >>> type(cell.V).__name__, cell.V.value
    ('ETraceGroupState', Quantity([-65.], "mV"))
    """
    cell.__class__ = _derive_kind(type(cell))
    if isinstance(getattr(cell, "V", None), brainstate.State):
        cell.V = _make_group_state(cell.V)
    return cell


def _import_braincell() -> Any:
    """Import braincell, whose names are those of its generation."""
    import braincell

    return braincell


@functools.cache
def _derive_kind(kind: type) -> type:
    """Make a class of cells whose ``V`` is an `ETraceGroupState`; one for each class."""

    def init_state(self: Any, *args: Any, **kwargs: Any) -> None:
        kind.init_state(self, *args, **kwargs)
        self.V = _make_group_state(self.V)

    attributes = {"init_state": init_state, "__module__": __name__}
    return type(f"{kind.__name__}WithGroupState", (kind,), attributes)


def _make_group_state(state: brainstate.State) -> ETraceGroupState:
    """Make a group state of a state's potentials, (..., n), in a floating-point dtype."""
    # An initial potential of -65 mV is an integer to braincell.
    V: Any = state.value
    dtype = jnp.result_type(V.mantissa, brainstate.environ.dftype())
    return ETraceGroupState(u.Quantity(V.mantissa.astype(dtype), unit=V.unit), name="V")


def _convert_sections(morphology: Any) -> Morphology:
    """Make a morphology of one of braincell 0.0.x, and check it anew."""
    sections = []
    for name, section in morphology.sections.items():
        parent = section.parent or {"name": None, "loc": 1.0}
        sections.append(
            Section(
                name,
                section.nseg,
                positions=section.positions,
                diams=section.diams.reshape(-1),
                Ra=section.Ra,
                cm=section.cm,
                parent=parent["name"],
                parent_loc=parent["loc"],
            )
        )
    return Morphology(*sections)


def _convert_control_volumes(cell: Any) -> Compartments:
    """Make compartments of a cell of braincell 0.1.x, its control volumes and its nodes."""
    volumes, tree = cell.cvs, cell.node_tree
    ids_of_branch: dict[str, list[int]] = {branch.name: [] for branch in cell.morpho.branches}
    names = list(ids_of_branch)
    for volume in volumes:
        ids_of_branch[names[volume.branch_id]].append(volume.id)
    if [i for ids in ids_of_branch.values() for i in ids] != list(range(len(volumes))):
        raise MorphologyError("needs control volumes that are numbered branch by branch")
    node_of = {int(node): i for i, node in enumerate(tree.cv_to_mid_node_id)}
    ends = {int(end): ("end", names[b]) for b, (_, end) in enumerate(tree.branch_endpoint_node_id)}
    junctions = [node.id for node in tree.nodes if node.id not in node_of]
    node_of.update((node, i) for i, node in enumerate(junctions, start=len(volumes)))
    resistance = [sum(_read_number(role.r_axial, u.Mohm) for role in e.roles) for e in tree.edges]
    return Compartments(
        sections={name: range(ids[0], ids[-1] + 1) for name, ids in ids_of_branch.items()},
        area=np.array([_read_number(volume.area, u.um**2) for volume in volumes]),
        cm=np.array([_read_number(volume.cm, UF_PER_CM2) for volume in volumes]),
        R_left=np.array([_read_number(volume.r_axial_prox, u.Mohm) for volume in volumes]),
        R_right=np.array([_read_number(volume.r_axial_dist, u.Mohm) for volume in volumes]),
        nodes=np.array([(node_of[e.parent_node_id], node_of[e.child_node_id]) for e in tree.edges]),
        conductance=1 / np.array(resistance),
        junctions=tuple(ends.get(node, ("start", names[0])) for node in junctions),
    )


def _read_number(quantity: u.Quantity, unit: u.Unit) -> float:
    """Read the number that a control volume has in a unit."""
    return float(as_number(quantity, unit, "a control volume"))
