"""A model's step as pure functions of the values of its states (SPEC.md, chapter 9).

An `Interceptor` stands between the trainable operations and what they compute: it marks what goes
in and out in the program of the step, which is traced once. Where the operations' outputs are
fixed, the program is a function of them: what is then between h(t-1) and h(t) is the neurons' own
dynamics. Derivatives pass through the operations that are `differentiable`, and through no other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import brainstate
import jax
import jax.numpy as jnp

from ..parameters import ETraceParam, FakeETraceParam, intercepting
from .backward_programs import find_backward_programs
from .effective_weights import EffectiveWeight, TracedFunction
from .interceptor import Interceptor, Use
from .keys import StateId, id_of
from .leaves import floats, is_float, with_floats
from .marks import Mark, MarkedProgram
from .pure_function import CAPTURED, Likeness, PureFunction, Values
from .step_refusals import (
    check_callbacks,
    check_distinct,
    check_effects,
    check_followed,
    check_made_before,
    check_not_empty,
    check_parameters_kept,
)

__all__ = ["Differentiable", "Step", "Use", "Values", "trace_step"]

Differentiable = Mapping[StateId, Any]
"""The operations through which derivatives pass, by identity: True; or, for each of the `floats` of
the operation's input, a mask, an array of bool of its shape, of where they do."""


