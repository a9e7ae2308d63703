"""A learner over many devices: what lies where on a mesh (docs/sharding.md).

XLA's partitioner does the rest: the programs are those of one device, and so are their results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import brainstate
import jax
from jax.core import Tracer
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from .checks.arguments import check_text
from .engine.leaves import is_quantity
from .engine.step_graph import StepGraph
from .errors import ParameterError, ShapeError, ValueTypeError
from .learners.base import ETraceAlgorithm

__all__ = ["Placement", "sequence_sharding", "shard"]


def shard(
    learner: ETraceAlgorithm,
    mesh: Mesh,
    batch: str | None = "batch",
    neurons: str | None = "neurons",
) -> dict[str, Any]:
    """Place a learner's states, traces and parameters on a mesh, now and whenever it makes them.

    Parameters
    ----------
    learner : ETraceAlgorithm
        Where `compile_graph` has been called, all is placed at once; else, when it is. Before it
        is better: traces are then never on one device alone.
    mesh : jax.sharding.Mesh
        One process's devices, or all processes'. Its axes are taken as `AxisType.Auto`.
    batch : str or None
        The axis of the mesh over which the batch is cut, the first axis of states and traces.
    neurons : str or None
        That over which neurons are cut: the last axis of the population in hidden states; of
        traces, of parameters with traces and of other short-term states the last axis, if it is
        that of the outputs of the operation (for these, of any operation or population). An axis
        that the mesh does not have is None; nothing is cut over None.

    Returns
    -------
    dict from names to NamedSharding, or trees of them like the values
        The model's states, ``etraces.NAME`` for the trace of each parameter and ``count``; empty
        before `compile_graph`. Plain parameters and all that has none of these axes are replicated.

    Raises
    ------
    ValueTypeError, ParameterError, ShapeError
        `mesh` is none; it has neither axis, or both are one; the learner is `RTRL` or `OSTL`; an
        axis cannot be cut into equal parts, or there is no batch. Nothing has been placed then.

    Examples
    --------
    >>> mesh = jax.sharding.Mesh(jax.devices(), ("batch",))
    >>> model = brainscale.nn.VanillaRNNCell(3, 8)
    >>> learner = brainscale.compile(model, "D_RTRL", jnp.zeros((16, 3)), batch_size=16)
    >>> brainscale.shard(learner, mesh)["etraces.W.weight"][0][0]["weight"].spec
    P('batch', None, None)
    """
    _check_mesh(mesh)
    if not isinstance(learner, ETraceAlgorithm):
        raise ValueTypeError(f"shard places a learner, got {type(learner).__name__}", got=learner)
    for what, axis in (("batch", batch), ("neurons", neurons)):
        check_text(axis, what)
    if not learner.can_be_placed:
        raise ParameterError(
            f"{type(learner).__name__} is for small models and stays on one device", got=learner
        )
    axes = [axis if axis in mesh.axis_names else None for axis in (batch, neurons)]
    if axes[0] == axes[1]:
        raise ParameterError(
            f"a mesh needs the axis {batch!r} or {neurons!r}, or both, and has {mesh.axis_names}",
            got=mesh.axis_names,
            needs=(batch, neurons),
        )
    placement = Placement(_make_automatic(mesh), *axes)
    if learner.structure is not None:
        placement.place(learner, {name: e.value for name, e in learner.etraces.items()})
        for name, etrace in learner.etraces.items():
            etrace.value = placement.put(f"etraces.{name}", etrace.value)
        learner.count.value = placement.put("count", learner.count.value)
    learner.placement = placement
    return placement.shardings


def sequence_sharding(mesh: Mesh, batch: str = "batch") -> NamedSharding:
    """Say how the sequences that a sharded learner is given lie on its mesh.

    Parameters
    ----------
    mesh, batch
        As for `shard`; without that axis, sequences are replicated.

    Returns
    -------
    NamedSharding
        For arrays of shape (T, batch, ...): the second axis is cut.

    Examples
    --------
    >>> mesh = jax.sharding.Mesh(jax.devices(), ("batch",))
    >>> xs = jax.device_put(jnp.ones((50, 16, 3)), brainscale.sequence_sharding(mesh))
    >>> xs.sharding.spec
    P(None, 'batch')
    """
    _check_mesh(mesh)
    check_text(batch, "batch")
    axes = (None, batch) if batch in mesh.axis_names else ()
    return NamedSharding(_make_automatic(mesh), PartitionSpec(*axes))


def _check_mesh(mesh: Any) -> None:
    if not isinstance(mesh, Mesh):
        raise ValueTypeError(
            f"mesh must be a jax.sharding.Mesh, got {type(mesh).__name__}", got=mesh
        )


def _make_automatic(mesh: Mesh) -> Mesh:
    # Explicit axes would ask for a sharding at each operation of a model.
    axis_types = (AxisType.Auto,) * len(mesh.axis_names)
    return Mesh(mesh.devices, mesh.axis_names, axis_types=axis_types)


class Placement:
    """Where a learner's states lie on a mesh.

    Parameters
    ----------
    mesh : Mesh
    batch, neurons : str or None
        The axes that it is cut over.

    Attributes
    ----------
    shardings : dict from names to NamedSharding, or trees of them
        As `shard` returns it.
    """

    def __init__(self, mesh: Mesh, batch: str | None, neurons: str | None):
        self.mesh = mesh
        self.batch = batch
        self.neurons = neurons
        self.shardings: dict[str, Any] = {}

    def put(self, name: str, value: Any) -> Any:
        """Put a value, known or traced, where what has this name lies."""
        sharding = self.shardings.get(name)
        if sharding is None:
            return value
        if _is_traced(value):
            return jax.lax.with_sharding_constraint(value, sharding)
        return jax.device_put(value, sharding)

    def begin_traces(self, learner: ETraceAlgorithm, begin: Callable[[], Any]) -> Any:
        """Make the traces that `begin` makes, by name, where they lie, and put the states there."""
        self.place(learner, jax.eval_shape(begin))
        shardings = {name: self.shardings[f"etraces.{name}"] for name in learner.etraces}
        # Made at once in their parts: whole, they may be too large for a device.
        return jax.jit(begin, out_shardings=shardings)()

    def place(self, learner: ETraceAlgorithm, traces: Mapping[str, Any]) -> None:
        """Find where all lies, for traces of these shapes, and put the model's states there."""
        structure = learner.structure
        states = {structure.name_of(state): state for state in learner.model.states().values()}
        self.shardings = self._find_shardings(structure, states, traces)
        for name, state in states.items():
            # Within a program, a parameter is where it was.
            if not (isinstance(state, brainstate.ParamState) and _is_traced(state.value)):
                state.restore_value(self.put(name, state.value))

    def _find_shardings(
        self,
        structure: StepGraph,
        states: Mapping[str, brainstate.State],
        traces: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Find where states and the traces of parameters lie, by name."""
        size = self._find_batch_size(structure)
        uses = [(param, structure.uses[key]) for key, param in structure.step.params.items()]
        width = {structure.name_of(param): use.y.shape[-1:] for param, use in uses}
        population = {name: len(g.shape) - 1 for g in structure.groups for name in g.names}
        any_width = {group.shape[-1:] for group in structure.groups} | set(width.values())
        shardings: dict[str, Any] = {"count": NamedSharding(self.mesh, PartitionSpec())}

        def add(name: str, value: Any, size: int | None, axis_of: Callable[[Any], Any]) -> None:
            def shard_leaf(leaf: Any) -> NamedSharding:
                return self._cut(name, leaf.shape, size, axis_of(leaf))

            shardings[name] = jax.tree.map(shard_leaf, value, is_leaf=is_quantity)

        for name, state in states.items():
            if name in population:
                add(name, state.value, size, lambda leaf, at=population[name]: at)
            elif isinstance(state, brainstate.ShortTermState):
                add(name, state.value, size, lambda leaf: _find_last(leaf, any_width))
            else:
                widths = {width[name]} if name in width else set()
                add(name, state.value, None, lambda leaf, sizes=widths: _find_last(leaf, sizes))
        for name, trace in traces.items():
            widths = {width[name]}
            add(f"etraces.{name}", trace, size, lambda leaf, sizes=widths: _find_last(leaf, sizes))
        return shardings

    def _find_batch_size(self, structure: StepGraph) -> int | None:
        """Find the size of the axis that is cut over the batch, which all must have."""
        if self.batch is None:
            return None
        params = structure.step.operations
        shapes = {", ".join(g.names): [g.shape] for g in structure.groups}
        for key, use in structure.uses.items():
            lead = next((reach.lead for reach in structure.reach.get(key, ())), ())
            # What the batch shares has it in its copies.
            batch_shape = lead if lead[:1] in [g.shape[:1] for g in structure.groups] else ()
            name = structure.name_of(params[key])
            shapes[name] = [batch_shape + leaf.shape for leaf in jax.tree.leaves(use)]
        first_axes = {shape[:1] for leaf_shapes in shapes.values() for shape in leaf_shapes}
        if len(first_axes) != 1 or first_axes == {()}:
            raise ShapeError(
                f"no first axis in common to cut over {self.batch!r}, got {shapes}; without a "
                "batch, batch=None",
                got=shapes,
            )
        return first_axes.pop()[0]

    def _cut(
        self, name: str, shape: tuple[int, ...], size: int | None, axis: int | None
    ) -> NamedSharding:
        """Cut an array: the first axis over the batch, if of its size, and an axis over neurons."""
        mesh_axes: dict[int, str | None] = {} if axis is None else {axis: self.neurons}
        if size is not None and shape[:1] == (size,):
            mesh_axes[0] = self.batch
        for at, mesh_axis in mesh_axes.items():
            if mesh_axis is not None and shape[at] % self.mesh.shape[mesh_axis]:
                raise ShapeError(
                    f"{name} has shape {shape}: its axis {at} cannot be cut into "
                    f"{self.mesh.shape[mesh_axis]} equal parts over {mesh_axis!r}",
                    got=shape,
                    needs=self.mesh.shape[mesh_axis],
                )
        return NamedSharding(
            self.mesh, PartitionSpec(*(mesh_axes.get(i) for i in range(len(shape))))
        )


def _find_last(leaf: Any, widths: set[tuple[int, ...]]) -> int | None:
    """Find the last axis, if of one of these sizes; a number that neurons share is left whole."""
    return leaf.ndim - 1 if leaf.shape[-1:] in widths - {(), (1,)} else None


def _is_traced(value: Any) -> bool:
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(value))
