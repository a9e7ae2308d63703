"""How gradients are made: what a learner has of its kind, one object without states."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import brainstate
import jax

from ..engine.keys import StateId
from ..engine.known_inputs import check_rows
from ..engine.learning_signals import find_learning_signals
from ..engine.pure_step import Values
from ..engine.rule import Rule
from ..engine.step_graph import StepGraph, find_step_graph
from ..engine.surroundings import Surroundings
from .step_source import StepSource
from .trace_layout import TraceLayout

__all__ = ["Before", "GradientMethod", "SequenceResult", "StepResult", "list_others"]

Traces = Mapping[str, Any]
"""What is kept from step to step, by the names of the parameters that it is of."""


class Before(NamedTuple):
    """What there is before a step, or before the first of several."""

    traces: Traces
    count: Any
    """The number of steps since the traces were zero."""
    surroundings: Surroundings
    """Where the steps stand in a function whose gradient is taken."""


class StepResult(NamedTuple):
    """What a step leaves."""

    out: Any
    changes: list[tuple[brainstate.State, Any]]
    """The states that the step writes, with their new values."""
    traces: dict[str, Any]


class SequenceResult(NamedTuple):
    """What the steps of a sequence leave, and the gradients over them."""

    changes: list[tuple[brainstate.State, Any]]
    """The states that the steps write, with their new values."""
    traces: dict[str, Any]
    count: jax.Array
    """The number of steps since the traces were zero."""
    gradients: Values
    """By the identity of a parameter, like its value."""
    losses: jax.Array
    """The loss of each step, (T,)."""
    aux: Any
    """What else each step returned, with a leading axis of steps."""


class GradientMethod(ABC):
    """How a learner makes gradients: by traces and a rule, or by derivatives that go forward.

    It has no states of its own: a learner gives it what it asks for, and writes what it returns.
    What it finds of a step is a *structure*, of a type of its own; what it has kept from step to
    step are *traces*, by the names of parameters.
    """

    # The step.

    @abstractmethod
    def compile(self, source: StepSource) -> Any:
        """Find the structure of a learner's step, and refuse what cannot be learned."""

    @abstractmethod
    def find_structure(self, source: StepSource) -> Any:
        """Find the structure of a step."""

    @abstractmethod
    def find_structure_of_loss(self, source: StepSource) -> Any:
        """Find the structure of a function that makes a step by the learner, for its loss."""

    @abstractmethod
    def renew_structure(self, structure: Any, source: StepSource) -> Any:
        """Find the structure of the step as it is now, by that from before; None: it is another."""

    @abstractmethod
    def is_of(self, structure: Any, source: StepSource) -> bool:
        """Whether a structure has parameters that are still the model's."""

    @abstractmethod
    def find_paths(self, structure: Any, source: StepSource) -> StepGraph:
        """Find by which paths the step's graph is drawn."""

    @abstractmethod
    def check_rows(self, structure: Any, args: Any, *, over_steps: bool) -> None:
        """Refuse known indices of no row in the arguments of a step, or of several."""

    # The traces.

    @abstractmethod
    def list_names(self, structure: Any) -> list[str]:
        """List the parameters that have traces, by name."""

    @abstractmethod
    def begin_traces(self, structure: Any) -> dict[str, Any]:
        """Make traces that are zero."""

    def find_layout(self, structure: Any) -> TraceLayout:
        """Find by what traces are laid out."""
        return TraceLayout()

    @abstractmethod
    def check_traces(self, structure: Any, traces: Traces) -> None:
        """Refuse traces that are not of this structure's parameters and states."""

    @abstractmethod
    def clear_states(self, structure: Any, trace: Any, names: list[str]) -> Any:
        """Make a trace zero for the hidden states of these names."""

    @abstractmethod
    def make_reader(self, structure: Any, name: str) -> Callable[[Any], Any]:
        """Make what reads the trace of a parameter by the names of states, with units."""

    @abstractmethod
    def rule_of(self, trace: Any) -> Rule:
        """The rule by which a trace is kept."""

    # Steps.

    @abstractmethod
    def read_values(self, structure: Any, place: Callable[[brainstate.State, Any], Any]) -> Values:
        """Read what the step's states hold; of parameters, where `place` puts it."""

    @abstractmethod
    def list_others(self, structure: Any) -> list[brainstate.State]:
        """List the states that a step writes and that are not hidden."""

    @abstractmethod
    def list_used(
        self, structure: Any
    ) -> tuple[Iterable[brainstate.State], Iterable[brainstate.State]]:
        """List the parameters on which traces depend, and plain states that a step only reads."""

    @abstractmethod
    def find_remembering(self, structure: Any, args: tuple[Any, ...]) -> set[StateId]:
        """Find the states that are not hidden and in which derivatives of earlier steps live on."""

    @abstractmethod
    def make_step(
        self, structure: Any, args: tuple[Any, ...], values: Values, before: Before
    ) -> StepResult:
        """Make a step that `brainstate.transform.grad` can differentiate."""

    @abstractmethod
    def make_steps(
        self, structure: Any, sequences: Any, before: Before, chunk: int | None
    ) -> SequenceResult:
        """Make the steps of a sequence, and the gradients over them, some steps at a time."""

    def find_signals(
        self, source: StepSource, sequences: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Find the learning signals of each step of a sequence, by output and by hidden state.

        The source's function returns a step's loss; nothing is written.
        """
        return self._find_signals(source, sequences, is_local=False)

    def _find_signals(
        self, source: StepSource, sequences: Any, *, is_local: bool
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        graph = find_step_graph(source.function, source.args, source.name_of, source.find_params())
        source.check_states(graph.step.params.values())
        check_rows(graph.step, sequences, over_steps=True)
        differentiable = {} if is_local else graph.new
        return find_learning_signals(graph, graph.step.values(), sequences, differentiable)


def list_others(states: Iterable[brainstate.State]) -> list[brainstate.State]:
    """List those of some states that are not hidden."""
    return [state for state in states if not isinstance(state, brainstate.HiddenState)]
