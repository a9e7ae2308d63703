"""The edges of a graph: subgraphs laid flat, cycles cut at neurons, the order of a step."""

from __future__ import annotations

import graphlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..errors import StructureError
from .neurons import FIELDS
from .refusals import make_refusal

__all__ = ["Wiring", "lay_flat", "wire"]

Edge = tuple[str, str]


@dataclass(frozen=True)
class Wiring:
    """Nodes without subgraphs, in the order in which a step goes through them.

    Parameters
    ----------
    nodes : dict
        By name, NIR's nodes; those of a subgraph are "subgraph/node".
    sources : dict
        By name, the nodes whose results are summed into it.
    delayed : set of edges
        Those that give what a neuron put out a step before.
    trained : set of str
        The nodes from which a path leads to a neuron.
    """

    nodes: dict[str, Any]
    sources: dict[str, list[str]]
    delayed: frozenset[Edge]
    trained: frozenset[str]

    def list_kind(self, kind: str) -> list[str]:
        """List the graph's own nodes of a type, `Input` or `Output`."""
        return [n for n, node in self.nodes.items() if "/" not in n and _type(node) == kind]


def lay_flat(graph: Any, within: str = "") -> tuple[dict[str, Any], list[Edge]]:
    """Give nodes and edges of a graph and of its subgraphs, whose inputs and outputs pass on.

    Raises
    ------
    StructureError
        A name that no file has; an edge from or to no node, or twice; a subgraph with several
        inputs or outputs, or none, where an edge meets it.
    """
    nodes: dict[str, Any] = {}
    edges: list[Edge] = []
    for name, node in graph.nodes.items():
        if not isinstance(name, str) or "/" in name:
            raise make_refusal(name, node, "needs a name that is a text without '/'")
        if _type(node) == "NIRGraph":
            inner, inner_edges = lay_flat(node, f"{within}{name}/")
            nodes |= inner
            edges += inner_edges
        else:
            nodes[f"{within}{name}"] = node
    for edge in graph.edges:
        if len(edge) != 2:
            raise StructureError(f"an edge is a pair of names, got {edge!r}", got=edge)
        before, after = edge
        leaves = _find_end(graph, within, before, "Output")
        edges.append((leaves, _find_end(graph, within, after, "Input")))
    if twice := [edge for edge, count in Counter(edges).items() if count > 1]:
        raise StructureError(f"edges are there twice: {twice}", got=twice)
    return nodes, edges


def _find_end(graph: Any, within: str, name: str, kind: str) -> str:
    """Find the node that an edge leaves by or enters by: of a subgraph its Output or its Input."""
    if name not in graph.nodes:
        raise StructureError(
            f"an edge names {within}{name}, which is no node: there are {[*graph.nodes]}", got=name
        )
    node, path = graph.nodes[name], f"{within}{name}"
    if _type(node) != "NIRGraph":
        return path
    doors = [key for key, inner in node.nodes.items() if _type(inner) == kind]
    if len(doors) != 1:
        problem = f"needs one {kind} where an edge meets it, and has {doors}: split the subgraph"
        raise make_refusal(path, node, problem)
    return f"{path}/{doors[0]}"


def wire(nodes: dict[str, Any], edges: list[Edge]) -> Wiring:
    """Cut the cycles of a graph, and put its nodes in order.

    Every edge by which a neuron is in a cycle is cut: it gives what the neuron put out in the step
    before. So a step does not depend on the order in which nodes are listed.

    Raises
    ------
    StructureError
        A cycle without a neuron; a node that nothing enters; no Input or no Output.
    """
    after: dict[str, list[str]] = {name: [] for name in nodes}
    sources: dict[str, list[str]] = {name: [] for name in nodes}
    for a, b in edges:
        after[a].append(b)
        sources[b].append(a)
    for name, node in nodes.items():
        is_door = _type(node) == "Input" and "/" not in name
        if is_door and sources[name]:
            raise make_refusal(name, node, f"is what is given, and {sources[name]} enter it, too")
        if not is_door and not sources[name]:
            raise make_refusal(name, node, "is entered by no edge: connect an Input, or drop it")
    reached = {name: _reach(after, name) for name in nodes}
    delayed = frozenset(
        (a, b) for a, b in edges if _type(nodes[a]) in FIELDS and (a == b or a in reached[b])
    )
    order = _sort(nodes, sources, delayed)
    neurons = {name for name in nodes if _type(nodes[name]) in FIELDS}
    trained = frozenset(name for name in nodes if reached[name] & neurons)
    wiring = Wiring({name: nodes[name] for name in order}, sources, delayed, trained)
    for kind in ("Input", "Output"):
        if not wiring.list_kind(kind):
            raise StructureError(f"the graph has no {kind} node: add one, with its shape")
    return wiring


def _reach(after: dict[str, list[str]], start: str) -> set[str]:
    """Find all nodes to which a path leads from a node."""
    found: set[str] = set()
    ahead = [*after[start]]
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += after[name]
    return found


def _sort(
    nodes: dict[str, Any], sources: dict[str, list[str]], delayed: Iterable[Edge]
) -> list[str]:
    """Put each node behind those that it waits for within a step."""
    waits = {b: [a for a in before if (a, b) not in delayed] for b, before in sources.items()}
    try:
        return [*graphlib.TopologicalSorter(waits).static_order()]
    except graphlib.CycleError as error:
        cycle = error.args[1]
        problem = (
            f"waits for itself, by {cycle}: a cycle goes through neurons, whose result a step "
            "before is what enters it"
        )
        raise make_refusal(cycle[0], nodes[cycle[0]], problem) from None


def _type(node: Any) -> str:
    return type(node).__name__