@dataclasses.dataclass(frozen=True, eq=False)
class Step:
    """One step of a model as pure functions of the values of its states.

    Attributes
    ----------
    name_of : callable
        From a state to its name.
    function : PureFunction
        From the arguments to the step's result and the uses of its operations.
    operations : dict of ETraceParam and FakeETraceParam
        Those that the step uses, by their identity.
    params : dict of ETraceParam
        Those of them that have traces.
    effective : dict of EffectiveWeight
        How the effective weight of each of these is made.
    calls : dict of TracedFunction
        What the operations of these are as they are called, where they say so themselves.
    hidden, plain, other : list of State
        The hidden states, the plain parameters, and all other states.
    written_states : list of State
        Those that the step writes.
    names : tuple of tuple of str
        The names, as they were when it was traced, of the parameters with traces, of the hidden
        states, and of those that it writes.
    backward_programs : list of Likeness and str
        The rules for derivatives that the step has of its own, as they were when it was traced.
    """

    name_of: Callable[[Any], str]
    function: PureFunction
    operations: dict[StateId, ETraceParam | FakeETraceParam]
    params: dict[StateId, ETraceParam]
    effective: dict[StateId, EffectiveWeight]
    calls: dict[StateId, TracedFunction]
    hidden: list[brainstate.State]
    plain: list[brainstate.State]
    other: list[brainstate.State]
    written_states: list[brainstate.State]
    names: tuple[tuple[str, ...], ...]
    backward_programs: list[Likeness | str]
    # What is traced for values and arguments of each kind, so that it is traced once.
    _programs: dict[Any, Any] = dataclasses.field(default_factory=dict, init=False, repr=False)
    _marked_programs: dict[Any, MarkedProgram] = dataclasses.field(
        default_factory=dict, init=False, repr=False
    )

    def is_like(self, other: Step) -> bool:
        """Whether the other is the same program, with the same derivatives, of the same states."""
        return (
            self.names == other.names
            and list(self.operations) == list(other.operations)
            and self.function.likeness == other.function.likeness
            and self.backward_programs == other.backward_programs
        )

    @property
    def changing(self) -> set[StateId]:
        """The identities of the hidden states, and of all others that a step writes."""
        return {id_of(s) for s in [*self.hidden, *self.written_states]}

    def values(self) -> Values:
        """Read what the states hold now, and what the step takes from the traces around it."""
        return self.function.values()

    @property
    def only_read(self) -> list[brainstate.State]:
        """The states that the step leaves as they are, hidden ones and parameters apart."""
        return [s for s in self.other if id_of(s) not in self.changing]

    def read_around(self, values: Values) -> Values:
        """Read what the step takes from around it and leaves as it is, parameters apart."""
        return {key: values[key] for key in (CAPTURED, *map(id_of, self.only_read))}

    @staticmethod
    def by_identity(states: list[Any], trees: list[Any], leaves: list[Any]) -> Values:
        """Make these trees with other floating-point leaves, by the identity of their states."""
        new = with_floats(trees, leaves)
        return {id_of(s): tree for s, tree in zip(states, new, strict=True)}

    def record(
        self, values: Values, args: tuple[Any, ...]
    ) -> tuple[Any, Values, dict[StateId, Use]]:
        """Make the step: its result, all states' values after it, and the uses of operations."""
        (out, uses), new = self.function(values, (args,))
        states = self.function.states
        after = {**values, **{id_of(s): v for s, v in zip(states, new, strict=True)}}
        return out, after, {k: Use(*use) for k, use in uses.items()}

    def record_with_outputs(
        self, values: Values, args: tuple[Any, ...], ys: Values, differentiable: Differentiable
    ) -> tuple[Any, Values, dict[StateId, Use]]:
        """Make the step, its operations putting out `ys`.

        Derivatives by what goes into operations pass through those that are `differentiable`.
        """
        program, structure = self._find_program(values, args, frozenset(differentiable))
        masks = [differentiable.get(key) for key in self.operations]
        has_trace = [key in self.params for key in self.operations]
        outputs = [jax.tree.leaves(ys[key]) for key in self.operations]

        def at_mark(at: Mark, value: Any) -> Any:
            mask = masks[at.operation]
            if at.what == "y":
                y = outputs[at.operation][at.leaf]
                return y if mask is None else y + (value - jax.lax.stop_gradient(value))
            if mask is None or (at.what == "x" and mask is True):
                return value
            if at.what == "w":
                return jax.lax.stop_gradient(value) if has_trace[at.operation] else value
            if not is_float(value):
                return jax.lax.stop_gradient(value)
            return _stop_outside(value, self._masks_of_leaf(at, mask))

        results = program.evaluate(jax.tree.leaves((values, args)), at_mark)
        out, after, uses = jax.tree.unflatten(structure, results)
        return out, after, {k: Use(*use) for k, use in uses.items()}

    def find_closures(
        self, values: Values, args: tuple[Any, ...], ys: Values, keys: Iterable[StateId]
    ) -> dict[StateId, list[Any]]:
        """Make what these operations put out of all but their inputs, which are held.

        All operations put out `ys` to the rest of the step.
        """
        numbers = {list(self.operations).index(key): key for key in keys}
        program, _ = self._find_program(values, args, frozenset(numbers.values()))
        outputs = [jax.tree.leaves(ys[key]) for key in self.operations]
        made = {key: list(map(jnp.zeros_like, outputs[n])) for n, key in numbers.items()}

        def at_mark(at: Mark, value: Any) -> Any:
            if at.what == "x" and at.operation in numbers:
                return jax.lax.stop_gradient(value)
            if at.what != "y":
                return value
            if at.operation in numbers:
                made[numbers[at.operation]][at.leaf] = value
            return outputs[at.operation][at.leaf]

        program.evaluate(jax.tree.leaves((values, args)), at_mark)
        return made

    def _find_program(
        self, values: Values, args: tuple[Any, ...], differentiable: frozenset[StateId]
    ) -> tuple[MarkedProgram, Any]:
        """Find the step's program for values and arguments like these, and its result's tree."""
        leaves, structure = jax.tree.flatten((values, args))
        like = structure, tuple((jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves)
        if like not in self._programs:
            self._programs[like] = jax.make_jaxpr(self.record, return_shape=True)(values, args)
        program, out = self._programs[like]
        if (like, differentiable) not in self._marked_programs:
            is_fixed = [key not in differentiable for key in self.operations]
            self._marked_programs[like, differentiable] = MarkedProgram(
                program, lambda at: at.what == "y" and is_fixed[at.operation]
            )
        return self._marked_programs[like, differentiable], jax.tree.structure(out)

    def _masks_of_leaf(self, at: Mark, masks: list[Any]) -> list[Any]:
        """Take the masks of the `floats` of one leaf of an operation's input."""
        uses = self.function.result[1]
        x = jax.tree.leaves(uses[list(self.operations)[at.operation]].x)
        first = len(floats(x[: at.leaf]))
        return masks[first : first + len(floats(x[at.leaf]))]


def trace_step(
    function: Callable[..., Any], args: tuple[Any, ...], name_of: Callable[[Any], str]
) -> Step:
    """Trace one step of a model.

    Parameters
    ----------
    function : callable
        Makes one step of a model.
    args : tuple
        Its arguments, or their likes: only shapes, dtypes and units are used.
    name_of : callable
        From a state to its name.

    Raises
    ------
    ParameterUseError, OperationError, StructureError, ShapeError
        The step cannot be followed, or has no neuron.
    """
    pure, interceptor = _trace_intercepted(function, args, name_of)
    check_effects(pure.program)
    check_callbacks(pure.program)
    operations = interceptor.operations
    check_followed(pure.program, operations, name_of)
    params = {key: p for key, p in operations.items() if isinstance(p, ETraceParam)}
    check_made_before(params, pure.states, name_of)
    # By name: which state a step reads first may be another than in the steps before.
    hidden = sorted((s for s in pure.states if _is_hidden(s)), key=name_of)
    check_not_empty(hidden, name_of)
    used = [s for s in pure.states if isinstance(s, brainstate.ParamState)]
    plain: list[brainstate.State] = [s for s in used if id_of(s) not in params]
    known = {id_of(s) for s in [*hidden, *plain]} | set(params)
    other = [s for s in pure.states if id_of(s) not in known]
    written_states = [s for s in pure.states if id_of(s) in pure.written_ids]
    check_parameters_kept(written_states, name_of)
    check_distinct([name_of(s) for s in params.values()])
    check_distinct([name_of(s) for s in hidden])
    names = tuple(
        tuple(map(name_of, states)) for states in (params.values(), hidden, written_states)
    )
    return Step(
        name_of,
        pure,
        operations,
        params,
        interceptor.effective,
        interceptor.calls,
        hidden,
        plain,
        other,
        written_states,
        names,
        find_backward_programs(pure.program.jaxpr),
    )


def _trace_intercepted(
    function: Callable[..., Any], args: tuple[Any, ...], name_of: Callable[[Any], str]
) -> tuple[PureFunction, Interceptor]:
    """Trace a function to its result and the uses of operations, and give what applied these."""
    made: list[Interceptor] = []

    def run(args: tuple[Any, ...]) -> Any:
        interceptor = Interceptor(name_of)
        made[:] = [interceptor]
        with intercepting(traced=interceptor.execute):
            out = function(*args)
        return out, interceptor.hand_over_uses()

    pure = PureFunction(run, (args,))
    (interceptor,) = made
    return pure, interceptor


def _stop_outside(leaf: jax.Array, masks: list[Any]) -> jax.Array:
    """Stop the derivatives of a leaf outside of the masks of its `floats`."""
    new = [
        jnp.where(m, part, jax.lax.stop_gradient(part))
        for m, part in zip(masks, floats(leaf), strict=True)
    ]
    return with_floats(leaf, new)


def _is_hidden(state: brainstate.State) -> bool:
    """Whether a state is hidden: one of the state classes, floating-point or complex."""
    return isinstance(state, brainstate.HiddenState) and all(
        is_float(leaf) for leaf in jax.tree.leaves(state.value)
    )
