"""Gradients by eligibility traces and a rule (SPEC.md, chapters 9 and 10)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import brainstate
import jax
import jax.numpy as jnp

from ..engine.chunks import Carry, choose_chunk, learn_sequence
from ..engine.inputs import as_arrays, length_of, shapes_of
from ..engine.keys import StateId, id_of
from ..engine.known_inputs import check_rows
from ..engine.leaves import conjugate, floats, units_of
from ..engine.operation_checks import check_derivatives, check_methods
from ..engine.pure_function import CAPTURED
from ..engine.pure_step import Values
from ..engine.rule import Rule
from ..engine.rule_inputs import (
    find_weight_gradients,
    make_inputs_at_rest,
    name_traces,
)
from ..engine.second_derivatives import watch_past
from ..engine.single_step import make_online_step
from ..engine.step_graph import StepGraph, find_step_graph
from ..errors import StateNameError, StructureError
from .gradient_method import Before, GradientMethod, SequenceResult, StepResult, Traces, list_others
from .kinds_of_steps import KindsOfSteps
from .step_source import StepSource
from .trace_layout import TraceLayout

__all__ = ["RuleMethod"]


class RuleMethod(GradientMethod):
    """Gradients by a rule, which says what traces are and what they make with learning signals.

    Parameters
    ----------
    rule : Rule
    kinds : KindsOfSteps
        To which those are added that are made.
    """

    def __init__(self, rule: Rule, kinds: KindsOfSteps):
        self.rule = rule
        self.kinds = kinds

    # The step.

    def compile(self, source: StepSource) -> StepGraph:
        structure = self.find_structure(source)
        check_methods(structure, self.rule.needs)
        check_derivatives(structure, self.rule.needs)
        self.kinds.clear()
        return structure

    def find_structure(self, source: StepSource) -> StepGraph:
        with source.trace_first():
            return self.find_structure_of_loss(source)

    def find_structure_of_loss(self, source: StepSource) -> StepGraph:
        structure = find_step_graph(
            source.function, source.args, source.name_of, source.find_params()
        )
        source.check_states(structure.step.params.values())
        return structure

    def renew_structure(self, structure: StepGraph, source: StepSource) -> StepGraph | None:
        return structure.at(source.function, source.args)

    def is_of(self, structure: StepGraph, source: StepSource) -> bool:
        states = {id_of(state) for state in source.model.states().values()}
        return all(key in states for key in structure.step.params)

    def find_paths(self, structure: StepGraph, source: StepSource) -> StepGraph:
        return structure

    def check_rows(self, structure: StepGraph, args: Any, *, over_steps: bool) -> None:
        check_rows(structure.step, args, over_steps=over_steps)

    # The traces.

    def list_names(self, structure: StepGraph) -> list[str]:
        return [structure.name_of(param) for param in structure.step.params.values()]

    def begin_traces(self, structure: StepGraph) -> dict[str, Any]:
        return {p.name: self.rule.begin(p) for p in make_inputs_at_rest(structure)}

    def find_layout(self, structure: StepGraph) -> TraceLayout:
        reach = {structure.name_of(structure.step.params[k]): r for k, r in structure.reach.items()}
        return TraceLayout([group.names for group in structure.groups], reach)

    def check_traces(self, structure: StepGraph, traces: Traces) -> None:
        """Refuse parameters whose traces, of the objects that were before, are not theirs.

        Raises
        ------
        StructureError
        """
        for parameter in make_inputs_at_rest(structure):
            like = jax.eval_shape(lambda p=parameter: self.rule.begin(p))
            is_known = parameter.name in traces
            if not is_known or shapes_of(traces[parameter.name]) != shapes_of(like):
                raise StructureError(
                    f"{parameter.name} has no trace that fits, as it, a state that it reaches, or "
                    "what brainstate.environ says (fit, t, ...) is another than at compile_graph: "
                    "call it again, in the environment of the steps",
                    got=shapes_of(traces[parameter.name]) if is_known else None,
                    needs=shapes_of(like),
                )

    def clear_states(self, structure: StepGraph, trace: Any, names: list[str]) -> Any:
        hidden, ids = structure.step.hidden, set()
        positions = zip(hidden, structure.leaves_of(hidden), strict=True)
        leaves = {i for s, each in positions if structure.name_of(s) in names for i in each}
        _, by_group = self.rule.split(trace)
        for g, by_variable in by_group.items():
            group = structure.groups[g]
            leaf_of_variable = [
                leaf
                for leaf, extra in zip(group.leaves, group.extra, strict=True)
                for _ in range(math.prod(extra))
            ]
            for leaf, of_variable in zip(leaf_of_variable, by_variable, strict=True):
                ids |= {id(array) for array in jax.tree.leaves(of_variable) if leaf in leaves}
        return jax.tree.map(lambda e: jnp.zeros_like(e) if id(e) in ids else e, trace)

    def make_reader(self, structure: StepGraph, name: str) -> Callable[[Any], Any]:
        keys = dict(zip(self.list_names(structure), structure.step.params, strict=True))
        if name not in keys:
            raise StateNameError(f"{name} has no trace; those that have one are {list(keys)}")
        key = keys[name]
        param = structure.step.params[key]

        def read(trace: Any) -> Any:
            x, by_group = self.rule.split(trace)
            if x is None:
                per = units_of(structure.step.effective[key](param.value))
                return name_traces(structure, key, by_group, per)
            return x, name_traces(structure, key, by_group, units_of(structure.uses[key].y))

        return read

    def rule_of(self, trace: Any) -> Rule:
        return self.rule.of(trace)

    # Steps.

    def read_values(
        self, structure: StepGraph, place: Callable[[brainstate.State, Any], Any]
    ) -> Values:
        step = structure.step
        values = step.values()
        values[CAPTURED] = as_arrays(values[CAPTURED])
        for param in (*step.params.values(), *step.plain):
            values[id_of(param)] = place(param, values[id_of(param)])
        return values

    def list_others(self, structure: StepGraph) -> list[brainstate.State]:
        return list_others(structure.step.written_states)

    def list_used(
        self, structure: StepGraph
    ) -> tuple[Iterable[brainstate.State], Iterable[brainstate.State]]:
        params = [*structure.step.params.values(), *structure.entering]
        return params, structure.step.only_read

    def find_remembering(self, structure: StepGraph, args: tuple[Any, ...]) -> set[StateId]:
        return structure.remembering

    def make_step(
        self, structure: StepGraph, args: tuple[Any, ...], values: Values, before: Before
    ) -> StepResult:
        self.kinds.add(structure)
        (traces, *rest), names = before, self.list_names(structure)
        etraces = [traces[name] for name in names]
        out, changes, after = make_online_step(structure, self.rule, values, args, etraces, *rest)
        return StepResult(out, _pair(structure, changes), dict(zip(names, after, strict=True)))

    def make_steps(
        self, structure: StepGraph, sequences: Any, before: Before, chunk: int | None
    ) -> SequenceResult:
        self.kinds.add(structure)
        traces, count, surroundings = before
        if chunk is None:
            chunk = choose_chunk(structure, traces, length_of(sequences))
        step, names = structure.step, self.list_names(structure)
        values, etraces = step.values(), [traces[name] for name in names]
        params = {key: values[key] for key in step.params}
        values |= watch_past(params, etraces, count, surroundings)
        begin = Carry(
            {k: v for k, v in values.items() if k in step.changing},
            etraces,
            count,
            [jax.tree.map(jnp.zeros_like, p.weight) for p in make_inputs_at_rest(structure)],
            jax.tree.map(jnp.zeros_like, floats([values[id_of(s)] for s in step.plain])),
            jax.tree.map(jnp.zeros_like, floats([values[key] for key in step.params])),
        )
        end, (losses, aux) = learn_sequence(structure, self.rule, values, sequences, begin, chunk)
        plain = [values[id_of(s)] for s in step.plain]
        gradients = conjugate(step.by_identity(step.plain, plain, end.plain))
        gradients |= find_weight_gradients(step, values, end.gradients, end.direct)
        after = dict(zip(names, end.etraces, strict=True))
        return SequenceResult(
            _pair(structure, end.changing), after, end.count, gradients, losses, aux
        )

    def find_signals(
        self, source: StepSource, sequences: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        return self._find_signals(source, sequences, is_local=self.rule.local)


def _pair(structure: StepGraph, values: Values) -> list[tuple[brainstate.State, Any]]:
    """Pair the states that a step writes with their values."""
    return [(state, values[id_of(state)]) for state in structure.step.written_states]
