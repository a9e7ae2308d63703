"""Derivatives that go forward in time within a parameter's own layer (SPEC.md, OSTL)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import brainstate

from ..engine.forward_sensitivity import SensitiveStep
from ..engine.step_graph import StepGraph, find_step_graph
from ..errors import StructureError
from .forward_method import ForwardMethod
from .step_source import StepSource

__all__ = ["LayerMethod", "Layers", "find_layers"]

_MOST = 4
"""How many kinds of steps are known at a time."""

Layers = dict[str, set[str]]
"""From the name of a parameter with a trace to those of its layer's states."""


class LayerMethod(ForwardMethod):
    """Gradients by sensitivities that go on by the states of each parameter's own layer.

    Parameters
    ----------
    carriers
        As for `ForwardMethod`.
    layers : dict
        Those that were found at compile_graph.
    kinds : list of StepGraph
        The graphs of the last kinds of single steps that were met, that of the last one first.
    """

    def __init__(
        self, carriers: Mapping[str, brainstate.State], layers: Layers, kinds: list[StepGraph]
    ):
        super().__init__(carriers)
        self.layers = layers
        self.kinds = kinds

    def find_structure(self, source: StepSource) -> SensitiveStep:
        with source.trace_first():
            return self._lay(super().find_structure_of_loss(source), self._find_kind(source))

    def find_structure_of_loss(self, source: StepSource) -> SensitiveStep:
        return self._lay(super().find_structure_of_loss(source), _find_graph(source))

    def renew_structure(self, structure: SensitiveStep, source: StepSource) -> SensitiveStep:
        return self._lay(super().find_structure_of_loss(source), self._find_kind(source))

    def _find_kind(self, source: StepSource) -> StepGraph:
        """Find the graph of a single step, or the one that is known of its kind."""
        graphs = (graph.at(source.function, source.args) for graph in self.kinds)
        numbered = enumerate(graphs)
        i, graph = next(((i, graph) for i, graph in numbered if graph is not None), (_MOST, None))
        graph = _find_graph(source) if graph is None else graph
        self.kinds[:] = [graph, *self.kinds[:i], *self.kinds[i + 1 :]][:_MOST]
        return graph

    def _lay(self, structure: SensitiveStep, graph: StepGraph) -> SensitiveStep:
        """Give a step its layers, which are those of compile_graph as far as that met its states.

        Raises
        ------
        StructureError
        """
        layers = find_layers(graph)
        written = {graph.name_of(state) for state in graph.step.written_states}
        known = set().union(*self.layers.values()) & written
        for name in {**self.layers, **layers}:
            got, needs = layers.get(name, set()) & known, self.layers.get(name, set()) & known
            if got != needs:
                raise StructureError(
                    f"the layer of {name} in a step is {sorted(got)}, and was {sorted(needs)} at "
                    "compile_graph, as a state or what brainstate.environ says (fit, t, ...) is "
                    "another: call it again, in the environment of the steps",
                    got=got,
                    needs=needs,
                )
        return dataclasses.replace(structure, layers=layers)


def _find_graph(source: StepSource) -> StepGraph:
    return find_step_graph(source.function, source.args, source.name_of, source.find_params())


def find_layers(graph: StepGraph) -> Layers:
    """Find the layer of each parameter with a trace: its groups, and what is made of them."""
    return {
        graph.name_of(param): {graph.name_of(state) for state in graph.states_of_layer(key)}
        for key, param in graph.step.params.items()
    }
