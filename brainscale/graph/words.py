"""What a learner found in its model, in words: what learns, through what, at what cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import brainunit as u
import jax

from ..checks.arguments import check_path, naming_file
from ..errors import ParameterError
from .nodes import GroupNode, Nodes, PlainNode, TracedNode, describe_shapes, describe_size
from .paths import INPUT, OUTPUT, Paths
from .views import LearnerView

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Graph", "describe_learner", "make_graph"]


@dataclasses.dataclass(frozen=True, repr=False)
class Graph(Nodes):
    """What a learner found in its model: `show_graph`'s words as text, and a figure of them."""

    def __str__(self) -> str:
        lines = [f"{self.model} learns by {self.learner}", "", "Hidden groups"]
        for number, group in enumerate(self.groups, 1):
            each = "1 variable each" if group.size == 1 else f"{group.size} variables each"
            lines.append(f"  {number}  {', '.join(group.states)}: neurons {group.shape}, {each}")
        lines += ["", "Parameters with a trace"]
        for node in self.traced:
            lines += self._describe(node) if node.rule else []
        lines.append(f"  All traces: {self.size}")
        frozen = [node for node in self.traced if not node.rule]
        lines += ["", "Frozen operations"] if frozen else []
        for node in frozen:
            lines += self._describe(node)[:2]
        for title, nodes in (
            ("Plain parameters", [node for node in self.plain if node.into]),
            ("Frozen parameters", [node for node in self.plain if not node.into]),
        ):
            lines += ["", title] if nodes else []
            for node in nodes:
                lines.append(f"  {node.name}: {describe_shapes(node.shapes)}")
                if node.into:
                    lines.append(f"      into {', '.join(map(_name_place, node.into))}")
                    lines.append(f"      {_judge(node)}")
        return "\n".join(lines)

    def _describe(self, node: TracedNode) -> list[str]:
        sources = [_name_place(place) for place in node.new]
        sources += [f"{_name_place(place)} one step before" for place in node.old]
        into = ", ".join(map(_name_place, node.groups)) or "no group, but through other operations"
        between = f"from {', '.join(sources)} into {into}" if sources else f"into {into}"
        return [
            f"  {node.name}: {node.operation} of {describe_shapes(node.shapes)}",
            f"      {between}",
            f"      {node.rule} trace: {describe_size(node.numbers, node.bytes)}",
            f"      {_judge(node)}",
        ]

    def __repr__(self) -> str:
        nodes = f"{len(self.groups)} hidden groups, {len(self.traced)} parameters with traces"
        return f"<Graph of {self.model} by {self.learner}: {nodes}>"

    def draw(self, path: str | Path | None = None) -> Figure:
        """Draw a figure of it; needs matplotlib.

        Parameters
        ----------
        path : str or Path, optional
            Where it is saved; the name says how, such as ``graph.png`` or ``graph.svg``.
        """
        from .drawing import draw_figure

        check_path(path, "path")
        figure = draw_figure(self)
        if path is not None:
            known = figure.canvas.get_supported_filetypes()
            suffix = PurePath(path).suffix[1:].lower()
            if suffix and suffix not in known:
                raise ParameterError(
                    f"path must end as one of {', '.join(sorted(known))}, got {str(path)!r}",
                    got=path,
                    needs=sorted(known),
                )
            with naming_file(path):
                figure.savefig(path)
        return figure


def make_graph(view: LearnerView) -> Graph:
    """Make the graph of a learner."""
    structure = view.structure
    paths, step = Paths(structure), structure.step
    names = {key: structure.name_of(param) for key, param in step.operations.items()}
    names_of_places = {**{g: g for g in paths.groups}, **names, INPUT: INPUT, OUTPUT: OUTPUT}

    def name(places: list[Any]) -> tuple[Any, ...]:
        return tuple(names_of_places[place] for place in places)

    traced = []
    for key, param in step.operations.items():
        new, old = paths.find_into_operation(key)
        within = tuple(paths.reach[key]), name(new), name(old)
        node = names[key], type(param.op).__name__, _shapes_of(param.value), *within
        if key not in step.params:
            traced.append(TracedNode(*node, "", 0, 0, ""))
            continue
        trace = view.traces[names[key]]
        rule, leaves = view.rule_of(trace), jax.tree.leaves(trace)
        numbers, size = sum(leaf.size for leaf in leaves), sum(leaf.nbytes for leaf in leaves)
        why = view.explain(names[key], rule, name(paths.find_crossed(key)))
        traced.append(TracedNode(*node, rule.title or view.learner, numbers, size, why))
    plain = []
    for position, state in enumerate(step.plain):
        own_name, into = structure.name_of(state), name(paths.find_from_plain(position))
        inner = tuple(_name_place(place) for place in into if place != OUTPUT)
        why = view.explain(own_name, None, inner)
        plain.append(PlainNode(own_name, _shapes_of(state.value), into, why))
    groups = [GroupNode(g.names, g.shape, g.size) for g in structure.groups]
    output = name(paths.find_into_output())
    return Graph(view.learner, view.model, groups, traced, plain, output)


def describe_learner(
    learner: str, model: str, inputs: Any, groups: list[tuple[str, ...]], traces: Mapping[str, Any]
) -> str:
    """Say in five lines what a learner was compiled for, and what it keeps."""
    leaves = jax.tree.leaves(dict(traces))
    size = describe_size(
        sum(x.size for x in leaves), sum(x.size * x.dtype.itemsize for x in leaves)
    )
    lines = [
        f"<{learner} of {model}",
        f"inputs: {inputs}",
        f"hidden groups: {', '.join('{' + ', '.join(names) + '}' for names in groups)}",
        f"traces: {', '.join(traces) or 'of no parameter'} ({size})",
        "show_graph() says what reaches what, and what is approximate>",
    ]
    return "\n  ".join(lines)


def _shapes_of(value: Any) -> dict[str, tuple[int, ...]]:
    leaves = value.items() if isinstance(value, Mapping) else [("", value)]
    return {str(name): u.math.shape(leaf) for name, leaf in leaves}


def _name_place(place: Any) -> str:
    return f"group {place + 1}" if isinstance(place, int) else place


def _judge(node: TracedNode | PlainNode) -> str:
    return f"approximate: {node.approximate}" if node.approximate else "exact"
