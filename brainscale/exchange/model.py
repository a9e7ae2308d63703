"""A graph of NIR as a model: its nodes, made and wired."""

from __future__ import annotations

from typing import Any

import brainstate
import brainunit as u
import jax.numpy as jnp
import numpy as np

from ..checks.arguments import check_array, check_mapping
from ..errors import DtypeError, ShapeError
from ..nn.quantities import check_unit
from .conventions import Conventions
from .layers import Convolution, Dense, Flatten, PassOn, Pool, Scale, Threshold
from .neurons import FIELDS, Neurons, find_shape
from .refusals import make_refusal
from .wiring import Wiring

__all__ = ["NIRModel"]

Shape = tuple[int, ...]


class NIRModel(brainstate.nn.Module):
    """A graph's model: ``model(x)`` makes a step of length dt, as `from_nir` says.

    ``node`` has the modules of its nodes, by name.

    Parameters
    ----------
    graph : nir.NIRGraph
        Kept, as it is written again.
    wiring : Wiring
    conventions : Conventions
    """

    __module__ = "brainscale.exchange"

    node: dict[str, Any]

    def __init__(self, graph: Any, wiring: Wiring, conventions: Conventions):
        super().__init__()
        self.graph, self.wiring, self.conventions = graph, wiring, conventions
        self.node = _build(wiring, conventions)
        self.inputs, self.outputs = wiring.list_kind("Input"), wiring.list_kind("Output")

    def update(self, x: Any) -> Any:
        """Make a step.

        Parameters
        ----------
        x : array, (batch..., shape of the Input), or of several Inputs a dict of them by name

        Returns
        -------
        array, (batch..., shape of the Output), or of several Outputs a dict of them by name
        """
        given = self._read_inputs(x)
        last = {name: self.node[name].read_last() for name, _ in self.wiring.delayed}
        now: dict[str, Any] = {}
        for name, node in self.node.items():
            if name in given:
                now[name] = given[name]
                continue
            sources = self.wiring.sources[name]
            found = [(last if (a, name) in self.wiring.delayed else now)[a] for a in sources]
            now[name] = node(sum(found[1:], found[0]))
        if len(self.outputs) == 1:
            return now[self.outputs[0]]
        return {name: now[name] for name in self.outputs}

    def _read_inputs(self, x: Any) -> dict[str, Any]:
        """Give what each Input is given, checked."""
        if len(self.inputs) > 1:
            given = check_mapping(x, "the input", set(self.inputs))
        else:
            given = {self.inputs[0]: x}
        dtype = brainstate.environ.dftype()
        for name, value in given.items():
            what = f"the input of node {name!r}"
            check_unit(check_array(value, what), u.UNITLESS, what)
            if jnp.iscomplexobj(value):
                raise DtypeError(f"{what} must be of real numbers, got {value!r}", got=value)
            shape = self.node[name].out_shape
            got = jnp.shape(value)
            if got[len(got) - len(shape) :] != shape:
                raise ShapeError(
                    f"{what} must have shape (batch..., {', '.join(map(str, shape))}), got {got}",
                    got=got,
                    needs=shape,
                )
        return {name: jnp.asarray(value, dtype) for name, value in given.items()}

    def read_arrays(self) -> dict[str, dict[str, np.ndarray]]:
        """Read by node the arrays that are trained, as NIR has them."""
        return {
            name: node.read_arrays()
            for name, node in self.node.items()
            if isinstance(node, (Dense, Convolution, Scale))
        }


def _build(wiring: Wiring, conventions: Conventions) -> dict[str, Any]:
    """Make the module of each node, in order.

    Raises
    ------
    StructureError, ShapeError, ParameterError
        By the node's name: a type, numbers or shapes that cannot be held.
    """
    declared = {
        name: find_shape(name, node)
        for name, node in wiring.nodes.items()
        if type(node).__name__ in FIELDS
    }
    modules: dict[str, Any] = {}
    keeping = {name for name, _ in wiring.delayed}
    for name, node in wiring.nodes.items():
        given = _find_given(name, wiring, modules, declared)
        kind = type(node).__name__
        if kind in FIELDS:
            shape = _fit_neurons(name, node, declared[name], given)
            modules[name] = Neurons(name, node, shape, conventions, name in keeping)
        else:
            modules[name] = _make_layer(name, node, given, wiring, conventions)
    for name, node in wiring.nodes.items():
        for source in wiring.sources[name]:
            got, needs = modules[source].out_shape, modules[name].in_shape
            if got != needs:
                problem = f"needs an input of shape {needs}, and {source!r} gives {got}"
                raise make_refusal(name, node, problem, ShapeError)
    return modules


def _find_given(
    name: str, wiring: Wiring, modules: dict[str, Any], declared: dict[str, Shape]
) -> Shape | None:
    """Find the shape of what a node is given, None where it is not known yet."""
    sources = wiring.sources[name]
    known = [modules[a].out_shape for a in sources if a in modules]
    known += [declared[a] for a in sources if np.prod(declared.get(a, ())) > 1]
    return known[0] if known else None


def _fit_neurons(name: str, node: Any, declared: Shape, given: Shape | None) -> Shape:
    """Choose the shape of neurons: their own, or, where one number is that of all, the input's."""
    if given is None or np.prod(declared) > 1 or declared == given:
        return declared
    return given


def _make_layer(
    name: str, node: Any, given: Shape | None, wiring: Wiring, conventions: Conventions
) -> Any:
    """Make the module of a node without states."""
    kind, is_trained = type(node).__name__, name in wiring.trained
    if kind in ("Input", "Output"):
        return PassOn(_read_door(name, node, given))
    if kind in ("Affine", "Linear"):
        return Dense(name, node, is_trained)
    if kind == "Scale":
        return Scale(name, node, is_trained)
    if kind == "Threshold":
        return Threshold(name, node, conventions)
    if kind not in ("Conv1d", "Conv2d", "Flatten", "SumPool2d", "AvgPool2d"):
        problem = _MENDS.get(kind, "is of a type that is not known here: write it by other nodes")
        raise make_refusal(name, node, problem)
    if given is None:
        problem = "is given what has no shape yet: give the neurons before it arrays of full shape"
        raise make_refusal(name, node, problem, ShapeError)
    if kind in ("Conv1d", "Conv2d"):
        return Convolution(name, node, given, is_trained)
    return Flatten(name, node, given) if kind == "Flatten" else Pool(name, node, given)


_MENDS = {
    "Delay": "cannot be held: brainscale.nn.Delay does what it says, in a model of your own",
}


def _read_door(name: str, node: Any, given: Shape | None) -> Shape:
    """Read the shape of an Input or an Output."""
    side = "input_type" if type(node).__name__ == "Input" else "output_type"
    shapes = [*(getattr(node, side) or {"": None}).values()]
    if len(shapes) != 1:
        raise make_refusal(name, node, f"needs one {side}, has {len(shapes)}: split the node")
    if shapes[0] is not None:
        return tuple(int(size) for size in np.atleast_1d(shapes[0]))
    if given is None:
        raise make_refusal(name, node, f"has no {side}: give it its shape", ShapeError)
    return given
