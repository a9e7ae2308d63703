"""Reading a graph of NIR into a model, and writing it again."""

from __future__ import annotations

import copy
import os
from typing import TYPE_CHECKING, Any

import braintools
import brainunit as u
import jax.numpy as jnp
import numpy as np
from braintools.surrogate import Surrogate

from ..checks.arguments import check_path, naming_file
from ..checks.hints import QuantityLike
from ..errors import MissingPackageError, StructureError, ValueTypeError
from .conventions import (
    Current,
    InputOfIF,
    Integrator,
    Reset,
    ResetStep,
    SpikeStep,
    check_conventions,
)
from .model import NIRModel
from .wiring import lay_flat, wire

if TYPE_CHECKING:
    import nir

__all__ = ["from_nir", "to_nir"]


def from_nir(
    graph: nir.NIRGraph | str | os.PathLike[str],
    dt: QuantityLike,
    *,
    integrator: Integrator = "euler",
    reset: Reset = "v_reset",
    reset_step: ResetStep = "same",
    spike_step: SpikeStep = "same",
    current: Current = "new",
    input_of_if: InputOfIF = "per_second",
    spk_fun: Surrogate = braintools.surrogate.ReluGrad(),  # noqa: B008
    spk_scale: QuantityLike = 1.0 * u.volt,
) -> NIRModel:
    """Make a model of a graph of NIR, or of a file of one, whose weights are trained.

    NIR says differential equations; how a step is made of them differs by platform, and is said
    here. docs/nir.md has the formulas, and which platform goes by which.

    Parameters
    ----------
    graph : nir.NIRGraph, or the path of a file
    dt : Quantity, time
        The length of a step, for good: `brainstate.environ` is not asked.
    integrator : {"euler", "exponential", "exponential_leak"}
        Forward Euler; exact for an input that is constant within a step; a leak that is exact with
        an input as of Euler.
    reset : {"v_reset", "subtract"}
        To v_reset, as NIR says; or by v_threshold.
    reset_step : {"same", "next"}
        Whether V is reset in the step of the spike, or after the integration of the next.
    spike_step : {"same", "next"}
        Whether a spike leaves its neuron in the step in which V crosses v_threshold, or in the
        next, as where V is compared before it is integrated.
    current : {"new", "old"}
        The synapse's current that enters V: that after this step's input, or before.
    input_of_if : {"per_second", "per_step"}
        What an IF or an I adds to V: dt r I, as NIR says; or r I.
    spk_fun : braintools.surrogate.Surrogate
        The derivative of a spike with respect to (V − v_threshold)/spk_scale.
    spk_scale : Quantity, voltage

    Returns
    -------
    brainscale.exchange.NIRModel
        A module. ``model(x)`` makes a step, of bare numbers: an Input's, or of several Inputs a
        dict of them by name. Numbers are in SI units, as NIR's are: what enters a neuron is in
        amperes, what leaves one without a threshold is in volts.

    Raises
    ------
    StructureError, ParameterError, ShapeError
        By the node's name: what cannot be held; a cycle without a neuron. A file that is not of
        NIR.
    FileError
        A file that is not there, or cannot be read.
    UnitError, ValueTypeError
        A dt without a unit; something that is no graph and no path.
    MissingPackageError
        Without the package `nir`.

    Examples
    --------
    >>> import nir
    >>> tau, r, v_leak, v_threshold = np.full(2, 0.02), np.ones(2), np.zeros(2), np.ones(2)
    >>> lif = nir.LIF(tau, r, v_leak, v_threshold)
    >>> graph = nir.NIRGraph.from_list(nir.Linear(np.ones((2, 3))), lif)
    >>> model = brainscale.from_nir(graph, 1.0 * u.ms)
    >>> brainscale.compile(model, "D_RTRL", jnp.zeros((16, 3)), batch_size=16)
    <D_RTRL of NIRModel
      inputs: (((16, 3), 'float32'),)
      hidden groups: {node.lif.V}
      traces: node.linear.weight (96 numbers, 384 B)
      show_graph() says what reaches what, and what is approximate>
    """
    nir = _import_nir()
    conventions = check_conventions(
        dt,
        spk_fun,
        spk_scale,
        integrator=integrator,
        reset=reset,
        reset_step=reset_step,
        spike_step=spike_step,
        current=current,
        input_of_if=input_of_if,
    )
    if isinstance(graph, (str, os.PathLike)):
        graph = _read(nir, graph)
    if not isinstance(graph, nir.NIRGraph):
        raise ValueTypeError(
            f"graph must be a nir.NIRGraph, or the path of a file of one, got {graph!r}", got=graph
        )
    kept = copy.deepcopy(graph)
    return NIRModel(kept, wire(*lay_flat(kept)), conventions)


