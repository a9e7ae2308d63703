"""What a learner was compiled for, and whether it still is what it was."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import brainstate
import jax

from ..checks.requests import needs_fitting, needs_initialised
from ..engine.inputs import as_arrays, check_finite, shapes_of
from ..engine.rule import Rule
from ..engine.rule_inputs import make_inputs_at_rest
from ..engine.step_graph import StepGraph, find_step_graph
from ..errors import NotCompiledError, ShapeError, StructureError
from ..parameters import ETraceParam
from .composition import Composition
from .gradient_scope import note_step
from .outside_writes import StepCount

__all__ = ["Compiled"]


class Compiled:
    """Holds what `compile_graph` found, and finds it again where the learner has other objects."""

    model: brainstate.nn.Module
    rule: Rule
    make_step: Callable[..., Any]
    etraces: dict[str, Any]
    hidden_states: dict[Any, brainstate.HiddenState]
    count: StepCount

    # A copy finds these two for itself.
    graph_invisible_attrs = ("_structure", "_composition")
    _structure: Any = None
    _composition: Any = None

    _example: Any = None
    """Inputs of a step, by their shapes; None: not compiled."""
    _lost = ""
    """Why it is not compiled any more."""

    def __copy__(self) -> Any:
        new = object.__new__(type(self))
        own = {k: v for k, v in vars(self).items() if k not in self.graph_invisible_attrs}
        vars(new).update(own)
        return new

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise StructureError(
            f"{type(self).__name__} cannot be pickled, as states of brainstate cannot: keep the "
            "values of learner.states() and write them to those of a learner made anew, or use "
            "the checkpoints of brainscale.fit"
        )

    def _found(self, args: tuple[Any, ...]) -> Any:
        """The structure of a step with these arguments."""
        params = self.model.states(ETraceParam)
        with self._first_trace(args):
            structure = find_step_graph(self.make_step, args, self._name_of, list(params.values()))
        self._refuse_foreign(structure.step.params.values())
        return structure

    @contextlib.contextmanager
    def _first_trace(self, args: tuple[Any, ...]) -> Iterator[None]:
        """Say by name what a step's first trace lacks, and what does not fit in it."""

        def shapes() -> tuple[Any, Any]:
            return shapes_of(args), self._hidden_shapes()

        with needs_initialised(), needs_fitting(self.model, args, shapes):
            yield

    def _refuse_foreign(self, params: Iterable[Any]) -> None:
        """Refuse parameters that are not the model's: none would ask for their gradients."""
        own = {id(state) for state in self.model.states().values()}
        for param in params:
            if id(param) not in own:
                raise StructureError(
                    f"a step uses {self._name_of(param)}, which is no state of the model: make it "
                    "an attribute of the model, or of a module in it",
                    got=param,
                )

    def _compiled_for(self, structure: Any, args: tuple[Any, ...]) -> None:
        self._structure, self._like, self._lost = structure, shapes_of(args), ""
        self._example = jax.eval_shape(lambda: args)
        self._hidden_like = self._hidden_shapes()

    def _named_hidden(self) -> list[tuple[str, brainstate.State]]:
        return [(".".join(map(str, k)), state) for k, state in self.hidden_states.items()]

    def _hidden_shapes(self) -> dict[str, Any]:
        return {name: shapes_of(state.value) for name, state in self._named_hidden()}

    @property
    def structure(self) -> Any:
        """What `compile_graph` found; None before it.

        It is found again in a copy of a learner, and where parameters have been replaced.
        """
        if self._example is not None and not self._is_of_these_parameters(self._structure):
            found = self._found(self._example)
            self._refuse_other_traces(found)
            self._structure = found
        return self._structure

    def _is_of_these_parameters(self, structure: Any) -> bool:
        own = {id(state) for state in self.model.states().values()}
        return structure is not None and all(key in own for key in structure.step.params)

    @property
    def composition(self) -> Composition:
        """What has compiled functions traced anew where the learner has other objects."""
        if self._composition is None:
            self._composition = Composition(self)
        return self._composition

    def _name_of(self, state: brainstate.State | str | tuple[Any, ...]) -> str:
        """The name of a state: its path in the model, with dots."""
        if isinstance(state, str | tuple):
            return state if isinstance(state, str) else ".".join(map(str, state))
        path = self.composition.find_path(state)
        if path is not None:
            return ".".join(map(str, path))
        for path, node in brainstate.graph.nodes(self.model).items():
            for attribute, other in vars(node).items():
                if other is state:  # A frozen parameter is no state.
                    return ".".join(map(str, (*path, attribute)))
        return getattr(state, "name", None) or type(state).__name__

    def _compiled(self, args: tuple[Any, ...]) -> StepGraph:
        self._refuse_uncompiled()
        self._refuse_other_inputs(args)
        check_finite(args)
        self._refuse_changed()
        return self.structure

    def _made_within(self, args: tuple[Any, ...]) -> Any:
        """A step of the model for `etrace_grad`, of inputs such as it was compiled for."""
        self._was_called = True
        args = as_arrays(args, allow_likes=False)
        if self._example is not None:
            self._refuse_other_inputs(args)
        return self.make_step(*args)

    def _refuse_other_inputs(self, args: tuple[Any, ...]) -> None:
        got = shapes_of(args)
        if got != self._like:
            raise ShapeError(
                f"an input of shape {got} to a learner compiled for {self._like}: call "
                "compile_graph again",
                got=got,
                needs=self._like,
            )

    def _refuse_uncompiled(self) -> None:
        if self.structure is None:
            raise NotCompiledError(
                self._lost or "compile_graph(*example_inputs) comes before learning"
            )

    def _refuse_changed(self) -> None:
        """Refuse hidden states of other shapes, and others in their place."""
        _ = self.composition.value
        self._refuse_other_states()
        self.count.refuse_others(self._named_hidden())

    def _note_step(self, *, is_at_rest: bool = False) -> None:
        """Take what hidden states hold now as what the traces are of."""
        hidden = self._named_hidden()
        self.count.note(hidden, self.etraces.values(), is_at_rest=is_at_rest)
        note_step(hidden)

    def _refuse_other_states(self) -> None:
        got = self._hidden_shapes()
        for name in [*self._hidden_like, *got]:
            if got.get(name) != self._hidden_like.get(name):
                raise ShapeError(
                    f"{name} is {got.get(name)}, and was {self._hidden_like.get(name)} when the "
                    "learner was compiled: call compile_graph again, or reset_state with the batch "
                    "size that it was compiled for",
                    got=got.get(name),
                    needs=self._hidden_like.get(name),
                )

    def _structure_of(self, args: tuple[Any, ...]) -> StepGraph:
        """The structure of the step to make, of the objects that the model has now."""
        structure = self._compiled(args).at(self.make_step, args)
        if structure is None:
            structure = self._found(args)
            self._refuse_other_traces(structure)
            self._structure = structure
        return structure

    def _refuse_other_traces(self, structure: StepGraph) -> None:
        """Refuse parameters whose traces, of the objects that were before, are not theirs."""
        for parameter in make_inputs_at_rest(structure):
            like = jax.eval_shape(lambda p=parameter: self.rule.begin(p))
            etrace = self.etraces.get(parameter.name)
            if etrace is None or shapes_of(etrace.value) != shapes_of(like):
                raise StructureError(
                    f"{parameter.name} has no trace that fits, as it, a state that it reaches, or "
                    "what brainstate.environ says (fit, t, ...) is another than at compile_graph: "
                    "call it again, in the environment of the steps",
                    got=None if etrace is None else shapes_of(etrace.value),
                    needs=shapes_of(like),
                )
