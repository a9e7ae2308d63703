"""Gradients by derivatives that go forward in time with the states (SPEC.md, RTRL, OSTL)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

from ..engine.forward_sensitivity import SensitiveStep, Sensitivities, trace_sensitive_step
from ..engine.inputs import as_arrays, shapes_of
from ..engine.keys import StateId, id_of
from ..engine.leaves import floats, is_complex, join_derivatives
from ..engine.pure_function import CAPTURED
from ..engine.pure_step import Values
from ..engine.rule import Rule
from ..engine.second_derivatives import watch_past
from ..engine.step_graph import StepGraph, find_step_graph
from ..errors import StateNameError, StructureError
from ..parameters import execute, intercepting
from .gradient_method import Before, GradientMethod, SequenceResult, StepResult, Traces, list_others
from .step_source import StepSource

__all__ = ["ForwardMethod"]


class ForwardMethod(GradientMethod):
    """Gradients by sensitivities: the derivatives of all states by every entry of the parameters.

    The trace of a parameter of P entries is its part of them: by the name of a state, for each of
    its floating-point leaves, (P, *leaf).

    Parameters
    ----------
    carriers : mapping from names to states
        Those which have sensitivities.
    """

    def __init__(self, carriers: Mapping[str, brainstate.State]):
        self.carriers = carriers

    # The step.

    def compile(self, source: StepSource) -> SensitiveStep:
        return self.find_structure(source)

    def find_structure(self, source: StepSource) -> SensitiveStep:
        with source.trace_first():
            return self.find_structure_of_loss(source)

    def find_structure_of_loss(self, source: StepSource) -> SensitiveStep:
        # The step is kept, and the arguments of its first trace are not.
        function = source.function

        def intercept(*items: Any) -> Any:
            with intercepting(traced=execute):
                return function(*items)

        params = source.model.states(brainstate.ParamState).values()
        carriers = self.carriers.values()
        structure = trace_sensitive_step(intercept, source.args, source.name_of, params, carriers)
        _check_made_before(structure, source)
        return structure

    def renew_structure(self, structure: SensitiveStep, source: StepSource) -> SensitiveStep:
        return self.find_structure_of_loss(source)

    def is_of(self, structure: SensitiveStep, source: StepSource) -> bool:
        return [source.name_of(s) for s in structure.params] == structure.param_names

    def find_paths(self, structure: SensitiveStep, source: StepSource) -> StepGraph:
        return find_step_graph(source.function, source.args, source.name_of, source.find_params())

    def check_rows(self, structure: SensitiveStep, args: Any, *, over_steps: bool) -> None:
        """Refuse nothing: what an index of no row gives is the model's affair."""

    # The traces.

    def list_names(self, structure: SensitiveStep) -> list[str]:
        return structure.param_names

    def begin_traces(self, structure: SensitiveStep) -> dict[str, Any]:
        likes = jax.eval_shape(structure.make_zeros)

        def make_zeros(like: Any, size: int) -> jax.Array:
            # Zeros of JAX would have a program compiled for each shape.
            return jax.device_put(np.zeros((size, *like.shape[1:]), like.dtype))

        return {
            name: jax.tree.map(lambda like, size=size: make_zeros(like, size), likes)
            for name, size in zip(structure.param_names, structure.sizes, strict=True)
        }

    def check_traces(self, structure: SensitiveStep, traces: Traces) -> None:
        jax.eval_shape(lambda: self._join(structure, traces))

    def clear_states(self, structure: SensitiveStep, trace: Any, names: list[str]) -> Any:
        return {
            state: jax.tree.map(jnp.zeros_like, leaves) if state in names else leaves
            for state, leaves in trace.items()
        }

    def make_reader(self, structure: SensitiveStep, name: str) -> Callable[[Any], Any]:
        names = structure.param_names
        if name not in names:
            raise StateNameError(f"{name} is no parameter of a step; those are {names}")
        value = structure.params[names.index(name)].value

        def read(trace: dict[str, Any]) -> Any:
            by_state = {}
            for state, state_name in zip(structure.carrying_states, structure.names, strict=True):
                rest = iter(trace[state_name])
                by_state[state_name] = jax.tree.map(
                    lambda leaf, rest=rest: _split_by_entry(_take_leaf(rest, leaf), leaf, value),
                    state.value,
                    is_leaf=lambda leaf: isinstance(leaf, u.Quantity),
                )
            return by_state

        return read

    def rule_of(self, trace: Any) -> Rule:
        return Rule()  # Nothing is left out but paths.

    # Steps.

    def read_values(
        self, structure: SensitiveStep, place: Callable[[brainstate.State, Any], Any]
    ) -> Values:
        values = structure.values()
        return values | {CAPTURED: as_arrays(values[CAPTURED])}

    def list_others(self, structure: SensitiveStep) -> list[brainstate.State]:
        return list_others(structure.written_states)

    def list_used(
        self, structure: SensitiveStep
    ) -> tuple[Iterable[brainstate.State], Iterable[brainstate.State]]:
        return structure.params, structure.around_states

    def find_remembering(self, structure: SensitiveStep, args: tuple[Any, ...]) -> set[StateId]:
        return structure.find_remembering(args)

    def make_step(
        self, structure: SensitiveStep, args: tuple[Any, ...], values: Values, before: Before
    ) -> StepResult:
        traces, *rest = before
        joined = self._join(structure, traces)
        out, changes, after = structure.make_differentiable(values, args, joined, *rest)
        after = self._keep_layers(structure, after)
        ids = {id_of(s) for s in structure.written_states}
        pairs = zip(structure.carrying_states, changes, strict=True)
        changes = [(s, value) for s, value in pairs if id_of(s) in ids]
        return StepResult(out, changes, self._split(structure, after, traces))

    def make_steps(
        self, structure: SensitiveStep, sequences: Any, before: Before, chunk: int | None
    ) -> SequenceResult:
        traces, count, surroundings = before
        values, joined = structure.values(), self._join(structure, traces)
        params = {id_of(s): values[id_of(s)] for s in structure.params}
        values |= watch_past(params, joined, count, surroundings)
        ids = {id_of(s) for s in structure.written_states}
        constant = {k: v for k, v in values.items() if k not in ids}

        def advance(carry: Any, args: Any) -> Any:
            changing, joined, gradient = carry
            made = structure.make(constant | changing, args, joined)
            changing = {k: made.after[k] for k in changing}
            gradient = gradient + made.of_out[0]
            return (changing, self._keep_layers(structure, made.sensitivities), gradient), made.out

        changing = {k: v for k, v in values.items() if k in ids}
        zero = jnp.zeros(sum(structure.sizes), floats(structure.function.result)[0].dtype)
        begin = changing, joined, zero
        (changing, after, gradient), (losses, aux) = jax.lax.scan(advance, begin, sequences)
        trees = structure.as_params(gradient, [values[id_of(s)] for s in structure.params])
        gradients = {id_of(s): tree for s, tree in zip(structure.params, trees, strict=True)}
        changes = [(state, changing[id_of(state)]) for state in structure.written_states]
        after = self._split(structure, after, traces)
        return SequenceResult(changes, after, count + len(losses), gradients, losses, aux)

    # Sensitivities of all parameters.

    def _join(self, structure: SensitiveStep, traces: Traces) -> Sensitivities:
        """Join the traces of all parameters; they are zero for states that have none yet.

        Raises
        ------
        StructureError
            A trace does not fit.
        """
        sensitivities = structure.make_zeros()
        for name, rows in _rows_of(structure):
            for state, leaves in traces.get(name, {}).items():
                if state in sensitivities:
                    whole = sensitivities[state]
                    _check_shapes(name, state, leaves, [leaf[rows] for leaf in whole])
                    pairs = zip(whole, leaves, strict=True)
                    sensitivities[state] = [leaf.at[rows].set(part) for leaf, part in pairs]
        return sensitivities

    def _split(
        self, structure: SensitiveStep, sensitivities: Sensitivities, traces: Traces
    ) -> dict[str, Any]:
        """Split sensitivities into the traces of those parameters that have one."""
        return {
            # States that this step does not meet keep what they had.
            name: dict(traces[name])
            | {state: [leaf[rows] for leaf in leaves] for state, leaves in sensitivities.items()}
            for name, rows in _rows_of(structure)
            if name in traces
        }

    def _keep_layers(self, structure: SensitiveStep, sensitivities: Sensitivities) -> Sensitivities:
        """Keep what goes on to the next step: of each parameter, by the states of its layer.

        What a step does not write is as it was.
        """
        layers = structure.layers
        if layers is None:
            return sensitivities
        ids = {id_of(state) for state in structure.written_states}
        pairs = zip(structure.names, structure.carrying_states, strict=True)
        written = {name for name, state in pairs if id_of(state) in ids}
        sizes = zip(structure.param_names, structure.sizes, strict=True)
        owners = [name for name, size in sizes for _ in range(size)]
        by_state = {}
        for state, leaves in sensitivities.items():
            is_kept = np.array([state in layers.get(owner, ()) for owner in owners], bool)
            is_kept |= state not in written
            by_state[state] = [
                jnp.where(is_kept.reshape(-1, *(1,) * (leaf.ndim - 1)), leaf, 0) for leaf in leaves
            ]
        return by_state


