"""What a learner shows of what it found in its model."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from ..checks.arguments import check_flag, check_path
from ..engine.rule import Rule
from ..engine.step_graph import StepGraph
from ..errors import NotCompiledError
from .words import Graph, graph_of

__all__ = ["Shown"]


class Shown:
    """The part of a learner that says what it is made with and of, and draws its graph."""

    structure: Any
    model: Any
    etraces: dict[str, Any]
    _example: Any
    _like: Any

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # brainstate's modules all say (*args, **kwargs).
        signature = inspect.signature(cls.__init__)
        _, *parameters = signature.parameters.values()
        cls.__signature__ = signature.replace(parameters=parameters)

    def __repr__(self) -> str:
        kind, model = type(self).__name__, type(self.model).__name__
        if self._example is None:
            return f"<{kind} of {model}, not compiled>"
        traces = ", ".join(self.etraces) or "no parameter"
        return f"<{kind} of {model}, compiled for {self._like}, with traces for {traces}>"

    def approximation(self, name: str, rule: Rule | None, crossed: tuple[str, ...]) -> str:
        """Why the gradient of a parameter is not the true one, in words; nothing where it is.

        Parameters
        ----------
        name : str
            The parameter's.
        rule : Rule or None
            That of its trace; None: it is plain.
        crossed : tuple of str
            The parameters whose operations its paths to the losses of later steps cross first; of a
            plain one, what it enters but the output.
        """
        if rule is None:
            return "paths through time are left out (LEARN-6)" if crossed else ""
        if rule.approximate or not crossed:
            return rule.approximate
        return f"paths through time that cross {', '.join(crossed)} are left out (LEARN-8)"

    def _paths_of(self) -> StepGraph:
        """The structure by which the graph is drawn."""
        return self.structure

    def show_graph(self, path: str | Path | None = None, *, verbose: bool = True) -> Graph:
        """Say, and draw, what reaches what, how large traces are and what is approximate.

        Parameters
        ----------
        path : str or Path, optional
            Where the figure is saved, such as ``graph.png``; None: it is not drawn.
        verbose : bool, default True
            Print the words.

        Returns
        -------
        Graph
            ``str(graph)`` is the words; `graph.draw` the figure.

        Raises
        ------
        NotCompiledError
            Before `compile_graph`.
        MissingPackageError
            A figure without matplotlib.
        """
        check_path(path, "path")
        is_printed = check_flag(verbose, "verbose")
        if self.structure is None:
            raise NotCompiledError("compile_graph(*example_inputs) comes before show_graph")
        graph = graph_of(self, self._paths_of())
        if is_printed:
            print(graph)
        if path is not None:
            graph.draw(path)
        return graph
