"""What learners are beside their steps: compiled models with states, traces and a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import brainstate
import jax
import jax.numpy as jnp

from ..checks.arguments import check_flag, check_path
from ..checks.requests import check_batch, check_results_of
from ..engine.inputs import check_finite
from ..engine.rule import Rule
from ..errors import NotCompiledError, ShapeError, StateNameError, ValueTypeError
from ..graph import Graph, LearnerView, describe_learner, explain, make_graph
from .between_steps import check_between_steps
from .bypasses import PlainStates
from .compilation import Compilation, find_hidden
from .composition import Composition
from .former_names import check_keywords
from .gradient_method import GradientMethod
from .gradient_scope import note_step
from .learner_module import LearnerModule
from .multi_step import take_first_step
from .outside_writes import StepCount
from .renewal import initialise, renew
from .step_source import StepSource
from .trace_layout import TraceLayout
from .traces import EligibilityTrace, Placement, count_axes, make_zeros, read_members

__all__ = ["Learner"]


class Learner(LearnerModule):
    """A model and its traces, one for each parameter, which are of a step that was compiled.

    What differs between learners is in `_method`, an object without states: what is found of a
    step, what traces are, and how gradients are made of them.

    Parameters
    ----------
    model : brainstate.nn.Module
    former : mapping
        Keywords of earlier learners.
    """

    can_be_placed = True
    """Whether `brainscale.shard` knows what it keeps."""

    # Of this learner's objects: a copy finds them for itself.
    graph_invisible_attrs = ("_structure", "_composition")
    _structure: Any = None
    _composition: Composition | None = None

    def __init__(self, model: brainstate.nn.Module, former: Mapping[str, Any]):
        super().__init__()
        check_keywords(type(self), former)
        if not isinstance(model, brainstate.nn.Module):
            raise ValueTypeError(
                f"a learner needs a brainstate.nn.Module, got {type(model).__name__}", got=model
            )
        self.model = model
        self.etraces: dict[str, EligibilityTrace] = {}
        self.count = StepCount(jnp.zeros((), jnp.int32))
        self.placement: Placement | None = None
        self._compilation: Compilation | None = None
        self._reason_lost = ""
        self._trace_axes: dict[str, int] = {}
        self._trace_layout = TraceLayout()

    @property
    def _method(self) -> GradientMethod:
        """How gradients are made."""
        raise NotImplementedError

    def make_step(self, *args: Any) -> Any:
        """One step of the model, as the rule has it."""
        return self.model(*args)

    def __repr__(self) -> str:
        names = type(self).__name__, type(self.model).__name__
        if self._compilation is None:
            return "<{} of {}, not compiled>".format(*names)
        groups = self._trace_layout.groups or [tuple(self._compilation.hidden)]
        return describe_learner(*names, self._compilation.inputs, groups, self._read_traces())

    # Compiling.

    def compile_graph(self, *args: Any) -> None:
        """Find the hidden groups and what reaches them, and make traces that are zero.

        Parameters
        ----------
        *args
            Inputs of one step, or their likes: only shapes, dtypes and units are used. The model's
            states are initialised before, and stay as they are. Of `MultiStepData` it is the first
            step.

        Raises
        ------
        LateralPathError, UnreachedError, ParameterUseError, HiddenPathError
            The model cannot be learned (LEARN-14 to LEARN-17).
        OperationError
            An operation does not define what the rule needs of it.
        """
        check_between_steps()
        args = take_first_step(args)
        structure = self._method.compile(self._make_source(args))
        self._structure, self._reason_lost = structure, ""
        self._trace_layout = self._method.find_layout(structure)
        self._compilation = Compilation.of(args, find_hidden(self.model))
        self.etraces = {name: EligibilityTrace(None) for name in self._method.list_names(structure)}
        self.reset_traces()

    @property
    def structure(self) -> Any:
        """What `compile_graph` found; None before it.

        It is found again in a copy of a learner, and where parameters have been replaced.
        """
        if self._compilation is not None:
            source = self._make_source(self._compilation.example)
            if self._structure is None or not self._method.is_of(self._structure, source):
                return self._find_structure(source)
        return self._structure

    def _find_structure(self, source: StepSource) -> Any:
        """Find the structure of a step again, to which the traces that there are must belong."""
        structure = self._method.find_structure(source)
        self._check_traces(structure)
        self._structure = structure
        return structure

    def _check_traces(self, structure: Any) -> None:
        """Refuse traces that are not of this structure's parameters and states."""
        self._trace_layout.check(self._method.find_layout(structure))
        self._method.check_traces(structure, self._read_traces())

    def _make_source(self, args: tuple[Any, ...]) -> StepSource:
        return StepSource(check_results_of(self.make_step), args, self.model, self._name_of)

    def _check_compiled(self) -> None:
        if self.structure is None:
            raise NotCompiledError(
                self._reason_lost or "compile_graph(*example_inputs) comes before learning"
            )

    def _renew_structure(self, args: tuple[Any, ...]) -> Any:
        """Give the structure of the step to make, of the objects that the model has now."""
        self._check_compiled()
        assert self._compilation is not None  # What is compiled has one.
        self._compilation.check_inputs(args)
        check_finite(args)
        self._check_unchanged()
        source = self._make_source(args)
        structure = self._method.renew_structure(self.structure, source)
        return self._find_structure(source) if structure is None else structure

    def _check_unchanged(self) -> None:
        """Refuse hidden states of other shapes, and others in their place."""
        _ = self.composition.value
        assert self._compilation is not None  # It is compiled: whoever calls has seen to that.
        self._compilation.check_hidden(find_hidden(self.model))
        self.count.check_same_states(self._find_carriers())

    @property
    def composition(self) -> Composition:
        """What has compiled functions traced anew where the learner has other objects."""
        if self._composition is None:
            self._composition = Composition(self)
        return self._composition

    def _name_of(self, state: brainstate.State | str | tuple[Any, ...]) -> str:
        """The name of a state: its path in the model, with dots."""
        return self.composition.find_name(state)

    # States.

    @property
    def param_states(self) -> dict[Any, brainstate.ParamState]:
        """The model's parameters, by path."""
        return self.model.states(brainstate.ParamState)

    @property
    def rule_states(self) -> dict[str, brainstate.State]:
        """What the rule keeps beside traces, by name, after `compile_graph`."""
        return {}

    @property
    def hidden_states(self) -> dict[Any, brainstate.HiddenState]:
        """The model's hidden states, by path."""
        return self.model.states(brainstate.HiddenState)

    def reset_state(self, batch_size: Any = None) -> None:
        """Initialise the model's states again, and make the traces zero (TRACE-8).

        The states stay the same objects, so that functions which `brainstate.transform.jit` has
        compiled go on with them.

        Parameters
        ----------
        batch_size : int, tuple of int or None
            With which the states are initialised. If it gives them other shapes, `compile_graph`
            comes before learning again.
        """
        check_between_steps()
        check_batch(batch_size)
        if self.structure is None:
            initialise(self.model, batch_size)
            return
        error = renew(self.model, batch_size, keep_new=True)
        if isinstance(error, ShapeError):
            self._structure, self._compilation = None, None
            self._reason_lost = f"{error}: compile_graph(*example_inputs)"
            return
        self.reset_traces()

    def _place(self, name: str, value: Any) -> Any:
        """Put a value where `shard` wants what has this name."""
        return value if self.placement is None else self.placement.put(name, value)

    def _place_state(self, state: brainstate.State, value: Any) -> Any:
        return self._place(self._name_of(state), value)

    # Traces.

    def reset_traces(self) -> None:
        """Make the traces zero.

        Raises
        ------
        NotCompiledError
            Before `compile_graph`.
        """
        self._check_compiled()
        if not any(trace.stack_level for trace in self.etraces.values()):
            # Before it is begun: what is compiled is of what is around, where that is not all new.
            _ = self.composition.value
        self.count.meet_others()
        traces = self._read_traces()
        is_new = any(trace is None for trace in traces.values())
        likes = None if is_new else jax.eval_shape(lambda: traces)

        def begin() -> dict[str, Any]:
            # Mapped over members, traces have an axis of them that the rule knows nothing of.
            return self._method.begin_traces(self.structure) if is_new else make_zeros(likes)

        if is_new:
            self._trace_axes = {k: count_axes(like) for k, like in jax.eval_shape(begin).items()}
        traces = begin() if self.placement is None else self.placement.begin_traces(self, begin)
        for name, trace in traces.items():
            self.etraces[name].value = trace
        count = jnp.zeros((), jnp.int32) if is_new else self.count.zero
        self._note_step(self._place("count", count), is_at_rest=True)

    def zero_trace(self, *states: Any) -> None:
        """Make the traces zero of hidden states that were written, and go on with what they hold.

        A spike count that begins anew in each window does not depend on what came before. The
        traces of other states stay as they are, but for those of ES-D-RTRL's inputs, which all
        states share.

        Parameters
        ----------
        *states : HiddenState, str or tuple
            All that were written since the learner's last step: themselves, their names or paths.

        Raises
        ------
        NotCompiledError, StateNameError
            Before `compile_graph`; for what is no hidden state of the model.
        HiddenPathError
            Another hidden state was written, too.
        """
        self._check_compiled()
        names = [self._name_of(state) for state in states]
        hidden = dict(self._find_carriers())
        for state, name in zip(states, names, strict=True):
            if name not in hidden:
                asked = name if isinstance(state, brainstate.State) else repr(state)
                raise StateNameError(
                    f"{asked} is no hidden state of the model; those are {list(hidden)}"
                )
        self.count.check_outside_writes(frozenset(id(hidden[name]) for name in names))
        for etrace in self.etraces.values():
            etrace.value = self._method.clear_states(self.structure, etrace.value, names)
        self._note_step(self.count.number)

    def get_etrace_of(self, param: brainstate.ParamState | str | tuple[Any, ...]) -> Any:
        """The trace of a parameter, that of its effective weight (TRACE-7).

        Parameters
        ----------
        param : ETraceParam, str or tuple
            The parameter, its name, or its path.

        Returns
        -------
        D-RTRL : dict from the names of hidden states
            An entry is like the state's value, with trees like the effective weight's in the place
            of its leaves: each leaf has the axes of the batch, of the weight, and, of a state with
            several variables for each neuron, of these, at last of a complex state's two parts. In
            the state's unit over the weight's.
        ES-D-RTRL : tuple of eps_x and a dict of eps_f
            eps_x like the operation's presynaptic factors; eps_f like y, in the state's unit over
            that of y.

        Where an element of y enters several neurons, an axis or axes of these come first, that of
        a batch among them. Outside of a `vmap` over members, their axis is the very first.

        Raises
        ------
        NotCompiledError, StateNameError
            Before `compile_graph`; for what is no parameter with a trace.
        """
        self._check_compiled()
        name = self._name_of(param)
        read: Callable[[Any], Any] = self._method.make_reader(self.structure, name)
        return read_members(read, self.etraces[name].value, self._trace_axes[name])

    def _find_carriers(self) -> list[tuple[str, brainstate.State]]:
        """Find the states that the traces are of, and their names."""
        return find_hidden(self.model)

    def _read_traces(self) -> dict[str, Any]:
        return {name: etrace.value for name, etrace in self.etraces.items()}

    def _note_step(
        self, count: Any, plain: PlainStates | None = None, *, is_at_rest: bool = False
    ) -> None:
        """Write the count after a step that left hidden states and plain ones; None: no step."""
        hidden, is_step, before = self._find_carriers(), plain is not None, self.count.plain
        self.count.value = count
        if plain is None:
            plain = before.drop_overwritten()
        self.count.note(hidden, self.etraces.values(), plain, is_at_rest=is_at_rest)
        others = [*(state for _, state, _ in plain.written), *self.rule_states.values()]
        touched = others if is_step else self.model.states().values()
        note_step(hidden, touched, is_step=is_step, begun=self.count if is_at_rest else None)

    # The graph.

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
        return explain(rule, crossed)

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
        assert self._compilation is not None  # What is compiled has one.
        source = self._make_source(self._compilation.example)
        paths = self._method.find_paths(self.structure, source)
        rest = paths, self._read_traces(), self._method.rule_of, self.approximation
        graph = make_graph(LearnerView(type(self).__name__, type(self.model).__name__, *rest))
        if is_printed:
            print(graph)
        if path is not None:
            graph.draw(path)
        return graph