def _check_made_before(structure: SensitiveStep, source: StepSource) -> None:
    """Refuse states outside of the model that are made in a trace: a compiled function has others.

    Raises
    ------
    StructureError
    """
    known = {id_of(state) for state in source.model.states().values()}
    for name, state in zip(structure.names, structure.carrying_states, strict=True):
        if id_of(state) not in known and state.stack_level > 0:
            raise StructureError(
                f"{name} is made within a function that brainstate traces, is no state of the "
                "model, and a step writes it: make it before, outside of that function, or make it "
                "an attribute of the model",
                got=state,
            )


def _rows_of(structure: SensitiveStep) -> Iterator[tuple[str, slice]]:
    """Each parameter's name, and its entries among those of all."""
    first = 0
    for name, size in zip(structure.param_names, structure.sizes, strict=True):
        yield name, slice(first, first + size)
        first += size


def _check_shapes(name: str, state: str, leaves: Any, like: Any) -> None:
    if shapes_of(leaves) != shapes_of(like):
        raise StructureError(
            f"the sensitivity of {state} by {name} does not fit, as one of them is another "
            "than at compile_graph: call it again",
            got=shapes_of(leaves),
            needs=shapes_of(like),
        )


def _take_leaf(rest: Iterator[jax.Array], leaf: Any) -> jax.Array:
    """Take the next sensitivity, or that of both parts of a complex leaf."""
    return jnp.stack([next(rest), next(rest)], -1) if is_complex(leaf) else next(rest)


def _split_by_entry(sensitivity: jax.Array, leaf: Any, value: Any) -> Any:
    """Split the sensitivity of a state's leaf, (P, *leaf), to a tree like the parameter's value."""
    first, entries = 0, []
    weights, tree = jax.tree.flatten(value, is_leaf=lambda x: isinstance(x, u.Quantity))
    for w in weights:
        shape, size = u.math.shape(w), int(np.prod(u.math.shape(w)))
        real_and_imaginary = []
        for _ in range(1 + is_complex(w)):
            part = sensitivity[first : first + size]
            real_and_imaginary.append(part.reshape(*shape, *sensitivity.shape[1:]))
            first += size
        entry = join_derivatives(real_and_imaginary)
        entries.append(u.Quantity(entry, unit=u.get_unit(leaf) / u.get_unit(w)))
    return jax.tree.unflatten(tree, entries)