def to_nir(model: NIRModel, path: str | os.PathLike[str] | None = None) -> nir.NIRGraph:
    """Write the graph of a model that `from_nir` made, with its weights as they are now.

    Parameters
    ----------
    model : NIRModel
    path : str or path, optional
        Of a file to write, too.

    Returns
    -------
    nir.NIRGraph
        One of its own: nodes, edges and metadata as they were read. A number that has not been
        trained since is as it was, to the last bit and in its dtype.

    Raises
    ------
    ValueTypeError
        Another model.
    StructureError
        A file of a graph that leaves shapes to be inferred.
    FileError
        The file cannot be written.
    MissingPackageError
        Without the package `nir`.

    Examples
    --------
    >>> import nir
    >>> graph = nir.NIRGraph.from_list(nir.Linear(np.ones((2, 3))), nir.I(np.ones(2)))
    >>> model = brainscale.from_nir(graph, 1.0 * u.ms)
    >>> written = brainscale.to_nir(model, "trained.nir")
    >>> list(nir.read("trained.nir").nodes)
    ['i', 'input', 'linear', 'output']
    """
    nir = _import_nir()
    if not isinstance(model, NIRModel):
        raise ValueTypeError(
            f"to_nir writes a model that from_nir made, got {type(model).__name__}: build the "
            "graph of another with the package nir, and give it to from_nir",
            got=model,
        )
    check_path(path, "path")
    graph = copy.deepcopy(model.graph)
    for name, arrays in model.read_arrays().items():
        node = graph
        for key in name.split("/"):
            node = node.nodes[key]
        for field, trained in arrays.items():
            setattr(node, field, _write(np.asarray(getattr(node, field)), trained))
    if path is not None:
        try:
            with naming_file(path):
                nir.write(path, graph)
        except TypeError as error:
            raise StructureError(
                f"{os.fspath(path)} cannot be written, as a node has a shape of None: call "
                f"infer_types() of the graph before from_nir ({error})",
                got=path,
            ) from error
    return graph


def _write(original: np.ndarray, trained: np.ndarray) -> np.ndarray:
    """Give what is trained in the dtype that was read, or what was read where they are the same."""
    read = np.asarray(jnp.asarray(original, trained.dtype))
    if np.array_equal(read, trained):
        return original
    is_float = np.issubdtype(original.dtype, np.floating)
    return trained.astype(original.dtype if is_float else trained.dtype)


def _import_nir() -> Any:
    try:
        import nir
    except ImportError as error:
        raise MissingPackageError(
            "graphs of NIR need the package nir: pip install 'nir>=1.0.8'"
        ) from error
    return nir


def _read(nir: Any, path: str | os.PathLike[str]) -> Any:
    """Read a file, whose shapes are checked here, by the nodes' names."""
    check_path(path, "graph", optional=False)
    with naming_file(path), open(path, "rb"):  # Of HDF5, a file that is not there is none of it.
        pass
    try:
        return nir.read(path, type_check=False)
    except Exception as error:  # Of HDF5, of a node's class, of a key that is not there.
        raise StructureError(f"{os.fspath(path)} is no file of NIR: {error}", got=path) from error
